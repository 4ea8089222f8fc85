from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoplay.generation.backends.pocket.crops import (
    HeadCrops,
    crop_frames,
    crop_points,
    crop_window,
    scale_of,
    to_crop,
)
from photoplay.generation.mesh import face_height
from photoplay.types import Anchor, HeadPose, Landmarks
from tests.generation.actors import REST, astronaut, track

SIZE = 192


def rest_face() -> Landmarks:
    return astronaut().subjects[0].face.landmarks


def rolled(landmarks: Landmarks, degrees: float, scale: float = 1.0, shift: tuple[float, float] = (0, 0)) -> Landmarks:
    middle = landmarks.mean(0)
    turned = scale * (landmarks - middle) @ HeadPose(0, 0, degrees).matrix().T + middle
    return (turned + np.array([*shift, 0])).astype(np.float32)


def test_the_resting_face_stands_upright_inside_its_crop():
    rest = rolled(rest_face(), 25)
    crops = HeadCrops.of(rest[None], rest, SIZE)
    points = crop_points(rest, crops.rest)
    assert points[:, :2].min() > 0.05 * SIZE
    assert points[:, :2].max() < 0.95 * SIZE
    assert abs(points[10, 0] - points[152, 0]) < 0.04 * SIZE
    assert face_height(points) == pytest.approx(SIZE / 1.3, rel=0.05)


def test_place_roll_and_size_of_the_head_vanish_in_its_crop():
    rest = rest_face()
    frames = 24
    film = np.stack([rolled(rest, k, 1 + 0.01 * k, (2 * k, -k)) for k in range(frames)])
    crops = HeadCrops.of(film, rest, SIZE)
    points = np.stack([crop_points(p, m) for p, m in zip(film, crops.matrices, strict=True)])
    middle = points[4:-4]
    assert np.abs(middle - middle[0]).max() < 0.3
    assert np.abs(middle[0] - crop_points(rest, crops.rest)).max() < 0.3


def test_an_opening_jaw_neither_zooms_nor_leaves_the_crop():
    scene = astronaut()
    drop = [float(v) for v in np.linspace(0, 25, 12)]
    film = track(scene, [REST] * 12, jaw=drop).landmarks
    crops = HeadCrops.of(film, rest_face(), SIZE)
    scales = [scale_of(m) for m in crops.matrices]
    assert max(scales) / min(scales) < 1.03
    assert crop_points(film[-1], crops.matrices[-1])[:, 1].max() < 0.98 * SIZE


def test_a_turning_head_does_not_zoom():
    film = track(astronaut(), [HeadPose(float(y), 0, 0) for y in range(0, 36, 3)]).landmarks
    crops = HeadCrops.of(film, rest_face(), SIZE)
    assert [scale_of(m) for m in crops.matrices] == pytest.approx([scale_of(crops.rest)] * 12, rel=0.01)


def test_noise_of_the_detector_is_damped():
    rest = rest_face()
    noise = np.random.default_rng(0).normal(0, 0.4, (60, 478, 3)).astype(np.float32)
    crops = HeadCrops.of(rest + noise, rest, SIZE)
    places = np.stack([(m[:, :2] @ rest[1, :2] + m[:, 2]) for m in crops.matrices])
    assert np.abs(np.diff(places, axis=0)).max() < 0.15


def test_a_crop_without_a_change_is_the_picture_itself():
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    for kind in ("colour", "confidence", "labels"):
        assert (to_crop(picture, matrix, 64, kind) == picture).all()


@pytest.mark.parametrize("shrink", [2, 3, 4, 6])
def test_shrinking_averages_over_the_area(shrink):
    side = 48 * shrink
    picture = np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
    scale = 1 / shrink
    matrix = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]], np.float32)
    wanted = picture.reshape(48, shrink, 48, shrink, 3).mean((1, 3))
    assert np.abs(to_crop(picture, matrix, 48, "colour") - wanted).max() <= 1


def test_labels_are_never_mixed():
    labels = np.where(np.add.outer(np.arange(200), np.arange(200)) % 3 == 0, 9, 2).astype(np.uint8)
    crop = to_crop(labels, np.array([[0.4, 0.1, 3], [-0.1, 0.4, 9]], np.float32), 64, "labels")
    assert set(np.unique(crop)) == {2, 9}


@pytest.mark.parametrize("scale", [0.35, 1.7])
def test_landmarks_move_with_the_pixels(scale):
    spot = np.zeros((400, 400, 3), np.uint8)
    cv2.circle(spot, (210, 190), 6, (255, 255, 255), -1)
    matrix = np.array([[scale, 0.1 * scale, -100 * scale], [-0.1 * scale, scale, -80 * scale]], np.float32)
    crop = to_crop(spot, matrix, 256, "colour")[..., 0].astype(float)
    y, x = (np.average(axis, weights=crop.ravel()) for axis in np.indices(crop.shape).reshape(2, -1))
    landmarks = np.full((478, 3), (210, 190, 10), np.float32)
    point = crop_points(landmarks, matrix)[0]
    assert abs(point[0] - x) < 0.1
    assert abs(point[1] - y) < 0.1
    assert point[2] == pytest.approx(10 * scale_of(matrix))


def test_a_window_holds_the_frames_crops():
    scene = astronaut()
    film = track(scene, [REST] * 3, [(0, 0), (4, 1), (8, 2)])
    photo = scene.photo.pixels
    frames = np.stack([photo, np.roll(photo, (1, 4), (0, 1)), np.roll(photo, (2, 8), (0, 1))])
    still = np.zeros((3, 512, 512), np.uint8)
    anchor = Anchor(frames, still, still, np.zeros((3, 512, 512, 2), np.float16), still.astype(np.float16))
    crops = HeadCrops.of(film.landmarks, film.rest_landmarks, 96)
    window = crop_window(anchor, film.landmarks, film.rest_landmarks, photo, crops.matrices, crops.rest, 96)
    assert (window.anchor == crop_frames(frames, crops.matrices, 96)).all()
    assert (window.reference == to_crop(photo, crops.rest, 96, "colour")).all()
    assert np.abs(window.landmarks - window.rest_landmarks).max() < 2
    assert (window.num_frames, window.size) == (3, 96)
