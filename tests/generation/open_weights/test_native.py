from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoplay.generation.backends.open_weights.native import (
    Grid,
    Span,
    clip_plan,
    nearest_frames,
    plan_native,
    resample,
    resample_duet,
    scaled,
    seams,
)
from photoplay.types import Contact, Duet, Footage, HeadPose, RenderPlan
from tests.generation.actors import astronaut, track

GRIDS = (Grid(), Grid(overlap=1), Grid(multiple=32, frame_step=8, max_frames=121, overlap=9), Grid(max_frames=9))


def film(frames: int = 72, width: int = 1280, height: int = 720, fps: float = 24.0, **more: object) -> RenderPlan:
    return RenderPlan(width, height, (0.0, 0.0, float(width), float(height)), fps, frames, **more)


@given(st.sampled_from(GRIDS), st.integers(1, 1500))
def test_clips_cover_the_film_each_going_on_from_the_one_before(grid: Grid, frames: int) -> None:
    native = plan_native(film(frames, fps=grid.fps), grid)
    spans = native.spans
    assert native.num_frames == frames
    assert (spans[0].start, spans[0].known) == (0, 0)
    assert all(
        (span.frames - 1) % grid.frame_step == 0 and span.known < span.frames <= grid.max_frames for span in spans
    )
    assert all(after.start + after.known == before.start + before.frames for before, after in pairwise(spans))
    assert spans[-1].start + spans[-1].frames >= frames
    # No more clips than the longest ones would need, and none far shorter than another.
    assert len(spans) == max(1, -(-(frames - grid.overlap) // (grid.max_frames - grid.overlap)))
    assert seams(native) == [span.start + span.known for span in spans[1:]]


@given(st.integers(64, 2048), st.integers(64, 2048), st.sampled_from(GRIDS))
def test_the_native_size_is_on_the_grid_and_no_larger_than_it_must_be(width: int, height: int, grid: Grid) -> None:
    native = plan_native(film(width=width, height=height), grid)
    assert native.width % grid.multiple == native.height % grid.multiple == 0
    allowed = (min(grid.area, width * height) ** 0.5 + grid.multiple) ** 2 * max(width / height, height / width, 1.0)
    assert native.width * native.height <= allowed


def test_a_film_of_another_rate_is_as_long() -> None:
    assert plan_native(film(72), Grid()).num_frames == 49  # 71/24 s at 16 a second, and the first
    assert plan_native(film(1), Grid()).spans == (Span(0, 1, 0),)


def test_a_grid_that_cannot_be_is_refused() -> None:
    for wrong in ({"max_frames": 80}, {"overlap": 4}, {"max_frames": 5, "overlap": 5}):
        with pytest.raises(ValueError, match=r"frames|overlap"):
            Grid(**wrong)


def test_tracks_keep_time_at_another_rate() -> None:
    scene = astronaut()
    poses = [HeadPose(float(k), 0, 0) for k in range(13)]
    moved = track(scene, poses)
    slow = resample(moved, moved.fps / 2, 2, 6)
    assert slow.num_frames == 6
    assert np.allclose(slow.landmarks[:5], moved.landmarks[4:13:2], atol=1e-4)
    assert np.allclose(slow.landmarks[5], moved.landmarks[-1])
    same = resample(moved, moved.fps, 0, 13)
    assert np.array_equal(same.landmarks, moved.landmarks)


def test_footage_comes_at_the_clips_own_times_and_size() -> None:
    video = np.zeros((48, 48, 64, 3), np.uint8)
    video += np.arange(48, dtype=np.uint8)[:, None, None, None]
    repair = np.zeros((48, 48, 64), np.uint8)
    repair[:, :5, :5] = 255
    asked = film(48, 64, 48, footage=Footage(video=video, repair=repair))
    native = plan_native(asked, Grid(max_frames=17, area=32 * 32))
    own = clip_plan(asked, native, native.spans[1])
    start = native.spans[1].start
    assert own.footage.video is not None
    assert own.footage.repair is not None
    assert own.footage.video[:, 0, 0, 0].tolist() == [
        min(47, round((start + k) * 1.5)) for k in range(native.spans[1].frames)
    ]
    assert set(np.unique(own.footage.repair)) == {0, 255}
    assert (
        own.footage.repair.shape == own.footage.video.shape[:3] == (native.spans[1].frames, native.height, native.width)
    )


def test_masks_stay_masks_and_pictures_stay_themselves() -> None:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, 20, 20] = 255
    small = scaled(mask, 10, 10, mask=True)
    assert small[0, 5, 5] == 255
    assert (small > 0).sum() == 1
    frames = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3), np.uint8)
    assert scaled(frames, 16, 16) is frames
    assert nearest_frames(frames, 24.0, 24.0, 1, 3).tolist() == frames[[1, 1, 1]].tolist()


def test_what_joins_two_tracks_is_at_the_model_s_rate_as_they_are() -> None:
    """A line stays a line, and lies where the same line of a track would."""
    ramp = np.arange(25, dtype=np.float32)
    where, arms = np.stack([ramp, 2 * ramp], axis=1), np.stack([ramp, ramp], axis=1) / 24
    contacts = (Contact("cheek", where, ramp + 1, ramp / 24, 9.0, faces=True),)
    duet = Duet((1, 0), ramp / 24, arms, contacts, (("approach", 0), ("contact", 12), ("hold", 21)))
    own = resample_duet(duet, 24.0, 16.0, 4, 9)
    assert own is not None
    at = np.minimum((4 + np.arange(9)) * 1.5, 24)
    np.testing.assert_allclose(own.front, at / 24, atol=1e-6)
    np.testing.assert_allclose(own.arms_before[:, 1], at / 24, atol=1e-6)
    (met,) = own.contacts
    np.testing.assert_allclose(met.where, np.stack([at, 2 * at], axis=1), atol=1e-5)
    np.testing.assert_allclose(met.gap, at + 1, atol=1e-5)
    np.testing.assert_allclose(met.strength, at / 24, atol=1e-6)
    assert (met.name, met.radius, met.faces, own.subjects) == ("cheek", 9.0, True, (1, 0))
    assert own.phases == (("approach", 0), ("contact", 4), ("hold", 10))
    assert resample_duet(None, 24.0, 16.0, 4, 9) is None
