"""The cut line between a person and the background: firm inside and outside, soft along the edge, stray hair included."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Mask, Rgb

SOFT_EDGE = 0.08
"""How far a person's soft edge may reach, in face heights."""
PERSON = 70
"""From this value of the matte on a doubtful area counts as the person's: better held too much than torn."""
HAIR_REACH = 0.22
"""How far from the matte stray hair is looked for, in face heights."""
FAINTEST = 9
"""Least contrast of a stray hair, in grey levels."""


def firm_matte(matte: Mask, softness: float) -> Mask:
    """The matte with its soft values kept only along its edge: doubtful areas become person or background.

    Further than about ``softness`` pixels from where the matte crosses PERSON, it is 255 inside and 0 outside, so that
    nothing half-transparent moves over the background.
    """
    if softness < 0.5:
        return matte
    closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(np.ceil(softness)) + 1,) * 2)
    solid = (matte > PERSON).astype(np.uint8)
    closed = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, closing)
    solid = np.where(matte > PERSON // 2, closed, solid).astype(np.uint8)
    count, groups, stats, _ = cv2.connectedComponentsWithStats(1 - solid, connectivity=4)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < (3 * softness) ** 2)
    solid[np.isin(groups, small) if count > 1 else np.zeros(solid.shape, bool)] = 1
    inward = cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_5) / softness
    outward = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_5) / softness
    least, most = np.clip(2 * inward - 1, 0, 1), np.clip(2 - outward, 0, 1)
    firm = np.clip(matte.astype(np.float32), least * 255, np.maximum(least, most) * 255)
    return np.asarray(np.rint(firm), np.uint8)


def with_stray_hair(rgb: Rgb, matte: Mask, centre: Float32[Array, 2], height: float) -> Mask:
    """The matte with thin hairs that stand out against a smooth background near the head.

    ``centre`` and ``height`` are the face's, in pixels of ``rgb``. Hairs come in at half strength: how much of each pixel
    they cover is measured later, against the background plate.
    """
    reach = HAIR_REACH * height
    if reach < 4:
        return matte
    room = 1.6 * height
    x0, y0 = (max(0, int(v - room)) for v in centre)
    part = np.s_[y0 : max(0, int(centre[1] + room)), x0 : max(0, int(centre[0] + room))]
    photo, own = np.ascontiguousarray(rgb[part]), np.ascontiguousarray(matte[part])
    if photo.size == 0:
        return matte
    person = (own > 60).astype(np.uint8)
    width = 2 * max(2, round(0.025 * height)) + 1
    smooth = cv2.medianBlur(photo, min(width, 31))
    contrast = cv2.absdiff(photo, smooth).max(-1)
    slope = cv2.morphologyEx(cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    clear = (cv2.dilate(person, np.ones((width, width), np.uint8)) == 0).astype(np.float32)
    wide = (4 * width, 4 * width)
    unrest = cv2.blur(slope * clear, wide) / np.maximum(cv2.blur(clear, wide), 1e-3)
    calm = (unrest < FAINTEST) & (cv2.blur(clear, wide) > 0.05)
    near = cv2.distanceTransform(1 - person, cv2.DIST_L2, cv2.DIST_MASK_5) < reach
    grain = contrast[(clear > 0) & near]
    least = max(FAINTEST, 2 * float(np.percentile(grain, 90))) if grain.size else FAINTEST
    thin = ((contrast >= least) & calm & near & (person == 0)).astype(np.uint8)
    thin &= 1 - cv2.morphologyEx(thin, cv2.MORPH_OPEN, np.ones((width // 2 | 1,) * 2, np.uint8))
    thin[max(0, int(centre[1] + 0.4 * height) - y0) :] = 0
    _, groups = cv2.connectedComponents(np.maximum(cv2.dilate(thin, np.ones((5, 5), np.uint8)), person))
    attached = np.isin(groups, np.unique(groups[person > 0])) & (thin > 0)
    hair = cv2.dilate(attached.astype(np.uint8), np.ones((3, 3), np.uint8)) * np.uint8(128)
    found = matte.copy()
    found[part] = np.maximum(own, hair)
    return found
