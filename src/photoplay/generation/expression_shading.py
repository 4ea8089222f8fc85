"""What an expression does to the light on the skin: folds deepen, cheeks catch light, brows cast their shade.

A photo that is only stretched smiles in the light of a face that does not. Where a point of the skin has the normal n at
rest and n' in the expression, and sees the shares s and s' of the sky, its light changes by the ratio

    f(n', s') / f(n, s)   with   f(n, s) = ambient s + (1 - ambient) max(0, n . l)

(Liu, Shan and Zhang, "Expressive Expression Mapping with Ratio Images", SIGGRAPH 2001). The normals are an average head's,
low-passed (``benchmarks.expression_normals`` derives them), l and ambient the photo's. The ratio is painted on the face at
rest and carried along by the mesh. It grows with each blendshape's change from the photo's own: a face at rest stays bit
for bit, a crease that the photo shows is not drawn twice, and a smile that is taken back takes its light along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from jaxtyping import Float32
from safetensors.numpy import load

from photoplay.generation import raster_kernels
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.mesh import face_height, visible_triangles
from photoplay.generation.photo_look import Look, face_in, luma
from photoplay.generation.raster import empty_maps, rasterise
from photoplay.topology import ARKIT_INDEX, skin_triangles
from photoplay.types import Array, Face, HeadPose, Landmarks, Light

ACROSS = 128
"""How many samples of the ratio there are over a face's height at most."""
GAMMA = 2.2
"""Exponent from levels to light."""
LEAST_AMBIENT = 0.35
"""Skin scatters light into its own shade: no face is lit harder than this."""
MOST = 0.16
"""Bound of the natural logarithm of what levels are multiplied by."""
SMOOTH_SKIN, CREASED_SKIN = 1.25, 1.75
"""How much of the average head's ratio smooth skin and creased skin get."""
CREASES = (0.03, 0.07)
"""Median contrast of details of 1 % of the face's height: smooth below the first, creased above the second."""
SMALL = (20.0, 60.0)
"""Face heights in frame pixels between which the ratio comes in."""
SOFT = (0.015, 0.04)
"""A photo's blur in face heights between which half of the ratio goes."""


@dataclass(frozen=True)
class NormalTable:
    """How expressions turn the skin of an average head (x to the subject's left, y up, z to the front).

    points  [468, 2] the landmarks' columns and rows on the grid
    rest    [h, w, 3] normals at rest
    change  [k, h, w, 4] what each full expression adds to the normal, and to the log of the seen share of the sky
    names   the ARKit name of each
    """

    points: Float32[Array, "468 2"]
    rest: Float32[Array, "h w 3"]
    change: Float32[Array, "k h w 4"]
    names: tuple[str, ...]


@cache
def normal_table() -> NormalTable:
    """The table that comes with the package, both sides of the face."""
    table = load(files("photoplay").joinpath("data", "expression_normals.safetensors").read_bytes())
    points, rest = table.pop("points"), table.pop("rest").astype(np.float32) / np.float32(127)
    unit, names = table.pop("unit"), sorted(table)
    change = np.stack([table[name] for name in names]).astype(np.float32) * unit
    mirrored = {
        name.replace("Left", "Right"): one[:, ::-1] * np.array([-1, 1, 1, 1], np.float32)
        for name, one in zip(names, change, strict=True)
        if name.endswith("Left")
    }
    return NormalTable(points, rest, np.stack([*change, *mirrored.values()]), (*names, *mirrored))


def light_ratios(light: Light, pose: HeadPose) -> Float32[Array, "k h w"]:
    """Natural log of what each full expression multiplies the light by, over the grid of :func:`normal_table`."""
    table = normal_table()
    toward = (pose.matrix().T @ np.array(light.direction, np.float32)) * np.array([1, -1, -1], np.float32)
    ambient = max(light.ambient, LEAST_AMBIENT)

    def lit(normals: Array, sky: Array) -> Array:
        unit = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-3)
        received: Array = ambient * sky + (1 - ambient) * np.maximum(unit @ toward, 0)
        return received

    before = lit(table.rest, np.ones(table.rest.shape[:2], np.float32))
    after = lit(table.rest + table.change[..., :3], np.exp(table.change[..., 3]))
    return np.log(after / before).astype(np.float32)


