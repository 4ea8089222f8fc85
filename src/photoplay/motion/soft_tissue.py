"""Soft tissue that gives way where two faces meet: lips and cheeks flatten against each other and widen a little."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from photoplay.types import Array

RADIUS = 0.55
"""How far from the contact tissue gives way, in inter-ocular distances (35 mm)."""
DEEP = 0.055
"""How far it gives way at most at a flatten of 1 (3.5 mm; skin over cheek and lips is about 10 mm thick)."""
WIDEN = 0.35
"""How much of what is pressed in goes sideways: tissue keeps its volume."""
SOFT = 0.03
"""How gently the plane begins, in inter-ocular distances."""


def flattened(
    landmarks: Float64[Array, "f 478 3"],
    where: Float64[Array, "f 2"],
    towards: Float64[Array, "f 2"],
    amount: Float64[Array, " f"],
    unit: float,
) -> Float64[Array, "f 478 3"]:
    """The landmarks with what lies beyond the contact plane pressed back.

    The plane goes through ``where`` across the unit vector ``towards`` (to the other face); ``amount`` [f] 0..1 is how much
    gives way, ``unit`` the face's inter-ocular distance in pixels. The field is smooth (C1) in place and time, fades to 0 at
    :data:`RADIUS` and never folds the face: its slope stays below 1.
    """
    offset = landmarks[..., :2] - where[:, None]
    depth = np.einsum("fnd,fd->fn", offset, towards)
    across = np.stack([-towards[:, 1], towards[:, 0]], axis=1)
    aside = np.einsum("fnd,fd->fn", offset, across)
    near = np.clip(1.0 - (depth**2 + aside**2) / (RADIUS * unit) ** 2, 0.0, 1.0) ** 2
    beyond = _ramp(depth / unit + 0.5 * DEEP, SOFT)
    pressed = DEEP * np.tanh(beyond / DEEP) * near * amount[:, None] * unit
    widened = WIDEN * pressed * np.tanh(aside / (0.2 * unit))
    moved = landmarks.copy()
    moved[..., :2] += widened[..., None] * across[:, None] - pressed[..., None] * towards[:, None]
    return moved


def _ramp(depth: Float64[Array, "f n"], soft: float) -> Float64[Array, "f n"]:
    e = np.maximum(depth, 0.0)
    ramp: Array = e**2 / (e + soft)
    return ramp
