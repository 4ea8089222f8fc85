"""Where the camera stands and how it frames head and shoulders."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, degrees

import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, HeadPose

HEAD_HEIGHT = 22.0  # cm from chin to crown
SENSOR_WIDTH = 36.0  # mm: focal lengths are given for this
_PIVOT = np.array([0.0, -3.0, 1.0], np.float32)  # where a head turns on its neck (head space)
_LOOK_AT = np.array([0.0, 2.5, 6.0], np.float32)
_TO_PHOTO = np.array([1.0, -1.0, -1.0], np.float32)  # head space to photo axes: a half turn about x, no mirror
_NECK = (-17.0, -9.5)  # cm: the torso's stillness below, the head's full turn above
_FACE_CENTRE = np.array([0.0, 1.0, 8.0], np.float32)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: ``focal`` in pixels, ``size`` of the square image, ``centre`` [3] where the head's middle stands in
    camera space (cm; photo axes) and ``view`` the pose of an upright, straight head as this camera sees it."""

    focal: float
    size: int
    centre: tuple[float, float, float]
    view: HeadPose

    def place(
        self, vertices: Float32[Array, "n 3"], pose: HeadPose, shift: Float32[Array, 3], turns: Float32[Array, n]
    ) -> Float32[Array, "n 3"]:
        """Head space to camera space. ``turns`` [n] is how far each vertex follows the head (0 torso, 1 head), ``shift``
        (cm, photo axes) how far the head has moved."""
        still = (vertices - _PIVOT) * _TO_PHOTO
        turned = still @ pose.matrix().T + shift
        posed = still + (turned - still) * turns[:, None]
        posed += (_PIVOT - _LOOK_AT) * _TO_PHOTO
        placed: Array = posed @ self.view.matrix().T + np.array(self.centre, np.float32)
        return placed.astype(np.float32)

    def pose(self, pose: HeadPose) -> HeadPose:
        """The head's pose as this camera sees it."""
        return angles(self.view.matrix() @ pose.matrix())

    def project(self, points: Float32[Array, "n 3"], samples: int = 1) -> Float32[Array, "n 3"]:
        """Pixel x, pixel y (whole numbers are pixel centres, of an image ``samples`` times the size) and 1 / depth."""
        inverse = 1 / np.maximum(points[:, 2:], 1e-3)
        flat = (points[:, :2] * inverse * self.focal + self.size / 2) * samples - 0.5
        projected: Array = np.concatenate([flat, inverse], 1).astype(np.float32)
        return projected

    def landmarks(self, points: Float32[Array, "478 3"]) -> Float32[Array, "478 3"]:
        """Landmarks in camera space as photo-space pixels: z in the same unit, relative to the face's centre."""
        marks = self.project(points)
        middle = float(points[:468, 2].mean())
        marks[:, 2] = (points[:, 2] - middle) * self.focal / middle
        return marks


def draw_camera(rng: np.random.Generator, size: int) -> Camera:
    """A portrait or webcam framing: 35 to 135 mm, the head 42 to 72 % of the height, a small roll and a camera that stands a
    little too high, too low or to the side."""
    focal = float(np.exp(rng.uniform(np.log(35), np.log(135)))) / SENSOR_WIDTH * size
    share = float(rng.uniform(0.42, 0.72))
    distance = max(focal * HEAD_HEIGHT / (share * size), 38.0)
    x, y = rng.normal(0, 0.04), rng.normal(-0.03, 0.03)
    view = HeadPose(*(float(v) for v in np.clip(rng.normal(0, 1, 3), -2, 2) * (3.0, 4.0, 2.0)))
    reach = size * distance / focal
    return Camera(focal, size, (float(x * reach), float(y * reach), distance), view)


def turns_with_head(vertices: Float32[Array, "n 3"]) -> Float32[Array, n]:
    """How far each vertex of a resting head follows its turns: 1 on the head, 0 at the shoulders, smooth along the neck."""
    t = np.clip((vertices[:, 1] - _NECK[0]) / (_NECK[1] - _NECK[0]), 0, 1)
    smooth: Array = (t * t * (3 - 2 * t)).astype(np.float32)
    return smooth


def angles(rotation: Float32[Array, "3 3"]) -> HeadPose:
    """The inverse of :meth:`photoplay.types.HeadPose.matrix`."""
    pitch = -asin(float(np.clip(rotation[2, 1], -1, 1)))
    yaw = atan2(float(rotation[2, 0]), float(rotation[2, 2]))
    roll = atan2(float(-rotation[0, 1]), float(rotation[1, 1]))
    return HeadPose(degrees(yaw), degrees(pitch), degrees(roll))
