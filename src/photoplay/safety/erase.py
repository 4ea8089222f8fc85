"""Erasing a person: their records, what was made of them, what is known of that, and a scan for what is left."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from photoplay.errors import RefusedError
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import DamagedWorksError, Work
from photoplay.weights.hashing import hash_file

KEPT = frozenset({"audit", "blocklist"})
"""Folders that hold nothing of a person but digests, which the law asks to keep."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Erasure:
    """What was removed, and what the scan found afterwards (nothing, if all went well): files that still hold an id of the
    person's records, or are one of their films or photos. ``undecided`` are photos that films of several people were made
    of: whether they show this person or only somebody else is for somebody to see, so they were left."""

    records: int
    works: int
    files: int
    left: tuple[Path, ...]
    undecided: tuple[Path, ...] = ()


def erase(guard: Guard, subject: str, folders: Iterable[Path] = ()) -> Erasure:
    """Removes everything of the person with this id (``photoplay consent list`` shows it).

    Records are revoked and their face bindings destroyed; films are deleted where they were put, if they are unchanged; the
    ledger forgets them. The audit log keeps digests.

    Args:
        guard: the installation.
        subject: the person's random id.
        folders: further folders to scan, and to delete the person's films and photos from: a photo is theirs for sure where
            the ledger knows a film of this person that was made of nothing else.

    Raises:
        RefusedError: ``erase_unknown``: nobody of that id; ``erase_failed``: it could not be done whole. Try again then.
    """
    now, folders = datetime.now(UTC), tuple(folders)
    try:
        ids = set(guard.records.records_of(subject))
        works = [work for work in guard.ledger.works() if ids & set(work.records)]
        if not ids:
            raise RefusedError(
                "erase_unknown",
                "Nobody with that id is on record here.",
                "`photoplay consent list` shows the ids of the people on record.",
            )
        digests, unsure = _theirs(works)
        places = [Path(release.path) for work in works for release in work.releases]
        deleted = _delete(dict.fromkeys([*places, *_files(folders)]), digests)
        for work in works:
            guard.ledger.forget(work.id)
        guard.records.erase(subject, now)
        guard.audit.append("erase", "done", about={"records": str(len(ids)), "works": str(len(works))})
        left = tuple(_scan(guard, works, ids, subject, digests, folders))
        undecided = tuple(dict.fromkeys(path for path in _files(folders) if _is_one(path, unsure))) if unsure else ()
    except DamagedWorksError as error:
        raise RefusedError(
            "erase_failed",
            f"Nothing was erased: what is known of film {', '.join(error.ids)} cannot be read, and it may be theirs.",
            "Restore that entry of the ledger from a backup, or remove it if there is none, then try again.",
        ) from error
    except (OSError, ValueError) as error:
        raise RefusedError(
            "erase_failed",
            "Not everything could be erased.",
            "See whether photoplay's folder can be written and its ledger is whole, then try again.",
        ) from error
    return Erasure(len(ids), len(works), deleted, left, undecided)


def _theirs(works: Iterable[Work]) -> tuple[set[str], set[str]]:
    """Digests of films of this person and photos that show them, and of photos that may show somebody else alone."""
    films = {digest for work in works for digest in work.release_digests}
    alone = {digest for work in works for digest in work.pictured if len(work.pictured) == 1}
    pictured = {digest for work in works for digest in work.pictured}
    return films | alone, pictured - films - alone


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for at, _, names in os.walk(folder):
            yield from (Path(at) / name for name in sorted(names))


def _delete(paths: Iterable[Path], digests: set[str]) -> int:
    """Deletes whichever of ``paths`` are files of these digests."""
    count = 0
    for path in paths:
        if _is_one(path, digests):
            path.unlink()
            count += 1
    return count


def _is_one(path: Path, digests: set[str]) -> bool:
    """Whether a path is a file of one of these digests, and no link to one."""
    return path.is_file() and not path.is_symlink() and hash_file(path) in digests


def _scan(
    guard: Guard, works: list[Work], ids: set[str], subject: str, digests: set[str], folders: Iterable[Path]
) -> Iterator[Path]:
    """Files of photoplay's own folder and of ``folders`` in which something is left. A revoked record's id stays in the list
    of revoked ones, whose files are named by it: without it the record could come back."""
    home = guard.records.folder.parent
    traces = [text.encode() for text in {subject, *ids, *(work.id for work in works)}]
    for path in _files([home, *folders]):
        inside = path.relative_to(home).parts if path.is_relative_to(home) else ()
        if path.is_symlink() or not path.is_file() or (inside and inside[0] in KEPT):
            continue
        if inside[:2] == ("consent", "revoked"):
            continue
        if hash_file(path) in digests or _holds(path, traces) or any(trace.decode() in path.name for trace in traces):
            yield path


def _holds(path: Path, traces: list[bytes]) -> bool:
    """Whether a file holds one of ``traces``, read in pieces that overlap by their length."""
    overlap = max(map(len, traces), default=1) - 1
    tail = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            data = tail + piece
            if any(trace in data for trace in traces):
                return True
            tail = data[-overlap:] if overlap else b""
    return False
