"""A clip goes on from the one before without its colours running off.

A model that is told the last frames of a clip makes them anew, and a little differently each time: lighter, paler, warmer.
Over a dozen clips that adds up. At each join both versions of the same frames are at hand, so the difference is a
measurement of the drift alone, whatever happens in the frames that follow. It is taken back from the whole clip:

    colour  the affine map of RGB between the two (see :mod:`photoplay.generation.backends.open_weights.colour`)
    light   what the colour map leaves over, as a smooth map over the frame; the finer half of it fades away, because what
            it was measured on moves on
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.errors import ReviewError
from photoplay.generation.backends.open_weights.colour import cells, colour_map, lab, trust
from photoplay.types import Array, RgbStack

FLOOR = 0.05
"""Drift in units of Lab under which nothing is done."""
JUMP = 5.0
"""Drift left after the correction that nobody takes for the same light: 2.3 are just noticeable (Mahy et al. 1994)."""
MAP_LIMIT = 8.0
"""Grey levels by which the light map changes a pixel at most."""
SMOOTH, FINER = 0.25, 0.10
"""Reach of the light map that stays and of the one that fades (standard deviations in longer sides)."""
DOUBT = 0.1
"""Weight of "no difference" in the light map, beside cells that weigh 1."""
FADE = 24
"""Frames over which the finer light map fades."""


@dataclass(frozen=True)
class Correction:
    """Takes drift back: ``matrix`` [3, 4] maps RGB (grey levels), then ``steady`` and ``fading`` [r, c, 3] are added."""

    matrix: Float32[Array, "3 4"]
    steady: Float32[Array, "r c 3"]
    fading: Float32[Array, "r c 3"]

    def apply(self, frames: RgbStack) -> RgbStack:
        """Corrects frames that follow the join; the first of them is frame 0 of the fade."""
        height, width = frames.shape[1:3]
        steady, fading = (
            cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in (self.steady, self.fading)
        )
        made = np.empty_like(frames)
        for index, frame in enumerate(frames):
            left = max(0.0, 1 - index / FADE)
            mapped: Array = cv2.transform(frame.astype(np.float32), self.matrix)
            mapped += steady
            mapped += np.float32(left * left * (3 - 2 * left)) * fading
            np.clip(np.rint(mapped, out=mapped), 0, 255, out=mapped)
            made[index] = mapped
        return made


def go_on(known: UInt8[Array, "k h w 3"], frames: RgbStack) -> RgbStack:
    """``frames`` [f, h, w, 3] of a clip whose first k repeat ``known`` [k, h, w, 3], as a continuation of them.

    The first k come back as ``known`` itself, the others freed from the drift between the two. Without known frames, and
    where there is no drift, the frames stay as they are.

    Raises:
        ReviewError: ``review_colours``: what is alike in both still differs by more than :data:`JUMP`.
    """
    if not len(known):
        return frames
    remade, after = frames[: len(known)], frames[len(known) :]
    correction = measure(known, remade)
    if correction is None:
        return np.concatenate([known, after])
    left = drift(known, correction.apply(remade))
    if left > JUMP:
        raise ReviewError(
            "review_colours",
            f"The colours of this film jump where one of its clips goes on from another (by {left:.0f} units of Lab).",
            "Make it with another seed, a lower guidance scale or without lossy shortcuts, or make it shorter.",
        )
    return np.concatenate([known, correction.apply(after)])


def drift(known: RgbStack, remade: RgbStack) -> float:
    """How far colours ran off between two versions of the same frames: rms difference in Lab (CIE 1976) of the cells of a
    coarse grid that show the same in both."""
    away = lab(cells(known)) - lab(cells(remade))
    weight = trust(np.linalg.norm(away - np.median(away.reshape(-1, 3), axis=0), axis=-1))
    return float(np.sqrt((weight * (away**2).sum(-1)).sum() / weight.sum()))


def measure(known: RgbStack, remade: RgbStack) -> Correction | None:
    """What takes the drift from ``known`` to ``remade`` back; None where there is none, or too little is alike to tell."""
    if drift(known, remade) < FLOOR or (found := colour_map(remade, known)) is None:
        return None
    light = (found.left * found.weight[..., None]).mean(axis=0), found.weight.mean(axis=0)
    steady, finer = (_spread(*light, reach * max(found.weight.shape[1:])) for reach in (SMOOTH, FINER))
    return Correction(found.matrix, steady, finer - steady)


def _spread(left: Float32[Array, "r c 3"], weight: Float32[Array, "r c"], reach: float) -> Float32[Array, "r c 3"]:
    """The weighted mean of ``left / weight`` around each cell, drawn to nothing where few cells can be trusted."""
    top, bottom = (cv2.GaussianBlur(part, (0, 0), reach, borderType=cv2.BORDER_REPLICATE) for part in (left, weight))
    light: Array = np.clip(top / (bottom[..., None] + np.float32(DOUBT)), -MAP_LIMIT, MAP_LIMIT)
    return light.astype(np.float32)
