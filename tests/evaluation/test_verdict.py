from __future__ import annotations

import pytest

from photoplay.evaluation.verdict import LIMITS, judge

GOOD = {"identity_worst": 0.21, "flicker": 0.2, "background_change": 0.0, "face_found": 1.0, "sharpness": 1.0}


def test_praise():
    report = judge(GOOD)
    assert report.passed
    assert report.sentence == "Identity held (0.21 of 0.6), no flicker, the background stands still."


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.metric)
def test_every_limit_can_be_broken(limit):
    step = -1e-3 if limit.least else 1e-3
    warned = judge(GOOD | {limit.metric: limit.warn + step})
    assert [notice.code for notice in warned.notices] == [f"review_{limit.metric}"]
    assert warned.passed == (limit.warn != limit.fail)
    if limit.fail != float("inf"):
        failed = judge(GOOD | {limit.metric: limit.fail + step})
        assert not failed.passed
        assert failed.sentence.startswith("Not good enough: " + limit.fault)
    at = judge(GOOD | {limit.metric: limit.warn})
    assert at.passed
    assert not at.notices


def test_hints_ask_for_nothing_that_is_not_there():
    """There is no switch for smoothing, nor one for the background."""
    hints = " ".join(limit.hint for limit in LIMITS)
    assert not {word for word in ("Smooth", "Lock", "--") if word in hints}


def test_what_was_not_measured_is_not_praised():
    assert judge({}).sentence == "Nothing wrong was seen."
    assert judge({}).passed
    assert judge({"flicker": 2.0}).sentence == "It passes, but the picture flickers."
    assert judge({"flicker": 0.1, "light_drift": 20.0}).sentence == "No flicker; but the light on the face changes."
