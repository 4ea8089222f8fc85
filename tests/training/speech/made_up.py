"""Speech that nobody spoke: each viseme is a tone in a band of its own, silence is a floor."""

from __future__ import annotations

import numpy as np

from photoplay.motion.speech.spectrum import BANDS
from photoplay.motion.speech.visemes import VISEMES
from photoplay.training.speech.generate import Corpus


def corpus(seed: int, clips: int = 6, *, silent: bool = False) -> Corpus:
    """``clips`` clips of about two seconds; with ``silent`` all of it is a weak hiss labelled ``sil``."""
    draw = np.random.default_rng(seed)
    labels: list[int] = []
    starts = [0]
    for _ in range(clips):
        for _ in range(20):
            viseme = 0 if silent else int(draw.integers(len(VISEMES)))
            labels += [viseme] * int(draw.integers(6, 16))
        starts.append(len(labels))
    told = np.array(labels, np.uint8)
    decibels = draw.normal(-75, 2, (len(told), BANDS))
    spoken = np.flatnonzero(told)
    for reach, loss in ((0, 0.0), (1, 12.0)):
        for side in (-reach, reach):
            decibels[spoken, 2 * told[spoken] + 3 + side] = -20.0 - loss
    return Corpus(decibels.astype(np.float16), told, np.array(starts, np.int64))
