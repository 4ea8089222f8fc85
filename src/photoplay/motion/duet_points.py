"""The points of a body that can touch, and what carries each of them.

A point of the face is a weighted mean of landmarks, one of the torso a weighted mean of shoulders and hips, one of an arm
lies on its joints. Near is the partner's side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_template import FACE_POINTS, Point
from photoplay.motion.skeleton import ARMS, HIPS, SHOULDERS
from photoplay.topology import face_mirror
from photoplay.types import Array

PALM = 0.9
"""Where a hand touches: from the wrist (0) to the knuckles (1)."""

_FACE: dict[Point, dict[int, float]] = {
    "lips": {0: 0.15, 17: 0.15, 270: 0.25, 405: 0.25, 291: 0.20},
    "forehead": {10: 0.4, 151: 0.6},
    "nose": {1: 0.3, 4: 0.3, 358: 0.4},
    "chin": {152: 0.6, 199: 0.4},
    "crown": {10: 2.6, 9: -1.6},
    "cheek_near": {376: 0.5, 411: 0.3, 401: 0.2},
    "ear_near": {454: 1.06, 234: -0.06},
    "temple_near": {301: 0.4, 298: 0.2, 368: 0.4},
}
"""Landmarks and their weights for a partner at the subject's left. Of lips and nose it is the half that comes first:
a photo shows them from in front, and were it their middle, each face would cover half of the other."""
_TORSO: dict[Point, tuple[float, float]] = {
    "shoulder_near": (1.08, 0.0), "shoulder_far": (-0.02, 0.0), "chest": (0.5, 0.28), "back_near": (0.72, 0.25),
    "back_far": (0.28, 0.25), "waist_near": (1.0, 0.8), "waist_far": (0.0, 0.8),
}  # fmt: skip
"""From the far (0) to the near (1) side, and from the shoulders (0) to the hips (1)."""


@dataclass(frozen=True)
class Spot:
    """One point of one person: on the ``face``, the torso, or the hand of the left (0) or right (1) ``arm``.

    ``weights`` are for the 478 landmarks or for the 33 joints; they sum to 1. ``upper`` is the share of the upper body's
    motion against the hips that the point follows.
    """

    weights: Float64[Array, " n"]
    face: bool
    arm: int | None
    upper: float

    @classmethod
    def of(cls, point: Point, left_is_near: bool) -> Spot:
        """The spot for a person whose partner is at their left (as seen in the image: at its right), or at their right."""
        if point in FACE_POINTS:
            return cls(_on_face(point, left_is_near), True, None, 1.0)
        name, _, side = point.partition("_")
        if name in ("hand", "wrist"):
            arm = 0 if (side == "near") == left_is_near else 1
            return cls(_on_arm(name, arm), False, arm, 1.0)
        return cls(_on_torso(point, left_is_near), False, None, 1.0 - _TORSO[point][1])

    def places(self, landmarks: Float64[Array, "f 478 3"], joints: Float64[Array, "f 33 3"]) -> Float64[Array, "f 2"]:
        """Where the point is in the picture."""
        at: Array = np.einsum("n,fnd->fd", self.weights, (landmarks if self.face else joints)[..., :2])
        return at


def _on_face(point: Point, left_is_near: bool) -> Float64[Array, 478]:
    near = point.replace("_far", "_near")
    mirror = face_mirror()
    same_side = left_is_near == (not point.endswith("_far"))
    weights = np.zeros(478)
    for name, table in _FACE.items():
        if name == near:
            for landmark, weight in table.items():
                weights[landmark if same_side else mirror[landmark]] += weight
    return weights


def _on_torso(point: Point, left_is_near: bool) -> Float64[Array, 33]:
    across, down = _TORSO[point]
    weights = np.zeros(33)
    for joints, share in ((SHOULDERS, 1.0 - down), (HIPS, down)):
        near, far = joints if left_is_near else joints[::-1]
        weights[near] += across * share
        weights[far] += (1.0 - across) * share
    return weights


def _on_arm(name: str, arm: int) -> Float64[Array, 33]:
    _, _, (wrist,), hand = ARMS[arm]
    weights = np.zeros(33)
    weights[wrist] = 1.0
    if name == "hand":
        weights[wrist] -= PALM
        weights[list(hand[:2])] += PALM / 2
    return weights
