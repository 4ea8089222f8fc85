from __future__ import annotations

import pytest
import torch
from torch import nn

from photoplay.training.ema import Ema


def test_the_mean_after_known_steps():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 0.0)
    ema = Ema(module, decay=0.5)
    expected = 0.0
    for step in range(1, 6):
        nn.init.constant_(module.weight, 1.0)
        ema.update(module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
    assert float(ema.state()["weight"]) == pytest.approx(expected, abs=1e-6)
    assert min(0.5, 2 / 11) < 0.5  # the warm-up was at work


def test_a_restored_mean_goes_on_the_same():
    torch.manual_seed(0)
    module, other = nn.Linear(3, 2), nn.Linear(3, 2)
    first, second = Ema(module, 0.9), Ema(other, 0.9)
    for _ in range(3):
        nn.init.normal_(module.weight)
        first.update(module)
    second.restore(first.state(), first.step)
    nn.init.normal_(module.weight)
    first.update(module)
    second.update(module)
    for mean, again in zip(first.state().values(), second.state().values(), strict=True):
        assert torch.equal(mean, again)
    first.copy_to(other)
    assert torch.equal(other.weight, first.state()["weight"])
