"""What a person wears: clothes always, glasses, earrings and scarves sometimes."""

from __future__ import annotations

import numpy as np

from photoplay.training.synthetic.atlas import HeadTopology
from photoplay.training.synthetic.paint import linear, texture
from photoplay.training.synthetic.parts import Material, Part
from photoplay.types import Array, Label

COLOURS = (
    (28, 30, 36), (46, 52, 70), (90, 96, 104), (214, 210, 202), (236, 234, 230), (110, 32, 36), (38, 74, 60), (54, 82, 128),
    (150, 120, 84), (196, 150, 60), (96, 60, 96), (204, 120, 120),
)  # fmt: skip


def draw_clothes(
    rng: np.random.Generator, vertices: Array, head: HeadTopology
) -> tuple[list[Part], dict[str, str | float]]:
    """Shoulders in cloth, closed round the neck."""
    rows, columns = 24, 48
    turn = np.linspace(0, 2 * np.pi, columns + 1)
    neck = vertices[(head.vertices[:, 1] < -11) & (head.vertices[:, 1] > -13)]
    middle = neck.mean(axis=0) if len(neck) else np.array([0, -12, 0], np.float32)
    top = float(rng.uniform(-13.5, -11.0)) + float(middle[1]) + 12
    t = np.linspace(0, 1, rows)[:, None]
    width = 6.6 + 13.5 * np.minimum(t * 1.7, 1) ** 0.8
    depth = 6.4 + 3.0 * t
    x = width * np.cos(turn) + middle[0]
    z = depth * np.sin(turn) + middle[2] - 0.5
    y = top - 3.0 * t**0.6 - 26 * np.maximum(t - 0.35, 0) - 1.2 * np.maximum(np.sin(turn), 0) * (1 - t)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3).astype(np.float32)
    first = (np.arange(rows - 1)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    quads = np.stack([first, first + 1, first + columns + 2, first + columns + 1], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    grid = np.stack(np.meshgrid(turn / (2 * np.pi), 1 - t[:, 0]), axis=-1).reshape(-1, 2).astype(np.float32)
    colour = linear(COLOURS[int(rng.integers(len(COLOURS)))]) * rng.uniform(0.7, 1.1)
    cloth = colour * (1 + 0.08 * rng.standard_normal((128, 128, 1)).astype(np.float32))
    part = Part(
        "clothes", points, faces, grid[faces], texture(cloth.astype(np.float32)), np.full(len(faces), int(Label.BODY), np.uint8),
        Material(0.03, 8.0, 0.2), _nearest_neck(points, vertices, head), True,
    )  # fmt: skip
    return [part], {"clothes": "plain"}


def _nearest_neck(points: Array, vertices: Array, head: HeadTopology) -> Array:
    """The lowest head vertex near each point, so that cloth moves as the foot of the neck does."""
    low = np.flatnonzero(head.vertices[:, 1] < np.percentile(head.vertices[:, 1], 4))
    away = np.linalg.norm(points[:, None, :] - vertices[low][None], axis=-1)
    index: Array = low[away.argmin(axis=1)].astype(np.int32)
    return index
