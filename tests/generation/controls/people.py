"""People made of points, who stand in a photo of 400 x 600 pixels and face the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photoplay.topology import FACE_68, LEFT_IRIS, POSE_INDEX, RIGHT_IRIS
from photoplay.types import Array, MotionTrack, RenderPlan

PHOTO = (400, 600)
BODY = {
    "left_shoulder": (250, 190), "left_elbow": (290, 260), "left_wrist": (300, 330), "left_hip": (230, 340),
    "left_knee": (235, 440), "left_ankle": (238, 540), "left_foot_index": (262, 560),
    "right_shoulder": (150, 190), "right_elbow": (110, 250), "right_wrist": (60, 210), "right_hip": (170, 340),
    "right_knee": (165, 440), "right_ankle": (162, 540), "right_foot_index": (140, 562),
    "left_ear": (238, 105), "right_ear": (162, 105),
}  # fmt: skip
EYES = {33: (174, 95), 133: (190, 95), 263: (226, 95), 362: (210, 95)}
NOSE, NOSE_AT = 1, (200, 118)


def person(frames: int = 1, seen: bool = True, step: float = 0.0, x: float = 0.0, yaw: float = 0.0) -> MotionTrack:
    """A person ``x`` pixels to the right who walks ``step`` pixels to the right a frame; ``seen``: with the whole body."""
    landmarks, joints = np.zeros((478, 3), np.float32), np.zeros((33, 3), np.float32)
    landmarks[:, :2] = (200, 110)
    for order, index in enumerate(FACE_68):
        turn, reach = 2.399963 * order, 34 * np.sqrt((order + 0.5) / 68)
        landmarks[index, :2] = (200 + reach * np.cos(turn), 112 + 1.3 * reach * np.sin(turn))
    landmarks[NOSE, :2] = NOSE_AT
    for index, place in (EYES | {RIGHT_IRIS[0]: (182, 95), LEFT_IRIS[0]: (218, 95)}).items():
        landmarks[index, :2] = place
    for name, place in BODY.items():
        joints[POSE_INDEX[name], :2] = place
    away = np.zeros((frames, 1, 3), np.float32)
    away[:, 0, 0] = x + step * np.arange(frames)
    visibility = np.zeros(33, np.float32)
    visibility[[POSE_INDEX[name] for name in BODY]] = float(seen)
    pose = np.zeros((frames, 3), np.float32)
    pose[:, 0] = yaw
    still = np.zeros((frames, 52), np.float32)
    return MotionTrack(
        subject=0, fps=24.0, rest_landmarks=landmarks, landmarks=landmarks + away, head_pose=pose, rest_joints=joints,
        head_transform=np.repeat(np.eye(3, 4, dtype=np.float32)[None], frames, axis=0), blendshapes=still,
        rest_blendshapes=still[0], gaze=still[:, :2], joints=joints + away, joint_visibility=visibility,
        breath=still[:, 0],
    )  # fmt: skip


def without(track: MotionTrack, *names: str) -> MotionTrack:
    """The same person with these joints unseen."""
    visibility = track.joint_visibility.copy()
    visibility[[POSE_INDEX[name] for name in names]] = 0
    return replace(track, joint_visibility=visibility)


def hands() -> Array:
    """Both hands' 42 points, one frame: fingers spread like rays from the wrists."""
    points = np.zeros((1, 42, 3), np.float32)
    for hand, (name, out) in enumerate((("left_wrist", 1), ("right_wrist", -1))):
        wrist = np.array(BODY[name], np.float32)
        points[0, 21 * hand, :2] = wrist
        for finger in range(5):
            turn = np.radians(-60 + 30 * finger)
            ray = np.array([out * np.cos(turn), np.sin(turn)])
            for bone in range(4):
                points[0, 21 * hand + 4 * finger + bone + 1, :2] = wrist + ray * (14 + 8 * bone)
    return points


def plan(width: int = 400, height: int = 600, frames: int = 1) -> RenderPlan:
    """A film that shows the whole photo."""
    return RenderPlan(width, height, (0.0, 0.0, float(PHOTO[0]), float(PHOTO[1])), 24.0, frames)
