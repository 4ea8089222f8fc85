from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch

from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.sampler import frame_noise
from photoplay.training.batches import cut, to_torch
from photoplay.training.config import DataConfig, LossConfig, SigmaConfig
from photoplay.training.objective import Drawn, Objective, draw, gradient_term, penalty, step_inputs
from photoplay.training.samples import whole
from tests.training import toys

SHAPE = (2, 3, 3, 16, 16)


def noise(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def objective() -> Objective:
    return Objective(PocketNet(toys.TINY), LossConfig(kind="squared"))


def test_a_perfect_prediction_costs_nothing_at_any_noise(objective):
    latents = noise()
    for sigma in (1e-6, 0.35, 1.0):
        level = 1 / torch.full((2,), sigma).clamp_min(0.35).square()
        terms = objective.terms(latents, latents, latents, torch.ones(2, 1, 3, 16, 16), level)
        assert all(float(term) == 0 for term in terms.values())


def test_the_noisy_input_is_the_truth_at_sigma_zero_and_noise_at_one(monkeypatch):
    objective, seen = Objective(PocketNet(toys.TINY), LossConfig()), []
    batch = whole(toys.example(0), 3, "cpu")[1]

    def watch(latents, *_rest):
        seen.append(latents)
        return torch.zeros_like(latents)

    monkeypatch.setattr(objective.network, "forward", watch)
    eps = noise(1, tuple(batch.latents.shape))
    for sigma in (0.0, 1.0, 0.25):
        objective(**step_inputs(batch, Drawn(eps, torch.full((1,), sigma))))
    assert torch.equal(seen[0], batch.latents)
    assert torch.equal(seen[1], eps)
    torch.testing.assert_close(seen[2], 0.75 * batch.latents + 0.25 * eps)


def test_an_untrained_network_costs_what_the_anchor_does():
    """It predicts 0, so the pixel term is the weighted error of the anchor itself, times the noise level's weight."""
    objective = Objective(PocketNet(toys.TINY), LossConfig(kind="squared", gradient=0, temporal=0, region=1))
    batch = whole(toys.example(0), 3, "cpu")[1]
    for sigma, level in ((1.0, 1.0), (0.5, 4.0), (0.01, 1 / 0.35**2)):
        drawn = Drawn(noise(2, tuple(batch.latents.shape)), torch.full((1,), sigma))
        loss = objective(**step_inputs(batch, drawn))["loss"].detach()
        assert float(loss) == pytest.approx(level * float(batch.latents.square().mean()), rel=1e-4)


def test_noise_correlates_between_frames_as_the_samplers_does():
    shape = (1, 3, 4, 96, 96)
    drawn = draw(shape, 0.7, SigmaConfig(), torch.Generator().manual_seed(0), "cpu").noise[0].transpose(0, 1)
    ours = np.corrcoef(drawn.reshape(4, -1).numpy())
    theirs = np.corrcoef(frame_noise(0, 0, 4, 96, 0.7).reshape(4, -1))
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(ours[off], 0.7, atol=0.03)
    np.testing.assert_allclose(theirs[off], 0.7, atol=0.03)
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rest", ["uniform", "logit_normal"])
def test_a_fifth_of_the_draws_is_pure_noise_and_the_rest_lies_between(rest):
    config = SigmaConfig(pure=0.2, rest=rest, mean=0.0, spread=1.0)
    sigma = draw((20_000, 3, 1, 1, 1), 0.0, config, torch.Generator().manual_seed(0), "cpu").sigma
    pure = sigma == 1
    assert float(pure.float().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(sigma[~pure].min()) > 0
    assert float(sigma[~pure].mean()) == pytest.approx(0.5, abs=0.01)
    assert float(sigma[~pure].std()) == pytest.approx(1 / sqrt(12) if rest == "uniform" else 0.2084, abs=0.01)


def test_pseudo_huber_is_squared_for_small_errors_and_straight_for_large_ones():
    config = LossConfig(kind="huber", huber=0.1)
    assert float(penalty(torch.tensor(0.001), config)) == pytest.approx(1e-6, rel=1e-2)
    slope = penalty(torch.tensor(50.0), config) - penalty(torch.tensor(49.0), config)
    assert float(slope) == pytest.approx(0.2, rel=1e-3)


def test_the_gradient_term_ignores_tone_and_measures_a_ramp():
    ones, level = torch.ones(2, 1, 3, 16, 16), torch.ones(2)
    assert float(gradient_term(torch.full(SHAPE, 0.7), ones, level)) == 0
    ramp = torch.arange(16.0).expand(SHAPE) * 0.1
    # d_x is 0.1, 0.2, 0.4 at the three scales, d_y is 0
    assert float(gradient_term(ramp, ones, level)) == pytest.approx((0.1 + 0.2 + 0.4) / 6, rel=1e-4)


def test_a_steady_error_has_no_temporal_term_and_a_flicker_has(objective):
    weight, level = torch.ones(2, 1, 3, 16, 16), torch.ones(2)
    truth = noise()
    steady = objective.terms(truth + 0.3, truth, truth, weight, level)["temporal"]
    flicker = torch.tensor([0.3, -0.3, 0.3])[None, None, :, None, None]
    shaken = objective.terms(truth + flicker, truth, truth, weight, level)["temporal"]
    assert float(steady) == pytest.approx(0, abs=1e-9)
    assert float(shaken) == pytest.approx(0.36, rel=1e-3)


def test_known_frames_count_less():
    objective = Objective(PocketNet(toys.TINY), LossConfig(kind="squared", gradient=0, temporal=0, known=0))
    batch = whole(toys.example(0), 3, "cpu")[1]
    batch.previous[:, 3] = 1
    drawn = Drawn(noise(2, tuple(batch.latents.shape)), torch.ones(1))
    assert float(objective(**step_inputs(batch, drawn))["loss"].detach()) == 0


def test_gradients_reach_the_network():
    objective = Objective(PocketNet(toys.TINY), LossConfig())
    batch = to_torch(cut(toys.example(0), 32, 3, DataConfig(), np.random.default_rng(0)), "cpu")
    objective(**step_inputs(batch, Drawn(noise(0, tuple(batch.latents.shape)), torch.ones(1))))["loss"].backward()
    assert float(objective.network.out.weight.grad.abs().sum()) > 0
