"""What ``--quality exact|fast|preview`` turns on: one table, :data:`ENTRIES`, that docs/speed.md shows.

An entry is of one of three grades. ``same bits``: frames are bit for bit those of stock diffusers. ``rounding``: the same
sums at the same precision, added up in another order by a faster kernel; nothing is left out or approximated. ``lossy``:
fewer bits or skipped work. ``exact`` has no lossy entry, and on a processor none of rounding either.
"""

from __future__ import annotations

import logging
import shutil
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from photoplay.generation.backends.open_weights import parallel
from photoplay.generation.backends.open_weights.guidance_pair import pair_guidance
from photoplay.generation.backends.open_weights.lean_vae import channels_last, fuse_norms, lean
from photoplay.generation.backends.open_weights.memory import DENOISERS, Placement
from photoplay.generation.backends.open_weights.prompt_cache import PromptCache, remember_prompts

Grade: TypeAlias = Literal["same bits", "rounding", "lossy"]
STEP_CACHE_THRESHOLD = 0.08
"""How much the first block's residual may change, relative to its size, for the other blocks' to be taken from the step
before (first-block cache, https://github.com/chengzeyi/ParaAttention)."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A line of the table: the field of :class:`Speed` it is about, its grade, where it applies, and what it does."""

    name: str
    grade: Grade
    where: str
    what: str


@dataclass(frozen=True)
class Speed:
    """What may be turned on. What does not apply where the film is made is left out: see :attr:`Entry.where`."""

    prompt_cache: bool = True
    lean_vae: bool = True
    streaming: bool = True
    attention: bool = True
    compiled: bool = True
    channels_last: bool = True
    guidance_pair: bool = False
    half_vae: bool = False
    tiled_vae: bool = False
    eight_bit_weights: bool = False
    step_cache: bool = False


ENTRIES = (
    Entry("prompt_cache", "same bits", "everywhere", "a prompt is encoded once for all clips and films of a process"),
    Entry(
        "lean_vae",
        "same bits",
        "Wan's autoencoder",
        "fewer copies while it decodes: pixels doubled as they are, one join",
    ),
    Entry(
        "streaming",
        "same bits",
        "GPU, when memory is short",
        "components wait in the host's memory, sent block by block",
    ),
    Entry("attention", "rounding", "GPU from Hopper on", "cuDNN's or FlashAttention 3's kernel for self-attention"),
    Entry(
        "compiled",
        "rounding",
        "GPU, weights resident",
        "the blocks that a transformer repeats, and the autoencoder's norms",
    ),
    Entry(
        "channels_last",
        "rounding",
        "GPU",
        "the autoencoder's convolutions in tensor cores' own layout, padding by themselves",
    ),
    Entry("guidance_pair", "rounding", "GPU, Wan, up to 8,192 tokens", "both forwards of guidance as a batch of two"),
    Entry("half_vae", "lossy", "GPU", "the autoencoder in bfloat16 where its authors run it in float32"),
    Entry("tiled_vae", "lossy", "when memory is short", "decoding in overlapping tiles that are blended"),
    Entry(
        "eight_bit_weights",
        "lossy",
        "GPU, when memory is short",
        "denoisers' weights kept in int8 (AnimateDiff: float8), computed with in bfloat16",
    ),
    Entry(
        "step_cache",
        "lossy",
        "Wan without VACE or Animate",
        "blocks skipped while the first block's output stands still",
    ),
)
SPEED: Mapping[str, Speed] = MappingProxyType(
    {
        "exact": Speed(),
        "fast": Speed(guidance_pair=True, half_vae=True, tiled_vae=True, eight_bit_weights=True),
        "preview": Speed(
            compiled=False,
            guidance_pair=True,
            half_vae=True,
            tiled_vae=True,
            eight_bit_weights=True,
            step_cache=True,
        ),
    }
)
"""``preview`` does not compile: its few steps are over before compiling pays."""


def turned_on(speed: Speed) -> tuple[str, ...]:
    """Names of the entries that a setting turns on, in the table's order."""
    return tuple(field.name for field in fields(speed) if getattr(speed, field.name))


def compute_dtype(device: str) -> Any:
    """The precision that models compute in on a device: bfloat16 where its product of two matrices is right, else float32.

    On the processor it is float32, so that frames are the same on every one.
    """
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float32
    ones = torch.ones(64, 64, dtype=torch.bfloat16, device=device)
    try:
        right = bool(((ones @ ones) == 64).all())
    except RuntimeError:
        right = False
    return torch.bfloat16 if right else torch.float32


def shape_up(vae: Any, speed: Speed, placement: Placement, device: str) -> tuple[str, ...]:
    """Turns on what concerns an autoencoder, before it is brought to its place: hooks that stream it wrap what they find."""
    gpu, done = device.startswith("cuda"), []
    if speed.lean_vae and lean(vae):
        done.append("lean_vae")
    if placement.tiles and hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
        done.append("tiled_vae")
    if gpu and speed.channels_last:
        channels_last(vae)
        done.append("channels_last")
    if gpu and speed.compiled and can_compile() and fuse_norms(vae):
        done.append("compiled")
    return ordered(done)


