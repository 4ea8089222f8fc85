"""Brows, lids, lips, wrinkles and beard shadow: strokes on the canvas, seen through each sheet's spots."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from photoplay import topology
from photoplay.training.synthetic.atlas import CANVAS_SCALE, Sheet, empty_canvas, fill, from_canvas, stroke, to_canvas
from photoplay.training.synthetic.paint import blob, cloud, linear, mix, step
from photoplay.training.synthetic.skin import Complexion
from photoplay.types import Array

BROWS = (((285, 295, 282, 283, 276), (336, 296, 334, 293, 300)), ((55, 65, 52, 53, 46), (107, 66, 105, 63, 70)))
CREASES = ((359, 467, 260, 259, 257, 258, 286, 414), (130, 247, 30, 29, 27, 28, 56, 190))
BAGS = ((359, 255, 339, 254, 253, 252, 256, 341), (130, 25, 110, 24, 23, 22, 26, 112))
EYES = (
    (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
    (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
)
LIPS = (*topology.LIPS_OUTER_UPPER, *topology.LIPS_OUTER_LOWER[-2:0:-1])
LIPSTICKS = ((150, 30, 44), (176, 60, 72), (120, 28, 50), (196, 96, 92), (158, 84, 70))
BEARD_LINE = ((0, 20, 27, 38, 50, 60, 66, 75), (-2.1, -2.3, -3.2, -2.6, -0.6, 2.0, 1.0, -3.0))
BEARD_END = ((0, 30, 60, 75), (-9.3, -8.8, -6.0, -4.0))


def curve(points: Array, count: int = 24) -> Array:
    """A smooth curve [count, d] through ``points`` [n, d] (Catmull-Rom)."""
    ends = np.concatenate([points[:1] * 2 - points[1:2], points, points[-1:] * 2 - points[-2:-1]])
    t = np.linspace(0, len(points) - 1 - 1e-6, count)
    k, u = t.astype(int), (t % 1)[:, None]
    a, b, c, d = (ends[k + j] for j in range(4))
    smooth: Array = 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)
    return smooth.astype(np.float32)


def brow_layer(rng: np.random.Generator, points: Array, feminine: float) -> UInt8[Array, "h w"]:
    """Both brows as single hairs on the canvas. ``feminine`` 0..1: thinner, tidier, more arched."""
    canvas, under = empty_canvas(), empty_canvas()
    width = rng.uniform(0.55, 1.0) * (1.0 - 0.4 * feminine)
    lift, arch = rng.normal(0, 0.1), rng.uniform(0, 0.25) * (0.4 + feminine)
    density, length = rng.uniform(0.5, 1.2), rng.uniform(0.45, 0.75) * CANVAS_SCALE
    for lower, upper in BROWS:
        low, high = curve(to_canvas(points[list(lower)]), 41), curve(to_canvas(points[list(upper)]), 41)
        middle, half = (low + high) / 2, (high - low) / 2
        middle[:, 1] -= (lift + arch * np.sin(np.linspace(0, 1, 41) * np.pi * 0.75) ** 2) * CANVAS_SCALE
        along = np.gradient(middle, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        taper = width * np.interp(np.linspace(0, 1, 41), (0, 0.12, 0.6, 1), (0.75, 1, 0.85, 0.25))
        for s, t in zip(rng.beta(1.1, 1.25, round(420 * density)), rng.uniform(-1, 1, 1000), strict=False):
            k = min(int(s * 40), 40)
            root = middle[k] + half[k] * t * taper[k] + rng.normal(0, 0.7, 2)
            rise = np.array([0, -1]) * (1.25 * (1 - s) ** 2.5 - 0.35 * t * (s > 0.3))
            heading = along[k] * (0.35 + 0.65 * min(1.0, s * 3)) + rise + rng.normal(0, 0.14, 2)
            heading /= np.linalg.norm(heading)
            reach = length * rng.uniform(0.5, 1.0) * (1 - 0.35 * s)
            tip = root + heading * reach + along[k] * 0.12 * reach
            stroke(canvas, np.array([root, (root + tip) / 2 + rng.normal(0, 0.3, 2), tip]), int(rng.uniform(110, 255)))
        outline = np.concatenate([middle + half * taper[:, None], (middle - half * taper[:, None])[::-1]])
        fill(under, outline.astype(np.float32), round(120 * min(density, 1)))
    return cv2.max(canvas, cv2.GaussianBlur(under, (0, 0), 4.0))


def lip_layer(points: Array) -> UInt8[Array, "h w"]:
    """1 on the lips, with the soft border that vermilion has."""
    canvas = empty_canvas()
    upper = curve(to_canvas(points[list(topology.LIPS_OUTER_UPPER)]), 48)
    lower = curve(to_canvas(points[list(topology.LIPS_OUTER_LOWER)]), 48)
    fill(canvas, np.concatenate([upper, lower[::-1]]), 255)
    return cv2.GaussianBlur(canvas, (0, 0), 2.4)


def lines_layer(rng: np.random.Generator, points: Array, age: float) -> UInt8[Array, "h w"]:
    """Wrinkles by age, 0 none to 255 deep: forehead, frown, crow's feet, under the eyes, nasolabial, mouth corners."""
    canvas = empty_canvas()
    old = float(step(22, 85, age)) * float(rng.uniform(0.6, 1.3))
    forehead, brow = to_canvas(points[[10]])[0], to_canvas(points[[9]])[0]
    for row in range(int(rng.integers(2, 5))):
        y = brow[1] + (forehead[1] - brow[1]) * (0.35 + 0.17 * row)
        x = np.linspace(-1, 1, 9) * rng.uniform(80, 150) + brow[0] + rng.normal(0, 12)
        wave = y - 14 * np.abs(np.linspace(-1, 1, 9)) ** 2 * -1 + rng.normal(0, 3.0, 9)
        stroke(canvas, curve(np.stack([x, wave], axis=1), 40), round(min(150 * old * rng.uniform(0.3, 1), 255)), 2)
    for side, (crease, bag, nose, corner) in enumerate(
        ((CREASES[0], BAGS[0], 294, 291), (CREASES[1], BAGS[1], 64, 61))
    ):
        way = 1 if side == 0 else -1
        outer = to_canvas(points[[263 if side == 0 else 33]])[0]
        for spread in rng.uniform(-0.7, 0.8, int(2 + 4 * old)):
            start = outer + np.array([way * rng.uniform(14, 24), spread * 18])
            end = start + np.array([way * rng.uniform(18, 40), spread * 30])
            stroke(canvas, np.array([start, end]), round(min(170 * old, 255)), 1)
        for down in (4, 13)[: 1 + int(old > 0.4)]:
            line = curve(to_canvas(points[list(bag)]), 30) + np.array([0, down])
            stroke(canvas, line[6:], round(min(60 + 110 * old, 255) * rng.uniform(0.4, 1)), 2)
        stroke(canvas, curve(to_canvas(points[list(crease)]), 30), 190, 2)
        ala, mouth = to_canvas(points[[nose]])[0], to_canvas(points[[corner]])[0]
        fold = np.stack([ala, (ala + mouth) / 2, mouth, mouth])
        fold = fold + np.array([[8 * way, -10], [26 * way, -6], [24 * way, 4], [20 * way, 34]])
        stroke(canvas, curve(fold, 30)[: int(rng.integers(20, 31))], round(min(40 + 190 * old, 255)), 3)
        if old > 0.5:
            corner_fold = mouth + np.array([[3 * way, 6], [9 * way, 26], [8 * way, 48]], np.float32)
            stroke(canvas, curve(corner_fold), round(110 * old), 2)
            stroke(canvas, brow + np.array([[7 * way, -16], [10 * way, 14]], np.float32), round(120 * old), 2)
    return cv2.GaussianBlur(canvas, (0, 0), 1.5)


