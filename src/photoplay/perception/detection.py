"""Search: where in a photo there may be faces, at every size from 24 px up and in any quarter turn."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from jaxtyping import Float32

from photoplay.perception.crops import Crop, face_crop
from photoplay.perception.mediapipe_models import Models
from photoplay.types import Array, Box, Rgb

FINEST_TILE = 208
"""Photo pixels seen by the finest tiles: a face of 24 px is then 22 px in the detector's input (it misses some under 16)."""

_TILE_RATIO = 2.5
_OVERLAP = 0.27
_FLAT = 3.0


@dataclass(frozen=True)
class Candidate:
    """A detected face: its box as two corners of the detector's (turned) frame, both eyes, and the detector's score."""

    corners: Float32[Array, "2 2"]
    right_eye: Float32[Array, 2]
    left_eye: Float32[Array, 2]
    score: float

    @property
    def crop(self) -> Crop:
        """Where the mesh model should look."""
        return face_crop(_square(self.corners), self.right_eye, self.left_eye)

    @property
    def box(self) -> Box:
        low, high = self.corners.min(0), self.corners.max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _square(corners: Float32[Array, "2 2"]) -> Float32[Array, "4 2"]:
    """The four corners of the square around the box's middle: it keeps its size whichever way the face is turned."""
    middle = corners.mean(0)
    half = float(np.abs(corners[1] - corners[0]).max()) / 2
    square: Array = (middle + half * np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])).astype(np.float32)
    return square


def tiles(width: int, height: int) -> tuple[list[Crop], list[Crop]]:
    """Overlapping square tiles that cover a photo, as (coarse, fine); coarse ones are at least 0.4 of its long side."""
    longest = max(width, height)
    coarse = [Crop((width - 1) / 2, (height - 1) / 2, float(longest))]
    fine: list[Crop] = []
    side = longest / _TILE_RATIO
    while side >= FINEST_TILE / _TILE_RATIO * 1.01:
        side = max(side, float(FINEST_TILE))
        level = [Crop(x, y, side) for y in _centres(height, side) for x in _centres(width, side)]
        (coarse if side > 0.39 * longest else fine).extend(level)
        side /= _TILE_RATIO
    return coarse, fine


def _centres(length: int, side: float) -> list[float]:
    """Centres of overlapping tiles of one side along an axis."""
    if length <= side:
        return [(length - 1) / 2]
    count = 1 + ceil((length - side) / (side * (1 - _OVERLAP)))
    return [float(c) for c in np.linspace((side - 1) / 2, length - 1 - (side - 1) / 2, count)]


def detect(rgb: Rgb, where: list[Crop], models: Models, quarters: tuple[int, ...] = (0,)) -> list[Candidate]:
    """Faces in these tiles, each searched in the given quarter turns; overlapping finds are merged, the best first."""
    detector = models.detector("full_range")
    found: list[Candidate] = []
    for tile in where:
        upright = tile.take(rgb, detector.size)
        if float(upright.std()) < _FLAT:
            continue
        for quarter in quarters:
            turned = Crop(tile.x, tile.y, tile.side, quarter * pi / 2)
            boxes, scores, points = detector(np.ascontiguousarray(np.rot90(upright, quarter)))
            for box, score, keys in zip(boxes, scores, points, strict=True):
                corners = turned.to_photo(box.reshape(2, 2), detector.size)
                eyes = turned.to_photo(np.ascontiguousarray(keys[:2]), detector.size)
                found.append(Candidate(corners, eyes[0], eyes[1], float(score)))
    return merge(found)


def merge(candidates: list[Candidate]) -> list[Candidate]:
    """Drops candidates that overlap a better one."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: -one.score):
        if all(overlap(candidate.box, other.box) < 0.4 for other in kept):
            kept.append(candidate)
    return kept


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
