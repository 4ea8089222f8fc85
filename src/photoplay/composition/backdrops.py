"""What stands behind two people: a studio, the first photo's own background, or another photo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from photoplay.composition.cutouts import Placement, put
from photoplay.composition.filling import fill_texture
from photoplay.composition.tones import to_linear, to_srgb
from photoplay.light import LUMA
from photoplay.types import Array, Mask, Rgb

GRAIN = 1.3
"""Standard deviation of the studio's grain in grey levels: enough that a soft gradient shows no bands."""
STUDIO_LIGHT = (0.07, 0.22)
"""Linear luminance of the studio's brightest spot: from the darkest wall to the lightest."""
COLOURED = 0.35
"""So much of the photos' own background colour is left in the studio's wall."""
LARGEST_ENLARGEMENT = 1.5
DEFOCUS = 0.009
"""Radius of the blur disc of a backdrop behind people, as a share of the picture's height."""


def studio(width: int, height: int, tone: Float32[Array, 3], seed: int = 0) -> Rgb:
    """A painted studio wall [height, width, 3] lit behind the heads, with a soft vignette, faint mottling and grain.

    ``tone`` is the linear RGB of what the people stood before in their own photos; the wall keeps a little of its colour
    and its lightness, so that what is left of it in single hairs sits well.
    """
    luma = float(tone @ LUMA)
    grey = np.array([0.98, 1.0, 1.03])
    colour = grey * (1 - COLOURED) + COLOURED * tone / max(luma, 1e-3)
    colour /= float(colour @ LUMA)
    bright = float(np.clip(0.6 * luma + 0.06, *STUDIO_LIGHT))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.40
    glow = np.exp(-(across**2 / 0.16 + down**2 / 0.30))
    rng = np.random.default_rng(seed)
    mottle = np.zeros((height, width), np.float32)
    for cells, weight in ((5, 1.0), (11, 0.6), (23, 0.35)):
        coarse = rng.standard_normal((cells, round(cells * width / height) + 1)).astype(np.float32)
        mottle += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    level = bright * (0.30 + 0.70 * glow) * (1 + 0.035 * mottle)
    wall = to_srgb(level[..., None] * colour.astype(np.float32))
    wall = wall + GRAIN * rng.standard_normal((height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(np.rint(wall), 0, 255), np.uint8)


def background_tone(rgb: Rgb, people: Mask) -> Float32[Array, 3]:
    """The mean linear RGB of what a photo shows besides its people; mid grey where they fill it."""
    small = cv2.resize(rgb, (96, 96), interpolation=cv2.INTER_AREA)
    free = cv2.resize(people, (96, 96), interpolation=cv2.INTER_AREA) < 8
    if int(free.sum()) < 50:
        return np.full(3, 0.2, np.float32)
    return np.asarray(to_linear(small[free]).mean(0), np.float32)


def without_people(rgb: Rgb, people: Mask, reach: int) -> Rgb:
    """The photo with its people, and ``reach`` pixels around them, replaced by what the rest of it shows."""
    hole = cv2.dilate((people > 5).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    if not hole.any():
        return rgb.copy()
    if hole.mean() > 0.97:
        return np.asarray(np.broadcast_to(np.uint8(rgb.reshape(-1, 3).mean(0)), rgb.shape).copy(), np.uint8)
    filled = fill_texture(rgb.astype(np.float32), hole)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.3 * reach, 1.0))[..., None]
    soft = np.clip(2 * soft - 0.5, 0, 1) * hole[..., None]
    return np.asarray(np.clip(np.rint(rgb + (filled - rgb) * soft), 0, 255), np.uint8)


def own_background(
    rgb: Rgb, placement: Placement, eyes: tuple[float, float], width: int, height: int
) -> UInt8[Array, "{height} {width} 3"]:
    """A photo's background behind its person on a canvas: as near to its own place and size as covers the canvas.

    It is scaled about the person's ``eyes`` (photo pixels), which keeps a horizon at the height where it was.
    """
    rows, columns = rgb.shape[:2]
    cover = max(width / columns, height / rows)
    scale = max(cover, min(placement.scale, LARGEST_ENLARGEMENT * max(cover, 1.0)))
    x = placement.scale * eyes[0] + placement.x - scale * eyes[0]
    y = placement.scale * eyes[1] + placement.y - scale * eyes[1]
    x, y = min(max(x, width - scale * columns), 0.0), min(max(y, height - scale * rows), 0.0)
    return defocused(put(rgb, Placement(scale, x, y), width, height), DEFOCUS * height)


def cover_photo(rgb: Rgb, width: int, height: int) -> UInt8[Array, "{height} {width} 3"]:
    """The middle of a photo that covers ``width`` x ``height``, a little out of focus."""
    rows, columns = rgb.shape[:2]
    cover = max(width / columns, height / rows)
    left, top = (columns - width / cover) / 2, (rows - height / cover) / 2
    box = (left, top, left + width / cover, top + height / cover)
    resized = np.array(Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS, box=box))
    return defocused(resized, DEFOCUS * height)


def defocused(rgb: Rgb, radius: float) -> Rgb:
    """The picture through a lens that is focused elsewhere: each point of linear light spread over a disc."""
    side = 2 * int(np.ceil(radius)) + 1
    y, x = np.mgrid[0:side, 0:side] - side // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    spread = cv2.filter2D(to_linear(rgb), -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)
    return to_srgb(spread)
