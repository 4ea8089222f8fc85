"""The 52 ARKit shapes as muscle actions, on landmark indices. Left-side shapes are given; the right ones mirror them.

Amplitudes are in inter-ocular distances at weight 1 on an adult of average build (the mouth's are scaled by this mouth).
Muscle names as in Waters 1987 and in Ekman and Friesen's Facial Action Coding System (1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from photoplay.motion.canonical import LOWER_LIP_ROWS, UPPER_LIP_ROWS
from photoplay.motion.muscles import LinearMuscle, Muscle, Points, SheetMuscle, Sphincter, Weights
from photoplay.topology import LIPS_OUTER_LOWER, LIPS_OUTER_UPPER, face_mirror

Side: TypeAlias = Literal["all", "upper", "lower"]

MOUTH_RING = (*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)
LEFT_UPPER_LIP = (267, 269, 270)
LEFT_LOWER_LIP = (314, 405, 321)
LEFT_BROW = (336, 296, 334, 293, 285, 295, 282, 283)


@dataclass(frozen=True)
class Action:
    """One muscle with the side of the mouth it acts on: an upper lip's muscle does not move the lower lip."""

    muscle: Muscle
    side: Side = "all"


ONE_SIDED: dict[str, tuple[Action, ...]] = {
    # Corrugator and procerus: the brow comes down and in.
    "browDown": (
        Action(SheetMuscle((336, 296, 334, 285, 295, 282), (-0.062, -0.060, 0.040), 0.42, squash=(1.0, 1.0, 0.4))),
    ),
    "browOuterUp": (Action(SheetMuscle((334, 293, 282, 283), (0.028, 0.130, -0.045), 0.40, 0.05, (1.0, 0.9, 0.5))),),
    # Lateral orbicularis oculi: the cheek's cushion rises.
    "cheekSquint": (Action(SheetMuscle((280, 346, 347), (-0.005, 0.100, 0.038), 0.55, 0.05)),),
    "eyeSquint": (Action(SheetMuscle((451, 450, 252, 253), (-0.030, 0.045, 0.006), 0.34)),),
    # Risorius and buccinator: the corner goes back and makes the dimple.
    "mouthDimple": (
        Action(SheetMuscle((291, 287, 273, 375), (0.022, 0.060, -0.105), 0.42)),
        Action(LinearMuscle((454,), (291,), 0.03, 30.0, 0.3)),
    ),
    # Depressor anguli oris.
    "mouthFrown": (Action(SheetMuscle((291, 287, 410), (0.035, -0.095, -0.040), 0.48)),),
    # Depressor labii inferioris.
    "mouthLowerDown": (Action(SheetMuscle((314, 405, 404, 403), (0.014, -0.072, -0.016), 0.34), "lower"),),
    "mouthPress": (
        Action(SheetMuscle((428, 418, 262, 424), (0.0, 0.062, 0.020), 0.55), "lower"),
        Action(SheetMuscle((267, 269), (0.0, -0.020, -0.015), 0.22), "upper"),
    ),
    # Zygomaticus major from the cheekbone's arch, and the cheek it pushes up.
    "mouthSmile": (
        Action(LinearMuscle((454,), (291,), 0.235, 42.0, 0.42, (0.0, 0.08, 0.0))),
        Action(SheetMuscle((425, 280), (0.010, 0.055, 0.030), 0.42)),
    ),
    "mouthStretch": (Action(SheetMuscle((291, 287), (0.105, -0.045, -0.110), 0.46)),),
    # Levator labii superioris.
    "mouthUpperUp": (Action(SheetMuscle((270, 269, 391, 322), (0.030, 0.130, -0.015), 0.50, 0.02), "upper"),),
    # Levator labii superioris alaeque nasi.
    "noseSneer": (Action(SheetMuscle((423, 371, 266, 426), (-0.018, 0.155, 0.018), 0.72)),),
}

TWO_SIDED: dict[str, tuple[Action, ...]] = {
    # Frontalis, inner part.
    "browInnerUp": (Action(SheetMuscle((285, 336, 295, 296), (0.004, 0.085, -0.004), 0.62, squash=(1.0, 0.8, 0.5))),),
    "cheekPuff": (Action(SheetMuscle((291, 287, 432, 436), (0.05, 0.0, 0.20), 0.65, squash=(0.9, 0.9, 0.6))),),
    # Orbicularis oris.
    "mouthPucker": (Action(Sphincter(MOUTH_RING, 0.30, 0.17, 2.1, (1.0, 0.30))),),
    "mouthFunnel": (
        Action(Sphincter(MOUTH_RING, 0.16, 0.11, 2.0, (1.0, 0.0))),
        Action(SheetMuscle((315, 16, 85), (0.0, -0.12, 0.02), 0.36), "lower"),
        Action(SheetMuscle((302, 11, 72), (0.0, 0.07, 0.02), 0.34), "upper"),
    ),
    "mouthRollLower": (Action(SheetMuscle((14, 317, 402), (0.0, 0.035, -0.20), 0.34), "lower"),),
    "mouthRollUpper": (Action(SheetMuscle((13, 312, 311), (0.0, 0.0, -0.18), 0.34), "upper"),),
    # Mentalis.
    "mouthShrugLower": (Action(SheetMuscle((199, 200, 18, 17), (0.0, 0.17, 0.035), 0.62), "lower"),),
    "mouthShrugUpper": (Action(SheetMuscle((12, 11, 0), (0.0, 0.095, 0.02), 0.42), "upper"),),
}

MIDLINE = frozenset({"mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPucker"})
"""Shapes whose actions already cover both halves."""


def field_of(actions: tuple[Action, ...], points: Points, lower: Weights) -> Points:
    """The displacement of every point when all ``actions`` contract fully; ``lower`` is the lower lip's share."""
    total = np.zeros_like(points)
    for action in actions:
        share = {"all": np.ones(478), "upper": 1.0 - lower, "lower": lower}[action.side]
        total += action.muscle.field(points) * share[:, None]
    return total


def mirrored(field: Points) -> Points:
    """The same field on the other half of the face."""
    return field[face_mirror()] * np.array([-1.0, 1.0, 1.0])


def both(field: Points) -> Points:
    """A field of one half and its mirror image, the stronger of the two at every point along the midline."""
    other = mirrored(field)
    size, other_size = (np.linalg.norm(f, axis=1, keepdims=True) for f in (field, other))
    share = size**2 / np.maximum(size**2 + other_size**2, 1e-18)
    blended: Points = share * field + (1.0 - share) * other
    return blended


def sideways(points: Points, lower: Weights) -> Points:
    """mouthLeft: both lips and the skin around them slide to the subject's left along the teeth."""
    rows = tuple(i for row in (*UPPER_LIP_ROWS, *LOWER_LIP_ROWS) for i in row)
    muscle = SheetMuscle(rows, (0.27, 0.0, 0.0), 0.62, 0.02)
    field = muscle.field(points)
    field[:, 2] -= 0.35 * field[:, 0] * points[:, 0]
    return field * (1.0 - 0.1 * lower)[:, None]
