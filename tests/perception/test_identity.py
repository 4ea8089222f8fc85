from __future__ import annotations

from dataclasses import replace

import cv2
import dlib
import numpy as np

from photoplay.evaluation.identity import SAME_PERSON, distance
from photoplay.perception import FaceReader
from photoplay.perception.identity import chip, embed
from photoplay.types import Face, Rgb


def _embedding(reader: FaceReader, rgb: Rgb) -> np.ndarray:
    (face,) = reader.read(np.ascontiguousarray(rgb), identity=True)
    assert face.embedding is not None
    return face.embedding


def test_one_person_stays_the_same(reader: FaceReader, astronaut: Rgb, astronaut_face: Face) -> None:
    assert astronaut_face.embedding is not None
    turn = cv2.getRotationMatrix2D((225.0, 123.0), 25, 1.0)
    changes = {
        "mirrored": astronaut[:, ::-1],
        "turned": cv2.warpAffine(astronaut, turn, (512, 512)),
        "halved": cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA),
        "darker": (astronaut * 0.6).astype(np.uint8),
        "four times as large": cv2.resize(astronaut[20:240, 110:340], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC),
    }
    for change, rgb in changes.items():
        assert distance(_embedding(reader, rgb), astronaut_face.embedding) < 0.35, change


def test_two_people_differ(astronaut_face: Face, hopper_face: Face) -> None:
    assert astronaut_face.embedding is not None
    assert hopper_face.embedding is not None
    assert distance(astronaut_face.embedding, hopper_face.embedding) > SAME_PERSON


def test_no_identity_from_faces_too_small_or_too_oblique(astronaut: Rgb, astronaut_face: Face) -> None:
    pose = astronaut_face.head_pose
    small = cv2.resize(astronaut, (110, 110), interpolation=cv2.INTER_AREA)
    assert embed(small, astronaut_face.landmarks * np.float32(110 / 512), pose) is None
    assert embed(astronaut, astronaut_face.landmarks, replace(pose, yaw=-61.0)) is None


def test_the_chip_is_the_one_that_dlib_itself_cuts(astronaut: Rgb, astronaut_face: Face) -> None:
    big = cv2.resize(astronaut, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    landmarks = (astronaut_face.landmarks * 3 + 1).astype(np.float32)
    points = [dlib.point(*(int(v) for v in landmarks[i, :2].round())) for i in (263, 362, 33, 133, 2)]
    whole = dlib.rectangle(0, 0, 1535, 1535)
    theirs = dlib.get_face_chip(big, dlib.full_object_detection(whole, dlib.points(points)), size=150, padding=0.25)
    ours = chip(big, landmarks)
    shift, _ = cv2.phaseCorrelate(*(cv2.cvtColor(c, cv2.COLOR_RGB2GRAY).astype(np.float64) for c in (ours, theirs)))
    assert np.hypot(*shift) < 1.0
    assert np.abs(ours.astype(int) - theirs).mean() < 4


def test_the_chip_does_not_depend_on_the_photos_size(astronaut: Rgb, astronaut_face: Face) -> None:
    big = cv2.resize(astronaut, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)
    from_big = chip(big, (astronaut_face.landmarks * 5 + 2).astype(np.float32))
    assert np.abs(chip(astronaut, astronaut_face.landmarks).astype(int) - from_big).mean() < 3


def test_an_answer_depends_on_the_chip_alone(
    astronaut: Rgb, astronaut_face: Face, hopper: Rgb, hopper_face: Face
) -> None:
    """Nor on who was looked at before: other tests keep answers (tests/remembering)."""
    first, other, again = (
        embed(rgb, face.landmarks, face.head_pose)
        for rgb, face in ((astronaut, astronaut_face), (hopper, hopper_face), (astronaut, astronaut_face))
    )
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
