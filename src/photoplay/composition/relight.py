"""One light for two people: how far their lights lie apart, the light they shall share, and a person moved into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.composition.cutouts import Cutout
from photoplay.composition.tones import brighten, to_linear, to_srgb
from photoplay.light import ball, picture_difference, shade
from photoplay.types import Array, Light, Mask, Rgb

EVEN = Light((0.0, 0.0, -1.0), 1.0)
"""What a face without an estimate is taken to stand in: light from everywhere."""

MIN_AMBIENT = 0.25
"""Softest shadow that a shared light may cast: below it, one face's shadow side would have to be invented."""
MAX_GAIN = 2.2
"""No spot becomes lighter or darker than by this factor."""

_GRID = 96
"""Pixels across the face at which shading is worked out; it has no finer detail than that."""
_FLOOR = 0.10
"""Stray light added to both shadings: no skin is as dark as a clamped Lambert lobe says."""
_DRIVE, _DRIVE_FACE = 1.1, 1.4
"""How much further than the model says a quotient goes, off and on the face: highlights and cast shadows stay behind, and
a fitted light leans on them. On the drawn heads of ``benchmarks/composition.py`` the skin's error is 0.28 stops at 1.0 and
at 1.25, 0.29 at 1.5 and 0.31 at 2; on photos the light estimated afterwards comes nearer all the way to 2."""


@dataclass(frozen=True)
class LightDifference:
    """How two lights differ.

    degrees   angle between the two directions, 0..180
    ambient   difference of the ambient shares, 0..1
    color     largest difference of a channel of the tints
    shading   percent: :func:`photoplay.light.picture_difference` of the two pictures that the lights make of a matt white
              ball. One number for all of the above: the angle counts as much as the lights are hard, and nothing where
              both are even.
    """

    degrees: float
    ambient: float
    color: float
    shading: float


def light_difference(a: Light, b: Light) -> LightDifference:
    """How far two lights lie apart; all zero for equal lights. Symmetric."""
    cosine = float(np.clip(np.dot(a.direction, b.direction), -1, 1))
    tint = float(np.abs(np.subtract(a.color, b.color)).max())
    return LightDifference(
        float(np.degrees(np.arccos(cosine))),
        abs(a.ambient - b.ambient),
        tint,
        picture_difference(shade(ball(), a), shade(ball(), b)),
    )


def shared_light(a: Light, b: Light, share: float = 0.5) -> Light:
    """The light that both can stand in with the least change: ``share`` of the way from ``a`` to ``b``.

    The keys (direction times strength) are averaged as vectors, so that lights from opposite sides meet in a softer
    light from the camera's side instead of either's shadow. The light never comes from behind the faces.
    """
    weights = np.array([1 - share, share])
    keys = np.array([(1 - light.ambient) * np.array(light.direction) for light in (a, b)])
    key = weights @ keys
    strength = float(np.linalg.norm(key))
    forward = key + np.array([0.0, 0.0, min(0.0, -0.35 * strength - key[2])])
    length = float(np.linalg.norm(forward))
    if length < 1e-3:
        return EVEN
    x, y, z = (forward / length).tolist()
    tint = weights @ np.array([a.color, b.color])
    red, green, blue = (tint / tint.mean()).tolist()
    return Light((x, y, z), float(np.clip(1 - strength, MIN_AMBIENT, 1)), (red, green, blue))


def relight(cutout: Cutout, target: Light, strength: float = 1.0) -> Rgb:
    """The person's pixels as ``target`` would light them; far from the person they are left as they are.

    Every pixel is multiplied, in linear light, by the quotient of two smooth shadings of the same soft surface: the
    target's over the person's own (Marschner and Greenberg 1997, quotient images). The quotient holds nothing finer than
    a thirtieth of the face's width, so pores, hair, eyes and the person's colours stay; its mean over the face is 1 in
    every channel, so exposure and white balance stay as well. ``strength`` 0..1 takes part of the way.
    """
    own = cutout.face.light or EVEN
    if own == target or strength <= 0:
        return cutout.pixels
    height, width = cutout.matte.shape
    across = max(float(np.ptp(cutout.face.landmarks[:468, 0])), 1.0)
    scale = min(1.0, _GRID / across)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    steps = np.array([size[0] / width, size[1] / height, scale], np.float32)
    points = ((cutout.face.landmarks[:468] + np.array([0.5, 0.5, 0], np.float32)) * steps).astype(np.float32)
    small = cv2.resize(cutout.matte, size, interpolation=cv2.INTER_AREA)
    unit = across * scale
    normals, face = surface(small, points, unit)
    quotient = np.log((shade(normals, target) + _FLOOR) / (shade(normals, own) + _FLOOR))
    mean = (quotient * face[..., None]).sum((0, 1)) / max(float(face.sum()), 1e-6)
    limit = np.float32(np.log(MAX_GAIN))
    drive = _DRIVE + (_DRIVE_FACE - _DRIVE) * cv2.GaussianBlur(face, (0, 0), max(0.1 * unit, 0.8))[..., None]
    bounded = limit * np.tanh((quotient - mean) * (strength * drive) / limit)
    smooth = cv2.GaussianBlur(bounded.astype(np.float32), (0, 0), max(0.03 * unit, 0.8))
    return _multiply(cutout, smooth)


