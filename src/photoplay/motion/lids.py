"""Eyes: lids that slide over a fitted eyeball, and irises that turn with it.

Every lid point lives in cylinder coordinates about the axis through the eyeball's centre from corner to corner. Point k of
the upper lid meets point k of the lower lid, so a lid's place is one number s: 0 where the photo's upper lid is, 1 where
its lower lid is. A blink of 1 brings both lids to the same s, and that closes these lids exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from jaxtyping import Float64

from photoplay.motion.canonical import CanonicalFace
from photoplay.motion.muscles import Points, Weights
from photoplay.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    face_mirror,
)
from photoplay.types import Array

LOWER_RISE = 0.15
"""The lower lid's share of a blink."""
SQUINT_RISE, SQUINT_DROP, CHEEK_RISE, WIDE_RAISE = 0.38, 0.12, 0.22, 0.24
LOOK_DOWN_DROP, LOOK_DOWN_LOWER, LOOK_UP_RAISE, LOOK_UP_LOWER = 0.62, 0.14, 0.16, 0.10
GAZE_YAW, GAZE_UP, GAZE_DOWN = 32.0, 26.0, 32.0
"""Degrees at full eyeLook weights; lids follow the gaze up and down in these proportions."""
BROW_FROM = 0.35
"""Where the skin begins to share a brow's motion, from the lid margin (0) to the brow's lower edge (1)."""
BELOW_BROW = 0.2
"""The share of a brow's motion that all skin below it keeps."""
EYEBALL = 0.40
"""Eyeball radius over the eye's width: 12 mm over 30 mm."""
NASAL_SLIDE, GAZE_SLIDE = 0.06, 0.05
"""How far (in eye widths) a blink draws the lids towards the nose (Doane 1980), and the cornea's bulge takes them along."""

_RIGHT_FOLDS: tuple[tuple[int, int, float], ...] = (
    (247, 1, 0.30), (30, 2, 0.20), (29, 3, 0.14), (27, 4, 0.12), (28, 5, 0.12), (56, 6, 0.14), (190, 7, 0.25),
    (25, 10, 0.55), (110, 11, 0.50), (24, 12, 0.45), (23, 13, 0.45), (22, 14, 0.45), (26, 15, 0.50), (112, 16, 0.55),
    (228, 11, 0.15), (229, 12, 0.18), (230, 13, 0.18), (231, 14, 0.18), (232, 15, 0.15),
)  # fmt: skip
"""Skin beside the margin: landmark, margin point it follows (0-8 upper, 9-17 lower), by how much. The upper lid's skin
unrolls from the fold, so the fold itself moves little; the lower lid has no fold."""


@dataclass(frozen=True)
class LidMotion:
    """What both lids of one eye are asked to do, per frame: ARKit weights 0..1, gaze pitch in degrees (up > 0)."""

    blink: Float64[Array, " f"]
    squint: Float64[Array, " f"]
    wide: Float64[Array, " f"]
    cheek: Float64[Array, " f"]
    pitch: Float64[Array, " f"]


