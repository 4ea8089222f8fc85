"""Derives ``photoplay/data/expression_normals.safetensors``: how expressions turn the skin, from a parametric head.

    .venv/bin/python -m benchmarks.expression_normals [../shared/data/head] [--write]

The head is ICT-FaceKit (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; MIT, (c) 2020 USC
Institute for Creative Technologies). Its average face is posed with one expression at a time; the normals and the share of
the sky that each point of the skin sees are taken on the moved mesh, drawn at the points' places on the face at rest, and
freed from everything finer than SOFT. Head space: x to the subject's left, y up, z to the front.

    points     [468, 2] float32  the landmarks' places on the grid, column and row
    rest       [h, w, 3] int8    unit normals at rest, times 127
    unit       [1] float32       what one step of the following is
    ARKIT NAME [h, w, 4] int8    normal at full expression less normal at rest, then log of the seen share of the sky over
                                 that at rest; what is called ...Left mirrored is ...Right
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from benchmarks.expressions import reference_delta
from jaxtyping import Float32, Float64
from safetensors.numpy import save_file

from photoplay.generation.raster import empty_maps, rasterise
from photoplay.topology import (
    FACE_OVAL,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    face_mirror,
)
from photoplay.training.synthetic.head import MESH_FILE, HeadModel
from photoplay.types import Array

HEAD = Path(__file__).parents[2] / "shared" / "data" / "head"
TABLE = Path(__file__).parents[1] / "src" / "photoplay" / "data" / "expression_normals.safetensors"
STEP = 0.2
"""Centimetres from one node of the grid to the next."""
FINE = 4
"""How many times finer the head is drawn than the grid."""
SOFT = 0.18
"""Centimetres: standard deviation of the low pass."""
FADE = 0.5
"""Centimetres over which the change comes in from the eyes, the lips and the face's border."""
UNIT = 1 / 160
"""What one step of the table's integers is."""
AMOUNTS: dict[str, float] = {
    "mouthSmileLeft": 0.8, "cheekSquintLeft": 1.0, "noseSneerLeft": 0.7, "mouthFrownLeft": 0.8, "browDownLeft": 0.8,
    "browOuterUpLeft": 0.8, "browInnerUp": 0.8, "jawOpen": 0.5,
}  # fmt: skip
"""At which weight each expression is measured; what it changes is then taken to the full weight."""


