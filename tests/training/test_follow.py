from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.perception.head_pose import head_pose
from photoplay.topology import ARKIT_INDEX
from photoplay.training.follow import (
    RIGID,
    Seen,
    Shapes,
    blendshapes,
    face_of,
    follow,
    part_of,
    similarity,
    track_of,
    tracked,
)
from photoplay.types import HeadPose, Scene
from tests.generation.actors import astronaut


def photo() -> Scene:
    scene = astronaut()
    return replace(
        scene, subjects=(replace(scene.subjects[0], face=face_of(scene.subjects[0].face.landmarks, 512, 512)),)
    )


def test_a_similarity_is_found_again():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3))
    turn, shift = 1.3 * HeadPose(12, -7, 20).matrix().astype(np.float64), np.array([3.0, -2.0, 5.0])
    found = similarity(points, points @ turn.T + shift)
    np.testing.assert_allclose(found, np.column_stack([turn, shift]), atol=1e-5)


def test_a_mirrored_head_is_never_the_answer():
    points = np.random.default_rng(1).normal(size=(20, 3))
    found = similarity(points, points * (-1, 1, 1))
    assert np.linalg.det(found[:, :3]) > 0


def test_lids_and_jaw_say_how_far_they_are_from_the_photo():
    rest = np.float32([0.3, 0.4, 0.1])
    shapes = blendshapes(np.float32([[0.3, 0.4, 0.1], [0.15, 0.0, 0.5], [0.6, 0.8, 0.0]]), rest)
    left, right, jaw = (ARKIT_INDEX[name] for name in ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen"))
    np.testing.assert_allclose(shapes[:, [left, right, jaw]], [[0, 0, 0], [0.15 / 0.17, 1, 0.4], [0, 0, 0]], atol=1e-6)
    assert not np.delete(shapes, [left, right, jaw], axis=1).any()


def test_a_face_that_is_seen_as_in_the_photo_has_the_photo_s_expression():
    scene = photo()
    at_rest = Seen.of(np.stack([scene.subjects[0].face.landmarks] * 2))
    track = track_of(scene, 0, at_rest, 25.0)
    np.testing.assert_array_equal(track.blendshapes, np.repeat(track.rest_blendshapes[None], 2, axis=0))
    smiling = np.zeros(52, np.float32)
    smiling[ARKIT_INDEX["mouthSmileLeft"]] = 0.8
    known = track_of(scene, 0, at_rest, 25.0, Shapes(np.stack([smiling] * 2), smiling))
    np.testing.assert_array_equal(known.blendshapes, np.repeat(known.rest_blendshapes[None], 2, axis=0))
    assert known.rest_blendshapes.any()


def test_a_face_made_from_landmarks_says_what_they_say():
    landmarks = astronaut().subjects[0].face.landmarks
    face = face_of(landmarks, 512, 512)
    assert face.head_pose == head_pose(landmarks)
    assert face.eye_opening[0] > 0.1
    assert face.box[0] <= landmarks[:468, 0].min()
    assert face.visibility.max() <= 1


def test_a_track_puts_the_skull_where_it_was_seen():
    scene = photo()
    rest = scene.subjects[0].face.landmarks
    middle = rest.mean(0)
    moved = np.stack([rest, (rest - middle) @ (1.1 * HeadPose(8, 3, -5).matrix()).T + middle + np.float32([9, -4, 0])])
    track = track_of(scene, 0, Seen.of(moved), 25.0)
    np.testing.assert_array_equal(track.landmarks, moved)
    np.testing.assert_allclose(track.head_transform[0], np.eye(3, 4), atol=1e-3)
    carried = rest[list(RIGID)] @ track.head_transform[1, :, :3].T + track.head_transform[1, :, 3]
    np.testing.assert_allclose(carried, moved[1, list(RIGID)], atol=0.02)
    np.testing.assert_array_equal(track.joints[1], track.rest_joints)
    second = part_of(track, slice(1, None))
    assert second.num_frames == 1
    np.testing.assert_array_equal(second.landmarks[0], moved[1])
    np.testing.assert_array_equal(second.rest_landmarks, rest)


class Reader:
    """Finds the face of each picture that says in its first pixel where it is; 0 is nowhere."""

    def read(self, rgb, near=None, identity=False):
        where = int(rgb[0, 0, 0])
        return (face_of(astronaut().subjects[0].face.landmarks + np.float32([where, 0, 0]), 512, 512),) if where else ()


def test_a_face_is_followed_until_it_is_lost():
    stack = np.zeros((5, 8, 8, 3), np.uint8)
    stack[:, 0, 0, 0] = [1, 3, 5, 0, 7]
    first = Reader().read(stack[0])[0]
    found = follow(stack, first, Reader())
    assert [face.landmarks[0, 0] - first.landmarks[0, 0] for face in found] == pytest.approx([0, 2, 4])
    track = tracked(photo(), found, 30.0)
    assert track.num_frames == 3
    assert track.head_transform[2, 0, 3] > track.head_transform[1, 0, 3] > 0
