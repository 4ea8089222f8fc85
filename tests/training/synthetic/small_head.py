"""A made-up head of a few hundred points in the layout of the real one: an egg, two balls, rows of teeth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photoplay import topology

MATERIALS = (
    "M_Face", "M_BackHead", "M_GumsTongue", "M_Teeth", "M_ScleraLeft", "M_IrisLeft", "M_ScleraRight", "M_IrisRight",
    "M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes",
)  # fmt: skip
EXPRESSIONS = ("jawOpen", "eyeBlink_L", "eyeBlink_R")


def _patch(across, down, place):
    """A grid of points by ``place(u, v)`` with its quads and texture coordinates."""
    v, u = np.meshgrid(np.linspace(0, 1, down), np.linspace(0, 1, across), indexing="ij")
    points = np.stack(np.broadcast_arrays(*place(u, v)), axis=-1).reshape(-1, 3)
    first = (np.arange(down - 1)[:, None] * across + np.arange(across - 1)).ravel()
    quads = np.stack([first, first + 1, first + across + 1, first + across], axis=1)
    return points, quads, np.stack([u, v], axis=-1).reshape(-1, 2) * 0.98 + 0.01


def _skin(begin, end):
    def place(u, v):
        turn, y = begin + (end - begin) * u, -17 + 30 * v
        radius = 7.5 * np.sqrt(np.clip(1 - ((y + 2) / 16) ** 2, 0.08, 1))
        return radius * np.sin(turn), y, 1.5 + 1.15 * radius * np.cos(turn)

    return place


def _ball(side):
    def place(u, v):
        turn, height = 2 * np.pi * u, np.pi * v
        ray = np.stack([np.sin(height) * np.sin(turn), -np.cos(height), np.sin(height) * np.cos(turn)])
        bulge = 1.5 * (1 + 0.1 * np.maximum(ray[2] - 0.92, 0) / 0.08)
        return 3.1 * side + bulge * ray[0], 3.5 + bulge * ray[1], 8.0 + bulge * ray[2]

    return place


def write_head(folder: Path) -> None:
    """Writes both files of a head folder."""
    front = _skin(-1.7, 1.7)
    pieces = {
        "M_Face": [(25, 31, front)],
        "M_BackHead": [(25, 31, _skin(1.7, 2 * np.pi - 1.7))],
        "M_GumsTongue": [(5, 5, lambda u, v: (4 * u - 2, -4 + 0 * v, 6 + 3 * v))],
        "M_Teeth": [(9, 3, lambda u, v: (4 * u - 2, -3 - v, 9 + 0 * u))],
        "M_ScleraLeft": [(17, 17, _ball(1))],
        "M_ScleraRight": [(17, 17, _ball(-1))],
        "M_LacrimalFluid": [(4, 2, lambda u, v, s=s: (s * (2 + 2 * u), 3 + 0.1 * v, 9 + 0 * u)) for s in (1, -1)],
        "M_EyeLashes": [(6, 3, lambda u, v, s=s: (s * (2 + 2 * u), 4 + v, 9.5 + 0 * u)) for s in (1, -1)],
    }
    points, quads, uv, material, count = [], [], [], [], 0
    for name, patches in pieces.items():
        for patch in patches:
            p, q, t = _patch(*patch)
            points.append(p)
            quads.append(q + count)
            uv.append(t)
            material.append(np.full(len(q), MATERIALS.index(name), np.int8))
            count += len(p)
    v, f = np.concatenate(points).astype(np.float32), np.concatenate(quads).astype(np.int32)
    deltas = np.zeros((len(EXPRESSIONS), len(v), 3), np.int16)
    deltas[:, :50, 1] = -500
    np.savez(
        folder / "ict_facekit_light.npz", v=v, f=f, vt=np.concatenate(uv).astype(np.float32),
        ft=f, mat=np.concatenate(material),
        matn=np.array(MATERIALS), ex_q=deltas, ex_scale=np.float32(2e-4), exn=np.array(EXPRESSIONS),
        id_q=np.full((2, len(v), 3), 20, np.int16), id_scale=np.float32(1e-4),
    )  # fmt: skip
    spots = _landmark_places()
    near = ((v[None, : 25 * 31] - spots[:, None]) ** 2).sum(-1).argmin(1)
    weights = np.tile(np.array([1, 0, 0], np.float32), (478, 1))
    np.savez(folder / "mp478_ict_blendshapes.npz", vi=np.tile(near[:, None], (1, 3)).astype(np.int32), bc=weights)


def _landmark_places():
    """Rough places in cm: features where a face has them, everything else at the nose."""
    places = np.tile(np.array([0.0, 0.0, 11.0]), (478, 1))
    for side, upper, lower, brow in (
        (1, topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER, topology.LEFT_BROW),
        (-1, topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER, topology.RIGHT_BROW),
    ):
        x = np.linspace(4.5, 1.7, 9) * side
        places[list(upper)] = np.stack([x, 3.5 + 0.5 * np.sin(np.linspace(0, np.pi, 9)), 0 * x + 9], axis=1)
        places[list(lower)] = np.stack([x, 3.5 - 0.5 * np.sin(np.linspace(0, np.pi, 9)), 0 * x + 9], axis=1)
        places[list(brow)] = np.array([3.0 * side, 5.3, 9.5])
    x = np.linspace(-2.4, 2.4, 11)
    for loop, y in ((topology.LIPS_OUTER_UPPER, 0.7), (topology.LIPS_OUTER_LOWER, -0.9)):
        places[list(loop)] = np.stack([x, -3.4 + y * np.sin(np.linspace(0, np.pi, 11)), 0 * x + 11], axis=1)
    places[[10, 9, 152]] = [[0, 8.5, 10], [0, 5.3, 10], [0, -7.8, 10]]
    return places
