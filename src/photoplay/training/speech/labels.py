"""Which viseme a mouth shows in each frame of speech whose phoneme times are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from photoplay.motion.speech.spectrum import RATE
from photoplay.motion.speech.visemes import INDEX, visemes_of
from photoplay.types import Array

STOPS = "ptkbdɡgcɟqʈɖʔ"
CLOSURE_SECONDS, CLOSURE_AFTER_PAUSE = 0.13, 0.07
CLOSURE_DEPTH = 24.0
"""dB under the loud frames at which a stop's closure counts as silent."""
FIRST_SHARE = 0.55
"""Share of a diphthong's time that its first vowel takes."""


def frame_labels(phonemes: Sequence[tuple[float, str]], level: Float32[Array, " n"]) -> Int64[Array, " n"]:
    """Index into VISEMES of each frame; ``level`` is :func:`~photoplay.motion.speech.spectrum.levels` of the same sound.

    espeak-ng reports a voiceless stop at its release: the silent frames before it, in which the mouth is already closed for
    it, are given to the stop (after a pause, only the last 70 ms: the mouth closes in time for the release).
    """
    marks = segments(phonemes, len(level) / RATE)
    labels = np.zeros(len(level), np.int64)
    quiet = level < np.quantile(level, 0.9) - CLOSURE_DEPTH
    for index, (start, end, viseme, phoneme) in enumerate(marks):
        first, last = _frame(start), _frame(end)
        labels[first:last] = INDEX[viseme]
        stop = phoneme.lstrip("ˈˌ")[:1]
        if stop and stop in STOPS:
            pause = index > 0 and marks[index - 1][2] == "sil"
            reach = _frame(CLOSURE_AFTER_PAUSE if pause else CLOSURE_SECONDS)
            closed = first
            while closed > max(0, first - reach) and quiet[closed - 1]:
                closed -= 1
            labels[closed:first] = INDEX[viseme]
    return labels


def segments(phonemes: Sequence[tuple[float, str]], seconds: float) -> list[tuple[float, float, str, str]]:
    """Start, end, viseme and phoneme, as espeak-ng tells them: a diphthong is two."""
    marks: list[tuple[float, float, str, str]] = []
    for index, (start, phoneme) in enumerate(phonemes):
        end = phonemes[index + 1][0] if index + 1 < len(phonemes) else seconds
        shown = visemes_of(phoneme)
        edges = [start, *(start + (end - start) * FIRST_SHARE ** (len(shown) - k) for k in range(1, len(shown))), end]
        marks += [
            (edges[k], edges[k + 1], viseme, phoneme) for k, viseme in enumerate(shown) if edges[k + 1] > edges[k]
        ]
    return marks


def _frame(second: float) -> int:
    """The first frame whose centre does not lie before ``second``."""
    return int(np.ceil(second * RATE - 1e-6))
