"""Two people composed from the astronaut: herself at the left, and with red and blue swapped at the right."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from photoplay.types import Array, Duet, MotionTrack, Photo, RenderPlan, Scene
from tests.generation.actors import REST, astronaut, matte, subject, track

WIDTH, HEIGHT = 480, 256
PLACES = ((0.5, 20.0, 0.0), (0.5, 150.0, 0.0))
"""Scale, x and y of each."""


def couple(front: int = 0) -> Scene:
    """The composed scene; ``front`` stands before the other in its photo."""
    one = astronaut()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    plate = np.dstack([40 + 0.2 * x, 120 + 0.3 * y, 90 + 0.1 * x]).astype(np.uint8)
    subjects = []
    for k, (scale, dx, dy) in enumerate(PLACES):
        put = np.array([[scale, 0, dx], [0, scale, dy]], np.float32)
        pixels = one.photo.pixels if k == 0 else np.ascontiguousarray(one.photo.pixels[..., ::-1])
        pixels = cv2.warpAffine(pixels, put, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(matte(), put, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        landmarks = one.subjects[0].face.landmarks * np.float32(scale) + np.array([dx, dy, 0], np.float32)
        subjects.append(replace(subject(landmarks.astype(np.float32), alpha), pixels=pixels))
    picture = plate.astype(np.float32)
    for k in (1 - front, front):
        share = subjects[k].matte.astype(np.float32)[..., None] / 255
        picture += (subjects[k].pixels - picture) * share
    people = np.maximum(subjects[0].matte, subjects[1].matte)
    return Scene(Photo(np.rint(picture).astype(np.uint8), "0" * 64), tuple(subjects), people, plate=plate)


def tracks(scene: Scene, first: list[tuple[float, float]], second: list[tuple[float, float]]) -> list[MotionTrack]:
    """Both carried by these shifts in photo pixels."""
    return [track(scene, [REST] * len(moves), moves, who=k) for k, moves in enumerate((first, second))]


def duet(front: list[float], arms: list[list[float]] | None = None) -> Duet:
    order: Array = np.array(front, np.float32)
    before: Array = np.zeros((len(front), 2), np.float32) if arms is None else np.array(arms, np.float32)
    return Duet((0, 1), order, before)


def plan(both: Duet, width: int = WIDTH, height: int = HEIGHT) -> RenderPlan:
    crop = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    return RenderPlan(width, height, crop, 24.0, len(both.front), window=4, duet=both)
