"""The points that annotators see of one person: OpenPose's body and toes, the 68 face points and the pupils, the hands.

Which of them are drawn follows what an annotator would have found in the picture:

- Nose and eyes come from the face mesh, ears move with the head; all are known, but the ear on the far side of a head
  that is turned by more than 40 degrees and the eye beyond 65 degrees are not: our own limits, about where annotators lose
  them.
- Below the head a joint is known where the photo shows it (``joint_visibility`` above 0). Of those that are only guessed
  from the face, the shoulders and the neck between them count as known, because they carry how the torso moves; guessed
  arms and legs are left out.
- What lies outside the frame is not known in that frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from photoplay.topology import FACE_68, LEFT_IRIS, OPENPOSE_18, POSE_INDEX, RIGHT_IRIS
from photoplay.types import Array, MotionTrack, RenderPlan

EAR_HIDDEN, EYE_HIDDEN = 40.0, 65.0
"""Degrees of yaw beyond which the far ear and the far eye are not seen."""
SHOULDERS = (POSE_INDEX["left_shoulder"], POSE_INDEX["right_shoulder"])
NOSE, NECK, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR = 0, 1, 2, 5, 14, 15, 16, 17
"""Indices of a body's points; 18 and 19 are the left and the right toe."""

_JOINTS = (*OPENPOSE_18, POSE_INDEX["left_foot_index"], POSE_INDEX["right_foot_index"])
_HEAD = (NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR)
_FACE = (*FACE_68, RIGHT_IRIS[0], LEFT_IRIS[0])
_EYE_CORNERS = {RIGHT_EYE: (33, 133), LEFT_EYE: (263, 362)}
_NOSE_TIP = 1


@dataclass(frozen=True)
class Points:
    """Places ``at`` [f, n, 2] on a canvas (0 is the edge of its first pixel) and which of them are ``known`` [f, n]."""

    at: Float32[Array, "f n 2"]
    known: Bool[Array, "f n"]


@dataclass(frozen=True)
class Figure:
    """One person on a canvas.

    ``body`` has 20 points, OpenPose's 18 and the toes; ``face`` 70, iBUG's 68 and the right and left pupil; ``hands`` 42,
    the left hand's 21 (wrist, then four a finger from the thumb on) and the right hand's.
    """

    body: Points
    face: Points
    hands: Points

    @classmethod
    def of(
        cls,
        track: MotionTrack,
        plan: RenderPlan,
        canvas: tuple[int, int],
        hands: Float32[Array, "f 42 3"] | None = None,
    ) -> Figure:
        """A track's points on a canvas of this width and height that shows the plan's whole frame.

        ``hands`` are the hands' points in photo space, NaN where they are not known (a track has none of its own); a track
        that is shorter than the plan stays as it ended.
        """
        rows = np.minimum(np.arange(plan.num_frames), track.num_frames - 1)
        landmarks, body = track.landmarks[rows], _body(track)[rows]
        if hands is None:
            hands = np.full((1, 42, 3), np.nan, np.float32)
        fingers = hands[np.minimum(rows, len(hands) - 1)]
        return cls(
            _placed(body, _known(track)[rows], plan, canvas),
            _placed(landmarks[:, list(_FACE)], np.ones((len(rows), len(_FACE)), bool), plan, canvas),
            _placed(fingers, np.isfinite(fingers).all(-1), plan, canvas),
        )


def _body(track: MotionTrack) -> Float32[Array, "f 20 3"]:
    """The body's points in photo space."""
    body = track.joints[:, list(_JOINTS)]
    body[:, NECK] = track.joints[:, list(SHOULDERS)].mean(axis=1)
    body[:, NOSE] = track.landmarks[:, _NOSE_TIP]
    for eye, corners in _EYE_CORNERS.items():
        body[:, eye] = track.landmarks[:, list(corners)].mean(axis=1)
    return body


def _known(track: MotionTrack) -> Bool[Array, "f 20"]:
    """Which points of a body an annotator could have found, the frame's edge aside."""
    once = track.joint_visibility[list(_JOINTS)] > 0
    once[[NECK, RIGHT_SHOULDER, LEFT_SHOULDER, *_HEAD]] = True
    known = np.repeat(once[None], track.num_frames, axis=0)
    to_left = track.head_pose[:, 0]  # the nose turns to the subject's left, which hides the left side
    known[:, LEFT_EAR], known[:, RIGHT_EAR] = to_left < EAR_HIDDEN, to_left > -EAR_HIDDEN
    known[:, LEFT_EYE], known[:, RIGHT_EYE] = to_left < EYE_HIDDEN, to_left > -EYE_HIDDEN
    return known


def _placed(
    points: Float32[Array, "f n 3"], known: Bool[Array, "f n"], plan: RenderPlan, canvas: tuple[int, int]
) -> Points:
    """Photo-space points on the canvas; those outside are not known."""
    at = (plan.to_frame(points)[..., :2] + 0.5) * np.array(canvas) / (plan.width, plan.height)
    inside = ((at >= 0) & (at < np.array(canvas))).all(-1)
    return Points(at.astype(np.float32), known & inside)
