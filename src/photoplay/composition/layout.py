"""Where two people stand in one picture: how large, how far apart, who before whom, and what the frame shows.

All lengths here are in *heads*: inter-ocular distances (3-D, so that a turned head counts as large as a frontal one) of a
person of size 1. Proportions below the eyes are those of an adult after Drillis and Contini (1966).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from jaxtyping import Float64

from photoplay.composition.cutouts import Cutout, Placement
from photoplay.topology import POSE_INDEX, inter_ocular
from photoplay.types import Array, Box, Staging

STEP = 0.1
"""Height in heads of one row of a silhouette."""
ABOVE, BELOW = 6.0, 26.0
"""How far silhouettes are measured above and below the eyes."""
EYES_TO_SHOULDERS, SHOULDERS_TO_ANKLES, EYES_TO_HIPS = 3.0, 20.9, 10.2
EYES_TO_CHIN, EYES_TO_BROW = 1.95, 1.2
HALF_BODY = 3.75
"""Half of an adult's width over the arms."""
HEADROOM = {"medium": 1.0, "close": 0.7}
CLOSE_BELOW_EYES, LEAST_BELOW_EYES = 4.2, 2.6
MEDIUM_REACH = 7.0
"""Photos that reach so far below the eyes are shown to the hips where the framing is left to photoplay."""
ASPECT = (1.34, 1.5, 1.72)
"""Least, usual and largest width over height of the picture."""
HEADS_APART, SHOULDERS_OVERLAP = {"medium": 1.1, "close": 0.7}, {"medium": 0.5, "close": 1.1}
SIDE_AIR, LEAST_OUTER = 0.6, 1.8
APART = (3.6, 8.5)
"""How near and far the middles of two heads of size 1 may stand."""
MOST_BELOW = 2.2
"""Nobody's eyes are further below the other's, in heads of the larger: the taller of a very unequal pair bends down."""
MOST_BENT = 1.6
LEVEL_DIFFERENCE = 1.0
"""Where ankles are only estimated, eyes of equally large people differ in height by no more than this."""


@dataclass(frozen=True)
class Figure:
    """A person measured in their own heads, from the point between the eyes.

    ``left`` and ``right`` [n] are how far the silhouette reaches to each side in rows of STEP from -ABOVE down (-inf: not
    there). ``crown`` is how far it reaches above the eyes, ``reach`` how far below until the photo cuts it (inf: it does
    not), ``roof`` how far above until the photo cuts the head (inf: it does not). ``cut_left``, ``cut_right`` are the rows
    (first, last) where the photo's side cuts the body, None where it does not; ``ankles`` is how far they are below.
    """

    unit: float
    eyes: tuple[float, float]
    left: Float64[Array, n]
    right: Float64[Array, n]
    crown: float
    reach: float
    roof: float
    cut_left: tuple[float, float] | None
    cut_right: tuple[float, float] | None
    edge_left: float
    edge_right: float
    ankles: float

    @classmethod
    def of(cls, cutout: Cutout) -> Figure:
        """Measures a cutout in its own photo."""
        landmarks = cutout.face.landmarks
        unit = inter_ocular(landmarks)
        x, y = (float(v) for v in landmarks[[33, 133, 263, 362], :2].mean(0))
        solid = cutout.matte > 127
        height, width = solid.shape
        rows = np.arange(-ABOVE, BELOW, STEP)
        left, right = _sides(solid, rows * unit + y, x, unit)
        own = solid[:, max(0, int(x - 1.2 * unit)) : max(1, int(x + 1.2 * unit))]
        filled = np.nonzero(own.any(1))[0]
        top = int(filled[0]) if len(filled) else 0
        lower = np.nonzero(solid[-2:].any(0))[0]
        return cls(
            unit=unit,
            eyes=(x, y),
            left=left,
            right=right,
            crown=(y - top) / unit,
            reach=(height - y) / unit if len(lower) > 0.3 * unit else inf,
            roof=y / unit if top <= 1 else inf,
            cut_left=_cut_rows(solid[:, :2].any(1), y, unit),
            cut_right=_cut_rows(solid[:, -2:].any(1), y, unit),
            edge_left=x / unit,
            edge_right=(width - x) / unit,
            ankles=_ankles(cutout, y, unit),
        )

    def side(self, right: bool, top: float, bottom: float) -> Float64[Array, m]:
        """How far the silhouette reaches to one side in the rows from ``top`` to ``bottom``."""
        first, last = (int(np.clip(round((v + ABOVE) / STEP), 0, len(self.left))) for v in (top, bottom))
        return (self.right if right else self.left)[first:last]


