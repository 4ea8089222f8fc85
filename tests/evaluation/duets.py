"""Films of two people with a known motion, made without a generator: two photos slide together until the heads touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import skimage.data
from jaxtyping import Float32
from PIL import Image

from photoplay.types import (
    Anchor,
    Array,
    Contact,
    Duet,
    Face,
    Frames,
    Label,
    LandmarkTrack,
    Mask,
    MotionTrack,
    Photo,
    RenderPlan,
    Rgb,
    RgbStack,
    Scene,
    Subject,
)
from tests.evaluation.films import reader, slide

HEIGHT, WIDTH, COUNT, EYES = 360, 512, 17, 48.0
CONTACT, PARTED = 6, 11
"""The first frame at which the heads touch, and the first at which they do not any more."""
PLATE = (96, 100, 104)


class Filmed(Protocol):
    """A film that can be spoiled: its pictures, both faces' landmarks in them, whose each pixel is (1, 2), and when the two
    touch."""

    @property
    def rgb(self) -> RgbStack: ...
    @property
    def places(self) -> tuple[LandmarkTrack, LandmarkTrack]: ...
    @property
    def identity(self) -> Array: ...
    @property
    def touched(self) -> range: ...


@dataclass(frozen=True)
class Pair:
    """``layers`` are the two people [h, w, 3], each alone and unmoved in the film's size; ``alphas`` 0..1 theirs."""

    scene: Scene
    tracks: tuple[MotionTrack, MotionTrack]
    plan: RenderPlan
    layers: tuple[Rgb, Rgb]
    alphas: tuple[Float32[Array, "h w"], Float32[Array, "h w"]]
    shifts: Float32[Array, "f 2 2"]
    rgb: RgbStack
    anchor: Anchor

    @property
    def places(self) -> tuple[LandmarkTrack, LandmarkTrack]:
        return self.tracks[0].landmarks, self.tracks[1].landmarks

    @property
    def identity(self) -> Array:
        return self.anchor.identity

    @property
    def touched(self) -> range:
        return range(CONTACT, PARTED)

    def windows(self, rgb: RgbStack | None = None, size: int = 5) -> list[Frames]:
        stack = self.rgb if rgb is None else rgb
        names = Anchor.__dataclass_fields__
        return [
            Frames(
                stack[s : s + size],
                24.0,
                s,
                Anchor(**{name: getattr(self.anchor, name)[s : s + size] for name in names}),
            )
            for s in range(0, len(stack), size)
        ]

    def moved(self, frame: int, person: int) -> tuple[Rgb, Float32[Array, "h w"]]:
        """One person's pixels and alpha as they stand in a frame."""
        dx, dy = self.shifts[frame, person]
        matrix = np.float32([[1, 0, dx], [0, 1, dy]])
        size = (WIDTH, HEIGHT)
        pixels = cv2.warpAffine(
            self.layers[person], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return pixels, cv2.warpAffine(self.alphas[person], matrix, size, flags=cv2.INTER_LINEAR)


def hopper() -> Rgb:
    path = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@cache
def together(overlap: float = 0.08) -> Pair:
    """The astronaut at the left, the admiral at the right and in front. They slide until the admiral's face covers
    ``overlap`` of the astronaut's face width, stay, and part."""
    people = [_placed(skimage.data.astronaut(), 0.27), _placed(hopper(), 0.73)]
    layers, alphas, faces = zip(*people, strict=True)
    widths = [float(np.ptp(face.landmarks[:468, 0])) for face in faces]
    gap = faces[1].landmarks[:468, 0].min() - faces[0].landmarks[:468, 0].max()
    reach = float(gap) + overlap * widths[0]
    strength = np.clip(np.minimum(np.arange(COUNT) / CONTACT, (COUNT - np.arange(COUNT)) / (COUNT - PARTED + 1)), 0, 1)
    strength = (strength * strength * (3 - 2 * strength)).astype(np.float32)
    shifts = np.zeros((COUNT, 2, 2), np.float32)
    shifts[:, 0, 0], shifts[:, 1, 0] = reach / 2 * strength, -reach / 2 * strength
    shifts[:, 0, 1] = 3 * np.sin(np.linspace(0, np.pi, COUNT))  # only down: nothing is known below the picture
    pixels = _over(np.full((HEIGHT, WIDTH, 3), PLATE, np.uint8), layers, alphas)
    mattes = [(alpha * 255).round().astype(np.uint8) for alpha in alphas]
    subjects = tuple(
        Subject(f, None, m, p, str(i) * 64) for i, (f, m, p) in enumerate(zip(faces, mattes, layers, strict=True))
    )
    plate = np.full((HEIGHT, WIDTH, 3), PLATE, np.uint8)
    scene = Scene(Photo(pixels, "2" * 64), subjects, np.maximum(*mattes), plate=plate)
    tracks = tuple(slide(i, face, shifts[:, i]) for i, face in enumerate(faces))
    touching = ((np.arange(COUNT) >= CONTACT) & (np.arange(COUNT) < PARTED)).astype(np.float32)
    where = np.tile(np.float32([[WIDTH / 2, HEIGHT / 2]]), (COUNT, 1))
    contact = Contact("cheek", where, np.zeros(COUNT, np.float32), np.maximum(touching, 0.4 * strength), 60.0, True)
    phases = (("approach", 0), ("contact", CONTACT - 1), ("hold", CONTACT), ("separate", PARTED))
    duet = Duet((0, 1), np.ones(COUNT, np.float32), np.zeros((COUNT, 2), np.float32), (contact,), phases)
    plan = RenderPlan(WIDTH, HEIGHT, (0.0, 0.0, float(WIDTH), float(HEIGHT)), 24.0, COUNT, duet=duet)
    empty = np.zeros((COUNT, HEIGHT, WIDTH), np.uint8)
    blank = Anchor(
        np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8), empty, empty, _flow(empty), empty.astype(np.float16), empty
    )
    pair = Pair(scene, tracks, plan, layers, alphas, shifts, blank.rgb, blank)
    return _filmed(pair)


