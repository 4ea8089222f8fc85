from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from skimage.metrics import structural_similarity

from photoplay.evaluation.metrics import psnr, ssim


def test_psnr_of_a_known_error():
    a = np.full((20, 30, 3), 100, np.uint8)
    assert psnr(a, a) == 100
    assert psnr(a, a + 1) == pytest.approx(48.1308, abs=1e-3)
    assert psnr(a, a + 16) == pytest.approx(24.0484, abs=1e-3)


@pytest.mark.parametrize("spoil", ["noise", "blur", "shift", "dark"])
def test_ssim_agrees_with_another_implementation(spoil):
    a = np.repeat(skimage.data.camera()[::2, ::2, None], 3, axis=2)
    rng = np.random.default_rng(0)
    b = {
        "noise": np.clip(a + rng.normal(0, 12, a.shape[:2])[..., None], 0, 255).astype(np.uint8),
        "blur": ((a.astype(int) + np.roll(a, 1, 0) + np.roll(a, 1, 1)) // 3).astype(np.uint8),
        "shift": np.roll(a, 3, axis=1),
        "dark": (a * 0.6).astype(np.uint8),
    }[spoil]
    theirs = structural_similarity(
        a[..., 0], b[..., 0], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-4)


def test_ssim_of_equals_is_one():
    a = skimage.data.astronaut()[:100, :120]
    assert ssim(a, a) == pytest.approx(1.0)