@dataclass(frozen=True)
class Layout:
    """A canvas of ``width`` x ``height`` pixels with the two photos on it, left one first.

    ``frame`` is the part of the canvas that the picture shows; around it the canvas goes on for whoever moves. ``front``
    is the index of who stands before the other, ``framing`` what was chosen, ``unit`` a head in pixels.
    """

    width: int
    height: int
    frame: Box
    placements: tuple[Placement, Placement]
    front: Literal[0, 1]
    framing: Literal["medium", "close"]
    unit: float


def _sides(solid: Array, at: Array, x: float, unit: float) -> tuple[Float64[Array, n], Float64[Array, n]]:
    """How far the silhouette reaches left and right of ``x`` in the photo rows ``at``, in heads."""
    left, right = np.full(len(at), -inf), np.full(len(at), -inf)
    for k, row in enumerate(np.round(at).astype(int)):
        if 0 <= row < solid.shape[0]:
            columns = np.nonzero(solid[row])[0]
            if len(columns):
                left[k], right[k] = (x - columns[0]) / unit, (columns[-1] + 1 - x) / unit
    return left, right


def _cut_rows(touching: Array, y: float, unit: float) -> tuple[float, float] | None:
    """First and last row in which the body touches the photo's side; a touch of under a third of a head is none."""
    rows = np.nonzero(touching)[0]
    if len(rows) < 0.3 * unit:
        return None
    return (float(rows[0]) - y) / unit, (float(rows[-1]) + 1 - y) / unit


def _ankles(cutout: Cutout, y: float, unit: float) -> float:
    """How far the ankles are below the eyes: as seen, else from the shoulders by proportion. Whoever crouches or sits is
    lifted, so that two people can look at each other."""
    body = cutout.body
    usual = EYES_TO_SHOULDERS + SHOULDERS_TO_ANKLES
    if body is None:
        return usual
    ankles = [POSE_INDEX["left_ankle"], POSE_INDEX["right_ankle"]]
    if (body.visibility[ankles] > 0.5).all():
        seen = (float(body.joints[ankles, 1].max()) - y) / unit
        return float(np.clip(seen, usual - MOST_BENT, usual + LEVEL_DIFFERENCE))
    shoulders = [POSE_INDEX["left_shoulder"], POSE_INDEX["right_shoulder"]]
    if not (body.visibility[shoulders] > 0.5).all():
        return usual
    drop = (float(body.joints[shoulders, 1].mean()) - y) / unit
    return usual + float(np.clip(0.6 * (drop - EYES_TO_SHOULDERS), -LEVEL_DIFFERENCE / 2, LEVEL_DIFFERENCE / 2))


@dataclass(frozen=True)
class Stand:
    """A figure of a given ``size`` whose eyes are on ``level`` (heads, downwards)."""

    figure: Figure
    size: float
    level: float = 0.0

    def below(self, distance: float) -> float:
        """The level so many of the person's own heads below the eyes."""
        return self.level + distance * self.size

    def inner_cut(self, on_the_right: bool, bottom: float) -> bool:
        """Whether the photo's side cuts this person towards the middle of a picture that ends at ``bottom``."""
        cut = self.figure.cut_left if on_the_right else self.figure.cut_right
        return cut is not None and self.below(cut[0]) < bottom

    def outer_head(self, on_the_right: bool) -> float:
        """How much the picture shows beyond the middle of the head at least: the head with its hair, and a little air."""
        hair = self.figure.side(on_the_right, -ABOVE / 2, EYES_TO_CHIN - 0.5)
        seen = hair[np.isfinite(hair)]
        reach = float(seen.max()) if len(seen) else 0.0
        return self.size * float(np.clip(reach + 0.35, LEAST_OUTER, 2 * LEAST_OUTER))


