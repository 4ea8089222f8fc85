from __future__ import annotations

import numpy as np
import pytest

from photoplay.light import LUMA, ball, picture_difference, shade, to_linear
from photoplay.types import Light


def test_linear_light_is_that_of_the_standard() -> None:
    assert to_linear(np.array([0, 255])).tolist() == [0, 1]
    assert to_linear(np.array([127.5]))[0] == pytest.approx(0.2140, abs=1e-4)
    assert LUMA.sum() == pytest.approx(1)


def test_shading_is_ambient_behind_and_the_lights_colour_in_front() -> None:
    light = Light((0.0, 0.0, -1.0), 0.25, (1.2, 1.0, 0.8))
    behind, front = shade(np.float32([[0, 0, 1], [0, 0, -1]]), light)
    assert behind.tolist() == pytest.approx([0.25] * 3)
    assert front.tolist() == pytest.approx([0.25 + 0.75 * tint for tint in light.color])


def test_the_balls_normals_are_units_that_face_the_camera_and_cancel() -> None:
    assert np.linalg.norm(ball(), axis=1) == pytest.approx(1)
    assert (ball()[:, 2] < 0).all()
    assert ball()[:, :2].mean(0) == pytest.approx(0, abs=1e-6)


def test_a_brighter_picture_is_the_same_light_and_opposite_lamps_differ() -> None:
    left, right = (shade(ball(), Light((side, 0.0, -0.6), 0.3)) for side in (-0.8, 0.8))
    assert picture_difference(left, 2 * left) == pytest.approx(0, abs=1e-4)
    assert picture_difference(left, right) == pytest.approx(picture_difference(right, left))
    assert picture_difference(left, right) > 30
