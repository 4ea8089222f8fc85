"""From a photo and the frames that follow it to the motion track that puts the photo through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.evaluation.tracking import landmark_box
from photoplay.motion.retarget import make_track
from photoplay.perception.head_pose import head_pose, openings, visibility
from photoplay.topology import ARKIT_INDEX, FACE_OVAL
from photoplay.types import (
    Array,
    Face,
    FaceReader,
    HeadPose,
    Landmarks,
    LandmarkTrack,
    MotionTrack,
    Performance,
    Rgb,
    RgbStack,
    Scene,
)

RIGID = (*FACE_OVAL[:3], *FACE_OVAL[-2:], 6, 168, 195, 5, 1, 33, 133, 263, 362, 127, 356, 234, 454, 98, 327)
"""Points of the skull: forehead, nose, eye corners, temples, upper cheeks."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one face in consecutive frames, in photo space; frame 0 need not be the photo itself.

    ``openings`` [f, 3] are the gaps of the left eye, the right eye and the mouth over their widths (see
    :func:`photoplay.perception.head_pose.openings`), ``poses`` [f, 3] yaw, pitch and roll in degrees.
    """

    landmarks: LandmarkTrack
    openings: Float32[Array, "f 3"]
    poses: Float32[Array, "f 3"]

    @classmethod
    def of(cls, landmarks: LandmarkTrack) -> Seen:
        """Reads openings and poses from the landmarks."""
        gaps, poses = [], []
        for points in landmarks:
            (left, right), mouth = openings(points)
            pose = head_pose(points)
            gaps.append((left, right, mouth))
            poses.append((pose.yaw, pose.pitch, pose.roll))
        return cls(landmarks, np.array(gaps, np.float32), np.array(poses, np.float32))


def follow(stack: RgbStack, first: Face, reader: FaceReader) -> list[Face]:
    """The first face in every frame; the list ends where it is lost."""
    found = [first]
    for picture in stack[1:]:
        face = next_face(picture, found[-1], reader)
        if face is None:
            break
        found.append(face)
    return found


def next_face(picture: Rgb, last: Face, reader: FaceReader) -> Face | None:
    """The face that stood at ``last`` one frame before, or None."""
    faces = reader.read(picture, near=landmark_box(last.landmarks))
    return faces[0] if faces else None


def face_of(landmarks: Landmarks, width: int, height: int) -> Face:
    """A face whose landmarks are known; ``width`` and ``height`` are the picture's."""
    eyes, mouth = openings(landmarks)
    return Face(
        landmarks=landmarks,
        box=landmark_box(landmarks),
        score=1.0,
        head_pose=head_pose(landmarks),
        eye_opening=eyes,
        mouth_opening=mouth,
        visibility=visibility(landmarks, width, height),
    )


def similarity(rest: Float64[Array, "n 3"], now: Float64[Array, "n 3"]) -> Float32[Array, "3 4"]:
    """Scaled rotation and shift that carries ``rest`` to ``now`` in the least squares sense (Umeyama 1991)."""
    middle, target = rest.mean(axis=0), now.mean(axis=0)
    a, b = rest - middle, now - target
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ flip @ vt * (np.trace(np.diag(s) @ flip) / (a**2).sum())
    return np.column_stack([turn, target - turn @ middle]).astype(np.float32)


SHUT = 0.13
"""Lid gap over eye width that the face mesh still measures on a shut eye (0.12 to 0.15 on real clips)."""


def blendshapes(now: Float32[Array, "f 3"], rest: Float32[Array, 3]) -> Float32[Array, "f 52"]:
    """What the layers of eyes and mouth are told: how far lids and lips (:attr:`Seen.openings`) are from the photo's."""
    shapes = np.zeros((len(now), 52), np.float32)
    for column, side in enumerate(("Left", "Right")):
        open_by = max(float(rest[column]) - SHUT, 0.02)
        shut = (float(rest[column]) - now[:, column]) / open_by
        shapes[:, ARKIT_INDEX[f"eyeBlink{side}"]] = np.clip(shut, 0, 1)
    shapes[:, ARKIT_INDEX["jawOpen"]] = np.clip(now[:, 2] - rest[2], 0, 1)
    return shapes


def rest_performance(frames: int, fps: float) -> Performance:
    """A performance in which nothing moves."""
    zeros = np.zeros
    return Performance(
        fps, zeros((frames, 52), np.float32), zeros((frames, 6), np.float32), zeros((frames, 2), np.float32),
        zeros((frames, 6), np.float32), zeros((frames, 2, 4), np.float32), zeros(frames, np.float32),
    )  # fmt: skip


@dataclass(frozen=True)
class Shapes:
    """Exact ARKit weights: of every frame [f, 52], and of the photo [52]."""

    frames: Float32[Array, "f 52"]
    photo: Float32[Array, 52]


def track_of(scene: Scene, subject: int, seen: Seen, fps: float, exact: Shapes | None = None) -> MotionTrack:
    """The track that puts ``scene.subjects[subject]`` through what was seen; arms, torso and gaze stay as in the photo.

    Without ``exact`` weights lids and jaw are read from the landmarks, as changes to the photo's.
    """
    face = scene.subjects[subject].face
    still = make_track(scene, subject, rest_performance(len(seen.landmarks), fps))
    rigid = list(RIGID)
    rest = face.landmarks[rigid].astype(np.float64)
    at_rest = np.array([*face.eye_opening, face.mouth_opening], np.float32)
    return replace(
        still,
        landmarks=seen.landmarks,
        head_transform=np.stack([similarity(rest, now[rigid].astype(np.float64)) for now in seen.landmarks]),
        head_pose=seen.poses - _angles(face.head_pose),
        blendshapes=blendshapes(seen.openings, at_rest) if exact is None else exact.frames,
        rest_blendshapes=np.zeros(52, np.float32) if exact is None else exact.photo,
    )


def tracked(scene: Scene, faces: Sequence[Face], fps: float) -> MotionTrack:
    """The track that puts the scene's first face through ``faces``, of which the first is the photo's own."""
    return track_of(scene, 0, Seen.of(np.stack([face.landmarks for face in faces])), fps)


def part_of(track: MotionTrack, frames: slice) -> MotionTrack:
    """Some of a track's frames; rest stays."""
    names = ("landmarks", "head_transform", "head_pose", "blendshapes", "gaze", "joints", "breath")
    return replace(track, **{name: getattr(track, name)[frames] for name in names})


def _angles(pose: HeadPose) -> Float32[Array, 3]:
    return np.array([pose.yaw, pose.pitch, pose.roll], np.float32)
