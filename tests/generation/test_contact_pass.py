from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from photoplay.errors import CancelledError
from photoplay.generation import contact_pass
from photoplay.generation.anchors import render
from photoplay.generation.backends.anchor import AnchorBackend
from photoplay.generation.contact_pass import passes, with_contact_pass, worth_it
from photoplay.types import (
    Array,
    Capabilities,
    Contact,
    Duet,
    Frames,
    MotionTrack,
    Progress,
    RenderPlan,
    Scene,
    StageEvent,
    silent,
)
from tests.generation.couple import couple, plan, tracks

FRAMES = 8
MEETING = np.array([[196.0, 80.0]], np.float32)
"""Between the two faces."""
MADE = replace(AnchorBackend.capabilities, models=("fake",), source_type="trainedAlgorithmicMedia")


@dataclass
class Fake:
    """The anchor as a model would make it that knows nothing finer than ``blur`` pixels; counts what it is asked for."""

    blur: float = 2.0
    name: str = "fake"
    version: str = "1"
    capabilities: Capabilities = MADE
    asked: list[RenderPlan] = field(default_factory=list)
    ended: int = 0

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        self.asked.append(plan)
        start = 0
        try:
            for anchor in render(scene, tracks, plan, progress):
                soft = [cv2.GaussianBlur(f, (0, 0), self.blur) if self.blur else f for f in anchor.rgb]
                yield Frames(np.stack(soft), plan.fps, start, anchor)
                start += len(anchor.rgb)
        finally:
            self.ended += 1


def meeting(strength: list[float], where: Array | None = None, radius: float = 30.0) -> Contact:
    count = len(strength)
    where = np.repeat(MEETING, count, axis=0) if where is None else where
    return Contact("cheek", where, np.zeros(count, np.float32), np.array(strength, np.float32), radius, True)


def duet(*contacts: Contact) -> Duet:
    count = len(contacts[0].strength)
    return Duet((0, 1), np.zeros(count, np.float32), np.zeros((count, 2), np.float32), contacts)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return couple()


def film(backend: Fake, scene: Scene, both: Duet, moves: tuple[list, list] | None = None) -> Array:
    count = len(both.front)
    first, second = moves or ([(12.0, 0.0)] * count, [(-6.0, 2.0)] * count)
    moved = tracks(scene, first, second)
    return np.concatenate([w.rgb for w in with_contact_pass(backend, scene, moved, plan(both))]).astype(int)


def alone(backend: Fake, scene: Scene, both: Duet, moves: tuple[list, list] | None = None) -> Array:
    return film(backend, scene, replace(both, contacts=()), moves)


STRENGTH = [0.0, 0.0, 0.5, 1.0, 1.0, 0.2, 0.0, 0.0]


def test_the_crop_brings_back_detail_that_the_model_loses_at_the_films_size(scene):
    both = duet(meeting(STRENGTH))
    sharp = alone(Fake(0), scene, both)
    plain, passed = alone(Fake(), scene, both), film(Fake(), scene, both)
    near = np.s_[3, 50:110, 166:226]
    assert np.abs(passed[near] - sharp[near]).mean() < 0.75 * np.abs(plain[near] - sharp[near]).mean()


def test_only_frames_with_a_contact_and_peoples_pixels_change(scene):
    both = duet(meeting(STRENGTH))
    backend = Fake()
    plain, passed = alone(backend, scene, both), film(backend, scene, both)
    changed = (plain != passed).any(-1)
    assert changed.any((1, 2)).tolist() == [s > 0 for s in STRENGTH]
    moved = tracks(scene, [(12.0, 0.0)] * FRAMES, [(-6.0, 2.0)] * FRAMES)
    who = np.concatenate([w.identity for w in render(scene, moved, plan(both))])
    assert not changed[who == 0].any()
    assert not changed[:, :, :110].any()
    assert not changed[:, 160:].any()
    assert [p.num_frames for p in backend.asked] == [FRAMES, FRAMES, 4]


def test_the_crop_comes_in_with_the_contact(scene):
    strength = list(np.linspace(0, 0.4, 9)[1:])
    both = duet(meeting(strength))
    change = np.abs(film(Fake(), scene, both) - alone(Fake(), scene, both)).mean((1, 2, 3))
    assert (np.diff(change) > -0.02).all()
    assert change[0] < 0.2 * change[-1]


