"""Mattes: where people are, and which of them is nearest to a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.controls.figure import LEFT_SHOULDER, RIGHT_SHOULDER, Figure
from photoplay.types import Anchor, Array, Label, MotionTrack, RenderPlan, RgbStack

CELLS = 64
"""Regions are told apart on a grid of at most so many cells along the frame's longer side."""


def draw_matte(anchor: Anchor) -> RgbStack:
    """The moving people [f, h, w, 3] white on black, as masks and segmentation controls take them."""
    people = np.where(anchor.labels != int(Label.BACKGROUND), 255, 0).astype(np.uint8)
    return np.repeat(people[..., None], 3, axis=-1)


def regions(tracks: Sequence[MotionTrack], plan: RenderPlan) -> UInt8[Array, "n f h w"]:
    """For each track the part of the frame [f, h, w] that is nearer to its person than to any other: 255 there, else 0.

    Near is near to the line from between the person's brows over the neck straight down to the bottom of the frame, measured
    in that person's shoulder widths. Every pixel belongs to exactly one person, so that what each is told by (a photo, a
    description) never overlaps; one person alone has the whole frame.
    """
    scale = min(1.0, CELLS / max(plan.width, plan.height))
    coarse = (max(1, round(plan.width * scale)), max(1, round(plan.height * scale)))
    spans = [_distances(Figure.of(track, plan, coarse), coarse) for track in tracks]
    nearest = np.argmin(np.stack(spans), axis=0).astype(np.uint8)
    owner = np.stack(
        [cv2.resize(frame, (plan.width, plan.height), interpolation=cv2.INTER_NEAREST) for frame in nearest]
    )
    return np.stack([np.where(owner == index, 255, 0).astype(np.uint8) for index in range(len(tracks))])


def _distances(figure: Figure, size: tuple[int, int]) -> Float32[Array, "f h w"]:
    """How far each cell of a grid of this width and height is from a person's line, in shoulder widths."""
    width, height = size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    face, shoulders = figure.face.at, figure.body.at[:, [RIGHT_SHOULDER, LEFT_SHOULDER]]
    top, neck = face[:, 19:25].mean(axis=1), shoulders.mean(axis=1)
    foot = np.stack([neck[:, 0], np.maximum(neck[:, 1] + 1, height)], axis=-1)
    broad = np.maximum(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1), 1e-3)
    spans = [
        np.minimum(_to_segment(x, y, top[k], neck[k]), _to_segment(x, y, neck[k], foot[k])) / broad[k]
        for k in range(len(neck))
    ]
    return np.asarray(np.stack(spans), np.float32)


def _to_segment(x: Array, y: Array, start: Float32[Array, 2], end: Float32[Array, 2]) -> Array:
    """Distance of points to the line between two others."""
    along = end - start
    share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(float(along @ along), 1e-9)
    share = np.clip(share, 0, 1)
    away: Array = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])
    return away
