"""What the recogniser sees of a sound: a hundred short mel spectra a second, at whatever rate the sound has."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.types import Array, Audio

RATE = 100.0
"""Spectra a second; spectrum i is centred on second i / RATE."""
BANDS = 40
LOWEST, HIGHEST = 60.0, 7600.0
WINDOW = 0.025
HEARD, AGAIN = 40.0, 10
"""Frames count as heard within so many dB of the loudest, but for so many frames (a click)."""
LOUD_SHARE = 0.95
"""The level that counts as 0: this quantile of the frames' levels, so that neither a click nor a long pause moves it."""
LEAST_LOUD = -55.0
"""... but never under this many dB of full scale: silence is not blown up into sound."""
RANGE = 70.0
"""dB under that level at which every band bottoms out."""
_BATCH = 256


def log_mel(audio: Audio) -> Float32[Array, "n bands"]:
    """Mel spectra ``[ceil(100 * seconds), 40]`` in units of 20 dB, 0 where a band is as loud as the sound's loud frames.

    The sound is not resampled: windows (Hann, 25 ms) and filters are laid out at its own rate; bands above half of it stay
    at the floor. The mel scale is O'Shaughnessy's, 2595 log10(1 + f / 700). A louder copy of a sound gives the same.
    """
    return normalised(mel_power(audio))


def normalised(power: Float32[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """Band powers as :func:`log_mel` hands them on."""
    loud = loud_level(levels(power))
    decibels = np.maximum(10 * np.log10(power + 1e-14), loud - RANGE)
    scaled: Array = ((decibels - loud) / 20).astype(np.float32)
    return scaled


def loud_level(level: Float32[Array, " n"]) -> float:
    """The level of loud syllables: LOUD_SHARE of what is heard at all, so that a long silence does not move it."""
    heard = level[level >= float(np.sort(level)[-min(len(level), AGAIN)]) - HEARD]
    return max(float(np.quantile(heard, LOUD_SHARE)), LEAST_LOUD)


def mel_power(audio: Audio) -> Float32[Array, "n bands"]:
    """Mean power of each mel band around each hundredth of a second; a full-scale sine sums to 0.5 over the bands."""
    width = round(WINDOW * audio.rate)
    size = 1 << (width - 1).bit_length()
    window: Array = np.hanning(width + 2)[1:-1].astype(np.float32)
    count = max(1, -(-len(audio.samples) * int(RATE) // audio.rate))
    starts = np.round(np.arange(count) * (audio.rate / RATE)).astype(np.int64)
    padded = np.zeros(int(starts[-1]) + max(width, len(audio.samples)) + width, np.float32)
    padded[width // 2 : width // 2 + len(audio.samples)] = audio.samples
    filters = mel_filters(audio.rate, size) * (2.0 / float(size * np.square(window).sum()))
    power = np.empty((count, BANDS), np.float32)
    for first in range(0, count, _BATCH):
        part = starts[first : first + _BATCH]
        spectra = np.fft.rfft(padded[part[:, None] + np.arange(width)] * window, size)
        power[first : first + len(part)] = (spectra.real**2 + spectra.imag**2) @ filters.T
    return power


def mel_filters(rate: int, size: int) -> Float64[Array, "bands bins"]:
    """Triangular filters over the bins of a real FFT of ``size`` samples; between band centres they add up to 1."""
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    bins = np.arange(size // 2 + 1) * (rate / size)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters: Array = np.clip(np.minimum(rise, fall), 0.0, None)
    return filters


def levels(power: Float32[Array, "n bands"]) -> Float32[Array, " n"]:
    """Level of each frame in dB of full scale: 0 for a full-scale square wave's power, never under -120."""
    decibels: Array = 10 * np.log10(power.sum(axis=1) + 1e-12)
    return decibels.astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: Float64[Array, " n"]) -> Float64[Array, " n"]:
    hertz: Array = 700 * (10 ** (mel / 2595) - 1)
    return hertz