@dataclass(frozen=True)
class Size:
    """Height of the picture in pixels, from ``least`` to ``tallest`` as the photos carry it, and how far the canvas goes
    on around it, as a share of the picture's longer side."""

    least: int = 720
    tallest: int = 1080
    margin: float = 0.0


def lay_out(figures: tuple[Figure, Figure], sizes: tuple[float, float], staging: Staging, canvas: Size) -> Layout:
    """Puts two people (the left one first) of these ``sizes`` into one picture.

    Both stand on one ground line, as far as both photos then reach to the picture's lower edge. The lower edge lies where
    the shorter photo ends at the latest; the picture is as wide as the two need, about 3:2.
    """
    framing = _framing(figures, sizes, staging)
    stands = _stand(figures, sizes)
    bottom = _bottom(stands, framing)
    apart = _apart(stands, bottom, framing)
    heads = stands[0].outer_head(False), stands[1].outer_head(True)
    top = _top(stands, framing, bottom - (apart + heads[0] + heads[1]) / ASPECT[2])
    outer = _outer(stands, (top, bottom), apart, framing)
    native = min(figure.unit / size for figure, size in zip(figures, sizes, strict=True))
    rows = 2 * round(float(np.clip((bottom - top) * native, canvas.least, canvas.tallest)) / 2)
    unit = rows / (bottom - top)
    columns = 2 * round((outer[0] + apart + outer[1]) * unit / 2)
    margin = round(canvas.margin * max(columns, rows))
    placements = []
    for stand, middle in zip(stands, (outer[0], outer[0] + apart), strict=True):
        scale, (x, y) = unit * stand.size / stand.figure.unit, stand.figure.eyes
        left, over = middle * unit - (x + 0.5) * scale, (stand.level - top) * unit - (y + 0.5) * scale
        placements.append(Placement(scale, left + margin, over + margin))
    return Layout(
        width=columns + 2 * margin,
        height=rows + 2 * margin,
        frame=(float(margin), float(margin), float(margin + columns), float(margin + rows)),
        placements=(placements[0], placements[1]),
        front=_front(stands, bottom),
        framing=framing,
        unit=unit,
    )


def _framing(
    figures: tuple[Figure, Figure], sizes: tuple[float, float], staging: Staging
) -> Literal["medium", "close"]:
    if staging.framing != "auto":
        return staging.framing
    reach = min(figure.reach * size for figure, size in zip(figures, sizes, strict=True))
    return "medium" if reach >= MEDIUM_REACH else "close"


def _stand(figures: tuple[Figure, Figure], sizes: tuple[float, float]) -> tuple[Stand, Stand]:
    """Both on one ground line, as far as the photos allow.

    Where the one would stand too far below the other, or a photo end above the other's chest or below the other's brow,
    the taller bends to the smaller.
    """
    (one, other), (size, other_size) = figures, sizes
    drop = one.ankles * size - other.ankles * other_size  # so much the other's eyes are lower
    most = min(one.reach * size - LEAST_BELOW_EYES * other_size, other.roof * other_size - EYES_TO_BROW * size)
    least = -min(other.reach * other_size - LEAST_BELOW_EYES * size, one.roof * size - EYES_TO_BROW * other_size)
    bend = MOST_BELOW * max(size, other_size)
    drop = float(np.clip(np.clip(drop, -bend, bend), least, most)) if least <= most else (least + most) / 2
    return Stand(one, size, -drop / 2), Stand(other, other_size, drop / 2)


