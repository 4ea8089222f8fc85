from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photoplay.perception.crops import Crop, face_crop
from photoplay.types import Rgb


def test_a_crop_at_its_own_size_is_a_slice(astronaut: Rgb) -> None:
    crop = Crop(99.5, 149.5, 64)
    assert np.array_equal(crop.take(astronaut, 64), astronaut[118:182, 68:132])


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_quarter_turn_is_rot90(astronaut: Rgb, quarter: int) -> None:
    upright = Crop(200.5, 180.5, 96).take(astronaut, 96)
    turned = Crop(200.5, 180.5, 96, quarter * pi / 2).take(astronaut, 96)
    assert np.abs(np.rot90(upright, quarter).astype(int) - turned).max() <= 1


def test_mirrored_is_flipped(astronaut: Rgb) -> None:
    crop = Crop(210.3, 140.7, 120, 0.3)
    plain, mirrored = crop.take(astronaut, 192), crop.take(astronaut, 192, mirrored=True)
    difference = np.abs(plain[:, ::-1].astype(int) - mirrored)
    assert difference.max() <= 6, "OpenCV rounds places to 1/32 pixel"
    assert difference.mean() < 0.1


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    taken = Crop(255.5, 255.5, 512).take(stripes, 64)
    assert np.abs(taken[8:-8, 8:-8].astype(int) - 128).max() <= 2


@settings(max_examples=30, deadline=None)
@given(st.floats(-50, 500), st.floats(-50, 500), st.floats(10, 900), st.floats(-pi, pi))
def test_there_and_back(x: float, y: float, side: float, angle: float) -> None:
    crop = Crop(x, y, side, angle)
    points = np.random.default_rng(0).uniform(0, 192, (20, 3)).astype(np.float32)
    again = crop.from_photo(crop.to_photo(points, 192), 192)
    assert np.abs(again - points).max() < 0.05


def test_points_follow_the_pixels() -> None:
    photo = np.zeros((400, 400, 3), np.uint8)
    photo[119:122, 249:252] = 255
    crop = Crop(230.2, 133.8, 100, 0.7)
    taken = crop.take(photo, 192)[..., 0].astype(np.float64)
    rows, columns = np.mgrid[0:192, 0:192] + 0.5
    seen = np.array([[(columns * taken).sum() / taken.sum(), (rows * taken).sum() / taken.sum()]], np.float32)
    assert np.abs(crop.to_photo(seen, 192) - [[250, 120]]).max() < 0.05


def test_the_face_crop_is_level_and_holds_one_and_a_half_times_the_face() -> None:
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = np.array([[-30, -40], [30, -40], [30, 40], [-30, 40]])
    points = (upright @ turn.T + [200, 100]).astype(np.float32)
    crop = face_crop(points, points[0], points[1])
    assert crop.angle == pytest.approx(angle, abs=1e-5)
    assert crop.side == pytest.approx(1.5 * 80, rel=1e-5)
    assert (crop.x, crop.y) == pytest.approx((200, 100), abs=1e-3)
