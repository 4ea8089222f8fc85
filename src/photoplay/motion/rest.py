"""The expression that the photo already holds, and the way back from its smile to a neutral mouth.

Weights add to the photo. Who smiles in it can only frown, kiss or gasp once the smile is gone, so shapes that oppose a
smile take it back, and a negative smile does nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.actions import LEFT_CORNER, mirrored
from photoplay.motion.canonical import NEUTRAL_MOUTH_WIDTH, CanonicalFace
from photoplay.motion.muscles import Points, SheetMuscle, cosine_falloff
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Face

NEUTRAL_CORNER = -0.02
"""Height of a resting mouth's corners over the middle of its lips, in inter-ocular distances."""
MIDDLE_RISES = 0.15
"""How far the lips' middle rises when they close, in lip gaps. It is 0.3, but a smile's creases stay in the photo's skin
and lift the corners' look, so these go a little lower."""
SMILE_WIDENS = 0.26
"""How much a full smile widens the mouth, in inter-ocular distances."""
CORNER_ROOM = 0.09
"""How far a corner may go beyond what undoing the smile's own muscles does, to reach its neutral place."""
OPPOSING: dict[str, float] = {
    "mouthFrown": 1.6, "mouthPucker": 1.3, "mouthFunnel": 1.3, "mouthShrugLower": 0.8, "mouthClose": 0.6,
    "mouthPress": 0.8, "mouthRollLower": 0.4, "mouthRollUpper": 0.4, "mouthStretch": 0.6, "noseSneer": 0.7,
    "cheekPuff": 1.2, "jawOpen": 0.9, "browDown": 0.4,
}  # fmt: skip
"""How strongly each shape takes a smile back; the two sides of a mouth count on their own."""
FIRMNESS, SLACK = 2.2, 0.12
"""How soon opposing weights take all of the smile, and what they may reach before they take any of it (about)."""
HELD_BY_SMILE = 1.6
"""A smile that is asked for keeps the photo's own, against any opposing shape, from a weight of 1 / 1.6 on."""
OPEN_FROM, OPEN_FULLY = 0.35, 0.60
"""Smiles (mouthSmile) from which on open lips are a part of them, and from which on all of their gap is."""
SIDES = ("Left", "Right")
HELD = ("mouthSmile", "mouthUpperUp", "mouthLowerDown")
"""What of the photo's expression goes with its smile."""


def _against() -> Float64[Array, "52 2"]:
    strengths = np.zeros((52, 2))
    for name, strength in OPPOSING.items():
        for column, side in enumerate(SIDES):
            strengths[ARKIT_INDEX[name if name in ARKIT_INDEX else f"{name}{side}"], column] = strength
    return strengths


_AGAINST = _against()


def estimate_rest(face: Face, canonical: CanonicalFace) -> Float32[Array, 52]:
    """The ARKit weights that the photo's own expression already holds, read from its geometry.

    A smile is the mouth's width beyond a neutral one together with corners above the lips' middle; the jaw is the lip gap
    that the mouth's width does not explain; eyes are read from their opening.
    """
    rest = np.zeros(52, np.float32)
    points = canonical.points
    width = float(np.linalg.norm(points[61, :2] - points[291, :2]))
    middle = (points[0, 1] + points[17, 1]) / 2
    wide = (width - NEUTRAL_MOUTH_WIDTH) / 0.30
    for side, corner, opening in (("Left", 291, face.eye_opening[0]), ("Right", 61, face.eye_opening[1])):
        raised = (points[corner, 1] - middle - NEUTRAL_CORNER) / 0.14
        smile = float(np.clip(0.6 * wide + 0.4 * raised, 0.0, 0.8))
        bared = float(np.clip(3.0 * smile * (face.mouth_opening - 0.04), 0.0, 0.6))
        rest[ARKIT_INDEX[f"mouthSmile{side}"]] = smile
        rest[ARKIT_INDEX[f"mouthUpperUp{side}"]] = bared
        rest[ARKIT_INDEX[f"mouthLowerDown{side}"]] = bared
        rest[ARKIT_INDEX[f"eyeBlink{side}"]] = np.clip((0.17 - opening) / 0.17, 0.0, 0.95)
        rest[ARKIT_INDEX[f"eyeWide{side}"]] = np.clip((opening - 0.40) / 0.15, 0.0, 0.8)
    smile = float(rest[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]].mean())
    rest[ARKIT_INDEX["jawOpen"]] = np.clip((face.mouth_opening - 0.04 - 0.14 * smile) / 0.75, 0.0, 0.9)
    return rest


