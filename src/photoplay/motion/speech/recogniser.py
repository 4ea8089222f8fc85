"""Hears a recording: which viseme is spoken when, whether anybody speaks, how loud and how high."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float32

from photoplay.types import Array


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
