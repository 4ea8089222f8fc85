"""What of a model stands on the device, and what is streamed there when it is needed: decided from sizes alone.

A component that stays in the host's memory is streamed block by block while the block before it computes (diffusers' group
offloading). That changes no number, only time, so it comes first to what is needed seldom: text encoders work once a prompt,
autoencoders twice a clip, denoisers at every step.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from photoplay.errors import UnavailableError

DENOISERS = ("transformer", "transformer_2", "unet", "controlnet", "motion_adapter")
"""Components that work at every step; the second of two experts is the first of them to be streamed."""
SPARE = 0.92
"""The share of free memory that is planned with; the rest goes to kernels, graphs and fragments."""
MODEL_BYTES = 36
"""Working bytes a token and channel of a transformer's forward in bf16: the residual stream and its norm in float32, q, k, v
and the attention's output, rotation in float32, the feed-forward's middle (2.7 channels each)."""
DECODER_CHANNELS = 96
"""Channels at full size of Wan's decoder (its config's ``base_dim``); five such tensors live at once, four frames each."""
TILE = 256
"""Side in pixels of a decoder's tile where it decodes in tiles."""
GIB = 2.0**30


@dataclass(frozen=True)
class ClipSize:
    """The largest clip that will be asked for; unless it is told, 81 frames of 832 x 480."""

    width: int = 832
    height: int = 480
    frames: int = 81


@dataclass(frozen=True)
class Part:
    """A component: bytes of its weights as computed with, those of its largest block, whether it runs at every step."""

    name: str
    size: int
    block: int
    every_step: bool


@dataclass(frozen=True)
class Budget:
    """Free bytes of the device and of the host; the same where the device is the processor itself."""

    device: str
    free: int
    host: int


@dataclass(frozen=True)
class Allowed:
    """What may be given up for memory: denoisers' weights kept in eight bits, decoding in tiles that are blended."""

    eight_bits: bool = False
    tiles: bool = False


@dataclass(frozen=True)
class Placement:
    """``streamed`` components stay in the host's memory; with ``eight_bits`` the denoisers' weights are kept in as many."""

    streamed: frozenset[str] = frozenset()
    eight_bits: bool = False
    tiles: bool = False
    needed: int = 0

    @property
    def resident(self) -> bool:
        """Whether every denoiser stands on the device, so that its blocks can be compiled."""
        return not self.streamed.intersection(DENOISERS)


def place(parts: Sequence[Part], working: Mapping[bool, int], budget: Budget, allowed: Allowed) -> Placement:
    """The fastest placement that fits, one that loses nothing before one that does.

    ``working`` holds the bytes that computing takes, without (False) and with (True) decoding in tiles. Tried in order: all
    on the device; ever more streamed, but no denoiser; then, where it is allowed, the same with weights in eight bits; then
    denoisers streamed as well; and all of it again with tiles, where they are allowed.

    Raises:
        UnavailableError: ``model_too_large`` with how much there is, how much is needed, and what would help.
    """
    order = sorted(parts, key=lambda part: (part.every_step, part.name == "transformer", -part.size))
    if budget.device == "cpu":
        order = []
    quiet = sum(not part.every_step for part in order)
    least = math.inf
    for tiles in (False, True) if allowed.tiles else (False,):
        tries = [(count, False) for count in range(quiet + 1)]
        tries += [(count, True) for count in range(quiet + 1) if allowed.eight_bits and budget.device != "cpu"]
        tries += [(count, False) for count in range(quiet + 1, len(order) + 1)]
        for count, eight_bits in tries:
            streamed = frozenset(part.name for part in order[:count])
            needed = _needed(parts, streamed, eight_bits, working[tiles])
            least = min(least, needed)
            if needed <= budget.free * SPARE and _host(parts, streamed) <= budget.host * SPARE:
                return Placement(streamed, eight_bits, tiles, needed)
    raise _too_large(parts, budget, int(least), allowed)


def _needed(parts: Sequence[Part], streamed: frozenset[str], eight_bits: bool, working: int) -> int:
    """Bytes on the device: what stands there, and the more of denoising and of what else passes through, text encoders say.

    Of what is streamed there are two blocks at a time, the one that computes and the next; of eight bits one is cast up.
    """
    standing = sum(
        part.size // (2 if eight_bits and part.every_step else 1) for part in parts if part.name not in streamed
    )
    upcast = max((part.block for part in parts if eight_bits and part.every_step), default=0)
    passing = {
        every_step: max(
            (2 * part.block for part in parts if part.name in streamed and part.every_step == every_step), default=0
        )
        for every_step in (False, True)
    }
    return standing + max(working + max(upcast, passing[True]), passing[False])


def _host(parts: Sequence[Part], streamed: frozenset[str]) -> int:
    """Bytes in the host's memory: what is streamed, and the largest of it twice while its pages are being pinned."""
    sizes = [part.size for part in parts if part.name in streamed]
    return sum(sizes) + max(sizes, default=0)


def _too_large(parts: Sequence[Part], budget: Budget, least: int, allowed: Allowed) -> UnavailableError:
    total, free, host = sum(part.size for part in parts) / GIB, budget.free / GIB, budget.host / GIB
    if budget.device == "cpu":
        message = f"This model needs about {least / GIB:.1f} GiB of memory at this size, and {free:.1f} GiB are free."
        hint = "Choose a smaller model or size, close other programs, or use a machine with a GPU."
    elif least <= budget.free * SPARE:
        message = (
            f"This model's weights are {total:.1f} GiB: more than {free:.1f} GiB on the GPU and {host:.1f} beside."
        )
        hint = "Choose a smaller model, close other programs, or use a machine with more memory."
    else:
        message = (
            f"This model needs at least {least / GIB:.1f} GiB of GPU memory at this size, and {free:.1f} GiB are free."
        )
        hint = "Choose a smaller model or size, or a GPU with more memory."
        hint += "" if allowed.eight_bits and allowed.tiles else " `--quality fast` needs less."
    return UnavailableError("model_too_large", message, hint)


