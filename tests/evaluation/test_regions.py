from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay.evaluation.regions import cut, eyes_box, face_box, gradient_energy, mouth_box, sharpness
from photoplay.topology import LIPS_OUTER_LOWER, LIPS_OUTER_UPPER


@pytest.fixture
def landmarks():
    """A face as a table: eyes 40 pixels wide at y = 100, lips 60 wide at y = 200, everything else around them."""
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = 150, 150
    points[10, :2], points[152, :2] = (150, 40), (150, 260)
    points[234, :2], points[454, :2] = (60, 150), (240, 150)
    for corner, x in ((33, 90), (133, 130), (362, 170), (263, 210)):
        points[corner, :2] = x, 100
    for ring, y in (((246, 161, 160, 159, 158, 157, 173), 92), ((7, 163, 144, 145, 153, 154, 155), 106)):
        points[list(ring), :2] = np.column_stack([np.linspace(95, 125, 7), np.full(7, y)])
    for ring, y in (((466, 388, 387, 386, 385, 384, 398), 92), ((249, 390, 373, 374, 380, 381, 382), 106)):
        points[list(ring), :2] = np.column_stack([np.linspace(205, 175, 7), np.full(7, y)])
    for loop, sign in ((LIPS_OUTER_UPPER, -1), (LIPS_OUTER_LOWER, 1)):
        bow = np.sin(np.linspace(0, np.pi, 11))
        points[list(loop), :2] = np.column_stack([np.linspace(120, 180, 11), 200 + sign * 12 * bow])
    return points


def test_boxes_hold_what_they_are_named_after_and_a_margin(landmarks):
    assert face_box(landmarks) == pytest.approx((60, 40, 241, 261))
    assert mouth_box(landmarks) == pytest.approx((120 - 9, 188 - 12, 181 + 9, 213 + 12), abs=1e-3)
    assert eyes_box(landmarks) == pytest.approx((90 - 10, 92 - 18, 211 + 10, 107 + 18), abs=1e-3)


def test_a_box_that_leaves_the_picture_is_cut_off():
    picture = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    assert np.array_equal(cut(picture, (-5.5, 3.2, 4.1, 7.9)), picture[3:8, 0:5])
    assert cut(picture, (40, 40, 50, 50)).size == 0
    assert cut(picture, (-9, -9, -2, -2)).size == 0


def test_the_energy_of_a_ramp_is_its_slope_squared():
    ramp = np.repeat((np.arange(60, dtype=np.uint8) * 3)[None, :, None], 3, axis=2).repeat(40, axis=0)
    assert gradient_energy(ramp) == pytest.approx(9)
    assert gradient_energy(ramp.transpose(1, 0, 2).copy()) == pytest.approx(9)
    assert gradient_energy(np.full((10, 10, 3), 7, np.uint8)) == 0
    assert gradient_energy(ramp[:2]) == 0


def test_blur_falls_below_one_and_ringing_rises_above():
    truth = np.ascontiguousarray(skimage.data.astronaut()[80:180, 170:270])
    soft = cv2.GaussianBlur(truth, (0, 0), 1.5)
    ringing = cv2.addWeighted(truth, 2.0, soft, -1.0, 0)
    assert sharpness(truth, truth) == 1
    assert sharpness(cv2.GaussianBlur(truth, (0, 0), 3), truth) < sharpness(soft, truth) < 0.9
    assert sharpness(ringing, truth) > 1.2
