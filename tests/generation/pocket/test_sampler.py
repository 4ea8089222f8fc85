"""The flow's integration against fields whose answer is known, and the noise that windows share."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from photoplay.generation.backends.pocket.sampler import frame_noise, sample_flow, sigma_schedule

MEAN, SPREAD = 0.7, 0.3


def _gaussian_posterior(latents: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[x0 | x_s] for x0 ~ N(MEAN, SPREAD^2) on the path x_s = (1 - s) x0 + s eps."""
    gain = (1 - sigma) * SPREAD**2 / ((1 - sigma) ** 2 * SPREAD**2 + sigma**2)
    return MEAN + gain * (latents - (1 - sigma) * MEAN)


def _error(steps: int, heun: bool = False) -> float:
    noise = torch.randn(1, 3, 2, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = sample_flow(_gaussian_posterior, noise, sigma_schedule(steps), heun)
    return float((made - (MEAN + SPREAD * noise)).abs().max())  # the flow between Gaussians is the affine map


def test_a_gaussian_field_flows_to_its_closed_form() -> None:
    errors = [_error(steps) for steps in (8, 16, 32, 64)]
    assert errors[-1] < 0.05
    for rough, fine in pairwise(errors):
        assert 1.6 < rough / fine < 2.6  # first order


def test_heun_is_better_for_the_same_calls() -> None:
    assert _error(16, heun=True) < 0.5 * _error(32)


def test_one_step_returns_the_prediction() -> None:
    noise, clean = torch.randn(1, 3, 2, 16, 16), torch.rand(1, 3, 2, 16, 16)
    torch.testing.assert_close(sample_flow(lambda *_: clean, noise, sigma_schedule(1)), clean)


def test_sigmas_fall_from_noise_to_clean() -> None:
    assert sigma_schedule(4) == (1, 0.75, 0.5, 0.25, 0)
    with pytest.raises(ValueError, match="one step"):
        sigma_schedule(0)


def test_overlapping_windows_see_the_same_noise() -> None:
    first, second = frame_noise(7, 0, 8, 32, 0.6), frame_noise(7, 5, 8, 32, 0.6)
    np.testing.assert_array_equal(first[5:], second[:3])
    assert np.abs(first - frame_noise(8, 0, 8, 32, 0.6)).mean() > 0.5


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_noise_is_unit_gaussian_and_correlates_as_asked(correlation: float) -> None:
    noise = frame_noise(3, 10, 2, 128, correlation).reshape(2, -1)
    np.testing.assert_allclose(noise.std(1), 1, atol=0.02)
    np.testing.assert_allclose(noise.mean(1), 0, atol=0.02)
    assert abs(np.corrcoef(noise)[0, 1] - correlation) < 0.02
