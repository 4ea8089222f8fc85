"""What stands behind the people: a still background plate, and people freed from the background's colour."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Mask, Rgb


def fill_smooth(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """Fills where ``weight`` is 0 from its surroundings (push-pull pyramid, after Gortler et al. 1996, "The Lumigraph").

    Where ``weight`` is 1 the image stays as it is.
    """
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = (image * weight[..., None]).sum((0, 1)) / total
        return image * weight[..., None] + mean * (1 - weight[..., None])
    half = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(image * weight[..., None], half, interpolation=cv2.INTER_AREA)
    mean = mean.reshape(*share.shape, -1) / np.maximum(share, 1e-6)[..., None]
    filled = fill_smooth(mean.astype(np.float32), np.minimum(1.0, share * 2).astype(np.float32))
    pulled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).reshape(image.shape)
    keep = weight[..., None]
    return (image * keep + pulled * (1 - keep)).astype(np.float32)


def _mirrored_detail(
    image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"], sigma: float
) -> Float32[Array, "h w 3"]:
    """Fine texture for ``hole``: each pixel takes the detail of its mirror image across the nearest edge of the hole."""
    known = (1 - hole).astype(np.float32)
    weight = cv2.GaussianBlur(known, (0, 0), sigma)
    base = cv2.GaussianBlur(image * known[..., None], (0, 0), sigma) / np.maximum(weight, 1e-3)[..., None]
    detail = (image - base) * known[..., None]
    _, labels = cv2.distanceTransformWithLabels(hole, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(hole == 0)
    nearest_x = np.zeros(int(labels.max()) + 1, np.float32)
    nearest_y = np.zeros_like(nearest_x)
    nearest_x[labels[rows, columns]], nearest_y[labels[rows, columns]] = columns, rows
    y, x = np.mgrid[0 : hole.shape[0], 0 : hole.shape[1]].astype(np.float32)
    mirror_x, mirror_y = 2 * nearest_x[labels] - x, 2 * nearest_y[labels] - y
    mirror_x, mirror_y = cv2.blur(mirror_x, (5, 5)), cv2.blur(mirror_y, (5, 5))
    return cv2.remap(detail, mirror_x, mirror_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def background_plate(framed: Rgb, matte: Mask, reach: int) -> Rgb:
    """The framed photo without the people: what ``matte`` covers, and ``reach`` pixels around it, is filled in.

    Everything further than ``reach`` pixels from the matte stays bit for bit.
    """
    person = (matte > 5).astype(np.uint8)
    if not person.any():
        return framed.copy()
    size = 2 * reach + 1
    hole = cv2.dilate(person, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    if hole.all():
        hole[0, 0] = 0
    image = framed.astype(np.float32)
    known = (1 - hole).astype(np.float32)
    filled = (
        fill_smooth(image, known) + _mirrored_detail(image, hole, max(2.0, framed.shape[1] / 160)) * hole[..., None]
    )
    ramp = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(1.0, reach / 3)) * hole
    blend = np.clip((ramp - 0.5) * 4, 0, 1)[..., None]
    plate = image + (filled - image) * np.where(person[..., None] > 0, 1.0, blend)
    return np.clip(np.rint(plate), 0, 255).astype(np.uint8)


def premultiplied(texture: Rgb, alpha: Mask, behind: Rgb) -> UInt8[Array, "h w 4"]:
    """The people's own colour times alpha, and alpha: what must be added to ``(1 - alpha) * behind`` to get the photo.

    At soft edges the colour is drawn towards the people's nearest solid colour, so that no fringe of the old background
    travels along.
    """
    a = alpha.astype(np.float32) / 255
    image = texture.astype(np.float32)
    own = image - (1 - a[..., None]) * behind
    soft = (alpha > 0) & (alpha < 250)
    if soft.any():
        quarter = (max(1, alpha.shape[1] // 4), max(1, alpha.shape[0] // 4))
        solid = cv2.resize((alpha >= 245).astype(np.float32), quarter, interpolation=cv2.INTER_AREA)
        solid = np.where(solid > 0.99, 1.0, 0.0).astype(np.float32)
        inner = fill_smooth(cv2.resize(image, quarter, interpolation=cv2.INTER_AREA), solid)
        inner = cv2.resize(inner, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_LINEAR)
        trust = np.clip((a - 0.2) / 0.7, 0, 1)[..., None]
        guess = (inner * (1 - trust)) * a[..., None] + own * trust
        own = np.where(soft[..., None], guess, own)
    own = np.clip(own, 0, 255 * a[..., None])
    return np.dstack([np.rint(own).astype(np.uint8), alpha])
