"""How far one head hides the other's face: who stands before whom, and how far two who meet stay apart for it.

A photo shows people from in front. Were their lips to meet in the picture, a cheek and all the hair of the one would lie
over half of the other's face. So the one behind meets the *outline* of the one in front: the contact's second point moves
away until enough of the face behind is seen. With depth_i how deep a point i of that face lies within the outline of the
head in front, hiding no more than the share h takes the shift that is the (1 - h) quantile of all depths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_points import Spot
from photoplay.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    face_triangles,
    inter_ocular,
)
from photoplay.types import Array, Landmarks, Mask, Scene, Subject

FACE_SEEN = {"duet": 0.9, "contact": 0.66, "romantic": 0.52}
"""The share of the hidden person's face, and of what lies between eyes and mouth, that stays to be seen."""
FARTHEST = 1.3
"""Nobody stays further from the point that they shall meet, in inter-ocular distances: who touches must be near."""
ABOVE, BELOW, ASIDE = 3.2, 0.3, 2.6
"""How far a head reaches above the brow, below the chin and to the side of the nose, in inter-ocular distances."""
BROW, CHIN, NOSE, EARS = 9, 152, 1, (454, 234)
ROWS = 48
TOGETHER, LOOKS = 0.9, 5
"""Share of a contact's largest strength from which two are together, and at how many of those frames is looked."""
FEATURES = (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER, *RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)


@dataclass(frozen=True)
class Head:
    """A head in the picture at rest: the ``landmarks`` (pixels), and the ``outline`` [n, 3] on the partner's side of hair
    and hat. ``towards`` is 1 where the partner is at the image's right, else -1; ``unit`` the inter-ocular distance."""

    landmarks: Float64[Array, "478 3"]
    outline: Float64[Array, "n 3"]
    towards: float
    unit: float

    @classmethod
    def of(cls, subject: Subject, matte: Mask | None, towards: float) -> Head:
        """Measures a person; without a ``matte`` the head is the face."""
        landmarks = subject.face.landmarks
        unit = inter_ocular(landmarks)
        edge = np.zeros((0, 3)) if matte is None else _outline(landmarks, matte, towards, unit)
        return cls(landmarks.astype(np.float64), edge, towards, unit)

    def moved(self, landmarks: Float64[Array, "478 3"], transform: Float64[Array, "3 4"]) -> Head:
        """The head with other landmarks, and the outline moved by ``transform``."""
        return Head(landmarks, self.outline @ transform[:, :3].T + transform[:, 3], self.towards, self.unit)


def _outline(landmarks: Landmarks, matte: Mask, towards: float, unit: float) -> Float64[Array, "n 3"]:
    """The last solid pixel of each row, seen from the middle of the face towards the partner; as deep as the ears."""
    height, width = matte.shape
    x = min(max(round(float(landmarks[NOSE, 0])), 0), width - 1)
    top = max(0, round(float(landmarks[BROW, 1]) - ABOVE * unit))
    bottom = min(height, round(float(landmarks[CHIN, 1]) + BELOW * unit))
    reach = min(round(ASIDE * unit), width - x if towards > 0 else x + 1)
    if reach < 1 or bottom <= top:
        return np.zeros((0, 3))
    row = matte[top:bottom, x : x + reach] if towards > 0 else matte[top:bottom, x - reach + 1 : x + 1][:, ::-1]
    solid = row > 127
    ends = np.where(solid.all(axis=1), reach, np.argmin(solid, axis=1)).astype(np.float64)
    rows = np.flatnonzero(ends > 0)
    depth = float(landmarks[EARS[0] if towards > 0 else EARS[1], 2])
    return np.stack([x + towards * ends[rows], top + rows.astype(np.float64), np.full(len(rows), depth)], axis=1)


