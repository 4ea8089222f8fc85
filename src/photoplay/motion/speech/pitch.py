"""How high a voice is: the fundamental frequency by autocorrelation (Boersma 1993)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.speech.spectrum import RATE
from photoplay.types import Array, Audio

LOWEST, HIGHEST = 65.0, 500.0
WINDOW = 0.04
ENOUGH_HERTZ = 6000
"""The sound is thinned out to about this rate: a voice's pitch needs no more."""
VOICED = 0.5
"""Correlation from which a frame counts as voiced."""
OCTAVE_COST = 0.03
"""What a lower octave has to be better by: a period's double fits as well as the period."""
QUIET = 35.0
"""dB under the loud frames at which nothing is voiced."""
_BATCH = 1024


def pitch(audio: Audio, count: int) -> Float32[Array, " count"]:
    """Fundamental in Hz at each of ``count`` hundredths of a second, 0 where nothing is voiced.

    The autocorrelation of each 40 ms (Hann), divided by the window's own, peaks at the period. Lone frames are dropped.
    Paul Boersma, "Accurate short-term analysis of the fundamental frequency", IFA Proceedings 17, 1993.
    """
    samples, rate = _thinned(audio)
    width = round(WINDOW * rate)
    window = np.hanning(width + 2)[1:-1].astype(np.float32)
    size = 1 << (2 * width - 1).bit_length()
    lags = np.arange(int(rate / HIGHEST), min(int(np.ceil(rate / LOWEST)), width - 2) + 1)
    own = _autocorrelation(window[None], size)[0]
    own /= own[0]
    cost = OCTAVE_COST * np.log2(lags * LOWEST / rate)
    starts = np.round(np.arange(count) * (rate / RATE)).astype(np.int64)
    padded = np.zeros(int(starts[-1]) + len(samples) + 2 * width, np.float32)
    padded[width // 2 : width // 2 + len(samples)] = samples
    found, power = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for first in range(0, count, _BATCH):
        part = padded[starts[first : first + _BATCH, None] + np.arange(width)]
        part = (part - part.mean(axis=1, keepdims=True)) * window
        both = _autocorrelation(part, size)
        power[first : first + len(part)] = both[:, 0]
        fit = both / (np.maximum(both[:, :1], 1e-9) * np.maximum(own, 0.05))
        best = lags[np.argmax(fit[:, lags] - cost, axis=1)]
        rows = np.arange(len(part))
        before, peak, after = (fit[rows, best + step] for step in (-1, 0, 1))
        bend = np.minimum(before - 2 * peak + after, -1e-6)
        period = best + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
        found[first : first + len(part)] = np.where(peak > VOICED, rate / period, 0.0)
    loud = max(float(np.quantile(power, 0.95)), 1e-6)
    return _steady(np.where(power > loud * 10 ** (-QUIET / 10), found, np.float32(0)))


def _thinned(audio: Audio) -> tuple[Float32[Array, " n"], float]:
    """Every k-th sample after a low-pass that keeps what lies under a quarter of the new rate."""
    step = max(1, audio.rate // ENOUGH_HERTZ)
    if step == 1 or not len(audio.samples):
        return audio.samples, float(audio.rate)
    kernel = np.hanning(4 * step + 1).astype(np.float32)
    return np.convolve(audio.samples, kernel / kernel.sum(), "same")[::step], audio.rate / step


def _autocorrelation(frames: Float32[Array, "n width"], size: int) -> Float64[Array, "n lags"]:
    spectra = np.fft.rfft(frames, size)
    both: Array = np.fft.irfft(spectra.real**2 + spectra.imag**2, size)[:, : frames.shape[1]]
    return both


def _steady(hertz: Float32[Array, " n"]) -> Float32[Array, " n"]:
    """The median of the voiced among five neighbours, where most of them are voiced: no lone jumps."""
    padded = np.pad(hertz, 2)
    five = np.sort(np.stack([padded[k : k + len(hertz)] for k in range(5)]), axis=0)
    voiced = (five > 0).sum(axis=0)
    middle = five[np.clip(5 - (voiced + 1) // 2, 0, 4), np.arange(len(hertz))]
    steady: Array = np.where(voiced >= 3, middle, 0)
    return steady.astype(np.float32)
