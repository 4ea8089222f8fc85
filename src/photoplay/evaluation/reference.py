"""The photo as the film frames it: what every picture is compared with."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from photoplay.types import Array, RenderPlan

Pixels = UInt8[Array, "_ _ ..."]


def framed(pixels: Pixels, plan: RenderPlan) -> Pixels:
    """Photo pixels [h, w] or [h, w, 3] cropped and scaled to the film's size (area when shrinking, cubic when growing)."""
    x0, y0 = plan.crop[0], plan.crop[1]
    scale = plan.scale
    if scale < 1:
        height, width = pixels.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        x0, y0 = x0 * small[0] / width, y0 * small[1] / height
        scale = 1.0
    # Film pixel p shows photo pixel (p + 0.5) / scale + corner - 0.5.
    back = np.array([[1 / scale, 0, 0.5 / scale + x0 - 0.5], [0, 1 / scale, 0.5 / scale + y0 - 0.5]], np.float64)
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR)
    out = cv2.warpAffine(pixels, back, (plan.width, plan.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)