def apart(front: Head, back: Head, at: tuple[Float64[Array, 2], Float64[Array, 2]], seen: float) -> float:
    """By how much (in units) the back person must keep off so that the share ``seen`` of the face is seen.

    ``at`` are the points of ``front`` and ``back`` that meet. Each head is measured in its own unit: heads of different
    pictures count as equally large, those of one picture have one unit. Negative where even more would be seen.
    """
    over = [(head.landmarks[:468, :2] - point) / head.unit for head, point in zip((front, back), at, strict=True)]
    edge = (front.outline[:, :2] - at[0]) / front.unit
    cover = np.concatenate([over[0], edge])
    faces = face_triangles()
    a, b, c = (over[1][faces[:, k]] for k in range(3))
    area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    middle = (a + b + c) / 3
    depth = _edge(cover[:, 1], cover[:, 0] * front.towards, middle[:, 1]) - middle[:, 0] * front.towards
    low, high = over[1][list(FEATURES)].min(axis=0), over[1][list(FEATURES)].max(axis=0)
    features = ((middle >= low) & (middle <= high)).all(axis=1)
    return max(_quantile(depth, area, seen), _quantile(depth[features], area[features], seen))


def _edge(v: Float64[Array, " n"], u: Float64[Array, " n"], at: Float64[Array, " m"]) -> Float64[Array, " m"]:
    """How far the points (u, v) reach along u in the rows ``at``; minus infinity above and below them all."""
    low, high = float(v.min()), float(v.max())
    rows = np.clip(((v - low) / max(high - low, 1e-9) * ROWS).astype(int), 0, ROWS - 1)
    most = np.full(ROWS, -np.inf)
    np.maximum.at(most, rows, u)
    known = np.flatnonzero(np.isfinite(most))
    middles = low + (known + 0.5) * (high - low) / ROWS
    reach: Array = np.where((at >= low) & (at <= high), np.interp(at, middles, most[known]), -np.inf)
    return reach


def _quantile(values: Float64[Array, " n"], weights: Float64[Array, " n"], share: float) -> float:
    """The least value that the ``share`` of all weight does not exceed."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    at = min(int(np.searchsorted(total, share * total[-1])), len(order) - 1)
    return float(values[order[at]])


def own_matte(scene: Scene, index: int, other: int) -> Mask:
    """A subject's matte: its own, or the half of the scene's on the subject's side of the ``other`` one."""
    own = scene.subjects[index].matte
    if own is not None:
        return own
    mine, theirs = (float(scene.subjects[k].face.landmarks[NOSE, 0]) for k in (index, other))
    middle = min(max(round((mine + theirs) / 2), 0), scene.matte.shape[1])
    half = scene.matte.copy()
    half[:, middle:] *= mine > theirs
    half[:, :middle] *= mine <= theirs
    return half


def kept_apart(
    heads: tuple[Head, Head],
    bodies: tuple[Body, Body],
    spots: Sequence[tuple[Spot, Spot]],
    strengths: Float64[Array, "c f"],
    front: Float32[Array, f],
    seen: float,
) -> Float64[Array, "c 2"]:
    """Where the second person's point stays, seen from the first's, in every contact of two faces (pixels; 0 in others).

    ``bodies`` move as each does alone: how two heads lie to each other where their points meet does not depend on who goes
    there. ``heads`` are theirs at rest, ``front`` is as in :class:`photoplay.types.Duet`.
    """
    unit = (bodies[0].unit + bodies[1].unit) / 2
    keeps = np.zeros((len(spots), 2))
    for number, (pair, strength) in enumerate(zip(spots, strengths, strict=True)):
        if not (pair[0].face and pair[1].face) or strength.max() <= 0:
            continue
        together = np.flatnonzero(strength >= TOGETHER * strength.max())
        off = 0.0
        for frame in {int(together[round(k)]) for k in np.linspace(0, len(together) - 1, LOOKS)}:
            moved = [
                replace(
                    head.moved(body.landmarks[frame], body.track.head_transform[frame].astype(np.float64)), unit=unit
                )
                for head, body in zip(heads, bodies, strict=True)
            ]
            at = [spot.weights @ head.landmarks[:, :2] for spot, head in zip(pair, moved, strict=True)]
            before = int(front[frame] >= 0.5)
            off = max(off, apart(moved[before], moved[1 - before], (at[before], at[1 - before]), seen))
        keeps[number, 0] = min(off, FARTHEST) * unit * bodies[0].towards
    return keeps
