"""Colour carried on smoothly into where nothing is known."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.types import Array


def carry_on(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """Fills where ``weight`` (0..1) is 0 from its surroundings; where it is 1 the image stays as it is.

    A push-pull pyramid (after Gortler et al. 1996, "The Lumigraph"): means of the known on ever coarser levels, enlarged
    again where a finer level knows nothing.
    """
    levels: list[tuple[Array, Array]] = [(image, weight)]
    while min(levels[-1][1].shape) > 2:
        colour, known = levels[-1]
        half = ((known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2)
        share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
        total = cv2.resize(colour * known[..., None], half, interpolation=cv2.INTER_AREA).reshape(*share.shape, -1)
        levels.append((total / np.maximum(share, 1e-6)[..., None], np.minimum(1, 2 * share)))
    colour, known = levels.pop()
    mean = (colour * known[..., None]).sum((0, 1)) / max(float(known.sum()), 1e-6)
    filled = colour * known[..., None] + mean * (1 - known[..., None])
    while levels:
        colour, known = levels.pop()
        size = (known.shape[1], known.shape[0])
        coarse = cv2.resize(filled.astype(np.float32), size, interpolation=cv2.INTER_LINEAR).reshape(colour.shape)
        filled = coarse + (colour - coarse) * known[..., None]
    return np.asarray(filled, np.float32)
