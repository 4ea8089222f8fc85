"""Runs the pocket network itself with PyTorch: for training, for weights without exported graphs, and as the definition
that the graphs must agree with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from photoplay.device import usable_cores
from photoplay.generation.backends.pocket.network import Given, PocketNet, Tokens
from photoplay.generation.backends.pocket.weights_file import EXTRA, altered, metadata, read_config
from photoplay.types import Array


class TorchRunner:
    """A :class:`photoplay.generation.backends.pocket.model.Runner` of a network with its weights in ``dtype``."""

    def __init__(self, net: PocketNet, dtype: torch.dtype | None = None) -> None:
        """``dtype`` None is :func:`fastest_dtype`. The network is changed: it moves to ``dtype`` and can learn no more."""
        self.net = net.to(dtype or fastest_dtype()).eval().requires_grad_(False)

    def read(
        self,
        cond: Float32[Array, "1 c f s s"],
        previous: Float32[Array, "1 p f s s"],
        reference: Float32[Array, "1 r s s"],
    ) -> tuple[Given, Tokens]:
        """What stays the same over the denoising steps of a window."""
        with torch.inference_mode(), _all_cores():
            return self.net.prepare(_tensor(cond), _tensor(previous)), self.net.encode(_tensor(reference))

    def denoise(
        self, latents: Float32[Array, "1 3 f s s"], sigma: float, told: tuple[Given, Tokens]
    ) -> Float32[Array, "1 3 f s s"]:
        """The clean latents that ``latents`` most likely come from; ``told`` is what :meth:`read` returned."""
        with torch.inference_mode(), _all_cores():
            made: Array = self.net.denoise(_tensor(latents), torch.tensor([sigma]), *told).numpy()
        return made


def save(path: Path, net: PocketNet, half: bool = True) -> None:
    """Writes a network and its config; ``half``: as fp16, which is what is shipped."""
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, path, metadata(net.config))
    path.chmod(0o644)


def read_net(path: Path) -> PocketNet:
    """The network of a weights file, in float32 and ready to be trained on. Raises as :func:`weights_file.read_config`."""
    net = PocketNet(read_config(path))
    try:
        with safe_open(path, "pt") as stored:
            names = [name for name in stored.keys() if not name.startswith(EXTRA)]  # noqa: SIM118
            tensors = {name: stored.get_tensor(name).float() for name in names}
        net.load_state_dict(tensors)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise altered() from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise altered()
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


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
