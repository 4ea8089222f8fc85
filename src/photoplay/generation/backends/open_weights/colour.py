"""The difference in colour between two versions of the same pictures, told apart from differences in what they show.

Pictures are compared by the mean colours of a coarse grid. The difference is an affine map of RGB, y = M x + b (gain,
offset, tint and saturation exactly), fitted by ridge regression with Tukey's biweight (Beaton & Tukey 1974): cells that
show something else fit no common map and are given no weight, and clipped pixels, whose colours were cut short, do not
count.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from photoplay.types import Array, RgbStack

CELLS = 64
"""Cells of the coarse grid along the longer side."""
SCALE, MOST_SCALE = 1.0, 4.0
"""Standard deviation of residuals in units of Lab at least and at most: cells of the same content are no noisier."""
RIDGE = 2.0
"""Standard deviation in grey levels of colours that are too much alike to fit a gain to."""
LEAST = 0.3
"""Share of the cells that must fit the map for it to be believed."""
LEAST_WHOLE = 0.01
"""Share of the pictures that must count for colours to be compared at all."""
LIMIT = 48.0
"""Grey levels by which the map changes any cell at most."""
DARKEST, BRIGHTEST = 3, 252
"""Grey levels beyond which a channel counts as clipped."""
ROUNDS = 12


@dataclass(frozen=True)
class ColourMap:
    """``matrix`` [3, 4] maps RGB in grey levels; ``weight`` [k, r, c] is how far each cell obeys it, and ``left``
    [k, r, c, 3] what it leaves over there."""

    matrix: Float32[Array, "3 4"]
    weight: Float32[Array, "k r c"]
    left: Float32[Array, "k r c 3"]


def cells(frames: Array) -> Float64[Array, "k r c *n"]:
    """Means over the coarse grid."""
    height, width = int(frames.shape[1]), int(frames.shape[2])
    shrink = max(height, width) / CELLS
    size = (max(2, round(width / shrink)), max(2, round(height / shrink)))
    small = [cv2.resize(frame.astype(np.float32), size, interpolation=cv2.INTER_AREA) for frame in frames]
    means: Array = np.stack(small).astype(np.float64)
    return means


def lab(rgb: Float64[Array, "*n 3"]) -> Float64[Array, "*n 3"]:
    """sRGB in grey levels as CIE Lab (D65), L in 0..100."""
    flat = np.clip(rgb / 255, 0, 1).astype(np.float32).reshape(1, -1, 3)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2Lab).reshape(rgb.shape), np.float64)


def trust(apart: Float64[Array, "*n"]) -> Float64[Array, "*n"]:
    """Weight of residuals in units of Lab: Tukey's biweight, 0 from four times their standard deviation on."""
    scale = min(max(SCALE, 1.4826 * float(np.median(apart))), MOST_SCALE)
    weight: Array = np.clip(1 - (apart / (4 * scale)) ** 2, 0, 1) ** 2
    return weight


def colour_map(seen: RgbStack, target: RgbStack, where: Bool[Array, "k h w"] | None = None) -> ColourMap | None:
    """The map from the colours of ``seen`` to those of ``target`` [k, h, w, 3], from the pixels ``where`` they count.

    None where too little of them is alike to tell.
    """
    counts = _unclipped(seen) & _unclipped(target)
    whole = cells((counts if where is None else counts & where).astype(np.uint8))
    if whole.mean() < LEAST_WHOLE:
        return None
    if where is None:
        first, second = cells(seen), cells(target)
    else:
        share = np.maximum(cells(where.astype(np.uint8)), 1e-3)[..., None]
        first, second = (cells(frames * where[..., None]) / share for frames in (seen, target))
    matrix, weight = _fit(first.reshape(-1, 3), second.reshape(-1, 3), whole.ravel())
    if ((weight > 0.5) * whole.ravel()).sum() < LEAST * whole.sum():
        return None
    matrix = _bounded(matrix, first[whole > 0])
    left = second - _mapped(matrix, first.reshape(-1, 3)).reshape(first.shape)
    shares = weight.reshape(whole.shape) * whole
    return ColourMap(matrix.astype(np.float32), shares.astype(np.float32), left.astype(np.float32))


def _unclipped(frames: RgbStack) -> Bool[Array, "k h w"]:
    whole: Array = ((frames > DARKEST) & (frames < BRIGHTEST)).all(-1)
    return whole


def _fit(
    seen: Float64[Array, "n 3"], target: Float64[Array, "n 3"], whole: Float64[Array, n]
) -> tuple[Float64[Array, "3 4"], Float64[Array, n]]:
    """The map, cells counting as ``whole`` says, and how far each cell obeys it: iteratively reweighted least squares."""
    matrix = np.hstack([np.eye(3), np.median((target - seen)[whole > 0], axis=0)[:, None]])
    aim, counting = lab(target), whole > 0
    weight: Array = np.zeros(len(seen))
    for _ in range(ROUNDS):
        apart = np.linalg.norm(lab(_mapped(matrix, seen[counting])) - aim[counting], axis=1)
        weight[counting] = trust(apart)
        share = weight * whole / max((weight * whole).sum(), 1e-9)
        middle, goal = share @ seen, share @ target
        spread = seen - middle
        square = spread.T @ (spread * share[:, None]) + RIDGE**2 * np.eye(3)
        cross = (target - goal).T @ (spread * share[:, None]) + RIDGE**2 * np.eye(3)
        turn = np.linalg.solve(square, cross.T).T
        matrix = np.hstack([turn, (goal - turn @ middle)[:, None]])
    return matrix, weight


def _mapped(matrix: Float64[Array, "3 4"], colours: Float64[Array, "n 3"]) -> Float64[Array, "n 3"]:
    mapped: Array = colours @ matrix[:, :3].T + matrix[:, 3]
    return mapped


def _bounded(matrix: Float64[Array, "3 4"], seen: Float64[Array, "n 3"]) -> Float64[Array, "3 4"]:
    """The map, or as much of it as changes no cell by more than LIMIT."""
    most = float(np.abs(_mapped(matrix, seen) - seen).max())
    still = np.hstack([np.eye(3), np.zeros((3, 1))])
    bounded: Array = still + (matrix - still) * min(1.0, LIMIT / max(most, 1e-9))
    return bounded
