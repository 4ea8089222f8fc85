"""The trained pocket network in a file, and what it makes of a window of frames.

Importing this module needs torch; where that is missing it raises :class:`UnavailableError` (``torch_missing``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from photoplay import weights
from photoplay.device import usable_cores
from photoplay.errors import UnavailableError
from photoplay.generation.backends.pocket import conditioning
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.pocket.config import STRIDE, PocketConfig
from photoplay.types import Array, RgbStack

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file
    from torch import Tensor
    from torch.nn import functional as F  # noqa: N812

    from photoplay.generation.backends.pocket.network import PocketNet, Tokens
    from photoplay.generation.backends.pocket.sampler import frame_noise, sample_flow, sigma_schedule
except ImportError as missing:
    raise UnavailableError(
        "torch_missing", "The pocket model needs PyTorch, which does not load here.", "Install torch and safetensors."
    ) from missing

Known: TypeAlias = UInt8[Array, "k h w 3"]
"""The frames of a window that are already made."""
WEIGHT = "pocket"
"""The packaged network's name in :data:`photoplay.weights.WEIGHTS`."""
FORMAT = "photoplay-pocket-1"
UNGUIDED = ("label_", "normal_", "rest_normal_", "face_")
"""Beginnings of the planes that tell the geometry: zeroed without ``guide``."""


@dataclass(frozen=True)
class PocketModel:
    """A network that is ready to make frames, with its weights in ``dtype``. ``guide`` and ``reference`` False (ablations)
    hide the face's geometry or the photo's own crop from it."""

    net: PocketNet
    guide: bool = True
    reference: bool = True

    @classmethod
    def load(cls, path: Path | None = None, dtype: torch.dtype | None = None) -> PocketModel:
        """Reads a weights file, by default the packaged one, checked by its digest; ``dtype`` None: :func:`fastest_dtype`.

        Raises:
            UnavailableError: ``weight_missing``, ``weight_altered`` (not ours, damaged, or of other shapes than its own
                config), ``pocket_version`` (made for another version of photoplay).
        """
        net = read_net(path or _packaged())
        return cls(net.to(dtype or fastest_dtype()).eval().requires_grad_(False))

    def without(self, guide: bool = False, reference: bool = False) -> PocketModel:
        """The same network, not told the geometry (``guide``) or not shown the photo's crop (``reference``)."""
        return replace(self, guide=self.guide and not guide, reference=self.reference and not reference)

    @cached_property
    def config(self) -> PocketConfig:
        return self.net.config

    def generate(self, window: CropWindow, known: Known | None, seed: int, start: int, steps: int) -> RgbStack:
        """The crop's frames [f, s, s, 3]: ``known`` [k, s, s, 3], already made, first and unchanged, then new ones.

        ``start`` is the film's index of the window's first frame: overlapping windows of one film draw the same noise.
        Same arguments, same frames.
        """
        config, count, size = self.config, window.num_frames, window.size
        if size % STRIDE:
            raise ValueError(f"a crop's side must be divisible by {STRIDE}")
        planes = conditioning.cond_planes(window).transpose(1, 0, 2, 3)
        if not self.guide:
            told = np.array([not name.startswith(UNGUIDED) for name in config.cond_planes], np.float32)
            planes = planes * told[:, None, None, None]
        latents = frame_noise(seed, start, count, size, config.noise_correlation).transpose(1, 0, 2, 3)
        with torch.inference_mode(), _all_cores():
            tokens = self._read_photo(window)
            given = self.net.prepare(_batch(planes), _batch(_previous_planes(known, count, size)))

            def denoise(latents: Tensor, sigma: float) -> Tensor:
                return self.net.denoise(latents, torch.tensor([sigma]), given, tokens)

            made = sample_flow(denoise, _batch(latents), sigma_schedule(steps))[0].numpy()
        frames = conditioning.to_frames(made.transpose(1, 0, 2, 3), window.anchor)
        return frames if known is None else np.concatenate([known, frames[len(known) :]])

    def _read_photo(self, window: CropWindow) -> Tokens:
        planes = conditioning.reference_planes(window)
        return self.net.encode(_batch(planes if self.reference else np.zeros_like(planes)))


def save(path: Path, net: PocketNet, half: bool = True) -> None:
    """Writes a network and its config; ``half``: as fp16, which is what is shipped."""
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, path, {"format": FORMAT, "config": json.dumps(net.config.to_dict())})


def read_net(path: Path) -> PocketNet:
    """The network of a weights file, in float32 and ready to be trained on. Raises as :meth:`PocketModel.load`."""
    if not path.is_file():
        raise UnavailableError(
            "weight_missing", "There is no such pocket weights file.", "Give the path of a .safetensors file."
        )
    try:
        with safe_open(path, "pt") as stored:
            told = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _altered() from error
    try:
        config = PocketConfig.from_dict(json.loads(told["config"]))
        known = told["format"] == FORMAT and config.known
    except (KeyError, ValueError, TypeError) as error:
        raise _unknown_version() from error
    if not known:
        raise _unknown_version()
    net = PocketNet(config)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise _altered() from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise _altered()
    return net


@cache
def fastest_dtype() -> torch.dtype:
    """bfloat16 where this processor has instructions for it and they are faster, measured once a process; else float32."""
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_bf16") or able.get("amx_bf16")):
        return torch.float32
    with torch.inference_mode(), _all_cores():
        half, full = _conv_seconds(torch.bfloat16), _conv_seconds(torch.float32)
    return torch.bfloat16 if half < full else torch.float32


def _conv_seconds(dtype: torch.dtype) -> float:
    """The best of a few runs of a convolution that is typical of the network."""
    images = torch.ones(8, 96, 48, 48, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.ones(96, 96, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(4):
        began = perf_counter()
        F.conv2d(images, kernel, padding=1)
        seconds.append(perf_counter() - began)
    return min(seconds)


@contextmanager
def _all_cores() -> Iterator[None]:
    """Lets torch use every core that this process may keep busy, and puts its own number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _packaged() -> Path:
    if WEIGHT not in weights.WEIGHTS:
        raise UnavailableError(
            "weight_missing", "This version of photoplay has no pocket weights.", "Install photoplay's release package."
        )
    return weights.find(WEIGHT)


def _altered() -> UnavailableError:
    return UnavailableError("weight_altered", "The pocket weights file is damaged or not ours.", "Fetch it again.")


def _unknown_version() -> UnavailableError:
    return UnavailableError(
        "pocket_version",
        "The pocket weights were made for another version of photoplay.",
        "Use the weights that come with this version.",
    )


def _previous_planes(known: Known | None, count: int, size: int) -> Array:
    """PREVIOUS_PLANES of a window [4, f, s, s] whose first frames are ``known``."""
    planes = np.zeros((4, count, size, size), np.float32)
    if known is not None:
        planes[:3, : len(known)] = known.transpose(3, 0, 1, 2).astype(np.float32) / 127.5 - 1
        planes[3, : len(known)] = 1
    return planes


def _batch(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None]
