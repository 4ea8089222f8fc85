"""Smoothing without lag, gaps bridged."""

from __future__ import annotations

import numpy as np
from scipy.signal import savgol_filter

from photoplay.motion.smoothing import fill_gaps, savitzky_golay


def test_agrees_with_scipy_inside_and_keeps_parabolas_everywhere() -> None:
    noisy = np.random.default_rng(0).normal(size=(60, 2))
    ours = savitzky_golay(noisy, 30.0, 8 / 30)
    np.testing.assert_allclose(ours[4:-4], savgol_filter(noisy, 9, 2, axis=0)[4:-4], atol=1e-12)
    t = np.arange(50.0)[:, None]
    np.testing.assert_allclose(savitzky_golay(0.3 * t**2 - t, 30.0, 0.3)[2:-2], (0.3 * t**2 - t)[2:-2], atol=1e-8)


def test_noise_shrinks_and_short_clips_pass() -> None:
    noisy = np.random.default_rng(0).normal(size=(200, 1))
    assert savitzky_golay(noisy, 30.0, 0.4).std() < 0.6
    np.testing.assert_array_equal(savitzky_golay(noisy[:3], 30.0, 0.4), noisy[:3])


def test_gaps_are_straight_lines_and_ends_stay() -> None:
    samples = np.array([np.nan, 1.0, np.nan, np.nan, 4.0, np.nan])[:, None]
    np.testing.assert_allclose(fill_gaps(samples)[:, 0], [1, 1, 2, 3, 4, 4])
