"""What a painted layer must share with the photo it goes into: grain, sharpness, colour; and smooth filling of holes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.generation.buffers import Source
from photoplay.types import Array, Landmarks

_EYES = [
    (list(topology.RIGHT_EYE_UPPER), list(topology.RIGHT_EYE_LOWER), topology.RIGHT_IRIS[0]),
    (list(topology.LEFT_EYE_UPPER), list(topology.LEFT_EYE_LOWER), topology.LEFT_IRIS[0]),
]
_SKIN = np.array([1.18, 0.95, 0.80], np.float32)
"""The usual hue of skin in white light, as a share of its luma."""
_SKIN_SPOTS: tuple[int, ...] = (50, 101, 118, 205, 280, 330, 347, 425, 151, 9, 108, 337, 200, 199)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def luma(rgb: Float32[Array, "... 3"]) -> Float32[Array, ...]:
    """Rec. 601 luma."""
    return (rgb @ _LUMA).astype(np.float32)


@dataclass(frozen=True)
class Look:
    """The photo around a face: ``skin`` colour (0..255 sRGB), ``grain`` and ``blur`` as sigmas (levels, frame pixels),
    ``chroma`` from 0 (a grey photo) to 1 (a photo with the usual colours of skin)."""

    skin: Float32[Array, 3]
    grain: float
    blur: float
    chroma: float


def face_in(source: Source, landmarks: Landmarks) -> tuple[Float32[Array, "468 2"], Array, Array]:
    """A face's points in pixels of ``source``, and the corner and end (x, y) of the box around them inside the picture."""
    points = (landmarks[:468, :2] + (source.margin + 0.5)) * source.factor - 0.5
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + 1, np.array(source.rgb.shape[1::-1]))
    return points, low, high


