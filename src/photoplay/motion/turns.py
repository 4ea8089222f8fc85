"""Rotations of what moves, a matrix for every frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from photoplay.types import Array


def turn_about(axis: int, angle: Float64[Array, " f"]) -> Float64[Array, "f 3 3"]:
    """The turn by ``angle`` (radians) about axis x (0), y (1) or z (2) that takes the next axis towards the one after it."""
    turn = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1.0
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, i, j], turn[:, j, i] = -np.sin(angle), np.sin(angle)
    return turn
