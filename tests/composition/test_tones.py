from __future__ import annotations

import numpy as np
import pytest

from photoplay.composition.tones import brighten, from_oklab, to_linear, to_oklab, to_srgb
from photoplay.perception import light


def test_all_codes_come_back() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_srgb(to_linear(codes)), codes)
    assert to_linear(codes) == pytest.approx(light.to_linear(codes), abs=1e-6)


def test_white_and_the_primaries_in_oklab() -> None:
    """Ottosson's own figures: white is L 1 without chroma, red is 0.628 0.225 0.126."""
    lab = to_oklab(np.float32([[1, 1, 1], [1, 0, 0], [0, 0, 0]]))
    assert lab == pytest.approx(np.array([[1, 0, 0], [0.628, 0.225, 0.126], [0, 0, 0]]), abs=2e-3)


def test_oklab_comes_back() -> None:
    colours = np.random.default_rng(0).random((500, 3)).astype(np.float32)
    assert from_oklab(to_oklab(colours)) == pytest.approx(colours, abs=1e-4)


def test_highlights_keep_their_drawing() -> None:
    ramp = np.repeat(np.linspace(0, 1, 101, dtype=np.float32)[:, None], 3, 1)
    for gain in (1.2, 2.0, 2.9):
        lit = brighten(ramp, np.full((101, 3), gain, np.float32))[:, 0]
        assert (np.diff(lit) > 0).all()
        assert lit[-1] == pytest.approx(1)
        assert lit[2] == pytest.approx(0.02 * gain, rel=0.01), "shadows get the whole gain"
    assert brighten(ramp, np.full((101, 3), 0.5, np.float32))[:, 0] == pytest.approx(ramp[:, 0] / 2)
