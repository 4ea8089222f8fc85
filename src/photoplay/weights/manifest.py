"""What is written down about a model when it comes in: every file's size and SHA-256, where it is from, its licence."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from photoplay.errors import UnavailableError
from photoplay.weights.screening import MAX_FILES, check_name

FILE = "manifest.json"
FILES = "files"
"""The folder beside the manifest that holds the files which the store keeps itself."""
MAX_BYTES = 16 * 2**20
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class ModelFile:
    """A model's file: its name inside the model's folder, its bytes and their hex SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A model that is in the store.

    ``folder`` is where its files lie: the store's own folder, or one that was added where it is. ``origin`` lists what was
    pulled as ``repository@commit`` (empty for a model that was added), ``trusted`` is whose word its digests were taken on
    (empty where all of them were on record).
    """

    name: str
    backend: str
    licence: str
    folder: Path
    files: tuple[ModelFile, ...]
    origin: str = ""
    trusted: str = ""

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Hex SHA-256 over names, sizes and digests of the files: equal for equal models, wherever they lie."""
        listed = sorted([file.path, file.size, file.sha256] for file in self.files)
        return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str
    size: Annotated[int, Field(ge=0)]
    sha256: Digest


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    backend: str
    licence: str
    folder: str
    files: Annotated[list[_File], Field(min_length=1, max_length=MAX_FILES)]
    origin: str
    trusted: str


def write(manifest: Manifest, place: Path) -> None:
    """Writes ``place/manifest.json`` and waits until it is on the disk. A folder inside ``place`` is written as relative."""
    inside = manifest.folder.is_relative_to(place)
    folder = manifest.folder.relative_to(place) if inside else manifest.folder.absolute()
    with (place / FILE).open("w", encoding="utf-8") as stream:
        json.dump({**asdict(manifest), "folder": str(folder)}, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())


def read(place: Path) -> Manifest:
    """The manifest in ``place``.

    Raises:
        UnavailableError: ``model_altered`` where it cannot be read. InputError: ``model_unsafe`` for a file's name.
    """
    path = place / FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too long")
        found = _Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError, ValidationError) as error:
        raise altered(place.name, "its manifest cannot be read") from error
    for file in found.files:
        check_name(file.path)
    files = tuple(ModelFile(file.path, file.size, file.sha256) for file in found.files)
    return Manifest(found.name, found.backend, found.licence, place / found.folder, files, found.origin, found.trusted)


def altered(name: str, why: str) -> UnavailableError:
    """The error for a model that is not what its manifest says."""
    return UnavailableError(
        "model_altered",
        f"The model “{name}” is not the one that came into the store: {why}.",
        f"Take it out with `photoplay models rm {name}` and get it again.",
    )
