"""What a network paints for examples that it never saw: films from batches, and contact sheets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from photoplay.generation.backends.pocket.conditioning import reference_planes, to_frames
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.sampler import frame_noise, sample_flow, sigma_schedule
from photoplay.training.batches import TorchBatch, as_batch, place, to_torch
from photoplay.training.shards import Example, list_examples, load_example
from photoplay.types import Rgb, RgbStack

SHEET_STEPS = (1, 2, 4)
_ROWS, _FRAMES = 4, 4


@torch.inference_mode()
def predict(network: PocketNet, batch: TorchBatch, steps: int, seed: int) -> Float[torch.Tensor, "b 3 f p p"]:
    """The latents that the network makes of pure noise in so many steps; all examples get the same noise."""
    examples, _, frames, size, _ = batch.latents.shape
    noise = frame_noise(seed, 0, frames, size, network.config.noise_correlation).transpose(1, 0, 2, 3)
    start = torch.from_numpy(np.ascontiguousarray(noise)).to(batch.latents.device)[None].repeat(examples, 1, 1, 1, 1)
    tokens, given = network.encode(batch.reference), network.prepare(batch.cond, batch.previous)

    def denoise(latents: torch.Tensor, sigma: float) -> torch.Tensor:
        level = torch.full((examples,), sigma, device=latents.device)
        return network.denoise(latents, level, given, tokens)

    return sample_flow(denoise, start, sigma_schedule(steps))


def whole(example: Example, frames: int, device: str) -> tuple[Example, TorchBatch]:
    """An example's first frames, whole, and the batch of them with nothing known."""
    size = example.window.size
    part = place(example, slice(0, frames), 0, 0, size)
    batch = as_batch(part, reference_planes(example.window), 0, 0.0, np.random.default_rng(0))
    return part, to_torch(batch, device)


def painted(network: PocketNet, example: Example, batch: TorchBatch, steps: int, seed: int = 0) -> RgbStack:
    """The frames that the network makes of an example."""
    latents = predict(network, batch, steps, seed)[0].transpose(0, 1).float().cpu().numpy()
    return to_frames(np.ascontiguousarray(latents), example.window.anchor)


def sheet_row(network: PocketNet, example: Example, device: str) -> Rgb:
    """reference | anchor | 1, 2, 4 steps | truth of an example's last of a few frames, side by side."""
    part, batch = whole(example, min(_FRAMES, example.window.num_frames), device)
    made = [painted(network, part, batch, steps)[-1] for steps in SHEET_STEPS]
    return np.concatenate([example.window.reference, part.window.anchor[-1], *made, part.target[-1]], axis=1)


def write_samples(network: PocketNet, folder: Path, path: Path, device: str) -> None:
    """A contact sheet of a few held-out examples (of training ones where none is held out) as PNG."""
    paths = list(list_examples(folder, "held-out")) or list(list_examples(folder, "train"))
    chosen = [paths[k * len(paths) // _ROWS] for k in range(_ROWS)] if len(paths) > _ROWS else paths
    rows = [sheet_row(network, load_example(path), device) for path in chosen]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    cv2.imwrite(str(path), np.concatenate(padded)[..., ::-1])