@dataclass(frozen=True)
class EyeRig:
    """One eye. ``upper`` and ``lower`` are the margins' rest places (along the hinge, radius, angle), [9, 3]."""

    margin: tuple[int, ...]
    centre: Float64[Array, 3]
    hinge: Float64[Array, "3 3"]
    upper: Float64[Array, "9 3"]
    lower: Float64[Array, "9 3"]
    folds: tuple[tuple[int, int, float], ...]
    iris: tuple[int, ...]
    iris_points: Float64[Array, "5 3"]

    @classmethod
    def fit(cls, canonical: CanonicalFace, left: bool) -> EyeRig:
        points = canonical.points
        upper, lower = (LEFT_EYE_UPPER, LEFT_EYE_LOWER) if left else (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)
        iris = LEFT_IRIS if left else RIGHT_IRIS
        corners = points[[upper[0], upper[-1]]]
        width = float(np.linalg.norm(corners[0] - corners[1]))
        middle = (points[upper[4]] + points[lower[4]]) / 2
        centre = corners.mean(axis=0)
        centre[2] = min(middle[2], centre[2] + 0.25 * width) - EYEBALL * width
        hinge = _hinge_axes(corners)
        # The iris counts as facing forward: FaceMesh's iris depth says nothing about where it really looks.
        around = np.array([points[iris[0], 0], points[iris[0], 1], centre[2]])
        sphere = points[list(iris)] - around
        radius = EYEBALL * width
        sphere[:, 2] = np.sqrt(np.maximum(radius**2 - (sphere[:, :2] ** 2).sum(axis=1), (0.5 * radius) ** 2))
        mirror = face_mirror()
        folds = tuple((int(mirror[a]), b, c) for a, b, c in _RIGHT_FOLDS) if left else _RIGHT_FOLDS
        cylinder = [_to_cylinder((points[list(lid)] - centre) @ hinge.T) for lid in (upper, lower)]
        return cls(upper + lower, centre, hinge, cylinder[0], cylinder[1], folds, iris, sphere)

    def lids(self, motion: LidMotion, yaw: Float64[Array, " f"]) -> Float64[Array, "f 18 3"]:
        """Offsets of the upper, then the lower margin from rest; ``yaw`` is the gaze's in degrees."""
        top, bottom = lid_places(motion)
        spread = self.lower - self.upper
        upper = self.upper + top[:, None, None] * spread
        lower = self.upper + bottom[:, None, None] * spread
        rest = _from_cylinder(np.concatenate([self.upper, self.lower]))
        moved = _from_cylinder(np.concatenate([upper, lower], axis=1)) - rest
        width = float(np.ptp(self.upper[:, 0]))
        nasal = -np.sign(self.centre[0]) * NASAL_SLIDE * motion.blink
        aside = nasal + GAZE_SLIDE * np.clip(yaw / GAZE_YAW, -1.0, 1.0) * (1.0 - motion.blink)
        moved[..., 0] += width * aside[:, None] * np.tile(np.sin(np.linspace(0.0, pi, 9)), 2)
        moved[:, [0, 8, 9, 17]] = 0.0
        offsets: Array = moved @ self.hinge
        return offsets

    def irises(self, gaze: Float64[Array, "f 2"]) -> Float64[Array, "f 5 3"]:
        """Offsets of the iris points when the eyeball turns by ``gaze`` (yaw, pitch in degrees; signs as in HeadPose)."""
        yaw, pitch = np.radians(gaze).T
        p = self.iris_points
        # Pitch about x first, then yaw about y: the nose, or here the pupil, goes to +x for yaw > 0 and up for pitch > 0.
        y = p[:, 1] * np.cos(pitch)[:, None] + p[:, 2] * np.sin(pitch)[:, None]
        z = -p[:, 1] * np.sin(pitch)[:, None] + p[:, 2] * np.cos(pitch)[:, None]
        x = p[:, 0] * np.cos(yaw)[:, None] + z * np.sin(yaw)[:, None]
        z = -p[:, 0] * np.sin(yaw)[:, None] + z * np.cos(yaw)[:, None]
        offsets: Array = np.stack([x, y, z], axis=-1) - p
        return offsets

    def apply(self, moved: Float64[Array, "f 478 3"], motion: LidMotion, gaze: Float64[Array, "f 2"]) -> None:
        """Adds lids, the skin beside them and the iris to the offsets ``moved``, in place."""
        lids = self.lids(motion, gaze[:, 0])
        moved[:, list(self.margin)] += lids
        # The corners stand in both margins, and fancy += keeps one of the two: both are 0 there.
        for landmark, source, share in self.folds:
            moved[:, landmark] += share * lids[:, source]
        moved[:, list(self.iris)] += self.irises(gaze)


