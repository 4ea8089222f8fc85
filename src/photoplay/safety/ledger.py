"""What was made here: for each recipe the films that were sealed, their sources, and whose records they rest on.

It answers three questions. Whose film is this, when its seal was stripped and only the watermark is left (it holds
the recipe's number)? What was made of this photo (a takedown)? What was made of this person (erasure)? It holds digests,
recipes and perceptual hashes, no pictures.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from photoplay.errors import SealError
from photoplay.safety.pdq import pdq
from photoplay.safety.recipe import recipe_digest
from photoplay.types import Admitted

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SourceMark:
    """A photo that something was made of: the digest of its file, its PDQ hash as hex and that hash's quality 0..100."""

    sha256: str
    pdq: str
    quality: int


@dataclass(frozen=True)
class Release:
    """One sealed file: its digest, where it was put, and when (UTC, ISO 8601)."""

    sha256: str
    path: str
    created: str


@dataclass(frozen=True)
class Work:
    """Everything that came of one recipe. ``id`` is the number in its watermark, as 16 hex digits."""

    id: str
    recipe: dict[str, Any]
    sources: tuple[SourceMark, ...]
    records: tuple[str, ...]
    releases: tuple[Release, ...]

    @property
    def digests(self) -> set[str]:
        """Digests of its sources and of its sealed files."""
        return {source.sha256 for source in self.sources} | {release.sha256 for release in self.releases}


def work_id(recipe: dict[str, Any]) -> str:
    """The 64 bits that stand for a recipe: the first of its digest."""
    return recipe_digest(recipe)[:16]


class Ledger:
    """The works in ``folder``: a file for each, to which every sealed file adds a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, admitted: Admitted, recipe: dict[str, Any], sha256: str, path: Path) -> Work:
        """Writes down that a file with this digest was sealed and is about to be put at ``path``.

        Raises:
            SealError: ``ledger_failed``: a film that nobody could find again is not handed out.
        """
        id_ = work_id(recipe)
        try:
            known = self._read(id_) if self._file(id_).exists() else None
            lines: list[dict[str, Any]] = []
            if known is None:
                photos = [photo for photo in (*admitted.request.photos, admitted.request.last) if photo is not None]
                hashed = [(photo.sha256, pdq(photo.pixels)) for photo in photos]
                sources = [SourceMark(digest, found.hex, found.quality) for digest, found in hashed]
                lines.append({"recipe": recipe, "sources": [asdict(source) for source in sources]})
            now = datetime.now(UTC).isoformat(timespec="seconds")
            release = Release(sha256, str(path.absolute()), now)
            lines.append(asdict(release) | {"records": [one["id"] for one in admitted.statements["records"]]})
            self._append(id_, lines)
            return self._read(id_)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SealError(
                "ledger_failed",
                "The film could not be written down, and a film that nobody could find again is not handed out.",
                "See whether photoplay's folder can be written and the disk has space.",
            ) from error

    def find(self, id_: str) -> Work | None:
        """The work whose watermark holds this number; None where it was not made here. Raises ValueError where its file is
        damaged."""
        return self._read(id_) if _ID.fullmatch(id_) and self._file(id_).exists() else None

    def works(self) -> Iterator[Work]:
        """Every work. Raises ValueError where a file is damaged: nobody shall believe that all was found."""
        if not self._folder.is_dir():
            return
        for file in sorted(self._folder.glob("*.jsonl")):
            yield self._read(file.stem)

    def forget(self, id_: str) -> None:
        """Removes a work's file."""
        if _ID.fullmatch(id_):
            self._file(id_).unlink(missing_ok=True)

    def _file(self, id_: str) -> Path:
        return self._folder / f"{id_}.jsonl"

    def _append(self, id_: str, lines: list[dict[str, Any]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        descriptor = os.open(self._file(id_), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self, id_: str) -> Work:
        try:
            lines = [json.loads(line) for line in self._file(id_).read_bytes().splitlines(keepends=True)]
            first = next(line for line in lines if "recipe" in line)
            sources = tuple(SourceMark(**source) for source in first["sources"])
            made = [line for line in lines if "sha256" in line]
            records = dict.fromkeys(record for line in made for record in line["records"])
            releases = tuple(Release(line["sha256"], line["path"], line["created"]) for line in made)
            if work_id(first["recipe"]) != id_:
                raise ValueError("another recipe's file")
        except (json.JSONDecodeError, KeyError, TypeError, StopIteration, UnicodeDecodeError) as error:
            raise ValueError("a damaged work") from error
        return Work(id_, first["recipe"], sources, tuple(records), releases)
