"""Arms of a duet: two bones in the image plane that bring a hand where the solver wants it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_points import Spot
from photoplay.motion.skeleton import ARMS
from photoplay.types import Array

JOINED = 0.4
"""Strength of a contact from which the hand is where the solver has it."""


def reach(body: Body, spot: Spot, target: Float64[Array, "f 2"], strength: Float64[Array, " f"]) -> Body:
    """The person with an arm turned so that ``spot`` (a hand's) is at ``target`` as soon as ``strength`` passes JOINED.

    Below that the arm is between its own pose and the one that reaches: shoulder and elbow turn by a share of the angles.
    The elbow bends to the side on which it hangs lower when the hand arrives, all through the film.
    """
    assert spot.arm is not None
    share = np.clip(strength / JOINED, 0.0, 1.0)
    share = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    (shoulder,), (elbow,), (wrist,), hand = ARMS[spot.arm]
    start, bend, end = body.joints[:, shoulder, :2], body.joints[:, elbow, :2], body.at(spot)
    upper, fore = bend - start, end - bend
    goal = target - start
    wanted_upper, wanted_fore = _two_bones(upper, fore, goal, strength)
    turn_upper = share * _turned(upper, wanted_upper, strength)
    turn_fore = share * _turned(fore, wanted_fore, strength)
    longer = [
        1.0 + share * (np.linalg.norm(to, axis=1) / np.maximum(np.linalg.norm(of, axis=1), 1e-6) - 1.0)
        for of, to in ((upper, wanted_upper), (fore, wanted_fore))
    ]
    joints = body.joints.copy()
    new_bend = start + _rotated(upper, turn_upper) * longer[0][:, None]
    joints[:, elbow, :2] = new_bend
    for joint in (wrist, *hand):
        joints[:, joint, :2] = new_bend + _rotated(body.joints[:, joint, :2] - bend, turn_fore) * longer[1][:, None]
    return replace(body, joints=joints)


def _two_bones(
    upper: Float64[Array, "f 2"],
    fore: Float64[Array, "f 2"],
    goal: Float64[Array, "f 2"],
    strength: Float64[Array, " f"],
) -> tuple[Float64[Array, "f 2"], Float64[Array, "f 2"]]:
    """Both bones so that they end at ``goal``, by the law of cosines; they lengthen or shorten where it is out of reach."""
    a, b = np.linalg.norm(upper, axis=1), np.linalg.norm(fore, axis=1)
    far = np.maximum(np.linalg.norm(goal, axis=1), 1e-6)
    longer = np.maximum(far / (0.999 * (a + b)), 1.0)
    a = a * longer
    b = np.maximum(b * longer, 1.001 * np.abs(a - far))
    a = np.minimum(a, 0.999 * (far + b))
    along = (a**2 - b**2 + far**2) / (2 * far)
    aside = np.sqrt(np.maximum(a**2 - along**2, 0.0))
    ahead = goal / far[:, None]
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    lower = float(np.sum(strength * normal[:, 1] * aside))
    elbow = along[:, None] * ahead + (1.0 if lower >= 0 else -1.0) * aside[:, None] * normal
    return elbow, goal - elbow


def _turned(
    of: Float64[Array, "f 2"], to: Float64[Array, "f 2"], strength: Float64[Array, " f"]
) -> Float64[Array, " f"]:
    """The angle from one direction to the other, without jumps, the short way round where the contact is strongest."""
    cross = of[:, 0] * to[:, 1] - of[:, 1] * to[:, 0]
    angle = np.unwrap(np.arctan2(cross, (of * to).sum(axis=1)))
    strongest = int(np.argmax(strength))
    turned: Array = angle - 2 * np.pi * np.rint(angle[strongest] / (2 * np.pi))
    return turned


def _rotated(v: Float64[Array, "f 2"], angle: Float64[Array, " f"]) -> Float64[Array, "f 2"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * v[:, 0] - sin * v[:, 1], sin * v[:, 0] + cos * v[:, 1]], axis=1)
