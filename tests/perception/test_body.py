from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from photoplay import topology
from photoplay.perception import FaceReader
from photoplay.perception.body import read_body, somebody_else
from photoplay.types import Face, Rgb, Scene


def _joint(joints: np.ndarray, name: str) -> np.ndarray:
    return joints[topology.POSE_INDEX[name], :2]


def test_the_astronauts_body(astronaut_scene: Scene) -> None:
    subject = astronaut_scene.subjects[0]
    body = subject.body
    assert body is not None
    left, right = _joint(body.joints, "left_shoulder"), _joint(body.joints, "right_shoulder")
    assert 60 < right[0] < 160 < 250 < left[0] < 350, "the subject's right shoulder is at the image's left"
    assert 180 < right[1] < 300
    assert 180 < left[1] < 300
    assert body.visibility[[11, 12]].min() > 0.9
    assert body.visibility[[25, 26, 27, 28]].max() < 0.05, "legs outside the photo are invisible"
    assert np.linalg.norm(_joint(body.joints, "nose") - subject.face.landmarks[1, :2]) < 20
    assert topology.openpose_18(body.joints)[1, :2].tolist() == np.mean([left, right], 0).tolist()


def test_each_of_two_people_gets_the_own_body(reader: FaceReader, astronaut: Rgb, hopper: Rgb) -> None:
    both = np.concatenate([astronaut, cv2.resize(hopper, (512, 600))[:512]], axis=1)
    faces = reader.read(both)
    assert len(faces) == 2
    for index, face in enumerate(faces):
        reading = read_body(both, face, reader.models)
        assert reading is not None
        shoulders = reading.body.joints[[11, 12], 0]
        assert (512 * index < shoulders).all()
        assert (shoulders < 512 * (index + 1)).all()


def test_a_body_hangs_from_a_head_in_any_turn(reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, -1))
    (face,) = reader.read(turned)
    reading = read_body(turned, face, reader.models)
    assert reading is not None
    upright = astronaut_scene.subjects[0].body
    assert upright is not None
    for name in ("left_shoulder", "right_shoulder", "nose"):
        x, y = _joint(upright.joints, name)
        assert np.linalg.norm(_joint(reading.body.joints, name) - [511 - y, x]) < 30


def test_a_face_without_a_body_gets_none(reader: FaceReader, astronaut_face: Face) -> None:
    blank = np.full((512, 512, 3), 120, np.uint8)
    assert read_body(blank, astronaut_face, reader.models) is None


def test_a_pose_that_disagrees_with_the_face_is_not_taken(
    reader: FaceReader, astronaut: Rgb, astronaut_face: Face
) -> None:
    x0, y0, x1, y1 = astronaut_face.box
    elsewhere = replace(
        astronaut_face,
        landmarks=astronaut_face.landmarks + np.float32([170, 60, 0]),
        box=(x0 + 170, y0 + 60, x1 + 170, y1 + 60),
    )
    assert read_body(astronaut, elsewhere, reader.models) is None


def test_a_body_is_somebody_else_s_unless_its_pixels_are_known(
    reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene
) -> None:
    own = astronaut_scene.subjects[0].matte
    assert own is not None
    assert not somebody_else(astronaut, own, reader.models)
    assert somebody_else(astronaut, np.zeros_like(own), reader.models)
    assert not somebody_else(np.full_like(astronaut, 120), np.zeros_like(own), reader.models)
