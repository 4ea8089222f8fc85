"""Somebody in a clip is replaced: everything up to the generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from photoplay.errors import RefusedError, RequestError, SceneError
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo, read_video
from photoplay.perception.faces import FaceReader
from photoplay.pipeline import reviewing
from photoplay.pipeline.plan import Prepared, prepare
from photoplay.pipeline.replacing import find
from photoplay.pipeline.settle import settle
from photoplay.safety.admission import admit
from photoplay.safety.recipe import make_recipe, request_from_recipe
from photoplay.types import Admitted, Face, Frames, Photo, Request, RgbStack, Sampling, Video, silent

RATE, FRAMES, WIDE, HIGH = 8.0, 8, 320, 240
LEFT, TOP, SIDE, STEP = 90, 30, 190, 6


def clip_of(photo: Photo) -> RgbStack:
    """The photo's mirror image, small, walking to the right before noise."""
    person = cv2.resize(np.ascontiguousarray(photo.pixels[:, ::-1]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    frames = np.random.default_rng(0).integers(90, 110, (FRAMES, HIGH, WIDE, 3), np.uint8)
    for k, frame in enumerate(frames):
        frame[TOP : TOP + SIDE, LEFT - 60 + STEP * k : LEFT - 60 + STEP * k + SIDE] = person
    return frames


@pytest.fixture(scope="module")
def asked(portrait_file: Path) -> Request:
    photo = load_photo(portrait_file)
    video = Video(Frames(clip_of(photo), RATE), "c" * 64)
    return Request(
        (photo,), ("historical", "granted"), "", prompt="she looks round", seconds=1.0, fps=RATE, size=f"{WIDE}x{HIGH}",
        backend="wan-animate", video=video, replace=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def admitted(asked: Request) -> Admitted:
    return admit(settle(asked, get_backend(asked.backend)))


@pytest.fixture(scope="module")
def ready(admitted: Admitted) -> Prepared:
    return prepare(admitted)


def test_the_film_is_framed_as_the_clip_and_its_person_makes_room(asked: Request, ready: Prepared) -> None:
    plan, footage = ready.plan, ready.plan.footage
    assert asked.video is not None
    assert (plan.mode, plan.width, plan.height, plan.num_frames) == ("video-to-video", WIDE, HIGH, FRAMES)
    assert footage.video is not None
    assert footage.repair is not None
    np.testing.assert_array_equal(footage.video, asked.video.frames.rgb)
    assert set(np.unique(footage.repair)) == {0, 255}
    for k, hole in enumerate(footage.repair):
        x = LEFT - 60 + STEP * k
        assert hole[TOP + SIDE // 3, x + SIDE // 2] == 255
        assert not hole[:, : max(0, x - 10)].any()
        assert not hole[:, x + SIDE + 10 :].any()


def test_who_comes_in_stands_where_the_other_stood_frame_by_frame(asked: Request, ready: Prepared) -> None:
    (track,) = ready.tracks
    assert asked.video is not None
    there = np.stack([place.face.landmarks for place in find(asked.video.frames.rgb, RATE, silent)])
    here = ready.plan.to_frame(track.landmarks)
    apart = np.linalg.norm(here[..., :2].mean(1) - there[..., :2].mean(1), axis=1)
    high = np.ptp(there[..., 1], axis=1)
    assert apart.max() < 0.06 * high.mean()
    grown = np.ptp(here[..., 1], axis=1) / high
    assert 0.85 < grown.min() <= grown.max() < 1.2
    walked = here[-1, :, 0].mean() - here[0, :, 0].mean()
    assert walked == pytest.approx(STEP * (FRAMES - 1), abs=6)
    # The head's own transform, which moves hair, goes the same way.
    rest = track.rest_landmarks.mean(0)
    moved = track.head_transform[..., :3] @ rest + track.head_transform[..., 3]
    assert np.abs(moved[:, :2] - track.landmarks[..., :2].mean(1)).max() * ready.plan.scale < 0.2 * high.mean()


def test_the_recipe_says_so_and_makes_it_again(admitted: Admitted, ready: Prepared) -> None:
    recipe = make_recipe(admitted, {}, ready.plan, "wan-animate")
    assert recipe["request"]["replace"] is True
    again = request_from_recipe(recipe, admitted.request.photos, video=admitted.request.video)
    assert again.replace


@pytest.mark.parametrize("lost", [slice(3, 6), slice(7, 8), slice(0, 1)])
def test_whose_face_is_lost_cannot_be_replaced(asked: Request, lost: slice) -> None:
    """Not for longer than a moment, nor where nobody knows where they came from or went."""
    assert asked.video is not None
    frames = asked.video.frames.rgb.copy()
    frames[lost] = 100
    with pytest.raises(SceneError) as caught:
        find(frames, RATE, silent)
    assert caught.value.code == "nobody_to_replace"


def test_where_a_face_is_lost_for_a_moment_all_between_is_made_anew(asked: Request) -> None:
    assert asked.video is not None
    frames = asked.video.frames.rgb.copy()
    whole = find(frames, RATE, silent)
    frames[3:5] = 100
    places = find(frames, RATE, silent)
    for k in (3, 4):
        for seen in (whole[2], whole[k], whole[5]):
            lacking = (seen.mask > 0) & (places[k].mask == 0)
            assert lacking.mean() < 0.002
        assert (places[k].mask > 0).sum() >= (np.maximum(whole[2].mask, whole[5].mask) > 0).sum()


@pytest.mark.parametrize("frame", [0, 5])
def test_a_clip_of_two_people_is_refused_whenever_the_second_is_seen(asked: Request, frame: int) -> None:
    assert asked.video is not None
    frames = np.ascontiguousarray(np.pad(asked.video.frames.rgb, ((0, 0), (0, 0), (0, 220), (0, 0)), mode="edge"))
    person = cv2.resize(np.ascontiguousarray(asked.photos[0].pixels), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    frames[frame, TOP : TOP + SIDE, WIDE + 10 : WIDE + 10 + SIDE] = person
    with pytest.raises(RefusedError) as caught:
        find(frames, RATE, silent)
    assert caught.value.code == "replace_not_alone"


def test_somebody_whose_face_is_never_seen_is_a_second_person(shared_data: Path) -> None:
    """Somebody who exercises is alone; beside them somebody whose head is out of sight is not."""
    alone = read_video(shared_data / "video" / "tfjs_pose_1.mp4").rgb[::30, 120:520, 100:470]
    assert len(find(np.ascontiguousarray(alone), 1.0, silent)) == len(alone)
    beside = alone.copy()
    beside[:, :130] = 90  # all above the shoulders
    for still in (slice(0, 1), slice(3, 4)):
        both = np.concatenate([alone, np.full_like(alone, 90)], axis=2)
        both[still, :, alone.shape[2] :] = beside[still]
        with pytest.raises(RefusedError) as caught:
            find(both, 1.0, silent)
        assert caught.value.code == "replace_not_alone"


def test_somebody_else_in_the_same_place_is_a_second_person(asked: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked.video is not None
    read, seen = FaceReader.read, list[int]()

    def changing(self: FaceReader, *told: Any, **more: Any) -> tuple[Face, ...]:
        seen.append(0)
        found = read(self, *told, **more)
        other = np.zeros(128, np.float32)
        return tuple(replace(face, embedding=other) for face in found) if len(seen) > 4 else found

    monkeypatch.setattr(FaceReader, "read", changing)
    with pytest.raises(RefusedError) as caught:
        find(asked.video.frames.rgb, RATE, silent)
    assert caught.value.code == "replace_not_alone"


def test_review_asks_for_who_plays_alone_and_that_the_other_is_gone(ready: Prepared) -> None:
    assert ready.gone is not None
    assert ready.gone.embedding is not None
    bystander = replace(ready.scene.subjects[0], face=replace(ready.scene.subjects[0].face, embedding=None))
    two = replace(ready, scene=replace(ready.scene, subjects=(*ready.scene.subjects, bystander)))
    backend = get_backend("wan-animate")
    reviewer: Any = reviewing.reviewer_of(two, backend)
    assert len(reviewer._people) == 1
    stranger = replace(ready.gone, embedding=-ready.gone.embedding)
    reviewer = reviewing.reviewer_of(replace(ready, gone=stranger), backend)
    assert reviewer._gone is stranger


@pytest.mark.parametrize(
    "changed",
    [
        {"backend": "wan-i2v", "mode": "image-to-video", "video": None, "consent": ("historical",)},
        {"backend": "wan-vace", "mode": "pose-guided"},
        {"backend": "animatediff"},
        {"template": "nod"},
        {"backend": "wan-vace", "sampling": Sampling(strength=0.5)},
    ],
)
def test_what_cannot_be_done_is_refused(asked: Request, changed: dict[str, object]) -> None:
    request = replace(asked, **changed)  # type: ignore[arg-type]
    with pytest.raises(RequestError) as caught:
        settle(request, get_backend(request.backend))
    assert caught.value.code == "input_unused"
