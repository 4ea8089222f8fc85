"""Tissue that gives way: back to the plane, near the contact only, without a fold."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.soft_tissue import DEEP, RADIUS, flattened
from photoplay.topology import inter_ocular
from tests.motion.rig_subjects import even, face

CHEEK = 411


def pressed(amount: float = 1.0) -> tuple[np.ndarray, np.ndarray, float]:
    """The even face before and after something pressed on its left cheek from the image's right."""
    of = even(face("hopper"))
    rest = np.repeat(of.landmarks[None].astype(np.float64), 2, axis=0)
    unit = inter_ocular(of.landmarks)
    towards = np.array([[1.0, 0.0]] * 2)
    after = flattened(rest, rest[:, CHEEK, :2], towards, np.array([0.0, amount]), unit)
    return rest, after, unit


def test_nothing_gives_way_where_nothing_presses() -> None:
    rest, after, _ = pressed()
    assert np.array_equal(after[0], rest[0])
    assert np.array_equal(pressed(0.0)[1], rest)


def test_it_goes_back_and_only_near_the_contact() -> None:
    rest, after, unit = pressed()
    moved = (after - rest)[1] / unit
    assert (moved[:, 0] <= 1e-12).all()
    assert -DEEP <= moved[:, 0].min() < -0.3 * DEEP
    assert not moved[:, 2].any()
    far = np.linalg.norm(rest[1, :, :2] - rest[1, CHEEK, :2], axis=1) > RADIUS * unit
    assert far.sum() > 200
    assert not moved[far].any()


def test_what_is_before_the_plane_stays() -> None:
    rest, after, unit = pressed()
    before = rest[1, :, 0] < rest[1, CHEEK, 0] - 0.5 * DEEP * unit
    assert np.array_equal(after[1, before], rest[1, before])


def test_half_as_much_gives_half_way() -> None:
    rest, whole, _ = pressed(1.0)
    half = pressed(0.5)[1]
    assert (half - rest)[1] == pytest.approx((whole - rest)[1] / 2)


def test_the_face_does_not_fold() -> None:
    unit = 100.0
    y, x = np.mgrid[-60:61:4, -60:61:4].astype(np.float64)
    points = np.zeros((1, 478, 3))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    slopes = []
    for start in range(0, len(grid) - 1, 239):
        part = grid[start : start + 239]
        for axis in range(2):
            step = np.zeros(2)
            step[axis] = 1e-3
            points[0, : len(part), :2], points[0, 239 : 239 + len(part), :2] = part, part + step
            moved = flattened(points, np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.ones(1), unit)[0]
            slopes.append((moved[239 : 239 + len(part), axis] - moved[: len(part), axis]) / 1e-3)
    assert min(float(slope.min()) for slope in slopes) > 0.3
