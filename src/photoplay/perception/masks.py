"""Soft person mattes: segmentation on crops around each person, edges moved onto the picture's own."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin, sqrt

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.perception.body import BodyReading
from photoplay.perception.matting import refine, upsample
from photoplay.perception.mediapipe_models import POSE_SIZE, SELFIE_SIZE, Models
from photoplay.perception.missed import missed
from photoplay.types import Array, Face, Mask, Rgb

MAX_PERSONS = 6
"""So many people get a matte of their own, the largest faces first."""

_WORK_PIXELS = 1.2e6
_CROPS = ((1.1, 0.9, 0.5, 1.0), (2.2, 1.3, 2.6, 1.0), (4.0, 1.8, 7.0, 0.7))
"""Crops around a face in face heights: to each side, above, below, and the weight of what is seen in them."""
_FEATHER = 0.12
_POSE_WEIGHT = 0.8


@dataclass(frozen=True)
class Mattes:
    """Soft mattes (0..255): all people, and one per person where it was cut out, in the order of the faces."""

    people: Mask
    persons: tuple[Mask | None, ...]


def cut_out(rgb: Rgb, faces: tuple[Face, ...], bodies: tuple[BodyReading | None, ...], models: Models) -> Mattes:
    """Mattes of the people with these faces (and bodies, where they were found)."""
    height, width = rgb.shape[:2]
    if not faces:
        return Mattes(np.zeros((height, width), np.uint8), ())
    scale = min(1.0, sqrt(_WORK_PIXELS / (width * height)))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    work = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    ratio = size[0] / width
    order = sorted(range(len(faces)), key=lambda i: faces[i].box[1] - faces[i].box[3])
    people = np.zeros((size[1], size[0]), np.float32)
    others = np.zeros_like(people)
    own: dict[int, Float32[Array, "rows cols"]] = {}
    for rank, i in enumerate(order):
        person, this_one = _person_probability(rgb, faces[i], bodies[i], models, size, ratio)
        np.maximum(people, person, out=people)
        if rank < MAX_PERSONS:
            own[i] = this_one
        else:
            np.maximum(others, this_one, out=others)
    unit = (faces[order[0]].box[3] - faces[order[0]].box[1]) * ratio
    alpha = refine(work, np.maximum(people, missed(work, people, unit)), unit)
    full = upsample(rgb, work, alpha) if scale < 1 else _to_mask(alpha)
    persons: list[Mask | None] = [None] * len(faces)
    for i, share in zip(own, _shares([*own.values(), *([others] if len(faces) > MAX_PERSONS else [])]), strict=False):
        wide = cv2.resize(_to_mask(share), (width, height), interpolation=cv2.INTER_LINEAR)
        persons[i] = cv2.multiply(full, wide, scale=1 / 255).astype(np.uint8)
    return Mattes(full, tuple(persons))


def _person_probability(
    rgb: Rgb, face: Face, body: BodyReading | None, models: Models, size: tuple[int, int], ratio: float
) -> tuple[Float32[Array, "rows cols"], Float32[Array, "rows cols"]]:
    """Probability at working size that a pixel shows (a person near this face, this very person)."""
    width, height = size
    total, weights = np.zeros((height, width), np.float32), np.full((height, width), 1e-4, np.float32)
    for box, weight in _crops(face, rgb.shape[1], rgb.shape[0]):
        x0, y0, x1, y1 = box
        left, top = round(x0 * ratio), round(y0 * ratio)
        right, bottom = min(width, round(x1 * ratio)), min(height, round(y1 * ratio))
        if right - left < 4 or bottom - top < 4:
            continue
        part = cv2.resize(rgb[y0:y1, x0:x1], (SELFIE_SIZE, SELFIE_SIZE), interpolation=cv2.INTER_AREA)
        seen = (models.selfie(part) + models.selfie(np.ascontiguousarray(part[:, ::-1]))[:, ::-1]) / 2
        window = weight * _window(bottom - top, right - left, (left > 0, top > 0, right < width, bottom < height))
        total[top:bottom, left:right] += window * cv2.resize(seen, (right - left, bottom - top))
        weights[top:bottom, left:right] += window
    near = _nearness(face, size, ratio)
    if body is None:
        own: Array = total / weights * near
        return total / weights, own
    pose = _place(body, size, ratio)
    together = (total + _POSE_WEIGHT * pose) / (weights + _POSE_WEIGHT)
    return together, np.maximum(pose, 0.02) * (0.25 + near)


def _crops(face: Face, width: int, height: int) -> list[tuple[tuple[int, int, int, int], float]]:
    """Boxes in which to segment one person, from the head alone to the whole figure, clipped to the photo.

    They hang from the head in the direction of the face's nearest quarter turn.
    """
    x0, y0, x1, y1 = face.box
    x, y, size = (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0)
    turn = round(face.head_pose.roll / 90) % 4
    boxes = []
    for aside, above, below, weight in _CROPS:
        reach = [aside, above + 0.5, aside, below + 0.5]
        left, up, right, down = (size * reach[(i + turn) % 4] for i in range(4))
        box = (
            int(max(0, x - left)),
            int(max(0, y - up)),
            int(min(width, x + right)),
            int(min(height, y + down)),
        )
        if box[2] - box[0] >= 8 and box[3] - box[1] >= 8:
            boxes.append((box, weight))
    return boxes


def _window(height: int, width: int, inner: tuple[bool, bool, bool, bool]) -> Float32[Array, "height width"]:
    """1 inside a crop, falling to 0 at its (left, upper, right, lower) edges that lie ``inner`` in the photo."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    across, down = np.ones(width, np.float32), np.ones(height, np.float32)
    if inner[0]:
        across = np.minimum(across, x / (_FEATHER * width))
    if inner[2]:
        across = np.minimum(across, (width - 1 - x) / (_FEATHER * width))
    if inner[1]:
        down = np.minimum(down, y / (_FEATHER * height))
    if inner[3]:
        down = np.minimum(down, (height - 1 - y) / (_FEATHER * height))
    window: Array = down[:, None] * across[None, :]
    return window


