"""What is made ready before the first film is what the film takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from photoplay.generation.backends.pocket.model import LENGTH, PocketModel
from tests.generation.pocket.test_model import TINY, _planes, _window

__all__ = ["_planes"]


class Shapes:
    """A runner that computes nothing, and notes what it is given."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def read(self, cond: np.ndarray, previous: np.ndarray, reference: np.ndarray) -> Any:
        self.seen.append(("read", cond.shape, previous.shape, reference.shape))
        return "told"

    def denoise(self, latents: np.ndarray, sigma: float, told: Any) -> np.ndarray:
        assert (sigma, told) == (1.0, "told")
        self.seen.append(("denoise", latents.shape))
        return latents


def test_a_warm_model_has_seen_the_shapes_of_a_film() -> None:
    runner = Shapes()
    model = PocketModel(runner, TINY)
    model.warm(32)
    warmed = list(runner.seen)
    assert len(warmed) == 2
    runner.seen.clear()
    model.generate(_window(LENGTH, 32), None, seed=1, start=0, num_inference_steps=1)
    assert runner.seen == warmed
