"""Unfinished work on disk, so that a film that was killed goes on where it was, with the same result to the bit.

Two things are kept in the film's folder, each in one safetensors file that is written whole or not at all: the frames of
every finished clip, and of the clip in the making where its denoising stands. Each names the *identity* of the call that
made it; another call ignores it and writes over it.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photoplay.errors import UnavailableError
from photoplay.types import Audio, RgbStack

FEW_STEPS = 8
"""Up to so many steps each one is kept: they are few and dear."""
STEPS_BETWEEN = 5
"""Otherwise every fifth."""


@dataclass(frozen=True)
class Mark:
    """Where a denoising loop stands after its step ``step`` (the first is 0).

    ``outputs`` are what each scheduler returned, ``states`` what each of them remembers, in the order in which the pipeline
    asks them; ``random`` is the state of the generator.
    """

    step: int
    outputs: tuple[Any, ...]
    states: tuple[dict[str, Any], ...]
    random: Any


@dataclass(frozen=True)
class Keep:
    """What is kept of one clip: ``folder`` of the film, the clip's first frame, and the identity of its call."""

    folder: Path
    start: int
    identity: str

    @property
    def _steps(self) -> Path:
        return self.folder / f"clip-{self.start:06d}.steps.safetensors"

    @property
    def _frames(self) -> Path:
        return self.folder / f"clip-{self.start:06d}.frames.safetensors"

    def marks(self) -> tuple[Mark, ...]:
        """Where the loops of this very call stood when they were kept last, one each; empty if nothing is kept of it."""
        found = _read(self._steps, self.identity)
        if found is None:
            return ()
        told, tensors = found
        return tuple(Mark(**{name: _decoded(value, tensors) for name, value in mark.items()}) for mark in told)

    def write_marks(self, marks: Iterable[Mark]) -> None:
        """Keeps where the loops stand.

        Raises:
            TypeError: a scheduler remembers something that cannot be written.
            UnavailableError: ``resume_unwritable``.
        """
        tensors: dict[str, Any] = {}
        told = [{name: _encoded(value, tensors) for name, value in vars(mark).items()} for mark in marks]
        _write(self._steps, self.identity, told, tensors)

    def made(self) -> tuple[RgbStack, Audio | None] | None:
        """The finished clip, or None if this very call has not finished."""
        found = _read(self._frames, self.identity)
        if found is None:
            return None
        told, tensors = found
        sound = tensors.get("audio")
        audio = None if sound is None else Audio(sound.numpy(), told["rate"], told["sha256"])
        return tensors["rgb"].numpy(), audio

    def write_made(self, rgb: RgbStack, audio: Audio | None) -> None:
        """Keeps the finished clip in place of its steps.

        Raises:
            UnavailableError: ``resume_unwritable``.
        """
        import torch

        tensors, told = {"rgb": torch.from_numpy(np.ascontiguousarray(rgb))}, {}
        if audio is not None:
            tensors["audio"] = torch.from_numpy(np.ascontiguousarray(audio.samples))
            told = {"rate": audio.rate, "sha256": audio.sha256}
        _write(self._frames, self.identity, told, tensors)
        self._steps.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Forgets what was kept in a film's folder: for the film's owner, when it is finished."""
    for kept in (*folder.glob("clip-*.safetensors"), *folder.glob("clip-*.part")):
        kept.unlink(missing_ok=True)


def due(step: int, steps: int) -> bool:
    """Whether to keep where the loop stands after ``step`` (from 0) of ``steps``.

    The first is never kept: to go on after it costs as much as to make it again.
    """
    if step == 0:
        return False
    return steps <= FEW_STEPS or step == steps - 1 or (step + 1) % STEPS_BETWEEN == 0


def state_of(scheduler: Any) -> dict[str, Any]:
    """Everything that a scheduler remembers beside its configuration: step index, history, schedule."""
    held = {name: value for name, value in vars(scheduler).items() if name != "_internal_dict" and not callable(value)}
    return {name: copy.copy(value) if isinstance(value, list | dict) else value for name, value in held.items()}


def restore(scheduler: Any, state: dict[str, Any], device: Any) -> None:
    """Gives a scheduler back what it remembered; tensors go where they were, or to ``device``."""
    for name, value in state.items():
        present = vars(scheduler).get(name)
        setattr(scheduler, name, _moved(value, getattr(present, "device", device)))


def identity(*deciding: Any) -> str:
    """A digest of everything that decides a result: settings, arrays, tensors, pictures, and what is made of them.

    Raises:
        TypeError: something among it cannot be told from another of its kind.
    """
    digest = hashlib.sha256()
    _feed(digest, deciding)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Feeds a value with its kind and size before it, so that no two values feed the same bytes."""
    kind, content, parts = _content(value)
    digest.update(f"{kind}:{len(content)}:{len(parts)};".encode())
    digest.update(content)
    for part in parts:
        _feed(digest, part)


