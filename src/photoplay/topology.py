"""Landmark and joint tables: which index is what, how the tables map to each other, triangles and mirror pairs.

Sources: MediaPipe FaceMesh/Pose (Apache-2.0) for the 478 and 33 point orders, iBUG 300-W for the 68 points, OpenPose for
the 18 and COCO for the 17 joints, Apple ARKit for the 52 blendshape names. Left and right are the subject's own.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float32, Int32

from photoplay.types import Array, Joints, Landmarks

ARKIT_NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip
ARKIT_INDEX: dict[str, int] = {name: index for index, name in enumerate(ARKIT_NAMES)}

# --- 478 face points: closed loops and centres -----------------------------------------------------------------------
FACE_OVAL: tuple[int, ...] = (
    10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397,
    288, 361, 323, 454, 356, 389, 251, 284, 332, 297, 338,
)  # fmt: skip
"""From the forehead's top over the subject's right cheek, the chin and the left cheek."""
RIGHT_EYE_UPPER: tuple[int, ...] = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_EYE_LOWER: tuple[int, ...] = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_EYE_UPPER: tuple[int, ...] = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LEFT_EYE_LOWER: tuple[int, ...] = (263, 249, 390, 373, 374, 380, 381, 382, 362)
"""Lid margins from the outer to the inner corner; point k of the upper lid meets point k of the lower lid."""
RIGHT_IRIS: tuple[int, ...] = (468, 469, 470, 471, 472)
LEFT_IRIS: tuple[int, ...] = (473, 474, 475, 476, 477)
"""Centre, then four points of the rim."""
RIGHT_BROW: tuple[int, ...] = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_BROW: tuple[int, ...] = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
LIPS_OUTER_UPPER: tuple[int, ...] = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIPS_OUTER_LOWER: tuple[int, ...] = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LIPS_INNER_UPPER: tuple[int, ...] = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIPS_INNER_LOWER: tuple[int, ...] = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""Lip borders from the subject's right corner to the left; point k of the upper inner lip meets point k of the lower."""
NOSE_TIP, CHIN, FOREHEAD = 1, 152, 10

FACE_68: tuple[int, ...] = (
    127, 234, 93, 132, 172, 136, 149, 148, 152, 377, 378, 365, 397, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Index of the mesh point that stands for each of the 68 iBUG points."""

# --- 33 pose joints ----------------------------------------------------------------------------------------------------
POSE_NAMES: tuple[str, ...] = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear",
    "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index",
    "right_foot_index",
)  # fmt: skip
POSE_INDEX: dict[str, int] = {name: index for index, name in enumerate(POSE_NAMES)}
COCO_17: tuple[int, ...] = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
OPENPOSE_18: tuple[int, ...] = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""Index of the pose joint for each OpenPose joint; -1 is the neck, halfway between the shoulders."""


def _table(name: str, dtype: type = np.int32) -> Array:
    text = files("photoplay").joinpath("data", name).read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    table: Array = np.array(rows, dtype=dtype)
    table.setflags(write=False)
    return table


@cache
def face_triangles() -> Int32[Array, "852 3"]:
    """The 852 triangles of the 468-point mesh, counter-clockwise seen from in front with y up."""
    return _table("face_triangles.csv")


@cache
def skin_triangles() -> Int32[Array, "t 3"]:
    """Those that show skin in most faces: none at the eyes, brows, lips, nostrils or along the oval."""
    not_skin = {
        *RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *LEFT_EYE_UPPER, *LEFT_EYE_LOWER, *RIGHT_BROW, *LEFT_BROW,
        *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER, *LIPS_INNER_UPPER, *LIPS_INNER_LOWER, *FACE_OVAL,
        97, 98, 326, 327, 2, 64, 294, 240, 460,
    }  # fmt: skip
    table = face_triangles()
    skin: Array = table[~np.isin(table, list(not_skin)).any(axis=1)]
    skin.setflags(write=False)
    return skin


@cache
def face_mirror() -> Int32[Array, 478]:
    """The landmark on the other side of the face, for each landmark."""
    return _table("face_mirror.csv")[:, 0]


@cache
def mean_face() -> Float32[Array, "478 3"]:
    """The mean of a few faces at rest: the subject's left, up, towards the camera; 1 is :func:`inter_ocular`."""
    return _table("mean_face.csv", np.float32)


def face_68(landmarks: Landmarks) -> Float32[Array, "68 3"]:
    """The 68-point iBUG view of the 478 landmarks."""
    return landmarks[list(FACE_68)]


def coco_17(joints: Joints) -> Float32[Array, "17 3"]:
    """The COCO-17 view of the 33 pose joints."""
    return joints[list(COCO_17)]


def openpose_18(joints: Joints) -> Float32[Array, "18 3"]:
    """The OpenPose-18 view of the 33 pose joints; the neck is halfway between the shoulders."""
    view = joints[list(OPENPOSE_18)]
    view[1] = (joints[POSE_INDEX["left_shoulder"]] + joints[POSE_INDEX["right_shoulder"]]) / 2
    return view


def inter_ocular(landmarks: Landmarks) -> float:
    """Distance between the two eye centres in pixels (3-D, so that it does not shrink when the head turns)."""
    right = (landmarks[33] + landmarks[133]) / 2
    left = (landmarks[263] + landmarks[362]) / 2
    return float(np.linalg.norm(left - right))


TOGETHER = 0.3
"""Shoulder widths within which two forearms or hands lie on each other: photos of folded hands have up to 0.1."""


def arms_touch(joints: Float32[Array, "33 d"], width: float) -> bool:
    """Whether forearms or hands lie on each other, as folded hands and crossed arms do: neither can move by itself.

    That is nearer than :data:`TOGETHER` times the shoulders' ``width``, in the picture.
    """
    along = np.linspace(0.0, 1.0, 9)[:, None]
    lines = []
    for side in ("left", "right"):
        elbow, wrist, finger = (joints[POSE_INDEX[f"{side}_{name}"], :2] for name in ("elbow", "wrist", "index"))
        lines.append(np.concatenate([elbow + along * (wrist - elbow), wrist + along * (finger - wrist)]))
    apart = np.linalg.norm(lines[0][:, None] - lines[1], axis=-1)
    return bool(apart.min() < TOGETHER * width)
