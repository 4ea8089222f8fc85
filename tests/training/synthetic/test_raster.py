import numpy as np
import pytest

from photoplay.training.synthetic import raster, raster_kernels


def soup(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-5, 45, (count, 1, 2)) + rng.normal(0, 9, (count, 3, 2))
    depth = rng.uniform(2, 20, (count, 3, 1))
    screen = np.concatenate([corners, 1 / depth], 2).reshape(-1, 3).astype(np.float32)
    return screen, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def brute_force(screen, triangles, both_sides, size):
    """Every pixel against every triangle by solving for its weights, in float64."""
    shown, nearest = np.full(size, -1), np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            for t, corners in enumerate(triangles):
                p = screen[corners].astype(np.float64)
                system = np.stack([p[:, 0], p[:, 1], np.ones(3)])
                area = np.linalg.det(system)
                if area > 0 and not both_sides[t]:
                    continue
                weights = np.linalg.solve(system, (x, y, 1))
                if weights.min() >= 0 and weights @ p[:, 2] > nearest[y, x]:
                    shown[y, x], nearest[y, x] = t, weights @ p[:, 2]
    return shown, nearest


def draw(screen, triangles, both_sides, size, holes=None, alpha=None, uv=None):
    holes = np.full((len(triangles), 3), -1, np.int32) if holes is None else holes
    uv = np.zeros((len(triangles), 3, 2), np.float32) if uv is None else uv
    alpha = np.ones(1, np.float32) if alpha is None else alpha
    return raster_kernels.draw(screen, triangles, both_sides, holes, uv, alpha, size)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_shows_what_brute_force_shows(seed):
    screen, triangles = soup(seed)
    both = np.random.default_rng(seed).random(len(triangles)) < 0.5
    shown, nearest = draw(screen, triangles, both, (40, 48))
    expected, depth = brute_force(screen, triangles, both, (40, 48))
    assert (shown != expected).mean() < 0.002  # pixels exactly on an edge
    same = shown == expected
    np.testing.assert_allclose(nearest[same], depth[same], atol=1e-5)
    assert len(np.unique(shown)) > 10


def test_holes_let_what_is_behind_be_seen():
    square = np.array([[0, 0], [0, 31], [31, 31], [31, 0]], np.float32)
    screen = np.concatenate([np.c_[square, np.full(4, 0.5)], np.c_[square, np.full(4, 0.25)]]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    corner_uv = np.c_[square[:, 0] / 31, 1 - square[:, 1] / 31].astype(np.float32)
    alpha = np.repeat(np.array([[1, 0]], np.float32), 4, 0).reshape(-1)  # right half of the nearer one is a hole
    holes = np.array([[0, 4, 2], [0, 4, 2], [-1, 0, 0], [-1, 0, 0]], np.int32)
    shown, _ = draw(screen, triangles, np.ones(4, bool), (32, 32), holes, alpha, corner_uv[triangles % 4])
    assert set(np.unique(shown[1:-1, 2:14])) <= {0, 1}
    assert set(np.unique(shown[1:-1, 18:30])) <= {2, 3}


def test_normals_of_a_ball_point_away_from_its_centre():
    from tests.training.synthetic.made_up_head import _ball

    points, quads, _ = _ball(np.zeros(3), 2.0)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    normals = raster.vertex_normals(points.astype(np.float32), triangles)
    middle = np.abs(points[:, 2]) < 1.2
    assert (np.einsum("nc,nc->n", normals, points / np.linalg.norm(points, axis=1, keepdims=True))[middle] > 0.95).all()
