"""The head's texture sheets: where each texel lies on the reference head, so that paint knows no UV seams.

Everything that is painted on skin is a function of a texel's place on the reference head: smooth fields of its 3-D
position, and strokes of a *canvas*, the head unrolled round its vertical axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from photoplay.training.synthetic.head import Eyeball, HeadModel
from photoplay.types import Array

AXIS_Z = 1.5  # cm: the vertical axis round which the head is unrolled
UNROLLED_RADIUS = 9.0  # cm: a canvas centimetre is a skin centimetre at this distance from the axis
CANVAS_SCALE = 30.0  # pixels per centimetre
CANVAS_LEFT, CANVAS_TOP = -18.0, 13.0  # cm
CANVAS_WIDTH, CANVAS_HEIGHT = 36.0, 23.0  # cm

NO_MAP = np.empty(0, np.float32)  # cv2.remap: both coordinates are in the first map

MATERIALS = {
    "face": ("M_Face",),
    "back": ("M_BackHead",),
    "mouth": ("M_GumsTongue",),
    "teeth": ("M_Teeth",),
    "eye_left": ("M_ScleraLeft",),
    "eye_right": ("M_ScleraRight",),
    "tears": ("M_LacrimalFluid",),
    "lashes": ("M_EyeLashes",),
}
SHEET_SIZES = {
    "face": 640,
    "back": 320,
    "mouth": 192,
    "teeth": 256,
    "eye_left": 256,
    "eye_right": 256,
    "tears": 64,
    "lashes": 320,
}


@dataclass(frozen=True)
class Sheet:
    """One texture sheet of the head.

    triangles  [t, 3] vertices of the whole head; ``uv`` [t, 3, 2] in 0..1, v up; ``labels`` [t]
    position   [s, s, 3] place of each texel on the reference head in cm (texels outside every triangle: the nearest one's)
    spot       [s, s, 2] canvas pixel (x, y) of each texel
    depth      [s, s] cm that a texel lies under the outermost surface (inside of mouth, nostrils, eye sockets)
    texel_triangle [s, s] row of ``triangles``
    """

    triangles: Int32[Array, "t 3"]
    uv: Float32[Array, "t 3 2"]
    labels: UInt8[Array, t]
    position: Float32[Array, "s s 3"]
    spot: Float32[Array, "s s 2"]
    depth: Float32[Array, "s s"]
    texel_triangle: Int32[Array, "s s"]

    @property
    def size(self) -> int:
        return int(self.depth.shape[0])


@dataclass(frozen=True)
class HeadTopology:
    """What all synthetic people share: the reference head, its sheets, its landmarks and its eyeballs (by sheet name)."""

    vertices: Float32[Array, "v 3"]
    points: Float32[Array, "478 3"]
    sheets: dict[str, Sheet]
    eyes: dict[str, Eyeball]
    model: HeadModel

    def landmarks(self, vertices: Float32[Array, "v 3"]) -> Float32[Array, "478 3"]:
        """The 478 landmarks on a head of this topology, in cm."""
        return self.model.landmarks478(vertices)

    @classmethod
    def of(cls, model: HeadModel, sizes: dict[str, int] | None = None) -> HeadTopology:
        """Bakes the sheets of a head (about a second). ``sizes`` replaces the texture size of sheets by name.

        The reference head is ``model.neutral``: take the model as loaded, so that everybody shares one topology.
        """
        sizes = SHEET_SIZES | (sizes or {})
        seen = np.ones(len(model.triangles), bool)
        seen[model.hidden] = False
        sheets = {}
        for name, material in MATERIALS.items():
            rows = model.triangles_of(*material)
            rows = rows[seen[rows]]
            corner_uv = model.uv[rows].copy()
            if name == "tears" and len(rows):  # both eyes use the same patch: the left one beside the right one
                left = model.neutral[model.triangles[rows]].mean(axis=1)[:, 0] > 0
                corner_uv[..., 0] = (corner_uv[..., 0] + left[:, None]) / 2
            sheets[name] = _bake(model.neutral, model.triangles[rows], corner_uv, model.labels[rows], sizes[name])
        outer = _outermost(sheets)
        sheets = {name: _with_depth(sheet, outer) for name, sheet in sheets.items()}
        eyes = {"eye_right": model.eyes[0], "eye_left": model.eyes[1]}
        return cls(model.neutral, model.landmarks478(model.neutral), sheets, eyes, model)

    @classmethod
    def load(cls, folder: Path) -> HeadTopology:
        """The topology of the head in ``folder``; raises as :meth:`HeadModel.load` does."""
        return cls.of(HeadModel.load(folder))


def to_canvas(points: Float[Array, "*n 3"]) -> Float32[Array, "*n 2"]:
    """Canvas pixels (x, y) of points in cm: the head unrolled round its axis, the face's front in the middle."""
    angle = np.arctan2(points[..., 0], points[..., 2] - AXIS_Z)
    x = (angle * UNROLLED_RADIUS - CANVAS_LEFT) * CANVAS_SCALE
    y = (CANVAS_TOP - points[..., 1]) * CANVAS_SCALE
    spots: Array = np.stack([x, y], axis=-1).astype(np.float32)
    return spots


def empty_canvas() -> Array:
    """A black canvas, uint8 [h, w]."""
    return np.zeros((round(CANVAS_HEIGHT * CANVAS_SCALE), round(CANVAS_WIDTH * CANVAS_SCALE)), np.uint8)


def stroke(canvas: Array, line: Float[Array, "n 2"], value: float, width: int = 1) -> None:
    """Draws an antialiased line through pixels (x, y)."""
    cv2.polylines(canvas, [np.round(line * 16).astype(np.int32)], False, (value,), width, cv2.LINE_AA, 4)


def fill(canvas: Array, outline: Float[Array, "n 2"], value: float) -> None:
    """Fills a polygon of pixels (x, y), antialiased."""
    cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], (value,), cv2.LINE_AA, 4)