def _bottom(stands: tuple[Stand, Stand], framing: str) -> float:
    """The picture's lower edge: at the hips or the chest, or where the first of the photos ends."""
    below = EYES_TO_HIPS if framing == "medium" else CLOSE_BELOW_EYES
    return min(max(stand.below(below) for stand in stands), *(stand.below(stand.figure.reach) for stand in stands))


def _top(stands: tuple[Stand, Stand], framing: str, highest: float) -> float:
    """The picture's upper edge: some air above the higher head and no lower than ``highest``, but not above a photo that
    cuts a head, unless that would cut the other's forehead."""
    crown = min(stand.below(-stand.figure.crown) for stand in stands)
    roof = max(stand.below(-stand.figure.roof) for stand in stands)
    brow = min(stand.below(-EYES_TO_BROW) for stand in stands)
    return min(max(min(crown - HEADROOM[framing], highest), roof), brow)


def _apart(stands: tuple[Stand, Stand], bottom: float, framing: str) -> float:
    """How far the middles of the heads stand apart: a gap between the heads, shoulders that overlap a little."""
    levels = np.arange(min(stand.below(-ABOVE / 2) for stand in stands), bottom, STEP)
    rows = np.arange(len(stands[0].figure.left)) * STEP - ABOVE
    reaches, heads = [], np.zeros(len(levels), bool)
    for stand, side in zip(stands, (stands[0].figure.right, stands[1].figure.left), strict=True):
        own = (levels - stand.level) / stand.size
        reaches.append(stand.size * np.interp(own, rows, np.maximum(side, -ABOVE)))
        heads |= (own > -ABOVE / 2) & (own < EYES_TO_CHIN)
    both = reaches[0] + reaches[1]
    mean = (stands[0].size + stands[1].size) / 2
    clear = float(both[heads].max()) + HEADS_APART[framing] * mean
    meeting = float(np.percentile(both[~heads], 85)) - SHOULDERS_OVERLAP[framing] * mean if (~heads).any() else 0.0
    return float(np.clip(max(clear, meeting), APART[0] * mean, APART[1] * mean))


def _outer(stands: tuple[Stand, Stand], rows: tuple[float, float], apart: float, framing: str) -> tuple[float, float]:
    """How far the picture goes on beyond each head: to the arms and some air, not beyond a photo that cuts an arm."""
    top, bottom = rows
    wanted, most = [], []
    for stand, right in zip(stands, (False, True), strict=True):
        figure = stand.figure
        silhouette = figure.side(right, EYES_TO_CHIN, (bottom - stand.level) / stand.size)
        seen = silhouette[np.isfinite(silhouette)]
        body = float(np.percentile(seen, 90)) if len(seen) else HALF_BODY
        wanted.append(stand.size * float(np.clip(body, 2.0, HALF_BODY + 1)) + SIDE_AIR)
        edge = figure.edge_right if right else figure.edge_left
        most.append(stand.size * edge if stand.inner_cut(not right, bottom) else inf)
    least, usual, largest = ((bottom - top) * ratio - apart for ratio in ASPECT)
    total = float(np.clip(wanted[0] + wanted[1], least, largest)) if framing == "medium" else usual
    left = total * wanted[0] / (wanted[0] + wanted[1])
    left = min(max(left, total - most[1]), most[0])
    rest = min(total - left, most[1])
    lacking = max(least - left - rest, 0.0) / 2
    heads = stands[0].outer_head(False), stands[1].outer_head(True)
    return max(left + lacking, heads[0]), max(rest + lacking, heads[1])


def _front(stands: tuple[Stand, Stand], bottom: float) -> Literal[0, 1]:
    """Who stands before the other: whoever's inner arm the photo does not cut; then the smaller; then the left one."""
    cut = [stand.inner_cut(right, bottom) for stand, right in zip(stands, (False, True), strict=True)]
    if cut[0] != cut[1]:
        return 1 if cut[0] else 0
    return 1 if stands[1].level > stands[0].level + LEVEL_DIFFERENCE / 2 else 0