def melted(film: Filmed, share: float = 0.5, frames: range | None = None) -> RgbStack:
    """At contact ``share`` of each face is the other's, laid over it."""
    spoiled = film.rgb.copy()
    for frame in film.touched if frames is None else frames:
        for person in (0, 1):
            mine, other = film.places[person][frame], film.places[1 - person][frame]
            spoiled[frame] = _with_face(spoiled[frame], film.rgb[frame], mine, other, share)
    return spoiled


def swapped(film: Filmed) -> RgbStack:
    """Each wears the other's face, all the time."""
    return melted(film, 1.0, range(len(film.rgb)))


def doubled(film: Filmed) -> RgbStack:
    """The second wears the first one's face: one person twice."""
    spoiled = film.rgb.copy()
    for frame in range(len(spoiled)):
        mine, other = film.places[1][frame], film.places[0][frame]
        spoiled[frame] = _with_face(spoiled[frame], film.rgb[frame], mine, other, 1.0)
    return spoiled


def tinted(film: Filmed, gains: tuple[float, float, float] = (1.25, 1.0, 0.8)) -> RgbStack:
    """The second stands in another light from the contact on."""
    spoiled = film.rgb.copy()
    for frame in range(film.touched[0], len(spoiled)):
        inside = (film.identity[frame] == 2)[..., None]
        other = (film.rgb[frame] * np.array(gains)).clip(0, 255)
        spoiled[frame] = np.where(inside, other, film.rgb[frame]).astype(np.uint8)
    return spoiled


def at_seam(film: Filmed, paint: Callable[[Rgb], Rgb], reach: int = 3) -> RgbStack:
    """``paint`` changes what lies within ``reach`` pixels of the border between the two."""
    spoiled = film.rgb.copy()
    window = np.ones((2 * reach + 1,) * 2, np.uint8)
    for frame in range(len(spoiled)):
        one, two = ((film.identity[frame] == k).astype(np.uint8) for k in (1, 2))
        border = (cv2.dilate(one, window) & cv2.dilate(two, window)) > 0
        spoiled[frame] = np.where(border[..., None], paint(film.rgb[frame]), film.rgb[frame])
    return spoiled


def feathered(pair: Pair, sigma: float = 8.0) -> RgbStack:
    """The front person's edge is so soft that the other shines through it."""
    return _filmed(
        replace(pair, alphas=(pair.alphas[0], cv2.GaussianBlur(pair.alphas[1], (0, 0), sigma))), soft=True
    ).rgb