def read_look(source: Source, landmarks: Landmarks) -> Look:
    """Measures skin colour, grain and sharpness of the face at ``landmarks`` (frame space)."""
    rgb, factor = source.rgb, source.factor
    points, low, high = face_in(source, landmarks)
    face = rgb[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if min(face.shape[:2]) < 8:
        return Look(np.full(3, 150, np.float32), 0.0, 0.7, 0.0)
    spots = np.clip((points[list(_SKIN_SPOTS)] - low).astype(int), 1, np.array(face.shape[1::-1]) - 2)
    soft = cv2.GaussianBlur(face, (0, 0), max(1.0, face.shape[0] / 60))
    colours = soft[spots[:, 1], spots[:, 0]]
    order = np.argsort(luma(colours))
    skin = colours[order[len(order) // 3 :]].mean(0)
    spread = float(skin.max() - skin.min()) / max(float(skin.max()), 1.0)
    grey = luma(face)
    # An enlarged photo is measured at its own size, and has no finer edges than its own pixels.
    step = max(1.0, factor * source.plan.scale)
    own = cv2.resize(grey, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA) if step > 1 else grey
    blur = min(max(_blur(own) * step / factor, 0.5 * source.plan.scale), 8.0)
    return Look(skin.astype(np.float32), _grain(grey, factor), blur, min(1.0, spread / 0.25))


def white_in(source: Source, rest: Landmarks, look: Look) -> Float32[Array, 3]:
    """A white thing in the face's light: told from the skin's hue and, where they are seen, the whites of the eyes."""
    skin, level, chroma = look.skin, max(float(luma(look.skin)), 1.0), look.chroma
    usual = 1 + chroma * (_SKIN / float(luma(_SKIN)) - 1)
    tint = 1 + 0.6 * (skin / level / usual - 1) + 0.25 * (skin / level - 1)
    whites = []
    for upper, lower, iris in _EYES:
        width = float(np.hypot(*(rest[upper[0], :2] - rest[upper[-1], :2])))
        middle = 0.45 * rest[upper, :2] + 0.55 * rest[lower, :2]
        for spot in (middle[3], middle[5]):
            colour = _colour_at(source, spot)
            light = float(luma(colour))
            pale = float(np.ptp(colour)) / max(light, 1.0) <= 0.8 * float(np.ptp(skin)) / level + 0.02
            beside = float(np.hypot(*(spot - rest[iris, :2]))) > 0.1 * width
            if beside and pale and light > 0.7 * level:
                whites.append(colour / light)
    if whites:
        tint = 0.5 * tint + 0.5 * np.mean(whites, axis=0)
    tint[1] = min(tint[1], tint[0] * (1 - 0.06 * chroma))
    white = tint * 1.24 * level / max(float(luma(tint.astype(np.float32))), 0.1)
    return (white * min(1.0, 248.0 / float(white.max()))).astype(np.float32)


def _colour_at(source: Source, spot: Float32[Array, 2]) -> Float32[Array, 3]:
    x, y = ((spot + 0.5) * source.factor - 0.5).astype(int) + source.corner
    height, width = source.rgb.shape[:2]
    x, y = int(np.clip(x, 1, width - 2)), int(np.clip(y, 1, height - 2))
    return np.asarray(source.rgb[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0), np.float32)


def _grain(grey: Float32[Array, "h w"], factor: int) -> float:
    small = cv2.resize(grey, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    rough = np.abs(small - cv2.GaussianBlur(small, (0, 0), 1.2))
    return float(np.clip(np.percentile(rough, 30) / 0.52, 0.0, 6.0))


def _blur(grey: Float32[Array, "h w"]) -> float:
    """Sigma of a picture's strong edges in its pixels, from how much one more blur lowers their slope."""
    more = 1.5
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    softer = cv2.GaussianBlur(grey, (0, 0), more)
    lower = np.hypot(cv2.Sobel(softer, cv2.CV_32F, 1, 0), cv2.Sobel(softer, cv2.CV_32F, 0, 1))
    strong = slope >= np.percentile(slope, 98)
    ratio = float(np.median(slope[strong] / np.maximum(lower[strong], 1e-3)))
    return float(np.clip(more / np.sqrt(max(ratio**2 - 1, 0.02)), 0.35, 10.0))


def fill(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """Spreads the colours where ``weight`` is above 0 smoothly over the rest (push-pull, Gortler et al. 1996).

    Where the weight is 1 the image stands.
    """
    weight = np.clip(weight, 0.0, 1.0)
    levels = [(image * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        colour, mass = (cv2.pyrDown(part) for part in levels[-1])
        levels.append((colour, mass))
    colour, mass = levels[-1]
    total = colour.reshape(-1, image.shape[2]).sum(0) / max(float(mass.sum()), 1e-6)
    below = np.broadcast_to(total.astype(np.float32), colour.shape).copy()
    for colour, mass in reversed(levels):
        up = cv2.resize(below, mass.shape[::-1], interpolation=cv2.INTER_LINEAR)
        share = np.minimum(mass, 1.0)[..., None]
        below = colour / np.maximum(mass, 1e-6)[..., None] * share + up * (1 - share)
    return below.astype(np.float32)


def smooth_fill(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """:func:`fill`, relaxed inside the hole until no block of the pyramid shows."""
    filled, hole = fill(image, weight), 1 - np.clip(weight, 0, 1)[..., None]
    for sigma in (0.08, 0.05, 0.03, 0.015):
        soft = cv2.GaussianBlur(filled, (0, 0), max(0.8, sigma * max(image.shape[:2])))
        filled = filled + (soft - filled) * hole
    return filled.astype(np.float32)


def grain_field(shape: tuple[int, int], look: Look, factor: int, seed: int) -> Float32[Array, "h w"]:
    """Grain like the photo's, as grey levels to add, at ``factor`` times the film's size."""
    white = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), 0.5 * factor * max(1.0, look.blur))
    return (noise * (look.grain / max(float(noise.std()), 1e-6))).astype(np.float32)
