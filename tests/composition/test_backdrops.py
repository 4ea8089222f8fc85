from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.composition import backdrops
from photoplay.composition.cutouts import Placement
from photoplay.composition.tones import to_linear
from photoplay.light import LUMA

GREY = np.full(3, 0.2, np.float32)


def stripes(height: int = 160, width: int = 240, across: bool = False) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    wave = 128 + 70 * np.sign(np.sin((columns if across else rows) * 2 * np.pi / 24))
    noise = np.random.default_rng(1).normal(0, 2, (height, width, 1))
    return np.clip(wave[..., None] + noise + np.array([20, 0, -20]), 0, 255).astype(np.uint8)


def hole(height: int = 160, width: int = 240) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (120, 100), (35, 55), 0, 0, 360, 255, -1)
    return mask


def test_a_studio_is_bright_behind_the_heads_and_falls_off():
    wall = to_linear(backdrops.studio(480, 320, GREY)) @ LUMA
    middle = wall[80:180, 160:320].mean()
    corners = np.mean([wall[-30:, :30].mean(), wall[-30:, -30:].mean(), wall[:20, :30].mean(), wall[:20, -30:].mean()])
    assert middle > 1.4 * corners
    assert 0.05 < middle < 0.3


def test_a_studio_shows_no_bands_and_no_dirt():
    wall = backdrops.studio(480, 320, GREY).astype(np.float32).mean(-1)
    steps = np.abs(np.diff(wall[200]))
    assert (steps > 0).mean() > 0.6  # grain: no flat step of a gradient
    assert cv2.GaussianBlur(np.abs(cv2.Laplacian(cv2.GaussianBlur(wall, (0, 0), 3), -1)), (0, 0), 3).max() < 1.0


def test_a_studio_is_the_same_every_time_and_takes_a_little_of_the_tone():
    one, two = backdrops.studio(240, 160, GREY), backdrops.studio(240, 160, GREY)
    np.testing.assert_array_equal(one, two)
    warm = backdrops.studio(240, 160, np.array([0.3, 0.2, 0.1], np.float32)).astype(float).mean((0, 1))
    even = one.astype(float).mean((0, 1))
    assert 5 < (warm[0] - warm[2]) - (even[0] - even[2]) < 60


def test_the_tone_is_that_of_the_background_alone():
    rgb = np.full((90, 120, 3), (200, 40, 40), np.uint8)
    people = np.zeros((90, 120), np.uint8)
    people[20:, 30:90] = 255
    rgb[people > 0] = (0, 255, 0)
    tone = backdrops.background_tone(rgb, people)
    np.testing.assert_allclose(tone, to_linear(np.array([200, 40, 40], np.uint8)), atol=0.02)
    np.testing.assert_array_equal(backdrops.background_tone(rgb, np.full_like(people, 255)), GREY)


@pytest.mark.parametrize("across", [False, True])
def test_stripes_run_on_behind_a_person(across):
    truth = stripes(across=across)
    mask = hole()
    photo = truth.copy()
    photo[mask > 0] = (255, 0, 255)
    empty = backdrops.without_people(photo, mask, 3)
    inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
    grey, right = empty.astype(float).mean(-1)[inside], truth.astype(float).mean(-1)[inside]
    assert np.corrcoef(grey, right)[0, 1] > 0.75
    assert np.abs(empty[inside].astype(float) - (255, 0, 255)).sum(-1).min() > 60  # nobody is left
    far = cv2.dilate(mask, np.ones((15, 15), np.uint8)) == 0
    np.testing.assert_array_equal(empty[far], photo[far])


def test_a_photo_full_of_people_or_without_any_is_no_error():
    photo = stripes()
    np.testing.assert_array_equal(backdrops.without_people(photo, np.zeros(photo.shape[:2], np.uint8), 3), photo)
    full = backdrops.without_people(photo, np.full(photo.shape[:2], 255, np.uint8), 3)
    assert full.std((0, 1)).max() == 0


def test_an_own_background_covers_the_canvas_around_the_same_eyes():
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[:, :, 0] = np.linspace(0, 255, 300).astype(np.uint8)[None]
    photo[:, :, 1] = np.linspace(0, 255, 200).astype(np.uint8)[:, None]
    placement = Placement(1.3, -20.0, -10.0)
    plate = backdrops.own_background(photo, placement, (120.0, 80.0), 330, 240)
    assert plate.shape == (240, 330, 3)
    at = int(1.3 * 80 - 10), int(1.3 * 120 - 20)
    np.testing.assert_allclose(plate[at][:2], photo[80, 120][:2], atol=5)
    small = backdrops.own_background(photo, Placement(0.1, 0.0, 0.0), (120.0, 80.0), 330, 240)
    assert small[:, 0].min() >= 0
    assert small[120, 10, 0] < small[120, 320, 0]


def test_defocus_spreads_light_and_loses_none():
    dot = np.zeros((61, 61, 3), np.uint8)
    dot[30, 30] = 255
    dot[::, :, 2] = 100
    soft = backdrops.defocused(dot, 4.0)
    lit = soft[..., 0] > 0
    assert 30 < lit.sum() < 90
    assert to_linear(soft)[..., 0].sum() == pytest.approx(1.0, rel=0.1)
    np.testing.assert_array_equal(soft[5:10, 5:10, 2], 100)


def test_a_given_photo_is_cut_to_the_shape_not_squeezed():
    photo = np.zeros((100, 300, 3), np.uint8)
    cv2.circle(photo, (150, 50), 30, (255, 255, 255), -1)
    plate = backdrops.cover_photo(photo, 200, 200)[..., 0] > 127
    rows, columns = np.flatnonzero(plate.any(1)), np.flatnonzero(plate.any(0))
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 2
    assert np.ptp(rows) == pytest.approx(120, abs=4)
