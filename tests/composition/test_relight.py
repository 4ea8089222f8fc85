from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay import topology
from photoplay.composition.cutouts import Cutout
from photoplay.composition.relight import EVEN, light_difference, relight, shared_light, surface
from photoplay.composition.tones import to_linear, to_srgb
from photoplay.evaluation.identity import distance
from photoplay.light import shade
from photoplay.perception.faces import mesh_box
from photoplay.perception.head_pose import vertex_normals
from photoplay.perception.identity import embed
from photoplay.perception.light import estimate_light
from photoplay.types import Face, Light, Rgb

LEFT = Light((-0.77, -0.35, -0.53), 0.3)
RIGHT = Light((0.60, -0.60, -0.53), 0.4)
SKIN = np.float32([0.55, 0.38, 0.30])


@pytest.fixture(scope="module")
def face(hopper_face: Face) -> Face:
    """Her mesh, in the middle of a 320 x 320 picture."""
    landmarks = ((hopper_face.landmarks - hopper_face.landmarks[1]) + np.float32([160, 165, 0])).astype(np.float32)
    return replace(hopper_face, landmarks=landmarks, box=mesh_box(landmarks), light=None)


def _drawn(face: Face, light: Light) -> Cutout:
    """The mesh as matt skin under a light, with the light that perception sees in it."""
    picture = np.zeros((320, 320, 3), np.uint8)
    points, triangles = face.landmarks[:468], topology.face_triangles()
    shading = shade(vertex_normals(face.landmarks), light)
    for triangle in triangles[np.argsort(-points[triangles, 2].mean(1))]:
        colour = to_srgb((shading[triangle].mean(0) * SKIN)[None])[0]
        cv2.fillConvexPoly(picture, np.round(points[triangle, :2] * 16).astype(np.int32), colour.tolist(), shift=4)
    matte = np.where(picture.any(-1), np.uint8(255), np.uint8(0))
    return Cutout(picture, matte, replace(face, light=estimate_light(picture, face)))


def _ball(light: Light, radius: int = 90) -> tuple[Rgb, np.ndarray]:
    """A matt ball without a face on it, and its matte."""
    y, x = np.mgrid[-160:160, -160:160] / radius
    inside = x**2 + y**2 < 1
    normals = np.stack([x, y, -np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))], -1).astype(np.float32)
    picture = to_srgb(shade(normals, light) * SKIN)
    return np.where(inside[..., None], picture, np.uint8(0)), np.where(inside, np.uint8(255), np.uint8(0))


def test_equal_lights_do_not_differ_and_the_parts_are_what_they_say() -> None:
    assert light_difference(LEFT, LEFT).shading == 0
    turned = light_difference(Light((1.0, 0.0, 0.0), 0.2), Light((0.0, 0.0, -1.0), 0.5, (1.2, 1.0, 0.8)))
    assert turned.degrees == pytest.approx(90)
    assert turned.ambient == pytest.approx(0.3)
    assert turned.color == pytest.approx(0.2)
    assert light_difference(LEFT, RIGHT) == light_difference(RIGHT, LEFT)


def test_direction_counts_as_much_as_the_light_is_hard() -> None:
    def opposite(ambient: float) -> float:
        return light_difference(Light((-0.8, 0.0, -0.6), ambient), Light((0.8, 0.0, -0.6), ambient)).shading

    assert opposite(0.2) > 2 * opposite(0.7) > 0
    assert opposite(1.0) == 0


def test_shading_difference_of_ambient_against_a_frontal_key() -> None:
    """A ball lit from the camera is as bright as it is deep: mean 2/3, variance 1/2 - 4/9; even light is flat."""
    expected = 100 * np.sqrt(1 / 2 - 4 / 9) / (2 / 3)
    measured = light_difference(Light((0.0, 0.0, -1.0), 0.0), EVEN).shading
    assert measured == pytest.approx(expected, rel=0.02)


def test_the_shared_light_lies_between() -> None:
    shared = shared_light(LEFT, RIGHT)
    assert shared == shared_light(RIGHT, LEFT)
    between = light_difference(shared, LEFT).shading, light_difference(shared, RIGHT).shading
    assert max(between) < light_difference(LEFT, RIGHT).shading
    assert np.linalg.norm(shared.direction) == pytest.approx(1)
    assert light_difference(shared_light(LEFT, RIGHT, 0.1), LEFT).shading < min(between)
    assert light_difference(shared_light(LEFT, LEFT), LEFT).shading < 1


def test_opposite_lights_meet_in_soft_light_from_in_front() -> None:
    shared = shared_light(Light((-1.0, 0.0, 0.0), 0.2), Light((1.0, 0.0, 0.0), 0.2))
    assert shared == EVEN
    behind = shared_light(Light((-0.7, 0.0, 0.714), 0.2), Light((-0.7, 0.0, 0.714), 0.2))
    assert behind.direction[2] < -0.3


