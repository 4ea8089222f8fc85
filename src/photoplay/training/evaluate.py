"""The held-out table: how near the truth the anchor and the network are, in the face, the mouth and the eyes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32

from photoplay.errors import InputError
from photoplay.evaluation import metrics
from photoplay.evaluation.regions import HULLS, hull_mask
from photoplay.generation.backends.pocket.conditioning import GUIDE_FROM
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.training.batches import TorchBatch
from photoplay.training.samples import painted, whole
from photoplay.training.shards import Example, list_examples, load_example
from photoplay.types import Array, RgbStack

PEAK_DB = 60.0  # where two pictures are the same


@dataclass(frozen=True)
class Variant:
    """One way to run the network: how many steps (0: the anchor itself), with or without the guide and the photo."""

    name: str
    steps: int
    guide: bool = True
    reference: bool = True


VARIANTS = (
    Variant("anchor", 0),
    Variant("1 step", 1),
    Variant("2 steps", 2),
    Variant("4 steps", 4),
    Variant("4 steps, no guide", 4, guide=False),
    Variant("4 steps, no photo", 4, reference=False),
)


@dataclass(frozen=True)
class Score:
    """Means over the held-out examples: PSNR in dB and SSIM by region."""

    variant: Variant
    psnr: dict[str, float]
    ssim: dict[str, float]


def evaluate(
    network: PocketNet, folder: Path, limit: int, frames: int, device: str, variants: tuple[Variant, ...] = VARIANTS
) -> list[Score]:
    """Scores every variant on up to ``limit`` held-out examples, evenly chosen; the noise is the same for all.

    Raises:
        InputError: ``dataset_empty``: no example is held out.
    """
    scores: dict[str, list[dict[str, tuple[float, float]]]] = {variant.name: [] for variant in variants}
    for example in _held_out(folder, limit):
        part, batch = whole(example, min(frames, example.window.num_frames), device)
        masks = {name: region(part, name) for name in HULLS}
        for variant in variants:
            made = render(network, part, batch, variant)
            similarity = ssim_map(made, part.target)
            scores[variant.name].append(
                {name: (psnr(made, part.target, mask), masked(similarity, mask)) for name, mask in masks.items()}
            )
    return [
        Score(
            variant,
            {name: float(np.mean([one[name][0] for one in scores[variant.name]])) for name in HULLS},
            {name: float(np.mean([one[name][1] for one in scores[variant.name]])) for name in HULLS},
        )
        for variant in variants
    ]


def render(network: PocketNet, example: Example, batch: TorchBatch, variant: Variant) -> RgbStack:
    """The frames of one variant."""
    if not variant.steps:
        return example.window.anchor
    if not variant.guide:
        cond = batch.cond.clone()
        cond[:, GUIDE_FROM:] = 0
        batch = replace(batch, cond=cond)
    if not variant.reference:
        batch = replace(batch, reference=torch.zeros_like(batch.reference))
    return painted(network, example, batch, variant.steps)


def markdown(scores: list[Score]) -> str:
    """The table as Markdown: PSNR dB / SSIM."""
    lines = ["| | " + " | ".join(HULLS) + " |", "|---|" + "---|" * len(HULLS)]
    for score in scores:
        cells = (f"{score.psnr[name]:.2f} / {score.ssim[name]:.4f}" for name in HULLS)
        lines.append(f"| {score.variant.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def psnr(made: RgbStack, true: RgbStack, mask: Bool[Array, "f h w"]) -> float:
    """Peak signal-to-noise ratio in dB over the masked pixels of all frames, at most 60."""
    return min(PEAK_DB, metrics.psnr(made[mask], true[mask])) if mask.any() else PEAK_DB


def ssim_map(made: RgbStack, true: RgbStack) -> Float32[Array, "f h w"]:
    """Structural similarity of luma at every pixel of every frame; see :func:`photoplay.evaluation.metrics.ssim_map`."""
    lumas = ([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in film] for film in (made, true))
    return np.stack([metrics.ssim_map(a, b) for a, b in zip(*lumas, strict=True)])


def masked(values: Float32[Array, "f h w"], mask: Bool[Array, "f h w"]) -> float:
    """The mean inside the mask, 1 where it is empty."""
    return float(values[mask].mean()) if mask.any() else 1.0


def region(example: Example, name: str) -> Bool[Array, "f h w"]:
    """Where a region lies in each frame, by the frame's landmarks."""
    return np.stack([hull_mask(landmarks, example.window.size, name) for landmarks in example.window.landmarks])


def _held_out(folder: Path, limit: int) -> Iterator[Example]:
    paths = list(list_examples(folder, "held-out"))
    if not paths:
        raise InputError("dataset_empty", "The dataset holds no example out.", "Build it with a held-out share.")
    count = min(limit, len(paths))
    for number in range(count):
        yield load_example(paths[number * len(paths) // count])
