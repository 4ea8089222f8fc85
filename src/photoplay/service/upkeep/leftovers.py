"""What a crash leaves behind outside of the database: objects of the store that no row knows, and work folders of jobs that
are over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from photoplay.service.engine import Hub
from photoplay.service.ground.states import OVER
from photoplay.service.ground.tables import jobs, uploads

STORED = ("key", "thumbnail", "spritesheet")
"""What a finished film's row names in the store."""
BATCH = 500
"""Names that are asked for at a time."""
HOUR = 3600.0
UNKNOWN_AFTER = HOUR
"""Seconds that an object or a folder may lie there before some row has to know it."""
RESUMABLE = 24 * HOUR
"""Seconds that the work folder of a cancelled or failed job is kept, to go on in."""


def objects(hub: Hub, now: float) -> int:
    """Objects of the store that no row knows: what a crash left between the store and the database."""
    before = now - UNKNOWN_AFTER
    gone = hub.store.tidy(before)
    for prefix, known in KNOWN.items():
        for keys in chunks(hub.store.older(prefix, before)):
            with hub.database.read() as conn:
                kept = known(conn, keys)
            for key in keys:
                if key not in kept:
                    hub.store.delete(key)
                    gone += 1
    return gone


def _known_uploads(conn: Connection, keys: list[str]) -> set[str]:
    found = conn.execute(select(uploads.c.key).where(uploads.c.key.in_(keys), uploads.c.deleted_at.is_(None)))
    return set(found.scalars())


def _known_previews(conn: Connection, keys: list[str]) -> set[str]:
    """Those of ``keys`` (``previews/{tenant}/{upload}/…``, of two photos ``previews/{tenant}/{upload}/{upload}/…``) whose
    uploads are all there."""
    of = {key: {part for part in key.split("/") if part.startswith("upload_")} for key in keys}
    ids = {id_ for some in of.values() for id_ in some}
    found = conn.execute(select(uploads.c.id).where(uploads.c.id.in_(ids), uploads.c.deleted_at.is_(None)))
    live = set(found.scalars())
    return {key for key, some in of.items() if some and some <= live}


def _known_films(conn: Connection, keys: list[str]) -> set[str]:
    """Those of ``keys`` (``films/{tenant}/{video}/…``) that belong to a job at work or to a finished film."""
    of = {key: key.split("/")[2] for key in keys if key.count("/") > 2}
    rows = conn.execute(
        select(jobs.c.id, jobs.c.state, jobs.c.film).where(jobs.c.id.in_(set(of.values())), jobs.c.deleted_at.is_(None))
    )
    named: dict[str, set[str] | None] = {}
    for row in rows:
        film = row.film if row.state == "completed" and row.film else {}
        named[row.id] = None if row.state not in OVER else {str(film.get(part)) for part in STORED}
    return {key for key, id_ in of.items() if id_ in named and ((names := named[id_]) is None or key in names)}


KNOWN: dict[str, Callable[[Connection, list[str]], set[str]]] = {
    "uploads": _known_uploads,
    "previews": _known_previews,
    "films": _known_films,
}
"""By the first part of a key: who says which objects belong to something. Other objects are nobody's business here."""


def folders(hub: Hub, now: float) -> int:
    """Work folders of this machine whose job is over, and cannot go on in them any more."""
    folder = hub.settings.work
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    gone = 0
    for some in chunks(name for name in names if name.startswith("video_")):
        with hub.database.read() as conn:
            rows = conn.execute(select(jobs).where(jobs.c.id.in_(some), jobs.c.deleted_at.is_(None)))
            known = {row.id: row for row in rows}
        for name in some:
            if _is_over(known.get(name), folder / name, now):
                shutil.rmtree(folder / name, ignore_errors=True)
                gone += 1
    return gone


def _is_over(row: Any, folder: Path, now: float) -> bool:
    """Whether nobody needs a work folder any more."""
    if row is None:
        try:
            return folder.stat().st_mtime < now - UNKNOWN_AFTER
        except OSError:
            return False
    if row.state not in OVER or row.finished_at is None:
        return False
    return bool(row.finished_at < now - (UNKNOWN_AFTER if row.state == "completed" else RESUMABLE))


def chunks(keys: Iterator[str]) -> Iterator[list[str]]:
    """``keys`` in lists of :data:`BATCH`."""
    while some := list(islice(keys, BATCH)):
        yield some
