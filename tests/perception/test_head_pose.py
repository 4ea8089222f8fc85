from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay import topology
from photoplay.perception.head_pose import head_pose, head_rotation, openings, vertex_normals, visibility
from photoplay.types import Face, HeadPose, Landmarks


@pytest.fixture(scope="module")
def frontal(astronaut_face: Face) -> Landmarks:
    """A real mesh, made symmetric and turned so that its pose is exactly zero."""
    points = (astronaut_face.landmarks - astronaut_face.landmarks[168]) @ head_rotation(astronaut_face.landmarks)
    mirrored = points[topology.face_mirror()] * [-1, 1, 1]
    points = ((points + mirrored) / 2).astype(np.float64)
    return (points @ head_rotation(points.astype(np.float32))).astype(np.float32)


@pytest.mark.parametrize(
    "pose", [(0, 0, 0), (25, 0, 0), (0, 18, 0), (0, 0, 40), (-35, 10, -15), (50, -20, 170), (12, -30, -95)]
)
def test_turning_a_face_gives_the_turn(frontal: Landmarks, pose: tuple[float, float, float]) -> None:
    expected = HeadPose(*map(float, pose))
    seen = head_pose((2.5 * frontal @ expected.matrix().T + [300, 200, 5]).astype(np.float32))
    assert (seen.yaw, seen.pitch, seen.roll) == pytest.approx(pose, abs=0.2)


def test_signs_are_those_of_the_contract(frontal: Landmarks) -> None:
    nose = frontal[topology.NOSE_TIP] - frontal[168]
    right = HeadPose(30, 0, 0).matrix() @ nose
    up = HeadPose(0, 30, 0).matrix() @ nose
    assert right[0] > nose[0] + 5, "yaw > 0: the nose turns to the image's right"
    assert up[1] < nose[1] - 5, "pitch > 0: the nose turns up"


def test_a_flipped_face_negates_yaw_and_roll(astronaut_face: Face) -> None:
    turned = astronaut_face.landmarks @ HeadPose(20, 5, 10).matrix().T
    flipped = turned[topology.face_mirror()] * np.float32([-1, 1, 1])
    plain, mirrored = head_pose(turned.astype(np.float32)), head_pose(flipped.astype(np.float32))
    assert mirrored.yaw == pytest.approx(-plain.yaw, abs=0.01)
    assert mirrored.pitch == pytest.approx(plain.pitch, abs=0.01)
    assert mirrored.roll == pytest.approx(-plain.roll, abs=0.01)


def test_openings_do_not_change_with_pose_and_size(astronaut_face: Face) -> None:
    (left, right), mouth = openings(astronaut_face.landmarks)
    moved = 3 * astronaut_face.landmarks @ HeadPose(30, 15, 50).matrix().T
    (left_after, right_after), mouth_after = openings(moved.astype(np.float32))
    assert (left_after, right_after, mouth_after) == pytest.approx((left, right, mouth), abs=0.005)


def test_closing_one_eye_and_opening_the_mouth(frontal: Landmarks) -> None:
    points = frontal.copy()
    points[list(topology.LEFT_EYE_UPPER)] = points[list(topology.LEFT_EYE_LOWER)]
    width = np.linalg.norm(points[61] - points[291])
    points[14, 1] = points[13, 1] + 0.5 * width
    (left, right), mouth = openings(points)
    assert left == pytest.approx(0, abs=1e-6)
    assert right > 0.2
    assert mouth == pytest.approx(0.5, rel=1e-3)


def test_normals_point_out_of_a_face_to_the_camera(frontal: Landmarks) -> None:
    normals = vertex_normals(frontal)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    assert normals[topology.NOSE_TIP, 2] < -0.7
    assert normals[356, 0] > 0.5 > -0.5 > normals[127, 0]


def test_the_far_cheek_and_what_lies_outside_cannot_be_seen(frontal: Landmarks) -> None:
    centred = frontal + np.float32([200, 200, 0])
    assert visibility(centred, 400, 400)[:468].mean() > 0.9
    turned = (frontal @ HeadPose(55, 0, 0).matrix().T + np.float32([200, 200, 0])).astype(np.float32)
    seen = visibility(turned, 400, 400)
    assert seen[454] < 0.1 < 0.9 < seen[[205, 36, 50]].min(), "nose to the image's right hides the subject's left cheek"
    cut = visibility((frontal + np.float32([0, 200, 0])).astype(np.float32), 400, 400)
    assert cut[frontal[:, 0] < -1].max() == 0


def test_a_closed_eye_hides_its_iris(frontal: Landmarks) -> None:
    points = frontal + np.float32([200, 200, 0])
    points[list(topology.LEFT_EYE_UPPER)] = points[list(topology.LEFT_EYE_LOWER)]
    seen = visibility(points, 400, 400)
    assert seen[list(topology.LEFT_IRIS)].max() == 0
    assert seen[list(topology.RIGHT_IRIS)].min() > 0.8


def test_measured_faces_look_where_people_see_them_look(astronaut_face: Face, hopper_face: Face) -> None:
    for face in (astronaut_face, hopper_face):
        assert abs(face.head_pose.yaw) < 4
        assert abs(face.head_pose.pitch) < 14
        assert abs(face.head_pose.roll) < 5
        assert replace(face).eye_opening[0] > 0.2
