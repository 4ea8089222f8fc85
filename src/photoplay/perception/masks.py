"""Soft person mattes: segmentation on crops around each person, edges moved onto the picture's own."""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.perception.mediapipe_models import SELFIE_SIZE, Models
from photoplay.types import Array, Box, Face, Mask, Rgb


def guided_filter(
    guide: Float32[Array, "h w 3"], values: Float32[Array, "h w"], radius: int, epsilon: float
) -> Float32[Array, "h w"]:
    """``values`` made a locally linear function of ``guide``'s colours in windows of ``2 radius + 1`` (He et al. 2013)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(image: Array) -> Array:
        return cv2.boxFilter(image, -1, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)
    cross = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    r, g, b = guide[..., 0], guide[..., 1], guide[..., 2]
    products = mean(np.stack([r * r, g * g, b * b], -1)), mean(np.stack([r * g, r * b, g * b], -1))
    mr, mg, mb = mean_guide[..., 0], mean_guide[..., 1], mean_guide[..., 2]
    rr, gg, bb = (products[0] - mean_guide * mean_guide + np.float32(epsilon)).transpose(2, 0, 1)
    rg, rb, gb = products[1][..., 0] - mr * mg, products[1][..., 1] - mr * mb, products[1][..., 2] - mg * mb
    inverse_rr, inverse_rg, inverse_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    inverse_gg, inverse_gb, inverse_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * inverse_rr + rg * inverse_rg + rb * inverse_rb
    cr, cg, cb = cross.transpose(2, 0, 1)
    slope = (
        np.stack(
            [
                inverse_rr * cr + inverse_rg * cg + inverse_rb * cb,
                inverse_rg * cr + inverse_gg * cg + inverse_gb * cb,
                inverse_rb * cr + inverse_gb * cg + inverse_bb * cb,
            ],
            -1,
        )
        / np.maximum(determinant, 1e-12)[..., None]
    )
    offset = mean_values - (slope * mean_guide).sum(-1)
    filtered: Array = (mean(slope) * guide).sum(-1) + mean(offset)
    return filtered


def person_boxes(face: Face, width: int, height: int) -> list[Box]:
    """Crops in which to segment one person, from the head alone to the whole figure, clipped to the photo."""
    x0, y0, x1, y1 = face.box
    x, size = (x0 + x1) / 2, max(x1 - x0, y1 - y0)
    boxes = []
    for aside, above, below in ((1.1, 0.9, 0.5), (2.2, 1.3, 2.6), (4.0, 1.8, 6.5)):
        box = (
            max(0.0, floor(x - aside * size)),
            max(0.0, floor(y0 - above * size)),
            min(float(width), ceil(x + aside * size)),
            min(float(height), ceil(y1 + below * size)),
        )
        if box[2] - box[0] >= 8 and box[3] - box[1] >= 8:
            boxes.append(box)
    return boxes


def person_probability(rgb: Rgb, box: Box, models: Models) -> Float32[Array, "rows cols"]:
    """Segmentation of one crop at the crop's own size, 0..1."""
    x0, y0, x1, y1 = (int(v) for v in box)
    part = rgb[y0:y1, x0:x1]
    small = cv2.resize(part, (SELFIE_SIZE, SELFIE_SIZE), interpolation=cv2.INTER_AREA)
    mask = models.selfie(small)
    grown: Array = cv2.resize(mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return grown


def people_matte(rgb: Rgb, faces: tuple[Face, ...], models: Models) -> Mask:
    """Soft matte of all people, 0..255."""
    height, width = rgb.shape[:2]
    total = np.zeros((height, width), np.float32)
    for face in faces:
        for box in person_boxes(face, width, height)[1:]:
            x0, y0, x1, y1 = (int(v) for v in box)
            part = total[y0:y1, x0:x1]
            np.maximum(part, person_probability(rgb, box, models), out=part)
    return np.round(np.clip(total, 0, 1) * 255).astype(np.uint8)
