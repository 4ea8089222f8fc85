"""Where the eyes of two people look: at each other's eyes or mouth, at the place of contact, or at the camera."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_curves import DuetPerformance
from photoplay.motion.duet_template import Target
from photoplay.motion.taming import soft_clip
from photoplay.types import Array, Performance

EYES = (33, 133, 263, 362)
MOUTH = (13, 14)
BETWEEN = 0.75
"""How far before each other people are taken to stand who look at each other, in shoulder widths: a picture has no depth,
and who turned to the other entirely would look out of it sideways."""
MOST = (25.0, 16.0)
"""Degrees that eyes turn from where the photo has them, to the side and up or down."""
LEAST_INTENSITY = 0.05
LIVELY = 0.5
"""The share of their small saccades that eyes keep while they look at something."""


def aimed(
    played: DuetPerformance,
    which: int,
    bodies: tuple[Body, Body],
    contact: Float64[Array, "f 2"],
    alive: Performance,
    intensity: float,
) -> Float32[Array, "f 2"]:
    """The gaze (yaw, pitch in degrees from the photo's own) of the first (0) or second (1) person.

    ``contact`` is where they meet in photo space, ``alive`` the performance with its natural priors. Eyes that look at
    something do so at any ``intensity``, so what is returned is divided by it.
    """
    still = played.roles[which]
    own = still.gaze.astype(np.float64) * intensity
    steadied = (still.head - alive.head)[:, :2].astype(np.float64) * intensity
    saccades = (alive.gaze - still.gaze).astype(np.float64) * intensity - steadied
    lines = [
        (weight, _angles(sight.at, bodies[which], bodies[1 - which], contact))
        for sight, weight in played.sights
        if sight.who in ("both", ("first", "second")[which])
    ]
    total = sum((weight for weight, _ in lines), np.zeros(len(own)))
    over = np.maximum(total, 1.0)
    gaze = own * (1.0 - total / over)[:, None]
    for weight, angles in lines:
        gaze += (weight / over)[:, None] * angles
    looking = np.minimum(total, 1.0)[:, None]
    # An aim takes the head's sway into account by itself; without one the priors' own correction stands.
    gaze += saccades * (1.0 - (1.0 - LIVELY) * looking) + steadied * (1.0 - looking)
    eyes: Array = (gaze / max(intensity, LEAST_INTENSITY)).astype(np.float32)
    return eyes


def _angles(at: Target, body: Body, partner: Body, contact: Float64[Array, "f 2"]) -> Float64[Array, "f 2"]:
    """Yaw and pitch that the eyes turn by, from the photo's gaze into the camera."""
    turned = (body.track.head_pose - body.track.head_pose[:1]).astype(np.float64)
    head = turned[:, :2]
    if at == "camera":
        wanted = np.zeros_like(head)
    else:
        places = {"partner_eyes": EYES, "partner_mouth": MOUTH}
        goal = contact if at == "contact" else partner.landmarks[:, list(places[at]), :2].mean(axis=1)
        line = goal - body.landmarks[:, list(EYES), :2].mean(axis=1)
        depth = BETWEEN * (body.width + partner.width) / 2
        yaw = np.degrees(np.arctan2(line[:, 0], depth))
        pitch = np.degrees(np.arctan2(-line[:, 1], np.hypot(line[:, 0], depth)))
        wanted = np.stack([yaw, pitch], axis=1)
    return np.stack([soft_clip(wanted[:, k] - head[:, k], most) for k, most in enumerate(MOST)], axis=1)
