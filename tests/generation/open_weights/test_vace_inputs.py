"""What VACE is told: masks in whole latent frames and squares, clips that stand or are made, references on white."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from photoplay.generation.backends.open_weights import vace_inputs as vace
from photoplay.generation.backends.open_weights.vace_inputs import Told
from photoplay.types import Array, Photo, RenderPlan, Scene
from tests.generation import actors
from tests.generation.open_weights import checkpoints

FRAMES = st.integers(0, 20).map(lambda k: 4 * k + 1)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def spots(frames: int, seed: int, side: int = 48) -> Array:
    """A few pixels here and there in time."""
    make = np.zeros((frames, side, side), bool)
    for at in np.random.default_rng(seed).integers(0, (frames, side, side), (5, 3)):
        make[tuple(at)] = True
    return make


@pytest.fixture(scope="module")
def pipe(built: Callable[..., Path]) -> Any:
    from diffusers import WanVACEPipeline

    return WanVACEPipeline.from_pretrained(built(checkpoints.wan_vace), local_files_only=True)


def test_a_latent_frame_s_mask_is_that_of_the_frame_which_torch_picks() -> None:
    for frames in range(1, 162):
        count = torch.arange(frames, dtype=torch.float32)[None, None]
        picked = torch.nn.functional.interpolate(count, size=(frames + 3) // 4, mode="nearest-exact")
        np.testing.assert_array_equal(vace.seen_frames(frames), picked[0, 0].numpy().astype(int))


@settings(max_examples=40, deadline=None)
@given(FRAMES, st.integers(0, 2**31))
def test_holes_hold_all_that_is_made_in_whole_latent_frames_and_squares(frames: int, seed: int) -> None:
    make = spots(frames, seed)
    grown = vace.holes(make)
    assert (grown | ~make).all()
    cells = grown.reshape(frames, 3, 16, 3, 16)
    assert (cells.any((2, 4)) == cells.all((2, 4))).all()
    for start in range(1, frames, 4):
        assert (grown[start : start + 4] == grown[start]).all()
    if frames > 1 and not make[0].any():
        assert not grown[0].any(), "the first latent frame is the first frame alone"
    np.testing.assert_array_equal(vace.holes(grown), grown)


def test_a_square_that_stands_alone_among_made_ones_is_made_too() -> None:
    make = np.ones((1, 80, 80), bool)
    make[:, 32:48, 32:48] = False
    assert vace.whole_blocks(make).all()
    make[:, 16:64, 16:64] = False
    assert not vace.whole_blocks(make)[:, 16:64, 16:64].any()


@settings(max_examples=30, deadline=None)
@given(FRAMES, st.integers(0, 2**31))
def test_what_stands_is_the_clip_to_the_bit_and_what_is_made_is_grey_or_the_hint(frames: int, seed: int) -> None:
    rgb, hint = noise(frames, 48, 48, 3, seed=seed % 1000), noise(frames, 48, 48, 3, seed=seed % 999 + 1)
    make, shown = vace.holes(spots(frames, seed)), spots(frames, seed + 1)
    told = Told.of(rgb, make).hinted(hint, shown)
    video, mask = told.video(), told.mask()
    assert video.shape == (1, frames, 48, 48, 3)
    assert mask.shape == (1, frames, 48, 48, 1)
    assert video.dtype == mask.dtype == np.float32
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert 0 <= video.min() <= video.max() <= 1
    assert (mask[0, ..., 0] >= make).all()
    standing = mask[0, ..., 0] == 0
    np.testing.assert_array_equal(np.rint(video[0] * 255)[standing], rgb[standing])
    np.testing.assert_array_equal(np.rint(video[0] * 255)[make & shown], hint[make & shown])
    assert (video[0][make & ~shown] == 0.5).all(), "127.5 of 255, so that the pipeline's -1..1 has 0"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), frames=FRAMES)
def test_no_latent_frame_is_said_to_stand_that_does_not(seed: int, frames: int, pipe: Any) -> None:
    make = vace.holes(spots(frames, seed, 32))
    told = Told.of(noise(frames, 32, 32, 3), make)
    mask = torch.from_numpy(told.mask()).permute(0, 4, 1, 2, 3)
    latent = pipe.prepare_masks(mask, [[]])[0].numpy()
    groups = (frames + 3) // 4
    assert latent.shape == (64, groups, 4, 4)
    for group in range(groups):
        needed = make[0 if group == 0 else 4 * group].reshape(4, 8, 4, 8).transpose(1, 3, 0, 2).reshape(64, 4, 4)
        assert (latent[:, group] >= needed).all()


def test_the_mask_is_asked_of_the_frames_that_are_seen() -> None:
    make = np.zeros((81, 16, 16), bool)
    make[0] = True
    told = Told.of(noise(81, 16, 16, 3), make)
    assert told.mask()[0, :3, 0, 0, 0].tolist() == [1, 1, 0], "frame 1 speaks for the first latent frame"
    stays = told.handed(slice(1, 2), noise(1, 16, 16, 3, seed=9))
    assert stays.mask()[0, :3, 0, 0, 0].tolist() == [1, 0, 0], "but what was handed in stands"


def test_frames_that_are_handed_in_stand_as_they_are() -> None:
    told = Told.of(noise(9, 32, 32, 3), np.ones((9, 32, 32), bool))
    known = noise(5, 32, 32, 3, seed=4)
    after = told.handed(slice(0, 5), known)
    np.testing.assert_array_equal(np.rint(after.video()[0, :5] * 255), known)
    assert after.mask()[0, :5].max() == 0
    assert after.mask()[0, 5:].min() == 1
    assert after.given.tolist() == [True] * 5 + [False] * 4
    assert told.make.all(), "the one before is left as it was"


def test_a_pipeline_reads_video_and_mask_as_they_are_meant(pipe: Any) -> None:
    make = vace.holes(spots(9, 3, 32))
    told = Told.of(noise(9, 32, 32, 3), make)
    video, mask, references = pipe.preprocess_conditions(
        told.video(), told.mask(), None, 1, 32, 32, 9, torch.float32, torch.device("cpu")
    )
    assert video.shape == (1, 3, 9, 32, 32)
    assert references == [[]]
    held = (video * (1 - mask))[0].permute(1, 2, 3, 0).numpy()
    standing = told.mask()[0, ..., 0] == 0
    np.testing.assert_allclose(held[standing], told.rgb[standing] / 127.5 - 1, atol=1e-6)
    assert (held[~standing] == 0).all()
    assert ((video * mask)[0].permute(1, 2, 3, 0).numpy()[make] == 0).all(), "a hole says nothing"


def test_a_person_is_cut_out_on_white_and_fills_the_clip() -> None:
    picture = np.full((200, 300, 3), (10, 60, 200), np.uint8)
    matte = np.zeros((200, 300), np.uint8)
    matte[40:160, 100:160] = 255
    reference = vace.cut_out(picture, matte, 96, 64)
    assert reference.shape == (64, 96, 3)
    assert (reference[0] == 255).all()
    assert (reference[:, 0] == 255).all()
    assert (reference[32, 48] == (10, 60, 200)).all()
    high = (reference[:, 48] != 255).any(-1).sum()
    wide = (reference[32] != 255).any(-1).sum()
    assert 56 <= high <= 62
    assert abs(wide - high / 2) <= 2
    assert not (np.abs(reference.astype(int) - (10, 60, 200)).max(-1) < 40)[:, :24].any(), "nothing round the person"


def test_a_picture_without_a_matte_lies_where_the_pipeline_would_put_it(pipe: Any) -> None:
    from PIL import Image

    picture = noise(80, 64, 3)
    ours = vace.cut_out(picture, None, 96, 64)
    *_, ((theirs,),) = pipe.preprocess_conditions(
        None, None, [[Image.fromarray(picture)]], 1, 64, 96, 5, torch.float32, torch.device("cpu")
    )
    white = (theirs.permute(1, 2, 0).numpy() == 1).all(-1)
    np.testing.assert_array_equal((ours == 255).all(-1).all(0), white.all(0))
    *_, ((again,),) = pipe.preprocess_conditions(
        None, None, [[Image.fromarray(ours)]], 1, 64, 96, 5, torch.float32, torch.device("cpu")
    )
    np.testing.assert_allclose(again.permute(1, 2, 0).numpy(), ours / 127.5 - 1, atol=1e-6)


def test_who_is_in_the_photo_is_cut_out_and_others_are_shown_whole() -> None:
    scene = actors.astronaut()
    stranger = Photo(noise(60, 60, 3), "1" * 64)
    first, second = vace.references_of(scene, [scene.photo, stranger], 64, 64)
    assert (first[0, 0] == 255).all()
    np.testing.assert_array_equal(first, vace.people_of(scene, [0], 64, 64)[0])
    np.testing.assert_array_equal(second, vace.cut_out(stranger.pixels, None, 64, 64))


def test_the_largest_face_comes_first() -> None:
    scene = actors.astronaut()
    one = scene.subjects[0]
    small = replace(one, face=replace(one.face, box=(0.0, 0.0, 10.0, 10.0)))
    both = Scene(scene.photo, (small, one), scene.matte)
    assert vace.largest_faces(both) == [1, 0]


def test_a_face_s_area_holds_its_points_and_nothing_far_from_them() -> None:
    scene = actors.astronaut()
    from photoplay.types import HeadPose

    track = actors.track(scene, [HeadPose(0, 0, 0)])
    plan = RenderPlan(256, 256, (0.0, 0.0, 512.0, 512.0), 16.0, 1)
    area = vace.face_areas([track], plan)
    nose = plan.to_frame(track.landmarks[0, [1]])[0]
    assert area.shape == (1, 256, 256)
    assert area[0, round(float(nose[1])), round(float(nose[0]))]
    x0, y0, x1, y1 = (value / 2 for value in scene.subjects[0].face.box)
    assert 0.4 < area.sum() / ((x1 - x0) * (y1 - y0)) < 1
    assert not area[0, 128:].any()


def test_light_and_dark_are_weighed_as_by_the_annotator() -> None:
    frame = np.zeros((1, 1, 3, 3), np.uint8)
    frame[0, 0] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert vace.grey_levels(frame)[0, 0, :, 0].tolist() == [29, 150, 76]
    assert (vace.grey_levels(noise(2, 8, 8, 3)) == vace.grey_levels(noise(2, 8, 8, 3))[..., :1]).all()


def test_what_is_not_made_stays_to_the_bit_and_what_is_made_fades_in() -> None:
    made, still = np.full((64, 64, 3), 200, np.uint8), noise(64, 64, 3)
    make = np.zeros((64, 64), bool)
    make[16:48, 16:48] = True
    laid = vace.laid_over(made, still, make, 4.0)
    np.testing.assert_array_equal(laid[~make], still[~make])
    np.testing.assert_array_equal(laid[20:44, 20:44], made[20:44, 20:44])
    share = cv2.distanceTransform(make.astype(np.uint8), cv2.DIST_L2, 5)[30, 16] / 4
    assert abs(int(laid[30, 16, 0]) - (still[30, 16, 0] * (1 - share) + 200 * share)) <= 1
    np.testing.assert_array_equal(vace.laid_over(made, still, np.zeros((64, 64), bool), 4.0), still)
    np.testing.assert_array_equal(vace.laid_over(made, still, np.ones((64, 64), bool), 4.0), made)
