"""Seamless noise, colour arithmetic and soft steps that every painter of a synthetic head shares."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from photoplay.types import Array

LATTICE = 64


def linear(srgb: tuple[float, float, float] | Array) -> Float32[Array, "*n 3"]:
    """sRGB 0..255 as linear light 0..1 (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float32) / 255
    light: Array = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return light


def hex_linear(code: str) -> Float32[Array, 3]:
    """``rrggbb`` as linear light."""
    return linear(np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)], np.float32))


def step(edge0: float, edge1: float, value: Array | float) -> Array:
    """Smooth 0..1 ramp from ``edge0`` to ``edge1`` (which may be the smaller one)."""
    t = np.clip((np.asarray(value) - edge0) / (edge1 - edge0), 0, 1)
    ramp: Array = np.asarray(t * t * (3 - 2 * t), np.float32)
    return ramp


def blob(position: Array, centre: Array, radius: float | Array) -> Array:
    """exp(-(distance / radius)²); ``radius`` in cm, one for all axes or [3]."""
    offset = (position - centre.astype(np.float32)) / np.asarray(radius, np.float32)
    weight: Array = np.exp(-np.einsum("...d,...d->...", offset, offset)).astype(np.float32)
    return weight


def mix(base: Array, colour: Array, amount: Array | float) -> Array:
    """``base`` [..., 3] moved towards ``colour`` by ``amount`` [...]."""
    share = np.asarray(amount, np.float32)[..., None]
    blended: Array = base + (colour - base) * share
    return blended.astype(np.float32, copy=False)


@cache
def _lattice() -> Array:
    """One periodic block of white noise, mean 0, spread 1; people differ by where they cut it."""
    return np.random.default_rng(6).standard_normal(LATTICE**3).astype(np.float32)


def cloud(rng: np.random.Generator, position: Float[Array, "*n 3"], scale: float | Array) -> Float32[Array, "*n"]:
    """Smooth noise of place, about -1..1: ``scale`` is the size of a lump in cm (one, or per axis)."""
    places = position.reshape(-1, 3) / np.asarray(scale, np.float32) + rng.uniform(0, LATTICE, 3).astype(np.float32)
    base = np.floor(places).astype(np.int32)
    part = (places - base).astype(np.float32)
    part = part * part * (3 - 2 * part)
    low, high = base & (LATTICE - 1), (base + 1) & (LATTICE - 1)
    noise, total = _lattice(), np.zeros(len(places), np.float32)
    for corner in range(8):
        pick = [(high if corner >> axis & 1 else low)[:, axis] for axis in range(3)]
        weight = np.ones(len(places), np.float32)
        for axis in range(3):
            weight *= part[:, axis] if corner >> axis & 1 else 1 - part[:, axis]
        total += weight * noise[(pick[0] * LATTICE + pick[1]) * LATTICE + pick[2]]
    field: Array = total.reshape(position.shape[:-1])
    return field


def texture(colour: Array, alpha: Array | float = 1.0) -> Float32[Array, "h w 4"]:
    """Linear RGB [h, w, 3] and alpha as one texture, clipped to 0..1."""
    sheet = np.empty((*colour.shape[:2], 4), np.float32)
    sheet[..., :3] = np.clip(colour, 0, 1)
    sheet[..., 3] = np.clip(alpha, 0, 1)
    return sheet
