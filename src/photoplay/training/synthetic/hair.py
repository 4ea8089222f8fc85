"""Hair as shells that are pushed out of the head's own surface, with strands painted from the crown outwards."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from photoplay.training.synthetic.atlas import AXIS_Z, HeadTopology
from photoplay.training.synthetic.paint import linear, step, texture
from photoplay.training.synthetic.parts import Material, Part
from photoplay.types import Array, Label

CROWN = np.array([0.0, 3.5, 0.5], np.float32)  # cm: strands run away from the axis through this point and the crown
HAIRLINE = (
    (0, 20, 34, 46, 54, 60, 66, 72, 100, 108, 122, 180),
    (8.9, 9.1, 8.6, 6.5, 4.0, 2.0, 2.2, 4.6, 4.6, 0.5, -3.0, -5.0),
)  # degrees from the front, height in cm
SHADES = {  # (share, sRGB)
    "black": (0.34, (22, 18, 16)),
    "dark brown": (0.26, (48, 33, 24)),
    "brown": (0.16, (86, 60, 40)),
    "light brown": (0.08, (128, 96, 64)),
    "blond": (0.10, (186, 152, 100)),
    "red": (0.06, (132, 66, 34)),
}
STYLES = {"bald": 0.08, "buzz": 0.14, "short": 0.36, "volume": 0.14, "long": 0.28}
THICKNESS = {"bald": 0.0, "buzz": 0.25, "short": 0.8, "volume": 2.2, "long": 1.0}


@dataclass(frozen=True)
class HairStyle:
    """A head of hair: ``name`` of the style, ``shade`` and its linear ``colour`` [3], ``density`` 0..1 on the scalp."""

    name: str
    shade: str
    colour: Array
    density: float


def draw_hair(rng: np.random.Generator, monk: int, age: float) -> HairStyle:
    """Colour and style by rough population shares; grey by age."""
    shares = np.array([row[0] for row in SHADES.values()])
    shares[3:] *= np.clip((7 - monk) / 3, 0.02, 1.5)
    shade = str(rng.choice(list(SHADES), p=shares / shares.sum()))
    colour = linear(SHADES[shade][1]) * rng.uniform(0.75, 1.3)
    grey = float(step(38, 75, np.array(age + rng.normal(0, 9))))
    if grey > 0.25:
        shade = "white" if grey > 0.85 else "grey"
    colour = colour + (linear((176, 174, 170)) * rng.uniform(0.6, 1.1) - colour) * grey
    name = str(rng.choice(list(STYLES), p=list(STYLES.values())))
    return HairStyle(name, shade, colour.astype(np.float32), {"bald": 0.1, "buzz": 0.8}.get(name, 1.0))


def above_hairline(position: Array) -> Array:
    """How many cm a point lies above the hairline, [...]."""
    angle = np.degrees(np.abs(np.arctan2(position[..., 0], position[..., 2] - AXIS_Z)))
    height: Array = position[..., 1] - np.interp(angle, *HAIRLINE).astype(np.float32)
    return height.astype(np.float32)


def scalp(position: Array) -> Array:
    """0..1: how much a point of skin is scalp."""
    return step(-0.3, 0.7, above_hairline(position))


def crown_uv(points: Array) -> Array:
    """Places on the hair's texture: the crown in the middle, the nape at the rim; [n, 2] in 0..1."""
    ray = points - CROWN
    ray = ray / np.maximum(np.linalg.norm(ray, axis=-1, keepdims=True), 1e-6)
    polar = np.arccos(np.clip(ray[..., 1], -1, 1)) / np.pi
    flat = np.hypot(ray[..., 0], ray[..., 2]) + 1e-6
    uv: Array = np.stack([0.5 + 0.5 * polar * ray[..., 0] / flat, 0.5 - 0.5 * polar * ray[..., 2] / flat], axis=-1)
    return uv.astype(np.float32)


def strand_texture(rng: np.random.Generator, size: int, colour: Array, radial: bool) -> Array:
    """Linear RGB [size, size, 3] of hair: noise drawn out along the strands (away from the crown, or downwards)."""
    noise = np.zeros((size, size * 2), np.float32)
    for width, height, weight in ((2, 12, 0.5), (1, 30, 0.5), (8, 6, 0.6)):
        coarse = rng.standard_normal((height, size * 2 // width)).astype(np.float32)
        coarse[:, -1] = coarse[:, 0]
        noise += weight * cv2.resize(coarse, (size * 2, size), interpolation=cv2.INTER_LINEAR)
    if radial:
        y, x = np.mgrid[:size, :size].astype(np.float32)
        dx, dy = x - size / 2, y - size / 2
        turn = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * (size * 2 - 1)
        noise = cv2.remap(noise, turn.astype(np.float32), (np.hypot(dx, dy) * 2).astype(np.float32), cv2.INTER_LINEAR)
    else:
        noise = noise[:, :size]
    tone: Array = colour * np.exp(0.45 * noise)[..., None]
    return tone.astype(np.float32)


def hair_parts(rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle) -> list[Part]:
    """The shells of a style; nothing for a bald head."""
    thickness = THICKNESS[style.name] * float(rng.uniform(0.7, 1.2))
    if thickness == 0:
        return []
    return [_cap(rng, vertices, head, style, thickness)]


def _cap(rng: np.random.Generator, vertices: Array, head: HeadTopology, style: HairStyle, thickness: float) -> Part:
    triangles = np.concatenate([head.sheets[name].triangles for name in ("face", "back")])
    height = above_hairline(head.vertices)
    used = triangles[(height[triangles] > -0.6).any(axis=1) & (head.vertices[triangles][..., 1] > -6).all(axis=1)]
    index, compact = np.unique(used, return_inverse=True)
    faces = compact.reshape(-1, 3).astype(np.int32)
    base = vertices[index]
    lift = thickness * step(-0.4, 1.6, height[index])[:, None] + 0.05
    out = base - CROWN
    out = out / np.linalg.norm(out, axis=1, keepdims=True)
    uv = crown_uv(head.vertices[index])
    size = 512
    colour = strand_texture(rng, size, style.colour, radial=True)
    edge = cv2.resize(rng.standard_normal((64, 64)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    spots = uv * np.array([size, -size], np.float32) + np.array([0, size], np.float32)
    field = np.full((size, size), -3.0, np.float32)
    for corners, level in zip(spots[faces], height[index][faces].mean(axis=1), strict=True):
        cv2.fillConvexPoly(field, np.round(corners).astype(np.int32), float(level))
    field = cv2.GaussianBlur(field, (0, 0), 3)
    alpha = step(-0.2, 0.5, field + 0.35 * edge)
    return Part(
        "hair", (base + out * lift).astype(np.float32), faces, uv[faces], texture(colour, alpha),
        np.full(len(faces), int(Label.HAIR), np.uint8), Material(0.25, 14.0, 0.2), index.astype(np.int32), True,
    )  # fmt: skip
