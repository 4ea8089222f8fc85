"""Light, tells and the framed photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.evaluation import tells
from photoplay.evaluation.identity import IdentityMeter, distance
from photoplay.evaluation.light import drift, skin_colour
from photoplay.evaluation.reference import framed
from photoplay.types import RenderPlan
from tests.evaluation.films import face_box, sliding_head
from tests.finishing.clips import moving, texture


def test_skin_colour_is_the_skins():
    film = sliding_head()
    painted = film.scene.photo.pixels.copy()
    rows, columns = face_box(film, 0.3)
    painted[rows, columns] = (180, 120, 90)
    colour = skin_colour(painted, film.track.rest_landmarks)
    assert np.allclose(colour, (180, 120, 90), atol=0.5)
    luma, tint = drift(np.float32([170, 110, 80]), colour)
    assert luma == pytest.approx(-10, abs=0.5)
    assert 0 < tint < 2
    assert drift(colour * np.float32(0.5), colour)[1] == pytest.approx(0, abs=1e-4)
    outside = film.track.rest_landmarks + np.float32([5000, 0, 0])
    assert not skin_colour(painted, outside).any()


def test_empty_and_frozen():
    picture = texture(80, 100)
    contrast = tells.spread(picture)
    assert tells.is_empty(np.zeros_like(picture), contrast)
    assert tells.is_empty(np.full_like(picture, 200), contrast)
    assert not tells.is_empty(picture, contrast)
    assert not tells.is_empty(np.full_like(picture, 200), 0.0)  # the photo itself is one colour
    assert tells.is_frozen(picture, picture)
    assert not tells.is_frozen(*moving(2, 80, 100))


def test_sharpness_falls_with_blur_and_does_not_depend_on_contrast():
    picture = sliding_head().scene.photo.pixels[60:180, 100:220]
    box = (10.0, 10.0, 110.0, 110.0)
    sharp = tells.sharpness(picture, box)
    assert tells.sharpness(cv2.GaussianBlur(picture, (0, 0), 2), box) < 0.8 * sharp
    pale = (picture * 0.5 + 60).astype(np.uint8)
    assert tells.sharpness(pale, box) == pytest.approx(sharp, rel=0.1)
    assert tells.sharpness(picture, (500.0, 0.0, 600.0, 100.0)) == 0


def test_counts():
    assert tells.count_difference(2, 1) == (1, 0)
    assert tells.count_difference(2, 5) == (0, 3)


def test_distance_and_unread_faces():
    a, b = np.zeros(128, np.float32), np.zeros(128, np.float32)
    b[:4] = 0.5
    assert distance(a, b) == 1
    face = sliding_head().scene.subjects[0].face
    blind = IdentityMeter(face)  # read without an embedding
    blind.see(face)
    assert blind.metrics() == {}


@pytest.mark.parametrize(("width", "height"), [(300, 200), (150, 100), (600, 400)])
def test_framed_follows_the_plan(width, height):
    ramp = np.zeros((260, 380, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 190, 380).round()[None]
    ramp[..., 1] = np.linspace(0, 130, 260).round()[:, None]
    plan = RenderPlan(width, height, (40.0, 30.0, 340.0, 230.0), 24.0, 1)
    out = framed(ramp, plan)
    assert out.shape == (height, width, 3)
    photo = np.float32([[100, 60], [250, 180], [61.5, 41.25]])
    places = plan.to_frame(photo)
    for (x, y), (u, v) in zip(photo, places.round().astype(int), strict=True):
        assert out[v, u, 0] == pytest.approx(x / 2, abs=1.2)
        assert out[v, u, 1] == pytest.approx(y / 2, abs=1.2)
