"""The cut line between a person and the background: firm inside and outside, a smooth line, soft where hair is."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.mesh import smoothstep
from photoplay.types import Array, Mask

HAIR_EDGE, BODY_EDGE = 0.05, 0.012
"""How far a person's soft edge may reach around the head and elsewhere, in face heights."""
FAINT = 16
"""Values of the matte below half of this are noise; they fade in up to a bit more than twice as much."""
PERSON = 70
"""From this value of the matte on a doubtful area counts as the person's: better held too much than torn."""


def edge_softness(shape: tuple[int, ...], centre: Float32[Array, 2], height: float) -> Float32[Array, "h w"]:
    """How far the soft edge may reach at each pixel: wide around the head, where hair is, narrow along the clothes.

    ``centre`` and ``height`` are the face's, in pixels.
    """
    down = (np.arange(shape[0], dtype=np.float32) - centre[1]) / height
    across = np.abs(np.arange(shape[1], dtype=np.float32) - centre[0]) / height
    hair = np.outer(1 - smoothstep(0.1, 0.6, down), 1 - smoothstep(0.7, 1.0, across))
    narrow = max(1.0, BODY_EDGE * height)
    return (narrow + (max(HAIR_EDGE * height, narrow) - narrow) * hair).astype(np.float32)


def _distance(mask: UInt8[Array, "h w"]) -> Float32[Array, "h w"]:
    """How far each pixel inside ``mask`` is from the nearest one outside."""
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def firm_matte(matte: Mask, softness: Float32[Array, "h w"]) -> Mask:
    """The matte with its soft values kept only along its edge: doubtful areas become person or background.

    Further than ``softness`` pixels from a smooth line along which the matte crosses PERSON, it is 255 inside and 0
    outside, so that nothing half-transparent moves over the background and no edge frays.
    """
    widest = float(softness.max())
    if widest < 0.5:
        return matte
    solid = (matte > PERSON).astype(np.uint8)
    wide = (_distance(1 - solid) <= np.ceil(widest)).astype(np.uint8)
    closed = _distance(wide) > np.ceil(widest)
    solid = np.where(matte > PERSON // 2, closed, solid).astype(np.uint8)
    for value, side in ((0, 5), (1, 3)):
        count, groups, stats, _ = cv2.connectedComponentsWithStats((solid == value).astype(np.uint8), connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < (side * widest) ** 2
        small[0] = False
        if count > 1:
            solid[small[groups]] = 1 - value
    depth = np.minimum(_distance(solid), 3 * widest) - np.minimum(_distance(1 - solid), 3 * widest)
    depth = cv2.GaussianBlur(depth, (0, 0), float(np.clip(widest / 6, 1.0, 4.0))) / softness
    clear = np.clip((matte.astype(np.float32) - FAINT / 2) / (2 * FAINT), 0, 1)
    least, most = np.clip(2 * depth - 1, 0, 1), np.clip(1.5 + depth, 0, 1)
    firm = np.clip(matte * clear, least * 255, most * 255)
    _, groups = cv2.connectedComponents((firm > PERSON).astype(np.uint8))
    joined = np.zeros(groups.max() + 1, np.uint8)
    joined[groups[firm > 250]] = 1
    near = np.clip(2 - _distance(1 - joined[groups]) / 2, 0, 1)
    return np.asarray(np.rint(firm * near), np.uint8)
