from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.speech.spectrum import (
    BANDS,
    LEAST_LOUD,
    RANGE,
    levels,
    log_mel,
    mel_filters,
    mel_power,
    normalised,
)  # fmt: skip
from photoplay.types import Array, Audio


def _sine(hertz: float, rate: int, seconds: float = 1.0) -> Audio:
    return Audio(np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32), rate, "")


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [200.0, 1000.0, 3000.0])
def test_a_sine_has_half_a_watt_in_its_own_band_at_any_rate(hertz: float, rate: int) -> None:
    power = mel_power(_sine(hertz, rate))
    assert power.shape == (100, BANDS)
    assert power[50].sum() == pytest.approx(0.5, rel=0.02)
    mel = 2595 * np.log10(1 + np.array([60.0, 7600.0, hertz]) / 700)
    assert abs(power[50].argmax() + 1 - (mel[2] - mel[0]) / (mel[1] - mel[0]) * (BANDS + 1)) < 0.8


def test_filters_add_up_to_one_between_the_outer_bands() -> None:
    filters = mel_filters(16_000, 512)
    hertz = np.arange(257) * 16_000 / 512
    inner = (hertz > 110) & (hertz < 7000)
    np.testing.assert_allclose(filters.sum(axis=0)[inner], 1.0, atol=1e-9)


def test_spectrum_i_is_centred_on_its_hundredth_of_a_second() -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8_000] = 1.0
    assert levels(mel_power(Audio(samples, 16_000, ""))).argmax() == 50


def test_a_quieter_copy_looks_the_same_and_silence_is_the_floor() -> None:
    loud = _sine(440, 16_000)
    quiet = Audio(loud.samples * np.float32(0.05), 16_000, "")
    np.testing.assert_allclose(log_mel(loud), log_mel(quiet), atol=1e-3)
    silence = log_mel(Audio(np.zeros(16_000, np.float32), 16_000, ""))
    np.testing.assert_allclose(silence, -RANGE / 20, atol=1e-5)
    faint = normalised(np.full((10, BANDS), 10 ** ((LEAST_LOUD - 20) / 10) / BANDS, np.float32))
    assert levels(np.full((1, BANDS), 1e-9, np.float32))[0] == pytest.approx(-90 + 10 * np.log10(BANDS), abs=0.1)
    assert faint.max() < -0.9, "what is 20 dB under the least loud level is not blown up"


@pytest.mark.parametrize("count", [0, 1, 159, 160, 161])
def test_very_short_sounds(count: int) -> None:
    made: Array = log_mel(Audio(np.zeros(count, np.float32), 16_000, ""))
    assert made.shape == (max(1, -(-count // 160)), BANDS)
