"""The photo, and what perception finds in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32

from photoplay.types.arrays import Array, Box, Joints, Landmarks, Mask, Rgb

Severity: TypeAlias = Literal["info", "warning", "blocking"]


@dataclass(frozen=True)
class Notice:
    """Something worth telling the user: a stable ``code``, a sentence, and what would help."""

    code: str
    message: str
    hint: str
    severity: Severity = "info"
    subject: int | None = None


@dataclass(frozen=True)
class StageEvent:
    """Progress of one stage: ``done`` of ``total`` steps (frames, files …)."""

    stage: str
    done: int
    total: int
    message: str = ""


Progress: TypeAlias = Callable[[StageEvent], None]
"""Called as work goes on. To cancel, raise :class:`photoplay.errors.CancelledError` from it."""


def silent(event: StageEvent) -> None:
    """A :data:`Progress` that tells nobody."""


@dataclass(frozen=True)
class Photo:
    """A decoded, upright sRGB photo without any metadata. ``sha256`` is the hex digest of the bytes it came from."""

    pixels: Rgb
    sha256: str
    format: str = "unknown"
    notices: tuple[Notice, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class HeadPose:
    """Head rotation in degrees, all 0 when the face looks straight into the camera.

    yaw > 0: the nose turns towards the image's right. pitch > 0: the nose turns up. roll > 0: the head tilts clockwise as
    seen in the image.
    """

    yaw: float
    pitch: float
    roll: float

    def matrix(self) -> Float32[Array, "3 3"]:
        """The rotation as ``Rz(roll) @ Rx(pitch) @ Ry(yaw)``, acting on photo-space column vectors."""
        y, p, r = -radians(self.yaw), -radians(self.pitch), radians(self.roll)
        about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
        about_x = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
        about_z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
        rotation: Array = (about_z @ about_x @ about_y).astype(np.float32)
        return rotation


@dataclass(frozen=True)
class Light:
    """Light on one face: unit ``direction`` from the face to the light (photo space; z < 0 is the camera's side),
    ``ambient`` share 0 (hard light) to 1 (no direction), ``color`` the light's RGB tint with mean 1."""

    direction: tuple[float, float, float]
    ambient: float
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Face:
    """One face: MediaPipe's 468 mesh points, then 2 x 5 iris points (right eye first), as ``landmarks``.

    ``eye_opening`` (left, right) is lid gap over eye width, ``mouth_opening`` lip gap over mouth width. ``visibility`` is 1
    where a landmark faces the camera inside the photo. ``embedding`` is a 128-d identity vector (distance under 0.6: same
    person), None where the face is too small or too oblique."""

    landmarks: Landmarks
    box: Box
    score: float
    head_pose: HeadPose
    eye_opening: tuple[float, float]
    mouth_opening: float
    visibility: Float32[Array, 478]
    embedding: Float32[Array, 128] | None = None
    light: Light | None = None


@runtime_checkable
class FaceReader(Protocol):
    """Finds faces in an image. ``perception`` provides it; ``motion`` and ``evaluation`` are handed one."""

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        """All faces from left to right; with ``near`` only the one in and around that box (fast: no search).

        ``embedding`` is filled only with ``identity``; ``light`` is never filled here.
        """
        ...


@dataclass(frozen=True)
class Body:
    """MediaPipe's 33 pose joints in photo space (z relative to the hips) with a visibility of 0..1 each."""

    joints: Joints
    visibility: Float32[Array, 33]


@dataclass(frozen=True)
class Subject:
    """One person: the face, the body if one was found, and this person's own matte (0..255) where it was cut out.

    ``pixels`` is the picture in the photo's size as if this person stood before everybody else: where two people were put
    into one scene, each is known whole, also where the other hides them. ``matte`` then covers the hidden part as well.
    None: the photo itself is all that is known. ``origin`` is the digest of the photo that the person comes from."""

    face: Face
    body: Body | None = None
    matte: Mask | None = None
    pixels: Rgb | None = None
    origin: str = ""


@dataclass(frozen=True)
class Scene:
    """What is in the photo: subjects from left to right, a soft matte of all people, advice as notices.

    ``plate`` is the same picture without its people, where that is known (a composed scene); None: it has to be guessed."""

    photo: Photo
    subjects: tuple[Subject, ...]
    matte: Mask
    notices: tuple[Notice, ...] = ()
    plate: Rgb | None = None
