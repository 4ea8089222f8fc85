from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.raster import empty_maps, rasterise, rasterise_numpy
from photoplay.generation.raster_kernels import soften_folds


def test_a_triangle_interpolates_linearly_and_covers_what_it_should():
    points = np.array([[1, 1, 5], [9, 1, 5], [1, 9, 5]], np.float32)
    values = points[:, :2] * np.float32(3) + np.float32(1)
    out = empty_maps(12, 12, 2)
    rasterise(points, values, np.array([[0, 1, 2]], np.int32), out)
    y, x = np.mgrid[0:12, 0:12]
    inside = (x >= 1) & (y >= 1) & (x + y <= 10)
    assert (np.isfinite(out[..., 2]) == inside).all()
    assert np.allclose(out[inside][:, 0], 3 * x[inside] + 1, atol=1e-4)
    assert np.allclose(out[inside][:, 1], 3 * y[inside] + 1, atol=1e-4)


def test_triangles_seen_from_behind_are_left_out():
    points = np.array([[1, 1, 0], [9, 1, 0], [1, 9, 0]], np.float32)
    out = empty_maps(12, 12, 2)
    rasterise(points, points[:, :2].copy(), np.array([[0, 2, 1]], np.int32), out)
    assert np.isinf(out[..., 2]).all()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearest_wins_whatever_is_drawn_first(order):
    near = np.array([[0, 0, 1], [8, 0, 1], [0, 8, 1]], np.float32)
    far = near + np.array([0, 0, 4], np.float32)
    values = np.repeat(np.array([[10.0], [20.0]], np.float32), 3, axis=0)
    out = empty_maps(10, 10, 1)
    rasterise(np.concatenate([near, far]), values, np.array([[0, 1, 2], [3, 4, 5]], np.int32)[order], out)
    assert (out[1:4, 1:4, 0] == 10).all()


def test_neighbours_leave_no_gap():
    rng = np.random.default_rng(3)
    n = 12
    xs, ys = np.meshgrid(np.linspace(-5, 105, n), np.linspace(-5, 105, n))
    xs[1:-1, 1:-1] += rng.uniform(-3, 3, (n - 2, n - 2))
    ys[1:-1, 1:-1] += rng.uniform(-3, 3, (n - 2, n - 2))
    points = np.stack([xs.ravel(), ys.ravel(), np.zeros(n * n)], 1).astype(np.float32)
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)[None]).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + n], 1), np.stack([corner + 1, corner + n + 1, corner + n], 1)]
    ).astype(np.int32)
    out = empty_maps(100, 100, 2)
    rasterise(points, points[:, :2].copy(), triangles, out)
    assert np.isfinite(out[..., 2]).all()
    y, x = np.mgrid[0:100, 0:100]
    assert np.abs(out[..., 0] - x).max() < 2e-2
    assert np.abs(out[..., 1] - y).max() < 2e-2


def test_the_numpy_path_agrees_to_a_rounding_error():
    rng = np.random.default_rng(7)
    points = rng.uniform(-8, 72, (90, 3)).astype(np.float32)
    values = rng.uniform(0, 100, (90, 3)).astype(np.float32)
    triangles = rng.integers(0, 90, (120, 3)).astype(np.int32)
    compiled, plain = empty_maps(64, 64, 3), empty_maps(64, 64, 3)
    rasterise(points, values, triangles, compiled)
    rasterise_numpy(points, values, triangles, plain)
    covered = np.isfinite(compiled[..., 3])
    assert covered.mean() > 0.5
    assert (covered != np.isfinite(plain[..., 3])).mean() < 1e-3
    both = covered & np.isfinite(plain[..., 3])
    off = np.abs(compiled[both] - plain[both]).max(1)
    assert (off > 2e-2).mean() < 1e-3
    assert np.median(off) < 1e-4


@pytest.mark.parametrize(("slope", "most"), [(0.08, 0.25), (0.2, 0.15), (0.45, 0.25)])
def test_the_edge_of_a_fold_is_a_straight_line_and_no_staircase(slope, most):
    y, x = np.mgrid[0:60, 0:60].astype(np.float32)
    before = x < 20 + slope * y
    maps = np.dstack([np.where(before, x, x + 30), y, np.ones_like(x), np.ones_like(x)]).astype(np.float32)
    rgb = np.repeat(np.where(before, 40, 220).astype(np.uint8)[..., None], 3, axis=2)
    soften_folds(maps, 1.0, 0, 0, rgb)
    edge = ((220 - rgb[8:52, :, 0].astype(float)) / 180).sum(axis=1)
    straight = np.polyval(np.polyfit(np.arange(len(edge)), edge, 1), np.arange(len(edge)))
    assert np.abs(edge - straight).max() < most
    assert (rgb[30, :18] == 40).all()
    assert (rgb[30, 40:] == 220).all()


def test_where_nothing_folds_nothing_is_softened():
    y, x = np.mgrid[0:40, 0:40].astype(np.float32)
    maps = np.dstack([x + 0.4 * y, y, np.ones_like(x), np.ones_like(x)]).astype(np.float32)
    rgb = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    before = rgb.copy()
    soften_folds(maps, 1.0, 0, 0, rgb)
    assert (rgb == before).all()
