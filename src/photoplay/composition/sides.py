"""Arms that a photo's side cuts off, carried on to a round outline: no straight edge stands in the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.composition.cutouts import Cutout
from photoplay.types import Array, Box, Mask, Rgb

LEAST_RUN = 0.25
"""Shorter cuts, in heads, end in the soft edge by themselves."""
DEEPEST, SHALLOWEST = 1.3, 0.12
"""How far an arm is carried on at most and at least, in heads."""
HALF_BODY = 3.75
"""Half of an adult's width over the arms, in heads: what is missing from it is what the photo cut off."""
CROWN = 2.1
"""From the eyes to the crown, in heads."""
BAND = 0.45
"""What lies so near to the photo's side, in heads, is what the carried-on part is made of."""
FALL = 0.12
"""How much darker a round arm is along its outline."""


def carry_sides(cutout: Cutout, borders: Box, unit: float) -> Cutout:
    """The cutout on its canvas with everything carried on that the photo's ``borders`` (a box on the canvas) cut.

    ``unit`` is the person's inter-ocular distance on the canvas. An arm's outline goes on in its own slope and bends down;
    a cut head is rounded off. What is carried on shows the cloth or hair next to it. The lower border is left alone.
    """
    pixels, matte = cutout.pixels, cutout.matte
    height, width = matte.shape
    x, y = (float(v) for v in cutout.face.landmarks[[33, 133, 263, 362], :2].mean(0))
    if borders[2] < width - 2:
        missing = HALF_BODY * unit - (borders[2] - x)
        pixels, matte = _carry_right(pixels, matte, borders[2], missing, unit)
    if borders[0] > 2:
        missing = HALF_BODY * unit - (x - borders[0])
        flipped = _carry_right(_mirrored(pixels), _mirrored(matte), width - borders[0], missing, unit)
        pixels, matte = _mirrored(flipped[0]), _mirrored(flipped[1])
    if borders[1] > 2:
        missing = CROWN * unit - (y - borders[1])
        turned = _carry_right(_top_right(pixels), _top_right(matte), height - borders[1], missing, unit)
        pixels, matte = _top_up(turned[0]), _top_up(turned[1])
    return replace(cutout, pixels=pixels, matte=matte)


def _mirrored(image: Array) -> Array:
    return np.ascontiguousarray(image[:, ::-1])


def _top_right(image: Array) -> Array:
    """The picture turned so that its upper border lies at the right."""
    return np.ascontiguousarray(np.rot90(image, -1))


def _top_up(image: Array) -> Array:
    return np.ascontiguousarray(np.rot90(image))


def _carry_right(pixels: Rgb, matte: Mask, edge: float, missing: float, unit: float) -> tuple[Rgb, Mask]:
    """Carries on what touches the vertical line ``edge`` from the left, by about the ``missing`` pixels."""
    height, width = matte.shape
    last = int(np.floor(edge)) - max(2, round(0.04 * unit))
    if last < 2:
        return pixels, matte
    covered = matte.copy()
    covered[:, last + 1 :] = 0
    runs = _runs(matte[:, last] > 127, LEAST_RUN * unit)
    if not runs:
        return pixels, covered
    beyond = min(width, last + 1 + round((DEEPEST + 0.2) * unit))
    depth = np.arange(beyond - last, dtype=np.float32)
    shape = np.zeros((height, beyond - last), np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    reach = float(np.clip(missing, SHALLOWEST * unit, DEEPEST * unit))
    for top, bottom in runs:
        if bottom >= height - 2:
            upper = _arm_outline(depth, top, _slope(matte, last, top, unit), reach, unit)
            lower = np.full(len(depth), height + 1.0)
        else:
            upper = _bow(depth, min(reach, (bottom - top) / 2), top, (bottom - top) / 2)
            lower = top + bottom - upper
        shape = np.maximum(shape, np.clip(rows - upper[None] + 0.5, 0, 1) * np.clip(lower[None] - rows + 0.5, 0, 1))
    shape = cv2.GaussianBlur(shape, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE)
    return _drawn(pixels, covered, shape, last, unit)


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


def _arm_outline(depth: Float32[Array, n], top: float, slope: float, missing: float, unit: float) -> Float32[Array, n]:
    """Row of an upper outline that starts at ``top`` with ``slope`` and has turned straight down ``missing`` pixels on.

    A quadratic Bezier curve: P0 = (0, top), P1 = (missing, top + slope missing), P2 = P1 + (0, 2 heads).
    """
    reach = min(missing, 2.0 * unit / slope)
    t = np.linspace(0, 1, 64)
    x = 2 * t * (1 - t) * reach + t * t * reach
    corner = top + slope * reach
    y = (1 - t) ** 2 * top + 2 * t * (1 - t) * corner + t * t * (corner + 2 * unit)
    beyond = depth > reach
    outline: Array = np.where(beyond, 1e6, np.interp(depth, x, y))
    return outline.astype(np.float32)


def _bow(depth: Float32[Array, n], reach: float, top: float, half: float) -> Float32[Array, n]:
    """Row of the upper half of a half-ellipse as deep as ``reach`` around the middle of a short run."""
    along = np.clip(depth / max(reach, 1.0), 0, 1)
    outline: Array = np.where(depth > reach, 1e6, top + half * (1 - np.sqrt(1 - along**2)))
    return outline.astype(np.float32)
