"""Where each pixel of a frame stood in the frame before, on a coarse grid."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Anchor, Array, Rgb

CELL = 8
"""Pixels of a frame per grid cell, across and down (about: the grid covers the frame exactly)."""


class Grid:
    """A coarse grid over a frame of ``width`` x ``height`` pixels; cell centres are where fields are known."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.columns, self.rows = max(2, round(width / CELL)), max(2, round(height / CELL))
        x = ((np.arange(self.columns) + 0.5) * width / self.columns - 0.5).astype(np.float32)
        y = ((np.arange(self.rows) + 0.5) * height / self.rows - 0.5).astype(np.float32)
        self._columns_at, self._rows_at = x.round().astype(int), y.round().astype(int)
        self.x, self.y = np.meshgrid(self._columns_at.astype(np.float32), self._rows_at.astype(np.float32))

    def mean(self, picture: Rgb) -> Float32[Array, "r c 3"]:
        """The mean colour of each cell."""
        small = cv2.resize(picture, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    def at(self, field: Array) -> Array:
        """The values of a full-size field at the cell centres (nearest pixel)."""
        values: Array = field[self._rows_at[:, None], self._columns_at[None, :]]
        return values

    def sample(self, picture: Rgb, shift: Float32[Array, "r c 2"]) -> Float32[Array, "r c 3"]:
        """The picture at the cell centres moved by ``shift`` pixels."""
        moved = cv2.remap(
            picture,
            self.x + shift[..., 0],
            self.y + shift[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, np.float32)

    def move(self, field: Float32[Array, "r c *n"], shift: Float32[Array, "r c 2"]) -> Float32[Array, "r c *n"]:
        """A coarse field as it was at the cell centres moved by ``shift`` pixels."""
        x = (self.x + shift[..., 0] + 0.5) * (self.columns / self.width) - 0.5
        y = (self.y + shift[..., 1] + 0.5) * (self.rows / self.height) - 0.5
        moved: Array = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return moved


def through_photo(
    grid: Grid, flow: Float32[Array, "r c 2"], flow_before: Float32[Array, "r c 2"]
) -> Float32[Array, "r c 2"]:
    """The shift to the frame before when both frames know where their pixels stood in the photo.

    The pixel x stood at x + f(x) in the photo, so its place x + s before solves ``s = f(x) - f_before(x + s)``, by two
    fixed-point steps: motion between frames is small and smooth.
    """
    shift: Array = flow - flow_before
    for _ in range(2):
        shift = flow - grid.move(flow_before, shift)
    return shift.astype(np.float32)


def photo_flow(grid: Grid, anchor: Anchor, frame: int) -> Float32[Array, "r c 2"]:
    """The anchor's flow at the cell centres."""
    return np.asarray(grid.at(anchor.flow[frame]), np.float32)


class OpticalFlow:
    """The same shift by looking: DIS optical flow (Kroeger et al. 2016) on a small picture."""

    SIDE = 400

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        shrink = max(1.0, max(grid.width, grid.height) / self.SIDE)
        self._size = (max(32, round(grid.width / shrink)), max(32, round(grid.height / shrink)))
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def small(self, picture: Rgb) -> UInt8[Array, "_ _"]:
        """The grey picture that :meth:`shift` compares."""
        grey = cv2.cvtColor(cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        return np.asarray(grey, np.uint8)

    def shift(self, now: UInt8[Array, "h w"], before: UInt8[Array, "h w"]) -> Float32[Array, "r c 2"]:
        flow = self._dis.calc(now, before, None)
        across, down = self._grid.width / self._size[0], self._grid.height / self._size[1]
        coarse = cv2.resize(flow, (self._grid.columns, self._grid.rows), interpolation=cv2.INTER_AREA)
        return np.asarray(coarse * np.array([across, down], np.float32), np.float32)
