"""A head folder in the layout of ``HeadModel.load``, drawn from formulas: the face mesh on an ellipsoid, balls, teeth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photoplay import topology as top

NAMES = (
    "M_Face",
    "M_BackHead",
    "M_GumsTongue",
    "M_Teeth",
    "M_ScleraLeft",
    "M_IrisLeft",
    "M_ScleraRight",
    "M_IrisRight",
)
EYE = np.array([3.1, 3.6, 7.3])
RADIUS = 1.5


def _loop(centre, size, count, start=np.pi):
    angle = start - np.arange(count) * 2 * np.pi / count
    return np.stack([centre[0] + size[0] * np.cos(angle), centre[1] + size[1] * np.sin(angle)], 1)


def _arc(centre, size, count, up):
    angle = np.linspace(np.pi, 0, count)
    return np.stack([centre[0] + size[0] * np.cos(angle), centre[1] + up * size[1] * np.sin(angle)], 1)


def face_points() -> np.ndarray:
    """[468, 3]: loops where faces have them, the rest between its neighbours."""
    flat, pinned = np.zeros((468, 2)), np.zeros(468, bool)

    def pin(indices, points):
        flat[list(indices)], pinned[list(indices)] = points, True

    pin(top.FACE_OVAL, _loop((0, 1), (7.5, 9.5), len(top.FACE_OVAL), start=np.pi / 2)[:, :] * (1, 1))
    flat[list(top.FACE_OVAL), 0] *= -1  # from the top over the subject's right: image left
    for upper, lower, side in (
        (top.RIGHT_EYE_UPPER, top.RIGHT_EYE_LOWER, -1),
        (top.LEFT_EYE_UPPER, top.LEFT_EYE_LOWER, 1),
    ):
        for row, up in ((upper, 1), (lower, -1)):
            arc = _arc((3.1, 3.6), (1.4, 0.5), 9, up)
            pin(row, arc)
            flat[list(row), 0] = side * (3.1 - (arc[:, 0] - 3.1))
    for rows, size in (((top.LIPS_OUTER_UPPER, top.LIPS_OUTER_LOWER), (2.6, 1.0)),
                       ((top.LIPS_INNER_UPPER, top.LIPS_INNER_LOWER), (2.0, 0.08))):  # fmt: skip
        for row, up in zip(rows, (1, -1), strict=True):
            pin(row, _arc((0, -4), size, 11, up))
    pin((1,), [(0, -0.5)])
    pin((168,), [(0, 4)])
    edges = np.concatenate([top.face_triangles()[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.maximum(np.bincount(edges[:, 0], minlength=468), 1)[:, None]
    for _ in range(300):
        total = np.zeros((468, 2))
        np.add.at(total, edges[:, 0], flat[edges[:, 1]])
        flat = np.where(pinned[:, None], flat, total / degree)
    inside = 1 - (flat[:, 0] / 9) ** 2 - ((flat[:, 1] - 1) / 13) ** 2
    return np.concatenate([flat, 10.5 * np.sqrt(np.maximum(inside, 0))[:, None]], 1)


def _ball(centre, radius, rows=12):
    """A sphere with a latitude every 15 degrees from its front, as points and triangles seen counter-clockwise."""
    polar, turn = np.meshgrid(np.linspace(0.05, np.pi - 0.05, rows), np.arange(16) * np.pi / 8, indexing="ij")
    bulge = radius * np.where(polar < 0.4, 1 + 0.12 * np.cos(polar * np.pi / 0.8), 1)
    points = (
        np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1) * bulge[..., None]
    )
    i = np.arange(rows * 16).reshape(rows, 16)
    a, b = i[:-1], np.roll(i, -1, 1)[:-1]
    quads = np.stack([a, i[1:], np.roll(i, -1, 1)[1:], b], -1).reshape(-1, 4)
    return points.reshape(-1, 3) + centre, quads, np.stack([turn / 7, polar / np.pi], -1).reshape(-1, 2)


def write(folder: Path) -> Path:
    """Writes the two files and returns ``folder``."""
    face = face_points()
    pieces = [(face, np.pad(top.face_triangles(), ((0, 0), (0, 1)), constant_values=-1), (face[:, :2] + (10, 14)) / 28)]
    back, quads, uv = _ball(np.array([0, 1, 0]), 1.0)
    pieces.append((np.array([0, 1, -1]) + (back - (0, 1, 0)) * (8.5, 11, 8.5), quads, uv))
    for y in (-4.9, -4.0):
        grid = np.array([(x, y + dy, 8.2) for dy in (0.8, 0.0) for x in (-1.5, 0, 1.5)], float)
        pieces.append((grid, np.array([(0, 3, 4, 1), (1, 4, 5, 2)]), grid[:, :2] / 20 + 0.5))
    for side in (1, -1):
        for radius in (RADIUS, 0.9 * RADIUS):
            pieces.append(_ball(EYE * (side, 1, 1), radius))
    starts = np.cumsum([0] + [len(points) for points, _, _ in pieces])
    vertices = np.concatenate([points for points, _, _ in pieces]).astype(np.float32)
    quads = np.concatenate([np.where(q < 0, -1, q + start) for (_, q, _), start in zip(pieces, starts, strict=False)])
    material = np.repeat(np.arange(len(pieces)), [len(q) for _, q, _ in pieces])
    names = ("jawOpen", "eyeBlink_L", "eyeBlink_R", "browInnerUp_L", "browInnerUp_R")
    deltas = np.zeros((len(names), len(vertices), 3))
    lower = (face[:, 1] < -4) & (np.abs(face[:, 0]) < 5)
    deltas[0, np.flatnonzero(lower), 1] = -2.0
    for row, (up, down) in enumerate(
        ((top.LEFT_EYE_UPPER, top.LEFT_EYE_LOWER), (top.RIGHT_EYE_UPPER, top.RIGHT_EYE_LOWER)), 1
    ):
        deltas[row, list(up)] = face[list(down)] - face[list(up)]
    for row, inner_brow in ((3, 336), (4, 107)):
        deltas[row, inner_brow, 1] = 1.0
    modes = np.zeros((2, len(vertices), 3))
    modes[0, :, 0], modes[1, :, 1] = 0.05 * vertices[:, 0], 0.03 * vertices[:, 1]
    np.savez(
        folder / "ict_facekit_light.npz", v=vertices, f=quads.astype(np.int32), ft=quads.astype(np.int32),
        vt=np.clip(np.concatenate([u for _, _, u in pieces]), 0.01, 0.99).astype(np.float32), mat=material.astype(np.int8),
        matn=np.array(NAMES), ex_q=np.round(deltas / 2e-4).astype(np.int16), ex_scale=np.float32(2e-4), exn=np.array(names),
        id_q=np.round(modes / 1e-4).astype(np.int16), id_scale=np.float32(1e-4),
    )  # fmt: skip
    index = np.concatenate([np.arange(468), np.full(10, starts[4])])
    weights = np.tile(np.array([1, 0, 0], np.float32), (478, 1))
    np.savez(folder / "mp478_ict_blendshapes.npz", vi=np.repeat(index[:, None], 3, 1).astype(np.int32), bc=weights)
    return folder