def lid_layer(points: Array, upper_width: float) -> UInt8[Array, "h w"]:
    """The lash line: dark along the upper lid, faint along the lower one."""
    canvas = empty_canvas()
    for upper, lower in EYES:
        stroke(canvas, curve(to_canvas(points[list(upper)]), 40), 255, max(round(upper_width), 1))
        stroke(canvas, curve(to_canvas(points[list(lower)]), 40)[:26], 100, 1)
    return cv2.GaussianBlur(canvas, (0, 0), 1.1)


def beard_field(position: Float[Array, "*n 3"]) -> Float32[Array, "*n"]:
    """0..1: how well a beard grows here."""
    angle = np.degrees(np.abs(np.arctan2(position[..., 0], position[..., 2] - 1.5)))
    top, end = np.interp(angle, *BEARD_LINE), np.interp(angle, *BEARD_END)
    y = position[..., 1]
    field: Array = np.asarray(step(0.5, -0.5, y - top) * step(-0.7, 0.9, y - end) * step(75, 62, angle))
    return field


def paint_features(
    rng: np.random.Generator,
    colour: Array,
    sheet: Sheet,
    points: Array,
    skin: Complexion,
    traits: dict[str, float | Array],
) -> Array:
    """Puts brows, lids, lips, wrinkles and beard shadow on the painted face.

    ``traits``: ``feminine``, ``stubble``, ``makeup`` 0..1, ``hair`` [3] linear colour of brows and stubble.
    """
    hair, feminine, makeup = np.asarray(traits["hair"]), float(traits["feminine"]), float(traits["makeup"])
    place = sheet.position
    lines = from_canvas(lines_layer(rng, points, skin.age), sheet)
    colour = colour * (1 - 0.42 * lines)[..., None]
    colour = colour * np.stack([1 + 0.06 * lines, 1 - 0.05 * lines, 1 - 0.05 * lines], axis=-1)
    lids = sum(blob(place, points[list(ring)].mean(axis=0), np.array([1.7, 0.55, 1.6])) for ring in CREASES)
    colour = colour * (1 - np.asarray(lids)[..., None] * np.array([0.10, 0.2, 0.18], np.float32))
    if makeup > 0.35:
        shade = linear(rng.uniform(40, 150, 3).astype(np.float32)) * 0.5 + skin.base * 0.3
        colour = mix(colour, shade, 0.75 * makeup * np.clip(np.asarray(lids), 0, 1) * step(3.3, 3.9, place[..., 1]))
    if float(traits["stubble"]) > 0:
        grain = np.clip(0.6 + 0.5 * rng.standard_normal(place.shape[:2]).astype(np.float32), 0, 1)
        shadow = beard_field(place) * float(traits["stubble"])
        colour = mix(colour, 0.5 * hair + 0.25 * skin.base, 0.75 * shadow * (0.45 + 0.55 * grain))
    colour = _lips(rng, colour, sheet, points, skin, makeup)
    nose = blob(place, points[2] + np.array([0, 0.4, -0.6], np.float32), np.array([1.6, 1.2, 1.6]))
    colour = colour * (1 - 0.93 * nose * step(0.25, 0.7, sheet.depth))[..., None]
    lash = from_canvas(lid_layer(points, 2 + 3 * feminine * rng.uniform(0.5, 1) + 3 * makeup), sheet)
    colour = mix(colour, hair * 0.15, 0.85 * lash)
    brows = from_canvas(brow_layer(rng, points, feminine), sheet)
    return mix(colour, hair * rng.uniform(0.5, 0.9), 0.92 * brows)