def _nearness(face: Face, size: tuple[int, int], ratio: float) -> Float32[Array, "rows cols"]:
    """How near a pixel lies to this head and what hangs below it: 1 at the face, halved two face heights away."""
    x0, y0, x1, y1 = (v * ratio for v in face.box)
    turn = round(face.head_pose.roll / 90) * np.pi / 2
    x = np.arange(size[0], dtype=np.float32)[None, :] - (x0 + x1) / 2
    y = np.arange(size[1], dtype=np.float32)[:, None] - (y0 + y1) / 2
    across, down = cos(turn) * x + sin(turn) * y, cos(turn) * y - sin(turn) * x
    down = np.where(down > 0, down * 0.4, down)
    far = np.sqrt(across * across + down * down) / max(x1 - x0, y1 - y0)
    near: Array = (1.0 / (1.0 + (far / 2) ** 2)).astype(np.float32)
    return near


def _place(body: BodyReading, size: tuple[int, int], ratio: float) -> Float32[Array, "rows cols"]:
    """The pose model's person mask, put where its crop lies in the photo."""
    crop = body.crop
    c, s = cos(crop.angle) * crop.side / POSE_SIZE * ratio, sin(crop.angle) * crop.side / POSE_SIZE * ratio
    half = (POSE_SIZE - 1) / 2
    x, y = (crop.x + 0.5) * ratio - 0.5, (crop.y + 0.5) * ratio - 0.5
    to_work = np.array([[c, -s, x - c * half + s * half], [s, c, y - s * half - c * half]])
    placed: Array = cv2.warpAffine(body.mask, to_work, size, flags=cv2.INTER_LINEAR)
    return placed


def _shares(own: list[Float32[Array, "h w"]]) -> list[Float32[Array, "h w"]]:
    """To whom each pixel belongs, 0..1: nearly all of it to the likeliest person, with a soft seam."""
    if len(own) == 1:
        return [np.ones_like(own[0])]
    powers = [cv2.blur(one, (5, 5)) ** 4 + np.float32(1e-9) for one in own]
    total = np.sum(powers, axis=0)
    return [(power / total).astype(np.float32) for power in powers]


def _to_mask(alpha: Float32[Array, "h w"]) -> UInt8[Array, "h w"]:
    mask: Array = np.round(np.clip(alpha, 0, 1) * 255).astype(np.uint8)
    return mask
