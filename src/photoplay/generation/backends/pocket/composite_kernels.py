"""The last step, compiled: what was made is added to the film's own pixels. See ``composite`` for the contracts."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True)
def add_change(canvas: Array, anchor: Array, gate: Array, change: Array, coarse: Array) -> None:
    """Adds ``gate`` [h, w] times ``change`` [h, w, 4] to ``canvas``: colours, then how far the anchor's fine detail, which
    is what it has more than ``coarse``, is taken away."""
    for y in range(canvas.shape[0]):
        for x in range(canvas.shape[1]):
            if gate[y, x] == 0:
                continue
            for c in range(3):
                detail = np.float32(anchor[y, x, c]) - coarse[y, x, c]
                added = gate[y, x] * (change[y, x, c] - change[y, x, 3] * detail)
                canvas[y, x, c] = np.uint8(min(max(np.rint(canvas[y, x, c] + added), 0.0), 255.0))
