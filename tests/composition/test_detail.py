from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.composition.cutouts import Cutout
from photoplay.composition.detail import (
    MAX_GRAIN,
    add_grain,
    grain_of,
    meet_in_sharpness,
    shared_grain,
    sharpness,
)
from photoplay.types import Face, HeadPose, Rgb

CLEAN = np.zeros(3)


def _noisy(sigma: float, seed: int = 0) -> Rgb:
    """A ramp under white noise, the same in all channels."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(90, 160, 320)[None, :] + np.zeros((256, 1)) + sigma * rng.standard_normal((256, 320))
    return np.repeat(np.rint(ramp)[..., None], 3, 2).astype(np.uint8)


def _scene(sigma: float) -> Cutout:
    """Blots of all sizes, softened: a stand-in for a face that fills the picture."""
    rng = np.random.default_rng(3)
    picture = np.full((256, 256), 128.0)
    for size in (4, 8, 16, 32, 64):
        blots = cv2.resize(rng.standard_normal((size, size)), (256, 256), interpolation=cv2.INTER_CUBIC)
        picture += 12 * blots + 10 * np.sign(blots)
    if sigma:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    pixels = np.repeat(np.clip(np.rint(picture), 0, 255)[..., None], 3, 2).astype(np.uint8)
    face = Face(
        np.zeros((478, 3), np.float32), (0.0, 0.0, 256.0, 256.0), 1.0, HeadPose(0, 0, 0), (0.3, 0.3), 0.0,
        np.ones(478, np.float32),
    )  # fmt: skip
    return Cutout(pixels, np.full((256, 256), 255, np.uint8), face)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0])
def test_white_noise_is_measured_octave_by_octave(sigma: float) -> None:
    assert grain_of(_noisy(sigma)) == pytest.approx([sigma, sigma / 2, sigma / 4], rel=0.12)


def test_edges_and_texture_elsewhere_do_not_count() -> None:
    picture = _noisy(2.0)
    picture[:128, ::8] = 255
    assert grain_of(picture)[0] == pytest.approx(2.0, rel=0.15)
    matte = np.zeros((256, 320), np.uint8)
    matte[128:] = 255
    assert grain_of(picture, matte)[0] == pytest.approx(2.0, rel=0.12)


def test_clipped_parts_do_not_hide_the_grain() -> None:
    picture = _noisy(3.0)
    picture[:200] = 255
    assert grain_of(picture)[0] == pytest.approx(3.0, rel=0.15)


def test_nothing_to_measure_is_no_grain() -> None:
    assert not grain_of(_noisy(2.0), np.zeros((256, 320), np.uint8)).any()
    assert not grain_of(np.full((5, 5, 3), 90, np.uint8)).any()


@pytest.mark.parametrize("goal", [[2.0, 1.0, 0.5], [1.5, 1.6, 1.2], [1.0, 1.1, 1.0]])
def test_grain_comes_out_as_asked(goal: list[float]) -> None:
    grown = add_grain(_noisy(0), CLEAN, np.array(goal), 7)
    assert grain_of(grown) == pytest.approx(goal, rel=0.25)
    assert grown.mean() == pytest.approx(_noisy(0).mean(), abs=0.1)


def test_grain_adds_up_and_is_never_taken_away() -> None:
    half = _noisy(1.0)
    grown = add_grain(half, grain_of(half), np.array([2.0, 1.0, 0.5]), 1)
    assert grain_of(grown)[0] == pytest.approx(2.0, rel=0.15)
    assert add_grain(half, grain_of(half), np.array([0.5, 0.2, 0.1]), 1) is half


def test_grain_is_reproducible_differs_by_seed_and_spares_black_and_white() -> None:
    goal = np.array([2.0, 1.0, 0.5])
    picture = _noisy(0)
    picture[:20], picture[-20:] = 0, 255
    first = add_grain(picture, CLEAN, goal, 1)
    assert np.array_equal(first, add_grain(picture, CLEAN, goal, 1))
    assert not np.array_equal(first, add_grain(picture, CLEAN, goal, 2))
    assert np.array_equal(first[:20], picture[:20])
    assert np.array_equal(first[-20:], picture[-20:])


def test_the_shared_grain_is_moderate() -> None:
    goal = shared_grain(np.array([9.0, 6.0, 4.0]), CLEAN)
    assert goal == pytest.approx(MAX_GRAIN)
    assert (shared_grain(np.array([1.0, 0.5, 0.2]), CLEAN) < [1.0, 0.5, 0.2]).all()


def test_sharpness_falls_with_blur() -> None:
    read = [sharpness(_scene(sigma)) for sigma in (0.0, 0.6, 1.0, 1.6, 2.5)]
    assert (np.diff(read) < 0).all()


def test_sharp_and_soft_come_nearer_and_equals_are_left_alone() -> None:
    sharp, soft = _scene(0.0), _scene(1.2)
    first, second = meet_in_sharpness(sharp, soft)
    before = sharpness(sharp) / sharpness(soft)
    after = sharpness(replace(sharp, pixels=first)) / sharpness(replace(soft, pixels=second))
    assert 0.95 < after < 0.8 * before
    swapped = meet_in_sharpness(soft, sharp)
    assert np.array_equal(swapped[0], second)
    assert np.array_equal(swapped[1], first)
    same = meet_in_sharpness(sharp, sharp)
    assert same[0] is sharp.pixels
    assert same[1] is sharp.pixels


def test_a_tiny_face_tells_no_sharpness() -> None:
    scene = _scene(0.0)
    assert sharpness(replace(scene, face=replace(scene.face, box=(10.0, 10.0, 40.0, 40.0)))) == 1
