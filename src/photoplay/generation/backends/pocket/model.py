"""The pocket model, ready to make frames: crops and noise in, frames out, whatever computes the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from photoplay import weights
from photoplay.errors import UnavailableError
from photoplay.generation.backends.pocket import conditioning
from photoplay.generation.backends.pocket.conditioning import CropWindow, Known
from photoplay.generation.backends.pocket.config import STRIDE, PocketConfig
from photoplay.generation.backends.pocket.sampler import frame_noise, sample_flow, sigma_schedule
from photoplay.generation.backends.pocket.weights_file import GRAPHS, graph_paths, read_config
from photoplay.types import Array, RgbStack

WEIGHT = "pocket"
"""The packaged network in :data:`photoplay.weights.WEIGHTS`; its graphs are ``pocket_read`` and ``pocket_denoise``."""
FADE = 12
"""Frames over which a window turns from going on where the last one ended to what it says itself."""
LENGTH = 24
"""Shorter windows are filled up to so many frames with their last one: graphs are compiled for one length only."""


@runtime_checkable
class Runner(Protocol):
    """What computes the network: OpenVINO's graphs or PyTorch."""

    def read(
        self,
        cond: Float32[Array, "1 c f s s"],
        previous: Float32[Array, "1 p f s s"],
        reference: Float32[Array, "1 r s s"],
    ) -> Any:
        """What stays the same over the denoising steps of a window."""
        ...

    def denoise(self, latents: Float32[Array, "1 3 f s s"], sigma: float, told: Any) -> Float32[Array, "1 3 f s s"]:
        """The clean latents that ``latents`` most likely come from; ``told`` is what :meth:`read` returned."""
        ...


@dataclass(frozen=True)
class PocketModel:
    """A network that is ready to make frames. ``guide`` and ``reference`` False (ablations) hide the face's geometry or the
    photo's own crop from it; ``previous`` True shows it the frames that are already made. That is not the default: the
    packaged weights learnt from windows of eight frames, and told of eight known ones in 24 they jump where a window
    begins (0.10 grey levels a frame over the seam against 0.03; docs/experiments.md)."""

    runner: Runner
    config: PocketConfig
    guide: bool = True
    reference: bool = True
    previous: bool = False

    @classmethod
    def load(cls, path: Path | None = None) -> PocketModel:
        """Reads a weights file, by default the packaged one, whose digest is checked, graphs included.

        A file with its graphs beside it is run by OpenVINO, any other by PyTorch.

        Raises:
            UnavailableError: ``weight_missing``, ``weight_altered``, ``pocket_version``, or ``torch_missing`` where a file
                has no graphs and PyTorch is not installed.
        """
        path = packaged() if path is None else path
        config = read_config(path)
        if all(graph.is_file() for graph in graph_paths(path).values()):
            from photoplay.generation.backends.pocket.openvino_runner import OpenVinoRunner

            return cls(OpenVinoRunner(path), config)
        try:
            from photoplay.generation.backends.pocket.torch_runner import TorchRunner, read_net
        except ImportError as missing:
            raise UnavailableError(
                "torch_missing",
                "These pocket weights come without graphs, and PyTorch, which could run them, does not load here.",
                "Export them with `python -m photoplay.training export`, or install photoplay[train].",
            ) from missing
        return cls(TorchRunner(read_net(path)), config)

    def without(self, guide: bool = False, reference: bool = False) -> PocketModel:
        """The same network, not told the geometry (``guide``) or not shown the photo's crop (``reference``)."""
        return replace(self, guide=self.guide and not guide, reference=self.reference and not reference)

    def warm(self, size: int) -> None:
        """Has the runner make ready what crops of this side take, which is done once for every shape."""
        planes = (self.config.cond_planes, self.config.previous_planes)
        cond, previous = (np.zeros((1, len(names), LENGTH, size, size), np.float32) for names in planes)
        reference = np.zeros((1, len(self.config.reference_planes), size, size), np.float32)
        self.runner.denoise(previous[:, :3], 1.0, self.runner.read(cond, previous, reference))

    def generate(
        self, window: CropWindow, known: Known | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        """The crop's frames [f, s, s, 3]: ``known`` [k, s, s, 3], already made, first and unchanged, then new ones.

        ``start`` is the film's index of the window's first frame: overlapping windows of one film draw the same noise.
        Same arguments, same frames.
        """
        asked, window = window.num_frames, _filled(window)
        config, count, size = self.config, window.num_frames, window.size
        if size % STRIDE:
            raise ValueError(f"a crop's side must be divisible by {STRIDE}")
        planes = conditioning.cond_planes(window).transpose(1, 0, 2, 3)
        if not self.guide:
            planes[conditioning.GUIDE_FROM :] = 0
        photo = conditioning.reference_planes(window)
        if not self.reference:
            photo = np.zeros_like(photo)
        read = self.runner.read(
            _batch(planes), _batch(_previous_planes(known if self.previous else None, count, size)), _batch(photo)
        )
        noise = frame_noise(seed, start, count, size, config.noise_correlation).transpose(1, 0, 2, 3)

        truth = None if known is None else conditioning.to_latents(known, window.anchor[: len(known)]).swapaxes(0, 1)

        def denoise(latents: Array, sigma: float) -> Array:
            clean = self.runner.denoise(_batch(latents[0]), sigma, read)
            if truth is not None:
                _go_on_from(clean[0], truth)
            return clean

        made = sample_flow(denoise, _batch(noise), sigma_schedule(num_inference_steps))[0]
        frames = conditioning.to_frames(np.ascontiguousarray(made.transpose(1, 0, 2, 3)), window.anchor)[:asked]
        return frames if known is None else np.concatenate([known, frames[len(known) :]])


def _go_on_from(clean: Float32[Array, "3 f s s"], truth: Float32[Array, "3 k s s"]) -> None:
    """Puts the known frames' latents in their place: they take their own path through the noise, as in training.

    What the network would have made of the last of them differs a little, and so would everything after it: that
    difference is carried over and fades out, so that nothing jumps where a window begins.
    """
    known, frames = truth.shape[1], clean.shape[1]
    offset = truth[:, -1] - clean[:, known - 1]
    clean[:, :known] = truth
    for frame in range(known, min(known + FADE, frames)):
        clean[:, frame] += offset * np.float32(1 - (frame - known + 1) / (FADE + 1))


@cache
def packaged_model() -> PocketModel:
    """:meth:`PocketModel.load` of the packaged weights, once a process: its graphs stay compiled from film to film."""
    return PocketModel.load()


def _filled(window: CropWindow) -> CropWindow:
    """The window with its last frame repeated up to ``LENGTH`` frames."""
    missing = LENGTH - window.num_frames
    if missing <= 0:
        return window

    return window.each(lambda rows: np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]))


def packaged() -> Path:
    """The packaged weights file, checked with its graphs. Raises as :meth:`PocketModel.load`."""
    if WEIGHT not in weights.WEIGHTS:
        raise UnavailableError(
            "weight_missing", "This version of photoplay has no pocket weights.", "Install photoplay's release package."
        )
    for graph in GRAPHS:
        weights.find(f"{WEIGHT}_{graph}")
    return weights.find(WEIGHT)


def _previous_planes(known: Known | None, count: int, size: int) -> Float32[Array, "4 n s s"]:
    """PREVIOUS_PLANES of a window whose first frames are ``known``."""
    planes = np.zeros((4, count, size, size), np.float32)
    if known is not None:
        planes[:3, : len(known)] = known.transpose(3, 0, 1, 2).astype(np.float32) / 127.5 - 1
        planes[3, : len(known)] = 1
    return planes


def _batch(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)[None]
