"""Finds where the watermark's plane lies in a picture that was cropped, scaled or padded.

The pilot is looked for at every size within +-13 % and every place within 20 cells, by correlation over the plane (Kuglin
and Hines, "The phase correlation image alignment method", 1975; here with evidence limited cell by cell in place of the
phase). What is found is refined by small steps until the coded signs speak up, since these say more than the pilot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int64

from photoplay.safety.watermark_code import CODED
from photoplay.safety.watermark_grid import MARGIN, PLANE, SLOTS, Grid, Layout, cell_of, evidence, lay, tally
from photoplay.types import Array

WORKING_CELL = 3
"""Pixels of a cell in the shrunk picture that is searched and read; odd, so that it can be blurred about a pixel."""
SCALES = np.exp(np.linspace(-0.13, 0.13, 27))
"""Sizes of a cell, in those of an untouched picture, that are tried first."""
STRETCHED, STRETCHES = np.exp(np.linspace(0, 0.07, 8)), np.exp(np.array([-0.06, -0.04, -0.02, 0.02, 0.04, 0.06]))
"""Sizes, and ratios of a cell's height to its width, that are tried after these: a cut picture that was stretched to fill
its old frame has larger cells only."""
PHASES = ((0.0, 0.0), (0.5, 0.5))
CANDIDATES, REFINED = 12, 2
"""Places of a search that are read, and readings of these that are refined and decoded."""
STEPS = (0.25, 0.12, 0.06)
"""Refinement moves the picture's edge, and its middle, by these shares of a cell."""
PASSES = 2


@dataclass(frozen=True)
class Place:
    """Where the plane lies: size of a cell and place of the middle (down, across), in pixels of the shrunk picture."""

    cell: Float[Array, 2]
    middle: Float[Array, 2]


@dataclass(frozen=True)
class Reading:
    """A picture read at a place: the tally of all slots, and how much it looks like a watermark."""

    place: Place
    soft: Float[Array, 289]
    score: float


def read(blurred: Float32[Array, "h w"], plane: Layout, place: Place) -> Reading:
    """Reads a picture (:func:`shrink`) at a place.

    The score adds up two independent tests, both of mean 0 and variance 1 without a watermark: the pilot's tally, and the
    energy of the coded ones above chance.
    """
    grid = lay(blurred.shape[0], blurred.shape[1], place.cell, place.middle)
    soft = tally(evidence(_sample(blurred, grid)) * plane.sign[grid.part], plane.slot[grid.part])
    energy = float((soft[:-1] ** 2 - 1).sum()) / np.sqrt(2 * (SLOTS - 1))
    return Reading(place, soft, float(soft[-1] + energy) / np.sqrt(2))


def readings(luma: Float32[Array, "h w"], plane: Layout) -> Iterator[Reading]:
    """Readings worth decoding, one after the other: the picture as it is, then what two searches find, the best first."""
    blurred = shrink(luma)
    height, width = blurred.shape
    untouched = Place(np.array([height, width]) / luma.shape * cell_of(*luma.shape), np.array([height, width]) / 2)
    yield refine(blurred, plane, read(blurred, plane, untouched))
    for sizes in (np.stack([SCALES, SCALES], 1), _stretched()):
        found = [read(blurred, plane, place) for place in search(blurred, plane, untouched.cell * sizes)]
        found.sort(key=lambda reading: -reading.score)
        yield from (refine(blurred, plane, reading) for reading in found[:REFINED])


def _stretched() -> Float[Array, "n 2"]:
    """Sizes of a cell, down and across, whose ratio is not one."""
    root = np.sqrt(STRETCHES)
    down, across = (np.outer(STRETCHED, side).ravel() for side in (root, 1 / root))
    return np.stack([down, across], 1)


