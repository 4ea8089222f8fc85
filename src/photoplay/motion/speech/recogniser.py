"""Hears a recording: which viseme is spoken when, whether anybody speaks, how loud and how high."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32

from photoplay.motion.speech import network
from photoplay.motion.speech.pitch import pitch
from photoplay.motion.speech.spectrum import RATE, levels, loud_level, mel_power, normalised
from photoplay.types import Array, Audio
from photoplay.weights import find

ENERGY_RANGE = 40.0
"""dB under the loud frames at which ``Speech.energy`` reaches 0."""
VOICE_SPAN = 9
"""Frames over which speech activity is averaged: less than a syllable, more than a burst."""


@dataclass(frozen=True)
class Speech:
    """What is heard at each step of ``1 / rate`` seconds; entry i belongs to second i / rate."""

    rate: float
    probabilities: Float32[Array, "n 15"]
    """Of each of :data:`~photoplay.motion.speech.visemes.VISEMES`; a row sums to 1."""
    voice: Float32[Array, " n"]
    """How surely somebody speaks, 0..1; stays up through the closures of p, t, k."""
    energy: Float32[Array, " n"]
    """Loudness, 0 (40 dB under the loud syllables, or silence) to 1 (loud syllables), linear in dB."""
    pitch: Float32[Array, " n"]
    """Fundamental frequency in Hz, 0 where nothing is voiced."""

    @property
    def seconds(self) -> float:
        """The sound's length."""
        return len(self.voice) / self.rate


def hear(audio: Audio) -> Speech:
    """Recognises the visemes of speech in any language, at any rate from 8 kHz; noise, music and silence are ``sil``.

    A small convolutional network (see ``weights/MODEL_CARD.md``) that looks half a second to both sides, in numpy.

    Raises:
        UnavailableError: ``weight_missing``, ``weight_altered``.
    """
    power = mel_power(audio)
    logits = network.logits(_layers(), normalised(power))
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = likely / likely.sum(axis=1, keepdims=True)
    level = levels(power)
    loud = loud_level(level)
    return Speech(
        rate=RATE,
        probabilities=probabilities.astype(np.float32),
        voice=_averaged(1 - probabilities[:, 0]),
        energy=np.clip(1 + (level - loud) / ENERGY_RANGE, 0, 1).astype(np.float32),
        pitch=pitch(audio, len(power)),
    )


@cache
def _layers() -> network.Layers:
    return network.read(find("visemes"))


def _averaged(values: Float32[Array, " n"]) -> Float32[Array, " n"]:
    side = VOICE_SPAN // 2
    padded = np.pad(values, side, mode="edge")
    kernel = np.hanning(VOICE_SPAN + 2)[1:-1]
    averaged: Array = np.convolve(padded, kernel / kernel.sum(), "valid")
    return np.clip(averaged, 0, 1).astype(np.float32)
