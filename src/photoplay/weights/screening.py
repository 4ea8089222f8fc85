"""What may lie in a model's folder: numbers and plain data, never code. Looks at names and bytes, and runs none of them.

Allowed are safetensors, JSON, text and tokenizer vocabularies. Refused are pickles under any name (unpickling runs code),
Python files, links that lead out, and JSON that asks a loader to fetch or import code: ``custom_pipeline``, ``auto_map``,
``trust_remote_code``, an attention kernel of a repository, another model under an adapter, a component that is neither
diffusers' nor transformers', or an index of weights that are not safetensors beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from photoplay.errors import InputError

DATA = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
"""Files that diffusers and transformers read. ``.model`` is a SentencePiece vocabulary (protobuf)."""
BESIDE = frozenset({"", ".md", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".mp4"})
"""What people put beside a model and nothing loads; it is left where it is ("": LICENSE, NOTICE and the like)."""
MAX_FILES, MAX_DEPTH, MAX_NAME = 10_000, 8, 240
MAX_JSON = 256 * 2**20
MAX_HEADER = 100_000_000
"""Longest header that the safetensors format allows (https://github.com/huggingface/safetensors)."""
RULES = 1
"""Raised when a rule on JSON is added: what was looked into under older rules is then looked into again."""
CODE_KEYS = frozenset({"custom_pipeline", "auto_map", "trust_remote_code"})
LIBRARIES = {
    "diffusers": re.compile(r"[A-Z]\w+"),
    "transformers": re.compile(r"[A-Z]\w+"),
    "stable_diffusion": re.compile(r"StableDiffusionSafetyChecker"),
    "ltx2": re.compile(r"LTX2\w+"),
}
"""Where a component of ``model_index.json`` may come from, and its class names (the last two are parts of diffusers)."""
_PICKLE = re.compile(rb"\x80[\x02-\x05]|PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ")
"""First bytes of a pickle (protocols 2-5; older ones have no mark), of torch's zip around one, and of packed files."""
_KERNEL = re.compile(r"_*(attn|experts)_implementation\w*")
"""Settings whose value, where it is a repository's, is a kernel that transformers fetches and imports."""
_SHARDS = re.compile(r".*\.index(\.[\w-]+)?\.json")
"""Names of the JSON that says in which file each tensor is, with a variant or without."""
_PART = re.compile(r"[A-Za-z0-9_][\w.+@ ()=-]*")

_WEIGHTS = re.compile(rf"{_PART.pattern}\.safetensors(\.index\.json)?")
"""What a setting may name instead of the usual file of weights."""


def unsafe(what: str) -> InputError:
    """The error for something that must not be in a model; ``what`` is a sentence."""
    return InputError(
        "model_unsafe",
        what,
        "photoplay loads safetensors and plain data only. Use a version of the model that is published that way.",
    )


def leads_out() -> InputError:
    """The error for a link out of a model's folder, as a hub's cache is full of."""
    return InputError(
        "model_unsafe",
        "A link in this model's folder leads out of it, so what it shows can change unseen.",
        "Copy the folder with the files themselves, for example with `cp -rL`, and use the copy.",
    )


def check_name(path: str) -> PurePosixPath:
    """The relative name of a model's file, if it stays inside its folder and is of a kind that is loaded.

    Raises:
        InputError: ``model_unsafe``.
    """
    parts = path.split("/")
    if len(parts) > MAX_DEPTH or len(path) > MAX_NAME or not all(_PART.fullmatch(part) for part in parts):
        raise unsafe("A file of this model has a name that could lead out of its folder.")
    name = PurePosixPath(path)
    if name.suffix.lower() not in DATA:
        raise unsafe(f"The file “{path}” of this model is of a kind that can hold code.")
    return name


def model_files(folder: Path) -> tuple[str, ...]:
    """The relative names of all files of a model, sorted; hidden files and what lies :data:`BESIDE` are not the model's.

    Raises:
        InputError: ``model_unsafe`` where a name is refused or a link leads out of the folder; ``model_empty``.
    """
    found: list[str] = []
    inside = folder.resolve()
    for path in _walk(folder):
        if not path.resolve().is_relative_to(inside):
            raise leads_out()
        if path.is_dir() or path.suffix.lower() in BESIDE:
            continue
        found.append(check_name(path.relative_to(folder).as_posix()).as_posix())
        if len(found) > MAX_FILES:
            raise unsafe(f"This model has more than {MAX_FILES} files.")
    if not found:
        raise InputError(
            "model_empty", "There is no model in this folder.", "It needs safetensors and their JSON files."
        )
    return tuple(sorted(found))


def check_content(path: Path, name: str) -> None:
    """Looks into one file of a model, called ``name`` in it.

    Raises:
        InputError: ``model_unsafe`` (a pickle, JSON that asks for code), ``model_broken`` (not what its name says).
    """
    with path.open("rb") as stream:
        start = stream.read(8)
    if _PICKLE.match(start) and not _plausible_header(path, start):
        raise unsafe(f"The file “{name}” of this model is a pickle or an archive, whatever its name says.")
    if path.suffix.lower() == ".safetensors":
        check_safetensors(path, name)
    elif path.suffix.lower() == ".json":
        if path.stat().st_size > MAX_JSON:
            raise unsafe(f"The file “{name}” of this model is larger than any settings are.")
        check_json(path.read_bytes(), name)


def check_json(data: bytes, name: str) -> None:
    """Reads a model's settings and refuses those that would fetch or import code. Raises as :func:`check_content`."""
    try:
        value = json.loads(data.decode("utf-8"))  # as transformers reads it: bytes alone could pass for UTF-16
    except (ValueError, RecursionError) as error:
        raise _broken(name) from error
    for key, setting in _settings(value):
        if key in CODE_KEYS and setting not in (None, False):
            raise unsafe(f"The file “{name}” of this model asks for code of its own ({key}).")
        if _KERNEL.fullmatch(key) and "/" in json.dumps(setting, ensure_ascii=False):
            raise unsafe(f"The file “{name}” of this model asks for code of a repository ({key}).")
        if key == "transformers_weights" and not (isinstance(setting, str) and _WEIGHTS.fullmatch(setting)):
            raise unsafe(f"The file “{name}” of this model names weights that are not safetensors beside it.")
    last = PurePosixPath(name).name.lower()
    if last in {"model_index.json", "modular_model_index.json"}:
        _check_index(value, name)
    elif last == "adapter_config.json":  # transformers loads the model that it names
        raise unsafe(f"The file “{name}” of this model would bring another model in.")
    elif _SHARDS.fullmatch(last):
        _check_shards(value, name)


def check_whole(folder: Path, names: Iterable[str]) -> None:
    """Looks whether all weights that a model's indices name are among its files, ``names``, and passed :func:`check_json`.

    Raises:
        InputError: ``model_broken``.
    """
    there = {PurePosixPath(name) for name in names}
    for index in there:
        if _SHARDS.fullmatch(index.name.lower()):
            shards = json.loads((folder / index).read_bytes())["weight_map"].values()
            if not there.issuperset(index.parent / shard for shard in shards):
                raise _broken(str(index))


def check_safetensors(path: Path, name: str) -> None:
    """Checks a safetensors header: 8 bytes of length, JSON, and tensors that fill the rest without gap or overlap.

    Raises:
        InputError: ``model_broken``.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise _broken(name)
        try:
            header = json.loads(stream.read(length))
            spans = sorted(tuple(entry["data_offsets"]) for key, entry in header.items() if key != "__metadata__")
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
            raise _broken(name) from error
    end = 0
    for span in spans:
        if len(span) != 2 or span[0] != end or not isinstance(span[1], int) or span[1] < end:
            raise _broken(name)
        end = span[1]
    if end != size - 8 - length:
        raise _broken(name)


def _broken(name: str) -> InputError:
    return InputError(
        "model_broken",
        f"The file “{name}” of this model is broken or cut short.",
        "Get the model again: part of it is missing.",
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below ``folder`` that is not hidden; linked folders are shown but not entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.is_dir():
            raise leads_out()


def _plausible_header(path: Path, start: bytes) -> bool:
    """Whether these bytes can be a safetensors header's length, which may look like a pickle's first two."""
    return path.suffix.lower() == ".safetensors" and int.from_bytes(start, "little") <= path.stat().st_size - 8


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and its value in nested JSON, without recursion."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield from here.items()
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)


def _check_index(value: Any, name: str) -> None:
    """A pipeline's index: its class, and ``[library, class]`` for each component. Raises as :func:`check_content`."""
    if not isinstance(value, dict) or not isinstance(value.get("_class_name"), str):
        raise unsafe(f"The file “{name}” of this model does not name a pipeline of diffusers.")
    for part, component in value.items():
        if not isinstance(component, list):
            continue
        if not _PART.fullmatch(part):
            raise unsafe(f"The file “{name}” of this model names a part that could lead out of its folder.")
        if component[:2] == [None, None]:
            continue
        library, kind = (*component[:2], None, None)[:2]
        known = LIBRARIES.get(library) if isinstance(library, str) else None
        if known is None or not isinstance(kind, str) or not known.fullmatch(kind):
            raise unsafe(f"The file “{name}” of this model names a part that is neither diffusers' nor transformers'.")


def _check_shards(value: Any, name: str) -> None:
    """An index of weights: each tensor's file is safetensors beside it. Raises as :func:`check_content`."""
    shards = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise unsafe(f"The file “{name}” of this model does not say where its weights are.")
    for shard in {*shards.values()}:
        if not _PART.fullmatch(shard) or not shard.endswith(".safetensors"):
            raise unsafe(f"The file “{name}” of this model names weights that are not safetensors beside it.")
