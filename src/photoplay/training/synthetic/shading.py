"""Light: lamps with soft shadows, an ambient of spherical harmonics, what corners keep from it, highlights.

A surface of colour ``k`` sends ``k (a A(n) + sum_i s_i c_i max(n·l_i + w, 0) / (1 + w)^2) + sum_i s_i c_i g (n·h_i)^e``:
``A`` the ambient (9 real spherical harmonics for each colour), ``a`` the share of it that reaches the spot (ambient
occlusion, made once for a person by looking at the head from many sides), ``s_i`` shadow, ``c_i`` the lamp's colour,
``w`` the wrap of soft skin (greater for red), ``g`` gloss, ``h_i`` halfway between lamp and eye, ``e`` sharpness (Blinn
1977). Directions are in camera space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.topology import ARKIT_INDEX
from photoplay.training.synthetic import raster, shading_kernels
from photoplay.training.synthetic.camera import Camera
from photoplay.training.synthetic.sitter import Sitter
from photoplay.types import Array, Label

SHADOW_SIZE = 192
_NEARNESS = 100.0  # cm added so that nearness is positive, as draw() wants it
_DOMES, _DOME_SIZE, _DOME_BIAS = 24, 112, 0.35
_FULL_GAP = 1.0  # cm
_LIPS_APART = {
    "jawOpen": 0.5,
    "mouthUpperUpLeft": 0.8,
    "mouthUpperUpRight": 0.8,
    "mouthLowerDownLeft": 0.8,
    "mouthLowerDownRight": 0.8,
}
_MOUTH_FADE = 2.6  # cm behind the teeth's front at which 1/e of the light is left


@dataclass(frozen=True)
class Lights:
    """``lamps`` [l, 3] unit vectors to each lamp, the first casts shadows; ``colours`` [l, 3]; ``harmonics`` [9, 3]."""

    lamps: Float32[Array, "l 3"]
    colours: Float32[Array, "l 3"]
    harmonics: Float32[Array, "9 3"]

    def ambient(self, normals: Float32[Array, "n 3"]) -> Float32[Array, "n 3"]:
        """Light that comes from everywhere, for each normal: never negative."""
        x, y, z = normals.T
        terms = (x * 0 + 1, y, z, x, x * y, y * z, (3 * z * z - 1) / 2, x * z, (x * x - y * y) / 2)
        light: Array = np.maximum(np.stack(terms, 1) @ self.harmonics, 0)
        return light


def draw_lights(rng: np.random.Generator) -> Lights:
    """A key lamp on the camera's side, often a fill, sometimes a rim from behind, and an ambient with a brighter side."""
    azimuth, height = np.radians(rng.normal(0, 45)), np.radians(rng.uniform(-5, 60))
    lamps = [_direction(azimuth, height)]
    ambient = rng.uniform(0.25, 0.8)
    power = rng.uniform(0.35, 1.0) * (1.15 - ambient) + 0.1
    colours = [_tint(rng, 0.12) * power]
    if rng.random() < 0.6:
        lamps.append(_direction(-azimuth + rng.normal(0, 0.5), np.radians(rng.uniform(-20, 40))))
        colours.append(_tint(rng, 0.10) * power * rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        lamps.append(_direction(np.pi + rng.normal(0, 0.8), np.radians(rng.uniform(0, 50))))
        colours.append(_tint(rng, 0.15) * rng.uniform(0.2, 0.8))
    harmonics = np.zeros((9, 3), np.float32)
    harmonics[0] = _tint(rng, 0.08) * ambient
    harmonics[1] = -harmonics[0] * rng.uniform(0.05, 0.4)  # the sky is brighter than the floor; y is down
    harmonics[2] = -harmonics[0] * rng.normal(0.1, 0.12)
    harmonics[3] = harmonics[0] * rng.normal(0, 0.2)
    harmonics[4:] = harmonics[0] * rng.normal(0, 0.06, (5, 1))
    return Lights(np.array(lamps, np.float32), np.array(colours, np.float32), harmonics)


@dataclass(frozen=True)
class Access:
    """Ambient occlusion [n] of a person with the lips ``shut`` and far ``apart``: 1 is free, 0 shut off."""

    shut: Float32[Array, n]
    apart: Float32[Array, n]

    def at(self, gap: float) -> Float32[Array, n]:
        """For lips ``gap`` cm apart."""
        mixed: Array = self.shut + (self.apart - self.shut) * np.float32(min(max(gap / _FULL_GAP, 0.0), 1.0))
        return mixed


def measure_access(sitter: Sitter) -> Access:
    """Looks at the person from 24 sides: how much of the half-space over each vertex is free, weighted by the cosine.

    Only the inside of the mouth is looked at again with the lips apart, from in front.
    """
    rest = np.zeros(52, np.float32)
    wide = rest.copy()
    wide[[ARKIT_INDEX[name] for name in _LIPS_APART]] = list(_LIPS_APART.values())
    directions = _sphere(_DOMES)
    inner, fade = _inside_mouth(sitter)
    shut = _access(sitter, sitter.posed(rest, (0.0, 0.0)), directions)
    front = _access(sitter, sitter.posed(wide, (0.0, 0.0)), directions[directions[:, 2] > 0.3])
    apart = shut.copy()
    apart[inner] = np.minimum(1.2 * front[inner], 1)
    return Access((shut * fade).astype(np.float32), (apart * fade).astype(np.float32))


def shade(
    sitter: Sitter,
    points: Float32[Array, "n 3"],
    access: Float32[Array, n],
    lights: Lights,
    camera: Camera,
    background: Float32[Array, "h w 3"],
) -> tuple[Float32[Array, "h w 3"], UInt8[Array, "h w"]]:
    """The person at ``points`` (camera space) before ``background``: linear light and labels, 2 x 2 samples a pixel."""
    height, width = background.shape[:2]
    screen = camera.project(points, samples=2)
    shown, _ = raster.draw(sitter, screen, 2 * height, 2 * width)
    normals = raster.vertex_normals(points, sitter.triangles)
    ambient = lights.ambient(normals) * access[:, None]
    shadow, matrix = look_from(sitter, points, lights.lamps[0], SHADOW_SIZE)
    image, labels = shading_kernels.shade(
        shown, screen, points, normals, access, ambient, sitter.triangles, sitter.uv, sitter.texture_of, sitter.textures,
        sitter.texels, sitter.materials, sitter.labels, lights.lamps, lights.colours, shadow, matrix, background,
    )  # fmt: skip
    return image, labels


def look_from(
    sitter: Sitter, points: Float32[Array, "n 3"], direction: Float32[Array, 3], size: int
) -> tuple[Float32[Array, "s s"], Float32[Array, "3 4"]]:
    """The head as seen along parallel rays from ``direction``: nearness [s, s] (0 where nothing is) and the matrix
    [3, 4] that maps a point to its column, row and nearness there."""
    away = -direction
    across = np.cross(away, np.array([0.0, 0.0, 1.0]) if abs(away[1]) > 0.9 else np.array([0.0, 1.0, 0.0]))
    across /= np.linalg.norm(across)
    down = np.cross(away, across)
    count = len(sitter.head.neutral)
    middle = (points[:count].min(0) + points[:count].max(0)) / 2
    reach = float(np.linalg.norm(np.ptp(points[:count], axis=0))) / 2
    scale = size / (2 * reach)
    rows = np.stack([across * scale, down * scale, direction])
    shift = np.array([size / 2, size / 2, _NEARNESS]) - rows @ middle
    matrix = np.concatenate([rows, shift[:, None]], 1).astype(np.float32)
    screen = points @ matrix[:, :3].T + matrix[:, 3]
    _, nearness = raster.draw(sitter, screen.astype(np.float32), size, size)
    return nearness, matrix


def _access(sitter: Sitter, vertices: Float32[Array, "n 3"], directions: Float32[Array, "k 3"]) -> Float32[Array, n]:
    normals = raster.vertex_normals(vertices, sitter.triangles)
    free, all_ = np.zeros(len(vertices), np.float32), np.full(len(vertices), 1e-6, np.float32)
    for direction in directions:
        nearness, matrix = look_from(sitter, vertices, direction, _DOME_SIZE)
        lifted = vertices + 0.1 * normals
        seen = lifted @ matrix[:, :3].T + matrix[:, 3]
        column, row = (np.clip(np.rint(seen[:, axis]), 0, _DOME_SIZE - 1).astype(np.int32) for axis in (0, 1))
        weight = np.maximum(normals @ direction, 0)
        free += weight * (nearness[row, column] < seen[:, 2] + _DOME_BIAS)
        all_ += weight
    share: Array = free / all_
    return share


def _inside_mouth(sitter: Sitter) -> tuple[Int32[Array, k], Float32[Array, n]]:
    """The vertices inside the mouth and the share of light [n] that their depth leaves."""
    inner = np.isin(sitter.labels, (Label.MOUTH, Label.TEETH, Label.TONGUE))
    fade = np.ones(len(sitter.follows), np.float32)
    vertices = sitter.dressed(sitter.head.neutral)
    inside = np.unique(sitter.triangles[inner])
    if len(inside):
        depth = vertices[inside, 2].max() - vertices[inside, 2]
        fade[inside] = np.exp(-np.maximum(depth - 0.4, 0) / _MOUTH_FADE)
    return inside.astype(np.int32), fade


def _sphere(count: int) -> Float32[Array, "k 3"]:
    """Directions spread evenly over the sphere (a Fibonacci spiral), in head space."""
    k = np.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    directions: Array = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1).astype(np.float32)
    return directions


def _direction(azimuth: float, height: float) -> tuple[float, float, float]:
    """Unit vector to a lamp: azimuth 0 is the camera's side, positive to the image's right; height over the horizon."""
    flat = np.cos(height)
    return float(np.sin(azimuth) * flat), float(-np.sin(height)), float(-np.cos(azimuth) * flat)


def _tint(rng: np.random.Generator, spread: float) -> Float32[Array, 3]:
    """White, a little warm or cool."""
    warm = rng.normal(0, spread)
    tint: Array = np.array([1 + warm, 1.0, 1 - warm], np.float32)
    return tint
