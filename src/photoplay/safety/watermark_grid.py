"""Where the watermark's signs stand in a picture, and how a picture is read there.

A picture is covered by about 18,000 square cells, counted from its centre, whatever its size and shape. They are part of a
plane of 288 x 288 cells on which the key says what each cell carries: one sign of the coded payload, or one of a pilot
pattern that only says where the plane lies. The plane is made of blocks of 16 x 24 cells that hold every coded sign once.

A cell is read by what its neighbours do not foretell of its mean luma, in units of how unforeseeable its neighbourhood is:
brightness and contrast do not matter then, and an edge has no more say than a wall.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int64

from photoplay.safety.watermark_code import CODED
from photoplay.safety.watermark_kernels import gather
from photoplay.types import Array

CELLS = 18_000
"""Cells of a picture: 179 x 101 of 7 pixels at 1280 x 720."""
LEAST_CELL = 2.0
"""Pixels that a cell measures at least: pictures under 268 x 268 hold fewer cells."""
PLANE = 288
BLOCK = (16, 24)
SLOTS = CODED + 1
"""What a cell can carry: a coded sign, or the pilot, which is the last."""
MARGIN = 20
"""Cells of the plane that stay free on either side of the longest picture, so that it can be looked for."""
AROUND = 5
"""Side in cells of the neighbourhood that a cell is weighed by."""
BORDER = cv2.BORDER_REFLECT_101


@dataclass(frozen=True)
class Filter:
    """A way to read cells: weights of a cell and its neighbours, the spreads at which evidence is limited, and the levels
    that are added to the spread (what rounding and compression leave in a flat wall)."""

    weights: Float32[Array, "3 3"]
    limit: float
    quiet: float


ROUND = Filter(np.array([[1, -5, 1], [-5, 16, -5], [1, -5, 1]], np.float32) / 16, 1.0, 2.5)
"""What a cell's four neighbours do not foretell. The marker measures its work by it."""
READERS = (
    Filter(ROUND.weights, 0.7, 0.7),
    Filter(np.outer([-0.5, 1, -0.5], [-0.5, 1, -0.5]).astype(np.float32), 0.7, 0.7),
)
"""The detector adds up two: the second is blind to upright and level edges, however strong."""
TENT = np.array([1 / 6, 2 / 3, 1 / 6], np.float32)
"""What a cell of 1 gives to itself and its neighbours when it is painted and read again."""


@dataclass(frozen=True)
class Layout:
    """A key's plane: what each cell carries (0 .. 288, the last is the pilot) and the sign +1 or -1 it is carried by."""

    slot: Int64[Array, "288 288"]
    sign: Float32[Array, "288 288"]


@dataclass(frozen=True)
class Grid:
    """The plane laid over a picture: which part of it [(top, bottom), (left, right)] has its cells' centres inside, a
    cell's height and width, and where the first of the part has its centre, in pixels."""

    part: tuple[slice, slice]
    cell: Float[Array, 2]
    first: Float[Array, 2]

    def read(self, luma: Float32[Array, "h w"] | Array) -> Float32[Array, "2 r c"]:
        """Mean luma and mean squared luma of each cell."""
        rows, columns = (side.stop - side.start for side in self.part)
        return np.asarray(gather(luma, self.cell, self.first, rows, columns), np.float32)


@lru_cache(maxsize=4)
def layout(key: bytes) -> Layout:
    """The plane of a key: the same for ever, since it comes from SHAKE-256 alone."""
    chance = hashlib.shake_256(b"photoplay watermark 1\0" + key).digest(9 * PLANE * PLANE)
    order = np.frombuffer(chance, ">u8", PLANE * PLANE).reshape(-1, BLOCK[0] * BLOCK[1]).argsort(axis=1, kind="stable")
    slots = np.minimum(order, CODED)
    slot = slots.reshape(PLANE // BLOCK[0], PLANE // BLOCK[1], *BLOCK).swapaxes(1, 2).reshape(PLANE, PLANE)
    sign = 1 - 2 * (np.frombuffer(chance, np.uint8)[8 * PLANE * PLANE :] & 1).astype(np.float32)
    return Layout(np.ascontiguousarray(slot), sign.reshape(PLANE, PLANE))


def cell_of(height: float, width: float) -> float:
    """The side of a cell in a picture as it was made, in pixels."""
    return max(sqrt(height * width / CELLS), max(height, width) / (PLANE - 2 * MARGIN), LEAST_CELL)


def lay(height: int, width: int, cell: Float[Array, 2], middle: Float[Array, 2]) -> Grid:
    """The plane over a picture, its cells of that size and its middle at that place (down, across), in pixels.

    Raises ValueError where less than two rows or columns of it lie in the picture.
    """
    start = np.maximum(np.ceil(-middle / cell + (PLANE - 1) / 2), 0).astype(int)
    stop = np.minimum(np.floor((np.array([height, width]) - middle) / cell + (PLANE - 1) / 2) + 1, PLANE).astype(int)
    if (stop - start < 2).any():
        raise ValueError("the picture is too narrow for a watermark")
    first = middle + (start - (PLANE - 1) / 2) * cell
    return Grid((slice(int(start[0]), int(stop[0])), slice(int(start[1]), int(stop[1]))), cell, first)


def weigh(means: Float32[Array, "r c"], how: Filter) -> tuple[Float32[Array, "r c"], Float32[Array, "r c"]]:
    """Each cell's residual (positive: brighter than its neighbours foretell) in spreads of its neighbourhood, and these."""
    left = np.asarray(cv2.filter2D(means, cv2.CV_32F, how.weights, borderType=BORDER), np.float32)
    energy = np.maximum(cv2.blur(left * left, (AROUND, AROUND), borderType=BORDER), np.float32(0))
    spread = np.sqrt(energy) + np.float32(how.quiet * float(np.sqrt((how.weights**2).sum())))
    return left / spread, spread


def limited(ratio: Float32[Array, "r c"], how: Filter) -> Float32[Array, "r c"]:
    """The evidence of residuals in spreads: ratio / sqrt(1 + (ratio / limit)^2)."""
    return np.asarray(ratio / np.sqrt(1 + (ratio / np.float32(how.limit)) ** 2), np.float32)


def gain(ratio: Float32[Array, "r c"], spread: Float32[Array, "r c"], how: Filter) -> Float32[Array, "r c"]:
    """By how much a cell's evidence grows with every level that is painted into it."""
    painted = np.float32((how.weights * np.outer(TENT, TENT)).sum())
    return np.asarray(painted / (spread * (1 + (ratio / np.float32(how.limit)) ** 2) ** 1.5), np.float32)


def evidence(means: Float32[Array, "r c"]) -> Float32[Array, "r c"]:
    """Each cell's evidence as the detector reads it, with a mean square of one over the picture."""
    total = sum((limited(weigh(means, how)[0], how) for how in READERS), start=np.zeros_like(means))
    return total / np.float32(max(float(np.sqrt(np.vdot(total, total) / total.size)), 1e-6))


def tally(votes: Float32[Array, "r c"], slot: Int64[Array, "r c"]) -> Float[Array, 289]:
    """The sum of the votes for each slot over the root of their number: of variance one where the votes are chance."""
    count = np.bincount(slot.ravel(), minlength=SLOTS)
    total = np.bincount(slot.ravel(), votes.ravel(), SLOTS)
    return np.asarray(total / np.sqrt(np.maximum(count, 1)), np.float64)
