"""Frames larger than the model made them: a super-resolution network from the store where one is asked for, else Lanczos.

A network runs in tiles that overlap. Of each tile the outer ``MARGIN`` pixels, which feel its border, are thrown away, and
over ``FEATHER`` pixels it fades into its neighbour; a network that sees no farther than the margin shows no tile at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from photoplay.errors import InputError, UnavailableError
from photoplay.types import Array, Box, Rgb
from photoplay.weights import store

LANCZOS = "lanczos"
NONE = "none"
MARGIN, FEATHER = 32, 32
"""Pixels of a tile's border that are thrown away, and over which it fades into the next, before enlarging."""
TILE = {"cuda": 512, "cpu": 256}
"""Sides of a tile in pixels."""

Enlarge: TypeAlias = Callable[[Rgb], Rgb]


@dataclass(frozen=True)
class Fit:
    """What part of a made frame (``box`` in its pixels) the film shows, and the film's ``width`` x ``height``."""

    box: Box
    width: int
    height: int

    @property
    def enlarges(self) -> bool:
        """Whether the film is larger than what was made, along either side."""
        return self.width > self.box[2] - self.box[0] + 0.5 or self.height > self.box[3] - self.box[1] + 0.5

    def resize(self, picture: UInt8[Array, "ph pw 3"], scale: int = 1) -> UInt8[Array, "fh fw 3"]:
        """The film's part of a picture that is ``scale`` times as large as what was made, at the film's size (Lanczos)."""
        height, width = picture.shape[:2]
        box = (self.box[0] * scale, self.box[1] * scale, self.box[2] * scale, self.box[3] * scale)
        if (width, height) == (self.width, self.height) and box == (0, 0, width, height):
            return picture
        size, lanczos = (self.width, self.height), Image.Resampling.LANCZOS
        return np.array(Image.fromarray(picture).resize(size, lanczos, box=box))


def upscaler_name(choice: str, fit: Fit) -> str:
    """What :func:`upscaler` enlarges with, for the recipe: the model's name, ``lanczos``, or ``none`` where the film is no
    larger than what was made."""
    return (choice or LANCZOS) if fit.enlarges else NONE


def upscaler(choice: str, fit: Fit) -> Enlarge:
    """A function that brings made frames to the film's size; ``choice`` is a model of the store, empty for Lanczos.

    Raises:
        UnavailableError: ``model_missing``, ``model_altered``, ``upscaler_package`` (spandrel cannot be imported).
        InputError: ``upscaler_unsuited`` (not a network that enlarges RGB pictures).
    """
    if upscaler_name(choice, fit) in (LANCZOS, NONE):
        return fit.resize
    network = load(choice)
    return lambda picture: fit.resize(network.enlarge(picture), network.scale)


def load(name: str) -> Network:
    """Loads an upscaler of the store through spandrel, which tells the architecture from the weights. Raises as above."""
    file = _only_file(store.folder(name), name)
    try:
        spandrel: Any = import_module("spandrel")
    except (ImportError, RuntimeError) as error:  # a torchvision that was built for another PyTorch raises the latter
        raise UnavailableError(
            "upscaler_package",
            f"The upscaler “{name}” needs spandrel and torchvision, and they cannot be loaded here.",
            "Install photoplay[gpu] with the torchvision that belongs to your PyTorch, or leave the upscaler away "
            "to enlarge with Lanczos.",
        ) from error
    try:
        model = spandrel.ModelLoader(device="cpu").load_from_file(file)
    except spandrel.UnsupportedModelError as error:
        raise _unsuited(name, "its architecture is not known") from error
    if not isinstance(model, spandrel.ImageModelDescriptor) or model.purpose != "SR" or model.scale < 2:
        raise _unsuited(name, "it does not enlarge pictures")
    if (model.input_channels, model.output_channels) != (3, 3) or model.tiling is spandrel.ModelTiling.INTERNAL:
        raise _unsuited(name, "it does not take RGB pictures in tiles")
    return Network(model, model.scale, bool(model.supports_bfloat16))


