"""What a recorded skeleton does, as a performance: torso, arms in the picture plane, and the head on its neck.

The actor is turned to face the camera as they do in the first frame. Joints are found by the names that the usual tools
give them (CMU, Mixamo, Poser); only elbows and the head have to be named, the rest follows from the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.channels import CHANNELS
from photoplay.motion.importers_bvh import Joint, Skeleton
from photoplay.motion.smoothing import fill_gaps, savitzky_golay
from photoplay.types import Array, Performance

FPS = 30.0
FORESHORTENED = 0.3
"""Below this share of its length a limb points at the camera, and its angle in the picture says nothing."""
HANGING = 30.0
"""An arm that starts within this many degrees of hanging down starts at rest."""


@dataclass(frozen=True)
class Person:
    """Joint indices: ``pelvis``, ``chest`` (from which the arms branch off), ``head`` (-1: none), and for (left, right)
    shoulder, elbow, wrist and the hand's tip."""

    pelvis: int
    chest: int
    head: int
    arms: tuple[tuple[int, int, int, int], tuple[int, int, int, int]]


def performance_from_skeleton(skeleton: Skeleton) -> Performance:
    """The upper body's motion relative to the first frame, at 30 frames a second.

    Raises:
        TemplateError: arms cannot be told apart, or the figure has no size.
    """
    person = find_person(skeleton.joints)
    points, axes = _facing_camera(skeleton, person)
    width = float(np.linalg.norm(points[:, person.arms[0][0]] - points[:, person.arms[1][0]], axis=-1).mean())
    torso, heading = _torso(points, person, width)
    arms = np.stack([_arm(points, person, side, heading, width) for side in (0, 1)], axis=1)
    head = np.zeros((len(points), 6))
    if person.head >= 0:
        head[:, :3] = _head(skeleton, person, axes)
    count = max(2, round((len(points) - 1) / skeleton.fps * FPS) + 1)
    at, known = np.arange(count) / FPS, np.arange(len(points)) / skeleton.fps

    def resampled(curves: Array, array: str) -> Array:
        flat = curves.reshape(len(curves), -1)
        even = np.stack([np.interp(at, known, column) for column in flat.T], axis=1)
        smooth = savitzky_golay(even, FPS, 0.2)
        limits = [(c.low, c.high) for c in CHANNELS.values() if c.array == array]
        low, high = np.array(limits).T
        return np.clip(smooth, low, high).reshape(count, *curves.shape[1:]).astype(np.float32)

    return Performance(
        fps=FPS,
        blendshapes=np.zeros((count, 52), np.float32),
        head=resampled(head, "head"),
        gaze=np.zeros((count, 2), np.float32),
        torso=resampled(torso, "torso"),
        arms=resampled(arms, "arms"),
        breath=np.zeros(count, np.float32),
        name="bvh",
    )


def refused(why: str) -> TemplateError:
    """The error for a skeleton that cannot be used."""
    return TemplateError(
        "bvh_skeleton",
        f"This skeleton cannot be used: {why}",
        "Use a human figure with named arms (LeftElbow, lForeArm …).",
    )


def find_person(joints: tuple[Joint, ...]) -> Person:
    """The joints of a human figure, by the names of its elbows and head.

    Raises:
        TemplateError: arms cannot be told apart.
    """
    names = [joint.name.rpartition(":")[2].lower().replace("_", "").replace(" ", "") for joint in joints]
    elbows = [_find_elbow(names, side) for side in ("left", "right")]
    arms = []
    for elbow in elbows:
        wrist = next((index for index, joint in enumerate(joints) if joint.parent == elbow), elbow)
        tip, hand = wrist, wrist
        while hand >= 0:
            hand = next((index for index, joint in enumerate(joints) if joint.parent == hand), -1)
            tip = hand if hand >= 0 else tip
        arms.append((joints[elbow].parent, elbow, wrist, tip))
    if any(index < 0 for index in (arms[0][0], arms[1][0])) or arms[0][0] == arms[1][0]:
        raise refused("its arms do not hang on shoulders.")
    left, right = (_ancestors(joints, arm[0]) for arm in arms)
    chest = next((index for index in left if index in right), 0)
    head = next((index for index, name in enumerate(names) if name == "head"), -1)
    return Person(0, chest, head, (arms[0], arms[1]))


def _find_elbow(names: list[str], side: str) -> int:
    """The elbow's joint: its forearm's, by the names that the usual tools give it."""
    for part in ("elbow", "forearm", "lowerarm"):
        wanted = {f"{side}{part}", f"{part}{side}", f"{side[0]}{part}", f"{part}{side[0]}", f"{part}.{side[0]}"}
        for index, name in enumerate(names):
            if name in wanted:
                return index
    raise refused(f"its {side} elbow is not named.")


def _ancestors(joints: tuple[Joint, ...], index: int) -> list[int]:
    line = []
    while index >= 0:
        line.append(index)
        index = joints[index].parent
    return line[1:]


