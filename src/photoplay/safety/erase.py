"""Erasing a person: their records, what was made of them, what is known of that, and a scan for what is left."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from photoplay.errors import RefusedError
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import DamagedWorksError, Work
from photoplay.types import Progress, StageEvent, silent
from photoplay.weights.hashing import hash_file

KEPT = frozenset({"audit", "blocklist"})
"""Folders that hold nothing of a person but digests, which the law asks to keep."""
PIECE = 1 << 20
Sees: TypeAlias = Callable[[Path], bool | None]
"""Whether a file shows a certain person: no for what holds no pictures, None where that cannot be told."""


@dataclass(frozen=True)
class Theirs:
    """What of an installation is one person's: ``ids`` of their records, ``works`` that show them, and ``digests`` of the
    files of these and of the photos that show them. ``unsure`` are digests of files that may show somebody else alone."""

    ids: frozenset[str]
    works: tuple[Work, ...]
    digests: frozenset[str]
    unsure: frozenset[str]


@dataclass(frozen=True)
class Erasure:
    """What was removed, and what the scan found afterwards (nothing, if all went well): files that still hold an id of the
    person's records, or are one of their films or photos. ``undecided`` are photos and films of several people of which
    nothing tells whether they show this person or only somebody else, and files in which somebody was seen who looks like
    them: that is for somebody to see, so they were left. ``unseen`` are pictures in which nobody could look for them. Where
    not even that was tried, ``looked`` is False."""

    records: int
    works: int
    files: int
    left: tuple[Path, ...]
    undecided: tuple[Path, ...] = ()
    unseen: tuple[Path, ...] = ()
    looked: bool = False


def erase(
    guard: Guard,
    subject: str,
    folders: Iterable[Path] = (),
    sees: Sees | None = None,
    found: Theirs | None = None,
    progress: Progress = silent,
) -> Erasure:
    """Removes everything of the person with this id (``photoplay consent list`` shows it).

    Records are revoked and their face bindings destroyed; films are deleted where they were put, if they are unchanged; the
    ledger forgets them. The audit log keeps digests. Their face is looked for before anything of that: it takes as long as
    there are pictures, and whoever stops it meanwhile has changed nothing and can ask again.

    Args:
        guard: the installation.
        subject: the person's random id.
        folders: further folders to scan, and to delete the person's films and photos from: a photo is theirs for sure where
            admission found them in it, or the ledger knows a film of theirs that was made of nothing else.
        sees: looks for their face in what will be left in these folders, and in all other films that were made here.
        found: what :func:`theirs` told of this person, where that was asked before.
        progress: told about every file that was looked at; raise ``CancelledError`` in it to stop before anything is erased.

    Raises:
        RefusedError: as :func:`theirs`; ``erase_failed``: it could not be done whole. Try again then.
    """
    now, folders = datetime.now(UTC), tuple(folders)
    found = found or theirs(guard, subject)
    try:
        seen, unseen = ((), ()) if sees is None else _seen(guard, folders, found, sees, progress)
        places = [Path(release.path) for work in found.works for release in work.releases]
        deleted = _delete(dict.fromkeys([*places, *_files(folders)]), found.digests)
        for work in found.works:
            guard.ledger.forget(work.id)
        guard.records.erase(subject, now)
        guard.audit.append("erase", "done", about={"records": str(len(found.ids)), "works": str(len(found.works))})
        left = tuple(_scan(guard, found, subject, folders))
        undecided = [path for path in (_files(folders) if found.unsure else ()) if _is_one(path, found.unsure)]
    except (OSError, ValueError) as error:
        raise RefusedError(
            "erase_failed",
            "Not everything could be erased.",
            "See whether photoplay's folder can be written and its ledger is whole, then try again.",
        ) from error
    doubtful = tuple(dict.fromkeys((*undecided, *seen)))
    return Erasure(len(found.ids), len(found.works), deleted, left, doubtful, unseen, sees is not None)


def theirs(guard: Guard, subject: str) -> Theirs:
    """What of this installation is the person's with this id: what was made on their records, from photos in which they were
    found then, on nothing but a statement from these photos, and from films of all that.

    Raises:
        RefusedError: ``erase_unknown``: nobody of that id; ``erase_failed``: records or ledger cannot be read.
    """
    try:
        ids = frozenset(guard.records.records_of(subject))
        every = tuple(guard.ledger.works())
    except DamagedWorksError as error:
        raise RefusedError(
            "erase_failed",
            f"Nothing was erased: what is known of film {', '.join(error.ids)} cannot be read, and it may be theirs.",
            "Restore that entry of the ledger from a backup, or remove it if there is none, then try again.",
        ) from error
    except (OSError, ValueError) as error:
        raise RefusedError(
            "erase_failed",
            "Nothing was erased: what is known of the films that were made here cannot be read.",
            "See whether photoplay's folder can be read, then try again.",
        ) from error
    if not ids:
        raise RefusedError(
            "erase_unknown",
            "Nobody with that id is on record here.",
            "`photoplay consent list` shows the ids of the people on record.",
        )
    found = {work.id: work for work in every if ids & set(work.records)}
    told = [_told(work, ids) for work in found.values()]
    showing = {digest for shown, _ in told for digest in shown}
    others = {digest for _, them in told for digest in them}
    unsure: set[str] = set()
    while True:
        known = showing | {digest for work in found.values() for digest in work.release_digests}
        more = [work for work in every if work.id not in found and known & work.pictured]
        sure = [work for work in more if work.recipe.get("request", {}).get("bystanders") != "blur"]
        unsure |= {digest for work in more if work not in sure for digest in work.release_digests}
        if not sure:
            break
        found |= {work.id: work for work in sure}
    pictured = {digest for work in found.values() for digest in work.pictured}
    unsure = (unsure | pictured) - known - others
    return Theirs(ids, tuple(found.values()), frozenset(known), frozenset(unsure))


def _told(work: Work, ids: frozenset[str]) -> tuple[set[str], set[str]]:
    """Those pictures of a work that show the person for sure, and those that for sure do not."""
    rests = [release for release in work.releases if ids & set(release.records)]
    if all(ids & set(release.shows) for release in rests):
        shown = {digest for release in rests for id_ in ids for digest in release.shows.get(id_, ())}
        return shown, work.pictured - shown
    return (work.pictured, set()) if len(work.pictured) == 1 else (set(), set())


def _seen(
    guard: Guard, folders: Iterable[Path], found: Theirs, sees: Sees, progress: Progress
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Files in which the person's face may be, of those that are not theirs for sure: in ``folders`` and among the films
    that the ledger knows; and those of which that could not be told."""
    made = (Path(release.path) for work in guard.ledger.works() for release in work.releases)
    files = [path for path in (*_files(folders), *made) if path.is_file() and not path.is_symlink()]
    others = [path for path in {one.resolve(): one for one in files}.values() if hash_file(path) not in found.digests]
    told: dict[Path, bool | None] = {}
    for done, path in enumerate(others):
        progress(StageEvent("look", done, len(others)))
        told[path] = sees(path)
    progress(StageEvent("look", len(others), len(others)))
    return tuple(path for path, yes in told.items() if yes), tuple(path for path, yes in told.items() if yes is None)


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for at, _, names in os.walk(folder):
            yield from (Path(at) / name for name in sorted(names))


def _delete(paths: Iterable[Path], digests: Collection[str]) -> int:
    """Deletes whichever of ``paths`` are files of these digests."""
    count = 0
    for path in paths:
        if _is_one(path, digests):
            path.unlink()
            count += 1
    return count


def _is_one(path: Path, digests: Collection[str]) -> bool:
    """Whether a path is a file of one of these digests, and no link to one."""
    return path.is_file() and not path.is_symlink() and hash_file(path) in digests


def _scan(guard: Guard, found: Theirs, subject: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Files of photoplay's own folder and of ``folders`` in which something is left. A revoked record's id stays in the list
    of revoked ones, whose files are named by it: without it the record could come back."""
    home = guard.records.folder.parent
    traces = [text.encode() for text in {subject, *found.ids, *(work.id for work in found.works)}]
    for path in _files([home, *folders]):
        inside = path.relative_to(home).parts if path.is_relative_to(home) else ()
        if path.is_symlink() or not path.is_file() or (inside and inside[0] in KEPT):
            continue
        if inside[:2] == ("consent", "revoked"):
            continue
        if (
            hash_file(path) in found.digests
            or _holds(path, traces)
            or any(trace.decode() in path.name for trace in traces)
        ):
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