def _lips(
    rng: np.random.Generator, colour: Array, sheet: Sheet, points: Array, skin: Complexion, makeup: float
) -> Array:
    """Vermilion: redder and a little darker than skin, creased from top to bottom, wet inside."""
    place, lip = sheet.position, from_canvas(lip_layer(points), sheet)
    front = step(7.5, 8.5, place[..., 2])
    light = float(skin.base.mean())
    red = skin.base * np.array([0.80, 0.46, 0.48], np.float32) * rng.uniform(0.8, 1.15)
    red = red + np.array([0.05, 0.0, 0.006], np.float32) * (1 - light)
    strength = float(rng.uniform(0.6, 0.95))
    if makeup > 0.3:
        stick = linear(LIPSTICKS[int(rng.integers(5))])
        red, strength = mix(red, stick, 0.8 * makeup), 0.95
    crease, on = np.zeros_like(lip), lip > 0
    crease[on] = cloud(rng, place[on], np.array([0.11, 0.9, 0.9])) + 0.7 * cloud(
        rng, place[on], np.array([0.06, 0.5, 0.5])
    )
    tone = red * np.exp(0.16 * crease - 0.05)[..., None]
    upper = step(points[13][1] - 0.25, points[13][1] + 0.25, place[..., 1])
    tone = tone * (1 - 0.14 * upper)[..., None]
    colour = mix(colour, tone, lip * front * strength)
    rim = lip * (1 - lip) * 4 * front
    colour = colour * (1 - 0.10 * rim)[..., None]
    inner = step(0.08, 0.5, sheet.depth) * lip * front * step(0.9, 0.45, np.abs(place[..., 1] - points[13][1]))
    return mix(colour, red * np.array([0.75, 0.45, 0.45], np.float32), 0.7 * inner)