def _facing_camera(skeleton: Skeleton, person: Person) -> tuple[Float64[Array, "f j 3"], Float64[Array, "3 3"]]:
    """Points in photo-space axes (x to the subject's left, y down, z away) of the first frame, and those axes."""
    first = skeleton.positions[0]
    shoulders = first[person.arms[0][0]] - first[person.arms[1][0]]
    spine = (first[person.arms[0][0]] + first[person.arms[1][0]]) / 2 - first[person.pelvis]
    if min(np.linalg.norm(shoulders), np.linalg.norm(spine)) < 1e-6:
        raise refused("it has no size.")
    up = np.zeros(3)
    axis = int(np.argmax(np.abs(spine)))
    up[axis] = np.sign(spine[axis])
    across = shoulders - up * (shoulders @ up)
    length = float(np.linalg.norm(across))
    if length < 1e-6:
        raise refused("its shoulders are one above the other in the first frame.")
    across = across / length
    axes = np.stack([across, -up, np.cross(across, -up)])
    return skeleton.positions @ axes.T, axes


def _torso(
    points: Float64[Array, "f j 3"], person: Person, width: float
) -> tuple[Float64[Array, "f 6"], Float64[Array, " f"]]:
    """Turn (degrees) and shift (shoulder widths) relative to the first frame, and the heading (radians)."""
    left, right = points[:, person.arms[0][0]], points[:, person.arms[1][0]]
    line, middle = left - right, (left + right) / 2
    spine = middle - points[:, person.pelvis]
    heading = np.unwrap(np.arctan2(line[:, 2], line[:, 0]))
    level = np.hypot(line[:, 0], line[:, 2])
    roll = np.degrees(np.arctan2(line[:, 1], np.maximum(level, 1e-9)))
    # Along the actor's own line of sight, leaning towards the camera is pitch down.
    away = spine[:, 2] * np.cos(heading) - spine[:, 0] * np.sin(heading)
    pitch = np.degrees(np.arctan2(away, np.maximum(-spine[:, 1], 1e-9)))
    torso = np.zeros((len(points), 6))
    torso[:, 0] = np.degrees(heading)
    torso[:, 1], torso[:, 2] = pitch, roll
    torso[:, 3:] = points[:, person.pelvis] / width
    return torso - torso[0], heading


def _arm(
    points: Float64[Array, "f j 3"], person: Person, side: int, heading: Float64[Array, " f"], width: float
) -> Float64[Array, "f 4"]:
    """Upper arm, forearm and hand angles in the torso's own plane, and the shoulder's lift over the first frame."""
    outward = 1.0 if side == 0 else -1.0
    shoulder, elbow, wrist, tip = person.arms[side]
    chain = [points[:, a] - points[:, b] for a, b in ((elbow, shoulder), (wrist, elbow), (tip, wrist))]
    angles = [_hanging_angle(limb, heading, outward) for limb in chain]
    bends = np.stack([angles[0], angles[1] - angles[0], angles[2] - angles[1]], axis=1)
    bends = (bends + 180) % 360 - 180
    bends[:, 1:] = np.degrees(np.unwrap(np.radians(bends[:, 1:]), axis=0))
    start = bends[0]
    bends -= start if abs(start[0]) <= HANGING else np.array([0.0, 0.0, start[2]])
    lift = -(points[:, shoulder, 1] - points[:, person.chest, 1]) / width
    return np.concatenate([bends, (lift - lift[0])[:, None]], axis=1)


def _hanging_angle(limb: Float64[Array, "f 3"], heading: Float64[Array, " f"], outward: float) -> Float64[Array, " f"]:
    """Degrees from hanging straight down, outwards positive, in the plane of the torso; -90 .. 270."""
    sideways = outward * (limb[:, 0] * np.cos(heading) + limb[:, 2] * np.sin(heading))
    length = np.linalg.norm(limb, axis=1)
    if length.max() < 1e-9:
        return np.zeros(len(limb))
    angle = np.degrees(np.arctan2(sideways, limb[:, 1]))
    angle = np.where(angle < -90, angle + 360, angle)
    seen = np.hypot(sideways, limb[:, 1]) >= FORESHORTENED * length
    if not seen.any():
        return np.zeros(len(limb))
    held: Array = fill_gaps(np.where(seen, angle, np.nan)[:, None])[:, 0]
    return held


def _head(skeleton: Skeleton, person: Person, axes: Float64[Array, "3 3"]) -> Float64[Array, "f 3"]:
    """Yaw, pitch and roll of the head on the chest relative to the first frame, in degrees."""
    chest, head = skeleton.turns[:, person.chest], skeleton.turns[:, person.head]
    on_chest = chest.transpose(0, 2, 1) @ head
    # Both rest orientations drop out: how the head turned in the world if the chest had stood still.
    turn = chest[0] @ on_chest @ on_chest[0].T @ chest[0].T
    seen = axes @ turn @ axes.T
    yaw = np.arcsin(np.clip(seen[:, 2, 0], -1, 1))
    pitch = -np.arctan2(seen[:, 2, 1], seen[:, 2, 2])
    roll = np.arctan2(seen[:, 1, 0], seen[:, 0, 0])
    angles: Array = np.degrees(np.stack([yaw, pitch, roll], axis=1))
    return angles
