"""People in a photo who did not agree: made unrecognisable for good, before anything else is done with the photo.

The head is replaced by the mean colours of a few large cells, drawn smoothly. What is left of a face is about a dozen
numbers, fewer than an embedding has, so no program can compute the face back: a blur that only mixes neighbouring pixels
could be undone or matched (McPherson, Shokri & Shmatikov, "Defeating Image Obfuscation with Deep Learning", 2016, who
recognise faces in mosaics of eight and more cells across).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.errors import ConsentError
from photoplay.types import Array, Box, Face, FaceReader, Notice, Photo, Rgb

CELLS = 3
"""Cells across a face."""
HALF_WIDTH, HALF_HEIGHT, RISE = 0.62, 0.74, 0.1
"""The ellipse in which nothing of a head is left, as shares of the longer side of the face's box; its middle lies higher."""
FADE = 1.4
"""So many times as large is the ellipse at whose edge the photo is as it was."""


def hide_all_but(photo: Photo, faces: Sequence[Face], stays: Sequence[bool], reader: FaceReader) -> Photo:
    """The photo with every face that does not stay made unrecognisable, and a notice of it.

    Args:
        photo: what the user gave.
        faces: everybody in it.
        stays: for each of them, whether they agreed.
        reader: looks whether somebody can still be seen.

    Raises:
        ConsentError: ``bystander_seen``: a face is still found where one was hidden.
    """
    hidden = [face.box for face, stay in zip(faces, stays, strict=True) if not stay]
    if not hidden:
        return photo
    pixels = hide(photo.pixels, hidden, [face.box for face, stay in zip(faces, stays, strict=True) if stay])
    for found in reader.read(pixels):
        if any(_inside(_middle(found.box), box) for box in hidden):
            raise ConsentError(
                "bystander_seen",
                "Somebody who did not agree could not be made unrecognisable.",
                "Crop that person out of the photo.",
            )
    count = len(hidden)
    told = Notice(
        "bystanders_blurred",
        "One person was made unrecognisable." if count == 1 else f"{count} people were made unrecognisable.",
        "They did not agree to the film. Crop the photo if they should not be in it at all.",
    )
    return replace(photo, pixels=pixels, notices=(*photo.notices, told))


def hide(rgb: Rgb, hidden: Sequence[Box], kept: Sequence[Box] = ()) -> Rgb:
    """A copy of the picture without the heads of the faces in the boxes ``hidden``.

    Heads around the boxes ``kept`` stay as they are where they do not lie over a hidden face itself.
    """
    made = rgb.copy()
    spared = np.zeros(rgb.shape[:2], np.float32)
    for box in kept:
        np.maximum(spared, _ellipse(rgb, box, 1.0), out=spared)
    for box in hidden:
        core, around = _ellipse(rgb, box, 1.0), _ellipse(rgb, box, FADE)
        alpha = np.maximum(core, around * (1 - spared))[..., None]
        made = np.rint(made + alpha * (_cells(rgb, box) - made)).astype(np.uint8)
    return made


def _cells(rgb: Rgb, box: Box) -> Float32[Array, "h w 3"]:
    """The picture as means of cells, :data:`CELLS` across the box, with smooth steps between them."""
    height, width = rgb.shape[:2]
    cell = max(1.0, max(box[2] - box[0], box[3] - box[1]) / CELLS)
    coarse = (max(1, round(width / cell)), max(1, round(height / cell)))
    means = cv2.resize(rgb, coarse, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _ellipse(rgb: Rgb, box: Box, size: float) -> Float32[Array, "h w"]:
    """1 on the head around a face's box, falling to 0 towards an ellipse that is ``size`` times as large."""
    side = max(box[2] - box[0], box[3] - box[1])
    x, y = _middle(box)
    across = (np.arange(rgb.shape[1], dtype=np.float32) - x) / (HALF_WIDTH * side)
    down = (np.arange(rgb.shape[0], dtype=np.float32) - (y - RISE * side)) / (HALF_HEIGHT * side)
    radius = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    if size == 1:
        return (radius <= 1).astype(np.float32)
    return np.clip((size - radius) / (size - 1), 0, 1).astype(np.float32)


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _inside(point: tuple[float, float], box: Box) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
