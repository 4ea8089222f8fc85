"""Shadows that tie two people to each other and to where they stand: soft, darkest at the contact, along the light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.composition.cutouts import Cutout
from photoplay.composition.tones import to_linear, to_srgb
from photoplay.topology import POSE_INDEX, inter_ocular
from photoplay.types import Array, Body, Light, Mask, Rgb

Shade: TypeAlias = Float32[Array, "h w"]
"""The share of the light that a shadow takes, 0..1."""

_GRID = 12
"""Pixels for the distance of the eyes at which shadows are worked out; they have no finer detail than that."""
_KEEPS = np.array([0.0, 0.04, 0.09], np.float32)
"""What a shadow leaves of each channel beyond its depth: sky and walls, which fill it, are bluer than the key."""
_BEHIND = 1.6
"""Distances of the eyes (63 mm) from one's body to that of somebody close behind."""
_WALL = 7.0
"""And to a studio's backdrop."""
_GROUND_SEEN = 0.28
"""How high a length on the ground looks from a camera at chest height some steps away."""
_FEET = (("left_ankle", "left_heel", "left_foot_index"), ("right_ankle", "right_heel", "right_foot_index"))


def shade_person(behind: Cutout, front: Cutout, light: Light) -> Rgb:
    """The pixels of the person behind, with the soft shadow of the one in front.

    Two parts, both along the front person's outline: each keeps the room's light from the other where they are close, and
    the key throws the outline onto the body behind. Well inside the outline, where nobody sees it now, the shadow fades
    away again, so that what comes into sight when the two part carries no dark print of the other.
    """
    unit = inter_ocular(front.face.landmarks)
    grid = _Grid.of(front.matte, unit)
    outline = grid.take(front.matte)
    key = 1 - light.ambient
    near = _blurred(outline, 0.45 * grid.unit)
    thrown = _blurred(_moved(outline, _throw(light, _BEHIND * grid.unit)), 0.5 * grid.unit)
    inside = _blurred(outline, 0.6 * grid.unit)
    shadow = 1 - (1 - 0.30 * np.minimum(2 * near, 1)) * (1 - (0.10 + 0.35 * key) * thrown)
    ring = shadow * (1 - _smooth(inside, 0.55, 0.95))
    body = cv2.GaussianBlur(behind.matte, (0, 0), 1.5)
    taken = grid.grow(ring) * (body.astype(np.float32) / 255)
    return darken(behind.pixels, taken)


def shade_plate(plate: Rgb, people: tuple[Cutout, ...], light: Light, wall: bool) -> Rgb:
    """The plate with the people's shadows: on the ground where their feet are in the picture, and with ``wall`` a wide,
    faint one on what is close behind them (a studio's backdrop). Both may miss: a plate without a wall, heads only."""
    taken: Array = np.zeros(plate.shape[:2], np.float32)
    for person in people:
        unit = inter_ocular(person.face.landmarks)
        grid = _Grid.of(person.matte, unit)
        matte = grid.take(person.matte)
        feet = _feet(person.body, person.matte)
        for shadow in (
            _wall_shadow(matte, light, grid.unit) if wall else None,
            _ground_shadow(matte, [grid.to(foot) for foot in feet], light, grid.unit) if feet else None,
        ):
            if shadow is not None:
                taken = 1 - (1 - taken) * (1 - grid.grow(shadow))
    return darken(plate, taken)


def darken(pixels: Rgb, shade: Shade) -> Rgb:
    """The pixels without the share ``shade`` of their light; a little less is taken of blue."""
    where = shade > 0.002
    if not where.any():
        return pixels
    x, y, w, h = cv2.boundingRect(where.astype(np.uint8))
    result = pixels.copy()
    part, taken = result[y : y + h, x : x + w], shade[y : y + h, x : x + w, None]
    part[:] = to_srgb(to_linear(part) * (1 - taken * (1 - _KEEPS)))
    return result


