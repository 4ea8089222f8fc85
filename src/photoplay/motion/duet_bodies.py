"""A person of a duet while it is being solved: a track, and how the solver may shift whole, trunk, head and hands.

The shifts are translations in the picture, so a point that they carry goes exactly where they say. Arms follow their hands
as two bones in the image plane.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_points import Spot
from photoplay.motion.retarget import perspective
from photoplay.motion.skeleton import ARMS, FACE_JOINTS, HIPS, SEEN, SHOULDERS, Skeleton
from photoplay.motion.taming import room_in_picture
from photoplay.topology import POSE_INDEX, inter_ocular
from photoplay.types import Array, Box, MotionTrack, Scene, Subject

CAMERA_DISTANCE = 3.0
"""Shoulder widths from the camera to the people: how much nearer looks larger."""
CUT_SHARE = 0.12
"""A person is cut at the side where the matte reaches the picture's edge along this share of what is below the chin."""
AROUND = (10, 152, 234, 454)
"""Landmarks at the face's edges: top, chin, sides."""
UPPER = tuple(i for side in ARMS for joint in side for i in joint)


@dataclass(frozen=True)
class Body:
    """One person. ``towards`` is 1 where the partner is at the image's right, else -1; ``unit`` is the inter-ocular
    distance in pixels.

    ``stands`` where the feet are in the picture, ``cut`` where the picture's edge cuts the person on the far side.
    ``room`` is how far the head may go (left, right), (up, down).
    """

    subject: Subject
    track: MotionTrack
    towards: float
    skeleton: Skeleton
    unit: float
    stands: bool
    cut: bool
    room: tuple[tuple[float, float], tuple[float, float]]
    landmarks: Float64[Array, "f 478 3"]
    joints: Float64[Array, "f 33 3"]

    @classmethod
    def of(cls, scene: Scene, track: MotionTrack, towards: float, frame: Box | None = None) -> Body:
        """The person whom ``track`` moves, in a film that shows ``frame`` of the photo (None: all of it)."""
        subject = scene.subjects[track.subject]
        left, top, right, bottom = frame or (0.0, 0.0, float(scene.photo.width), float(scene.photo.height))
        framed: Array = track.rest_landmarks - np.array([left, top, 0.0], np.float32)
        return cls(
            subject=subject,
            track=track,
            towards=towards,
            skeleton=Skeleton.of(subject),
            unit=inter_ocular(track.rest_landmarks),
            stands=_feet_seen(subject, bottom),
            cut=_cut(scene, track.subject, towards),
            room=room_in_picture(framed, round(right - left), round(bottom - top)),
            landmarks=track.landmarks.astype(np.float64),
            joints=track.joints.astype(np.float64),
        )

    @property
    def width(self) -> float:
        """The shoulders' distance in pixels."""
        return self.skeleton.width

    def at(self, spot: Spot) -> Float64[Array, "f 2"]:
        """Where one of its points is in the picture."""
        return spot.places(self.landmarks, self.joints)

    def face_centre(self) -> Float64[Array, "f 2"]:
        """The middle of the face."""
        centre: Array = self.landmarks[:, list(AROUND), :2].mean(axis=1)
        return centre

    def rest_centre(self) -> Float64[Array, 2]:
        """The middle of the face in the photo."""
        centre: Array = self.track.rest_landmarks[list(AROUND), :2].mean(axis=0).astype(np.float64)
        return centre

    def stepped(self, place: Float64[Array, "f 3"]) -> Body:
        """The whole person shifted by ``place`` (shoulder widths; x right, y down, z away), larger where nearer."""
        pivot = np.array(
            [self.track.rest_joints[list(SHOULDERS), 0].mean(), self.track.rest_joints[list(HIPS), 1].mean()]
        )
        scale = perspective(place[:, 2] / CAMERA_DISTANCE)
        shift = (1.0 - scale)[:, None] * pivot + place[:, :2] * self.width
        depth = np.concatenate([shift, np.zeros((len(shift), 1))], axis=1)[:, None]
        transform = self.track.head_transform.astype(np.float64) * scale[:, None, None]
        transform[:, :2, 3] += shift
        return replace(
            self,
            landmarks=self.landmarks * scale[:, None, None] + depth,
            joints=self.joints * scale[:, None, None] + depth,
            track=replace(self.track, head_transform=transform.astype(np.float32)),
        )

    def with_face(self, landmarks: Float64[Array, "f 478 3"]) -> Body:
        """The person with other landmarks."""
        return replace(self, landmarks=landmarks)

    def shifted(self, shifts: Shifts) -> Body:
        """The person after the solver's shifts; arms are not yet on their hands' way."""
        head = shifts.place + shifts.bend + shifts.head
        landmarks, joints = self.landmarks.copy(), self.joints.copy()
        landmarks[..., :2] += head[:, None]
        joints[..., :2] += shifts.place[:, None]
        joints[:, list(UPPER), :2] += shifts.bend[:, None]
        joints[:, list(FACE_JOINTS), :2] += (head - shifts.place)[:, None]
        transform = self.track.head_transform.copy()
        transform[:, :2, 3] += head.astype(np.float32)
        return replace(self, landmarks=landmarks, joints=joints, track=replace(self.track, head_transform=transform))

    def finished(self) -> MotionTrack:
        """The track as it now is. Frames at which nothing moved are the photo's to the bit."""
        track = self.track
        landmarks, joints = self.landmarks.astype(np.float32), self.joints.astype(np.float32)
        landmarks[_same(landmarks, track.rest_landmarks)] = track.rest_landmarks
        joints[_same(joints, track.rest_joints)] = track.rest_joints
        return replace(track, landmarks=landmarks, joints=joints)


@dataclass(frozen=True)
class Shifts:
    """What the solver adds to one person, in pixels: the whole person, the trunk against the hips, the head against the
    trunk, and the left and the right hand against their shoulders."""

    place: Float64[Array, "f 2"]
    bend: Float64[Array, "f 2"]
    head: Float64[Array, "f 2"]
    hands: Float64[Array, "f 2 2"]


def _same(moved: Array, rest: Array) -> Array:
    close: Array = (np.abs(moved - rest) < 1e-3).all(axis=(1, 2))
    return close


def _feet_seen(subject: Subject, bottom: float) -> bool:
    body = subject.body
    if body is None:
        return False
    ankles = [POSE_INDEX["left_ankle"], POSE_INDEX["right_ankle"]]
    return bool((body.visibility[ankles] >= SEEN).any() and (body.joints[ankles, 1] < bottom).any())


def _cut(scene: Scene, index: int, towards: float) -> bool:
    """Whether the picture's edge on the far side runs through the person."""
    subject = scene.subjects[index]
    middle = float(subject.face.landmarks[:, 0].mean())
    others = [float(s.face.landmarks[:, 0].mean()) for k, s in enumerate(scene.subjects) if k != index]
    if subject.matte is None and any((other - middle) * towards < 0 for other in others):
        return False
    matte = scene.matte if subject.matte is None else subject.matte
    chin = min(max(int(subject.face.landmarks[152, 1]), 0), matte.shape[0] - 1)
    edge = matte[chin:, :2] if towards > 0 else matte[chin:, -2:]
    return float((edge > 127).mean()) > CUT_SHARE
