"""Eyeballs, teeth, gums and tongue."""

from __future__ import annotations

import cv2
import numpy as np

from photoplay.training.synthetic.atlas import HeadTopology, Sheet, stroke
from photoplay.training.synthetic.head import IRIS_ANGLE, Eyeball
from photoplay.training.synthetic.paint import cloud, linear, mix, step, texture
from photoplay.types import Array

# name, share, pupil-side sRGB, rim-side sRGB; about four of five people have brown eyes
IRISES = (
    ("dark brown", 0.42, (52, 30, 16), (38, 22, 14)),
    ("brown", 0.28, (96, 58, 28), (62, 38, 22)),
    ("hazel", 0.09, (128, 88, 38), (84, 88, 58)),
    ("green", 0.05, (136, 120, 62), (82, 104, 78)),
    ("blue", 0.10, (136, 150, 152), (72, 104, 138)),
    ("grey", 0.06, (132, 136, 130), (92, 104, 112)),
)


def draw_iris_kind(rng: np.random.Generator, monk: int) -> int:
    """Which of :data:`IRISES`; light ones get rarer with darker skin."""
    shares = np.array([row[1] for row in IRISES])
    shares[2:] *= np.clip((8 - monk) / 4, 0.02, 1.6)
    return int(rng.choice(len(IRISES), p=shares / shares.sum()))


def paint_eyes(rng: np.random.Generator, head: HeadTopology, kind: int, age: float) -> dict[str, Array]:
    """Linear textures [s, s, 4] of ``eye_left`` and ``eye_right``: both of one person."""
    seed = int(rng.integers(1 << 31))
    pupil = float(rng.uniform(6.0, 11.5))
    return {
        name: _eyeball(
            np.random.default_rng(seed + index),
            np.random.default_rng(seed),
            head.sheets[name],
            head.eyes[name],
            kind,
            pupil,
            age,
        )
        for index, name in enumerate(("eye_left", "eye_right"))
    }


def _eyeball(
    own: np.random.Generator,
    person: np.random.Generator,
    sheet: Sheet,
    ball: Eyeball,
    kind: int,
    pupil: float,
    age: float,
) -> Array:
    axis = ball.axis
    ray = sheet.position - ball.centre
    ray /= np.maximum(np.linalg.norm(ray, axis=-1, keepdims=True), 1e-6)
    angle = np.degrees(np.arccos(np.clip(ray @ axis, -1, 1)))
    right: Array = np.cross(np.array([0, 1, 0], np.float32), axis)
    turn = np.arctan2(ray @ np.cross(axis, right), ray @ right)
    around = np.stack([np.cos(turn), np.sin(turn), angle / 60], axis=-1).astype(np.float32)

    # sclera: warm white, yellower with age, redder towards the corners, a few veins
    white = linear((222, 214, 206)) * person.uniform(0.8, 1.0)
    white = white * np.array([1, 1 - 0.04 * age / 80, 1 - 0.16 * age / 80], np.float32)
    colour = np.broadcast_to(white, (*angle.shape, 3)).astype(np.float32)
    corner = step(28, 62, angle) * np.abs(np.cos(turn))
    colour = mix(colour, linear((190, 112, 100)), 0.55 * corner)
    veins = 1 - np.abs(cloud(own, around * np.array([1, 1, 1.2], np.float32), 0.16))
    veins = step(0.86, 1.0, veins) * step(26, 50, angle) * person.uniform(0.1, 0.5)
    colour = mix(colour, linear((176, 72, 62)), veins)

    # iris: fibres, a lighter collarette, a dark limbal ring
    _, _, inner, rim = IRISES[kind]
    reach = np.clip((angle - pupil) / (IRIS_ANGLE - pupil), 0, 1)
    fibres = cloud(own, around * np.array([1, 1, 0.25], np.float32), 0.07)
    fibres = 0.7 * fibres + 0.5 * cloud(own, around * np.array([1, 1, 0.5], np.float32), 0.16)
    tone = mix(np.broadcast_to(linear(inner), colour.shape), linear(rim), step(0.15, 0.8, reach + 0.12 * fibres))
    tone = tone * person.uniform(0.9, 1.5) * (1 + 0.28 * fibres)[..., None]
    tone = tone * (1 - 0.75 * step(0.78, 1.0, reach))[..., None]
    tone = mix(tone, np.zeros(3, np.float32) + 0.004, 1 - step(pupil - 0.8, pupil + 0.8, angle))
    colour = mix(colour, tone, 1 - step(IRIS_ANGLE - 1.4, IRIS_ANGLE + 1.6, angle))
    return texture(colour)


