"""What a clip will look like, seen while it is denoised: the model's guess of the clean latents as a small picture.

An autoencoder's latents hold colours almost linearly, so a picture of them takes a product of small matrices, not a decoder:

    rgb = [z, 1] M,   M = argmin |[z, 1] M - shrunk(decode(z))|^2 + ridge |M|^2

fitted to the autoencoder at hand, on latents of one picture of random colours. The guess of the clean latents is the
scheduler's own where it hands one out, else the flow model's x0 = x - sigma v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from photoplay.generation.backends.open_weights.native import ClipInputs
from photoplay.generation.backends.open_weights.schedules import sigma_of_timestep
from photoplay.types import Array, Rgb

PICTURES = 8
"""Pictures that are shown of a clip at most, evenly over its steps."""
RIDGE = 1e-2
"""Weight that keeps what one picture says little about small, relative to the latents' variance."""
OCTAVES = (4, 8, 16, 32)
"""Cells across of the random colours, added up with falling strength."""


def eye_for(pipe: Any, clip: ClipInputs) -> Eye | None:
    """What looks at a clip, if anybody wants to see its film while it is made."""
    if clip.film.shown is None:
        return None
    names = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")
    along = next((found for name in names if (found := getattr(pipe, name, None))), 1)
    frames = 1 + (clip.plan.num_frames - 1) // along
    return Eye(pipe, clip.plan.width, clip.plan.height, frames, clip.film.shown)


def due(step: int, steps: int) -> bool:
    """Whether a picture of ``step`` (from 0) of ``steps`` is shown."""
    return (step + 1) * PICTURES // steps != step * PICTURES // steps


class Eye:
    """Looks at one clip's latents between steps and hands a picture of its middle to ``show``.

    ``frames`` are the clip's latent frames; latents that are told beside them stand before them.
    """

    def __init__(self, pipe: Any, width: int, height: int, frames: int, show: Callable[[Rgb], None]) -> None:
        self._pipe, self._size, self._frames, self._show = pipe, (width, height), frames, show
        self._map: Float32[Array, "c 3"] | None = None
        self._steps = 0

    def look(self, scheduler: Any, output: Any, timestep: Any, sample: Any, made: Any) -> None:
        """Shows what a step says the clip will be, where that can be told."""
        self._steps += 1
        if not due(self._steps - 1, self._pipe.num_timesteps):
            return
        guess = clean(scheduler, output, timestep, sample, made)
        latents = None if guess is None else self._middle(guess)
        if latents is None:
            return
        if self._map is None:
            self._map = fit(self._pipe.vae, *self._size, self._pipe._execution_device)
        self._show(coloured(latents, self._map))

    def _middle(self, latents: Any) -> Float32[Array, "h w c"] | None:
        """The latents of the clip's middle frame; None where they are not laid out as a clip of this size."""
        if latents.ndim == 3 and hasattr(self._pipe, "_unpack_latents"):
            side = self._pipe.vae_spatial_compression_ratio
            width, height = (length // side for length in self._size)
            if latents.shape[1] < self._frames * height * width:
                return None
            latents = self._pipe._unpack_latents(
                latents[:, : self._frames * height * width], self._frames, height, width
            )
        if latents.ndim != 5 or latents.shape[2] < self._frames:
            return None
        middle = latents[0, :, latents.shape[2] - self._frames + self._frames // 2]
        one: Array = middle.permute(1, 2, 0).float().cpu().numpy()
        return one


def clean(scheduler: Any, output: Any, timestep: Any, sample: Any, made: Any) -> Any:
    """The guess of the clean latents that a step rests on; None where its scheduler does not say."""
    if (said := getattr(made, "pred_original_sample", None)) is not None:
        return said
    if "shift" in scheduler.config or scheduler.config.get("use_flow_sigmas"):
        return sample.float() - sigma_of_timestep(float(timestep)) * output.float()
    return None


@torch.no_grad()
def fit(vae: Any, width: int, height: int, device: Any) -> Float32[Array, "c 3"]:
    """M for latents as the denoiser has them, its last row for the 1; pictures are 0..1."""
    card = torch.from_numpy(colours(width, height)).permute(2, 0, 1)[None].to(device, vae.dtype) * 2 - 1
    flat = type(vae).__name__ == "AutoencoderKL"  # an autoencoder of pictures
    with torch.compiler.set_stance("force_eager"):  # what is compiled stays made for the film's own shapes
        latents = vae.encode(card if flat else card[:, :, None]).latent_dist.mode()
        decoded = vae.decode(latents, return_dict=False)[0].float()
    latents = latents if flat else latents[:, :, 0]
    decoded = (decoded if flat else decoded[:, :, 0]).clamp(-1, 1) / 2 + 0.5
    small = torch.nn.functional.adaptive_avg_pool2d(decoded, latents.shape[-2:])
    told, seen = (one[0].flatten(1).T.double().cpu() for one in (normal(vae, latents), small))
    told = torch.cat([told, torch.ones(len(told), 1, dtype=torch.float64)], 1)
    square = told.T @ told
    square.diagonal()[:-1] += RIDGE * square.diagonal()[:-1].mean()
    solved: Array = torch.linalg.solve(square, told.T @ seen).float().numpy()
    return solved


def normal(vae: Any, latents: Any) -> Any:
    """An autoencoder's latents [1, c, h, w] as a denoiser has them: (z - mean) / std times a factor, as pipelines do it."""
    config, buffers = vae.config, dict(vae.named_buffers())
    for name, apply in (("latents_mean", torch.sub), ("latents_std", torch.div)):
        if (told := buffers.get(name, config.get(name))) is not None:
            latents = apply(latents, torch.as_tensor(told).to(latents).view(1, -1, 1, 1))
    return latents * (config.get("scaling_factor") or 1.0)


def coloured(latents: Float32[Array, "h w c"], matrix: Float32[Array, "c1 3"]) -> Rgb:
    """The picture of one frame's latents, as small as they are."""
    levels = np.clip(latents @ matrix[:-1] + matrix[-1], 0, 1) * 255
    picture: Rgb = np.rint(levels).astype(np.uint8)
    return picture


def colours(width: int, height: int) -> Float32[Array, "{height} {width} 3"]:
    """A picture of smooth random colours, coarse and fine, 0..1: the same every time."""
    draw, total = np.random.default_rng(0), np.zeros((height, width, 3), np.float32)
    for cells in OCTAVES:
        rows = max(2, round(cells * height / width))
        grid = draw.standard_normal((rows, cells, 3)).astype(np.float32) / np.sqrt(cells)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(0.5 + 0.5 * np.tanh(total / total.std()), np.float32)
