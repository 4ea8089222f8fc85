"""A layer: a cut-out of the photo as premultiplied texture, on a mesh that something moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.generation import raster_kernels
from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.raster import empty_maps, rasterise
from photoplay.generation.source import Framing
from photoplay.types import Array, Mask, RenderPlan, Rgb

NEAR, FAR = 0.05, 0.5
"""Where motion in pixels is below NEAR the photo stands untouched; from FAR on the moved layer stands alone."""

AROUND = 4
"""How many cells a grid reaches beyond what it shows: as far as the plate differs from the photo, which stands at rest."""


@runtime_checkable
class Motion(Protocol):
    """Where a layer's points go: ``rest`` [n, 3] are their places in the photo, in frame space."""

    @property
    def rest(self) -> Float32[Array, "n 3"]: ...

    def pose(self, frame: int) -> Float32[Array, "n 3"]:
        """The points in ``frame``: x, y, depth in frame space."""
        ...

    def looked_up(self, points: Float32[Array, "n 3"]) -> Float32[Array, "n 2"]:
        """How far from their rest, in frame pixels, the photo is looked up for the ``points`` of a pose."""
        ...

    def order(self) -> Float32[Array, n]:
        """What is added to the points' depth when it is decided which part of the layer hides which."""
        ...


@dataclass(frozen=True)
class Layer:
    """``texture`` is premultiplied and ``uv`` are the points in it; ``labels`` cover frame and margin at film size;
    ``trust`` 0..1 says for each point how well the photo shows it; ``subject`` is whose layer it is (index of the scene)."""

    texture: UInt8[Array, "th tw 4"]
    labels: UInt8[Array, "lh lw"]
    uv: Float32[Array, "n 2"]
    trust: Float32[Array, n]
    triangles: Int32[Array, "m 3"]
    motion: Motion
    settings: Float32[Array, 4]
    subject: int

    @classmethod
    def of(
        cls,
        framing: Framing,
        texture: UInt8[Array, "th tw 4"],
        labels: UInt8[Array, "lh lw"],
        triangles: Int32[Array, "m 3"],
        motion: Motion,
        trust: Float32[Array, n],
        subject: int,
    ) -> Layer:
        """Puts ``texture`` on the ``triangles`` of ``motion``'s points."""
        settings = np.array([framing.factor, framing.margin, NEAR, FAR], np.float32)
        return cls(texture, labels, framing.to_texture(motion.rest[:, :2]), trust, triangles, motion, settings, subject)

    def paint(
        self, buffers: FrameBuffers, photo: Rgb, still: Float32[Array, "h w"], frame: int, alone: bool = True
    ) -> None:
        """Lays the layer in its pose of ``frame`` over ``buffers``.

        ``still`` is how far each pixel may stand as the untouched ``photo`` (1: nothing moved there yet); it is updated.
        Where people pass each other nobody is ``alone``: the photo then stands only where the layer is solid, for at its
        soft edge it shows what was behind at rest.
        """
        points, rest = self.motion.pose(frame), self.motion.rest
        stretch, count = np.empty(len(points), np.float32), np.empty(len(points), np.float32)
        raster_kernels.vertex_stretch(points, rest, self.triangles, stretch, count)
        trust = self.trust / (1 + 3 * np.square(stretch - 1))
        height, width = still.shape
        x0, y0 = (max(0, int(v)) for v in np.floor(points[:, :2].min(0)))
        x1, y1 = (min(size, int(v) + 1) for size, v in zip((width, height), np.ceil(points[:, :2].max(0)), strict=True))
        if x1 <= x0 or y1 <= y0:
            return
        maps = empty_maps(y1 - y0, x1 - x0, 3)
        uv = self.uv + self.motion.looked_up(points) * self.settings[0]
        points[:, :2] -= np.array([x0, y0], np.float32)
        points[:, 2] += self.motion.order()
        rasterise(points, np.column_stack([uv, trust]).astype(np.float32), self.triangles, maps)
        raster_kernels.shade(
            maps, self.texture, self.labels, photo, still, x0, y0, self.settings, alone,
            buffers.rgb, buffers.confidence, buffers.labels, buffers.flow, buffers.depth, buffers.identity, self.subject + 1,
        )  # fmt: skip
        raster_kernels.soften_folds(maps, self.settings[0], x0, y0, buffers.rgb)


def grid_step(plan: RenderPlan) -> float:
    """Distance of a grid's nodes in frame pixels."""
    return max(4.0, max(plan.width, plan.height) / 96)


def grid(framing: Framing, alpha: Mask) -> tuple[Float32[Array, "n 2"], Int32[Array, "m 3"]]:
    """A regular grid over what ``alpha`` (texture space) covers, with room for its soft edge: nodes and triangles."""
    plan, margin = framing.plan, framing.margin
    step = grid_step(plan)
    xs = np.linspace(-margin, plan.width - 1 + margin, int(np.ceil((plan.width + 2 * margin) / step)) + 1)
    ys = np.linspace(-margin, plan.height - 1 + margin, int(np.ceil((plan.height + 2 * margin) / step)) + 1)
    cells = (len(xs) - 1, len(ys) - 1)
    covered = cv2.resize((alpha > 0).astype(np.float32), cells, interpolation=cv2.INTER_AREA) > 0
    covered = cv2.dilate(covered.astype(np.uint8), np.ones((2 * AROUND + 1,) * 2, np.uint8)) > 0
    row, column = np.nonzero(covered)
    corner = row * len(xs) + column
    a, b, c, d = corner, corner + 1, corner + len(xs), corner + len(xs) + 1
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    used, index = np.unique(triangles, return_inverse=True)
    nodes = np.stack([xs[used % len(xs)], ys[used // len(xs)]], axis=1).astype(np.float32)
    return nodes, index.reshape(-1, 3).astype(np.int32)