def speed_up(pipe: Any, speed: Speed, placement: Placement, device: str) -> tuple[str, ...]:
    """Turns on what applies here, on a pipeline whose components are in their places; returns what it was."""
    gpu = device.startswith("cuda")
    models = [model for name in DENOISERS if (model := getattr(pipe, name, None)) is not None]
    done = [name for name, on in (("streaming", placement.streamed), ("eight_bit_weights", placement.eight_bits)) if on]
    prompts = remember_prompts(pipe) if speed.prompt_cache else None
    if prompts is not None:
        done.append("prompt_cache")
    if gpu and speed.half_vae and getattr(pipe, "vae", None) is not None and pipe.vae.dtype.itemsize == 2:
        done.append("half_vae")
    if gpu and speed.attention and _any(models, partial(use_attention, kernel=attention_kernel(device))):
        done.append("attention")
    if speed.step_cache and _any(models, cache_steps):
        done.append("step_cache")
    if gpu and speed.compiled and placement.resident and can_compile() and _any(models, compiled):
        done.append("compiled")
    if gpu and speed.guidance_pair and isinstance(prompts, PromptCache) and _paired(models, prompts):
        done.append("guidance_pair")
    return ordered(done)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Names of entries, each once, in the table's order."""
    return tuple(entry.name for entry in ENTRIES if entry.name in set(names))


def attention_kernel(device: str) -> str | None:
    """The fastest kernel of ordinary attention that works on this GPU, by diffusers' name; None: what torch chooses.

    FlashAttention 2, which torch chooses, does not use Hopper's own instructions; cuDNN's kernel and FlashAttention 3 do. A
    kernel counts only if a small attention comes out as in float32. Kernels that would be fetched over the net do not.
    """
    import torch

    if torch.cuda.get_device_capability(torch.device(device)) < (9, 0):
        return None
    # Shared among GPUs, attention hands its sums on, which FlashAttention 3 does not give.
    names = ["_flash_3"] if find_spec("flash_attn_interface") is not None and parallel.world() == 1 else []
    return next((name for name in [*names, "_native_cudnn"] if _attends(name, device)), None)


def _attends(name: str, device: str) -> bool:
    import torch
    from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

    seed = torch.Generator().manual_seed(0)
    # Drawn on the host: the GPU's own generator stays as it was.
    query, key, value = torch.randn(3, 1, 256, 4, 128, generator=seed).to(device).bfloat16().unbind()
    try:
        found = dispatch_attention_fn(query, key, value, backend=AttentionBackendName(name)).float()
    except (RuntimeError, ValueError, ImportError) as error:
        logger.info("attention kernel %s does not run here: %s", name, error)
        return False
    query, key, value = (one.float().transpose(1, 2) for one in (query, key, value))
    true = torch.nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    return bool((found - true).abs().max() < 0.02 * true.abs().max())


def use_attention(model: Any, kernel: str | None) -> bool:
    """Has a model's self-attention computed by a kernel; attention to words, which may be masked, stays as it is.

    diffusers' own setter would change the whole process's default with it.
    """
    if kernel is None:
        return False
    from diffusers.models.attention_dispatch import AttentionBackendName

    found = False
    for name, module in model.named_modules():
        processor: Any = getattr(module, "processor", None)
        if name.split(".")[-1] == "attn1" and hasattr(processor, "_attention_backend"):
            processor._attention_backend = AttentionBackendName(kernel)
            found = True
    return found


def cache_steps(model: Any, threshold: float = STEP_CACHE_THRESHOLD) -> bool:
    """Turns on diffusers' first-block cache, for Wan's plain transformer alone.

    VACE and Animate add hints between the blocks. The cache's residual spans all blocks and so holds the hints already,
    which would be added a second time where blocks are skipped.
    """
    if type(model).__name__ != "WanTransformer3DModel":
        return False
    model.enable_cache(import_module("diffusers").FirstBlockCacheConfig(threshold=threshold))
    return True


def can_compile() -> bool:
    """Whether torch.compile has what it needs for a GPU: Triton, and for its launchers a C compiler and Python's headers."""
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    return find_spec("triton") is not None and compiler and headers.is_file()


def compiled(model: Any) -> bool:
    """Has the blocks that a transformer repeats compiled at their first call; they share one compilation.

    Weights that diffusers casts up layer by layer change under the compiled code, which would be compiled again and again.
    """
    hooks = (getattr(module, "_diffusers_hook", None) for module in model.modules())
    cast = any(hook is not None and hook.get_hook("layerwise_casting") is not None for hook in hooks)
    if cast or not getattr(model, "_repeated_blocks", None):
        return False
    model.compile_repeated_blocks()
    return True


def _any(models: list[Any], turn_on: Callable[[Any], bool]) -> bool:
    """Turns something on in every model that it is for; False if it was for none."""
    return sum(turn_on(model) for model in models) > 0


def _paired(models: list[Any], prompts: PromptCache) -> bool:
    pairs = [pair for model in models if (pair := pair_guidance(model)) is not None]
    prompts.listeners.extend(pair.told for pair in pairs)
    return bool(pairs)