class Drawn:
    """The skin of a head, drawn from the front on the grid of its face at rest."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head
        self.skin = head.triangles[head.triangles_of("M_Face", "M_BackHead")]
        marks = head.landmarks478(head.neutral)[:468].astype(np.float64)
        marks[:, 0] = (marks[:, 0] - marks[face_mirror()[:468], 0]) / 2
        marks[:, 1:] = (marks[:, 1:] + marks[face_mirror()[:468], 1:]) / 2
        low, high = marks[:, :2].min(0), marks[:, :2].max(0)
        self.columns = 2 * int(np.ceil(high[0] / STEP)) + 3
        self.rows = int(np.ceil((high[1] - low[1]) / STEP)) + 3
        self.top = high[1] + STEP
        self.points = self.place(marks).astype(np.float32)

    def place(self, points: Float64[Array, "n d"]) -> Float64[Array, "n 2"]:
        """Head space to column and row of the grid."""
        return np.stack([points[:, 0] / STEP + (self.columns - 1) / 2, (self.top - points[:, 1]) / STEP], axis=1)

    def normals(self, vertices: Float64[Array, "v 3"]) -> Float64[Array, "v 3"]:
        a, b, c = (vertices[self.skin[:, k]] for k in range(3))
        total = np.zeros_like(vertices)
        for k in range(3):
            np.add.at(total, self.skin[:, k], np.cross(b - a, c - a))
        unit: Array = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
        return unit

    def grid(self, values: Float64[Array, "v c"]) -> Float32[Array, "h w c"]:
        """Values of the vertices where these lie at rest, low-passed; eyes and mouth are left out of the means."""
        shape = (self.rows * FINE, self.columns * FINE)
        at = (self.place(self.head.neutral.astype(np.float64)) + 0.5) * FINE - 0.5
        points = np.column_stack([at, -self.head.neutral[:, 2] * FINE / STEP]).astype(np.float32)
        maps = empty_maps(*shape, values.shape[1])
        rasterise(points, values.astype(np.float32), self.skin[:, [0, 2, 1]].astype(np.int32), maps)
        known = (np.isfinite(maps[..., -1]) & (self.mask(shape, 0.0) > 0.5)).astype(np.float32)
        sums = cv2.GaussianBlur(
            np.dstack([np.where(known[..., None] > 0, maps[..., :-1], 0), known]), (0, 0), SOFT / STEP * FINE
        )
        means = sums[..., :-1] / np.maximum(sums[..., -1:], 1e-4)
        small = cv2.resize(means, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return small.reshape(self.rows, self.columns, values.shape[1])

    def mask(self, shape: tuple[int, int], fade: float) -> Float32[Array, "h w"]:
        """1 on the skin of the face, 0 in eyes, on lips and off the face; ``fade`` centimetres wide."""
        drawn = np.zeros(shape, np.uint8)
        scale = shape[0] / self.rows
        at = np.rint(((self.points + 0.5) * scale - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(drawn, [at[list(FACE_OVAL)]], (255,), shift=4)
        holes = (
            LIPS_OUTER_UPPER + LIPS_OUTER_LOWER[::-1],
            LEFT_EYE_UPPER + LEFT_EYE_LOWER[::-1],
            RIGHT_EYE_UPPER + RIGHT_EYE_LOWER[::-1],
        )
        for hole in holes:
            cv2.fillPoly(drawn, [at[list(hole)]], (0,), shift=4)
        if fade <= 0:
            return np.asarray(drawn / 255, np.float32)
        off = cv2.distanceTransform(drawn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / scale * STEP
        t = np.clip(off / fade, 0, 1)
        return np.asarray(t * t * (3 - 2 * t), np.float32)


def seen_sky(drawn: Drawn, vertices: Float64[Array, "v 3"], normals: Float64[Array, "v 3"]) -> Float64[Array, v]:
    """Share of the sky before the face that each vertex sees, weighted by the cosine, from depth maps of many sides."""
    size, near = 512, 0.1
    index = np.arange(240) + 0.5
    z, turn = 1 - 2 * index / 240, np.pi * (1 + 5**0.5) * index
    sides = np.stack([np.cos(turn) * np.sqrt(1 - z * z), np.sin(turn) * np.sqrt(1 - z * z), z], axis=1)
    centre = vertices.mean(0)
    scale = 0.45 * size / float(np.linalg.norm(vertices - centre, axis=1).max())
    both = np.concatenate([drawn.skin, drawn.skin[:, [0, 2, 1]]]).astype(np.int32)
    seen, whole = np.zeros(len(vertices)), np.zeros(len(vertices))
    for side in sides[sides[:, 2] > -0.3]:
        across = np.cross(side, (0, 1, 0.01))
        across /= np.linalg.norm(across)
        turned = (vertices - centre) @ np.stack([across, np.cross(side, across), -side], axis=1) * scale
        turned[:, :2] += size / 2
        screen = turned.astype(np.float32)
        maps = empty_maps(size, size, 1)
        rasterise(screen, np.zeros((len(screen), 1), np.float32), both, maps)
        first = np.where(np.isfinite(maps[..., 1]), maps[..., 1], 1e6).astype(np.float32)
        nearest = cv2.remap(first, screen[None, :, 0], screen[None, :, 1], cv2.INTER_LINEAR)[0]
        cosine = np.maximum(normals @ side, 0)
        seen += cosine * np.clip(1 - ((screen[:, 2] - nearest) / scale - near) / near, 0, 1)
        whole += cosine
    share: Array = np.maximum(seen / np.maximum(whole, 1e-6), 0.05)
    return share


def derive(folder: Path) -> dict[str, Array]:
    """The table's arrays."""
    head = HeadModel.load(folder)
    with np.load(folder / MESH_FILE) as mesh:
        names, deltas = [str(name) for name in mesh["exn"]], mesh["ex_q"] * mesh["ex_scale"]
    drawn = Drawn(head)
    neutral = head.neutral.astype(np.float64)
    normals = drawn.normals(neutral)
    sky = seen_sky(drawn, neutral, normals)
    rest = drawn.grid(normals)
    rest = (rest + rest[:, ::-1] * (-1, 1, 1)) / 2
    fade = drawn.mask((drawn.rows * FINE, drawn.columns * FINE), FADE)
    fade = cv2.resize(np.minimum(fade, fade[:, ::-1]), (drawn.columns, drawn.rows), interpolation=cv2.INTER_AREA)
    changes = {}
    for name, amount in AMOUNTS.items():
        sides = []
        for side in (name, name.replace("Left", "Right")):
            moved = neutral + amount * reference_delta(deltas, names, side)
            turned = drawn.normals(moved)
            seen = np.log(seen_sky(drawn, moved, turned) / sky)
            sides.append(drawn.grid(np.column_stack([turned - normals, seen])) / amount)
        one = changes[name] = (sides[0] + sides[1][:, ::-1] * (-1, 1, 1, 1)) / 2 * fade[..., None]
        print(f"{name:<16} normals {np.abs(one[..., :3]).max():.2f}, sky {np.abs(one[..., 3]).max():.2f}")
    unit = rest / np.linalg.norm(rest, axis=-1, keepdims=True).clip(1e-3)
    return {
        "points": drawn.points,
        "rest": np.rint(unit * 127).astype(np.int8),
        "unit": np.full(1, UNIT, np.float32),
        **{name: np.rint(one / UNIT).clip(-127, 127).astype(np.int8) for name, one in changes.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", nargs="?", type=Path, default=HEAD)
    parser.add_argument("--write", action="store_true", help="write the table into the package")
    asked = parser.parse_args()
    table = derive(asked.head)
    print({name: values.shape for name, values in table.items()})
    if asked.write:
        save_file(table, TABLE, {"source": "ICT-FaceKit, MIT, (c) 2020 USC Institute for Creative Technologies"})
        print(f"{TABLE.name}: {TABLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