def surface(
    matte: Mask, points: Float32[Array, "468 3"], unit: float
) -> tuple[Float32[Array, "h w 3"], Float32[Array, "h w"]]:
    """Unit normals [h, w, 3] (photo space, z < 0 towards the camera) of a person, and where they come from the face.

    On the face they are the mesh's own; ``points`` and ``unit``, the face's width, are in the matte's pixels. Elsewhere
    the person is a cushion: round within 0.7 ``unit`` of the outline, flat inside. Where the matte meets the picture's
    border the person goes on. Far outside they point at the camera.
    """
    cushion = _cushion(matte, unit)
    mesh, seen = _mesh_normals(points, matte.shape[0], matte.shape[1])
    weight = cv2.GaussianBlur(cv2.erode(seen, np.ones((3, 3), np.uint8)), (0, 0), max(0.07 * unit, 0.8))
    spread = cv2.GaussianBlur(mesh * seen[..., None], (0, 0), max(0.04 * unit, 0.8))
    face = np.clip(2 * weight - 1, 0, 1)[..., None]
    inside = np.linalg.norm(spread, axis=-1, keepdims=True)
    blended = face * spread / np.maximum(inside, 1e-6) + (1 - face) * cushion
    unit_normals: Array = blended / np.maximum(np.linalg.norm(blended, axis=-1, keepdims=True), 1e-6)
    return unit_normals.astype(np.float32), seen


def _cushion(matte: Mask, unit: float) -> Float32[Array, "h w 3"]:
    """Normals of the person blown up like a cushion: a quarter round of radius 0.7 ``unit`` along the outline."""
    radius = 0.7 * unit
    edge = int(np.ceil(radius)) + 1
    padded = cv2.copyMakeBorder((matte > 127).astype(np.uint8), edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    depth = np.minimum(inside / np.float32(radius), 1)
    height = radius * np.sqrt(1 - (1 - depth) ** 2)
    smooth = cv2.GaussianBlur(height.astype(np.float32), (0, 0), max(0.16 * unit, 0.8))
    slope = [cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=0.125) for dx in (1, 0)]
    normals = np.stack([-slope[0], -slope[1], -np.ones_like(smooth)], -1)[edge:-edge, edge:-edge]
    unit_normals: Array = normals / np.linalg.norm(normals, axis=-1, keepdims=True)
    return unit_normals


def _mesh_normals(
    points: Float32[Array, "468 3"], height: int, width: int
) -> tuple[Float32[Array, "h w 3"], Float32[Array, "h w"]]:
    """The face mesh drawn from far to near: vertex normals averaged per triangle, and 1 where there is a triangle."""
    triangles = topology.face_triangles()
    corners = points[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    vertex = np.zeros((468, 3), np.float32)
    for corner in range(3):
        np.add.at(vertex, triangles[:, corner], facing)
    vertex /= np.maximum(np.linalg.norm(vertex, axis=1, keepdims=True), 1e-9)
    flat = vertex[triangles].mean(1)
    picture = np.zeros((height, width, 3), np.float32)
    seen = np.zeros((height, width), np.float32)
    shown = np.flatnonzero(facing[:, 2] < 0)
    pixels = np.round((corners[:, :, :2] - 0.5) * 16).astype(np.int32)
    for index in shown[np.argsort(-corners[shown, :, 2].mean(1), kind="stable")]:
        cv2.fillConvexPoly(picture, pixels[index], flat[index].tolist(), shift=4)
        cv2.fillConvexPoly(seen, pixels[index], (1.0,), shift=4)
    return picture, seen


def _multiply(cutout: Cutout, log_gain: Float32[Array, "rows columns 3"]) -> Rgb:
    """The pixels times a coarse gain, in and a little around the matte's box; the rest is left as it is."""
    height, width = cutout.matte.shape
    x, y, w, h = _reach(cutout.matte)
    if not w:
        return cutout.pixels
    across, down = log_gain.shape[1] / width, log_gain.shape[0] / height
    to_small = np.array([[across, 0, (x + 0.5) * across - 0.5], [0, down, (y + 0.5) * down - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grown = cv2.warpAffine(log_gain, to_small, (w, h), flags=how, borderMode=cv2.BORDER_REPLICATE)
    result = cutout.pixels.copy()
    part = result[y : y + h, x : x + w]
    part[:] = to_srgb(brighten(to_linear(part), np.exp(grown)))
    return result


def _reach(matte: Mask) -> tuple[int, int, int, int]:
    """x, y, width, height of the box around the matte, 16 pixels larger on each side where there is room."""
    x, y, w, h = cv2.boundingRect(matte)
    if not w:
        return 0, 0, 0, 0
    x0, y0 = max(x - 16, 0), max(y - 16, 0)
    return x0, y0, min(x + w + 16, matte.shape[1]) - x0, min(y + h + 16, matte.shape[0]) - y0
