"""How strongly a picture is marked, cell by cell: what the eye does not miss, and what the detector needs.

Every cell gets a small constant share, and a share of its texture that is set sign by sign: where the picture itself
already speaks for a sign, little is painted, and where it speaks against it, more (informed embedding: Miller, Doerr and
Cox, "Applying informed coding and embedding to design a robust high-capacity watermark", IEEE Trans. Image Process. 13,
2004). The shares of flat walls, skies and skin are constant, so they do not change when something moves elsewhere.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Int64

from photoplay.safety.watermark_grid import BORDER, ROUND, SLOTS, TENT, gain, limited, tally, weigh
from photoplay.types import Array

FLAT = 0.6
"""Levels of 255 that a flat wall is marked by."""
TEXTURE, ROUGHEST = 0.4, 2.5
"""Levels more for each level of texture, and at most, before they are multiplied by 0.3 .. 2.2."""
LEAST, MOST = 0.3, 2.2
GRADIENT = 1.3
"""Smooth shading is no texture: this many times what it adds to a cell's variance is taken off."""
WANTED, PILOT = 3.5, 11.0
"""Where each sign's tally should stand, in standard deviations of an unmarked picture's, and the pilot's how much higher."""
ENERGY = 4.6
"""Mean square of the levels painted at most: a PSNR of 41.5 dB, 41.3 dB with dithering and rounding."""
ENDS = 12.0
"""Levels over which the mark fades towards black and white, beginning at 2."""
HALVINGS = 7


def strength(
    read: Float32[Array, "2 r c"], goal: Float32[Array, "r c"], slot: Int64[Array, "r c"]
) -> Float32[Array, "r c"]:
    """The levels to paint into each cell of a picture that was ``read``, ``goal`` being the sign it should carry."""
    means, squares = read
    fade = np.clip((np.minimum(means, 255 - means) - 2) / np.float32(ENDS), 0, 1)
    flat = np.float32(FLAT) * fade
    rough = np.minimum(np.float32(TEXTURE) * texture(means, squares), np.float32(ROUGHEST)) * fade
    ratio, around = weigh(means, ROUND)
    votes, grows = limited(ratio, ROUND), gain(ratio, around, ROUND)
    spread = max(float(votes.std()), 1e-6)
    have, even, more = (tally(cells, slot) / spread for cells in (votes * goal, flat * grows, rough * grows))
    above = np.zeros(SLOTS)
    above[-1] = PILOT

    def painted(level: float) -> Float32[Array, "r c"]:
        share = np.clip((level + above - have - even) / np.maximum(more, 1e-6), LEAST, MOST).astype(np.float32)
        return np.asarray(goal * (flat + share[slot] * rough), np.float32)

    best = painted(WANTED)
    if energy(best) <= ENERGY:
        return best
    low, high = -WANTED, WANTED
    for _ in range(HALVINGS):
        level = (low + high) / 2
        low, high = (low, level) if energy(painted(level)) > ENERGY else (level, high)
    best = painted(low)
    return best * np.float32(min(1.0, np.sqrt(ENERGY / max(energy(best), 1e-6))))


def texture(means: Float32[Array, "r c"], squares: Float32[Array, "r c"]) -> Float32[Array, "r c"]:
    """Standard deviation of luma in and around each cell without smooth shading; at the border of a texture, the less."""
    slope = sum(cv2.filter2D(means, cv2.CV_32F, way, borderType=BORDER) ** 2 for way in _SLOPES)
    # A tent two cells wide has a variance of a sixth of a cell along each axis.
    rough = np.sqrt(np.maximum(squares - means**2 - np.float32(GRADIENT / 6) * slope, 0))
    near = cv2.copyMakeBorder(cv2.blur(rough, (3, 3), borderType=BORDER), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    corners = [near[i : i + means.shape[0], j : j + means.shape[1]] for i in (0, 2) for j in (0, 2)]
    return np.asarray(np.minimum.reduce(corners), np.float32)


_SLOPES = [np.array([[-0.5, 0, 0.5]], np.float32), np.array([[-0.5], [0], [0.5]], np.float32)]


def energy(cells: Float32[Array, "r c"]) -> float:
    """Mean square of the levels in the picture when ``cells`` are painted bilinearly."""
    return float((cells * cv2.sepFilter2D(cells, cv2.CV_32F, TENT, TENT, borderType=BORDER)).mean())
