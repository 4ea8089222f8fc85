from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.training.synthetic.sensor import STYLES, Camera, draw_camera, expose

GREY = np.full((64, 64, 3), 0.2, np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_perfect_camera_is_the_srgb_curve():
    # IEC 61966-2-1: linear 0.2 is 0.4845 in sRGB
    frame = expose(Camera(quality=100), GREY, rng())
    assert frame.dtype == np.uint8
    assert np.abs(frame.astype(int) - round(0.4845 * 255)).max() <= 1


def test_twice_the_exposure_is_twice_the_light():
    assert np.array_equal(expose(Camera(exposure=2.0), GREY, rng()), expose(Camera(), 2 * GREY, rng()))


def test_highlights_roll_off():
    ramp = np.repeat(np.linspace(0, 3, 64, dtype=np.float32)[None, :, None], 64, axis=0).repeat(3, axis=2)
    row = expose(Camera(quality=100), ramp, rng())[32, :, 1].astype(int)
    assert (np.diff(row) >= -1).all()
    assert row[21] < 250 <= row[-1]


def test_noise_is_fresh_in_every_frame_and_as_strong_as_said():
    camera = Camera(shot=0.03, quality=100)
    source = rng()
    one, two = expose(camera, GREY, source).astype(float), expose(camera, GREY, source).astype(float)
    assert not np.array_equal(one, two)
    # slope of the sRGB curve at 0.2 is 0.993, so sigma = 255 * 0.993 * 0.03 * sqrt(0.2) = 3.4
    assert one[..., 1].std() == pytest.approx(3.4, rel=0.2)
    assert np.array_equal(expose(camera, GREY, rng(4)), expose(camera, GREY, rng(4)))


def test_vignette_darkens_the_corners_only():
    frame = expose(Camera(vignette=0.5), GREY, rng()).astype(int)
    assert frame[32, 32, 1] - frame[0, 0, 1] > 20
    assert abs(int(frame[32, 32, 1]) - 124) <= 2


@pytest.mark.parametrize("style", [row[0] for row in STYLES])
def test_styles(style):
    light = GREY * np.array([2.0, 1.0, 0.5], np.float32)
    frame = expose(replace(Camera(), style=style), light, rng()).astype(int)
    red_minus_blue = (frame[..., 0] - frame[..., 2]).mean()
    if style == "grey":
        assert abs(red_minus_blue) <= 1
    elif style in ("sepia", "old"):
        assert 5 < red_minus_blue < 60
    else:
        assert red_minus_blue > 60


def test_cameras_vary_and_repeat():
    assert draw_camera(rng(3)) == draw_camera(rng(3))
    styles = [draw_camera(rng(seed)).style for seed in range(400)]
    assert set(styles) == {row[0] for row in STYLES}
    assert 0.68 < styles.count("colour") / 400 < 0.88
