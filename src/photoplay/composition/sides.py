"""Arms that a photo's side cuts off, carried on to a round outline: no straight edge stands in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.composition.cutouts import Cutout
from photoplay.types import Array, Box, Mask, Rgb

LEAST_RUN = 0.25
"""Shorter cuts, in heads, end in the soft edge by themselves."""
DEEPEST, SHALLOWEST = 1.3, 0.12
"""How far an arm is carried on at most and at least, in heads."""
HALF_BODY, HALF_HEAD = 3.75, 1.7
"""Half of an adult's width over the arms and over the hair, in heads: what is missing is what the photo cut off."""
LEAST_ROUND, LEAST_ROUND_HAIR = 0.5, 0.3
"""A long cut of a body, and of hair, is carried on by so much at least, in heads, so that it is round."""
EYES_TO_SHOULDERS, SHOULDER_SLOPE = 2.6, 0.6
CROWN = 2.1
"""From the eyes to the crown, in heads."""
BAND = 0.45
"""What lies so near to the photo's side, in heads, is what the carried-on part is made of."""
FALL = 0.12
"""How much darker a round arm is along its outline."""


@dataclass(frozen=True)
class _Cut:
    """A vertical line at ``edge`` that cuts a person, ``seen`` pixels right of the eyes; ``neck`` is the row where the
    shoulders begin, ``unit`` a head in pixels, ``whole`` how far in heads people reach from the eyes."""

    edge: float
    seen: float
    neck: float
    unit: float
    whole: float = HALF_BODY

    def reach(self, most: float) -> float:
        """By how many pixels the person is carried on, at ``most``."""
        wanted = np.clip(self.whole * self.unit - self.seen, LEAST_ROUND * self.unit, DEEPEST * self.unit)
        return max(min(float(wanted), most), SHALLOWEST * self.unit)


def carry_sides(cutout: Cutout, borders: Box, unit: float) -> Cutout:
    """The cutout on its canvas with everything carried on that the photo's ``borders`` (a box on the canvas) cut.

    ``unit`` is the person's inter-ocular distance on the canvas. An arm's outline goes on in its own slope and bends down;
    a cut head is rounded off. What is carried on shows the cloth or hair next to it. The lower border is left alone.
    """
    pixels, matte = cutout.pixels, cutout.matte
    height, width = matte.shape
    x, y = (float(v) for v in cutout.face.landmarks[[33, 133, 263, 362], :2].mean(0))
    neck = y + EYES_TO_SHOULDERS * unit
    if borders[2] < width - 2:
        pixels, matte = _carry_right(pixels, matte, _Cut(borders[2], borders[2] - x, neck, unit))
    if borders[0] > 2:
        cut = _Cut(width - borders[0], x - borders[0], neck, unit)
        flipped = _carry_right(_mirrored(pixels), _mirrored(matte), cut)
        pixels, matte = _mirrored(flipped[0]), _mirrored(flipped[1])
    if borders[1] > 2:
        cut = _Cut(height - borders[1], y - borders[1], 0.0, unit, CROWN)
        turned = _carry_right(_top_right(pixels), _top_right(matte), cut)
        pixels, matte = _top_up(turned[0]), _top_up(turned[1])
    return replace(cutout, pixels=pixels, matte=matte)


def _mirrored(image: Array) -> Array:
    return np.ascontiguousarray(image[:, ::-1])


def _top_right(image: Array) -> Array:
    """The picture turned so that its upper border lies at the right."""
    return np.ascontiguousarray(np.rot90(image, -1))


def _top_up(image: Array) -> Array:
    return np.ascontiguousarray(np.rot90(image))


def _carry_right(pixels: Rgb, matte: Mask, cut: _Cut) -> tuple[Rgb, Mask]:
    """Carries on what touches the vertical line of ``cut`` from the left."""
    height, width = matte.shape
    last = int(np.floor(cut.edge)) - max(2, round(0.04 * cut.unit))
    if last < 2:
        return pixels, matte
    covered = matte.copy()
    covered[:, last + 1 :] = 0
    runs = _runs(matte[:, last] > 127, LEAST_RUN * cut.unit)
    if not runs:
        return pixels, covered
    beyond = min(width, last + 1 + round((DEEPEST + 0.2) * cut.unit))
    rows = np.arange(height, dtype=np.float32)
    limit = np.full(height, -1.0, np.float32)
    for top, bottom in runs:
        if bottom < height - 2:
            limit = np.maximum(limit, _bow(rows, top, bottom, cut.reach((bottom - top) / 2)))
            continue
        shoulder, slope = float(top), _slope(matte, last, top, cut.unit)
        if top < cut.neck - 0.3 * cut.unit:
            limit = np.maximum(limit, _hair(rows, top, cut))
            shoulder, slope = cut.neck, SHOULDER_SLOPE
        limit = np.maximum(limit, _arm(rows, shoulder, slope, cut.reach((bottom - shoulder) / 2), cut.unit))
    depth = np.arange(beyond - last, dtype=np.float32)
    sharp = np.clip(limit[:, None] - depth[None] + 0.5, 0, 1).astype(np.float32)
    soft = cv2.GaussianBlur(sharp, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE)
    return _drawn(pixels, covered, np.asarray(soft, np.float32), last, cut.unit)


