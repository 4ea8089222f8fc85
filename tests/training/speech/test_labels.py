from __future__ import annotations

import numpy as np

from photoplay.motion.speech.visemes import INDEX, VISEMES
from photoplay.training.speech.labels import CLOSURE_AFTER_PAUSE, FIRST_SHARE, frame_labels, segments
from photoplay.types import Array


def _shown(labels: Array) -> list[str]:
    return [VISEMES[label] for label in labels]


def test_a_diphthong_is_two_vowels_and_a_phoneme_lasts_until_the_next() -> None:
    marks = segments([(0.1, "oʊ"), (0.3, "")], 0.5)
    assert [(viseme, phoneme) for *_, viseme, phoneme in marks] == [("oh", "oʊ"), ("ou", "oʊ"), ("sil", "")]
    assert marks[0][:2] == (0.1, 0.1 + 0.2 * FIRST_SHARE)
    assert marks[-1][:2] == (0.3, 0.5)


def test_a_closure_before_a_voiceless_stop_belongs_to_the_stop() -> None:
    level = np.full(60, -20, np.float32)
    level[20:28] = -90
    labels = frame_labels([(0.0, "a"), (0.28, "p"), (0.32, "i")], level)
    assert _shown(labels[:20]) == ["aa"] * 20
    assert _shown(labels[20:32]) == ["PP"] * 12
    assert _shown(labels[32:]) == ["ih"] * 28


def test_no_closure_where_the_sound_goes_on_and_a_short_one_after_a_pause() -> None:
    level = np.full(60, -20, np.float32)
    labels = frame_labels([(0.0, "a"), (0.28, "b"), (0.32, "i")], level)
    assert np.flatnonzero(labels == INDEX["PP"]).tolist() == [28, 29, 30, 31]
    level[:28] = -90
    labels = frame_labels([(0.0, ""), (0.28, "p"), (0.32, "i")], level)
    assert np.flatnonzero(labels == INDEX["PP"])[0] == 28 - round(CLOSURE_AFTER_PAUSE * 100)
    assert labels[0] == INDEX["sil"]