def _with_face(onto: Rgb, source: Rgb, mine: Array, other: Array, share: float) -> Rgb:
    """``onto`` with ``share`` of the ``other`` face laid on the face at ``mine``."""
    pairs = [1, 33, 263, 61, 291, 152, 10]
    matrix, _ = cv2.estimateAffinePartial2D(other[pairs, :2], mine[pairs, :2])
    moved = cv2.warpAffine(source, matrix, onto.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    hull = cv2.convexHull(mine[:468, :2].round().astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(onto.shape[:2], np.float32), hull, share)
    mask = cv2.GaussianBlur(mask, (0, 0), 2)[..., None]
    return (moved * mask + onto * (1 - mask)).round().astype(np.uint8)


def _placed(photo: Rgb, where: float) -> tuple[Rgb, Float32[Array, "h w"], Face]:
    """One person in the film's size: the eyes at ``where`` of the width, EYES pixels apart; alpha of head and shoulders."""
    face = max(reader().read(photo), key=lambda face: face.box[3] - face.box[1])
    eyes = (face.landmarks[[33, 133]].mean(0) + face.landmarks[[263, 362]].mean(0)) / 2
    apart = np.linalg.norm((face.landmarks[[33, 133]].mean(0) - face.landmarks[[263, 362]].mean(0))[:2])
    scale = EYES / float(apart)
    matrix = np.float64([[scale, 0, where * WIDTH - scale * eyes[0]], [0, scale, 0.42 * HEIGHT - scale * eyes[1]]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    (face,) = reader().read(pixels, near=tuple(_box(face.landmarks[:468, :2] * scale + matrix[:, 2])), identity=True)
    (x0, y0), (x1, y1) = face.landmarks[:468, :2].min(0), face.landmarks[:468, :2].max(0)
    middle, wide, high = (x0 + x1) / 2, x1 - x0, y1 - y0
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre = (round(middle), round(y0 + 0.42 * high))
    cv2.ellipse(alpha, centre, (round(0.6 * wide), round(0.78 * high)), 0, 0, 360, (255,), -1)
    cv2.ellipse(
        alpha, (round(middle), round(y1 + 1.2 * high)), (round(1.05 * wide), round(1.1 * high)), 0, 0, 360, (255,), -1
    )
    return pixels, cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), 0.8), face


def _box(points: Array) -> tuple[float, ...]:
    return tuple(float(side) for side in (*points.min(0), *points.max(0)))


def _over(plate: Rgb, layers: tuple[Rgb, ...], alphas: tuple[Array, ...]) -> Rgb:
    out = plate.astype(np.float32)
    for pixels, alpha in zip(layers, alphas, strict=True):
        out = out * (1 - alpha[..., None]) + pixels * alpha[..., None]
    return np.asarray(out.round(), np.uint8)


def _filmed(pair: Pair, soft: bool = False) -> Pair:
    """The pair with its film and what a generator would say about it."""
    plate = np.full((HEIGHT, WIDTH, 3), PLATE, np.uint8)
    rgb = np.empty((COUNT, HEIGHT, WIDTH, 3), np.uint8)
    identity = np.zeros((COUNT, HEIGHT, WIDTH), np.uint8)
    flow = _flow(identity)
    for frame in range(COUNT):
        layers, alphas = zip(*(pair.moved(frame, person) for person in (0, 1)), strict=True)
        rgb[frame] = _over(plate, layers, alphas)
        for person in (0, 1):
            identity[frame][alphas[person] >= 0.5] = person + 1
            flow[frame][alphas[person] >= 0.5] = -pair.shifts[frame, person]
    labels = np.where(identity > 0, int(Label.SKIN), int(Label.BACKGROUND)).astype(np.uint8)
    depth = np.where(identity > 0, 0, np.inf).astype(np.float16)
    anchor = Anchor(rgb, np.full(identity.shape, 255, np.uint8), labels, flow, depth, identity)
    return replace(pair, rgb=rgb, anchor=pair.anchor if soft else anchor)


def _flow(labels: Mask | Array) -> Array:
    return np.zeros((*labels.shape, 2), np.float16)