def denoising_bytes(configs: Mapping[str, Mapping[str, Any]], clip: ClipSize, width: int) -> int:
    """An estimate of the bytes at the height of a denoiser's forward, beside its weights.

    ``configs`` are the components' own, ``width`` the bytes of a number. benchmarks/gpu.py prints the measured
    peak beside it.
    """
    config = configs.get("transformer") or {}
    channels = config.get("num_attention_heads", 8) * config.get("attention_head_dim", 40)
    if unet := configs.get("unet"):  # at its height with its first channels, and with and without the prompt at once
        channels = 2 * unet["block_out_channels"][0]
    hints = len(config.get("vace_layers") or ())
    return int(tokens(configs, clip) * channels * (MODEL_BYTES + 2 * hints) * width // 2)


def tokens(configs: Mapping[str, Mapping[str, Any]], clip: ClipSize) -> int:
    """Tokens of a clip: latent frames x rows x columns, over the transformer's patch."""
    vae, model = configs.get("vae", {}), configs.get("transformer", {})
    across = vae.get("scale_factor_spatial") or vae.get("spatial_compression_ratio") or 8
    along = vae.get("scale_factor_temporal") or vae.get("temporal_compression_ratio") or (4 if model else 1)
    patch = model.get("patch_size", (1, 2, 2))
    patch = patch if isinstance(patch, list | tuple) else (1, patch, patch)
    frames = 1 + (clip.frames - 1) // along
    return int(math.ceil(frames / patch[0]) * (clip.height // across // patch[1]) * (clip.width // across // patch[2]))


def decoding_bytes(clip: ClipSize, width: int, tiles: bool) -> int:
    """Bytes at the height of decoding: five tensors of four frames, and the whole clip twice as float32 pictures."""
    pixels = clip.width * clip.height
    at_once = min(pixels, TILE * TILE) if tiles else pixels
    return 5 * 4 * DECODER_CHANNELS * at_once * width + 2 * 3 * 4 * pixels * clip.frames


def part_of(folder: Path, name: str, width: int) -> Part:
    """A component's sizes from its safetensors headers alone, computed with at ``width`` bytes a number.

    Raises:
        UnavailableError: ``model_broken``.
    """
    numbers: dict[str, int] = {}
    for path in sorted((folder / name).glob("*.safetensors")):
        if not path.name.endswith((".fp16.safetensors", ".bf16.safetensors")):
            numbers |= _numbers(path)
    every_step = name in DENOISERS
    blocks: dict[str, int] = {}
    for key, count in numbers.items():
        block = _block(key) if every_step else key
        blocks[block] = blocks.get(block, 0) + count
    return Part(name, width * sum(numbers.values()), width * max(blocks.values(), default=0), every_step)


def _numbers(path: Path) -> dict[str, int]:
    """How many numbers each tensor of a safetensors file holds: 8 bytes of length, then JSON (the format's own header)."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, 100_000_000)))
        return {key: math.prod(entry["shape"]) for key, entry in header.items() if key != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise UnavailableError(
            "model_broken",
            "A file of this model cannot be read.",
            "Check it with `photoplay models verify`, and pull the model again.",
        ) from error


def _block(key: str) -> str:
    """A tensor's block: its name up to the first number, included."""
    words = key.split(".")
    for at, word in enumerate(words):
        if word.isdigit():
            return ".".join(words[: at + 1])
    return ""


def settle(component: Any, device: str, streamed: bool, every_step: bool) -> None:
    """Brings one component to its place: onto the device, or under the hooks that stream it there.

    Denoisers are streamed by blocks, everything else by single layers, each while the one before computes.
    """
    if not streamed:
        component.to(device)
        return
    import torch
    from diffusers.hooks.group_offloading import apply_group_offloading

    overlap = torch.device(device).type == "cuda"
    apply_group_offloading(
        component,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="block_level" if every_step else "leaf_level",
        num_blocks_per_group=1 if every_step else None,
        non_blocking=overlap,
        use_stream=overlap,
        record_stream=overlap,
    )


@contextmanager
def within(model: str) -> Iterator[None]:
    """Turns what torch raises when the device is full into UnavailableError ``model_too_large``."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UnavailableError(
            "model_too_large",
            f"The GPU's memory ran out with the model “{model}”.",
            "Close other programs that use the GPU, or choose a smaller size or model; `--quality fast` needs less.",
        ) from error


def budget(device: str) -> Budget:
    """What is free now."""
    host = host_memory()
    if device == "cpu":
        return Budget("cpu", host, host)
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    # What this process has freed is the allocator's still, and as good as free.
    kept = torch.cuda.memory_reserved(torch.device(device)) - torch.cuda.memory_allocated(torch.device(device))
    return Budget(device, free + kept, host)


def host_memory(meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may still take, a container's limit included; what is not known does not bound it."""
    free = 2**62
    for line in _text(meminfo).splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            free = int(amount.split()[0]) * 1024
    limit, used = (_text(group / f"memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        # Cached files count as used and are given back when memory is short.
        cached = sum(int(b) for a, b in pairwise(_text(group / "memory.stat").split()) if a == "inactive_file")
        free = min(free, max(0, int(limit) - int(used) + cached))
    return free


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
