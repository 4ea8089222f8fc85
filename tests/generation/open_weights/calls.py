"""A clip's inputs and calls of a pipeline, small enough to make at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from photoplay.generation.backends.open_weights.native import ClipInputs, Span
from photoplay.types import Photo, RenderPlan, Scene, StageEvent

SIDE = 64


def clip_of(
    frames: int = 5, seed: int = 3, prompt: str = "a face smiles", start: int = 0, resume: Path | None = None
) -> ClipInputs:
    """Inputs of a clip of 64 x 64 without photo, tracks or anchor."""
    scene = Scene(Photo(np.zeros((SIDE, SIDE, 3), np.uint8), "0" * 64), (), np.zeros((SIDE, SIDE), np.uint8))
    plan = RenderPlan(SIDE, SIDE, (0, 0, SIDE, SIDE), 16.0, frames, seed=seed, prompt=prompt, resume=resume)
    return ClipInputs(scene, (), plan, plan, Span(start, frames), None, np.zeros((0, SIDE, SIDE, 3), np.uint8))


def pipeline(name: str, folder: Path) -> Any:
    """The diffusers pipeline of this class, from a folder."""
    return getattr(import_module("diffusers"), name).from_pretrained(folder, local_files_only=True)


def pictures(count: int, side: int = SIDE) -> list[Any]:
    """Pictures of noise, the same each time."""
    image = import_module("PIL.Image")
    noise = np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)
    return [image.fromarray(one) for one in noise]


class Heard:
    """A progress that remembers the steps it was told of, and raises ``stop`` at one of them."""

    def __init__(self, at: int | None = None, stop: BaseException | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.at, self.stop = at, stop

    def __call__(self, event: StageEvent) -> None:
        assert event.stage == "denoise"
        self.steps.append((event.done, event.total))
        if self.stop is not None and event.done == self.at:
            raise self.stop


def counted(model: Any) -> list[int]:
    """Counts the forwards of a model from now on, in the list's only number."""
    count = [0]

    def made(*_: Any) -> None:
        count[0] += 1

    model.register_forward_hook(made)
    return count


@contextmanager
def calls_of(model: Any) -> Iterator[list[dict[str, Any]]]:
    """The keyword arguments with which a model is called meanwhile."""
    seen: list[dict[str, Any]] = []
    hook = model.register_forward_pre_hook(lambda _, __, said: seen.append(said), with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()
