"""Training examples -> batches of patches, cut beside the training and the same for the same seed and step."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float16, Float32
from torch import Tensor

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.conditioning import GUIDE_FROM, cond_planes, reference_planes, to_latents
from photoplay.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.training.augment import augmented
from photoplay.training.config import DataConfig
from photoplay.training.shards import Example, list_examples, load_example
from photoplay.training.sources import LICENCES
from photoplay.types import Array, Label, LandmarkTrack

_MOUTH = sorted({*LIPS_INNER_UPPER, *LIPS_INNER_LOWER})
_EYES = (sorted({*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER}), sorted({*LEFT_EYE_UPPER, *LEFT_EYE_LOWER}))
_FINE = np.isin(np.arange(256), [Label.LID, Label.EYE, Label.LASH, Label.LIP, Label.MOUTH, Label.TEETH, Label.TONGUE])
_CONFIDENT_SHARE = 0.25  # weight of a pixel that the photo already holds, against one it does not


@dataclass(frozen=True)
class Batch:
    """What one step sees, float16 (half the traffic), on p x p patches; the reference is always the whole s x s crop.

    latents    [b, 3, f, p, p] the truth as residual to the anchor
    cond       [b, c, f, p, p] in the order of ``COND_PLANES``
    previous   [b, 4, f, p, p] in the order of ``PREVIOUS_PLANES``
    reference  [b, r, s, s] in the order of ``REFERENCE_PLANES``
    weight     [b, 1, f, p, p] how much each pixel counts, see :func:`region_weight`
    """

    latents: Float16[Array, "b 3 f p p"]
    cond: Float16[Array, "b c f p p"]
    previous: Float16[Array, "b 4 f p p"]
    reference: Float16[Array, "b r s s"]
    weight: Float16[Array, "b 1 f p p"]


@dataclass(frozen=True)
class TorchBatch:
    """A :class:`Batch` as tensors: float16 on its way, float32 on the training device."""

    latents: Float[Tensor, "b 3 f p p"]
    cond: Float[Tensor, "b c f p p"]
    previous: Float[Tensor, "b 4 f p p"]
    reference: Float[Tensor, "b r s s"]
    weight: Float[Tensor, "b 1 f p p"]

    def pin_memory(self) -> TorchBatch:
        """In memory that a GPU reads directly."""
        return TorchBatch(**{name: tensor.pin_memory() for name, tensor in vars(self).items()})

    def on(self, device: str) -> TorchBatch:
        """Moved to the device and widened there."""
        return TorchBatch(**{name: tensor.to(device, non_blocking=True).float() for name, tensor in vars(self).items()})


def tensors(batch: Batch) -> TorchBatch:
    """The same numbers as float16 tensors, which processes hand over without copying."""
    return TorchBatch(**{name: torch.from_numpy(plane) for name, plane in vars(batch).items()})


def to_torch(batch: Batch, device: str) -> TorchBatch:
    """A batch as float32 tensors on the device."""
    return tensors(batch).on(device)


class Library:
    """The examples of one split, kept in memory as far as ``memory_gb`` goes; the folder may grow meanwhile.

    Raises:
        InputError: ``dataset_empty``: the split has no example; ``example_unlicensed``: one has no licence that allows it.
    """

    def __init__(self, folder: Path, split: str, memory_gb: float) -> None:
        self._folder, self._split = folder, split
        self._room = memory_gb * 1e9
        self._kept: dict[Path, Example] = {}
        self.paths: tuple[Path, ...] = ()
        self.refresh()
        if not self.paths:
            raise InputError("dataset_empty", f"The dataset has no {split} examples.", "Build one first.")

    def refresh(self) -> None:
        """Lists the folder again."""
        self.paths = tuple(list_examples(self._folder, self._split))

    def get(self, path: Path) -> Example:
        """One example, read from disk at most once while there is room."""
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        example = load_example(path)
        if example.facts.get("licence") not in LICENCES:
            raise InputError(
                "example_unlicensed",
                "A training example does not say under which licence it may be used.",
                "Build the dataset with `python -m photoplay.training build`; it writes the licence into each example.",
            )
        size = sum(array.nbytes for array in vars(example.window).values()) + example.target.nbytes
        if size <= self._room:
            self._room -= size
            self._kept[path] = example
        return example


class Batches:
    """Batch ``step`` as a function of (seed, step, the files there are), so that a resumed run sees the same."""

    def __init__(self, library: Library, config: DataConfig, seed: int) -> None:
        self._library, self._config, self._seed = library, config, seed

    def __getitem__(self, step: int) -> Batch:
        if step % self._config.refresh_steps == 0:
            self._library.refresh()
        rng = np.random.default_rng((self._seed, step))
        paths = self._library.paths
        first = self._library.get(paths[rng.integers(len(paths))])
        whole, size = rng.random() < self._config.whole, first.window.size
        patch = size if whole else min(self._config.patch, size)
        wanted = self._config.batch
        number = max(1, round(wanted * min(self._config.patch, size) ** 2 / size**2)) if whole else wanted
        chosen = [first] + [self._library.get(paths[rng.integers(len(paths))]) for _ in range(number - 1)]
        frames = min(self._config.frames, *(example.window.num_frames for example in chosen))
        return stack([cut(example, patch, frames, self._config, rng) for example in chosen])

    def stream(self, start: int) -> Generator[TorchBatch]:
        """Batches from step ``start`` on without end, in order, made ahead by ``workers`` threads.

        Threads are enough, because cutting is nearly all NumPy, OpenCV and kernels that leave the interpreter free; and
        they share the examples.
        """
        with ThreadPoolExecutor(self._config.workers) as pool:
            ahead = deque(pool.submit(self._made, start + k) for k in range(2 * self._config.workers))
            for step in count(start + len(ahead)):
                yield ahead.popleft().result()
                ahead.append(pool.submit(self._made, step))

    def _made(self, step: int) -> TorchBatch:
        batch = tensors(self[step])
        return batch.pin_memory() if torch.cuda.is_available() else batch


def stack(cuts: list[Batch]) -> Batch:
    """Joins batches of one along their first axis."""
    return Batch(**{name: np.concatenate([getattr(cut, name) for cut in cuts]) for name in vars(cuts[0])})


def cut(example: Example, patch: int, frames: int, config: DataConfig, rng: np.random.Generator) -> Batch:
    """One example's patch as a batch of 1: augmented, placed, with or without known frames, guide and reference."""
    start, size = int(rng.integers(example.window.num_frames - frames + 1)), example.window.size
    part = place(example, slice(start, start + frames), 0, 0, size)
    if config.augment:
        part = augmented(part, rng)
    reference = reference_planes(part.window)
    left, top = _corner(part.window.landmarks, size, patch, config, rng)
    part = place(part, slice(None), left, top, patch)
    known = int(rng.integers(1, max(2, round(frames * 0.6)))) if frames > 1 and rng.random() < config.previous else 0
    batch = as_batch(part, reference, known, config.previous_noise, rng)
    if rng.random() < config.drop_guide:
        batch.cond[:, GUIDE_FROM:] = 0
    if rng.random() < config.drop_reference:
        batch.reference[:] = 0
    return batch


