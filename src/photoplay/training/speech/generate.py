"""Builds the speech that the recogniser learns from and is measured on: mel powers and viseme labels, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8

from photoplay.motion.speech.spectrum import BANDS, levels, mel_power
from photoplay.training.speech import noises
from photoplay.training.speech.espeak import Espeak, Spoken
from photoplay.training.speech.labels import frame_labels
from photoplay.training.speech.texts import (
    HELD_OUT_LANGUAGES,
    HELD_OUT_VARIANTS,
    LANGUAGES,
    VARIANTS,
    draw_text,
    draw_voice,
)
from photoplay.types import Array, Audio

Tell = Callable[[float], None]
"""Hears the share that is done."""
SHIFT = 0.17
"""A voice is played up to this much faster or slower, which moves its formants and its pitch: another throat."""


@dataclass(frozen=True)
class Corpus:
    """Clips end to end: decibels of each mel band, a label a frame, and the frame where each clip begins (and the end)."""

    decibels: Float16[Array, "n bands"]
    labels: UInt8[Array, " n"]
    starts: Int64[Array, " k"]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def clip(self, index: int) -> tuple[Float32[Array, "n bands"], UInt8[Array, " n"]]:
        """Band powers and labels of one clip."""
        part = slice(int(self.starts[index]), int(self.starts[index + 1]))
        return powers(self.decibels[part]), self.labels[part]


def powers(decibels: Float16[Array, "n bands"]) -> Float32[Array, "n bands"]:
    """Band powers of stored decibels."""
    linear: Array = np.power(10, decibels.astype(np.float32) / 10, dtype=np.float32)
    return linear


def build(folder: Path, hours: float, seed: int, tell: Tell) -> None:
    """Writes ``speech.npz`` (``hours`` of it), ``noise.npz`` and ``held-out.npz`` (other voices and languages)."""
    folder.mkdir(parents=True, exist_ok=True)
    espeak = Espeak()
    seconds = hours * 3600
    save(folder / "noise.npz", noise_corpus(max(60.0, seconds / 10), seed + 1))
    languages = {**dict.fromkeys(HELD_OUT_LANGUAGES, 1.0), "en-us": 2.0, "en": 2.0, "de": 1.0}
    save(folder / "held-out.npz", speech_corpus(espeak, 180.0, seed + 2, languages, HELD_OUT_VARIANTS, lambda _: None))
    save(folder / "speech.npz", speech_corpus(espeak, seconds, seed, LANGUAGES, VARIANTS, tell))


def speech_corpus(
    espeak: Espeak, seconds: float, seed: int, languages: dict[str, float], variants: tuple[str, ...], tell: Tell
) -> Corpus:
    """At least ``seconds`` of speech; the same arguments give the same corpus."""
    draw = np.random.default_rng(seed)
    clips: list[tuple[Array, Array]] = []
    done = 0.0
    while done < seconds:
        voice = draw_voice(draw, languages, variants)
        text = draw_text(draw, voice.name.split("+")[0], int(draw.integers(1, 12)))
        said = another_throat(draw, espeak.say(text, voice))
        power = mel_power(Audio(said.samples, said.rate, ""))
        labels = frame_labels(said.phonemes, levels(power))
        clips.append((power, labels))
        done += len(labels) / 100
        tell(done / seconds)
    return _joined(clips)


def another_throat(draw: np.random.Generator, said: Spoken) -> Spoken:
    """The same words from a longer or shorter throat, at times with breath in the voice and an unsteady larynx."""
    samples = said.samples
    if draw.random() < 0.35:
        knots = max(2, len(samples) // 60)
        unsteady = np.cumsum(np.interp(np.arange(len(samples)) / 60, np.arange(knots), draw.normal(0, 0.02, knots)))
        at = (
            np.arange(len(samples)) + unsteady - np.linspace(0, 1, len(samples)) * (unsteady[-1] if len(samples) else 0)
        )
        samples = np.interp(at, np.arange(len(samples)), samples)
    if draw.random() < 0.35:
        width = said.rate // 100
        loud = np.convolve(np.abs(samples), np.ones(width) / width, "same")
        hiss = np.diff(draw.standard_normal(len(samples)), prepend=0.0)
        samples = samples + hiss * loud * draw.uniform(0.02, 0.3)
    faster = float(np.exp(draw.uniform(-SHIFT, SHIFT)))
    rate = round(said.rate * faster)
    phonemes = tuple((start * said.rate / rate, phoneme) for start, phoneme in said.phonemes)
    return Spoken(np.asarray(samples, np.float32), rate, phonemes)


def noise_corpus(seconds: float, seed: int) -> Corpus:
    """At least ``seconds`` of noise and music, all labelled ``sil``."""
    draw = np.random.default_rng(seed)
    clips: list[tuple[Array, Array]] = []
    for index in range(max(len(noises.KINDS), round(seconds / 8))):
        sound = noises.draw_noise(draw, noises.KINDS[index % len(noises.KINDS)], 8.0)
        power = mel_power(Audio(sound, noises.RATE, ""))
        clips.append((power, np.zeros(len(power), np.int64)))
    return _joined(clips)


def save(path: Path, corpus: Corpus) -> None:
    """Writes a corpus."""
    np.savez(path, decibels=corpus.decibels, labels=corpus.labels, starts=corpus.starts)


def load(path: Path) -> Corpus:
    """Reads a corpus that :func:`save` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Corpus(stored["decibels"], stored["labels"], stored["starts"])


def _joined(clips: Sequence[tuple[Array, Array]]) -> Corpus:
    starts = np.cumsum([0, *(len(labels) for _, labels in clips)])
    power = np.concatenate([power for power, _ in clips]) if clips else np.zeros((0, BANDS), np.float32)
    decibels = (10 * np.log10(power + 1e-14)).astype(np.float16)
    return Corpus(decibels, np.concatenate([labels for _, labels in clips]).astype(np.uint8), starts.astype(np.int64))