def paint_teeth(rng: np.random.Generator, sheet: Sheet, age: float) -> Array:
    """Linear texture of all teeth: ivory, darker at the back and at the gums, each tooth a little different."""
    stain = float(np.clip(rng.beta(1.6, 3.0) + 0.25 * (age - 45) / 80, 0, 1))
    ivory = linear((236, 228, 212)) * (1 - stain) + linear((196, 168, 116)) * stain
    depth = step(10.6, 6.0, sheet.position[..., 2])
    colour = ivory * (1 - 0.6 * depth)[..., None] * rng.uniform(0.75, 1.0)
    each = np.floor(np.arctan2(sheet.position[..., 0], sheet.position[..., 2] - 6.0) / 0.19)
    shade = rng.normal(1, 0.04, 64).astype(np.float32)
    colour = colour * shade[(each.astype(np.int32) + 32) & 63][..., None]
    return texture(colour * (1 + 0.05 * cloud(rng, sheet.position, 0.25))[..., None])


def paint_mouth(rng: np.random.Generator, sheet: Sheet, monk: int) -> Array:
    """Linear texture of gums and tongue; gums are darker in darker people, everything darkens towards the throat."""
    gum = linear((178, 92, 92)) * (1 - 0.06 * max(monk - 4, 0)) * rng.uniform(0.75, 1.05)
    colour = np.broadcast_to(gum, sheet.position.shape).astype(np.float32)
    colour = colour * (1 + 0.10 * cloud(rng, sheet.position, 0.12) + 0.12 * cloud(rng, sheet.position, 0.5))[..., None]
    fade = 0.15 + 0.85 * step(3.0, 10.0, sheet.position[..., 2])
    return texture(colour * fade[..., None])


def paint_tears(sheet: Sheet, skin: Array) -> Array:
    """The wet line along the lower lid and the caruncle: pink, between lid and eyeball. ``skin`` [3] linear."""
    pink = 0.5 * skin + 0.5 * linear((196, 120, 112))
    return texture(np.broadcast_to(pink, sheet.position.shape).astype(np.float32))


def lash_strands(rng: np.random.Generator, sheet: Sheet, colour: Array, density: float) -> Array:
    """Texture of the twelve lash strips: each a row of the sheet, strands rising from the lid with ragged tips."""
    scale, size = 4, sheet.size
    middle = float(np.median(sheet.position[..., 1]))
    alpha = np.zeros((size, size * scale), np.uint8)
    rows = 6
    for row in range(rows):
        for half in range(2):
            x0, x1 = half * 0.5 * size * scale, (half + 0.5) * size * scale
            bottom, top = (row + 1) * size / rows, row * size / rows
            lower = sheet.position[int((row + 0.5) * size / rows), int((half + 0.5) * size / 2), 1] < middle
            for x in rng.uniform(x0, x1, round((9 if lower else 24) * density)):
                tip = bottom - (bottom - top) * rng.uniform(0.3, 0.6 if lower else 0.85)
                sway = rng.normal(0, 6)
                line = np.array([[x, bottom], [x + 0.4 * sway, 0.5 * (bottom + tip)], [x + sway, tip]], np.float32)
                stroke(alpha, line, 255, 2)
    thin = cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return texture(np.broadcast_to(colour, (size, size, 3)).astype(np.float32), thin * 2.2)
