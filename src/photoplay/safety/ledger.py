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
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from photoplay.errors import SealError
from photoplay.safety.looks import looks, stills
from photoplay.safety.pdq import from_hex, pdq
from photoplay.safety.private import locked, sync
from photoplay.safety.recipe import canonical, recipe_digest
from photoplay.types import Admitted, Request

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SourceMark:
    """A picture that something was made of: the digest of its file, its PDQ hash as hex and that hash's quality 0..100. A
    clip has one for each of its frames that were looked at."""

    sha256: str
    pdq: str
    quality: int


@dataclass(frozen=True)
class Release:
    """One sealed file: its digest, where it was put, when (UTC, ISO 8601), and whose records it rests on.

    ``shows`` says for each of these records in which of the film's pictures (digests) its person was found; it is empty in
    entries from before that was written down."""

    sha256: str
    path: str
    created: str
    records: tuple[str, ...]
    shows: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Everything that came of one recipe. ``id`` is the number in its watermark, as 16 hex digits."""

    id: str
    recipe: dict[str, Any]
    sources: tuple[SourceMark, ...]
    records: tuple[str, ...]
    releases: tuple[Release, ...]

    @property
    def source_digests(self) -> set[str]:
        """Digests of what it was made of."""
        return {source.sha256 for source in self.sources}

    @property
    def release_digests(self) -> set[str]:
        """Digests of its sealed files."""
        return {release.sha256 for release in self.releases}

    @property
    def pictured(self) -> set[str]:
        """Digests of those of its sources that show people: photos, last picture and clip, but no backdrop."""
        others = (self.recipe.get("last"), self.recipe.get("video"))
        return {*self.recipe.get("photos", ()), *(digest for digest in others if digest)}


class DamagedWorksError(ValueError):
    """Files of the ledger that cannot be read; ``ids`` name them."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__(f"damaged works: {', '.join(ids)}")
        self.ids = ids


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
            SealError: ``ledger_failed``: a film that nobody could find again is not handed out; ``ledger_taken``: its number
                is another film's.
        """
        id_ = work_id(recipe)
        try:
            with self._locked(id_) as file:
                data = file.read()
                whole = data[: data.rfind(b"\n") + 1]
                known = _parsed(id_, whole) if whole else None
                if known is not None and canonical(known.recipe) != canonical(recipe):
                    raise SealError(
                        "ledger_taken",
                        "Another film has the number that this one would have.",
                        "Change the seed, and make it again.",
                    )
                lines: list[dict[str, Any]] = []
                if known is None:
                    lines.append({"recipe": recipe, "sources": [asdict(mark) for mark in _marks(admitted.request)]})
                now = datetime.now(UTC).isoformat(timespec="seconds")
                shows = {one["id"]: tuple(one["pictures"]) for one in admitted.statements["records"]}
                lines.append(asdict(Release(sha256, str(path.absolute()), now, tuple(shows), shows)))
                text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode()
                file.truncate(len(whole))  # what a killed process or a full disk left of a line
                file.seek(0, os.SEEK_END)
                file.write(text)
                sync(file)
                return _parsed(id_, whole + text)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SealError(
                "ledger_failed",
                "The film could not be written down, and a film that nobody could find again is not handed out.",
                "See whether photoplay's folder can be written and the disk has space.",
            ) from error

    def find(self, id_: str) -> Work | None:
        """The work whose watermark holds this number; None where it was not made here. Raises DamagedWorksError, also where
        not one line is whole: whoever has the number has a film, which was handed out."""
        if not _ID.fullmatch(id_) or not self._file(id_).exists():
            return None
        work = self._read(id_)
        if work is None:
            raise DamagedWorksError((id_,))
        return work

    def survey(self) -> tuple[tuple[Work, ...], tuple[str, ...]]:
        """Every work, and the names of those whose files are damaged."""
        works, damaged = [], []
        for file in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else ():
            try:
                work = self._read(file.stem)
            except (OSError, DamagedWorksError):
                damaged.append(file.stem)
            else:
                works += [work] if work is not None else []
        return tuple(works), tuple(damaged)

    def works(self) -> Iterator[Work]:
        """Every work. Raises DamagedWorksError after the last: nobody shall believe that all was found."""
        works, damaged = self.survey()
        yield from works
        if damaged:
            raise DamagedWorksError(damaged)

    def forget(self, id_: str) -> None:
        """Removes a work's file."""
        if _ID.fullmatch(id_) and self._file(id_).exists():
            with self._locked(id_):
                self._file(id_).unlink()

    def _file(self, id_: str) -> Path:
        return self._folder / f"{id_}.jsonl"

    @contextmanager
    def _locked(self, id_: str) -> Iterator[BinaryIO]:
        """The work's file, made where there is none, for one process at a time."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            with locked(self._file(id_)) as file:
                if os.fstat(file.fileno()).st_nlink:  # nobody forgot it meanwhile
                    yield file
                    return

    def _read(self, id_: str) -> Work | None:
        """A work as far as its lines are whole; None where none is, so that nothing of it was ever handed out."""
        try:
            data = self._file(id_).read_bytes()
        except FileNotFoundError:
            return None
        whole = data[: data.rfind(b"\n") + 1]
        return _parsed(id_, whole) if whole else None


def _parsed(id_: str, whole: bytes) -> Work:
    """A work of the lines of its file. Raises DamagedWorksError."""
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        first, *made = lines
        if work_id(first["recipe"]) != id_:
            raise ValueError("another recipe's file")
        sources = tuple(SourceMark(**source) for source in first["sources"])
        releases = tuple(
            Release(line["sha256"], line["path"], line["created"], tuple(line["records"]), _shows(line))
            for line in made
            if "sha256" in line
        )
        records = tuple(dict.fromkeys(record for one in releases for record in one.records))
        told = (text for one in releases for text in (one.sha256, one.path, one.created))
        shown = (digest for one in releases for digests in one.shows.values() for digest in digests)
        texts = [*told, *(source.sha256 for source in sources), *records, *shown]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("no text")
        for source in sources:
            from_hex(source.pdq)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedWorksError((id_,)) from error
    return Work(id_, first["recipe"], sources, records, releases)


def _shows(line: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(record): tuple(digests) for record, digests in line.get("shows", {}).items()}


def _marks(request: Request) -> list[SourceMark]:
    """What a film is made of: its stills, and those frames of its clip that admission compares with the blocklist."""
    pictures = [(photo.sha256, photo.pixels) for photo in stills(request)]
    if request.video is not None:
        pictures += [(request.video.sha256, look) for look in looks(request)]
    hashed = [(digest, pdq(np.ascontiguousarray(picture))) for digest, picture in pictures]
    return [SourceMark(digest, found.hex, found.quality) for digest, found in hashed]
