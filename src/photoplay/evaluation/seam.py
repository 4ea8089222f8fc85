"""Is there a seam between two people? Pixels along their border against what each one's own photo shows there.

Every pixel of a person came from a place of that person's photo (``Anchor.flow``). Where the frame's colour lies outside
the range of colours around that place, by more than resampling and a contact shadow explain, the rest is the *excess* x in
grey levels of the channel that differs most. Right at the border, where one pixel may show both, the range is that of both
people together. With S for the strip of pixels within R of the border and N for the band around it, from R to 3 R,

    seam energy = sqrt(mean of x^2 over S),   around = sqrt(mean of x^2 over N).

A clean border has no more than resampling leaves. A soft edge through which the other one shines, a halo, a cut with a
fringe of background raise the strip alone; faces mixed as a whole raise both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.evaluation.fidelity import MADE
from photoplay.types import Anchor, Array, Mask, Rgb

REACH = 90
"""R is the picture's height over this, 3 pixels at least."""
MIXED = 1.5
"""Pixels from the border within which one pixel may show both people."""
SLACK = 2
"""Pixels around a pixel's origin whose colours are its range."""
SHADE = 0.75
"""One person's contact shadow on the other may darken to this share."""
KNOWN = 128
"""Confidence from which a pixel is the photo's own."""
SHORT = 24
"""Pixels of border under which there is nothing to be judged."""


@dataclass(frozen=True)
class Seam:
    """Root mean square excess in grey levels in the strip along the border and in the band around it."""

    energy: float
    around: float


def seam(picture: Rgb, anchor: Anchor, offset: int, photos: tuple[Rgb, Rgb], subjects: tuple[int, int]) -> Seam | None:
    """The seam between two people in a frame; None where they do not meet or the anchor knows no identities.

    Args:
        picture: the film's frame.
        anchor: what the photo says about it, at ``offset``.
        photos: each person's own picture, framed as the film is.
        subjects: the two people's indices in the scene.
    """
    if anchor.identity is None:
        return None
    shown = anchor.identity[offset]
    people = [np.asarray(shown == subject + 1, np.uint8) for subject in subjects]
    small = np.ones((3, 3), np.uint8)
    border = cv2.bitwise_and(cv2.dilate(people[0], small), cv2.dilate(people[1], small))
    if np.count_nonzero(border) < SHORT:
        return None
    reach = max(3.0, picture.shape[0] / REACH)
    part = _around(border, round(3 * reach) + SLACK + 1)
    away: Array = cv2.distanceTransform(1 - border[part], cv2.DIST_L2, 5)
    flow, (x, y) = anchor.flow[offset][part].astype(np.float32), _grid(part, picture.shape)
    x, y = x + flow[..., 0], y + flow[..., 1]
    known = _known(anchor, offset, part, x, y)
    mine = [np.asarray(person[part] > 0, bool) for person in people]
    ranges = [
        _range(cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), own)
        for photo, own in zip(photos, mine, strict=True)
    ]
    low = np.where(mine[0][..., None], ranges[0][0], ranges[1][0])
    high = np.where(mine[0][..., None], ranges[0][1], ranges[1][1])
    mixed = (away <= MIXED)[..., None]
    low = np.where(mixed, np.minimum(ranges[0][0], ranges[1][0]), low)
    high = np.where(mixed, np.maximum(ranges[0][1], ranges[1][1]), high)
    excess = _excess(picture[part], np.asarray(low, np.uint8), np.asarray(high, np.uint8))
    judged = (mine[0] | mine[1]) & known
    strip, band = judged & (away <= reach), judged & (away > reach) & (away <= 3 * reach)
    if np.count_nonzero(strip) < SHORT:
        return None
    return Seam(_rms(excess[strip]), _rms(excess[band]))


def _around(border: Mask, reach: int) -> tuple[slice, slice]:
    """The part of the picture that holds the border, widened by ``reach`` pixels."""
    x, y, width, height = cv2.boundingRect(border)
    return slice(max(0, y - reach), y + height + reach), slice(max(0, x - reach), x + width + reach)


def _grid(part: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[Float32[Array, "h w"], Float32[Array, "h w"]]:
    """x and y of every pixel of the part, as the whole picture counts them."""
    rows, columns = np.arange(shape[0])[part[0]], np.arange(shape[1])[part[1]]
    x, y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return x, y


def _known(
    anchor: Anchor, offset: int, part: tuple[slice, slice], x: Float32[Array, "h w"], y: Float32[Array, "h w"]
) -> Bool[Array, "h w"]:
    """Pixels that are the photo's own, not made anew (eyes, mouth), and come from inside the photo (at ``x``, ``y``)."""
    height, width = anchor.labels.shape[1:]
    made = np.isin(anchor.labels[offset][part], [int(label) for label in MADE]).astype(np.uint8)
    near = cv2.dilate(made, np.ones((2 * SLACK + 3,) * 2, np.uint8)) > 0
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    return np.asarray((anchor.confidence[offset][part] >= KNOWN) & ~near & inside, bool)


def _range(origin: Rgb, own: Bool[Array, "h w"]) -> tuple[UInt8[Array, "h w 3"], UInt8[Array, "h w 3"]]:
    """Least and largest of one person's own colours within SLACK pixels; 255 and 0 where there are none."""
    window = np.ones((2 * SLACK + 1,) * 2, np.uint8)
    low = cv2.erode(np.where(own[..., None], origin, 255).astype(np.uint8), window)
    high = cv2.dilate(np.where(own[..., None], origin, 0).astype(np.uint8), window)
    return np.asarray(low * SHADE, np.uint8), np.asarray(high, np.uint8)


def _excess(picture: Rgb, low: Rgb, high: Rgb) -> Float32[Array, "h w"]:
    """How far the channel that differs most lies outside its range, in grey levels."""
    outside = np.maximum(cv2.subtract(picture, high), cv2.subtract(low, picture))
    return np.asarray(outside.max(axis=2), np.float32)


def _rms(values: Float32[Array, n]) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0
