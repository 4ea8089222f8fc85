"""One eye of a photo as layers: eyeball, iris, upper lid and lash line, repainted wherever the lids or the gaze go."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, sin

import numpy as np
from jaxtyping import Float32

from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.contours import Axes, Motion, Plane, edge_columns
from photoplay.generation.eye_kernels import EyePose, EyeState, EyeTextures, paint_eye
from photoplay.generation.eye_texture import EyeTexture, Side, eye_edges
from photoplay.generation.mesh import smoothstep
from photoplay.generation.photo_look import Look
from photoplay.types import Array, Landmarks

_COLUMNS = 160
_EYEBALL = 2.03
"""Radius of the eyeball over that of the iris (12.0 mm over 5.9 mm)."""


@dataclass(frozen=True)
class EyeLayer:
    """One eye at rest, ready to be painted in any pose."""

    side: Side
    axes: Axes
    plane: Plane
    rest: Landmarks
    iris_radius: float
    textures: EyeTextures

    @classmethod
    def build(cls, source: Source, rest: Landmarks, side: Side, look: Look) -> EyeLayer:
        """Takes the eye's textures from the framed photo; ``rest`` is in frame space."""
        upper, lower, crease, iris = eye_edges(side)
        axes = Axes.between(rest[upper[0], :2], rest[upper[-1], :2])
        plane = Plane.fit(rest[upper + lower + crease])
        rim = rest[iris[1:], :2] - rest[iris[0], :2]
        radius = max(float(np.median(np.hypot(rim[:, 0], rim[:, 1]))), 0.12 * axes.length)
        textures = EyeTexture(source, rest, side, axes, radius, look).bake()
        return cls(side, axes, plane, rest, radius, textures)

    def paint(
        self, buffers: FrameBuffers, landmarks: Landmarks, motion: Motion, gaze: Float32[Array, 2], weight: float
    ) -> None:
        """Paints the eye where ``landmarks`` (frame space) put it; ``gaze`` in degrees; ``weight`` 0 keeps the frame."""
        upper = eye_edges(self.side)[0]
        linear, shift = self.plane.moved(motion)
        corners, now = self.rest[[upper[0], upper[-1]], :2], landmarks[[upper[0], upper[-1]], :2]
        if abs(float(np.linalg.det(linear.astype(np.float64)))) < 1e-5:
            return
        shift = shift + (now - (corners @ linear.T + shift)).mean(0)
        back = np.linalg.inv(linear.astype(np.float64)).astype(np.float32)
        inverse = np.empty((2, 3), np.float32)
        inverse[:, :2], inverse[:, 2] = back, -(back @ shift)
        length = self.axes.length
        grid = np.linspace(-0.45 * length, 1.45 * length, _COLUMNS, dtype=np.float32)
        columns = self._columns(landmarks, inverse, grid)
        middle = columns[(grid > 0.3 * length) & (grid < 0.7 * length)]
        travel = float((middle[:, 0] - middle[:, 2]).mean())
        gap = max(float((middle[:, 4] - middle[:, 2]).mean()), 0.02 * length)
        way = self._iris_way(landmarks, motion, gaze, back)
        turned = _ramp(0.0, 1.0, float(np.hypot(*way)))
        pose = EyePose(
            inverse,
            np.array([*self.axes.origin, *self.axes.along], np.float32),
            columns,
            EyeState(
                float(grid[0]),
                float(grid[1] - grid[0]),
                *way,
                turned,
                min(1.0, max(0.0, 1 - float((middle[:, 3] - middle[:, 0]).mean()) / gap)),
                _ramp(0.01 * length, 0.10 * length, travel),
                max(weight, turned),
            ),
        )
        box = self._box(buffers, linear, shift)
        if box[2] > box[0] and box[3] > box[1]:
            paint_eye(buffers.rgb, buffers.confidence, buffers.labels, buffers.flow, box, pose, self.textures)

    def _columns(
        self, landmarks: Landmarks, inverse: Float32[Array, "2 3"], grid: Float32[Array, c]
    ) -> Float32[Array, "c 9"]:
        """The lid's edges and fold, as :class:`EyePose` has them, with the head's motion taken out."""
        upper, lower, crease, _ = eye_edges(self.side)
        top, bottom, fold = (
            edge_columns(
                self.axes.local(landmarks[edge, :2] @ inverse[:, :2].T + inverse[:, 2]),
                self.axes.local(self.rest[edge, :2]),
                grid,
            )
            for edge in (upper, lower, crease)
        )
        u = grid / self.axes.length
        ends = smoothstep(-0.42, -0.2, u) * smoothstep(1.42, 1.2, u)
        beyond = smoothstep(0.04, -0.08, u) + smoothstep(0.96, 1.08, u)
        columns = np.empty((len(grid), 9), np.float32)
        columns[:, :3], columns[:, 3], columns[:, 4] = top, bottom[:, 0], bottom[:, 2]
        columns[:, 5], columns[:, 6] = fold[:, 0], fold[:, 0] - fold[:, 2]
        columns[:, 7], columns[:, 8] = ends, beyond
        return columns

    def _iris_way(
        self, landmarks: Landmarks, motion: Motion, gaze: Float32[Array, 2], back: Float32[Array, "2 2"]
    ) -> tuple[float, float]:
        """The iris' way in rest pixels: what the landmarks show or what the gaze says, whichever is more."""
        iris = eye_edges(self.side)[3]
        seen = back @ (landmarks[iris] - motion.apply(self.rest[iris])).mean(0)[:2]
        ball = _EYEBALL * self.iris_radius
        said = np.array([ball * sin(radians(float(gaze[0]))), -ball * sin(radians(float(gaze[1])))])
        x, y = seen if np.hypot(*seen) > np.hypot(*said) else said
        return float(x), float(y)

    def _box(self, buffers: FrameBuffers, linear: Array, shift: Array) -> Array:
        side = self.axes.along * self.axes.length
        down = np.array([-side[1], side[0]])
        corners = [self.axes.origin + side * a + down * b for a in (-0.42, 1.42) for b in (-0.75, 0.5)]
        moved = np.array(corners) @ linear.T + shift
        low, high = np.floor(moved.min(0)).astype(int), np.ceil(moved.max(0)).astype(int) + 1
        height, width = buffers.rgb.shape[:2]
        return np.array([max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)])


def _ramp(low: float, high: float, value: float) -> float:
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)