class Network:
    """A network [1, 3, h, w] -> [1, 3, h * scale, w * scale], both 0..1, on the device that there is.

    bfloat16 only where the network stands it and the GPU computes in it; float32 elsewhere.
    """

    def __init__(self, run: Any, scale: int, bfloat16: bool = False) -> None:
        import torch

        self.scale = scale
        self._run = run
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        fast = bfloat16 and self._device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        self._dtype = torch.bfloat16 if fast else torch.float32
        module = getattr(run, "model", run)
        module.eval().requires_grad_(False).to(self._device, self._dtype, memory_format=torch.channels_last)

    def enlarge(self, picture: UInt8[Array, "ph pw 3"]) -> UInt8[Array, "bh bw 3"]:
        """The picture ``scale`` times as large, in tiles."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(picture).to(self._device).permute(2, 0, 1)[None]
            pixels = pixels.to(self._dtype).div_(255).contiguous(memory_format=torch.channels_last)
            made = tiled(self._run, pixels, self.scale, TILE[self._device])
            levels = made.clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        return np.ascontiguousarray(levels[0].permute(1, 2, 0).cpu().numpy())


def tiled(run: Any, pixels: Any, scale: int, tile: int, margin: int = MARGIN, feather: int = FEATHER) -> Any:
    """``run`` on a picture [1, c, h, w] tile by tile, as float32 [1, c, h * scale, w * scale].

    ``tile`` is the side of a tile; neighbours share at least ``2 * margin + feather`` pixels.
    """
    import torch

    if tile <= 2 * margin + feather:
        raise ValueError("a tile is no larger than what it shares with its neighbours")
    height, width = pixels.shape[2:]
    made = torch.zeros((1, pixels.shape[1], height * scale, width * scale), device=pixels.device)
    for y, down in _tiles(height, tile, 2 * margin + feather, feather, scale):
        for x, across in _tiles(width, tile, 2 * margin + feather, feather, scale):
            part = run(pixels[:, :, y : y + tile, x : x + tile]).float()
            weight = torch.from_numpy(np.outer(down, across)).to(part.device)
            into = made[:, :, y * scale : y * scale + len(down), x * scale : x * scale + len(across)]
            into += part * weight
    return made


def _tiles(length: int, tile: int, shared: int, feather: int, scale: int) -> list[tuple[int, Array]]:
    """Where tiles begin along a side, and each one's weights (float32, over the enlarged tile), which add up to 1."""
    if length <= tile:
        return [(0, np.ones(length * scale, np.float32))]
    count = 1 + -(-(length - tile) // (tile - shared))
    starts = [round(k * (length - tile) / (count - 1)) for k in range(count)]
    at = np.arange(length * scale)
    # Between two tiles the second one rises about the middle of what they share.
    middles = [(start + before + tile) / 2 * scale for before, start in pairwise(starts)]
    rises = [np.clip((at + 0.5 - middle) / (feather * scale) + 0.5, 0, 1) for middle in middles]
    bounds = [np.ones(len(at)), *rises, np.zeros(len(at))]
    weights = [(bounds[k] - bounds[k + 1]).astype(np.float32) for k in range(count)]
    return [(start, weights[k][start * scale : (start + tile) * scale]) for k, start in enumerate(starts)]


def _only_file(folder: Path, name: str) -> Path:
    files = sorted(folder.rglob("*.safetensors"))
    if len(files) != 1:
        raise _unsuited(name, f"it has {len(files)} files of weights, not one")
    return files[0]


def _unsuited(name: str, why: str) -> InputError:
    return InputError(
        "upscaler_unsuited",
        f"“{name}” cannot be used as an upscaler: {why}.",
        "Choose a Real-ESRGAN- or SPAN-class model of the store, or leave the upscaler away to enlarge with Lanczos.",
    )
