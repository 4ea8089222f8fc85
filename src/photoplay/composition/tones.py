"""Linear light, sRGB and OKLab, and gains that keep highlights."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay import light
from photoplay.types import Array

_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]], np.float32,
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]], np.float32,
)  # fmt: skip
_FROM_LAB = np.linalg.inv(_TO_LAB.astype(np.float64)).astype(np.float32)
_FROM_CONES = np.linalg.inv(_TO_CONES.astype(np.float64)).astype(np.float32)


@cache
def _table() -> Float32[Array, 256]:
    table: Array = light.to_linear(np.arange(256)).astype(np.float32)
    table.setflags(write=False)
    return table


def to_linear(srgb: UInt8[Array, "*n"]) -> Float32[Array, "*n"]:
    """sRGB 0..255 to linear light 0..1, as :func:`photoplay.light.to_linear`, from a table."""
    linear: Array = _table()[srgb]
    return linear


def to_srgb(linear: Float32[Array, "*n"]) -> UInt8[Array, "*n"]:
    """Linear light to sRGB 0..255, rounded; what lies outside 0..1 is clipped."""
    value = np.clip(linear, 0, 1)
    coded: Array = np.where(value <= 0.0031308, value * 12.92, 1.055 * np.power(value, np.float32(1 / 2.4)) - 0.055)
    return np.asarray(np.rint(coded * 255), np.uint8)


def to_oklab(linear: Float32[Array, "*n 3"]) -> Float32[Array, "*n 3"]:
    """Linear sRGB to OKLab (Ottosson 2020): lightness 0..1, green to red, blue to yellow."""
    lab: Array = np.cbrt(np.maximum(linear @ _TO_CONES.T, 0)) @ _TO_LAB.T
    return lab


def from_oklab(lab: Float32[Array, "*n 3"]) -> Float32[Array, "*n 3"]:
    """OKLab to linear sRGB; colours outside sRGB lie outside 0..1."""
    linear: Array = ((lab @ _FROM_LAB.T) ** 3) @ _FROM_CONES.T
    return linear


def brighten(linear: Float32[Array, "*n 3"], gain: Float32[Array, "*#n 3"]) -> Float32[Array, "*n 3"]:
    """``linear`` times ``gain``, where gains over 1 fade out towards white: ``x g / (1 + (g - 1) m^p)`` with ``m`` the
    pixel's largest channel and ``p = 1 + 0.8 / (g - 1)``, at most 5: middle tones get nearly all of a small gain, and for
    every gain the curve rises all the way, so highlights keep their drawing and none is clipped."""
    largest = peak(gain)
    over = np.maximum(largest - 1, np.float32(1e-3))
    bend = over * np.power(np.clip(peak(linear), 0, 1), np.minimum(1 + np.float32(0.8) / over, 5)) * (largest > 1)
    lit: Array = linear * gain / (1 + bend)
    return lit


def peak(colours: Float32[Array, "*n 3"]) -> Float32[Array, "*n 1"]:
    """The largest channel of each pixel (several times faster than ``max`` over an axis of three)."""
    largest: Array = np.maximum(np.maximum(colours[..., :1], colours[..., 1:2]), colours[..., 2:])
    return largest