@dataclass(frozen=True)
class ExpressionShading:
    """The ratios of one face in its frame: ``fields`` are logs of factors on sRGB levels at each full expression.

    Rest point p lies at ``(p - corner) / step`` in them. ``indices`` are the expressions' blendshapes, ``rest`` their
    weights in the photo, and ``who`` is how the frame's buffers call the person.
    """

    fields: Float32[Array, "k h w"]
    corner: Float32[Array, 2]
    step: float
    indices: tuple[int, ...]
    rest: Float32[Array, k]
    who: int

    @classmethod
    def of(
        cls, source: Source, face: Face, rest: Landmarks, look: Look, rest_blendshapes: Float32[Array, 52], subject: int
    ) -> ExpressionShading:
        """Reads light and skin of ``face``, whose landmarks in frame space are ``rest``, from the framed photo, whose
        ``look`` is known."""
        table, points = normal_table(), rest[:468]
        corner, end = points[:, :2].min(0), points[:, :2].max(0)
        step = max(face_height(rest) / ACROSS, 0.5)
        width, height = (int(n) + 2 for n in np.ceil((end - corner) / step))
        maps = empty_maps(height, width, 2)
        placed = np.column_stack([(points[:, :2] - corner) / step, points[:, 2] / step]).astype(np.float32)
        rasterise(placed, table.points, visible_triangles(), maps)
        inside = np.isfinite(maps[..., 2])
        ratios = light_ratios(face.light or Light((0.0, 0.0, -1.0), 1.0), face.head_pose)
        amount = strength(source, rest, look) / GAMMA
        fields = []
        for name, ratio in zip(table.names, ratios, strict=True):
            drawn = cv2.remap(ratio * amount, maps[..., 0], maps[..., 1], cv2.INTER_CUBIC) * inside
            fields.append(cv2.GaussianBlur(drawn, (0, 0), 1.0) * (1 - _held(name, rest_blendshapes)))
        indices = tuple(ARKIT_INDEX[name] for name in table.names)
        shown = rest_blendshapes[list(indices)].astype(np.float32)
        return cls(np.stack(fields).astype(np.float32), corner, step, indices, shown, subject + 1)

    def gain(self, blendshapes: Float32[Array, 52]) -> Float32[Array, "h w"]:
        """Log of the factor on the levels at ``blendshapes``, between -MOST and MOST; 0 where they are the photo's."""
        change = blendshapes[list(self.indices)] - self.rest
        field: Array = MOST * np.tanh(np.tensordot(change, self.fields, 1) / MOST)
        return field.astype(np.float32)

    def paint(self, buffers: FrameBuffers, landmarks: Landmarks, blendshapes: Float32[Array, 52]) -> None:
        """Shades the face that is painted in ``buffers``, in place; ``landmarks`` are where it is, in frame space."""
        gain = np.expm1(self.gain(blendshapes))
        if not gain.any():
            return
        size = np.array(buffers.identity.shape[::-1])
        low = np.clip(np.floor(landmarks[:468, :2].min(0)), 0, size).astype(np.int64)
        high = np.clip(np.ceil(landmarks[:468, :2].max(0)) + 1, 0, size).astype(np.int64)
        place = np.array([*self.corner, 1 / self.step], np.float32)
        box = np.concatenate([low, high])
        raster_kernels.relight(gain, place, box, buffers.flow, buffers.identity, self.who, buffers.rgb)


def _held(name: str, rest_blendshapes: Float32[Array, 52]) -> float:
    """How far a photo's smile already shows what ``name`` does: its raised cheeks are not measured, and go with it."""
    if not name.startswith(("cheekSquint", "noseSneer")):
        return 0.0
    smile = "mouthSmileLeft" if name.endswith("Left") else "mouthSmileRight"
    return float(np.clip(rest_blendshapes[ARKIT_INDEX[smile]], 0, 1))


def strength(source: Source, rest: Landmarks, look: Look) -> float:
    """How much of the average head's ratio this face gets: less on a smooth skin, a soft photo or a small face."""
    height = face_height(rest)
    skin = np.interp(_contrast(source, rest, height), CREASES, (SMOOTH_SKIN, CREASED_SKIN))
    sharp = np.interp(look.blur / height, SOFT, (1.0, 0.5))
    return float(skin * sharp * np.interp(height, SMALL, (0.0, 1.0)))


def _contrast(source: Source, rest: Landmarks, height: float) -> float:
    """Median contrast on the skin of details of about 1 % of the face's height."""
    points, low, high = face_in(source, rest)
    if min(high - low) < 8:
        return 0.0
    grey = np.log(np.maximum(luma(source.rgb[low[1] : high[1], low[0] : high[0]].astype(np.float32)), 8))
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), share * height * source.factor) for share in (0.006, 0.015))
    spots = (points[skin_triangles()].mean(1) - low).astype(np.float32)
    found = cv2.remap(fine - coarse, spots[None, :, 0], spots[None, :, 1], cv2.INTER_LINEAR)
    return float(np.median(np.abs(found)))
