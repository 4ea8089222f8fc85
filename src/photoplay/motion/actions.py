"""The 52 ARKit shapes as muscle actions, on landmark indices. Left-side shapes are given; the right ones mirror them.

Amplitudes are in inter-ocular distances at weight 1 on an adult of average build (the mouth's are scaled by this mouth).
Muscle names as in Waters 1987 and in Ekman and Friesen's Facial Action Coding System (1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from photoplay.motion.muscles import LinearMuscle, Muscle, Points, SheetMuscle, Sphincter, Weights
from photoplay.topology import LIPS_OUTER_LOWER, LIPS_OUTER_UPPER, face_mirror

Side: TypeAlias = Literal["all", "upper", "lower"]

MOUTH_RING = (*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)
LEFT_CORNER = (291, 306, 292, 308, 287)
LEFT_JAW = (394, 364, 395)
CHEEK = (411, 280, 425)
FLAT = (1.0, 1.0, 0.5)
"""Depth counts half where the skin lies around the brow's edge."""


@dataclass(frozen=True)
class Action:
    """One muscle with the side of the mouth it acts on: an upper lip's muscle does not move the lower lip."""

    muscle: Muscle
    side: Side = "all"


ONE_SIDED: dict[str, tuple[Action, ...]] = {
    # Corrugator and procerus inside, the orbicularis' upper part outside: the brow comes down and in.
    "browDown": (
        Action(SheetMuscle((336, 296, 285, 295), (-0.030, -0.040, 0.015), 0.34, squash=FLAT)),
        Action(SheetMuscle((334, 282, 293), (-0.052, -0.036, 0.045), 0.34, squash=FLAT)),
    ),
    # Frontalis, outer part.
    "browOuterUp": (Action(SheetMuscle((334, 293, 282, 283), (0.029, 0.125, -0.032), 0.50, 0.05, FLAT)),),
    # Orbicularis oculi, orbital part: the cheek's cushion rises, the brow's tail comes down a little.
    "cheekSquint": (
        Action(SheetMuscle((280, 346, 347, 352, 411), (-0.006, 0.082, 0.040), 0.50, 0.05)),
        Action(SheetMuscle((425, 427), (0.016, 0.016, 0.010), 0.45)),
        Action(SheetMuscle((444, 445, 283, 282), (-0.003, -0.024, -0.004), 0.24)),
    ),
    # Orbicularis oculi, palpebral part, beside what the lids themselves do.
    "eyeSquint": (
        Action(SheetMuscle((451, 450, 252, 253), (-0.028, 0.032, 0.004), 0.34)),
        Action(SheetMuscle((280, 330, 347), (-0.014, 0.022, 0.008), 0.35)),
        Action(SheetMuscle((257, 259, 260), (0.0, -0.010, 0.004), 0.16)),
    ),
    # Buccinator: the corner goes back into the cheek, which bulges around the dimple.
    "mouthDimple": (
        Action(SheetMuscle(LEFT_CORNER, (0.030, 0.004, -0.105), 0.36)),
        Action(SheetMuscle((422, 424, 335, 406), (0.008, 0.060, -0.006), 0.40), "lower"),
        Action(SheetMuscle((425, 427, 436), (0.018, 0.022, 0.065), 0.45)),
    ),
    # Depressor anguli oris.
    "mouthFrown": (
        Action(SheetMuscle(LEFT_CORNER, (0.028, -0.065, -0.032), 0.42)),
        Action(SheetMuscle((422, 424, 418), (0.004, -0.004, 0.038), 0.40), "lower"),
        Action(SheetMuscle((425, 411, 427), (-0.002, -0.032, 0.0), 0.50)),
    ),
    # Depressor labii inferioris.
    "mouthLowerDown": (
        Action(SheetMuscle((314, 405, 404, 403), (0.0, -0.064, -0.010), 0.40), "lower"),
        Action(SheetMuscle((418, 424), (0.026, -0.024, -0.020), 0.40), "lower"),
    ),
    "mouthPress": (
        Action(SheetMuscle((428, 418, 262, 424), (0.0, 0.050, 0.026), 0.60), "lower"),
        Action(SheetMuscle((269, 270, 267), (-0.004, -0.014, -0.006), 0.26), "upper"),
        Action(SheetMuscle((314, 405), (0.0, 0.010, -0.004), 0.25), "lower"),
        Action(SheetMuscle((423, 327, 391), (0.004, 0.003, 0.020), 0.22), "upper"),
    ),
    # Zygomaticus major from the cheekbone's arch; the cheek gathers in front of it.
    "mouthSmile": (
        Action(LinearMuscle((454,), (291,), 0.075, 40.0, 0.4, (0.0, 0.08, 0.0))),
        Action(SheetMuscle(LEFT_CORNER, (0.066, 0.112, -0.098), 0.42)),
        Action(SheetMuscle(CHEEK, (0.048, 0.066, 0.044), 0.50)),
        Action(SheetMuscle((416, 433), (0.045, 0.050, -0.008), 0.34)),
    ),
    # Risorius and platysma.
    "mouthStretch": (
        Action(SheetMuscle(LEFT_CORNER, (0.074, -0.050, -0.095), 0.45)),
        Action(SheetMuscle((422, 432), (0.044, 0.030, 0.006), 0.50)),
    ),
    # Levator labii superioris.
    "mouthUpperUp": (
        Action(SheetMuscle((270, 269, 391, 322), (0.011, 0.090, -0.022), 0.45, 0.02), "upper"),
        Action(SheetMuscle((423, 425, 266), (0.024, 0.050, 0.025), 0.50)),
    ),
    # Levator labii superioris alaeque nasi; the brow's head comes down to the wrinkled nose.
    "noseSneer": (
        Action(SheetMuscle((423, 371, 266, 426), (-0.015, 0.105, 0.030), 0.60)),
        Action(SheetMuscle((270, 269, 391), (0.014, 0.050, -0.016), 0.40), "upper"),
        Action(SheetMuscle((295, 285, 336), (-0.012, -0.052, 0.003), 0.35)),
    ),
}

