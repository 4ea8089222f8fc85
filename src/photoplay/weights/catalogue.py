"""The models that photoplay knows by name: where they are published, under which licence, how large they are.

The facts stand in ``catalogue.yaml``, each with its source. What is not known is absent there and ``None`` here; nothing
is made up. Digests that are absent are taken from the mirror at the first pull, if the user says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from photoplay.errors import InputError

PIPELINE = (
    "model_index.json",
    "*/*.json",
    "*/*.safetensors",
    "*/*.txt",
    "*/*.model",
    "*/*.jinja",
)
"""What is taken of a repository that holds a diffusers pipeline: the files of its components."""
VARIANTS = ("*.fp16.*", "*.bf16.*", "*.fp32.*", "*.non_ema.*", "*.non-ema.*", "*.bin.index.json")
"""Second copies of the same weights, which are left out, and the index of those that are pickles."""


@dataclass(frozen=True)
class Part:
    """One repository of a model: files below its folder ``base`` that match ``take`` go below the model's folder ``into``.

    ``revision`` is a commit (None: the newest at the first pull), ``digests`` maps files to the SHA-256 on public record.
    """

    repo: str
    base: str = ""
    into: str = ""
    take: tuple[str, ...] = PIPELINE
    revision: str | None = None
    digests: tuple[tuple[str, str], ...] = ()

    def place(self, path: str) -> str | None:
        """Where a file of the repository goes in the model; None where it does not belong to it."""
        if self.base and not path.startswith(f"{self.base}/"):
            return None
        name = PurePosixPath(path[len(self.base) + 1 :] if self.base else path)
        if self.take == PIPELINE and any(name.match(variant) for variant in VARIANTS):
            return None
        patterns = [PurePosixPath(pattern) for pattern in self.take]
        if not any(len(each.parts) == len(name.parts) and name.match(str(each)) for each in patterns):
            return None
        return f"{self.into}/{name}" if self.into else str(name)

    def lacking(self, paths: set[str]) -> list[str]:
        """The files that are wanted by their whole name and are not among ``paths`` of the repository."""
        return [name for name in self._named() if name not in paths]

    @property
    def pinned(self) -> bool:
        """Whether every file that it takes has its SHA-256 on record; of a pattern nobody knows what it takes."""
        return len(self._named()) == len(self.take) and not self.lacking({path for path, _ in self.digests})

    def _named(self) -> list[str]:
        return [f"{self.base}/{name}" if self.base else name for name in self.take if "*" not in name]


@dataclass(frozen=True)
class Model:
    """A published model.

    ``licence`` is its name, ``licence_note`` whom or what it leaves out, in words. ``bytes`` is what a pull brings and
    ``gpu_memory_gb`` what its authors ask for, None where nobody says. ``index`` is written as ``model_index.json`` where
    the parts have none in common. ``source`` says for each fact where it was read.
    """

    name: str
    backend: str
    title: str
    licence: str
    parts: tuple[Part, ...]
    source: tuple[tuple[str, str], ...]
    licence_note: str = ""
    bytes: int | None = None
    gpu_memory_gb: float | None = None
    index: tuple[tuple[str, Any], ...] = ()

    @property
    def repo(self) -> str:
        """The repository of its first part."""
        return self.parts[0].repo

    @property
    def revision(self) -> str | None:
        """The commit of its first part, None where it is not pinned."""
        return self.parts[0].revision


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    repo: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    base: Annotated[str, StringConstraints(pattern=r"^[\w/-]*$")] = ""
    into: Annotated[str, StringConstraints(pattern=r"^[\w-]*$")] = ""
    take: tuple[str, ...] = PIPELINE
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    digests: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = {}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    backend: str
    title: str
    licence: str
    licence_note: str = ""
    gigabytes: Annotated[float, Field(gt=0)] | None = None
    gpu_memory_gb: Annotated[float, Field(gt=0)] | None = None
    parts: Annotated[tuple[_Part, ...], Field(min_length=1)]
    index: dict[str, Any] = {}
    source: dict[str, str]


def models() -> tuple[Model, ...]:
    """All known models, in the order of the file."""
    return tuple(_read().values())


def find(name: str) -> Model:
    """The model called ``name``. Raises InputError ``model_unknown``."""
    known = _read()
    if name not in known:
        raise InputError(
            "model_unknown",
            f"photoplay does not know a model called “{name}”.",
            "`photoplay models list` shows those it knows; `photoplay models add` takes any other from a folder.",
        )
    return known[name]


@cache
def _read() -> dict[str, Model]:
    text = (files("photoplay.weights") / "catalogue.yaml").read_text(encoding="utf-8")
    return {name: _model(name, _Model.model_validate(entry)) for name, entry in yaml.safe_load(text).items()}


def _model(name: str, entry: _Model) -> Model:
    parts = tuple(
        Part(part.repo, part.base, part.into, part.take, part.revision, tuple(part.digests.items()))
        for part in entry.parts
    )
    return Model(
        name,
        entry.backend,
        entry.title,
        entry.licence,
        parts,
        tuple(entry.source.items()),
        entry.licence_note,
        None if entry.gigabytes is None else round(entry.gigabytes * 1e9),
        entry.gpu_memory_gb,
        tuple(entry.index.items()),
    )
