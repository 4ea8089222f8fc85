"""Arms of a duet: two bones in the image plane that bring a hand where the solver wants it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_points import Spot
from photoplay.motion.skeleton import ARMS
from photoplay.types import Array

NEAR, SHORTEST = 0.55, 0.6
"""An arm whose hand comes nearer to the shoulder than this share of its length points towards the camera rather than folding
up: its bones look shorter, down to this share."""
HELD_TO, NEAREST = 0.7, 0.35
"""Strength of a contact up to which the arm's turn is that of the nearest contact, and the seconds that count as near."""
HANGING = 0.4
"""How many radians an arm rather turns further than have its elbow above the line from shoulder to hand."""


def reach(body: Body, spot: Spot, target: Float64[Array, "f 2"], strength: Float64[Array, " f"]) -> Body:
    """The person with an arm turned so that ``spot`` (a hand's) is at ``target`` where ``strength`` is 1.

    Where it is less, the arm is between its own pose and the one that reaches: shoulder and elbow turn by that share of the
    angles, so that the hand comes on an arc. The elbow bends to one side all through the film: to that on which the arm has
    least to turn while the hand is there, and rather downwards.
    """
    assert spot.arm is not None
    (shoulder,), (elbow,), (wrist,), hand = ARMS[spot.arm]
    start, bend = body.joints[:, shoulder, :2], body.joints[:, elbow, :2]
    bones = bend - start, body.at(spot) - bend
    ways = [_way(bones, target - start, side, strength, body.track.fps) for side in (-1.0, 1.0)]
    turns, longer = min(ways, key=lambda way: way[0])[1:]
    joints = body.joints.copy()
    new_bend = start + _rotated(bones[0], strength * turns[0]) * (1.0 + strength * (longer[0] - 1.0))[:, None]
    joints[:, elbow, :2] = new_bend
    for joint in (wrist, *hand):
        beyond = _rotated(body.joints[:, joint, :2] - bend, strength * turns[1])
        joints[:, joint, :2] = new_bend + beyond * (1.0 + strength * (longer[1] - 1.0))[:, None]
    return replace(body, joints=joints)


def _way(
    bones: tuple[Float64[Array, "f 2"], Float64[Array, "f 2"]],
    goal: Float64[Array, "f 2"],
    side: float,
    strength: Float64[Array, " f"],
    fps: float,
) -> tuple[float, list[Float64[Array, " f"]], list[Float64[Array, " f"]]]:
    """What it costs to reach ``goal`` with the elbow on one ``side``, how far both bones turn and how much longer they get.

    By the law of cosines. Bones shorten where the goal is near, and lengthen where it is out of reach.
    """
    a, b = (np.linalg.norm(bone, axis=1) for bone in bones)
    far = np.maximum(np.linalg.norm(goal, axis=1), 1e-6)
    near = np.clip(far / (NEAR * (a + b)), 0.0, 1.0)
    stretch = np.maximum(far / (0.999 * (a + b)), SHORTEST + (1.0 - SHORTEST) * near * near * (3.0 - 2.0 * near))
    upper = a * stretch
    fore = np.maximum(b * stretch, 1.001 * np.abs(upper - far))
    upper = np.minimum(upper, 0.999 * (far + fore))
    along = (upper**2 - fore**2 + far**2) / (2 * far)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    ahead = goal / far[:, None]
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    elbow = along[:, None] * ahead + side * aside[:, None] * normal
    turns = [_turned(of, to, strength, fps) for of, to in zip(bones, (elbow, goal - elbow), strict=True)]
    above = np.where(side * normal[:, 1] < 0, HANGING, 0.0)
    cost = np.sum(strength**4 * (np.abs(turns[0]) + np.abs(turns[1]) + above))
    return float(cost), turns, [upper / np.maximum(a, 1e-6), fore / np.maximum(b, 1e-6)]


def _turned(
    of: Float64[Array, "f 2"], to: Float64[Array, "f 2"], strength: Float64[Array, " f"], fps: float
) -> Float64[Array, " f"]:
    """The angle from one direction to the other, the short way round for when the hand is in contact.

    While it is not (nearly), the turn of the nearest contact stands: where a hand would be if it were in contact may pass
    its own shoulder, and an arm does not spin for that.
    """
    angle = np.arctan2(of[:, 0] * to[:, 1] - of[:, 1] * to[:, 0], (of * to).sum(axis=1))
    weight = strength**8 + 1e-9
    mean = float(np.angle(np.sum(weight * np.exp(1j * angle))))
    angle = mean + np.angle(np.exp(1j * (angle - mean)))
    held = _around(weight * angle, fps) / _around(weight, fps)
    t = np.clip((strength - HELD_TO) / (1.0 - HELD_TO), 0.0, 1.0)
    turned: Array = held + t**3 * (10.0 - 15.0 * t + 6.0 * t**2) * (angle - held)
    return turned


def _around(curve: Float64[Array, " f"], fps: float) -> Float64[Array, " f"]:
    """What the curve holds around each frame, and a little of all the rest."""
    reach = max(1, round(3 * NEAREST * fps))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (NEAREST * fps)) ** 2)
    summed: Array = np.convolve(curve, kernel)[reach : reach + len(curve)] + 1e-6 * curve.sum()
    return summed


def _rotated(v: Float64[Array, "f 2"], angle: Float64[Array, " f"]) -> Float64[Array, "f 2"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * v[:, 0] - sin * v[:, 1], sin * v[:, 0] + cos * v[:, 1]], axis=1)
