"""What is heard besides speech: noise, hum, clatter, breath, and music that is made up on the spot."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.types import Array

RATE = 16_000
KINDS = ("noise", "hum", "clatter", "breath", "music", "music", "music", "melody")


def draw_noise(draw: np.random.Generator, kind: str, seconds: float) -> Float32[Array, " n"]:
    """``seconds`` of one of KINDS at RATE Hz, with a peak of 0.5."""
    count = round(seconds * RATE)
    makers = {"noise": _noise, "hum": _hum, "clatter": _clatter, "breath": _breath, "music": _music, "melody": _melody}
    sound = makers[kind](draw, count)
    return (sound * (0.5 / max(float(np.abs(sound).max()), 1e-9))).astype(np.float32)


def coloured(draw: np.random.Generator, count: int, slope: float, low: float, high: float) -> Float64[Array, " n"]:
    """Noise whose power falls by ``slope`` dB an octave, between ``low`` and ``high`` Hz; standard deviation 1."""
    spectrum = np.fft.rfft(draw.standard_normal(count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    gain = (hertz / 1000) ** (-slope / 6.02) / (1 + (low / hertz) ** 6) / (1 + (hertz / high) ** 6)
    sound: Array = np.fft.irfft(spectrum * gain, count)
    return sound / max(float(sound.std()), 1e-9)


def _wander(draw: np.random.Generator, count: int, hertz: float, depth: float) -> Float64[Array, " n"]:
    """A gain that wanders about 1 by up to ``depth`` (in natural logarithms), ``hertz`` times a second."""
    knots = max(2, round(count / RATE * hertz) + 2)
    drawn = draw.uniform(-depth, depth, knots)
    return np.exp(np.interp(np.linspace(0, knots - 1, count), np.arange(knots), drawn))


def _noise(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    sound = coloured(draw, count, draw.uniform(-2, 9), draw.uniform(20, 400), draw.uniform(1500, 12000))
    return sound * _wander(draw, count, draw.uniform(0.5, 8), draw.uniform(0, 1.2))


def _hum(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    base = draw.choice([50.0, 60.0, 100.0, 120.0]) * draw.uniform(0.98, 1.02)
    t = np.arange(count) / RATE
    tones = sum(np.sin(2 * np.pi * base * k * t) * draw.uniform(0, 1) / k for k in range(1, int(draw.integers(3, 25))))
    sound: Array = np.asarray(tones) + coloured(draw, count, 3, 50, 6000) * draw.uniform(0.02, 0.5)
    return sound


def _clatter(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    sound = coloured(draw, count, 3, 50, 6000) * 0.02
    for _ in range(int(count / RATE * draw.uniform(0.7, 5)) + 1):
        start, length = int(draw.integers(count)), int(RATE * draw.uniform(0.02, 0.4))
        t = np.arange(length) / RATE
        burst = coloured(draw, length, draw.uniform(-3, 6), draw.uniform(50, 2000), draw.uniform(3000, 9000))
        ring = np.sin(2 * np.pi * draw.uniform(150, 4000) * t) * draw.uniform(0, 3)
        hit = (burst + ring) * np.exp(-t * draw.uniform(12, 150)) * draw.uniform(0.1, 1)
        sound[start : start + length] += hit[: count - start]
    return sound


def _breath(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    sound = coloured(draw, count, 3, 50, 6000) * 0.01
    start = 0
    while start < count:
        length = int(RATE * draw.uniform(0.25, 1.1))
        shape = np.sin(np.pi * np.linspace(0, 1, length) ** draw.uniform(0.6, 1.6)) ** 2
        puff = coloured(draw, length, draw.uniform(0, 6), draw.uniform(200, 900), draw.uniform(2500, 7000)) * shape
        sound[start : start + length] += puff[: count - start] * draw.uniform(0.2, 1)
        start += length + int(RATE * draw.uniform(0.3, 1.5))
    return sound


def _tone(draw: np.random.Generator, hertz: float, seconds: float, timbre: Float64[Array, " k"], attack: float,
          decay: float, vibrato: float) -> Float64[Array, " n"]:  # fmt: skip
    t = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * hertz * t + vibrato * np.sin(2 * np.pi * draw.uniform(4.5, 6.5) * t)
    partials = sum(
        gain * np.sin((k + 1) * phase + draw.uniform(0, 6.28)) * np.exp(-t * decay * (1 + 0.3 * k))
        for k, gain in enumerate(timbre)
        if hertz * (k + 1) < 7800
    )
    tone: Array = np.asarray(partials) * np.minimum(1, t / attack) * np.minimum(1, (seconds - t) / 0.03)
    return tone


def _timbre(draw: np.random.Generator) -> Float64[Array, " k"]:
    """Gains of the partials: falling, some with one broad resonance, some with odd partials only."""
    order = np.arange(1, int(draw.integers(3, 25)))
    gains: Array = order ** -draw.uniform(0.6, 2.2) * draw.uniform(0.3, 1, len(order))
    if draw.random() < 0.25:
        gains[1::2] *= 0.1
    if draw.random() < 0.4:
        gains *= 0.2 + np.exp(-np.square((order - draw.uniform(2, 9)) / 2.5))
    return gains


def _melody(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    """One instrument, one note after the other."""
    sound = np.zeros(count)
    timbre, attack, decay = _timbre(draw), draw.uniform(0.004, 0.1), draw.choice([0.2, 1.5, 5.0])
    start, note, vibrato = 0, int(draw.integers(45, 80)), draw.choice([0.0, 0.3, 0.8])
    while start < count:
        seconds = float(draw.choice([0.15, 0.25, 0.5, 1.0]))
        note = int(np.clip(note + draw.choice([-5, -4, -2, -1, 0, 1, 2, 3, 5, 7]), 40, 90))
        tone = _tone(
            draw, 440 * 2 ** ((note - 69) / 12), seconds * draw.uniform(0.9, 1.3), timbre, attack, decay, vibrato
        )
        sound[start : start + len(tone)] += tone[: count - start]
        start += int(seconds * RATE)
    return sound


def _music(draw: np.random.Generator, count: int) -> Float64[Array, " n"]:
    """Chords, a bass, often a melody and drums."""
    beat = 60 / draw.uniform(65, 150)
    sound = np.zeros(count)
    pad, bass = _timbre(draw), _timbre(draw)
    attack, decay, root = draw.uniform(0.005, 0.3), draw.choice([0.1, 1.0, 3.0]), int(draw.integers(45, 60))
    for start in range(0, count, int(2 * beat * RATE)):
        step = root + int(draw.choice([0, 0, 5, 7, -3, 2]))
        for offset in (0, int(draw.choice([3, 4])), 7, int(draw.choice([10, 12]))):
            tone = _tone(draw, 440 * 2 ** ((step + offset - 57) / 12), 2.1 * beat, pad, attack, decay, 0.1)
            sound[start : start + len(tone)] += tone[: count - start]
        low = _tone(draw, 440 * 2 ** ((step - 81) / 12), beat, bass, 0.01, 3.0, 0.0)
        sound[start : start + len(low)] += 1.5 * low[: count - start]
    sound /= max(float(sound.std()), 1e-9)
    if draw.random() < 0.5:
        lead = _melody(draw, count)
        sound += lead / max(float(lead.std()), 1e-9) * draw.uniform(0.3, 1.2)
    if draw.random() < 0.6:
        sound += _drums(draw, count, beat)
    return sound


def _drums(draw: np.random.Generator, count: int, beat: float) -> Float64[Array, " n"]:
    sound, loud = np.zeros(count), draw.uniform(0.5, 3)
    for index, start in enumerate(range(0, count, int(beat * RATE / 2))):
        t = np.arange(int(0.25 * RATE)) / RATE
        if index % 4 == 0:
            hit = 2 * np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t * 30)))) * np.exp(-t * 15)
        elif index % 4 == 2:
            hit = coloured(draw, len(t), 0, 300, 7000) * np.exp(-t * 22)
        else:
            hit = 0.4 * coloured(draw, len(t), -3, 3000, 12000) * np.exp(-t * 60)
        sound[start : start + len(t)] += loud * hit[: count - start]
    return sound
