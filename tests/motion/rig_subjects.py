"""Faces to try the rig on: two photographs that come with the test environment, and a face made symmetric."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image
from skimage.data import astronaut

from photoplay.perception import FaceReader
from photoplay.topology import face_mirror
from photoplay.types import Body, Face, HeadPose, Performance, Photo, Scene, Subject

NAMES = ("astronaut", "hopper", "even")


@cache
def photo(name: str) -> Photo:
    if name == "hopper":
        with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
            return Photo(np.array(image.convert("RGB")), "0" * 64)
    return Photo(astronaut(), "1" * 64)


@cache
def face(name: str) -> Face:
    if name == "even":
        return even(face("hopper"))
    return FaceReader().read(photo(name).pixels)[0]


def even(of: Face) -> Face:
    """The face frontal and mirror-symmetric."""
    turn = of.head_pose.matrix().astype(np.float64)
    centre = of.landmarks.mean(axis=0).astype(np.float64)
    points = (of.landmarks - centre) @ turn
    points -= points[[33, 133, 263, 362]].mean(axis=0)
    points = (points + points[face_mirror()] * np.array([-1.0, 1.0, 1.0])) / 2
    return replace(of, landmarks=(points + centre).astype(np.float32), head_pose=HeadPose(0.0, 0.0, 0.0))


def turned(of: Face, pose: HeadPose, size: float = 1.0) -> Face:
    """The same face in another head pose and size."""
    turn = pose.matrix().astype(np.float64) @ of.head_pose.matrix().astype(np.float64).T
    centre = of.landmarks.mean(axis=0).astype(np.float64)
    points = ((of.landmarks - centre) @ turn.T) * size + centre
    return replace(of, landmarks=points.astype(np.float32), head_pose=pose)


def scene(of: Face, name: str = "hopper", body: Body | None = None) -> Scene:
    picture = photo(name)
    return Scene(picture, (Subject(of, body),), np.zeros(picture.pixels.shape[:2], np.uint8))


def still(frames: int, fps: float = 24.0) -> Performance:
    def zeros(*shape: int) -> np.ndarray:
        return np.zeros((frames, *shape), np.float32)

    return Performance(fps, zeros(52), zeros(6), zeros(2), zeros(6), zeros(2, 4), zeros())