def _drawn(pixels: Rgb, matte: Mask, shape: Float32[Array, "h n"], last: int, unit: float) -> tuple[Rgb, Mask]:
    """The carried-on ``shape`` right of column ``last`` in the cloth's own colours, darker towards its outline."""
    height, count = shape.shape
    depth = np.arange(count, dtype=np.float32)
    band = BAND * unit
    back = last - band * (1 - np.exp(-depth / band))
    across = np.broadcast_to(back.astype(np.float32), shape.shape)
    down = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], shape.shape)
    cloth = cv2.remap(pixels, np.ascontiguousarray(across), np.ascontiguousarray(down), cv2.INTER_LINEAR)
    inside = cv2.distanceTransform((shape > 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    inside[:, 0] = inside.max()
    into = np.clip(depth / (0.5 * band), 0, 1)[None]
    round_off = 1 - FALL * np.square(np.clip(1 - inside / (0.6 * unit), 0, 1)) * into
    drawn, covered = pixels.copy(), matte.copy()
    drawn[:, last : last + count] = np.clip(np.rint(cloth * round_off[..., None]), 0, 255)
    covered[:, last + 1 : last + count] = np.rint(255 * shape[:, 1:])
    return drawn, covered


def _runs(touching: Array, least: float) -> list[tuple[int, int]]:
    """First and last row of each stretch that is true for at least ``least`` rows."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], touching.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(steps[::2], steps[1::2], strict=True) if b - a >= least]


def _slope(matte: Mask, last: int, top: int, unit: float) -> float:
    """How steeply the outline falls where it meets the photo's side (rows per column)."""
    back = max(3, round(0.35 * unit))
    tops = []
    for column in range(max(0, last - back), last):
        above = np.flatnonzero(matte[max(0, top - 3 * back) : top + 1, column] > 127)
        if len(above):
            tops.append((column - last, max(0, top - 3 * back) + int(above[0]) - top))
    if len(tops) < 3:
        return 1.0
    x, y = np.array(tops, np.float64).T
    return float(np.clip((x @ y) / max(float(x @ x), 1e-6), 0.15, 6.0))


def _arm(rows: Float32[Array, h], top: float, slope: float, reach: float, unit: float) -> Float32[Array, h]:
    """How far an arm reaches in each row: it leaves (0, ``top``) with ``slope``, bends down at ``reach``, and comes back
    slowly below the elbow.

    The bend is a quadratic Bezier curve: P0 = (0, top), P1 = (reach, top + slope reach), P2 = P1 + (0, 2 heads).
    """
    reach = min(reach, 2.5 * unit / slope)
    t = np.linspace(0, 1, 64)
    x = 2 * t * (1 - t) * reach + t * t * reach
    corner = top + slope * reach
    y = (1 - t) ** 2 * top + 2 * t * (1 - t) * corner + t * t * (corner + 2 * unit)
    limit = np.interp(rows, y, x, left=-1.0)
    below = np.maximum(rows - y[-1], 0) / (3 * unit)
    limit = np.where(rows > y[-1], reach * np.maximum(1 - 0.25 * below**2, 0.4), limit)
    return limit.astype(np.float32)


def _hair(rows: Float32[Array, h], top: float, cut: _Cut) -> Float32[Array, h]:
    """How far cut hair reaches in each row: round, and in again towards the neck."""
    reach = max(float(np.clip(HALF_HEAD * cut.unit - cut.seen, 0, 0.6 * cut.unit)), LEAST_ROUND_HAIR * cut.unit)
    return _bow(rows, top, cut.neck + 1.2 * cut.unit, reach)


def _bow(rows: Float32[Array, h], top: float, bottom: float, reach: float) -> Float32[Array, h]:
    """How far a half-ellipse over the rows from ``top`` to ``bottom`` reaches in each row."""
    along = (rows - (top + bottom) / 2) / max((bottom - top) / 2, 1.0)
    limit = np.where(np.abs(along) <= 1, reach * np.sqrt(np.clip(1 - along**2, 0, 1)), -1.0)
    return limit.astype(np.float32)
