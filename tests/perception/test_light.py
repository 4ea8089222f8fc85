from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay import topology
from photoplay.light import shade, to_linear
from photoplay.perception.faces import mesh_box
from photoplay.perception.head_pose import vertex_normals
from photoplay.perception.light import estimate_light
from photoplay.types import Face, Light, Rgb


@pytest.fixture(scope="module")
def face(astronaut_face: Face) -> Face:
    """A real face's mesh, large, in the middle of a 512 x 600 picture."""
    landmarks = (astronaut_face.landmarks - astronaut_face.landmarks[1]) * 2.5 + np.float32([256, 300, 0])
    return replace(astronaut_face, landmarks=landmarks.astype(np.float32), box=mesh_box(landmarks.astype(np.float32)))


def _to_srgb(linear: np.ndarray) -> np.ndarray:
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055) * 255


def _render(face: Face, light: Light) -> Rgb:
    """The mesh as skin under a light: triangles from far to near."""
    picture = np.full((600, 512, 3), 40, np.uint8)
    points, triangles = face.landmarks[:468], topology.face_triangles()
    shading = shade(vertex_normals(face.landmarks), light)
    for triangle in triangles[np.argsort(-points[triangles, 2].mean(1))]:
        colour = _to_srgb(shading[triangle].mean(0) * [0.7, 0.5, 0.4])
        corners = np.round(points[triangle, :2] * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, colour.tolist(), shift=4)
    return picture


@pytest.mark.parametrize("azimuth", [-80, -40, 0, 60])
@pytest.mark.parametrize("elevation", [-25, 10, 55])
@pytest.mark.parametrize("ambient", [0.2, 0.7])
def test_a_rendered_faces_light_is_found(face: Face, azimuth: float, elevation: float, ambient: float) -> None:
    a, e = np.radians(azimuth), np.radians(elevation)
    direction = (float(np.sin(a) * np.cos(e)), float(-np.sin(e)), float(-np.cos(a) * np.cos(e)))
    light = estimate_light(_render(face, Light(direction, ambient)), face)
    angle = np.degrees(np.arccos(np.clip(np.dot(light.direction, direction), -1, 1)))
    assert angle < 15
    from_the_side = abs(azimuth) > 30
    assert light.ambient == pytest.approx(ambient, abs=0.12 if from_the_side else 0.25), "frontal light hardly shades"
    assert np.linalg.norm(light.direction) == pytest.approx(1, abs=1e-6)


def test_even_light_has_no_direction(face: Face) -> None:
    assert estimate_light(_render(face, Light((0.0, 0.0, -1.0), 1.0)), face).ambient > 0.9


def test_the_key_lights_tint_is_told_from_the_skins(face: Face) -> None:
    warm = estimate_light(_render(face, Light((0.7, 0.0, -0.714), 0.3, (1.3, 1.0, 0.7))), face)
    white = estimate_light(_render(face, Light((0.7, 0.0, -0.714), 0.3)), face)
    assert warm.color[0] > 1.04 > 0.96 > warm.color[2]
    assert white.color == pytest.approx((1, 1, 1), abs=0.06)
    assert np.mean(warm.color) == pytest.approx(1)


def test_a_face_out_of_sight_gets_even_light(face: Face) -> None:
    hidden = replace(face, visibility=np.zeros(478, np.float32))
    assert estimate_light(np.zeros((600, 512, 3), np.uint8), hidden).ambient == 1


def test_linear_light() -> None:
    assert to_linear(np.array([0, 255])) == pytest.approx([0, 1])
    assert to_linear(np.array([188])) == pytest.approx([0.5029], abs=1e-3)
    assert _to_srgb(to_linear(np.arange(256))) == pytest.approx(np.arange(256), abs=0.01)


def test_a_photos_light(reader: object, astronaut: Rgb, astronaut_face: Face) -> None:
    """The flash stood at the photo's left, and mirroring the photo moves it to the right."""
    light = estimate_light(astronaut, astronaut_face)
    assert light.direction[0] < -0.2
    assert light.direction[2] < -0.5
    landmarks = astronaut_face.landmarks[topology.face_mirror()].copy()
    landmarks[:, 0] = 511 - landmarks[:, 0]
    visible = astronaut_face.visibility[topology.face_mirror()]
    mirrored = replace(astronaut_face, landmarks=landmarks, visibility=visible, box=mesh_box(landmarks))
    there = estimate_light(np.ascontiguousarray(astronaut[:, ::-1]), mirrored)
    assert there.direction == pytest.approx((-light.direction[0], light.direction[1], light.direction[2]), abs=0.1)
