"""Skin as paint: tone on the Monk scale, blood, pores, age, stubble and make-up, all as functions of place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photoplay.training.synthetic.atlas import Sheet
from photoplay.training.synthetic.paint import blob, cloud, hex_linear, linear, mix, step
from photoplay.types import Array

# Monk Skin Tone scale, tones 1..10 (Ellis Monk, Google, 2022; CC BY 4.0)
MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")


@dataclass(frozen=True)
class Complexion:
    """One person's skin: ``base`` [3] linear tone, ``monk`` 1..10, ``age`` in years, the rest 0..1 strengths."""

    base: Array
    monk: int
    age: float
    redness: float
    mottle: float
    freckles: float
    shadows: float


def draw_complexion(rng: np.random.Generator, monk: int, age: float) -> Complexion:
    """A skin of this tone: the scale's colour, jittered, a little darker and redder than the printed swatch."""
    low, high = max(monk - 1, 1), min(monk + 1, 10)
    part = float(rng.uniform(-0.45, 0.45))
    near = hex_linear(MONK[(high if part > 0 else low) - 1])
    tone = mix(hex_linear(MONK[monk - 1]), near, abs(part))
    light = float(tone.mean())
    # photographed skin is redder than the swatches, and the darkest is never grey
    brown = linear((92, 58, 42)) * (0.35 + 2.2 * light)
    tone = mix(tone, brown, float(step(0.16, 0.02, light)) * 0.75)
    blush = np.array([1.0, 0.87 - 0.08 * light, 0.82 - 0.12 * light], np.float32) / 0.92
    base = (
        tone
        * (0.60 + 1.0 * (1 - light) ** 6 + 0.25 * (1 - light) ** 2)
        * blush
        * rng.normal(1, 0.03, 3).astype(np.float32)
    )
    freckles = float(rng.uniform(0.3, 1)) if monk <= 5 and rng.random() < 0.2 else 0.0
    redness, mottle = float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.3, 1.0))
    return Complexion(base.astype(np.float32), monk, age, redness, mottle, freckles, float(rng.beta(2, 2)))


def paint_skin(rng: np.random.Generator, sheets: tuple[Sheet, ...], skin: Complexion, landmarks: Array) -> list[Array]:
    """Linear colour [s, s, 3] of each sheet, the same at the same place; ``landmarks`` [478, 3] of the reference head."""
    seed = int(rng.integers(1 << 31))
    return [_tone(np.random.default_rng(seed), sheet, skin, landmarks) for sheet in sheets]


def _tone(rng: np.random.Generator, sheet: Sheet, skin: Complexion, points: Array) -> Array:
    place = sheet.position
    both = place.copy()
    both[..., 0] = np.abs(both[..., 0])
    cheek, nose, ear = points[280], points[4], np.array([7.6, 1.0, 3.0], np.float32)
    blood = 0.55 * blob(both, cheek, 2.4) + 0.6 * blob(place, nose, 1.5) + 0.6 * blob(both, ear, 2.2)
    blood += 0.25 * blob(place, points[152], 1.8) + 0.35 * blob(both, points[359], 0.8)
    blood = skin.redness * blood * (1 + 0.3 * cloud(rng, place, 1.2)) + 0.10 * skin.mottle * cloud(rng, place, 0.7)
    melanin = 0.05 * cloud(rng, place, 3.0) + skin.mottle * (
        0.05 * cloud(rng, place, 0.5) + 0.04 * cloud(rng, place, 0.22)
    )
    melanin += 0.03 * cloud(rng, place, 0.11)
    melanin += 0.10 * step(6.0, 9.0, place[..., 1]) - 0.05 * blob(both, cheek, 2.0)
    circles = blob(both, points[450] + np.array([0, -0.1, 0]), np.array([1.5, 0.55, 2.0]))
    melanin += (0.12 + 0.25 * skin.shadows) * circles
    if skin.freckles:
        where = np.maximum(blob(both, cheek, 2.6), blob(place, nose, 2.2))
        melanin += 0.55 * skin.freckles * where * step(0.9, 1.6, cloud(rng, place, 0.16))
    # optical density: melanin takes blue most, blood takes green (Beer-Lambert)
    density = melanin[..., None] * np.array([0.7, 1.0, 1.25], np.float32)
    density = density + np.maximum(blood, -0.2)[..., None] * np.array([0.04, 0.50, 0.42], np.float32)
    colour: Array = (skin.base * np.exp(-density)).astype(np.float32)
    return colour
