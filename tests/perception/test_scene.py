from __future__ import annotations

import numpy as np
import skimage.data

from photoplay.perception import FaceReader, perceive
from photoplay.types import Photo


def test_astronaut_becomes_a_scene() -> None:
    photo = Photo(skimage.data.astronaut(), "0" * 64)
    scene = perceive(photo)
    (subject,) = scene.subjects
    face = subject.face
    assert abs(face.head_pose.yaw) < 5
    assert face.embedding is not None
    assert scene.matte[150, 220] > 250
    assert scene.matte[20, 20] < 5


def test_near_gives_the_same_face() -> None:
    rgb = skimage.data.astronaut()
    reader = FaceReader()
    (face,) = reader.read(rgb)
    (again,) = reader.read(rgb, near=face.box)
    assert np.abs(again.landmarks[:, :2] - face.landmarks[:, :2]).max() < 1.5
    assert reader.read(rgb, near=(10, 10, 60, 60)) == ()