TWO_SIDED: dict[str, tuple[Action, ...]] = {
    # Frontalis, inner part.
    "browInnerUp": (
        Action(SheetMuscle((285, 336, 295, 296), (0.003, 0.056, 0.002), 0.55, squash=FLAT)),
        Action(SheetMuscle((9, 8, 107, 336), (0.0, 0.040, -0.002), 0.40, squash=FLAT)),
    ),
    "cheekPuff": (
        Action(SheetMuscle((291, 287, 432, 436), (-0.040, 0.010, 0.190), 0.60)),
        Action(SheetMuscle((425, 427, 411, 434), (0.062, 0.046, 0.025), 0.60)),
        Action(SheetMuscle((0, 17), (0.0, 0.014, 0.080), 0.40)),
        Action(SheetMuscle((199, 175), (0.0, 0.035, 0.0), 0.35)),
        Action(SheetMuscle((4, 5, 330, 347), (-0.004, 0.029, -0.015), 0.35)),
    ),
    # Orbicularis oris; the cheeks and the jaw's skin follow it.
    "mouthPucker": (
        Action(Sphincter(MOUTH_RING, 0.32, 0.165, 2.0, (1.0, -0.20))),
        Action(SheetMuscle(LEFT_JAW, (-0.043, 0.052, 0.070), 0.40)),
        Action(SheetMuscle((416, 427, 434), (-0.042, 0.018, 0.036), 0.34)),
        Action(SheetMuscle((1, 4, 2), (0.0, -0.016, -0.040), 0.24)),
        Action(SheetMuscle((18, 200, 199), (0.0, 0.024, -0.016), 0.40), "lower"),
    ),
    "mouthFunnel": (
        Action(Sphincter(MOUTH_RING, 0.14, 0.150, 1.9, (1.0, 0.5))),
        Action(SheetMuscle((315, 16, 85), (0.0, -0.128, -0.030), 0.32), "lower"),
        Action(SheetMuscle((302, 11, 72), (0.0, 0.104, -0.040), 0.30), "upper"),
        Action(SheetMuscle((200, 199, 152), (0.0, -0.062, -0.040), 0.50), "lower"),
        Action(SheetMuscle((394, 364, 427, 416), (-0.040, 0.030, 0.052), 0.35)),
        Action(SheetMuscle((1, 4, 2), (0.0, -0.012, -0.034), 0.24)),
    ),
    # The lip's red turns inwards over the teeth and the skin below follows.
    "mouthRollLower": (
        Action(SheetMuscle((14, 317, 87, 402, 178), (0.0, 0.004, -0.190), 0.20), "lower"),
        Action(SheetMuscle((18, 313, 83), (0.0, 0.105, 0.055), 0.34), "lower"),
        Action(SheetMuscle((17, 314, 84), (0.0, 0.080, -0.055), 0.20), "lower"),
    ),
    "mouthRollUpper": (
        Action(SheetMuscle((13, 312, 82, 311, 81), (0.0, 0.034, -0.160), 0.20), "upper"),
        Action(SheetMuscle((164, 0, 267, 37), (0.0, -0.088, -0.055), 0.30), "upper"),
        Action(SheetMuscle((436, 410), (0.022, -0.026, -0.018), 0.26), "upper"),
    ),
    # Mentalis.
    "mouthShrugLower": (
        Action(SheetMuscle((199, 200, 18), (0.0, 0.165, 0.045), 0.50), "lower"),
        Action(SheetMuscle((17, 14), (0.0, 0.010, 0.015), 0.40), "lower"),
        Action(SheetMuscle((400, 378), (-0.008, 0.032, 0.036), 0.30)),
    ),
    "mouthShrugUpper": (Action(SheetMuscle((12, 11, 0), (0.0, 0.094, 0.010), 0.42), "upper"),),
}

