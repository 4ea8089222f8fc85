"""Cleaning measured curves: gaps bridged, jitter removed without shifting or flattening what moves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from photoplay.types import Array

ORDER = 2


def savitzky_golay(curves: Float64[Array, "f c"], fps: float, seconds: float) -> Float64[Array, "f c"]:
    """Each column replaced by local parabolas over ``seconds`` (Savitzky and Golay 1964); no lag, peaks keep their height.

    Windows are odd and cut short at the ends, where the parabola is fitted to what is there.
    """
    count = len(curves)
    half = max(1, round(seconds * fps / 2))
    smooth = np.empty_like(curves)
    if count <= ORDER + 1 or half < 2:
        return curves.copy()
    centre = _weights(half, half, 0)
    for index in range(count):
        left, right = min(half, index), min(half, count - 1 - index)
        if left == right == half:
            weights = centre
        elif left + right < ORDER:
            smooth[index] = curves[index]
            continue
        else:
            weights = _weights(left, right, 0)
        smooth[index] = weights @ curves[index - left : index + right + 1]
    return smooth


def _weights(left: int, right: int, at: int) -> Float64[Array, n]:
    """What each sample from -left to right counts for in the fitted parabola's value at ``at``."""
    powers = np.vander(np.arange(-left, right + 1) - at, ORDER + 1, increasing=True).astype(np.float64)
    row: Array = np.linalg.pinv(powers)[0]
    return row


def fill_gaps(samples: Float64[Array, f * d]) -> Float64[Array, f * d]:
    """Frames with NaN replaced by the straight line between their neighbours, or by the nearest frame at the ends."""
    flat = samples.reshape(len(samples), -1)
    known = np.flatnonzero(np.isfinite(flat).all(axis=1))
    place = np.interp(np.arange(len(flat)), known, np.arange(len(known)))
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(known) - 1)
    share = (place - before)[:, None]
    filled: Array = flat[known[before]] * (1 - share) + flat[known[after]] * share
    return filled.reshape(samples.shape)
