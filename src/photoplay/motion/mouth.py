"""The jaw's hinge and the lips' contact.

The jaw turns about the axis through both temporomandibular joints. A mouth opens by the lower lip's side following the
jaw, cheeks sharing it less and less towards the cheekbone. Lips may meet but never pass through each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.motion.canonical import CORNERS, LOWER_LIP_ROWS, UPPER_LIP_ROWS, CanonicalFace, lower_share
from photoplay.motion.muscles import Points, Weights, cosine_falloff, distance_to
from photoplay.types import Array

JAW_ANGLE = 18.0
"""Degrees at jawOpen = 1: the teeth part by about 45 mm."""
MEETING = 0.86
"""Where closing lips meet, from the lower (0) to the upper lip (1)."""
TURNED = 18.0
"""Degrees of yaw from which on a mouth's far end is seen from the side."""
SHUT = 0.025
"""Lip gap of a mouth that counts as shut: the detector's noise."""
CORNER_SHARE = 0.36
"""How much the mouth's corners follow the jaw."""
_ROW_SHARE = (1.0, 0.97, 0.92, 0.82)


def jaw_share(points: Points) -> Weights:
    """How much of the jaw's turn each landmark takes part in: chin and lower lip 1, upper face 0.

    Landmarks 234/454 lie in front of the ears, 61/291 are the mouth's corners, 172/397 the jaw's angle.
    """
    corner = (points[61] + points[291]) / 2
    chin = points[152]
    side = np.abs(points[:, 0])
    # The share rises over a band that climbs from the mouth's corners to the ear.
    ear_height = (points[234, 1] + points[454, 1]) / 2
    half = np.abs(points[291, 0])
    outward = np.clip((side - half) / (np.abs(points[454, 0]) - half), 0.0, 1.0)
    top = corner[1] + 0.32 + outward * (ear_height - corner[1] - 0.32)
    bottom = corner[1] - 0.22 + outward**0.7 * (chin[1] - 0.25 - corner[1])
    t = np.clip((top - points[:, 1]) / (top - bottom), 0.0, 1.0)
    share: Array = t**1.8
    # Below the lip the skin goes along with it, in a zone that widens towards the chin.
    depth = np.clip(corner[1] - points[:, 1], 0.0, None)
    below = _lip_profile(side / (half * (1.1 + 1.3 * depth)))
    share = np.maximum(share, below * np.clip(depth / 0.06, 0.0, 1.0))
    column = np.abs(np.linspace(-1.0, 1.0, 11))
    lower = _lip_profile(column)
    upper = 0.06 + (CORNER_SHARE - 0.06) * column**2.2
    for rows, shares in ((UPPER_LIP_ROWS, upper), (LOWER_LIP_ROWS, lower)):
        for row in rows:
            share[list(row)] = shares
    share[468:] = 0.0
    share[points[:, 1] > -0.25] = 0.0
    return share


def _lip_profile(column: Float64[Array, " n"]) -> Float64[Array, " n"]:
    """The lower lip's share of the jaw's turn from its middle (0) to the corner (1), nothing beyond."""
    inside = np.clip(1.0 - column**1.8, 0.0, 1.0) ** 0.8
    profile: Array = np.where(column > 1.0, 0.0, CORNER_SHARE + (1.0 - CORNER_SHARE) * inside)
    return profile


@dataclass(frozen=True)
class Jaw:
    """The hinge of one subject: its ``pivot`` (the axis runs through it along x) and who follows by how much."""

    pivot: Float64[Array, 3]
    share: Weights

    @classmethod
    def fit(cls, canonical: CanonicalFace) -> Jaw:
        ears = canonical.even[[234, 454]].mean(axis=0)
        # The jaw glides forward while it opens, which puts the momentary axis behind and below the joint itself.
        return cls(np.array([0.0, ears[1] - 0.16, max(ears[2], -0.9) - 0.75]), jaw_share(canonical.even))

    def open(self, places: Float64[Array, "f 478 3"], amount: Float64[Array, " f"]) -> Float64[Array, "f 478 3"]:
        """Offsets of ``places`` when the jaw opens by ``amount`` (1 = :data:`JAW_ANGLE`)."""
        angle = np.radians(JAW_ANGLE) * amount[:, None] * self.share
        y, z = places[..., 1] - self.pivot[1], places[..., 2] - self.pivot[2]
        cos, sin = np.cos(angle) - 1.0, np.sin(angle)
        offsets = np.zeros_like(places)
        offsets[..., 1] = y * cos - z * sin
        offsets[..., 2] = y * sin + z * cos
        return offsets