@dataclass(frozen=True)
class _Grid:
    """A coarse copy of the picture, ``unit`` pixels of which are the distance of somebody's eyes."""

    width: int
    height: int
    columns: int
    rows: int
    unit: float

    @classmethod
    def of(cls, matte: Mask, unit: float) -> _Grid:
        scale = min(1.0, _GRID / max(unit, 1.0))
        height, width = matte.shape
        return cls(width, height, max(2, round(width * scale)), max(2, round(height * scale)), max(unit, 1.0) * scale)

    def take(self, matte: Mask) -> Float32[Array, "rows columns"]:
        small = cv2.resize(matte, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / np.float32(255)

    def grow(self, shade: Float32[Array, "rows columns"]) -> Shade:
        grown: Array = cv2.resize(shade, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        return grown

    def to(self, points: Float32[Array, "n 2"]) -> Float32[Array, "n 2"]:
        steps = np.array([self.columns / self.width, self.rows / self.height], np.float32)
        coarse: Array = (points + np.float32(0.5)) * steps - np.float32(0.5)
        return coarse


def _throw(light: Light, distance: float) -> tuple[float, float]:
    """Where a shadow falls on a surface ``distance`` behind what casts it: away from the light, never far off."""
    x, y, z = light.direction
    depth = max(-z, 0.45)
    longest = max(float(np.hypot(x, y)) / depth / 1.5, 1.0)
    return -x / depth / longest * distance, -y / depth / longest * distance


def _wall_shadow(matte: Shade, light: Light, unit: float) -> Shade:
    """Wide and faint, off to the side that the light does not come from."""
    near = _blurred(matte, 1.8 * unit)
    thrown = _blurred(_moved(matte, _throw(light, 0.35 * _WALL * unit)), 2.6 * unit)
    shadow: Array = 0.05 * near + (0.05 + 0.27 * (1 - light.ambient)) * thrown
    return shadow


def _ground_shadow(matte: Shade, feet: list[Float32[Array, "n 2"]], light: Light, unit: float) -> Shade:
    """Dark spots under the soles, and the outline laid down on the ground by the key, softer the further it reaches."""
    floor = float(max(foot[:, 1].max() for foot in feet))
    spots = np.zeros_like(matte)
    for foot in feet:
        middle, length = foot.mean(0), float(np.ptp(foot[:, 0]))
        axes = (0.5 * length + 0.45 * unit, 0.22 * unit)
        centre = (float(middle[0]), float(foot[:, 1].max()))
        cv2.ellipse(spots, (centre, (2 * axes[0], 2 * axes[1]), 0.0), (1.0,), -1)
    x, y, z = light.direction
    rise = max(-y, 0.45)
    along, away = float(np.clip(-x / rise, -1.2, 1.2)), _GROUND_SEEN * max(-z / rise, 0.3)
    laid = np.array([[1, -along, along * floor], [0, away, floor * (1 - away)]])
    flat = cv2.warpAffine(matte, laid, matte.shape[::-1], flags=cv2.INTER_LINEAR)
    height = np.clip((floor - np.arange(matte.shape[0], dtype=np.float32)) / (8 * away * unit), 0, 1)[:, None]
    cast: Array = (1 - height) * _blurred(flat, 0.25 * unit) + height * _blurred(flat, 0.9 * unit)
    cast = cast * (1 - _smooth(height, 0.4, 1.0)) * (0.20 + 0.42 * (1 - light.ambient))
    shadow: Array = 1 - (1 - cast) * (1 - 0.60 * np.minimum(1.6 * _blurred(spots, 0.22 * unit), 1))
    return shadow


def _feet(body: Body | None, matte: Mask) -> list[Float32[Array, "3 2"]]:
    """Ankle, heel and toe of each foot that is seen inside the picture, where the matte says that there is a foot."""
    if body is None:
        return []
    height, width = matte.shape
    feet = []
    for names in _FEET:
        joints = [POSE_INDEX[name] for name in names]
        points = body.joints[joints, :2]
        inside = bool((points >= 0).all() and (points < [width, height]).all())
        if not inside or float(body.visibility[joints].min()) < 0.5:
            continue
        reach = max(4, round(0.03 * height))
        x, y = (round(float(value)) for value in points[0])
        if matte[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].max() > 127:
            feet.append(points.astype(np.float32))
    return feet


def _moved(shade: Shade, by: tuple[float, float]) -> Shade:
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float64)
    moved: Array = cv2.warpAffine(
        shade, matrix, shade.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved


def _blurred(shade: Shade, sigma: float) -> Shade:
    blurred: Array = cv2.GaussianBlur(shade, (0, 0), max(sigma, 0.5), borderType=cv2.BORDER_REPLICATE)
    return blurred


def _smooth(value: Float32[Array, "*n"], low: float, high: float) -> Float32[Array, "*n"]:
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step