@pytest.mark.parametrize(("own", "target"), [(LEFT, RIGHT), (RIGHT, LEFT), (LEFT, EVEN), (EVEN, RIGHT)])
def test_a_drawn_face_takes_the_targets_light(face: Face, own: Light, target: Light) -> None:
    """Read again by perception, the light lies far nearer to the target's, as does the picture to one drawn under it."""
    cutout, wanted = _drawn(face, own), _drawn(face, target)
    assert cutout.face.light is not None
    assert wanted.face.light is not None
    lit = relight(cutout, target)
    after = light_difference(estimate_light(lit, face), wanted.face.light).shading
    assert after < 0.55 * light_difference(cutout.face.light, wanted.face.light).shading
    seen = cv2.erode(cutout.matte, np.ones((9, 9), np.uint8)) > 0

    def error(picture: Rgb) -> float:
        linear, truth = to_linear(picture)[seen] @ np.float32([0.2, 0.7, 0.1]), to_linear(wanted.pixels)[seen]
        light = truth @ np.float32([0.2, 0.7, 0.1])
        return float(np.abs(np.log(linear / linear.mean() + 0.02) - np.log(light / light.mean() + 0.02)).mean())

    assert error(lit) < 0.6 * error(cutout.pixels)


def test_a_ball_beside_the_face_is_lit_from_the_other_side(face: Face) -> None:
    """Hair, neck and body get their light from the outline alone."""
    (picture, matte), (wanted, _) = _ball(LEFT), _ball(RIGHT)
    away = replace(face, landmarks=face.landmarks + np.float32([0, -900, 0]), light=LEFT)
    lit = relight(Cutout(picture, matte, away), RIGHT)
    inside = cv2.erode(matte, np.ones((15, 15), np.uint8)) > 0

    def sides(rgb: Rgb) -> float:
        linear = to_linear(rgb)[..., 1] * inside
        return float(np.log2(linear[:, :160].sum() / linear[:, 160:].sum()))

    assert sides(picture) > 0.5
    assert sides(wanted) < -0.3
    assert sides(lit) < 0.3 * sides(picture)


def test_the_cushions_normals_are_a_balls() -> None:
    _, matte = _ball(EVEN)
    normals, seen = surface(matte, np.full((468, 3), -1e4, np.float32), 90 / 0.7)
    assert not seen.any()
    assert np.linalg.norm(normals, axis=-1) == pytest.approx(1, abs=1e-5)
    y, x = np.mgrid[-160:160, -160:160] / 90
    ring = (x**2 + y**2 < 0.75) & (x**2 + y**2 > 0.2)
    outward = (normals[..., 0] * x + normals[..., 1] * y)[ring] / np.hypot(x, y)[ring]
    assert np.corrcoef(outward, np.hypot(x, y)[ring])[0, 1] > 0.8
    assert outward.min() > 0
    assert normals[160, 160, 2] < -0.98


def test_a_cut_at_the_border_is_no_outline() -> None:
    matte = np.full((100, 100), 255, np.uint8)
    normals, _ = surface(matte, np.full((468, 3), -1e4, np.float32), 30.0)
    assert normals[..., 2].max() < -0.99


def test_detail_stays_and_so_do_exposure_and_identity(hopper: Rgb, hopper_face: Face) -> None:
    box = [round(edge) for edge in hopper_face.box]
    matte = np.zeros(hopper.shape[:2], np.uint8)
    matte[20:, 20:-20] = 255
    cutout = Cutout(hopper, matte, hopper_face)
    lit = relight(cutout, LEFT)
    before, after = (
        np.log(to_linear(image[box[1] : box[3], box[0] : box[2]]).mean(-1) + 0.02) for image in (hopper, lit)
    )
    fine = [part - cv2.GaussianBlur(part, (0, 0), 2.0) for part in (before, after)]
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.98
    assert fine[1].std() == pytest.approx(fine[0].std(), rel=0.1)
    assert after.mean() == pytest.approx(before.mean(), abs=0.15)
    embedding = embed(lit, hopper_face.landmarks, hopper_face.head_pose)
    assert embedding is not None
    assert hopper_face.embedding is not None
    assert distance(embedding, hopper_face.embedding) < 0.25
    assert np.array_equal(lit[:, :2], hopper[:, :2]), "far from the person nothing changes"
    assert np.array_equal(relight(cutout, LEFT), lit)


def test_nothing_to_do_changes_nothing(hopper: Rgb, hopper_face: Face) -> None:
    matte = np.full(hopper.shape[:2], 255, np.uint8)
    assert hopper_face.light is not None
    assert relight(Cutout(hopper, matte, hopper_face), hopper_face.light) is hopper
    assert relight(Cutout(hopper, matte, hopper_face), LEFT, strength=0.0) is hopper
    assert np.array_equal(relight(Cutout(hopper, np.zeros_like(matte), hopper_face), LEFT), hopper)
