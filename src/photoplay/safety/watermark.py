"""The invisible watermark: a film's number, painted into its frames, found again after the file was changed.

A faint pattern that stands still is added to the luma of every frame. It carries 64 bits, a checksum and an
error-correcting code; a key says where and with which signs. Since the pattern is the same in all frames, it does not
matter which frames, how many of them, and at what rate somebody sees them. The watermark identifies and proves nothing: the
number is looked up in the ledger, and only the seal says who made a film.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.safety.watermark_code import decode, encode
from photoplay.safety.watermark_grid import cell_of, lay, layout
from photoplay.safety.watermark_kernels import add
from photoplay.safety.watermark_search import readings
from photoplay.safety.watermark_strength import strength
from photoplay.types import Array, RgbStack

DEFAULT_KEY = b"photoplay"
"""Films that are marked with it can be recognised by anybody."""


@dataclass(frozen=True)
class Detection:
    """A watermark that was found: its number, and its ``confidence`` in standard deviations above an unmarked picture."""

    payload: int
    confidence: float


class Marker:
    """Paints one payload with one key. Every frame is marked for itself: windows may be cut anywhere, in any order."""

    def __init__(self, payload: int, key: bytes = DEFAULT_KEY) -> None:
        """Raises ValueError where the payload is not in 0 .. 2^64 - 1."""
        self._signs = np.append(encode(payload), 1).astype(np.float32)
        self._plane = layout(key)

    def mark(self, rgb: RgbStack) -> RgbStack:
        """Marked copies of frames ``uint8 [f, h, w, 3]``; the PSNR of each is above 41 dB.

        Raises ValueError where the frames are too narrow to hold a watermark.
        """
        height, width = rgb.shape[1:3]
        grid = lay(height, width, np.full(2, cell_of(height, width)), np.array([height, width]) / 2)
        slot = np.ascontiguousarray(self._plane.slot[grid.part])
        goal = self._plane.sign[grid.part] * self._signs[slot]
        marked = np.empty_like(rgb)
        for frame, out in zip(rgb, marked, strict=True):
            cells = strength(grid.read(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)), goal, slot)
            add(frame, cells, grid.cell, grid.first, out)
        return marked


def detect(frames: RgbStack | Iterable[RgbStack], key: bytes = DEFAULT_KEY) -> Detection | None:
    """The watermark of a film, or of a still, or None.

    Takes frames ``uint8 [f, h, w, 3]`` of one size, or windows of them; more frames make more certain. The picture may have
    been cropped by 5 % or scaled by 10 % besides any change of its size in pixels. Raises ValueError where there are no
    frames, or frames of several sizes.
    """
    luma = mean_luma([frames] if isinstance(frames, np.ndarray) else frames)
    for reading in readings(luma, layout(key)):
        payload = decode(reading.soft[:-1])
        if payload is not None:
            return Detection(payload, reading.score)
    return None


def mean_luma(windows: Iterable[RgbStack]) -> Float32[Array, "h w"]:
    """The frames' mean luma: what moves is blurred, the pattern is not."""
    total, count = np.zeros((0, 0), np.float32), 0
    for window in windows:
        for frame in window:
            if not count:
                total = np.zeros(frame.shape[:2], np.float32)
            if frame.shape[:2] != total.shape:
                raise ValueError("a film's frames are of one size")
            total += cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            count += 1
    if not count:
        raise ValueError("there are no frames to look at")
    return total / np.float32(count)
