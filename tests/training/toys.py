"""Examples small enough to train on in a test: a face that opens its mouth, where the anchor left a grey hole."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.pocket.config import PocketConfig
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_points
from photoplay.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from photoplay.training.shards import Example, save_example
from photoplay.types import Label, Landmarks
from tests.generation.actors import astronaut

SIZE, FRAMES = 48, 4
NETWORK = {
    "channels": [8, 8, 16, 16],
    "blocks": [1, 1, 1, 1],
    "reference_channels": [8, 8, 16, 16],
    "head_channels": 8,
    "embedding": 16,
}
TINY = PocketConfig.from_dict({**PocketConfig().to_dict(), **NETWORK})


@cache
def rest_landmarks() -> Landmarks:
    rest = astronaut().subjects[0].face.landmarks
    return crop_points(rest, HeadCrops.of(rest[None], rest, SIZE).rest)


def example(seed: int, size: int = SIZE) -> Example:
    """Skin of one tone; a dark red mouth of another in the truth; grey and unknown in the anchor."""
    rng = np.random.default_rng(seed)
    rest = rest_landmarks() * np.float32(size / SIZE)
    landmarks = np.stack([rest + np.float32([k * 0.5, 0, 0]) for k in range(FRAMES)])
    reference = np.full((size, size, 3), rng.integers(150, 220, 3), np.uint8)
    anchor, target = np.stack([reference] * FRAMES), np.stack([reference] * FRAMES)
    confidence = np.full((FRAMES, size, size), 255, np.uint8)
    labels = np.full((FRAMES, size, size), Label.SKIN, np.uint8)
    tone = tuple(int(v) for v in rng.integers(20, 110, 3))
    for k in range(FRAMES):
        lips = np.rint(landmarks[k, [*LIPS_INNER_UPPER, *LIPS_INNER_LOWER], :2] + rng.normal(0, 1.5, (22, 2)))
        hull = cv2.convexHull(lips.astype(np.int32))
        for plane, value in ((anchor, (128,) * 3), (target, tone), (confidence, 0), (labels, int(Label.MOUTH))):
            cv2.fillConvexPoly(plane[k], hull, value)
    window = CropWindow(anchor, confidence, labels, landmarks, reference, rest)
    return Example(window, target, {"source": "synthetic", "split": "train", "licence": "own"})


def dataset(folder: Path, train: int = 2, held_out: int = 1) -> Path:
    """A folder of such examples."""
    for split, count in (("train", train), ("held-out", held_out)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            save_example(folder / split / f"{number:04d}.npz", example(number if split == "train" else 100 + number))
    return folder
