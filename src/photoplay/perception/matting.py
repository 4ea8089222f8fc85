"""Matting: a rough person probability becomes an alpha whose edges follow the picture's own, strands of hair included."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Rgb

_STRIP = 256


def refine(rgb: Rgb, rough: Float32[Array, "h w"], face_size: float) -> Float32[Array, "h w"]:
    """Alpha 0..1 from a rough probability.

    1. The contour at one half is decided on; specks and pinholes go. Only a band along it is unknown: a doubtful object
       is either in or out, never half transparent.
    2. A guided filter moves the edge in the band onto the picture's.
    3. Each pixel of the band is placed on the line between the mean colours of the sure pixels on both sides nearby
       (``alpha = (I - B).(F - B) / |F - B|^2``), as far as these differ and the pixel lies on that line.

    ``face_size`` is the largest face's height in pixels: all widths scale with it.
    """
    rows, columns = np.nonzero(rough > 0.1)
    alpha = np.zeros_like(rough)
    if len(rows) == 0:
        return alpha
    margin = round(max(face_size, 24.0))
    top, left = max(0, int(rows.min()) - margin), max(0, int(columns.min()) - margin)
    around = np.s_[top : int(rows.max()) + margin, left : int(columns.max()) + margin]
    alpha[around] = _refine_part(rgb[around], rough[around], max(face_size, 24.0))
    return alpha


def _refine_part(rgb: Rgb, rough: Float32[Array, "h w"], unit: float) -> Float32[Array, "h w"]:
    guide = rgb.astype(np.float32) / np.float32(255)
    reach = max(3, round(0.11 * unit)) | 1
    front_mask = _without_specks((cv2.blur(rough, (3, 3)) > 0.5).astype(np.uint8), 0.05 * unit * unit)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    sure_front: Array = cv2.erode(front_mask, kernel)
    sure_back: Array = cv2.erode(1 - front_mask, kernel)
    unknown = (sure_front | sure_back) == 0
    edge = np.where(unknown, np.minimum(_step(rough, 0.15, 0.85), 1), front_mask.astype(np.float32))
    alpha = np.clip(guided_filter(guide, edge.astype(np.float32), max(2, round(0.035 * unit)), 1e-4), 0, 1)
    window = 4 * reach + 1
    front, front_weight = _mean_colour(guide, sure_front, window)
    back, back_weight = _mean_colour(guide, sure_back, window)
    line = front - back
    contrast = (line * line).sum(-1)
    placed = np.clip(((guide - back) * line).sum(-1) / np.maximum(contrast, 1e-6), 0, 1)
    off_line = ((guide - back - placed[..., None] * line) ** 2).sum(-1)
    trust = np.exp(-off_line / (0.1 * contrast + 1e-4)) * _step(contrast, 0.01, 0.12)
    trust = trust * unknown * (np.minimum(front_weight, back_weight) > 0.01)
    alpha = alpha + np.float32(0.7) * trust * (placed - alpha)
    alpha = np.where(sure_front > 0, np.float32(1), np.where(sure_back > 0, np.float32(0), alpha))
    settled: Array = _step(alpha.astype(np.float32), 0.06, 0.94)
    return settled


def _without_specks(mask: UInt8[Array, "h w"], least: float) -> UInt8[Array, "h w"]:
    """The mask without islands, and without holes of a quarter of their size, under ``least`` pixels."""
    for value, smallest in ((1, least), (0, least / 4)):
        _, labels, statistics, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8))
        small = statistics[:, cv2.CC_STAT_AREA] < smallest
        small[0] = False
        mask = np.where(small[labels], np.uint8(1 - value), mask)
    return mask


def upsample(rgb: Rgb, small: UInt8[Array, "rows cols 3"], alpha: Float32[Array, "rows cols"]) -> UInt8[Array, "h w"]:
    """An alpha found on a smaller copy, as a mask (0..255) at the photo's own size with the photo's own edges.

    The smaller copy's locally linear model is enlarged and applied to the large photo's pixels (He and Sun 2015), strip
    by strip: a photo of 50 megapixels needs no more memory than one of five.
    """
    slope, offset = _linear_model(small.astype(np.float32) / np.float32(255), alpha, 3, 1e-4)
    planes = [offset, *(np.ascontiguousarray(slope[..., channel]) / np.float32(255) for channel in range(3))]
    height, width = rgb.shape[:2]
    across, down = alpha.shape[1] / width, alpha.shape[0] / height
    mask = np.empty((height, width), np.uint8)
    for top in range(0, height, _STRIP):
        part = rgb[top : top + _STRIP]
        to_small = np.array([[across, 0, 0.5 * across - 0.5], [0, down, (top + 0.5) * down - 0.5]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        grown = [
            cv2.warpAffine(plane, to_small, (width, part.shape[0]), flags=how, borderMode=cv2.BORDER_REPLICATE)
            for plane in planes
        ]
        value = grown[0] + sum(grown[1 + channel] * part[..., channel] for channel in range(3))
        mask[top : top + _STRIP] = np.round(np.clip(value, 0, 1) * 255)
    return mask


def _step(values: Float32[Array, "h w"], low: float, high: float) -> Float32[Array, "h w"]:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    stepped: Array = t * t * (3 - 2 * t)
    return stepped


def _mean_colour(
    guide: Float32[Array, "h w 3"], where: Array, window: int
) -> tuple[Float32[Array, "h w 3"], Float32[Array, "h w"]]:
    """Mean colour of the marked pixels in a window around each pixel, and their share of it."""
    marked = where.astype(np.float32)
    share = cv2.blur(marked, (window, window))
    colour = cv2.blur(guide * marked[..., None], (window, window)) / np.maximum(share, 1e-6)[..., None]
    return colour, share


def guided_filter(
    guide: Float32[Array, "h w 3"], values: Float32[Array, "h w"], radius: int, epsilon: float
) -> Float32[Array, "h w"]:
    """``values`` made a locally linear function of ``guide``'s colours in windows of ``2 radius + 1`` (He et al. 2013)."""
    slope, offset = _linear_model(guide, values, radius, epsilon)
    filtered: Array = (slope * guide).sum(-1) + offset
    return filtered


def _linear_model(
    guide: Float32[Array, "h w 3"], values: Float32[Array, "h w"], radius: int, epsilon: float
) -> tuple[Float32[Array, "h w 3"], Float32[Array, "h w"]]:
    """The guided filter's mean slope per colour channel and mean offset: 3 x 3 ridge regression in every window."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(image: Array) -> Array:
        return cv2.boxFilter(image, -1, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)
    cross = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]

    def covariance(i: int, j: int) -> Array:
        both: Array = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
        return both

    ridge = np.float32(epsilon)
    rr, gg, bb = covariance(0, 0) + ridge, covariance(1, 1) + ridge, covariance(2, 2) + ridge
    rg, rb, gb = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    adjugate = (
        (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb),
        (gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
        (rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg),
    )
    determinant = np.maximum(rr * adjugate[0][0] + rg * adjugate[0][1] + rb * adjugate[0][2], ridge**3 / 2)
    slope = np.stack([sum(row[k] * cross[..., k] for k in range(3)) / determinant for row in adjugate], -1)
    offset = mean_values - (slope * mean_guide).sum(-1)
    return mean(slope), mean(offset)
