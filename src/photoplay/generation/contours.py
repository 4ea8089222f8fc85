"""How the skull moves, and lid and lip edges as curves over the columns of a small upright frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Landmarks

SKULL: tuple[int, ...] = (33, 133, 263, 362, 6, 168, 197, 195, 8, 9, 151, 10, 127, 356, 234, 454, 54, 284, 21, 251)
"""Landmarks that the face's muscles hardly move: eye corners, bridge of the nose, forehead, temples."""
_STEPS = 8


@dataclass(frozen=True)
class Motion:
    """A similarity in 3-D: ``p -> matrix @ p + shift`` (frame pixels)."""

    matrix: Float32[Array, "3 3"]
    shift: Float32[Array, 3]

    def apply(self, points: Float32[Array, "n 3"]) -> Float32[Array, "n 3"]:
        """Moves the points."""
        moved: Array = points @ self.matrix.T + self.shift
        return moved.astype(np.float32)


def skull_motion(rest: Landmarks, landmarks: Landmarks) -> Motion:
    """The least-squares similarity that carries the rest skull to ``landmarks`` (Umeyama 1991)."""
    a, b = rest[list(SKULL)].astype(np.float64), landmarks[list(SKULL)].astype(np.float64)
    centre_a, centre_b = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - centre_b).T @ (a - centre_a))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    scale = (s * sign).sum() / max(float(((a - centre_a) ** 2).sum()), 1e-9)
    matrix = scale * (u * sign) @ vt
    return Motion(matrix.astype(np.float32), (centre_b - matrix @ centre_a).astype(np.float32))


@dataclass(frozen=True)
class Plane:
    """A flat patch of the rest face: ``z = offset + slope . (x, y)``."""

    offset: float
    slope: Float32[Array, 2]

    @classmethod
    def fit(cls, points: Float32[Array, "n 3"]) -> Plane:
        """Least squares through the points; steep patches are flattened, for they turn inside out."""
        system = np.c_[np.ones(len(points)), points[:, :2]].astype(np.float64)
        solution = np.linalg.lstsq(system, points[:, 2].astype(np.float64), rcond=None)[0]
        slope = np.clip(solution[1:], -1.5, 1.5)
        offset = float(np.mean(points[:, 2] - points[:, :2] @ slope))
        return cls(offset, slope.astype(np.float32))

    def moved(self, motion: Motion) -> tuple[Float32[Array, "2 2"], Float32[Array, 2]]:
        """The 2-D affine map ``q -> A @ q + t`` by which the patch's picture moves."""
        across = motion.matrix[:2, 2]
        linear = motion.matrix[:2, :2] + across[:, None] * self.slope
        shift = motion.shift[:2] + across * self.offset
        return linear.astype(np.float32), shift.astype(np.float32)


@dataclass(frozen=True)
class Axes:
    """An upright local frame in pixels: x along a line of the face, y down from it."""

    origin: Float32[Array, 2]
    along: Float32[Array, 2]
    length: float

    @classmethod
    def between(cls, start: Float32[Array, 2], end: Float32[Array, 2]) -> Axes:
        step = (end - start).astype(np.float64)
        length = max(float(np.hypot(step[0], step[1])), 1.0)
        return cls(start.astype(np.float32), (step / length).astype(np.float32), length)

    def local(self, points: Float32[Array, "... 2"]) -> Float32[Array, "... 2"]:
        """Image points in this frame."""
        c, s = float(self.along[0]), float(self.along[1])
        return np.asarray((points - self.origin) @ np.array([[c, -s], [s, c]], np.float32), np.float32)


@cache
def _catmull_rom(count: int) -> Float32[Array, "m n"]:
    """The weights that carry ``count`` points to samples of the curve through them."""
    unit = np.eye(count)
    padded = np.concatenate([2 * unit[:1] - unit[1:2], unit, 2 * unit[-1:] - unit[-2:-1]])
    t = (np.arange(_STEPS) / _STEPS)[None, :, None]
    a, b, c, d = (padded[k : k + count - 1, None, :] for k in range(4))
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.asarray(np.concatenate([spans.reshape(-1, count), unit[-1:]]), np.float32)


def curve(points: Float32[Array, "n d"]) -> Float32[Array, "m d"]:
    """A Catmull-Rom curve through the points, eight samples a span."""
    smooth: Array = _catmull_rom(len(points)) @ points
    return smooth


def edge_columns(
    edge: Float32[Array, "n 2"], rest_edge: Float32[Array, "n 2"], grid: Float32[Array, c]
) -> Float32[Array, "c 3"]:
    """An edge over the columns ``grid``: its y there, and x and y of the same spot of the rest edge.

    Both edges run from left to right in local coordinates, point by point the same. Beyond the ends y stays and the rest
    x goes on at the same pace.
    """
    now, then = curve(edge), curve(rest_edge)
    x = np.maximum.accumulate(now[:, 0]) + np.arange(len(now), dtype=np.float32) * 1e-3
    over = grid - np.clip(grid, x[0], x[-1])
    columns = np.empty((len(grid), 3), np.float32)
    columns[:, 0] = np.interp(grid, x, now[:, 1])
    columns[:, 1] = np.interp(grid, x, then[:, 0]) + over
    columns[:, 2] = np.interp(grid, x, then[:, 1])
    return columns