def lid_places(motion: LidMotion) -> tuple[Float64[Array, " f"], Float64[Array, " f"]]:
    """Where (s) the upper and the lower lid stand; equal when the blink is 1."""
    down = np.clip(-motion.pitch / GAZE_DOWN, 0.0, 1.2)
    up = np.clip(motion.pitch / GAZE_UP, 0.0, 1.2)
    still_open = 1.0 - motion.blink
    bottom = 1.0 - LOWER_RISE * motion.blink
    bottom = bottom - np.minimum(SQUINT_RISE * motion.squint + CHEEK_RISE * motion.cheek, 0.45) * (
        1.0 - 0.4 * motion.blink
    )
    bottom = bottom + (LOOK_DOWN_LOWER * down - LOOK_UP_LOWER * up) * still_open
    open_place = (
        SQUINT_DROP * motion.squint
        + LOOK_DOWN_DROP * down * (1.0 - 0.3 * motion.squint)
        - (WIDE_RAISE * motion.wide + LOOK_UP_RAISE * up)
    )
    return open_place * still_open + bottom * motion.blink, bottom


def margin_mask() -> Weights:
    """How much of the face muscles' pull reaches a point: 0 on lid margins and irises, little on the skin beside them."""
    mask = np.ones(478)
    mirror = face_mirror()
    for landmark in (130, 247, 30, 29, 27, 28, 56, 190, 243, 25, 110, 24, 23, 22, 26, 112):
        mask[[landmark, mirror[landmark]]] = 0.45
    for lid in (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, LEFT_EYE_UPPER, LEFT_EYE_LOWER, RIGHT_IRIS, LEFT_IRIS):
        mask[list(lid)] = 0.0
    return mask


def brow_share(points: Points) -> Weights:
    """How much of a brow's motion each landmark shares: all from the brow up, little from the eye down.

    The frontalis ends in the brow; the skin between brow and lid fold unrolls rather than travels, and what rests on the
    nose there (spectacles) stays where it is.
    """
    heights = []
    for brow, lid in (((276, 283, 282, 295, 285), LEFT_EYE_UPPER), ((46, 53, 52, 65, 55), RIGHT_EYE_UPPER)):
        bottom, top = (_height_along(points, row) for row in (lid, brow))
        heights.append((points[:, 1] - bottom) / np.maximum(top - bottom, 0.05))
    height = np.where(points[:, 0] > 0, heights[0], heights[1])
    t = np.clip((height - BROW_FROM) / (1.0 - BROW_FROM), 0.0, 1.0)
    share: Array = BELOW_BROW + (1.0 - BELOW_BROW) * t * t * (3.0 - 2.0 * t)
    return share


def _height_along(points: Points, row: tuple[int, ...]) -> Weights:
    """Height of the line through the landmarks of ``row`` above or below every point."""
    line = points[sorted(row, key=lambda index: points[index, 0])]
    height: Array = np.interp(points[:, 0], line[:, 0], line[:, 1])
    return height


def _hinge_axes(corners: Float64[Array, "2 3"]) -> Float64[Array, "3 3"]:
    """Rows: along the corners (towards the subject's left, in the frontal plane), up, forward."""
    along = corners[1] - corners[0]
    along = along * np.sign(along[0])
    along[2] = 0.0
    along = along / np.linalg.norm(along)
    up = np.array([-along[1], along[0], 0.0])
    return np.stack([along, up, np.array([0.0, 0.0, 1.0])])


def _to_cylinder(p: Float64[Array, "n 3"]) -> Float64[Array, "n 3"]:
    return np.stack([p[:, 0], np.hypot(p[:, 1], p[:, 2]), np.arctan2(p[:, 1], p[:, 2])], axis=-1)


def _from_cylinder(c: Float64[Array, "*n 3"]) -> Float64[Array, "*n 3"]:
    angle = np.clip(c[..., 2], -pi, pi)
    return np.stack([c[..., 0], c[..., 1] * np.sin(angle), c[..., 1] * np.cos(angle)], axis=-1)
