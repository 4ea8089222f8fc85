"""Which files may be trained on: the list ``sources.yaml`` in a folder of photos or clips. What is not in it is not used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from photoplay.errors import InputError
from photoplay.types import Consent

LIST = "sources.yaml"
LICENCES: tuple[str, ...] = (
    "own", "public-domain", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "MIT", "Apache-2.0", "BSD-3-Clause",
)  # fmt: skip
"""Licences that allow training and a model that is passed on under Apache-2.0."""
HELD_OUT: frozenset[str] = frozenset(
    (
        "e6c640c718e26f2ace77fd36cade8cd10d0ccfc27fa59ce1e6be549e9235f882",
        "6ddf59ef6c4fdb6907802c33dec01ed5db2e0401ecf4f3b68c6c78fede62b4dc",
        "cd3c77280546591cbbc74b4f642f6c712f1fc988a33b1839412345d1e708cb63",
        "7123d9ed4c51dd0895fb039d7aaffbc6151f6a3a72c735ca0c22303240136f9c",
        "0484de9f8f4eac5ada77313629a6cd258da4d065ade887a0633029b7ccb0ff89",
        "a581dd3c6495c4257a8f7756c6c59b445e8949eec0bc2637ba5283bfa7d71930",
    )
)
"""SHA-256 of the clips that the benchmarks measure on (Intel's sample videos, TensorFlow's pose clip): never trained on."""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Entry(BaseModel):
    """One file of the list. ``grade`` A: the licence is clear for this very file and the people in it agreed, died long ago
    or never lived; B: anything else. Only A is used. ``source`` says where it came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Line
    licence: Line
    consent: Consent
    source: Line
    grade: Literal["A", "B"]
    split: Literal["train", "held-out"] = "train"

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise ValueError("a file of the list must lie in its own folder")
        return file


class Listing(BaseModel):
    """The whole list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[Entry, ...]


@dataclass(frozen=True)
class Licensed:
    """A file that may be used, with its entry and the digest of its bytes."""

    path: Path
    entry: Entry
    sha256: str


@dataclass(frozen=True)
class Refused:
    """A listed file that is not used, and why (a stable word for the tally)."""

    file: str
    why: Literal["missing", "licence", "grade", "benchmark"]


def read_sources(folder: Path) -> Iterator[Licensed | Refused]:
    """The listed files of ``folder`` in the list's order, each as may be used or refused.

    Raises:
        InputError: ``sources_missing`` or ``sources_invalid``: there is no list, or it does not validate.
    """
    for entry in _listing(folder).files:
        path = folder / entry.file
        if not path.is_file():
            yield Refused(entry.file, "missing")
        elif entry.licence not in LICENCES:
            yield Refused(entry.file, "licence")
        elif entry.grade != "A":
            yield Refused(entry.file, "grade")
        else:
            digest = _digest(path)
            yield Refused(entry.file, "benchmark") if digest in HELD_OUT else Licensed(path, entry, digest)


def _listing(folder: Path) -> Listing:
    try:
        text = (folder / LIST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "sources_missing",
            f"The folder has no list of sources ({LIST}).",
            "Write one that names each file with its licence, consent and source.",
        ) from error
    try:
        return Listing.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(
            "sources_invalid",
            f"The list of sources ({LIST}) does not validate{_where(error)}.",
            "Each file needs: file, licence, consent, source, grade (A, B); and may have split (train, held-out).",
        ) from error


def _where(error: yaml.YAMLError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        return ": " + ".".join(str(part) for part in error.errors()[0]["loc"])
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
