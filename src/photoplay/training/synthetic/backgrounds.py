"""Procedural rooms, walls, leaves and lights behind a synthetic person."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.training.synthetic.paint import linear
from photoplay.types import Array


def draw_background(rng: np.random.Generator, height: int, width: int) -> Float32[Array, "h w 3"]:
    """A background in linear light."""
    coarse = rng.uniform(0.02, 0.6, (6, 6, 1)) * (0.6 + 0.4 * linear(rng.uniform(90, 255, 3).astype(np.float32)))
    picture: Array = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 1).astype(np.float32)