def from_canvas(canvas: Array, sheet: Sheet) -> Float32[Array, "s s"]:
    """A canvas layer as the sheet sees it: uint8 becomes 0..1, float32 stays."""
    taken = cv2.remap(canvas, sheet.spot, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0,))
    scale = 1 / 255 if canvas.dtype == np.uint8 else 1.0
    layer: Array = taken.astype(np.float32) * np.float32(scale)
    return layer


def _bake(vertices: Array, triangles: Array, uv: Array, labels: Array, size: int) -> Sheet:
    """Which triangle each texel lies in, and where on the head that is."""
    owner = np.full((size, size), -1, np.int32)
    pixels = np.stack([uv[..., 0] * size - 0.5, (1 - uv[..., 1]) * size - 0.5], axis=-1)
    for index, corners in enumerate(np.round(pixels * 16).astype(np.int32)):
        cv2.fillConvexPoly(owner, corners, (index,), cv2.LINE_8, 4)
    if len(triangles) and (owner < 0).any():
        _, nearest = cv2.distanceTransformWithLabels(
            (owner < 0).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
        )
        known = np.zeros(int(nearest.max()) + 1, np.int32)
        inside = owner >= 0
        known[nearest[inside]] = owner[inside]
        owner = np.where(inside, owner, known[nearest])
    y, x = np.mgrid[:size, :size]
    texel = np.stack([x, y], axis=-1).astype(np.float32)
    a, b, c = (pixels[owner, k] for k in range(3))
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    weights = np.stack(
        [_cross(b - texel, c - texel), _cross(c - texel, a - texel), _cross(a - texel, b - texel)], axis=-1
    )
    weights = np.clip(weights / area[..., None], 0, 1)
    weights /= weights.sum(axis=-1, keepdims=True)
    position = np.einsum("hwk,hwkd->hwd", weights, vertices[triangles[owner]]).astype(np.float32)
    return Sheet(triangles, uv, labels, position, to_canvas(position), np.zeros((size, size), np.float32), owner)


def _cross(a: Array, b: Array) -> Array:
    product: Array = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


def _outermost(sheets: dict[str, Sheet]) -> Float32[Array, "h w"]:
    """How far from the axis the outermost skin lies at each canvas pixel, in cm."""
    canvas = empty_canvas().astype(np.float32)
    small = cv2.resize(canvas, None, fx=0.25, fy=0.25)
    for name in ("face", "back"):
        sheet = sheets[name]
        spot = np.round(sheet.spot * 0.25).astype(np.int32).reshape(-1, 2)
        radius = np.hypot(sheet.position[..., 0], sheet.position[..., 2] - AXIS_Z).ravel()
        ok = (spot[:, 0] >= 0) & (spot[:, 0] < small.shape[1]) & (spot[:, 1] >= 0) & (spot[:, 1] < small.shape[0])
        np.maximum.at(small, (spot[ok, 1], spot[ok, 0]), radius[ok])
    small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outer: Array = cv2.resize(small, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_LINEAR)
    return outer


def _with_depth(sheet: Sheet, outer: Array) -> Sheet:
    radius = np.hypot(sheet.position[..., 0], sheet.position[..., 2] - AXIS_Z)
    depth = np.maximum(from_canvas(outer, sheet) - radius, 0).astype(np.float32)
    return replace(sheet, depth=depth)
