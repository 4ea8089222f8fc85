from __future__ import annotations

import cv2
import numpy as np

from photoplay.perception.matting import guided_filter, refine, upsample


def _picture(size: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """A reddish disc with thin strands around it on a greenish, slightly noisy ground, and its true alpha."""
    big = np.zeros((size * 4, size * 4), np.uint8)
    middle = size * 2
    cv2.circle(big, (middle, middle), size, 255, -1, cv2.LINE_AA)
    for angle in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        end = middle + size * 1.12 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(big, (middle, middle), tuple(int(v) for v in end), 255, 8, cv2.LINE_AA)
    alpha = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    noise = np.random.default_rng(3).normal(0, 3, (size, size, 3))
    front, back = np.array([170, 90, 60]), np.array([90, 150, 120])
    rgb = back + (front - back) * alpha[..., None] + noise
    return np.clip(rgb, 0, 255).astype(np.uint8), alpha


def test_the_guided_filter_keeps_what_is_linear_in_the_guide() -> None:
    guide = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    values = guide @ np.float32([0.2, -0.5, 0.7]) + np.float32(0.1)
    assert np.abs(guided_filter(guide, values, 4, 1e-8) - values).max() < 1e-3


def test_the_guided_filter_is_a_mean_where_the_guide_is_flat() -> None:
    flat = np.full((60, 60, 3), 0.5, np.float32)
    values = np.random.default_rng(1).random((60, 60)).astype(np.float32)
    twice = cv2.boxFilter(cv2.boxFilter(values, -1, (7, 7)), -1, (7, 7))
    assert np.abs(guided_filter(flat, values, 3, 1e-3) - twice)[10:-10, 10:-10].max() < 1e-3


def test_a_coarse_mask_becomes_the_true_alpha_strands_included() -> None:
    rgb, alpha = _picture()
    body = cv2.morphologyEx((alpha > 0.5).astype(np.float32), cv2.MORPH_OPEN, np.ones((9, 9)))
    rough = cv2.GaussianBlur(np.roll(body, (2, -2), (0, 1)), (0, 0), 5)
    refined = refine(rgb, rough, 120)
    assert np.abs(refined - alpha).mean() < 0.35 * np.abs(rough - alpha).mean()
    y, x = np.mgrid[0:240, 0:240] - 119.5
    ring = (np.hypot(x, y) > 62) & (np.hypot(x, y) < 66)
    assert np.corrcoef(refined[ring], alpha[ring])[0, 1] > 0.8, "strands stand out from the gaps between them"


def test_sure_regions_stay_sure() -> None:
    rgb, alpha = _picture()
    refined = refine(rgb, cv2.GaussianBlur(alpha, (0, 0), 3), 120)
    assert refined[100:140, 100:140].min() == 1
    assert refined[:20].max() == 0


def test_upsampling_follows_the_large_picture() -> None:
    rgb, alpha = _picture(480)
    small = cv2.resize(rgb, (240, 240), interpolation=cv2.INTER_AREA)
    low = cv2.resize(alpha, (240, 240), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(low, (480, 480), interpolation=cv2.INTER_LINEAR)
    grown = upsample(rgb, small, low).astype(np.float32) / 255
    assert np.abs(grown - alpha).mean() < np.abs(plain - alpha).mean()
