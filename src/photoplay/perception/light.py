"""Light on a face: where it comes from, how hard it is, and how its colour differs from the fill light's."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64

from photoplay.light import LUMA, to_linear
from photoplay.perception.crops import Crop
from photoplay.topology import skin_triangles
from photoplay.types import Array, Face, Light, Rgb

_SIZE = 256
_ITERATIONS = 25


def skin_samples(rgb: Rgb, face: Face) -> tuple[Float64[Array, "n 3"], Float64[Array, "n 3"]]:
    """Unit normals (photo space) and linear colours of the visible skin triangles."""
    points = face.landmarks[:468]
    triangles = skin_triangles()
    corners = points[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(area, 1e-9)[:, None]
    x0, y0, x1, y1 = face.box
    crop = Crop((x0 + x1) / 2, (y0 + y1) / 2, 1.1 * max(x1 - x0, y1 - y0))
    soft = cv2.GaussianBlur(crop.take(rgb, _SIZE), (0, 0), 2.0)
    centres = crop.from_photo(corners[:, :, :2].mean(1).astype(np.float32), _SIZE).astype(np.float32)
    sampled = cv2.remap(
        soft, centres[None, :, 0] - np.float32(0.5), centres[None, :, 1] - np.float32(0.5), cv2.INTER_LINEAR
    )[0]
    seen = (face.visibility[triangles].min(1) > 0.5) & (normals[:, 2] < -0.1)
    return normals[seen], to_linear(sampled[seen])


def estimate_light(rgb: Rgb, face: Face) -> Light:
    """Fits ``L = ambient + max(0, normal . key)`` to the skin's linear luminance (Lambert), robustly (Cauchy weights).

    ``color`` is the key light's colour against the fill's, read from how each channel follows the key. Skin colour drops
    out; only half of the contrast is kept, since shadows on skin are redder by themselves. A face with too little
    visible skin gets even light from the camera.
    """
    normals, colours = skin_samples(rgb, face)
    if len(normals) < 20:
        return Light((0.0, 0.0, -1.0), 1.0)
    luminance = colours @ LUMA
    level = float(np.median(luminance))
    ambient, key = _fit(normals, luminance / max(level, 1e-6))
    strength = float(np.linalg.norm(key))
    if strength < 1e-3:
        return Light((0.0, 0.0, -1.0), 1.0)
    direction = key / strength
    share = float(np.clip(ambient / (ambient + strength), 0.0, 1.0))
    return Light(
        (float(direction[0]), float(direction[1]), float(direction[2])), share, _tint(normals, colours, direction)
    )


def _fit(normals: Float64[Array, "n 3"], level: Float64[Array, n]) -> tuple[float, Float64[Array, 3]]:
    """Ambient and key of the clamped Lambert model, by reweighted Gauss-Newton from the unclamped linear fit."""
    count = len(level)
    design = np.column_stack([np.ones(count), normals])
    ridge = np.diag([0.0, 1.0, 1.0, 1.0]) * 0.002 * count
    weights = np.ones(count)
    lit = np.ones(count)
    solution = np.zeros(4)
    for _ in range(_ITERATIONS):
        rows = design * np.column_stack([np.ones(count), lit, lit, lit])
        weighted = rows * weights[:, None]
        solution = np.linalg.solve(rows.T @ weighted + ridge, weighted.T @ level)
        toward = normals @ solution[1:]
        residual = solution[0] + lit * toward - level
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-4)
        weights = 1.0 / (1.0 + (residual / (2.0 * spread)) ** 2)
        lit = 0.5 * lit + 0.5 * (toward > 0)
    return max(float(solution[0]), 0.0), solution[1:]


def _tint(
    normals: Float64[Array, "n 3"], colours: Float64[Array, "n 3"], direction: Float64[Array, 3]
) -> tuple[float, float, float]:
    """The key's RGB against the fill's, mean 1: ratio of slope to offset over ``max(0, normal . direction)``."""
    shade = np.clip(normals @ direction, 0, None)
    if float(np.ptp(shade)) < 0.2:
        return 1.0, 1.0, 1.0
    middle = np.abs(colours - np.median(colours, 0)).sum(1) < 3 * np.abs(colours - np.median(colours, 0)).sum(1).mean()
    design = np.column_stack([np.ones(int(middle.sum())), shade[middle]])
    offset, slope = np.linalg.lstsq(design, colours[middle], rcond=None)[0]
    ratio = np.clip(slope, 0, None) / np.maximum(offset + 0.5 * np.clip(slope, 0, None), 1e-4)
    if float(ratio.mean()) < 0.15:
        return 1.0, 1.0, 1.0
    tint = np.sqrt(np.clip(ratio / ratio.mean(), 0.5, 1.6))
    tint /= tint.mean()
    return float(tint[0]), float(tint[1]), float(tint[2])
