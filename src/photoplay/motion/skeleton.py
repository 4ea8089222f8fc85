"""The 33 joints of a subject: seen where a body was found, else estimated from the face by human proportions.

Proportions are in inter-ocular distances (63 mm on an adult) after the segment lengths of Drillis and Contini (1966).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from jaxtyping import Bool, Float32, Float64

from photoplay.topology import POSE_INDEX, arms_touch, inter_ocular
from photoplay.types import Array, Face, Joints, Subject

SEEN = 0.5
"""Visibility from which a joint counts as seen."""
FACE_JOINTS = tuple(range(11))
_FACE_LANDMARKS = (1, 362, 473, 263, 133, 468, 33, 454, 234, 291, 61)
"""The landmark that stands for each of the 11 face joints."""
SHOULDERS = (POSE_INDEX["left_shoulder"], POSE_INDEX["right_shoulder"])
HIPS = (POSE_INDEX["left_hip"], POSE_INDEX["right_hip"])
ARMS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((11,), (13,), (15,), (17, 19, 21)),
    ((12,), (14,), (16,), (18, 20, 22)),
)
"""For the left and the right arm: shoulder, elbow, wrist, hand points."""

_BELOW_NECK: dict[str, tuple[float, float]] = {
    "shoulder": (2.65, 0.0), "elbow": (3.15, 4.6), "wrist": (3.25, 8.6), "pinky": (3.35, 9.7), "index": (3.10, 9.9),
    "thumb": (2.95, 9.2), "hip": (1.55, 7.6), "knee": (1.60, 14.4), "ankle": (1.60, 20.9), "heel": (1.60, 21.6),
    "foot_index": (1.95, 22.0),
}  # fmt: skip
"""Sideways and downwards from the point between the shoulders."""
_SHOULDERS_BELOW_CHIN = 1.05


@dataclass(frozen=True)
class Skeleton:
    """Rest ``joints`` in photo space with ``visibility``; ``neck`` lies between the shoulders, ``pelvis`` between the
    hips; ``width`` is the shoulders' distance in pixels."""

    joints: Joints
    visibility: Float32[Array, 33]
    neck: Float64[Array, 3]
    pelvis: Float64[Array, 3]
    width: float

    @classmethod
    def of(cls, subject: Subject) -> Skeleton:
        estimated = estimate_joints(subject.face)
        visibility = np.zeros(33, np.float32)
        if subject.body is not None:
            visibility = subject.body.visibility.astype(np.float32)
            seen: Bool[Array, 33] = visibility >= SEEN
            if seen[list(SHOULDERS)].all():
                estimated = _fit_shoulders(estimated, subject.body.joints.astype(np.float64))
            estimated[seen] = subject.body.joints[seen]
            visibility = np.where(seen, visibility, 0.0).astype(np.float32)
        shoulders, hips = estimated[list(SHOULDERS)], estimated[list(HIPS)]
        width = max(
            float(np.linalg.norm(shoulders[0, :2] - shoulders[1, :2])), 2.2 * inter_ocular(subject.face.landmarks)
        )
        return cls(estimated.astype(np.float32), visibility, shoulders.mean(axis=0), hips.mean(axis=0), width)

    def arm_is_seen(self, side: int) -> bool:
        """Whether shoulder, elbow and wrist of the left (0) or right (1) arm are in the photo."""
        return bool(all(self.visibility[i] >= SEEN for joint in ARMS[side][:3] for i in joint))

    def arms_touch(self) -> bool:
        """Whether forearms or hands lie on each other: neither arm then moves by itself."""
        return self.arm_is_seen(0) and self.arm_is_seen(1) and arms_touch(self.joints, self.width)

    def arm_is_free(self, side: int) -> bool:
        """Whether an arm is seen and may move by itself."""
        return self.arm_is_seen(side) and not self.arms_touch()

    def raised(self, side: int, level: int) -> float:
        """How far the upper arm (``level`` 0) or forearm (1) of the left (0) or right (1) side is lifted from hanging.

        In degrees outwards in the picture, 0 to 180; what hangs inwards counts as hanging.
        """
        start, end = (self.joints[ARMS[side][joint][0], :2].astype(np.float64) for joint in (level, level + 1))
        outward = np.sign(float(self.joints[SHOULDERS[side], 0]) - self.neck[0]) or 1.0
        across, down = end - start
        return max(float(np.degrees(np.arctan2(outward * across, down))), 0.0)


def estimate_joints(face: Face) -> Float64[Array, "33 3"]:
    """All 33 joints below and around a face, standing with hanging arms; a lying head has its body in line with it."""
    unit = inter_ocular(face.landmarks)
    roll = face.head_pose.roll
    tilt = radians(roll if abs(roll) > 50 else 0.25 * roll)
    right, down = np.array([cos(tilt), sin(tilt), 0.0]), np.array([-sin(tilt), cos(tilt), 0.0])
    landmarks = face.landmarks.astype(np.float64)
    axes = face.head_pose.matrix().astype(np.float64)
    eyes = landmarks[[33, 133, 263, 362]].mean(axis=0)
    below = eyes + axes @ np.array([0.0, 0.95, 1.5]) * unit
    neck = below + down * (0.85 + _SHOULDERS_BELOW_CHIN) * unit
    joints = np.zeros((33, 3))
    joints[list(FACE_JOINTS)] = landmarks[list(_FACE_LANDMARKS)]
    for name, (side, drop) in _BELOW_NECK.items():
        for prefix, sign in (("left", 1.0), ("right", -1.0)):
            joints[POSE_INDEX[f"{prefix}_{name}"]] = neck + (sign * side * right + drop * down) * unit
    return joints


def _fit_shoulders(estimated: Float64[Array, "33 3"], seen: Float64[Array, "33 3"]) -> Float64[Array, "33 3"]:
    """Turns and scales the estimate (in the image plane) so that its shoulders fall onto the seen ones."""
    ours, theirs = estimated[list(SHOULDERS), :2], seen[list(SHOULDERS), :2]
    from_, to = complex(*(ours[0] - ours[1])), complex(*(theirs[0] - theirs[1]))
    turn = to / from_
    if abs(turn) < 0.35:
        turn = complex(1.0, 0.0)  # seen from the side: the line between the shoulders says nothing about the spine
    elif turn.real < 0:
        turn = -turn
    # A turned torso narrows the shoulders without shrinking the person.
    turn = turn / abs(turn) * min(max(abs(turn), 0.8), 1.6)
    offset = estimated[:, 0] - ours[:, 0].mean() + 1j * (estimated[:, 1] - ours[:, 1].mean())
    moved = offset * turn
    fitted = estimated.copy()
    fitted[:, 0], fitted[:, 1] = moved.real + theirs[:, 0].mean(), moved.imag + theirs[:, 1].mean()
    fitted[list(FACE_JOINTS)] = estimated[list(FACE_JOINTS)]
    return fitted
