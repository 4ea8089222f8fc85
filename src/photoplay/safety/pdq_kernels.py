"""The nearest of a million hashes, by counting bits."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def nearest(listed: NDArray[np.uint64], asked: NDArray[np.uint64]) -> int:
    """Least Hamming distance between any of ``asked`` [m, 4] and any of ``listed`` [n, 4]; 257 where one is empty."""
    best = 257
    for i in range(len(listed)):
        for j in range(len(asked)):
            count = np.uint64(0)
            for k in range(4):
                bits = listed[i, k] ^ asked[j, k]
                # Population count of a word: Warren, Hacker's Delight, section 5-1.
                bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
                bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
                bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                count += (bits * np.uint64(0x0101010101010101)) >> np.uint64(56)
            if count < best:
                best = int(count)
    return best
