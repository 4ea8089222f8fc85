"""Light in numbers: linear from sRGB, its luminance, what it makes of a matt surface, and how far two pictures lie apart."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Float64

from photoplay.types import Array, Light

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Luminance of linear sRGB (IEC 61966-2-1)."""


def to_linear(srgb: Array) -> Float64[Array, ...]:
    """sRGB 0..255 to linear light 0..1 (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float64) / 255
    linear: Array = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear


def shade(normals: Float32[Array, "*n 3"], light: Light) -> Float32[Array, "*n 3"]:
    """RGB factors ``ambient + (1 - ambient) color max(0, normal . direction)`` for unit normals in photo space."""
    toward = np.maximum(normals @ np.array(light.direction, np.float32), 0)[..., None]
    shaded: Array = light.ambient + (1 - light.ambient) * toward * np.array(light.color, np.float32)
    return shaded.astype(np.float32)


@cache
def ball() -> Float32[Array, "n 3"]:
    """Unit normals (photo space) of the visible half of a ball, on an even grid of its picture."""
    y, x = np.mgrid[-0.975:1:0.05, -0.975:1:0.05]
    flat = x**2 + y**2
    seen = flat < 1
    normals: Array = np.stack([x[seen], y[seen], -np.sqrt(1 - flat[seen])], axis=1).astype(np.float32)
    normals.setflags(write=False)
    return normals


def picture_difference(one: Float[Array, "n 3"], other: Float[Array, "n 3"]) -> float:
    """Percent: root mean square difference of two linear pictures, each divided by its mean luminance.

    Of the two pictures that two lights make of a matt white :func:`ball` it is one number for how far the lights lie apart:
    0 for one light; 30 is a lamp from the left for the one and from the right for the other.
    """
    even = [picture / max(float((picture @ LUMA).mean()), 1e-6) for picture in (one, other)]
    return 100 * float(np.sqrt(np.mean((even[0] - even[1]) ** 2)))