def open_smile(face: Face) -> float:
    """How openly the photo smiles: 0 for lips that are together or only apart, 1 for a smile that bares the teeth.

    A jaw that stands open is no smile: the lips' gap must be what the smile explains.
    """
    rest = estimate_rest(face, CanonicalFace.of(face))
    smile = float(rest[[ARKIT_INDEX[f"mouthSmile{side}"] for side in SIDES]].mean())
    broad = np.clip((smile - OPEN_FROM) / (OPEN_FULLY - OPEN_FROM), 0.0, 1.0)
    bared = np.clip((face.mouth_opening - 0.05) / 0.07, 0.0, 1.0)
    held = np.clip(1.0 - (float(rest[ARKIT_INDEX["jawOpen"]]) - 0.10) / 0.15, 0.0, 1.0)
    return float(broad * bared * held)


def unsmiling_width(canonical: CanonicalFace, rest: Float32[Array, 52]) -> float:
    """How wide the photo's mouth would be without its smile, in inter-ocular distances."""
    smiles = [float(rest[ARKIT_INDEX[f"mouthSmile{side}"]]) for side in SIDES]
    return float(canonical.even[291, 0] - canonical.even[61, 0]) - SMILE_WIDENS * float(np.mean(smiles))


def smile_taken_back(asked: Float64[Array, "f 52"]) -> Float64[Array, "f 2"]:
    """How much of the photo's smile (left, right) a performance takes back: 0 for a photo's own face, 1 for none left.

    A negative weight of mouthSmile takes back that share; opposing shapes take x = sum(k w) together, as
    1 - exp(-x^2 / (x + slack)), unless a smile is asked for at the same time.
    """
    smile = asked[:, [ARKIT_INDEX[f"mouthSmile{side}"] for side in SIDES]]
    against = np.clip(asked, 0.0, 1.0) @ _AGAINST
    given_way = 1.0 - np.exp(-FIRMNESS * against**2 / (against + SLACK))
    given_way *= 1.0 - np.clip(HELD_BY_SMILE * smile, 0.0, 1.0)
    taken: Array = 1.0 - (1.0 - given_way) * (1.0 - np.clip(-smile, 0.0, 1.0))
    return taken


@dataclass(frozen=True)
class Relaxation:
    """Offsets [2, 1434] that take the photo's smile (left, right) back to a neutral mouth, and what they undo.

    ``gap`` is the share of the resting lip gap that the smile bares, ``cheek`` what it presses up against the lower lids.
    """

    fields: Float64[Array, "2 1434"]
    gap: float
    cheek: Float64[Array, 2]

    @classmethod
    def fit(cls, canonical: CanonicalFace, basis: Float64[Array, "52 1434"], rest: Float32[Array, 52]) -> Relaxation:
        """Undoes the smile's own muscles as far as its corners stand from their neutral place, then leads them there."""
        points = canonical.points
        place, goal = _corner_places(points)
        smile = basis[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]].reshape(2, 478, 3)
        held = [float(rest[ARKIT_INDEX[f"mouthSmile{side}"]]) for side in SIDES]
        fields = np.zeros((2, 478, 3))
        for index, (side, corner) in enumerate(zip(SIDES, (291, 61), strict=True)):
            undone = -smile[index, corner, :2]
            share = float(np.clip((goal[index] - place[index]) @ undone / (undone @ undone), 0.0, 1.1))
            left = np.clip(goal[index] - place[index] - share * undone, -CORNER_ROOM, CORNER_ROOM)
            pull = (float(left[0]) * (1.0 if index == 0 else -1.0), float(left[1]), 0.0)
            led = SheetMuscle(LEFT_CORNER, pull, 0.45).field(canonical.even)
            led *= _lip_corner_share(canonical.even)[:, None]
            fields[index] = -share * smile[index] + (led if index == 0 else mirrored(led))
            for name in ("mouthUpperUp", "mouthLowerDown"):
                row = ARKIT_INDEX[f"{name}{side}"]
                fields[index] -= float(rest[row]) * basis[row].reshape(478, 3)
            fields[index] *= min(held[index] / 0.3, 1.0)
        gap = min(max(held) / 0.3, 1.0)
        return cls(fields.reshape(2, -1), gap, np.array(held))


def _corner_places(points: Points) -> tuple[Float64[Array, "2 2"], Float64[Array, "2 2"]]:
    """Where the mouth's corners (left, right) are and would rest, x and y from the middle of the lips once they meet."""
    middle = (points[0, :2] + points[17, :2]) / 2
    middle[1] += MIDDLE_RISES * max(float(points[13, 1] - points[14, 1]), 0.0)
    place = points[[291, 61], :2] - middle
    half = min(NEUTRAL_MOUTH_WIDTH, float(place[0, 0] - place[1, 0])) / 2
    return place, np.array([[half, min(NEUTRAL_CORNER, place[0, 1])], [-half, min(NEUTRAL_CORNER, place[1, 1])]])


def _lip_corner_share(points: Points) -> Float64[Array, 478]:
    """1 beside the mouth, 0 at its middle: leading one corner must not carry the lips' middle along."""
    half = max(float(points[291, 0]), 1e-3)
    share: Array = 1.0 - cosine_falloff(np.abs(points[:, 0]) / half, 0.0, 0.8)
    return share
