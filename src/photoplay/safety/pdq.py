"""PDQ: a perceptual hash of 256 bits that stays near when a picture is scaled, compressed or slightly changed.

Dalins, Wilson and Boudry, "PDQ & TMK + PDQF" (2019), https://arxiv.org/abs/1912.07745, and its public description
(facebook/ThreatExchange, hashing/pdq). Pictures are shrunk to 512 pixels first, as that description recommends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt64

from photoplay.types import Array, Rgb

SHRUNK = 512
"""Pictures are hashed at this longer side at most."""
GRID, KEPT = 64, 16
"""Side of the grid that is transformed, and of the corner of its cosine transform that makes the bits."""
BITS = 256
NEAR = 31
"""Hamming distance up to which two hashes count as the same picture: what the authors recommend."""
LEAST_QUALITY = 50
"""Quality 0..100 under which a hash is not put on a list (a blank wall): the authors' recommendation."""
LEAST_SPAN = 4.0
"""Levels of luma 0..255 that a picture's brightest part lies above its darkest, under which it is blank. Quality would not
do for a picture that is compared with a list: it falls with the contrast, while the hash stays as it is."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Hash = UInt64[Array, "4"]
"""256 bits as four words, the first holding the lowest bits."""


@dataclass(frozen=True)
class PdqHash:
    """The hashes of a picture and of its seven mirror images and rotations [8, 4], its ``quality`` 0..100, and how many
    levels of luma its smoothed picture spans."""

    turned: UInt64[Array, "8 4"]
    quality: int
    span: float

    @property
    def hex(self) -> str:
        """The upright picture's hash as 64 hex digits, the highest bits first, as hash lists write it."""
        return to_hex(self.turned[0])

    @property
    def blank(self) -> bool:
        """Whether the picture shows nothing, so that its bits are noise."""
        return self.span < LEAST_SPAN

    @property
    def listable(self) -> bool:
        """Whether enough happens in the picture for its hash to be put on a list."""
        return self.quality >= LEAST_QUALITY


def pdq(rgb: Rgb) -> PdqHash:
    """Hashes a picture [h, w, 3] and its mirror images and rotations."""
    grid = _grid(rgb)
    turns = [np.rot90(side, quarter) for side in (grid, grid[:, ::-1]) for quarter in range(4)]
    return PdqHash(np.stack([_bits(turn) for turn in turns]), _quality(grid), float(np.ptp(grid)))


def to_hex(words: Hash) -> str:
    """64 hex digits of a hash."""
    return "".join(f"{int(word):016x}" for word in words[::-1])


def from_hex(digits: str) -> Hash:
    """The hash of 64 hex digits. Raises ValueError where it is none."""
    if len(digits) != BITS // 4:
        raise ValueError("a PDQ hash has 64 hex digits")
    words: Array = np.frombuffer(bytes.fromhex(digits), ">u8")[::-1].astype(np.uint64)
    return words


def _grid(rgb: Rgb) -> Float32[Array, "64 64"]:
    """The picture's luma, smoothed by two box filters along each axis and sampled on a grid of 64 x 64."""
    height, width = rgb.shape[:2]
    scale = SHRUNK / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    luma: Array = rgb.astype(np.float32) @ LUMA
    for _ in range(2):
        luma = _box(luma, 1)
        luma = _box(luma, 0)
    rows, columns = (((np.arange(GRID) + 0.5) * side / GRID).astype(int) for side in luma.shape)
    return np.ascontiguousarray(luma[np.ix_(rows, columns)])


def _box(luma: Float32[Array, "h w"], axis: int) -> Float32[Array, "h w"]:
    """The mean over a window of about a 128th of the side, shorter at the border."""
    side = luma.shape[axis]
    window = (side + 2 * GRID - 1) // (2 * GRID)
    ahead = (window + 2) // 2
    total = np.cumsum(luma, axis=axis, dtype=np.float64)
    total = np.concatenate([np.zeros_like(np.take(total, [0], axis)), total], axis=axis)
    at = np.arange(side)
    first, end = np.maximum(at + ahead - window, 0), np.minimum(at + ahead, side)
    shape = [1, 1]
    shape[axis] = side
    mean = (np.take(total, end, axis) - np.take(total, first, axis)) / (end - first).reshape(shape)
    return np.asarray(mean, np.float32)


@cache
def _cosines() -> Float32[Array, "16 64"]:
    """Rows 1 to 16 of the orthonormal cosine transform (DCT-II)."""
    k, n = np.arange(1, KEPT + 1)[:, None], np.arange(GRID)[None]
    table: Array = (np.sqrt(2 / GRID) * np.cos(np.pi / (2 * GRID) * k * (2 * n + 1))).astype(np.float32)
    table.setflags(write=False)
    return table


def _bits(grid: Float32[Array, "64 64"]) -> Hash:
    """A bit for each low frequency: whether it lies above their median."""
    low = _cosines() @ grid @ _cosines().T
    middle = np.sort(low, axis=None)[BITS // 2 - 1]
    packed = np.packbits((low > middle).ravel(), bitorder="little")
    words: Array = packed.view("<u8").astype(np.uint64)
    return words


def _quality(grid: Float32[Array, "64 64"]) -> int:
    """How much happens in the picture: the sum of its whole-percent steps between neighbours."""
    steps = [np.trunc(np.diff(grid, axis=axis) * 100 / 255) for axis in (0, 1)]
    return int(min(100, sum(float(np.abs(step).sum()) for step in steps) / 90))
