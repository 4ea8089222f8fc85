from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.speech.pitch import pitch
from photoplay.types import Audio


def _buzz(hertz: float, rate: int) -> Audio:
    """Harmonics that fall like a voice's, from one second to two of three."""
    t = np.arange(3 * rate) / rate
    wave = sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 20) if hertz * k < rate / 2)
    return Audio((0.2 * np.asarray(wave) * ((t > 1) & (t < 2))).astype(np.float32), rate, "")


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("hertz", [80.0, 123.0, 220.0, 440.0])
def test_a_buzz_has_its_own_pitch_and_silence_none(hertz: float, rate: int) -> None:
    found = pitch(_buzz(hertz, rate), 300)
    np.testing.assert_allclose(found[105:195], hertz, rtol=0.015)
    assert not found[:95].any()
    assert not found[205:].any()


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.1
    assert np.mean(pitch(Audio(noise, 16_000, ""), 300) > 0) < 0.02


def test_the_shortest_sound() -> None:
    assert pitch(Audio(np.zeros(1, np.float32), 16_000, ""), 1).tolist() == [0.0]
