"""The last step, compiled: what was made is added to the film's own pixels. See ``composite`` for the contracts."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True)
def _ramp(low: float, high: float, x: float) -> float:
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True)
def add_change(
    canvas: Array, anchor: Array, confidence: Array, flow: Array, change: Array, coarse: Array, settings: Array
) -> None:
    """Adds ``change`` [h, w, 4] (colours, then how far the anchor's detail gives way to ``coarse``) to ``canvas``.

    Nothing happens where ``flow`` is shorter than ``settings[0]`` pixels and ``confidence`` is 255; from ``settings[1]``
    pixels or from ``settings[2]`` below full confidence on, everything does.
    """
    still, moved, doubt = settings[0], settings[1], settings[2]
    for y in range(canvas.shape[0]):
        for x in range(canvas.shape[1]):
            way = np.sqrt(flow[y, x, 0] ** 2 + flow[y, x, 1] ** 2)
            gate = max(_ramp(still, moved, way), _ramp(0.0, doubt, 255.0 - confidence[y, x]))
            if gate == 0:
                continue
            for c in range(3):
                detail = np.float32(anchor[y, x, c]) - coarse[y, x, c]
                added = gate * (change[y, x, c] - change[y, x, 3] * detail)
                canvas[y, x, c] = np.uint8(min(max(np.rint(canvas[y, x, c] + added), 0.0), 255.0))
