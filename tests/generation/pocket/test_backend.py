from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.errors import CancelledError
from photoplay.generation.anchors import render
from photoplay.generation.backends.pocket.backend import PocketBackend
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.protocol import Backend
from photoplay.generation.source import frame_photo
from photoplay.types import Duet, Frames, HeadPose, Label, Photo, RgbStack, Scene, StageEvent
from tests.generation.actors import REST, astronaut, matte, plan, subject, track

SIZE = 96


class Painter:
    """Adds a colour that moves on slowly from frame to frame, and remembers what it was asked."""

    def __init__(self, colour: tuple[int, int, int] = (60, -30, 0)) -> None:
        self.colour = np.array(colour)
        self.asked: list[tuple[CropWindow, RgbStack | None, int, int, int]] = []
        self.made: list[RgbStack] = []

    def generate(
        self, window: CropWindow, known: RgbStack | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        self.asked.append((window, known, seed, start, num_inference_steps))
        strength = 0.7 + 0.3 * np.sin((start + np.arange(window.num_frames)) / 4)
        made = window.anchor + strength[:, None, None, None] * self.colour
        self.made.append(np.clip(np.rint(made), 0, 255).astype(np.uint8))
        return self.made[-1]


class Nothing(Painter):
    """A model that finds the anchor perfect."""

    def __init__(self) -> None:
        super().__init__((0, 0, 0))


def nodding(frames: int) -> list[HeadPose]:
    turn = np.sin(np.arange(frames) / 6)
    return [HeadPose(float(8 * s), float(4 * s), 0.0) for s in turn]


def talking(scene: Scene, frames: int):
    return track(scene, nodding(frames), jaw=[float(6 + 6 * np.sin(k / 3)) for k in range(frames)])


def film_plan(frames: int):
    return replace(plan(frames, 224, (60.0, 0.0, 400.0, 340.0)), window=24)


def joined(windows: list[Frames]) -> RgbStack:
    return np.concatenate([w.rgb for w in windows])


@pytest.fixture(scope="module")
def talk() -> tuple[Painter, list[Frames]]:
    scene, model = astronaut(), Painter()
    return model, list(
        PocketBackend(model, num_inference_steps=3, size=SIZE).generate(scene, [talking(scene, 46)], film_plan(46))
    )


def test_it_is_a_backend_that_says_what_it_does():
    backend = PocketBackend()
    assert isinstance(backend, Backend)
    assert backend.name == "pocket"
    assert backend.capabilities.source_type == "compositeWithTrainedAlgorithmicMedia"


def test_windows_overlap_and_the_model_is_told_what_it_made(talk):
    model, windows = talk
    assert [(w.start, len(w.rgb)) for w in windows] == [(0, 8), (8, 8), (16, 8), (24, 8), (32, 8), (40, 6)]
    assert [(asked[0].num_frames, asked[3]) for asked in model.asked] == [(24, 0), (24, 16), (14, 32)]
    assert model.asked[0][1] is None
    for k in (1, 2):
        window, known, seed, _, steps = model.asked[k]
        assert known is not None
        assert (known == model.made[k - 1][-8:]).all()
        assert (window.anchor[:8] == model.asked[k - 1][0].anchor[-8:]).all()
        assert (window.landmarks[:8] == model.asked[k - 1][0].landmarks[-8:]).all()
        assert (seed, steps) == (0, 3)


def test_the_anchor_comes_alongside_and_is_not_painted(talk):
    _, windows = talk
    scene = astronaut()
    wanted = np.concatenate([a.rgb for a in render(scene, [talking(scene, 46)], film_plan(46))])
    assert (np.concatenate([w.anchor.rgb for w in windows]) == wanted).all()
    assert all(len(w.anchor.depth) == len(w.rgb) for w in windows)


def test_the_lips_are_painted_and_the_background_is_not(talk):
    _, windows = talk
    rgb, anchor = joined(windows).astype(int), np.concatenate([w.anchor.rgb for w in windows])
    labels = np.concatenate([w.anchor.labels for w in windows])
    assert np.median((rgb[10] - anchor[10])[labels[10] == Label.LIP][:, 1]) < -15
    assert (rgb[:, 150:, 150:] == anchor[:, 150:, 150:]).all()


def test_no_seam_between_windows(talk):
    """Over a seam nothing jumps more than between any other two frames."""
    _, windows = talk
    added = joined(windows).astype(float) - np.concatenate([w.anchor.rgb for w in windows])
    steps = np.abs(np.diff(added, axis=0)).mean((1, 2, 3))
    for seam in (23, 39):
        assert steps[seam] <= np.delete(steps, [23, 39]).max()


def test_same_film_for_the_same_seed_whatever_the_window(talk):
    _, windows = talk
    scene = astronaut()
    again = list(
        PocketBackend(Painter(), 3, SIZE).generate(scene, [talking(scene, 46)], replace(film_plan(46), window=5))
    )
    assert (joined(again) == joined(windows)).all()
    assert max(len(w.rgb) for w in again) == 5
    assert [w.start for w in again] == list(np.cumsum([0] + [len(w.rgb) for w in again[:-1]]))


def test_a_model_that_changes_nothing_gives_the_anchor():
    scene = astronaut()
    windows = list(PocketBackend(Nothing(), size=SIZE, coarse=True).generate(scene, [talking(scene, 3)], film_plan(3)))
    assert (joined(windows) == np.concatenate([w.anchor.rgb for w in windows])).all()


def test_a_track_at_rest_leaves_the_photo_and_asks_no_model():
    scene, model = astronaut(), Painter()
    film = joined(list(PocketBackend(model, size=SIZE).generate(scene, [track(scene, [REST] * 3)], film_plan(3))))
    assert not model.asked
    assert (film == frame_photo(scene.photo.pixels, film_plan(3))).all()


def test_a_frame_at_rest_in_a_moving_film_is_the_photo():
    scene = astronaut()
    poses = [REST, HeadPose(10, 0, 0), REST]
    film = joined(list(PocketBackend(Painter(), size=SIZE).generate(scene, [track(scene, poses)], film_plan(3))))
    photo = frame_photo(scene.photo.pixels, film_plan(3))
    assert (film[[0, 2]] == photo).all()
    assert (film[1] != photo).any()


def test_a_face_too_small_is_left_to_the_anchor():
    scene, model = astronaut(), Painter()
    small = plan(3, 160)
    film = list(PocketBackend(model, size=SIZE).generate(scene, [talking(scene, 3)], small))
    assert not model.asked
    assert (joined(film) == film[0].anchor.rgb).all()


def test_every_frame_is_counted_once_and_cancelling_stops():
    scene, told = astronaut(), []
    list(PocketBackend(Painter(), size=SIZE).generate(scene, [talking(scene, 10)], film_plan(10), told.append))
    done = [event.done for event in told]
    assert done == sorted(done)
    assert [d for d in done if d] == list(range(1, 11))
    assert {event.total for event in told} == {10}

    def cancel(event: StageEvent) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        list(PocketBackend(Painter(), size=SIZE).generate(scene, [talking(scene, 3)], film_plan(3), cancel))


def two_people() -> Scene:
    scene = astronaut()
    rest = scene.subjects[0].face.landmarks
    photo = np.concatenate([scene.photo.pixels[:, 60:400], scene.photo.pixels[:, 60:400]], axis=1)
    left = np.zeros(photo.shape[:2], np.uint8)
    left[:, :340] = matte()[:, 60:400]
    right = np.roll(left, 340, axis=1)
    subjects = tuple(
        subject((rest + np.array([dx, 0, 0], np.float32)).astype(np.float32), own)
        for dx, own in ((-60.0, left), (280.0, right))
    )
    return Scene(Photo(photo, "0" * 64), subjects, np.maximum(left, right))


def test_two_people_are_painted_and_nobody_else():
    scene, model = two_people(), Painter((0, 0, 90))
    tracks = [track(scene, nodding(3)[1:] + nodding(2)[1:], who=k) for k in (0, 1)]
    wide = replace(plan(3, 224, (0.0, 0.0, 340.0, 340.0)), width=448, crop=(0.0, 0.0, 680.0, 340.0))
    windows = list(PocketBackend(model, size=SIZE).generate(scene, tracks, wide))
    assert len(model.asked) == 2
    added = np.abs(joined(windows).astype(int) - windows[0].anchor.rgb).sum(-1)
    nose = [wide.to_frame(t.landmarks)[1, 4, :2].round().astype(int) for t in tracks]
    assert all(added[1, y - 4 : y + 4, x - 4 : x + 4].mean() > 10 for x, y in nose)
    alone = joined(list(PocketBackend(Painter((0, 0, 90)), size=SIZE).generate(scene, tracks[:1], wide)))
    assert (alone[:, :, 300:] == frame_photo(scene.photo.pixels, wide)[:, 300:]).all()


class OfOne(Painter):
    """Paints one of two views and finds the anchor perfect in the other."""

    def __init__(self, who: int) -> None:
        super().__init__()
        self.who = who

    def generate(self, window, known, seed, start, num_inference_steps):
        made = super().generate(window, known, seed, start, num_inference_steps)
        return made if (len(self.asked) - 1) % 2 == self.who else window.anchor


def behind(front: int, frames: int = 4):
    """Two faces slide over each other until one is behind the other: the scene, tracks and plan."""
    scene, poses = two_people(), [REST, *nodding(frames)[1:]]
    ways = [(k * 65.0, 0.0) for k in range(frames)]
    tracks = [track(scene, poses, [(sign * x, y) for x, y in ways], who=k) for k, sign in ((0, 1), (1, -1))]
    order = np.full(frames, front, np.float32), np.zeros((frames, 2), np.float32)
    wide = replace(plan(frames, 224, (0.0, 0.0, 340.0, 340.0)), width=448, crop=(0.0, 0.0, 680.0, 340.0))
    return scene, tracks, replace(wide, duet=Duet((0, 1), *order))


@pytest.mark.parametrize(("who", "front"), [(0, 0), (0, 1), (1, 0)])
def test_a_face_is_painted_where_it_is_seen_and_not_where_it_is_hidden(who, front):
    scene, tracks, wide = behind(front)
    (window,) = PocketBackend(OfOne(who), size=SIZE).generate(scene, tracks, wide)
    added = np.abs(window.rgb.astype(int) - window.anchor.rgb).sum(-1)
    mine, theirs = (window.anchor.identity == 1 + k for k in (who, 1 - who))
    for k in range(1, wide.num_frames):
        deep = cv2.erode(theirs[k].astype(np.uint8), np.ones((11, 11))) > 0
        assert not added[k][deep].any()
        assert added[k][mine[k]].max() > 10
    noses = [wide.to_frame(one.landmarks)[-1, 4, :2].round().astype(int) for one in tracks]
    assert {int(window.anchor.identity[-1][y, x]) for x, y in noses} == {1 + front}, "one face hides the other"


def test_the_coarse_pass_paints_what_a_body_uncovers():
    scene, model = astronaut(), Painter((0, 0, 90))
    shifted = track(scene, [REST] * 3, shifts=[(0.0, 0.0), (12.0, 0.0), (24.0, 0.0)])
    windows = list(PocketBackend(model, size=SIZE, coarse=True).generate(scene, [shifted], film_plan(3)))
    assert [asked[0].size for asked in model.asked] == [SIZE, 256]
    added = np.abs(joined(windows).astype(int) - windows[0].anchor.rgb)[2].sum(-1)
    hole = (windows[0].anchor.confidence[2] < 100).astype(np.uint8)
    sure = cv2.dilate(hole, np.ones((9, 9), np.uint8)) == 0
    assert added[160:][hole[160:] > 0].mean() > 30
    assert added[160:][sure[160:]].mean() < 1
