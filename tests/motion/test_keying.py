"""Keys from curves: few, and close to what they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.errors import TemplateError
from photoplay.motion.curves import perform
from photoplay.motion.easing import interpolate
from photoplay.motion.keying import TOLERANCE, reduce_keys, template_from_performance
from photoplay.motion.library import find
from photoplay.types import Performance
from tests.motion.rig_subjects import still


def keyed(performance: Performance) -> object:
    return template_from_performance(performance, name="a", title="A", description="B.", category="face")


def test_keys_stay_within_the_tolerance() -> None:
    times = np.linspace(0, 4, 241)
    values = 0.4 * np.sin(3 * times) ** 2 + 0.1 * np.sin(11 * times)
    keys = reduce_keys(times, values, 0.02)
    played = interpolate(times, np.array([key.time for key in keys]), np.array([key.value for key in keys]))
    assert np.abs(played - values).max() < 0.022
    assert len(keys) < 70


def test_a_straight_hold_needs_two_keys() -> None:
    times = np.linspace(0, 2, 61)
    assert len(reduce_keys(times, np.full(61, 0.3), 0.01)) == 2


def test_a_template_survives_the_round_trip() -> None:
    given = perform(find("wave_left"), seconds=find("wave_left").duration, fps=30)
    again = keyed(given)
    played = perform(again, seconds=again.duration, fps=30)  # type: ignore[attr-defined,arg-type]
    count = played.num_frames
    np.testing.assert_allclose(played.blendshapes, given.blendshapes[:count], atol=0.09)
    np.testing.assert_allclose(played.arms[..., :3], given.arms[:count, ..., :3], atol=2 * TOLERANCE["degrees"])
    assert {"mouth_visible", "shoulders", "left_arm"} <= set(again.needs)  # type: ignore[attr-defined]
    assert "right_arm" not in again.needs  # type: ignore[attr-defined]
    assert "mouthSmile" in again.channels  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("frames", "code"), [(2, "capture_length"), (6000, "capture_length"), (60, "capture_no_motion")]
)
def test_what_is_no_template_is_refused(frames: int, code: str) -> None:
    with pytest.raises(TemplateError) as caught:
        keyed(still(frames))
    assert caught.value.code == code


def test_nan_is_refused() -> None:
    broken = still(60)
    head = broken.head.copy()
    head[10, 0] = np.nan
    with pytest.raises(TemplateError, match="not numbers"):
        keyed(replace(broken, head=head))
