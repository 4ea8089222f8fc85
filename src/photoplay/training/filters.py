"""What a photo or clip must be to teach anything: one sharp, whole face that stays the same person, and no cut."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from photoplay.perception.advice import SHARP, face_height, measure
from photoplay.types import Array, Face, Rgb, RgbStack

LEAST_HEIGHT = 80.0
"""Pixels of face height: half of what a crop of 192 pixels shows of one."""
LEAST_SEEN = 0.5
"""Share of landmarks that must face the camera inside the picture."""
CUT = 0.45
"""Distance of two frames' colour histograms (Hellinger) from which a cut lies between them."""
CUT_CHANGE = 18.0
"""Mean change of brightness, in grey levels of a 32 x 18 thumbnail, that a cut makes at least."""


def why_not(rgb: Rgb, faces: tuple[Face, ...]) -> str | None:
    """The reason (a stable word) not to use a picture with these ``faces``, or None where it can be used."""
    if not faces:
        return "no face"
    face = max(faces, key=face_height)
    if any(face_height(other) > 0.5 * face_height(face) for other in faces if other is not face):
        return "several faces"
    if face_height(face) < LEAST_HEIGHT:
        return "small face"
    if float(face.visibility.mean()) < LEAST_SEEN or not _inside(rgb, face):
        return "face not whole"
    if measure(rgb, face).sharpness < SHARP:
        return "not sharp"
    return None


def _inside(rgb: Rgb, face: Face) -> bool:
    x0, y0, x1, y1 = face.box
    return x0 >= 0 and y0 >= 0 and x1 <= rgb.shape[1] and y1 <= rgb.shape[0]


def shots(frames: RgbStack) -> list[slice]:
    """The clip cut at its cuts: stretches of frames that belong together.

    A cut changes both the colours' distribution (Bhattacharyya 1943) and the picture; a flash changes one, fast motion the
    other.
    """
    starts = [0]
    looks = [_look(frame) for frame in frames]
    for k, (before, now) in enumerate(pairwise(looks), start=1):
        apart = cv2.compareHist(before[0], now[0], cv2.HISTCMP_BHATTACHARYYA)
        if apart > CUT and float(np.abs(before[1] - now[1]).mean()) > CUT_CHANGE:
            starts.append(k)
    return [slice(start, stop) for start, stop in pairwise([*starts, len(frames)])]


def _look(frame: Rgb) -> tuple[Array, Array]:
    small = cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA)
    histogram = cv2.calcHist([small], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3).ravel()
    grey = cv2.cvtColor(cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return histogram, grey.astype(np.float32)
