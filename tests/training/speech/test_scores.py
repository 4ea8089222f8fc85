from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.speech.visemes import INDEX
from photoplay.training.speech.scores import Score, Segment, decode, runs, score
from photoplay.types import Array


def _labels(*spans: tuple[str, int]) -> Array:
    return np.concatenate([np.full(count, INDEX[viseme], np.int64) for viseme, count in spans])


def _sure(labels: Array, certainty: float = 0.9) -> Array:
    rows = np.full((len(labels), 15), (1 - certainty) / 14, np.float32)
    rows[np.arange(len(labels)), labels] = certainty
    return rows


def test_what_is_recognised_rightly_has_no_error() -> None:
    labels = _labels(("sil", 20), ("PP", 8), ("aa", 12), ("PP", 6), ("sil", 10))
    told = score(_sure(labels), labels)
    assert (told.median_error, told.found, told.bilabials_found, told.bilabials_wrong, told.accuracy) == (0, 1, 1, 0, 1)
    assert told.spoken == 3


def test_a_late_onset_is_measured_and_a_missed_one_is_not_found() -> None:
    truth = _labels(("sil", 20), ("aa", 20), ("SS", 20), ("PP", 10))
    heard = _labels(("sil", 23), ("aa", 20), ("SS", 27))
    told = score(_sure(heard), truth)
    assert told.median_error == pytest.approx(0.03)
    assert told.found == pytest.approx(2 / 3)
    assert told.bilabials_found == 0
    other = score(_sure(truth), heard)
    assert other.bilabials_wrong == 1
    both = told + other
    assert both.spoken == told.spoken + other.spoken
    assert len(both.errors) == len(told.errors) + len(other.errors)
    assert np.isnan(Score().median_error)


def test_the_likeliest_sequence_bridges_a_doubtful_frame_and_keeps_a_sure_one() -> None:
    rows = _sure(_labels(("aa", 10), ("SS", 1), ("aa", 10)), 0.4)
    assert set(decode(rows)) == {INDEX["aa"]}
    rows = _sure(_labels(("aa", 10), ("SS", 4), ("aa", 10)), 0.97)
    assert [run.viseme for run in runs(decode(rows))] == ["aa", "SS", "aa"]
    assert runs(_labels(("aa", 10), ("SS", 4)))[1] == Segment(0.1, 0.14, "SS")
