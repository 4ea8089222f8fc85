"""Flicker, pulse and an unquiet background, measured on the pictures alone.

Motion is found by looking (optical flow), not taken from the generator: what is measured must not depend on what it
believes. Flicker is the second difference along the motion, I(t) - 2 I(t-1) + I(t-2), zero for everything that changes
steadily, divided by sqrt(6): the standard deviation of the white flicker that would cause it, in grey levels of 255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from photoplay.types import Array, Box, Rgb

STEP = 8
"""Pixels between the points that are followed."""
FLOW_SIDE = 640
"""Long side at which motion is looked for. At half of that, a head that moves by 6 pixels a frame seems to flicker."""
ROBUST = 1.4826
"""Median of absolute deviations to standard deviation, for a normal distribution."""
LOST = 24.0
"""Grey levels: a point that changes more was covered, uncovered or lost."""

FILM_RATE = 24.0
"""Frames a second that the limits of flicker on a face are meant for."""


def at_film_rate(flicker: float, fps: float) -> float:
    """What clean motion that reads as so much flicker at ``fps`` would read as at 24 frames a second.

    Between fewer frames a face goes farther, and the farther it goes the less exactly it is followed: the same nod, laugh
    and turn read 1.3 to 1.5 times as much at 12 and 1.8 to 2.1 times as much at 8, about the root of the time between
    frames. Rates over 24 are left as they are."""
    return flicker * math.sqrt(min(1.0, fps / FILM_RATE))


@dataclass
class _Seen:
    picture: Rgb
    small: Array
    shift: Array | None = None


class FlickerMeter:
    """Fed with every picture of a film in order."""

    def __init__(self, width: int, height: int) -> None:
        self._x, self._y = np.meshgrid(
            np.arange(STEP // 2, width, STEP, dtype=np.float32), np.arange(STEP // 2, height, STEP, dtype=np.float32)
        )
        shrink = max(1.0, max(width, height) / FLOW_SIDE)
        self._small = (max(32, round(width / shrink)), max(32, round(height / shrink)))
        self._scale = np.array([width / self._small[0], height / self._small[1]], np.float32)
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._last: tuple[_Seen, ...] = ()
        self.grain: list[float] = []
        """Flicker of single points, once for each picture from the third on."""
        self.pulse: list[float] = []
        """Flicker of the mean brightness, the same."""
        self.face: list[float] = []
        """Flicker of points inside the given boxes, the same where there are at least 12 such points."""

    def see(self, picture: Rgb, boxes: tuple[Box, ...] = ()) -> None:
        """Measures one more picture; ``boxes`` are the faces in it."""
        grey = cv2.cvtColor(cv2.resize(picture, self._small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        now = _Seen(picture.copy(), grey)
        if self._last:
            now.shift = self._shift(grey, self._last[-1].small)
        if len(self._last) == 2:
            self._measure(now, self._last[1], self._last[0], boxes)
        self._last = (*self._last, now)[-2:]

    def _shift(self, now: Array, before: Array) -> Float32[Array, "r c 2"]:
        """How far each point has to go to where it stood before, in pixels."""
        flow = self._dis.calc(now, before, None)
        at_x, at_y = (self._x + 0.5) / self._scale[0] - 0.5, (self._y + 0.5) / self._scale[1] - 0.5
        at_points = cv2.remap(flow, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(at_points * self._scale, np.float32)

    def _measure(self, now: _Seen, before: _Seen, earlier: _Seen, boxes: tuple[Box, ...]) -> None:
        shift, shift_before = now.shift, before.shift
        if shift is None or shift_before is None:
            return
        x, y = self._x + shift[..., 0], self._y + shift[..., 1]
        at_x, at_y = (x - STEP // 2) / STEP, (y - STEP // 2) / STEP
        further = cv2.remap(shift_before, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        here = now.picture[STEP // 2 :: STEP, STEP // 2 :: STEP].astype(np.float32)
        one, two = _look(before.picture, x, y), _look(earlier.picture, x + further[..., 0], y + further[..., 1])
        steady = _largest(cv2.max(cv2.absdiff(here, one), cv2.absdiff(one, two))) < LOST
        bend: Array = here - 2 * one + two
        second = np.asarray(cv2.transform(bend, np.full((1, 3), 1 / 3, np.float32)), np.float32)
        if steady.sum() < 12:
            return
        pulse = float(np.mean(second[steady]))
        self.pulse.append(abs(pulse) / 6**0.5)
        self.grain.append(ROBUST * float(np.median(np.abs(second - pulse))) / 6**0.5)
        inside = self._inside(boxes)
        if inside.sum() >= 12:
            self.face.append(ROBUST * float(np.median(np.abs(second[inside] - pulse))) / 6**0.5)

    def _inside(self, boxes: tuple[Box, ...]) -> Bool[Array, "r c"]:
        inside = np.zeros(self._x.shape, bool)
        for x0, y0, x1, y1 in boxes:
            inside |= (self._x >= x0) & (self._x < x1) & (self._y >= y0) & (self._y < y1)
        return inside


class BackgroundMeter:
    """Fed with every picture and where its background is; every second pixel across and down is compared."""

    def __init__(self) -> None:
        self._first: tuple[Array, Array] | None = None
        self._before: tuple[Array, Array] | None = None
        self.change: list[float] = []
        """Mean absolute change of brightness from picture to picture, in grey levels."""
        self.peak: list[float] = []
        """The same, of the 0.1 % of pixels that change most."""
        self.drift: list[float] = []
        """Mean absolute difference from the first picture."""

    def see(self, picture: Rgb, background: Bool[Array, "h w"]) -> None:
        half = (max(1, picture.shape[1] // 2), max(1, picture.shape[0] // 2))
        now = (cv2.resize(picture, half, interpolation=cv2.INTER_NEAREST), _thinned(background, half))
        if self._first is None or self._before is None:
            self._first = self._before = now
            return
        moved = _difference(now, self._before)
        if moved is not None:
            self.change.append(moved[0])
            self.peak.append(moved[1])
        away = _difference(now, self._first)
        if away is not None:
            self.drift.append(away[0])
        self._before = now


def _difference(now: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[float, float] | None:
    """Mean absolute difference where both are background: of all pixels and of the thousandth that differs most."""
    both: Array = cv2.bitwise_and(now[1], then[1])
    apart = cv2.cvtColor(cv2.absdiff(now[0], then[0]), cv2.COLOR_RGB2GRAY)
    counts = cv2.calcHist([apart], [0], both, [256], [0, 256])[:, 0].astype(np.float64)
    total = counts.sum()
    if total < 50:
        return None
    levels = np.arange(256)
    most = max(1.0, total / 1000)
    above = np.minimum(np.cumsum(counts[::-1]), most)
    top = np.diff(above, prepend=0.0)[::-1]
    return float(counts @ levels / total), float(top @ levels / most)


def _thinned(background: Bool[Array, "h w"], size: tuple[int, int]) -> Array:
    return np.asarray(cv2.resize(background.view(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _largest(channels: Float32[Array, "r c 3"]) -> Float32[Array, "r c"]:
    one, two, three = cv2.split(channels)
    return np.asarray(cv2.max(cv2.max(one, two), three), np.float32)


def _look(picture: Rgb, x: Float32[Array, "r c"], y: Float32[Array, "r c"]) -> Float32[Array, "r c 3"]:
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
