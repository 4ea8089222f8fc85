"""Sharpness and grain of two pictures brought together: the cleaner one gets grain, and nobody is made plastic."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from photoplay.composition.cutouts import Cutout
from photoplay.types import Array, Mask, Rgb

LEVELS = 3
"""Octaves at which grain is measured and made: one, two and four pixels."""
MAX_GRAIN = (2.4, 1.2, 0.6)
"""Grey levels of grain at each octave that a cleaner photo is brought up to at most."""
_GRAIN_SHARE = 0.7
_EVEN_SHARPNESS = 1.2
_BLURS, _ACCENTS = (0.35, 0.4, 0.45, 0.5, 0.55), (0.2, 0.4, 0.6, 0.8)
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6


def sharpness(cutout: Cutout) -> float:
    """Detail of one and two pixels over detail of four and eight in the face, grain taken off: 0.7 and more in a sharp
    photo, 0.3 in one that was enlarged by two and a half."""
    x0, y0, x1, y1 = (round(edge) for edge in cutout.face.box)
    height, width = cutout.matte.shape
    part = cutout.pixels[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if min(part.shape[:2]) < 48:
        return 1.0
    noise = [*grain_of(cutout.pixels, cutout.matte)[:2], 0.0, 0.0]
    detail = []
    for luma, grain in zip(_octaves(_luma(part), 4), noise, strict=True):
        band = cv2.filter2D(luma, -1, _LAPLACIAN)[1:-1, 1:-1]
        detail.append(max(float(np.mean(band**2)) - float(grain) ** 2, 0.01))
    return float(np.sqrt((detail[0] + detail[1]) / (detail[2] + detail[3])))


def meet_in_sharpness(a: Cutout, b: Cutout) -> tuple[Rgb, Rgb]:
    """Softens the sharper face's picture by up to 0.55 pixels and sharpens the softer one a little, until they meet or
    that is used up. Nothing happens where they differ by less than a fifth."""
    levels = sharpness(a), sharpness(b)
    if max(levels) < _EVEN_SHARPNESS * min(levels):
        return a.pixels, b.pixels
    goal = float(np.sqrt(levels[0] * levels[1]))
    pixels = []
    for cutout, level in zip((a, b), levels, strict=True):
        best, error = cutout.pixels, abs(np.log(level / goal))
        for tried in (_soften(cutout.pixels, s) for s in _BLURS) if level > goal else _accented(cutout.pixels):
            off = abs(np.log(sharpness(Cutout(tried, cutout.matte, cutout.face)) / goal))
            if off >= error:
                break
            best, error = tried, off
        pixels.append(best)
    return pixels[0], pixels[1]


def grain_of(pixels: Rgb, matte: Mask | None = None) -> Float64[Array, 3]:
    """Standard deviation of the grain in grey levels at one, two and four pixels, where the picture is flattest.

    Immerkaer's (1996) operator, blind to ramps, in blocks of 8 x 8 at each octave; of the blocks inside the matte that are
    not clipped (nor in the shadows, where there are others), the median of the quietest fifth, corrected for having been
    chosen. White noise of sigma 2 reads (2, 1, 0.5).
    """
    inside = np.ones(pixels.shape[:2], np.float32) if matte is None else (matte > 250).astype(np.float32)
    measured = []
    for luma, mask in zip(_octaves(_luma(pixels)), _octaves(inside), strict=True):
        band = cv2.filter2D(luma, -1, _LAPLACIAN)
        rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
        if not rows or not columns:
            measured.append(0.0)
            continue
        blocks = [_blocks(image, rows, columns) for image in (band**2, mask, luma)]
        light = blocks[2].mean(1)
        whole = (blocks[1].min(1) > 0.99) & (light > 16) & (light < 240)
        middle = whole & (light > 56)
        energy = np.sort(blocks[0].mean(1)[middle if middle.sum() >= max(40, 0.3 * whole.sum()) else whole])
        measured.append(float(np.sqrt(np.median(energy[: max(len(energy) // 5, 1)]))) / 0.80 if len(energy) else 0.0)
    return np.array(measured)


def add_grain(pixels: Rgb, own: Float64[Array, 3], goal: Float64[Array, 3], seed: int) -> Rgb:
    """Film grain that brings a picture from ``own`` to ``goal`` (:func:`grain_of`), octave by octave; it is never
    removed. Mostly of lightness, a little of colour, and fading out towards black and white."""
    missing = np.maximum(goal**2 - own**2, 0)
    if missing.max() < 0.04:
        return pixels
    response = _responses()
    power = np.zeros(LEVELS)
    for level in range(LEVELS):
        power[level] = max(missing[level] - response[level, :level] @ power[:level], 0) / response[level, level]
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    luma = sum(
        np.float32(np.sqrt(power[level])) * _field(rng, height, width, level)
        for level in range(LEVELS)
        if power[level] > 0
    )
    colour = np.stack([_field(rng, height, width, 1) for _ in range(3)], -1) * np.float32(0.25 * np.sqrt(power.sum()))
    value = pixels.astype(np.float32)
    room = np.clip(np.minimum(value, 255 - value) / 32, 0, 1)
    noisy: Array = np.rint(np.clip(value + room * (np.asarray(luma)[..., None] + colour), 0, 255)).astype(np.uint8)
    return noisy


def shared_grain(*measured: Float64[Array, 3]) -> Float64[Array, 3]:
    """The grain that the cleaner pictures are brought up to: most of the way to the coarsest at every octave."""
    goal: Array = np.minimum(_GRAIN_SHARE * np.max(measured, 0), MAX_GRAIN)
    return goal


def _luma(pixels: Rgb) -> Float32[Array, "h w"]:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _octaves(image: Float32[Array, "h w"], count: int = LEVELS) -> list[Float32[Array, "_ _"]]:
    """The picture at whole, half, quarter … size."""
    pictures = [image]
    for _ in range(count - 1):
        last = pictures[-1]
        rows, columns = last.shape[0] // 2 * 2, last.shape[1] // 2 * 2
        if min(rows, columns) < 2:
            pictures.append(last)
            continue
        pictures.append(cv2.resize(last[:rows, :columns], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA))
    return pictures


def _blocks(image: Float32[Array, "h w"], rows: int, columns: int) -> Float32[Array, "n 64"]:
    cut = image[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    blocks: Array = cut.transpose(0, 2, 1, 3).reshape(rows * columns, 64)
    return blocks


def _soften(pixels: Rgb, sigma: float) -> Rgb:
    soft: Array = cv2.GaussianBlur(pixels, (0, 0), sigma)
    return soft


def _accented(pixels: Rgb) -> list[Rgb]:
    """Sharpened by unsharp masking over 1.2 pixels, less to more."""
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.2)
    return [cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0) for amount in _ACCENTS]


def _field(rng: np.random.Generator, height: int, width: int, level: int) -> Float32[Array, "h w"]:
    """Unit white noise whose grains are 1, 2 or 4 pixels large."""
    step = 2**level
    small = rng.standard_normal((-(-height // step) + 1, -(-width // step) + 1), dtype=np.float32)
    if not level:
        return small[:height, :width]
    size = (small.shape[1] * step, small.shape[0] * step)
    return np.ascontiguousarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[:height, :width])


@cache
def _responses() -> Float64[Array, "3 3"]:
    """Variance that :func:`grain_of` reads at each octave (row) for fields of unit noise of each size (column)."""
    rng = np.random.default_rng(0)
    table = np.zeros((LEVELS, LEVELS))
    for column in range(LEVELS):
        for row, picture in enumerate(_octaves(_field(rng, 512, 512, column))):
            table[row, column] = float((cv2.filter2D(picture, -1, _LAPLACIAN)[2:-2, 2:-2] ** 2).mean())
    return table
