"""A person to animate: the astronaut with landmarks from the face mesh, a drawn matte, and tracks made by hand."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import skimage.data

from photoplay.topology import CHIN, FOREHEAD
from photoplay.types import Array, Face, HeadPose, MotionTrack, Photo, RenderPlan, Scene, Subject


@cache
def astronaut() -> Scene:
    """The astronaut, 512 x 512, with one subject."""
    import mediapipe as mp

    rgb = skimage.data.astronaut()
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(rgb).multi_face_landmarks[0].landmark
    landmarks = np.array([[p.x * 512 - 0.5, p.y * 512 - 0.5, p.z * 512] for p in found], np.float32)
    landmarks[:, 2] -= landmarks[:468, 2].mean()
    return Scene(Photo(rgb, "0" * 64), (subject(landmarks, matte()),), matte())


def subject(landmarks: Array, own_matte: Array) -> Subject:
    (x0, y0), (x1, y1) = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    box = (float(x0), float(y0), float(x1), float(y1))
    face = Face(landmarks, box, 1.0, HeadPose(0, 0, 0), (0.3, 0.3), 0.1, np.ones(478, np.float32))
    return Subject(face, None, own_matte)


def matte() -> Array:
    """Head and suit of the astronaut, by hand."""
    mask = np.zeros((512, 512), np.uint8)
    cv2.ellipse(mask, (227, 95), (75, 82), 0, 0, 360, (255,), -1)
    suit = [(20, 511), (40, 280), (110, 190), (130, 150), (290, 150), (310, 220), (350, 260), (370, 511)]
    cv2.fillPoly(mask, [np.array(suit, np.int32)], (255,))
    return cv2.GaussianBlur(mask, (0, 0), 2.0)


def joints(landmarks: Array) -> Array:
    """Shoulders, hips and arms where a body would be under this face."""
    unit = float(np.linalg.norm(landmarks[CHIN] - landmarks[FOREHEAD]))
    points = np.tile(landmarks[CHIN], (33, 1))
    for k, (x, y) in {11: (1, 0.7), 12: (-1, 0.7), 23: (0.7, 3), 24: (-0.7, 3)}.items():
        points[k] = landmarks[CHIN] + np.array([x, y, 0.0]) * unit
    return points.astype(np.float32)


def track(
    scene: Scene,
    turns: list[HeadPose],
    shifts: list[tuple[float, float]] | None = None,
    jaw: list[float] | None = None,
    who: int = 0,
) -> MotionTrack:
    """Rigid head motion about the neck, shifts of the whole person in pixels, and a jaw that opens by pixels."""
    rest = scene.subjects[who].face.landmarks
    frames = len(turns)
    moved = [shifts[k] if shifts else (0.0, 0.0) for k in range(frames)]
    unit = float(np.linalg.norm(rest[CHIN] - rest[FOREHEAD]))
    pivot = rest[CHIN] + np.array([0, 0.1, 0.4], np.float32) * unit
    rigid = np.zeros((frames, 3, 4), np.float32)
    landmarks = np.zeros((frames, 478, 3), np.float32)
    body = np.repeat(joints(rest)[None], frames, axis=0)
    for k, (pose, (x, y)) in enumerate(zip(turns, moved, strict=True)):
        turn, shift = pose.matrix(), np.array([x, y, 0], np.float32)
        rigid[k, :, :3], rigid[k, :, 3] = turn, pivot - turn @ pivot + shift
        face = rest.copy()
        if jaw:
            low = np.clip((rest[:, 1] - rest[13, 1]) / (rest[CHIN, 1] - rest[13, 1]), 0, 1)
            face[:, 1] += jaw[k] * low
        landmarks[k] = rest if pose == HeadPose(0, 0, 0) and not (x or y or jaw) else face @ turn.T + rigid[k, :, 3]
        body[k] += shift
    zeros = np.zeros(52, np.float32)
    return MotionTrack(
        subject=who, fps=24.0, rest_landmarks=rest, landmarks=landmarks, head_transform=rigid,
        head_pose=np.zeros((frames, 3), np.float32), blendshapes=np.zeros((frames, 52), np.float32), rest_blendshapes=zeros,
        gaze=np.zeros((frames, 2), np.float32), rest_joints=joints(rest), joints=body,
        joint_visibility=np.zeros(33, np.float32), breath=np.zeros(frames, np.float32),
    )  # fmt: skip


REST = HeadPose(0, 0, 0)


def plan(
    frames: int, size: int = 320, crop: tuple[float, float, float, float] = (0.0, 0.0, 512.0, 512.0)
) -> RenderPlan:
    return RenderPlan(size, size, crop, 24.0, frames, window=4)
