"""Procedural rooms, walls, leaves and lights behind a synthetic person."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.training.synthetic.paint import linear
from photoplay.types import Array

KINDS = ("gradient", "wall", "room", "bokeh", "foliage", "brick", "street", "shelf")


def draw_background(rng: np.random.Generator, height: int, width: int) -> Float32[Array, "h w 3"]:
    """A background in linear light 0..1: one of :data:`KINDS`, mostly out of focus, as behind portraits."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    painters = {
        "gradient": _gradient, "wall": _wall, "room": _room, "bokeh": _bokeh, "foliage": _foliage, "brick": _brick,
        "street": _street, "shelf": _shelf,
    }  # fmt: skip
    scale = 256 / max(height, width)
    small = max(round(height * scale), 8), max(round(width * scale), 8)
    picture = painters[kind](rng, *small)
    blur = float(rng.choice([0.0, 1.5, 4.0, 9.0], p=[0.2, 0.2, 0.3, 0.3]))
    if blur and kind != "bokeh":
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = picture * np.float32(rng.uniform(0.5, 1.2))
    if not blur:
        picture = picture * (1 + 0.05 * rng.standard_normal((height, width, 1)).astype(np.float32))
    background: Array = np.clip(picture, 0, 1).astype(np.float32)
    return background


def _colour(rng: np.random.Generator, low: float = 30, high: float = 230, chroma: float = 0.5) -> Array:
    """A random linear colour [3], ``chroma`` 0 (grey) .. 1."""
    grey = rng.uniform(low, high)
    return linear(np.clip(grey + chroma * rng.normal(0, 32, 3), 5, 250).astype(np.float32))


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Array:
    """Smooth noise [h, w, 1], about -1..1, with ``cells`` lumps across."""
    grid = rng.standard_normal((max(cells * height // width, 2), cells)).astype(np.float32)
    lumps: Array = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return lumps


def _gradient(rng: np.random.Generator, height: int, width: int) -> Array:
    corners = np.stack([_colour(rng, chroma=0.3) * rng.uniform(0.5, 1.2) for _ in range(4)]).reshape(2, 2, 3)
    base = _colour(rng, 40, 240, 0.6)
    blend: Array = cv2.resize(
        (0.6 * base + 0.4 * corners).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return blend


def _wall(rng: np.random.Generator, height: int, width: int) -> Array:
    """Studio paper or plaster with a pool of light."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform(0.2, 0.8, 2) * (height, width)
    pool = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (rng.uniform(0.3, 0.9) * width) ** 2)[..., None]
    plaster = 1 + 0.06 * _noise(rng, height, width, 12) + 0.03 * _noise(rng, height, width, 60)
    wall: Array = (_colour(rng, 20, 240, 0.5) * (0.35 + 0.75 * pool) * plaster).astype(np.float32)
    return wall


def _room(rng: np.random.Generator, height: int, width: int) -> Array:
    """Wall, furniture, a bright window, a picture."""
    picture = _wall(rng, height, width)
    for _ in range(int(rng.integers(4, 10))):
        x, y = int(rng.uniform(-0.1, 0.95) * width), int(rng.uniform(0.05, 0.9) * height)
        w, h = int(rng.uniform(0.08, 0.5) * width), int(rng.uniform(0.1, 0.6) * height)
        tone = _colour(rng, 20, 200, 0.6)
        cv2.rectangle(picture, (x, y), (x + w, y + h), tuple(float(c) for c in tone), -1)
        cv2.rectangle(picture, (x, y), (x + w, y + h), tuple(float(c) for c in tone * 0.4), 1)
    if rng.random() < 0.5:
        x, w = int(rng.uniform(-0.2, 0.8) * width), int(rng.uniform(0.2, 0.5) * width)
        cv2.rectangle(picture, (x, 0), (x + w, int(0.7 * height)), (0.85, 0.92, 1.0), -1)
        for part in (0, 0.5, 1):
            cv2.line(picture, (x + int(part * w), 0), (x + int(part * w), int(0.7 * height)), (0.2, 0.2, 0.2), 3)
    return picture


def _bokeh(rng: np.random.Generator, height: int, width: int) -> Array:
    picture = (_gradient(rng, height, width) * 0.3).astype(np.float32)
    lights = np.zeros_like(picture)
    for _ in range(int(rng.integers(15, 60))):
        spot = np.zeros_like(picture)
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        tone = linear(np.array([rng.uniform(200, 255), rng.uniform(150, 230), rng.uniform(80, 200)], np.float32))
        cv2.circle(
            spot,
            centre,
            int(rng.uniform(4, 17)),
            tuple(float(c) for c in tone * rng.uniform(0.1, 0.6)),
            -1,
            cv2.LINE_AA,
        )
        lights += spot
    return cv2.GaussianBlur(picture + lights, (0, 0), 1.2)


def _foliage(rng: np.random.Generator, height: int, width: int) -> Array:
    """Leaves in sun and shade, sky between them."""
    light = sum(
        _noise(rng, height, width, cells) * share for cells, share in ((5, 0.6), (14, 0.5), (40, 0.45), (90, 0.3))
    )
    green = linear(np.array([rng.uniform(40, 120), rng.uniform(80, 140), rng.uniform(20, 70)], np.float32))
    picture = green * np.exp(0.9 * np.asarray(light))
    sky = np.clip(np.asarray(light) - 1.0, 0, 1) * np.array([0.8, 0.9, 1.0], np.float32)
    leaves: Array = (picture + sky).astype(np.float32)
    return leaves


def _brick(rng: np.random.Generator, height: int, width: int) -> Array:
    high = int(rng.integers(9, 22))
    wide = int(high * rng.uniform(1.8, 2.6))
    y, x = np.mgrid[:height, :width]
    row = y // high
    along = x + (row % 2) * wide // 2
    tone = rng.uniform(0.7, 1.3, (height // high + 2, (width + wide) // wide + 2)).astype(np.float32)
    joint = (y % high < 2) | (along % wide < 2)
    colour = _colour(rng, 60, 190, 0.5) * np.array([1.25, 0.9, 0.75], np.float32)
    picture = colour * tone[row, along // wide][..., None] * (1 + 0.12 * _noise(rng, height, width, 70))
    return np.where(joint[..., None], _colour(rng, 80, 190, 0.1), picture).astype(np.float32)


def _street(rng: np.random.Generator, height: int, width: int) -> Array:
    """House fronts with windows, a light sky, a grey road."""
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = linear(np.array([190, 205, 225], np.float32)) * rng.uniform(0.7, 1.1)
    x = 0
    while x < width:
        wide, roof = int(rng.uniform(25, 80)), int(rng.uniform(0, 0.4) * height)
        tone = _colour(rng, 50, 200, 0.4)
        picture[roof:, x : x + wide] = tone
        for wx in range(x + 5, min(x + wide - 6, width), 14):
            for wy in range(roof + 8, height - 50, 22):
                picture[wy : wy + 12, wx : wx + 7] = tone * rng.uniform(0.1, 0.6)
        x += wide
    road = int(rng.uniform(0.75, 0.95) * height)
    picture[road:] = _colour(rng, 60, 140, 0.1)
    return picture


def _shelf(rng: np.random.Generator, height: int, width: int) -> Array:
    """Book backs on shelves."""
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = _colour(rng, 20, 90, 0.3)
    board = _colour(rng, 60, 150, 0.4)
    deep = int(rng.integers(38, 70))
    for top in range(-int(rng.integers(0, 30)), height, deep):
        x = 0
        while x < width:
            wide, high = int(rng.uniform(4, 14)), int(rng.uniform(0.55, 0.92) * deep)
            foot = max(top + deep - 4, 0)
            picture[max(foot - high, 0) : foot, x : x + wide] = _colour(rng, 20, 190, 0.45)
            x += wide + int(rng.random() < 0.1) * 12
        picture[max(top + deep - 4, 0) : max(top + deep, 0)] = board
    return picture