@dataclass(frozen=True)
class Lips:
    """Which skin follows the two inner lip borders, [478, 11] each; rows sum to at most 1.

    ``corners`` is the skin that closing lips hold back from following the jaw; ``gap`` the lips' distance at rest,
    ``meeting`` where they meet (as :data:`MEETING`).
    """

    upper: Float64[Array, "478 11"]
    lower: Float64[Array, "478 11"]
    corners: Weights
    gap: Float64[Array, 11]
    meeting: Float64[Array, 11]

    @classmethod
    def fit(cls, canonical: CanonicalFace, yaw: float = 0.0) -> Lips:
        """Fits the lips of a face whose head is turned by ``yaw`` degrees in the photo."""
        points = canonical.even
        rest = canonical.points
        inner = rest[list(UPPER_LIP_ROWS[0]), 1] - rest[list(LOWER_LIP_ROWS[0]), 1]
        corners = cosine_falloff(distance_to(points, CORNERS), 0.06, 0.42) * (1.0 - 0.5 * lower_share(points))
        meeting = _meeting(rest, inner, yaw)
        return cls(_followers(points, upper=True), _followers(points, upper=False), corners, inner, meeting)

    def close(
        self, places: Float64[Array, "f 478 3"], closing: Float64[Array, " f"], sealing: Float64[Array, " f"]
    ) -> None:
        """Brings the lips together by ``closing`` (1 = they meet exactly), then parts what has passed through, in place.

        ``sealing`` takes that share of the photo's own gap away: who presses or purses the lips shuts them first. A gap
        that is negative in the photo itself is the detector's noise and stays as it is.
        """
        upper, lower = places[:, list(UPPER_LIP_ROWS[0])], places[:, list(LOWER_LIP_ROWS[0])]
        between = upper - lower
        sealed = sealing[:, None] * np.maximum(self.gap - SHUT, 0.0) / np.maximum(between[..., 1], 1e-3)
        share = np.clip(closing[:, None] + sealed, 0.0, 1.0)
        down = -(1.0 - self.meeting)[:, None] * share[..., None] * between
        up = self.meeting[:, None] * share[..., None] * between
        left = between[..., 1] * (1.0 - share)
        passed = np.minimum(left - np.minimum(self.gap, 0.0), 0.0)
        down[..., 1] -= 0.5 * passed
        up[..., 1] += 0.5 * passed
        places += self.upper @ down + self.lower @ up


def _meeting(rest: Points, gap: Float64[Array, 11], yaw: float) -> Float64[Array, 11]:
    """Where lips meet: at :data:`MEETING`, but on a turned head that shows them apart on a smooth line to the corners.

    The far end of such a mouth is blunt: its upper edge runs high up to the corner and then drops.
    """
    turned = float(np.clip((abs(yaw) - TURNED) / 10.0, 0.0, 1.0) * np.clip((gap.max() - SHUT) / 0.05, 0.0, 1.0))
    upper, lower = rest[list(UPPER_LIP_ROWS[0]), 1], rest[list(LOWER_LIP_ROWS[0]), 1]
    line = MEETING * upper + (1.0 - MEETING) * lower
    along = np.linspace(-1.0, 1.0, 11)
    ends = np.where(along < 0.0, line[0], line[-1])
    smooth = line[5] + (ends - line[5]) * np.abs(along) ** 1.6
    wanted = np.clip((smooth - lower) / np.maximum(gap, 1e-3), 0.15, MEETING)
    met: Array = MEETING + turned * np.where(gap > SHUT, wanted - MEETING, 0.0)
    return met


def _followers(points: Points, upper: bool) -> Float64[Array, "478 11"]:
    """Lip rows follow their own column; the skin beyond fades out towards the nose or over the chin."""
    rows = UPPER_LIP_ROWS if upper else LOWER_LIP_ROWS
    border = points[list(rows[-1])]
    offset = points[:, None] - border[None]
    distance = np.linalg.norm(offset * np.array([1.0, 1.0, 0.5]), axis=-1)
    nearness = np.exp(-((distance / 0.16) ** 2)) + 1e-12
    fade = cosine_falloff(distance.min(axis=1), 0.0, 0.30 if upper else 0.52)
    side = np.clip((points[:, 1] - border[[0, -1], 1].mean()) / 0.10 * (1 if upper else -1), 0.0, 1.0)
    followers: Array = nearness / nearness.sum(axis=1, keepdims=True) * (_ROW_SHARE[-1] * fade * side)[:, None]
    for row in (*UPPER_LIP_ROWS, *LOWER_LIP_ROWS):
        followers[list(row)] = 0.0
    for share, row in zip(_ROW_SHARE, rows, strict=True):
        for column, landmark in enumerate(row):
            followers[landmark] = 0.0
            followers[landmark, column] = share
    return followers