def test_the_crop_follows_a_contact_that_wanders(scene):
    """A model that loses nothing gives the same film, crop or not: what is laid back lies where it belongs."""
    x = np.arange(FRAMES, dtype=np.float32) * 9
    where = MEETING + np.stack([x, 0 * x], axis=1)
    both = duet(meeting([1.0] * FRAMES, where))
    moves = [(12.0 + v, 0.0) for v in x], [(-6.0 + v, 2.0) for v in x]
    (one,) = passes(tracks(scene, *moves), plan(both))
    middle = (one.plan.crop[0] + one.plan.crop[2]) / 2 - 0.5 - one.shift[:, 0]
    assert np.abs(middle[2:-2] - where[2:-2, 0]).max() < 6
    plain, passed = alone(Fake(0), scene, both, moves), film(Fake(0), scene, both, moves)
    assert (plain != passed).any()
    assert np.abs(passed - plain).max(-1)[:, 50:110].mean() < 0.8
    shifted = np.roll(plain, 1, axis=2)
    assert np.abs(passed - plain).mean() < 0.1 * np.abs(shifted - plain).mean()


def test_a_model_that_is_told_of_the_crop_is_told_everything_in_it(scene):
    both = replace(duet(meeting(STRENGTH)), phases=(("approach", 0), ("contact", 4)))
    (one,) = passes(tracks(scene, [(5.0, 0.0)] * FRAMES, [(0.0, 0.0)] * FRAMES), plan(both))
    assert (one.start, one.end) == (2, 6)
    assert one.plan.num_frames == len(one.plan.duet.front) == len(one.plan.duet.contacts[0].where) == 4
    assert one.plan.duet.phases == (("approach", 0), ("contact", 2))
    assert all(track.num_frames == 4 and len(track.head_transform) == 4 for track in one.tracks)
    assert one.plan.scale > contact_pass.LEAST * plan(both).scale
    assert one.plan.width * one.plan.height <= 1.3 * contact_pass.ROOM * 480 * 256


def test_contacts_with_a_short_pause_share_a_pass_and_others_do_not(scene):
    def spans(strength: list[float]) -> list[tuple[int, int]]:
        both = duet(meeting(strength))
        rest = [(0.0, 0.0)] * len(strength)
        return [(one.start, one.end) for one in passes(tracks(scene, rest, rest), plan(both))]

    assert spans([1.0, 0, 0, 1.0]) == [(0, 4)]
    assert spans([1.0, *[0.0] * 10, 1.0, 1.0]) == [(0, 1), (11, 13)]
    assert spans([0.0] * 4) == []


def test_a_crop_as_large_as_the_film_is_not_worth_a_pass(scene):
    rest = [(0.0, 0.0)] * FRAMES
    both = duet(meeting(STRENGTH, radius=400.0))
    square = replace(plan(both, 256, 256), crop=(68.0, 0.0, 324.0, 256.0))
    assert passes(tracks(scene, rest, rest), square) == ()
    assert len(passes(tracks(scene, rest, rest), replace(square, duet=duet(meeting(STRENGTH))))) == 1


def test_what_moves_the_photos_own_pixels_needs_no_pass(scene):
    both = duet(meeting(STRENGTH))
    assert not worth_it(AnchorBackend(), plan(both))
    assert worth_it(Fake(), plan(both))
    assert not worth_it(Fake(), replace(plan(both), mode="audio-driven"))


def test_two_passes_are_made_one_after_the_other_and_ended(scene):
    backend = Fake()
    both = duet(meeting([1.0, *[0.0] * 10, 1.0, 1.0]))
    film(backend, scene, both)
    assert [p.num_frames for p in backend.asked] == [13, 1, 2]
    assert backend.ended == 3


def test_a_film_that_is_given_up_ends_both(scene):
    backend = Fake()
    both = duet(meeting([1.0] * FRAMES))
    moved = tracks(scene, [(12.0, 0.0)] * FRAMES, [(-6.0, 2.0)] * FRAMES)
    windows = with_contact_pass(backend, scene, moved, plan(both))
    next(windows)
    windows.close()
    assert backend.ended == 2


def test_progress_counts_the_films_frames_and_may_cancel_in_the_crop(scene):
    both = duet(meeting([1.0] * FRAMES))
    moved = tracks(scene, [(12.0, 0.0)] * FRAMES, [(-6.0, 2.0)] * FRAMES)
    events: list[StageEvent] = []
    list(with_contact_pass(Fake(), scene, moved, plan(both), events.append))
    assert max(event.done for event in events) == FRAMES
    assert all(event.total == FRAMES for event in events)

    def cancel(event: StageEvent) -> None:
        if len(events) > 5:
            raise CancelledError
        events.append(event)

    events.clear()
    with pytest.raises(CancelledError):
        list(with_contact_pass(Fake(), scene, moved, plan(both), cancel))
