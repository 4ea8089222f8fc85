"""Heads that come level with each other: who looks up, down or away in the photo turns to the other where faces meet.

A template's angles are what a head does that looks into the camera. Lips that meet those of a face turned to the sky meet
its ear, so whatever the photo's own pose takes away is given back, as far as a photo carries it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from photoplay.motion.taming import head_limits
from photoplay.types import Array, HeadPose, Performance

LEVEL_FROM = 8.0
"""Degrees up or down from which somebody counts as looking there: below lies what a measured pose is wrong by."""
PITCH_SHARE, YAW_SHARE = 0.9, 1.0
"""How much of the photo's own pose is given back."""
TURN_MORE = 16.0
"""Degrees by which two who turn to each other go past what a photo of one person carries: what that uncovers is on the far
side of the head, and the other one hides the near side. None for who has to turn round from the far side."""
FROM_FAR = 15.0


def turned_away(pose: HeadPose, towards: float) -> float:
    """Degrees by which somebody looks away from the other in the photo; ``towards`` as in :func:`level`."""
    return max(0.0, -pose.yaw * towards)


def widest_turn(pose: HeadPose, towards: float) -> float:
    """How far a head turns to the side in a duet, in degrees."""
    ahead = min(max(1.0 + pose.yaw * towards / FROM_FAR, 0.0), 1.0)
    return head_limits(pose)[0] + TURN_MORE * ahead


def level(role: Performance, pose: HeadPose, towards: float, touching: Float64[Array, " f"]) -> Performance:
    """The performance of somebody with this ``pose`` at rest, levelled as far as faces are ``touching`` (0 to 1).

    ``towards`` is 1 where the partner is at the image's right, else -1. Who is turned to the other already stays so.
    """
    away = turned_away(pose, towards)
    tilted = np.sign(pose.pitch) * max(0.0, abs(pose.pitch) - LEVEL_FROM)
    if not away and not tilted:
        return role
    head = role.head.astype(np.float64)
    head[:, 0] += touching * YAW_SHARE * away * towards
    head[:, 1] -= touching * PITCH_SHARE * tilted
    return replace(role, head=head.astype(np.float32))


def face_touch(faces: Array, strengths: Float64[Array, "c f"]) -> Float64[Array, " f"]:
    """How far two faces are together: the strongest of those contacts that are between ``faces`` [c]."""
    together: Array = np.max(strengths[faces], axis=0, initial=0.0)
    return together
