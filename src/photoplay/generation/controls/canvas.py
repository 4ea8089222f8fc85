"""Annotators' pictures of a film: every person drawn on black, at the size at which the annotator works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.controls.figure import Figure
from photoplay.types import Array, MotionTrack, RenderPlan, Rgb, RgbStack

Hands: TypeAlias = Sequence[Float32[Array, "_ 42 3"] | None]
"""The tracks' hands in photo space where they are known; see :meth:`Figure.of`."""
_GRID = 64


def working_size(plan: RenderPlan, side: int) -> tuple[int, int]:
    """Width and height at which an annotator works: the shorter side is ``side``, both are multiples of 64."""
    scale = side / min(plan.width, plan.height)
    width, height = (max(1, round(length * scale / _GRID)) * _GRID for length in (plan.width, plan.height))
    return width, height


def painted(
    tracks: Sequence[MotionTrack],
    plan: RenderPlan,
    paint: Callable[[Rgb, Sequence[Figure], int], None],
    *,
    size: tuple[int, int],
    hands: Hands = (),
    enlarge: int = cv2.INTER_LINEAR,
) -> RgbStack:
    """The film's pictures [f, h, w, 3]: ``paint`` draws everybody of a frame on black of this ``size``, which is then fitted
    to the film, enlarged by ``enlarge`` (a cv2 interpolation). ``hands`` may be fewer than ``tracks``.
    """
    known = [*hands, *[None] * (len(tracks) - len(hands))]
    figures = [Figure.of(track, plan, size, own) for track, own in zip(tracks, known, strict=True)]
    pictures = np.zeros((plan.num_frames, plan.height, plan.width, 3), np.uint8)
    for frame in range(plan.num_frames):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        paint(picture, figures, frame)
        pictures[frame] = _fitted(picture, plan, enlarge)
    return pictures


def _fitted(picture: Rgb, plan: RenderPlan, enlarge: int) -> UInt8[Array, "fh fw 3"]:
    """The picture at the film's size: areas averaged where it shrinks, else by ``enlarge``."""
    if picture.shape[:2] == (plan.height, plan.width):
        return picture
    shrinks = picture.shape[0] * picture.shape[1] > plan.height * plan.width
    sized = cv2.resize(picture, (plan.width, plan.height), interpolation=cv2.INTER_AREA if shrinks else enlarge)
    return np.asarray(sized, np.uint8)