def _content(value: Any) -> tuple[str, Any, list[Any]]:
    """A value as its kind, its own bytes, and the values that it is made of."""
    if value is None or isinstance(value, bool | int | float | str | os.PathLike):
        return type(value).__name__, repr(value).encode(), []
    if isinstance(value, bytes):
        return "bytes", value, []
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise TypeError("an array of objects")
        return f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes(), []
    if isinstance(value, dict):
        return "dict", b"", [part for item in sorted(value.items(), key=lambda item: repr(item[0])) for part in item]
    if isinstance(value, list | tuple):
        return "list", b"", list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__qualname__, b"", [getattr(value, field.name) for field in fields(value)]
    return _foreign(value)


def _foreign(value: Any) -> tuple[str, Any, list[Any]]:
    """As :func:`_content`, for the values of PyTorch and Pillow."""
    import torch
    from PIL import Image

    if isinstance(value, torch.Tensor):
        plain = value.detach().to("cpu").contiguous()
        kind = f"tensor {plain.dtype} {tuple(plain.shape)}"
        return kind, plain.reshape(-1).view(torch.uint8).numpy().tobytes(), []
    if isinstance(value, torch.Generator):
        return "generator", value.get_state().numpy().tobytes(), []
    if isinstance(value, torch.dtype | torch.device):
        return "torch", str(value).encode(), []
    if isinstance(value, Image.Image):
        return f"image {value.mode} {value.size}", value.tobytes(), []
    raise TypeError(f"a {type(value).__qualname__} cannot be told from another")


def _encoded(value: Any, tensors: dict[str, Any]) -> Any:
    """A value as JSON; its tensors go to ``tensors`` and are told by name."""
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor | np.ndarray):
        name, array = str(len(tensors)), isinstance(value, np.ndarray)
        tensors[name] = torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
        return {"array" if array else "tensor": name}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_encoded(part, tensors) for part in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encoded(part, tensors) for key, part in value.items()}}
    raise TypeError(f"a {type(value).__qualname__} cannot be kept")


def _decoded(value: Any, tensors: dict[str, Any]) -> Any:
    """The inverse of :func:`_encoded`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "array":
        return tensors[content].numpy()
    if kind == "dict":
        return {key: _decoded(part, tensors) for key, part in content.items()}
    parts = [_decoded(part, tensors) for part in content]
    return parts if kind == "list" else tuple(parts)


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_moved(part, device) for part in value)
    return value.to(device) if hasattr(value, "to") else value


def _read(path: Path, identity: str) -> tuple[Any, dict[str, Any]] | None:
    """What was told and the tensors, or None if there is no such file, it is broken, or another call wrote it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("identity") != identity:
                return None
            return json.loads(about["told"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError):
        return None


def _write(path: Path, identity: str, told: Any, tensors: dict[str, Any]) -> None:
    """Writes beside the file and puts it in its place: whoever reads finds the old one or the new one."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    beside = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, beside, {"identity": identity, "told": json.dumps(told)})
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UnavailableError(
            "resume_unwritable",
            "The unfinished film could not be kept on disk.",
            "Free some space, or make the film without keeping unfinished work.",
        ) from error
