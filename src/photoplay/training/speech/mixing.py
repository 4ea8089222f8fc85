"""Makes synthetic voices sound like any voice in any room. It all happens to mel powers, so it costs next to nothing.

Powers of independent sounds add up; a room smears each band in time; a microphone is a gain per band. Each crop is new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from photoplay.motion.speech.spectrum import BANDS, levels, normalised
from photoplay.motion.speech.visemes import INDEX, VISEMES
from photoplay.training.speech.generate import Corpus
from photoplay.types import Array

FIRST_VOWEL = INDEX["aa"]
NO_SPEECH, WITH_NOISE, WITH_BABBLE = 0.1, 0.72, 0.12
"""Share of crops without speech, and of those with speech: with noise or music, with other voices, behind it."""


@dataclass(frozen=True)
class Mixer:
    """Draws crops of ``frames`` frames from a corpus of speech and one of noise."""

    speech: Corpus
    noise: Corpus
    frames: int = 320

    def batch(
        self, count: int, draw: np.random.Generator
    ) -> tuple[Float32[Array, "count frames bands"], UInt8[Array, "count frames"]]:
        """``count`` crops as the network sees them, and the viseme of each frame."""
        crops = [self.crop(draw) for _ in range(count)]
        return np.stack([features for features, _ in crops]), np.stack([labels for _, labels in crops])

    def crop(self, draw: np.random.Generator) -> tuple[Float32[Array, "frames bands"], UInt8[Array, " frames"]]:
        """One crop: speech at some tempo, from some throat, in some room, before some noise."""
        power, labels = self._speech(draw)
        if draw.random() < NO_SPEECH:
            power, labels = np.zeros_like(power), np.zeros_like(labels)
        else:
            power = warped(draw, power)
            power = articulated(draw, power, labels)
        if draw.random() < 0.5:
            power = in_a_room(draw, power)
        loud = float(np.quantile(levels(power), 0.95))
        if loud < -80 or draw.random() < WITH_NOISE:
            power = power + self._noise(draw) * _gain(
                loud - draw.uniform(-1, 35) if loud > -80 else draw.uniform(-60, 0)
            )
        if loud > -80 and draw.random() < WITH_BABBLE:
            power = power + self._babble(draw) * _gain(loud - draw.uniform(6, 25))
        power = recorded(draw, power)
        features = normalised(power) + np.float32(draw.normal(0, 0.08))
        return _masked(draw, features), labels

    def _speech(self, draw: np.random.Generator) -> tuple[Float32[Array, "frames bands"], UInt8[Array, " frames"]]:
        """Clips one after the other with pauses between, each at a tempo of its own."""
        power = np.full((self.frames, BANDS), 1e-14, np.float32)
        labels = np.zeros(self.frames, np.uint8)
        at, first = int(draw.integers(0, 60)) if draw.random() < 0.5 else 0, True
        while at < self.frames:
            clip, spoken = self.speech.clip(int(draw.integers(len(self.speech))))
            where = retimed(draw, spoken)
            if first and at == 0:
                where = where[int(draw.uniform(0, 0.6) * len(where)) :]
            where = where[: self.frames - at]
            low = where.astype(np.int64)
            share = (where - low)[:, None].astype(np.float32)
            part = slice(at, at + len(where))
            power[part] = clip[low] ** (1 - share) * clip[low + 1] ** share
            labels[part] = spoken[np.round(where).astype(np.int64)]
            at += len(where) + int(draw.integers(0, 90))
            first = False
        return power, labels

    def _noise(self, draw: np.random.Generator) -> Float32[Array, "frames bands"]:
        power, _ = self.noise.clip(int(draw.integers(len(self.noise))))
        start = int(draw.integers(0, max(1, len(power) - self.frames)))
        return _to_level(power[start : start + self.frames], self.frames)

    def _babble(self, draw: np.random.Generator) -> Float32[Array, "frames bands"]:
        voices = [self._speech(draw)[0] for _ in range(int(draw.integers(3, 6)))]
        return _to_level(np.sum(voices, axis=0, dtype=np.float32), self.frames)


def retimed(draw: np.random.Generator, labels: UInt8[Array, " n"]) -> Float64[Array, " m"]:
    """Where in a clip each new frame comes from: faster or slower, vowels held or cut short, at times as in song."""
    lasts = np.full(len(labels), np.exp(draw.uniform(-0.3, 0.3)))
    edges = np.flatnonzero(np.diff(labels)) + 1
    hold = draw.uniform(0.3, 0.9) if draw.random() < 0.3 else 0.0
    for first, last in zip([0, *edges], [*edges, len(labels)], strict=True):
        vowel = labels[first] >= FIRST_VOWEL
        lasts[first:last] *= np.exp(draw.normal(hold if vowel else 0.0, 0.35 if vowel else 0.2))
    ends = np.concatenate([[0.0], np.cumsum(lasts)])
    where: Array = np.interp(np.arange(int(ends[-2])) + 0.5, ends[:-1], np.arange(len(labels)))
    return np.minimum(where, len(labels) - 1.001)


def warped(draw: np.random.Generator, power: Float32[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """Another vocal tract (bands stretched and shifted), blunter or sharper formants, harmonics less or more resolved."""
    bands = np.arange(BANDS)
    where = np.clip(bands * np.exp(draw.uniform(-0.1, 0.1)) + draw.uniform(-1.0, 1.0), 0, BANDS - 1.001)
    low = where.astype(np.int64)
    share = (where - low).astype(np.float32)
    log = np.log(power[:, low] + 1e-14) * (1 - share) + np.log(power[:, low + 1] + 1e-14) * share
    mean = log.mean(axis=1, keepdims=True)
    log = mean + (log - mean) * np.float32(draw.uniform(0.7, 1.2))
    if draw.random() < 0.4:
        blur = draw.uniform(0.1, 0.6)
        side = np.pad(log, ((0, 0), (1, 1)), mode="edge")
        log = (log + blur * (side[:, :-2] + side[:, 2:])) / (1 + 2 * blur)
    other: Array = np.exp(log, dtype=np.float32)
    return other


def articulated(
    draw: np.random.Generator, power: Float32[Array, "n bands"], labels: UInt8[Array, " n"]
) -> Float32[Array, "n bands"]:
    """Each speaker has louder and softer sounds: a gain and a tilt for each viseme, and for each moment.

    Real consonants are often weaker than espeak-ng's, and hisses may hardly be there at all.
    """
    gains, tilts = draw.normal(0, 3.5, len(VISEMES)), draw.normal(0, 2.5, len(VISEMES))
    gains[1:10] -= np.abs(draw.normal(0, 5)) + np.abs(draw.normal(0, 4, 9))
    gains[0] = tilts[0] = 0.0
    tilt = np.linspace(-1, 1, BANDS)
    each = gains[labels][:, None] + tilts[labels][:, None] * tilt
    smooth = np.pad(each, ((2, 2), (0, 0)), mode="edge")
    each = (smooth[:-4] + smooth[1:-3] + smooth[2:-2] + smooth[3:-1] + smooth[4:]) / 5
    knots = draw.normal(0, 2.5, len(labels) // 40 + 2)
    each += np.interp(np.arange(len(labels)) / 40, np.arange(len(knots)), knots)[:, None]
    grain = draw.normal(0, draw.uniform(0, 2.0), power.shape)
    said: Array = (power * 10 ** ((each + grain) / 10)).astype(np.float32)
    return said


def in_a_room(draw: np.random.Generator, power: Float32[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """Reverberation: an exponential tail of 0.15 to 0.9 s (to -60 dB), shorter for high bands, some dB under the voice."""
    tail = min(60, len(power))
    seconds = draw.uniform(0.15, 0.9) * np.linspace(1.0, draw.uniform(0.4, 1.0), BANDS)
    fall = np.exp(-13.8 * np.arange(1, tail + 1)[:, None] / 100 / seconds)
    fall *= _gain(-draw.uniform(2, 15)) / fall.sum(axis=0)
    size = 1 << (len(power) + tail).bit_length()
    late = np.fft.irfft(np.fft.rfft(power, size, axis=0) * np.fft.rfft(fall, size, axis=0), size, axis=0)
    heard = power.copy()
    heard[1:] += np.maximum(late[: len(power) - 1], 0).astype(np.float32)
    return heard


def recorded(draw: np.random.Generator, power: Float32[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """Through a microphone, an automatic gain, a codec: colour, narrow bands, compression, holes, a floor of hiss."""
    bands = np.linspace(0, 1, BANDS)
    colour = draw.normal(0, 4) * (bands - 0.5)
    for k in (1, 2, 3, 5):
        colour = colour + draw.normal(0, 2.5 / k**0.5) * np.cos(np.pi * k * (bands + draw.uniform()))
    if draw.random() < 0.45:
        low, high = draw.uniform(-0.1, 0.2), draw.uniform(0.55, 1.1)
        steep = draw.uniform(100, 400)
        colour = colour - np.maximum(0, low - bands) * 300 - np.maximum(0, bands - high) * steep
    decibels = 10 * np.log10(power + 1e-14) + colour
    loud = float(np.quantile(10 * np.log10(10 ** (decibels / 10)).max(axis=1), 0.95))
    if draw.random() < 0.4:
        level = decibels.max(axis=1, keepdims=True)
        decibels = decibels + (loud - level).clip(0, 60) * draw.uniform(-0.15, 0.4)
    if draw.random() < 0.25:
        deaf = decibels < decibels.max(axis=1, keepdims=True) - draw.uniform(22, 45)
        decibels = np.where(deaf & (draw.random(decibels.shape) < draw.uniform(0.3, 1)), loud - 90, decibels)
    hiss = loud - draw.uniform(20, 85) + draw.normal(-8, 12) * (bands - 0.5) + draw.normal(0, 1.5, decibels.shape)
    heard: Array = (10 ** (decibels / 10) + 10 ** (hiss / 10)) * _gain(draw.uniform(-25, 3) - loud)
    return heard.astype(np.float32)


def _masked(draw: np.random.Generator, features: Float32[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """A few bands or a moment made flat, so that nothing hangs on one of them (SpecAugment, Park et al. 2019)."""
    if draw.random() < 0.3:
        band, width = int(draw.integers(BANDS)), int(draw.integers(1, 6))
        features[:, band : band + width] = features.mean()
    if draw.random() < 0.2:
        at, length = int(draw.integers(len(features))), int(draw.integers(1, 6))
        features[at : at + length] = features.min()
    return features


def _to_level(power: Float32[Array, "n bands"], frames: int) -> Float32[Array, "frames bands"]:
    """Repeated to ``frames`` frames, its loud frames at 0 dB."""
    repeated = np.resize(power, (frames, BANDS))
    return repeated * np.float32(_gain(-float(np.quantile(levels(repeated), 0.95))))


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 10))
