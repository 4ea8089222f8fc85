"""A small film with a known motion, made without a generator: the astronaut's head slides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import skimage.data
from jaxtyping import Float32

from photoplay.perception.faces import FaceReader
from photoplay.types import (
    Anchor,
    Array,
    Face,
    Frames,
    Label,
    Landmarks,
    MotionTrack,
    Photo,
    RenderPlan,
    RgbStack,
    Scene,
    Subject,
)

SIDE, COUNT = 384, 7


@dataclass(frozen=True)
class Film:
    scene: Scene
    track: MotionTrack
    plan: RenderPlan
    rgb: RgbStack

    def windows(self, rgb: RgbStack | None = None, size: int = 5) -> list[Frames]:
        stack = self.rgb if rgb is None else rgb
        return [Frames(stack[s : s + size], 24.0, s) for s in range(0, len(stack), size)]


@cache
def reader() -> FaceReader:
    return FaceReader()


def slide(subject: int, face: Face, shifts: Float32[Array, "f 2"]) -> MotionTrack:
    """A face that is moved by so many pixels in each frame, and does nothing else."""
    count, zeros = len(shifts), np.zeros
    landmarks = np.repeat(face.landmarks[None], count, axis=0)
    landmarks[..., :2] += shifts[:, None]
    transform = np.repeat(np.eye(3, 4, dtype=np.float32)[None], count, axis=0)
    transform[:, :2, 3] = shifts
    return MotionTrack(
        subject=subject,
        fps=24.0,
        rest_landmarks=face.landmarks,
        landmarks=landmarks,
        head_transform=transform,
        head_pose=zeros((count, 3), np.float32),
        blendshapes=zeros((count, 52), np.float32),
        rest_blendshapes=zeros(52, np.float32),
        gaze=zeros((count, 2), np.float32),
        rest_joints=zeros((33, 3), np.float32),
        joints=zeros((count, 33, 3), np.float32),
        joint_visibility=zeros(33, np.float32),
        breath=zeros(count, np.float32),
    )


@cache
def sliding_head() -> Film:
    """The head slides by up to 7 pixels, the rest stands still."""
    pixels = cv2.resize(skimage.data.astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    (face,) = reader().read(pixels)
    x, y = face.landmarks[:468, :2].mean(axis=0)
    reach = float(np.ptp(face.landmarks[:468, 1]))
    xx, yy = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    away, soft = np.hypot(xx - x, yy - y) / reach, _soft(face.landmarks)
    time = np.arange(COUNT) / COUNT
    shifts = np.stack([7 * np.sin(2 * np.pi * time), 5 * np.sin(2 * np.pi * time)], axis=1).astype(np.float32)
    rgb = np.stack(
        [
            cv2.remap(pixels, xx - dx * soft, yy - dy * soft, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            for dx, dy in shifts
        ]
    )
    matte = ((away < 1.6) * 255).astype(np.uint8)
    track = slide(0, face, shifts)
    scene = Scene(Photo(pixels, "0" * 64), (Subject(face),), matte)
    plan = RenderPlan(SIDE, SIDE, (0.0, 0.0, float(SIDE), float(SIDE)), 24.0, COUNT)
    return Film(scene, track, plan, rgb)


def sliding_film() -> Anchor:
    """What a generator would say about :func:`sliding_head`: where it moves is skin, the astronaut's suit is body."""
    film = sliding_head()
    soft = _soft(film.scene.subjects[0].face.landmarks)
    flow = -film.track.head_transform[:, None, None, :2, 3] * soft[..., None]
    labels = np.zeros(film.rgb.shape[:3], np.uint8)
    labels[:, 170:, 40:260] = int(Label.BODY)
    labels[:, soft > 0.05] = int(Label.SKIN)
    depth = np.where(labels > 0, 0, np.inf).astype(np.float16)
    return Anchor(film.rgb, np.full(labels.shape, 255, np.uint8), labels, flow.astype(np.float16), depth)


def _soft(landmarks: Landmarks) -> Float32[Array, "h w"]:
    """How much of the head's shift each pixel takes part in."""
    x, y = landmarks[:468, :2].mean(axis=0)
    reach = float(np.ptp(landmarks[:468, 1]))
    xx, yy = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    soft = np.clip((1.5 - np.hypot(xx - x, yy - y) / reach) / 0.7, 0, 1)
    return np.asarray(soft * soft * (3 - 2 * soft), np.float32)


def face_box(film: Film, margin: float = 0.0) -> tuple[slice, slice]:
    points = film.track.rest_landmarks[:468, :2]
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    grow = margin * (y1 - y0)
    return slice(int(y0 - grow), int(y1 + grow)), slice(int(x0 - grow), int(x1 + grow))
