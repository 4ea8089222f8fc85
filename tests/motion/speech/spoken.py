"""Speech that was never recorded: what :class:`Speech` holds for a list of visemes and how long each lasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photoplay.motion.speech.recogniser import Speech
from photoplay.motion.speech.visemes import VISEMES

RATE = 100.0
LOUDNESS = {"aa": 1.0, "E": 0.95, "ih": 0.85, "oh": 0.95, "ou": 0.85, "sil": 0.0, "PP": 0.35, "FF": 0.4}
"""Speech.energy of a viseme; 0.6 where none is given."""


def said(visemes: Sequence[tuple[str, float]], *, pitch: float = 120.0) -> Speech:
    """``visemes`` as (name, seconds), each known for certain."""
    names = [name for name, seconds in visemes for _ in range(round(seconds * RATE))]
    probabilities = np.zeros((len(names), len(VISEMES)), np.float32)
    probabilities[np.arange(len(names)), [VISEMES.index(name) for name in names]] = 1.0
    voice = np.array([name != "sil" for name in names], np.float32)
    energy = np.array([LOUDNESS.get(name, 0.6) for name in names], np.float32)
    return Speech(RATE, probabilities, voice, energy, (pitch * (energy > 0.5)).astype(np.float32))


def silence(seconds: float) -> Speech:
    return said([("sil", seconds)])


def sentence(seed: int, syllables: int = 14) -> Speech:
    """Silence, then ``syllables`` of a consonant and a vowel with a pause halfway, then silence."""
    rng = np.random.default_rng(seed)
    consonants = list(VISEMES[1:10])
    sounds: list[tuple[str, float]] = [("sil", 0.6)]
    for index in range(syllables):
        if index == syllables // 2:
            sounds.append(("sil", 0.5))
        sounds.append((str(rng.choice(consonants)), float(rng.uniform(0.05, 0.11))))
        sounds.append((str(rng.choice(VISEMES[10:])), float(rng.uniform(0.08, 0.2))))
    return said([*sounds, ("sil", 0.6)])