def place(example: Example, frames: slice, left: int, top: int, patch: int) -> Example:
    """The example cut down to some frames and a square of them; its ``rest_landmarks`` stay in pixels of the whole crop."""
    window, rows, columns = example.window, slice(top, top + patch), slice(left, left + patch)
    shift = np.array([left, top, 0], np.float32)
    small = replace(
        window,
        anchor=window.anchor[frames, rows, columns],
        confidence=window.confidence[frames, rows, columns],
        labels=window.labels[frames, rows, columns],
        reference=window.reference[rows, columns],
        landmarks=window.landmarks[frames] - shift,
    )
    return Example(small, example.target[frames, rows, columns], example.facts)


def as_batch(
    example: Example, reference: Float32[Array, "r s s"], known: int, noise: float, rng: np.random.Generator
) -> Batch:
    """A batch of 1 with the first ``known`` frames as already made, softened and with ``noise``."""
    window = example.window
    cond = cond_planes(window)  # [f, c, p, p]
    frames, _, size, _ = cond.shape
    previous = np.zeros((frames, 4, size, size), np.float32)
    if known:
        made = example.target[:known].astype(np.float32) / 127.5 - 1
        if noise:
            soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 0.8) for frame in made])
            made += (soft - made) * rng.random(dtype=np.float32)
            made += rng.standard_normal(made.shape, np.float32) * (noise * rng.random(dtype=np.float32))
        previous[:known, :3] = made.transpose(0, 3, 1, 2)
        previous[:known, 3] = 1
    planes = {
        "latents": to_latents(example.target, window.anchor),
        "cond": cond,
        "previous": previous,
        "weight": region_weight(window.labels, window.confidence)[:, None],
    }
    halves = {name: _half(plane.transpose(1, 0, 2, 3)) for name, plane in planes.items()}
    return Batch(reference=_half(reference), **halves)


def _half(planes: Array) -> Array:
    """``planes`` [...] as float16 [1, ...]: torch narrows several times faster than NumPy."""
    half: Array = torch.from_numpy(planes).half().contiguous().numpy()[None]
    return half


def region_weight(labels: Array, confidence: Array) -> Array:
    """Weight of every pixel, 0..1 float32: 1 in mouth, lips, eyes and lids and where the photo knows nothing, down to 1/4
    where its pixels can be trusted."""
    doubt = 1 - confidence.astype(np.float32) / 255
    return _CONFIDENT_SHARE + (1 - _CONFIDENT_SHARE) * np.maximum(doubt, _FINE[labels])


def _corner(
    landmarks: LandmarkTrack, size: int, patch: int, config: DataConfig, rng: np.random.Generator
) -> tuple[int, int]:
    """Where the patch's left upper corner lies: around the mouth, around one eye, or anywhere."""
    draw = rng.random()
    if draw < config.mouth + config.eyes:
        points = _MOUTH if draw < config.mouth else _EYES[rng.integers(2)]
        centre = landmarks[:, points, :2].mean(axis=(0, 1)) + rng.uniform(-0.2, 0.2, 2) * patch
        corner = np.clip(np.rint(centre - patch / 2), 0, size - patch)
    else:
        corner = rng.integers(0, size - patch + 1, 2)
    return int(corner[0]), int(corner[1])
