from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.backends.pocket.crops import HeadCrops, crop_points
from photoplay.generation.backends.pocket.guide import (
    closed_triangles,
    face_coordinates,
    guide_planes,
    rest_planes,
    vertex_normals,
)
from photoplay.generation.mesh import signed_areas
from photoplay.topology import RIGHT_EYE_LOWER, RIGHT_EYE_UPPER
from photoplay.types import HeadPose, Landmarks
from tests.generation.actors import astronaut
from tests.generation.faces_at_rest import jaw_opened

SIZE = 192


@pytest.fixture(scope="module")
def rest() -> Landmarks:
    face = astronaut().subjects[0].face.landmarks
    return crop_points(face, HeadCrops.of(face[None], face, SIZE).rest)


def turned(face: Landmarks, pose: HeadPose) -> Landmarks:
    middle = face.mean(0)
    return ((face - middle) @ pose.matrix().T + middle).astype(np.float32)


def test_normals_are_those_of_a_sphere_and_point_out_of_it(rest):
    """The face's own triangles, its points pushed onto a ball whose middle lies behind them."""
    offset = rest - (rest[:468].mean(0) + np.array([0, 0, 120], np.float32))
    ball = (offset / np.linalg.norm(offset, axis=1, keepdims=True)).astype(np.float32)
    inner = np.setdiff1d(np.arange(468), np.unique(closed_triangles()[signed_areas(ball, closed_triangles()) < 1e-5]))
    cosines = (vertex_normals(ball * np.float32(100))[inner] * ball[inner]).sum(1)
    assert np.median(cosines) > 0.99
    assert cosines.min() > 0.8


def test_seen_skin_faces_the_camera_and_the_cheeks_face_their_sides(rest):
    planes = guide_planes(rest, rest, SIZE)
    face = np.abs(planes[:3]).sum(0) > 0
    assert 0.2 < face.mean() < 0.7
    assert (planes[2][face] < 0.05).mean() > 0.99
    assert np.allclose(np.linalg.norm(planes[:3][:, face], axis=0), 1, atol=1e-4)
    right, left = rest[234], rest[454]  # the subject's right cheek is on the image's left
    y = round(float(right[1] + left[1]) / 2)
    assert planes[0, y, round(float(right[0])) + 6] < -0.3
    assert planes[0, y, round(float(left[0])) - 6] > 0.3


def test_a_turned_face_turns_its_normals_and_keeps_its_coordinates(rest):
    pose = HeadPose(20, 0, 0)
    planes = guide_planes(turned(rest, pose), rest, SIZE)
    face = np.abs(planes[:3]).sum(0) > 0
    expected = np.einsum("ij,jhw->ihw", pose.matrix(), planes[3:6])[:, face]
    assert (planes[:3][:, face] * expected).sum(0).mean() > 0.995
    x, y = np.rint(turned(rest, pose)[1, :2]).astype(int)
    assert np.abs(planes[6:, y, x] - face_coordinates(rest)[1]).max() < 0.03


def test_the_near_side_hides_the_far_cheek(rest):
    planes = guide_planes(turned(rest, HeadPose(70, 0, 0)), rest, SIZE)
    face = np.abs(planes[:3]).sum(0) > 0
    # The nose points to the image's right, where the subject's left cheek (x > 0) is hidden.
    assert (planes[6][face] > 0.3).mean() < 0.08
    assert (planes[6][face] < -0.2).mean() > 0.25


def test_an_open_mouth_and_the_eyes_have_coordinates(rest):
    opened = jaw_opened(rest, 25)
    planes = guide_planes(opened, rest, SIZE)
    for points in (opened[[13, 14]], opened[list(RIGHT_EYE_UPPER + RIGHT_EYE_LOWER)]):
        x, y = np.rint(points[:, :2].mean(0)).astype(int)
        assert np.linalg.norm(planes[:3, y, x]) == pytest.approx(1, abs=1e-4)
        assert planes[6:, y, x].any()


def test_coordinates_do_not_depend_on_place_or_size_and_the_photo_draws_the_same(rest):
    assert np.allclose(face_coordinates(rest), face_coordinates(rest * np.float32(3) + np.float32(40)), atol=1e-4)
    assert (rest_planes(rest, SIZE) == guide_planes(rest, rest, SIZE)[[3, 4, 5, 6, 7, 8]]).all()


def test_a_face_beyond_the_border_draws_nothing(rest):
    assert not guide_planes(rest + np.float32(1000), rest, SIZE).any()