def shrink(luma: Float32[Array, "h w"]) -> Float32[Array, "i j"]:
    """The picture with cells of about three pixels, each pixel a mean under a tent two cells wide."""
    scale = WORKING_CELL / cell_of(*luma.shape)
    height, width = (max(2, round(side * scale)) for side in luma.shape)
    small = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
    for _ in range(2):
        small = cv2.blur(small, (WORKING_CELL, WORKING_CELL), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(small, np.float32)


def _sample(blurred: Float32[Array, "h w"], grid: Grid) -> Float32[Array, "r c"]:
    """The picture at the cells' centres."""
    rows, columns = (side.stop - side.start for side in grid.part)
    across, down = grid.cell[1], grid.cell[0]
    where = np.array([[across, 0, grid.first[1] - 0.5], [0, down, grid.first[0] - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cells = cv2.warpAffine(blurred, where, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cells, np.float32)


@dataclass(frozen=True)
class _Pilot:
    """The spectrum of the plane's pilot around its middle, packed as OpenCV packs it, and where in the plane it begins."""

    spectrum: Float32[Array, "r c"]
    origin: Int64[Array, 2]


def _pilot(plane: Layout, cells: Float[Array, 2]) -> _Pilot:
    """The pilot of a picture of so many cells down and across, with room to move."""
    size = [min(PLANE, cv2.getOptimalDFTSize(int(np.ceil(side)) + 2 * MARGIN)) for side in cells]
    origin = (PLANE - np.array(size)) // 2
    part = tuple(slice(int(start), int(start) + side) for start, side in zip(origin, size, strict=True))
    pilot = np.where(plane.slot[part] == CODED, plane.sign[part], np.float32(0))
    return _Pilot(np.asarray(cv2.dft(pilot), np.float32), origin)


def search(blurred: Float32[Array, "h w"], plane: Layout, cells: Float[Array, "n 2"]) -> list[Place]:
    """The places where the pilot speaks loudest, one for each size of cell, the loudest first."""
    pilot = _pilot(plane, np.array(blurred.shape) / WORKING_CELL)
    best = [max((_strongest(blurred, pilot, cell, phase) for phase in PHASES), key=_loudness) for cell in cells]
    best.sort(key=_loudness, reverse=True)
    return [place for _, place in best[:CANDIDATES]]


def _loudness(found: tuple[float, Place]) -> float:
    return found[0]


def _strongest(
    blurred: Float32[Array, "h w"], pilot: _Pilot, cell: Float[Array, 2], phase: tuple[float, float]
) -> tuple[float, Place]:
    """How loud the pilot is at its best place for that size of cell, and the place."""
    height, width = blurred.shape
    middle = np.array([height, width]) / 2 + np.array(phase) * cell
    grid = lay(height, width, cell, middle)
    votes = evidence(_sample(blurred, grid))
    padded = np.zeros(pilot.spectrum.shape, np.float32)
    top, left = (max(0, side.start - int(start)) for side, start in zip(grid.part, pilot.origin, strict=True))
    inside = votes[: padded.shape[0] - top, : padded.shape[1] - left]
    padded[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    product = cv2.mulSpectrums(pilot.spectrum, cv2.dft(padded), 0, conjB=True)
    loudness = np.asarray(cv2.idft(product, flags=cv2.DFT_SCALE), np.float32)
    shifts = np.arange(-MARGIN, MARGIN + 1)
    near = loudness[np.ix_(shifts % padded.shape[0], shifts % padded.shape[1])]
    at = np.unravel_index(int(near.argmax()), near.shape)
    shift = np.array([shifts[at[0]], shifts[at[1]]])
    return float(near[at]) / np.sqrt(votes.size), Place(cell, middle - shift * cell)


def refine(blurred: Float32[Array, "h w"], plane: Layout, reading: Reading) -> Reading:
    """Climbs from a reading to a better one: moves and stretches along both axes, by smaller and smaller steps."""
    half = np.array(blurred.shape) / 2
    for step in STEPS:
        for _ in range(PASSES):
            before = reading.score
            for move in _moves(reading.place.cell, half, step):
                cell, middle = reading.place.cell, reading.place.middle
                grown = cell * (1 + move[0])
                # A stretch leaves the picture's centre where it is.
                placed = half + (middle - half) * grown / cell + move[1]
                other = read(blurred, plane, Place(grown, placed))
                if other.score > reading.score:
                    reading = other
            if reading.score <= before:
                break
    return reading


def _moves(cell: Float[Array, 2], half: Float[Array, 2], step: float) -> Iterator[Float[Array, "2 2"]]:
    """Changes to try: relative growth and shift in pixels, both down and across."""
    growth, shift = step * cell / half, step * cell
    for sign in (1, -1):
        yield np.array([sign * growth, [0, 0]])
        for axis in np.eye(2):
            yield np.array([[0, 0], sign * shift * axis])
            yield np.array([sign * growth * axis, [0, 0]])
