"""What a segmentation network has missed of a person: the end of a scarf, a helmet, a strip at the photo's border.

Colour tells it: such a piece touches the person, looks like the person's part beside it, and unlike everything that the
background shows around, while whatever belongs to the background goes on there.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.types import Array, Rgb

UNIT = 56.0
"""The face's height on the copy that is looked at, at most."""
REACH, RING = 0.2, 1.0
"""How far from the person pieces are looked for, and how far out the background is known by, in face heights."""
TILE, LEAST_TILE = 0.3, 24
"""Side of the tiles that are looked at one by one, in face heights, and in pixels at least."""
UNLIKE, ALIKE = 45.0, 0.35
"""How far from all colours of the background a pixel must be (RGB levels), and how much nearer to the person's."""
LEAST = 0.06
"""Side of the smallest piece, in face heights."""
SAMPLES, FEWEST = 1000, 50
"""Colours that stand for what lies around a tile: so many at most, and at least."""


def missed(rgb: Rgb, rough: Float32[Array, "h w"], face_size: float) -> Float32[Array, "h w"]:
    """0..1: how much of each pixel belongs to a piece of a person whom ``rough`` (0..1) shows without it.

    ``face_size`` is the largest face's height in pixels: all widths scale with it.
    """
    scale = min(1.0, UNIT / max(face_size, 1.0))
    size = (max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    person = (cv2.resize(rough, size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    if not person.any() or person.all():
        return np.zeros_like(rough)
    off = cv2.distanceTransform(1 - person, cv2.DIST_L2, cv2.DIST_MASK_5)
    found = _unlike_the_background(small, person, off, face_size * scale)
    found = np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    _, groups, stats, _ = cv2.connectedComponentsWithStats(found)
    keep: Bool[Array, n] = stats[:, cv2.CC_STAT_AREA] >= (LEAST * face_size * scale) ** 2
    keep &= np.isin(np.arange(len(keep)), groups[off <= 2.0])
    keep[0] = False
    pieces = keep[groups].astype(np.float32)
    return np.asarray(cv2.resize(pieces, rough.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _unlike_the_background(
    small: Float32[Array, "h w 3"], person: UInt8[Array, "h w"], off: Float32[Array, "h w"], unit: float
) -> UInt8[Array, "h w"]:
    """1 where a pixel near the person has one of the person's colours around it, and none of the background's."""
    deep = cv2.distanceTransform(person, cv2.DIST_L2, cv2.DIST_MASK_5)
    reach, tile = REACH * unit, max(LEAST_TILE, round(TILE * unit))
    near = (person == 0) & (off <= reach)
    beyond = (off > reach) & (off < RING * unit)
    inside = (deep > 1.5) & (deep < reach)
    found = np.zeros(person.shape, np.uint8)
    for y in range(0, person.shape[0], tile):
        for x in range(0, person.shape[1], tile):
            here = np.s_[y : y + tile, x : x + tile]
            around = np.s_[max(0, y - 3 * tile) : y + 4 * tile, max(0, x - 3 * tile) : x + 4 * tile]
            if not near[here].any():
                continue
            back, front = small[around][beyond[around]], small[around][inside[around]]
            if min(len(back), len(front)) >= FEWEST:
                asked = small[here][near[here]]
                to_back = _to_nearest(asked, back)
                found[here][near[here]] = (to_back > UNLIKE) & (_to_nearest(asked, front) < ALIKE * to_back)
    return found


def _to_nearest(colours: Float32[Array, "n 3"], others: Float32[Array, "m 3"]) -> Float32[Array, " n"]:
    """The distance of each colour to the nearest of some ``others``."""
    others = others[:: -(-len(others) // SAMPLES)]
    squares = np.square(colours).sum(1)[:, None] - 2 * colours @ others.T + np.square(others).sum(1)
    return np.asarray(np.sqrt(np.maximum(squares.min(1), 0)), np.float32)
