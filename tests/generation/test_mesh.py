from __future__ import annotations

import numpy as np

from photoplay.generation.mesh import (
    HeadField,
    Outline,
    exact_distance,
    face_height,
    signed_areas,
    smoothstep,
    visible_triangles,
)
from photoplay.topology import CHIN, FACE_OVAL
from photoplay.types import HeadPose
from tests.generation.actors import astronaut, track


def landmarks():
    return astronaut().subjects[0].face.landmarks


def test_a_frontal_face_shows_nearly_all_its_triangles():
    assert (signed_areas(landmarks(), visible_triangles()) > 0).mean() > 0.85


def test_the_outline_of_a_frontal_face_is_the_oval():
    rest = landmarks()
    outline = Outline.of(rest)
    _, _, outside = outline.bearing(np.ascontiguousarray(rest[list(FACE_OVAL), :2]))
    assert np.abs(outside).max() < 0.03 * face_height(rest)
    on_it = outline.values(rest)[:, :2]
    assert np.abs(outline.bearing(np.ascontiguousarray(on_it))[2]).max() < 0.05


def test_around_the_face_the_field_joins_the_mesh_without_a_seam():
    scene = astronaut()
    rest = landmarks()
    moved = track(scene, [HeadPose(12, 5, 3)], jaw=[20.0])
    outline = Outline.of(rest)
    border = np.ascontiguousarray(outline.values(rest)[:, :2])
    field = HeadField.of(border, rest, 60.0)
    follows = field.moved(rest, moved.landmarks[0], moved.head_transform[0])
    truth = outline.values(moved.landmarks[0])
    assert np.abs(follows[:, :2] - truth[:, :2]).max() < 0.15
    assert field.head.min() > 0.999


def test_weights_fade_from_the_head_to_the_torso():
    rest = landmarks()
    down = np.linspace(0, 150, 40, dtype=np.float32)
    points = rest[CHIN, :2] + np.stack([np.zeros(40, np.float32), down], 1)
    field = HeadField.of(points, rest, 60.0)
    assert field.head[0] > 0.99
    assert field.head[-1] == 0
    assert (np.diff(field.head) <= 1e-6).all()
    assert np.abs(np.diff(field.head)).max() < 0.2


def test_hair_follows_the_head_rigidly():
    rest = landmarks()
    crown = rest[[10], :2] - np.array([[0, 30]], np.float32)
    field = HeadField.of(crown, rest, 60.0)
    moved = track(astronaut(), [HeadPose(0, 0, 8)])
    turn, shift = moved.head_transform[0, :, :3], moved.head_transform[0, :, 3]
    assert np.allclose(
        field.moved(rest, moved.landmarks[0], moved.head_transform[0]), field.rest @ turn.T + shift, atol=0.05
    )
    assert field.head[0] == 1


def test_smoothstep_is_flat_at_both_ends():
    x = np.array([-1, 0, 0.5, 1, 2], np.float32)
    assert np.allclose(smoothstep(0, 1, x), [0, 0, 0.5, 1, 1])


def test_distances_are_roots_of_whole_numbers():
    rng = np.random.default_rng(0)
    mask = (rng.random((96, 80)) > 0.02).astype(np.uint8)
    zeros, here = np.argwhere(mask == 0), np.argwhere(mask >= 0)
    nearest = np.square(here[:, None] - zeros[None]).sum(-1).min(1).reshape(mask.shape)
    np.testing.assert_array_equal(exact_distance(mask), np.sqrt(nearest.astype(np.float32)))
