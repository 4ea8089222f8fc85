"""Likeness of two pictures: PSNR and SSIM."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Rgb

PSNR_CAP = 100.0
"""Decibels reported for equal pictures, in place of infinity."""


def psnr(a: UInt8[Array, "*shape"], b: UInt8[Array, "*shape"]) -> float:
    """Peak signal-to-noise ratio in decibels, ``10 log10(255^2 / mean squared error)``, at most 100."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2, dtype=np.float64))
    return PSNR_CAP if error <= 0 else min(PSNR_CAP, 10 * float(np.log10(255.0**2 / error)))


def ssim_map(a: Float32[Array, "h w"], b: Float32[Array, "h w"]) -> Float32[Array, "h w"]:
    """Structural similarity of two grey pictures (0..255) around each pixel.

    Wang et al. 2004: ``(2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))`` with means, variances
    and covariance under an 11 x 11 Gaussian of sigma 1.5, C1 = (0.01 * 255)^2 and C2 = (0.03 * 255)^2.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _around(a), _around(b)
    var_a = _around(a * a) - mean_a**2
    var_b = _around(b * b) - mean_b**2
    both: Array = _around(a * b) - mean_a * mean_b
    similar: Array = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    return similar


def ssim(a: Rgb, b: Rgb) -> float:
    """Mean structural similarity of the luma of two pictures; 1 where they are equal. Five pixels at the border are left
    out, as in the paper, where the picture is large enough."""
    similar = ssim_map(_luma(a), _luma(b))
    if min(similar.shape) > 10:
        similar = similar[5:-5, 5:-5]
    return float(np.mean(similar, dtype=np.float64))


def _luma(picture: Rgb) -> Float32[Array, "h w"]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def _around(values: Float32[Array, "h w"]) -> Float32[Array, "h w"]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float32)