SIDEWAYS: tuple[Action, ...] = (
    Action(SheetMuscle(MOUTH_RING, (0.205, 0.020, -0.060), 0.50)),
    Action(SheetMuscle((61, 57), (0.070, -0.030, 0.165), 0.50)),
    Action(SheetMuscle((291, 287), (-0.070, 0.034, -0.024), 0.50)),
    Action(SheetMuscle((50, 205, 206), (0.028, 0.003, 0.105), 0.50)),
    Action(SheetMuscle((280, 425, 426), (-0.004, 0.068, 0.030), 0.50)),
)
"""mouthLeft: both lips slide along the teeth, one cheek is stretched and the other gathers."""


def field_of(actions: tuple[Action, ...], points: Points, lower: Weights, twin: bool = False) -> Points:
    """The displacement of every point when all ``actions`` contract fully; ``lower`` is the lower lip's share.

    With ``twin`` each muscle contracts together with its mirror image.
    """
    total = np.zeros_like(points)
    for action in actions:
        share = {"all": np.ones(478), "upper": 1.0 - lower, "lower": lower}[action.side]
        field = action.muscle.field(points) * share[:, None]
        total += both(field) if twin else field
    return total


def mirrored(field: Points) -> Points:
    """The same field on the other half of the face."""
    other: Points = field[face_mirror()] * np.array([-1.0, 1.0, 1.0])
    return other


def both(field: Points) -> Points:
    """A field of one half and its mirror image, the stronger of the two at every point along the midline."""
    other = mirrored(field)
    size, other_size = (np.linalg.norm(f, axis=1, keepdims=True) for f in (field, other))
    share = size**2 / np.maximum(size**2 + other_size**2, 1e-18)
    blended: Points = share * field + (1.0 - share) * other
    return blended
