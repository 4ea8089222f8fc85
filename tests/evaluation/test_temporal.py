from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.evaluation.temporal import BackgroundMeter, FlickerMeter, at_film_rate
from tests.finishing.clips import moving


def measured(stack):
    meter = FlickerMeter(stack.shape[2], stack.shape[1])
    for picture in stack:
        meter.see(picture, ((60.0, 60.0, 140.0, 140.0),))
    return meter


def test_a_clean_clip_does_not_flicker():
    meter = measured(moving(12, 200, 300))
    assert len(meter.grain) == len(meter.face) == 10
    assert max(meter.grain) < 0.5
    assert max(meter.pulse) < 0.1


def test_grain_is_measured_as_it_was_added():
    clean = np.repeat(moving(1, 200, 300), 12, axis=0).astype(float)
    grey = np.random.default_rng(1).normal(0, 4, clean.shape[:3])[..., None]
    meter = measured((clean + grey).clip(0, 255).round().astype(np.uint8))
    assert np.mean(meter.grain) == pytest.approx(4, rel=0.2)
    assert np.mean(meter.face) == pytest.approx(4, rel=0.3)


def test_pulse_is_measured_as_it_was_added():
    clean = moving(40, 200, 300).astype(float)
    jitter = np.random.default_rng(2).normal(0, 2, 40)[:, None, None, None]
    meter = measured((clean + jitter).clip(0, 255).round().astype(np.uint8))
    assert np.sqrt(np.mean(np.square(meter.pulse))) == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize(("fps", "reads"), [(6.0, 1.0), (12.0, 2 / 2**0.5), (24.0, 2.0), (60.0, 2.0)])
def test_the_same_motion_in_fewer_frames_flickers_no_more(fps, reads):
    assert at_film_rate(2.0, fps) == pytest.approx(reads)


def test_a_fade_is_no_flicker():
    fading = moving(20, 200, 300) * np.linspace(0.6, 1, 20)[:, None, None, None]
    meter = measured(fading.round().astype(np.uint8))
    assert max(meter.pulse) < 0.2
    assert max(meter.grain) < 0.5


def test_background_change_peak_and_drift():
    base = np.full((100, 120, 3), 100, np.uint8)
    background = np.ones((100, 120), bool)
    background[:, 60:] = False
    meter = BackgroundMeter()
    for level in (0, 3, 6):
        picture = base + np.uint8(level)
        picture[:, 60:] = 250 - 40 * level
        meter.see(picture, background)
    assert meter.change == [3, 3]
    assert meter.drift == [3, 6]
    spot = base + np.uint8(6)
    cv2.circle(spot, (30, 30), 2, (206, 206, 206), -1)
    meter.see(spot, background)
    assert meter.peak[-1] == pytest.approx(100)
    assert meter.change[-1] < 1


def test_no_background_is_not_measured():
    meter = BackgroundMeter()
    for _ in range(3):
        meter.see(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), bool))
    assert not meter.change
