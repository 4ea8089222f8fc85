"""Ranges of motion: what a single photo can carry, kept by smooth limits, with a notice when a motion was tamed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float64

from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.motion.skeleton import Skeleton
from photoplay.topology import inter_ocular
from photoplay.types import Array, HeadPose, Landmarks, Notice, Performance

EASE_SECONDS = 0.5
"""How long a performance that does not start at rest takes to leave the photo."""
THREE_QUARTER = 20.0
"""Yaw in degrees from which a face counts as seen from the side."""
PITCH, ROLL, SHIFT = 15.0, 18.0, 0.9
TOTAL_YAW, TOTAL_PITCH = 48.0, 40.0
TORSO = (12.0, 8.0, 10.0, 0.25, 0.15, 0.6)
ARM = (95.0, 130.0, 60.0, 0.16)
RAISED, LEAST_RAISE = (125.0, 190.0), 8.0
"""How far upper arm and forearm rise from hanging, in degrees, and what is left to those that are there already."""
TOLD_FROM = 1.0
"""Degrees (or hundredths) that have to be lost before anybody is told."""


def soft_clip(value: Float64[Array, "*n"], limit: Float[Array, "*m"] | float) -> Float64[Array, "*n"]:
    """Leaves values below 70 % of ``limit`` alone and bends the rest smoothly (C1) towards it, never past it."""
    size = np.abs(value)
    knee = 0.7 * np.maximum(limit, 1e-9)
    room = np.maximum(limit, 1e-9) - knee
    bent = knee + room * np.tanh(np.maximum(size - knee, 0.0) / room)
    clipped: Array = np.where(size > knee, np.sign(value) * bent, value)
    return clipped


def ease_in(performance: Performance) -> Performance:
    """The performance with frame 0 at rest: what it starts with fades in over :data:`EASE_SECONDS`."""
    seconds = np.arange(performance.num_frames) / performance.fps
    t = np.clip(seconds / EASE_SECONDS, 0.0, 1.0)
    start = 1.0 - t * t * (3.0 - 2.0 * t)

    def eased(curve: Array) -> Array:
        offset = start.reshape(-1, *([1] * (curve.ndim - 1))) * curve[:1]
        moved: Array = (curve - offset).astype(np.float32)
        return moved

    return replace(
        performance,
        blendshapes=np.clip(eased(performance.blendshapes), LEAST_WEIGHTS, 1.0).astype(np.float32),
        head=eased(performance.head),
        gaze=eased(performance.gaze),
        torso=eased(performance.torso),
        arms=eased(performance.arms),
        breath=eased(performance.breath),
    )


def head_limits(pose: HeadPose) -> tuple[float, float, float]:
    """Largest yaw, pitch and roll in degrees away from a photo with this head pose."""
    turned = min(max((abs(pose.yaw) - 10.0) / (THREE_QUARTER - 10.0), 0.0), 1.0)
    return 22.0 - 10.0 * turned, PITCH, ROLL


def tame_head(
    head: Float64[Array, "f 6"], pose: HeadPose, subject: int, notices: list[Notice], widest: float | None = None
) -> Float64[Array, "f 6"]:
    """Head angles and shifts within the limits; angles further from the camera than the total limits are held back.

    ``widest`` takes the place of the limit to the side.
    """
    tamed = head.copy()
    yaw, pitch, roll = head_limits(pose)
    yaw = yaw if widest is None else widest
    for column, limit in enumerate((yaw, pitch, roll, SHIFT, SHIFT, 2.0)):
        tamed[:, column] = soft_clip(head[:, column], limit)
    for column, rest, total in ((0, pose.yaw, TOTAL_YAW), (1, pose.pitch, TOTAL_PITCH)):
        away = np.sign(rest) if rest else 1.0
        left = max(total - abs(rest), 3.0)
        outward = tamed[:, column] * away > 0
        tamed[:, column] = np.where(outward, soft_clip(tamed[:, column], left), tamed[:, column])
    if float(np.abs(tamed - head)[:, :3].max(initial=0.0)) > TOLD_FROM:
        notices.append(
            Notice(
                "motion_tamed",
                f"The head turns less than the motion asks for: this photo carries up to {yaw:.0f} degrees to the side, "
                f"{pitch:.0f} up or down and {roll:.0f} of tilt.",
                "A photo taken straight from the front allows larger turns; a lower intensity avoids the limit.",
                subject=subject,
            )
        )
    return tamed


def tame_torso(torso: Float64[Array, "f 6"], subject: int, notices: list[Notice]) -> Float64[Array, "f 6"]:
    """Torso angles and shifts within the limits."""
    tamed = np.stack([soft_clip(torso[:, i], limit) for i, limit in enumerate(TORSO)], axis=1)
    if float(np.abs(tamed - torso)[:, :3].max(initial=0.0)) > TOLD_FROM:
        notices.append(
            Notice(
                "torso_tamed",
                "The torso moves less than the motion asks for, since the photo shows one side of it only.",
                "A lower intensity avoids the limit.",
                subject=subject,
            )
        )
    return tamed


def tame_arms(
    arms: Float64[Array, "f 2 4"], skeleton: Skeleton, subject: int, notices: list[Notice]
) -> Float64[Array, "f 2 4"]:
    """Arm angles within the limits; an arm that the photo does not show lifts its shoulder only.

    Motions are written for arms that hang, so an arm that the photo shows raised goes up only so far as there is room,
    and does not fold in before the chest. Arms that lie on each other stay.
    """
    tamed = np.stack([soft_clip(arms[..., i], limit) for i, limit in enumerate(ARM)], axis=-1)
    for side, name in enumerate(("left", "right")):
        folding = float(np.clip(1.5 - skeleton.raised(side, 0) / 60.0, 0.0, 1.0))
        tamed[:, side, 1] = np.where(tamed[:, side, 1] < 0, folding * tamed[:, side, 1], tamed[:, side, 1])
        bent = np.zeros(len(tamed))
        for level, top in enumerate(RAISED):
            room = np.maximum(top - skeleton.raised(side, level) - bent, LEAST_RAISE)
            turn = tamed[:, side, level]
            tamed[:, side, level] = np.where(turn > 0, soft_clip(turn, room), turn)
            bent = bent + np.maximum(tamed[:, side, level], 0.0)
        asked = float(np.abs(arms[:, side, :3]).max(initial=0.0))
        if not skeleton.arm_is_free(side):
            tamed[:, side, :3] = 0.0
            if asked > TOLD_FROM:
                notices.append(_stays(name, subject, seen=skeleton.arm_is_seen(side)))
        elif float(np.abs(tamed[:, side, :3] - arms[:, side, :3]).max(initial=0.0)) > TOLD_FROM:
            notices.append(
                Notice(
                    "arm_tamed",
                    f"The {name} arm moves less than the motion asks for.",
                    "A lower intensity avoids the limit.",
                    subject=subject,
                )
            )
    return tamed


def _stays(name: str, subject: int, seen: bool) -> Notice:
    """Why an arm does not move: the photo does not show it, or (``seen``) it lies on the other one."""
    still = f"The {name} arm stays still:"
    if seen:
        why = f"{still} in the photo it lies on the other one."
        hint = "Choose a photo in which the arms hang free, or a motion of face and head."
        return Notice("arms_together", why, hint, "warning", subject)
    why = f"{still} the photo does not show it from shoulder to wrist."
    hint = "Choose a photo that shows both arms, or a motion of face and head."
    return Notice("arm_not_visible", why, hint, "warning", subject)


def room_in_picture(landmarks: Landmarks, width: int, height: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """How far (pixels) the head may go to the left and right, up and down without leaving the picture.

    The head is the face with hair around it. A head that is cut already may still move a little.
    """
    unit = inter_ocular(landmarks)
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    least = 0.25 * unit
    left, up = low[0] - 0.35 * unit, low[1] - 0.7 * unit
    right, down = width - high[0] - 0.35 * unit, height - high[1]
    return (max(float(left), least), max(float(right), least)), (max(float(up), least), max(float(down), least))
