"""A rotation against what it does to the axes, and against the vector formula of Rodrigues."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.turns import turn_about

ANGLES = np.linspace(-3.0, 3.0, 7)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_quarter_turn_takes_the_next_axis_to_the_one_after_it(axis: int) -> None:
    axes = np.eye(3)
    (turn,) = turn_about(axis, np.array([np.pi / 2]))
    np.testing.assert_allclose(turn @ axes[axis], axes[axis], atol=1e-15)
    np.testing.assert_allclose(turn @ axes[(axis + 1) % 3], axes[(axis + 2) % 3], atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_is_rodrigues_formula(axis: int) -> None:
    along, point = np.eye(3)[axis], np.array([0.3, -1.2, 0.7])
    expected = [
        point * np.cos(angle) + np.cross(along, point) * np.sin(angle) + along * (along @ point) * (1 - np.cos(angle))
        for angle in ANGLES
    ]
    np.testing.assert_allclose(turn_about(axis, ANGLES) @ point, expected, atol=1e-12)
