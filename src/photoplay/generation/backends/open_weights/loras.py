"""Low-rank adapters (Hu et al. 2021, https://arxiv.org/abs/2106.09685): which a pipeline carries, and with what weight.

The formats that diffusers knows are read: its own and peft's, and for Wan the original's (``diffusion_model.``) and
musubi's (``lora_unet_``); safetensors only.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photoplay.errors import InputError, PhotoplayError, RequestError
from photoplay.types import Lora

EXPERTS = {"high": "transformer", "low": "transformer_2"}
"""The word in the name of a file for one of Wan 2.2's two experts, as in “x_high_noise_v1” or “x_HIGH_fp16”."""
STYLES = "angle|contrast|def|definition|detail|fantasy|fashion|fi|key|light|lighting|poly|quality|res|resolution|tech"
"""Words that make a style of the word before them, as in “low-poly”: such a file is for both experts."""
_EXPERT = re.compile(rf"(?<![^_-])(high|low)(?=[_-]|$)(?![_-](?:{STYLES})(?:[_-]|$))", re.IGNORECASE)


def files(lora: Lora) -> tuple[Path, ...]:
    """The files of a LoRA: the one that it names, or all of its folder in the store.

    Raises:
        InputError: ``lora_missing``, ``lora_format``, ``model_unsafe``, ``model_broken``.
        UnavailableError: as ``weights.store.folder``.
    """
    from photoplay.weights import screening, store

    path = Path(lora.file)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise InputError(
                "lora_missing",
                f"There is no LoRA file “{path.name}”.",
                "Check its name and folder; a LoRA of the model store is given by its name without an ending.",
            )
        screening.check_content(path, path.name)
        return (path,)
    if path.is_file() or len(path.parts) != 1:
        raise InputError(
            "lora_format",
            f"“{path.name}” is no safetensors file.",
            "LoRAs are read from .safetensors files only: other formats can hold programs.",
        )
    folder = store.folder(lora.file)
    shown = (path for path in folder.rglob("*.safetensors") if not _hidden(path.relative_to(folder)))
    found = tuple(sorted(shown))
    if not found:
        raise InputError("lora_missing", f"“{lora.file}” holds no LoRA.", "Choose the name of a LoRA of the store.")
    return found


def _hidden(path: Path) -> bool:
    """Whether a file of the store is beside a model and not of it: no manifest covers hidden files."""
    return any(part.startswith(".") for part in path.parts)


def experts(path: Path) -> list[str]:
    """The parts of a pipeline with two experts that a file's name says it is for; both where it says nothing."""
    marks = {mark.lower() for mark in _EXPERT.findall(path.stem)}
    return [part for mark, part in EXPERTS.items() if mark in marks] or list(EXPERTS.values())


def digests(loras: Iterable[Lora]) -> tuple[str, ...]:
    """Hex SHA-256 of every file of the LoRAs that count, in order."""
    return tuple(_digest(path) for lora in loras if lora.weight for path in files(lora))


def apply(pipe: Any, loras: tuple[Lora, ...]) -> None:
    """Makes a pipeline carry these LoRAs and no others; those that it carries already are not read again.

    A weight of 0 is no LoRA; the weights of a file that is named twice add up. Without LoRAs the pipeline is what it was
    before it had any, to the bit.

    Raises:
        RequestError: ``setting_unsupported``: the pipeline takes none.   InputError: ``lora_mismatch``: a file that was not
            made for this model; the pipeline then carries none. And as :func:`files`.
    """
    wanted: dict[str, tuple[Path, float]] = {}
    for lora in loras:
        for path in files(lora) if lora.weight else ():
            name = f"lora-{_digest(path)[:16]}"
            wanted[name] = (path, wanted.get(name, (path, 0.0))[1] + lora.weight)
    if not hasattr(pipe, "load_lora_weights"):
        if wanted:
            raise RequestError("setting_unsupported", "This model takes no LoRA.", "Leave the LoRAs out.")
        return
    if not wanted or {*_carried(pipe)} != {*wanted}:
        _unload(pipe)
        try:
            for name, (path, _) in wanted.items():
                _load(pipe, name, path)
        except PhotoplayError:
            _unload(pipe)
            raise
    for model in _models(pipe):
        names = [name for name in wanted if name in model.peft_config]
        _set(model, names, [wanted[name][1] for name in names])


def _digest(path: Path) -> str:
    about = path.stat()
    return _hashed(path, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


@functools.lru_cache(maxsize=64)
def _hashed(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _models(pipe: Any) -> list[Any]:
    """The parts of a pipeline that carry LoRAs now."""
    parts = (getattr(pipe, part, None) for part in pipe._lora_loadable_modules)
    return [part for part in parts if getattr(part, "peft_config", None)]


def _carried(pipe: Any) -> list[str]:
    return [name for model in _models(pipe) for name in model.peft_config]


def _unload(pipe: Any) -> None:
    if _carried(pipe):
        pipe.unload_lora_weights()


def _set(model: Any, names: list[str], weights: list[float]) -> None:
    from diffusers.loaders.lora_base import set_adapters_for_text_encoder
    from transformers import PreTrainedModel

    if isinstance(model, PreTrainedModel):
        set_adapters_for_text_encoder(names, model, weights)
    else:
        model.set_adapters(names, weights)


def _load(pipe: Any, name: str, path: Path) -> None:
    """Loads one file into the model that it was made for: of two experts, both unless it is named for one."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    for part in experts(path) if getattr(pipe, "transformer_2", None) is not None else ["transformer"]:
        more = {"load_into_transformer_2": True} if part == "transformer_2" else {}
        before = _layers(pipe, name)
        try:
            with _quiet():
                pipe.load_lora_weights(dict(tensors), adapter_name=name, **more)
        except (ValueError, KeyError, IndexError, AttributeError, RuntimeError, TypeError) as error:
            raise _mismatch(path) from error
        if _layers(pipe, name) - before < _count(tensors):
            raise _mismatch(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what diffusers and peft say while they load: that a part is left alone, that there are two LoRAs.

    What does not fit is found by counting layers.
    """
    loggers = [logging.getLogger(f"diffusers.{name}") for name in ("loaders", "utils.peft_utils")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _layers(pipe: Any, name: str) -> int:
    """How many layers carry this LoRA."""
    modules = (module for model in _models(pipe) for module in model.modules())
    return sum(name in getattr(module, "lora_A", {}) for module in modules)


def _count(tensors: dict[str, Any]) -> int:
    """For how many layers a file has weights: each has one of these, whatever the format."""
    ends = (".lora_A.weight", ".lora_down.weight", ".lora.down.weight", "_lora.down.weight", ".lora_A.default.weight")
    return max(1, sum(key.endswith(ends) for key in tensors))


def _mismatch(path: Path) -> InputError:
    return InputError(
        "lora_mismatch",
        f"The LoRA “{path.name}” was not made for this model: its layers are not the model's.",
        "Choose a LoRA for this very model and size, or the model that it was made for.",
    )
