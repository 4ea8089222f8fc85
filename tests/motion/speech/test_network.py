from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photoplay.motion.speech import network
from photoplay.motion.speech.network import DILATIONS, ENTRY_WIDTH, WIDTH
from photoplay.motion.speech.spectrum import BANDS


@pytest.mark.parametrize(("width", "dilation"), [(3, 1), (3, 4), (5, 1), (5, 3)])
def test_a_convolution_is_the_sum_over_its_taps(width: int, dilation: int) -> None:
    draw = np.random.default_rng(width * dilation)
    x = draw.standard_normal((20, 3)).astype(np.float32)
    weight = draw.standard_normal((width * 3, 2)).astype(np.float32)
    bias = draw.standard_normal(2).astype(np.float32)
    made = network.convolve(x, weight, bias, width, dilation)
    for at in (0, 1, 9, 19):
        expected = bias.astype(np.float64)
        for tap in range(width):
            source = at + (tap - width // 2) * dilation
            if 0 <= source < 20:
                expected = expected + x[source] @ weight[3 * tap : 3 * tap + 3]
        np.testing.assert_allclose(made[at], expected, rtol=1e-4, atol=1e-5)


def test_it_sees_half_a_second_to_both_sides_and_no_further() -> None:
    draw = np.random.default_rng(0)
    layers = {
        "entry.weight": draw.standard_normal((ENTRY_WIDTH * BANDS, WIDTH)), "entry.bias": np.ones(WIDTH),
        "exit.weight": draw.standard_normal((WIDTH, 15)), "exit.bias": np.zeros(15),
    }  # fmt: skip
    for index in range(len(DILATIONS)):
        layers[f"block{index}.weight"] = draw.standard_normal((3 * WIDTH, WIDTH)) * 0.05
        layers[f"block{index}.bias"] = np.ones(WIDTH)
    single = {name: layer.astype(np.float32) for name, layer in layers.items()}
    still = np.zeros((201, BANDS), np.float32)
    touched = still.copy()
    touched[100] = 1.0
    changed = np.flatnonzero(np.abs(network.logits(single, touched) - network.logits(single, still)).max(axis=1) > 0)
    reach = ENTRY_WIDTH // 2 + sum(DILATIONS)
    assert reach == 49
    assert (changed.min(), changed.max()) == (100 - reach, 100 + reach)


def test_the_packaged_weights_fit_the_network_and_are_small() -> None:
    from photoplay.weights import find

    path: Path = find("visemes")
    layers = network.read(path)
    assert path.stat().st_size < 1_000_000
    assert network.logits(layers, np.zeros((3, BANDS), np.float32)).shape == (3, 15)
