"""Moving an installation from its SQLite file into an empty PostgreSQL database, while nothing of it runs.

Everything is copied in one transaction of the new database, and counted there: it has all of it or nothing. What waits or
was in work enters the new queue in the same transaction, under the same number and priority. Nobody writes into the file
meanwhile, and afterwards it says that it was moved: no photoplay starts on it any more, which would make the films twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import JSON, Connection, Table, bindparam, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from photoplay.errors import InputError, UnavailableError
from photoplay.service.accounts import credits
from photoplay.service.engine import Hub, open_hub, register_queue
from photoplay.service.ground.database import Database
from photoplay.service.ground.migrations import MOVED, VERSION_TABLE
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import jobs, metadata

ROWS = 1000
"""Rows that are copied at a time."""
ALONE_S = 2.0
"""Seconds in which whoever just ended lets go of the file."""


@dataclass(frozen=True)
class Moved:
    """How many rows were copied, and how many jobs wait in the new queue."""

    rows: int
    waiting: int


def move(settings: Settings, to: str) -> Moved:
    """Copies the installation of ``settings`` into the database at ``to``.

    Raises:
        InputError: ``move_source``, ``move_target``: it is moved from SQLite to PostgreSQL only.
        UnavailableError: ``move_running``: the service is not stopped; ``move_taken``: there is something already;
            ``move_failed``: what arrived is not what was sent. As :func:`photoplay.service.engine.open_hub`.
    """
    with closing(Database(settings.database_url)) as source:
        if not source.is_sqlite:
            raise InputError(
                "move_source", "This service is on PostgreSQL already.", "Use PostgreSQL's own tools (pg_dump)."
            )
        source.check()
        file = source.engine.url.database or ""
    if to.partition(":")[0] not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise InputError(
            "move_target",
            "A service moves to PostgreSQL only.",
            "Give postgresql://user:password@host/name of an empty database.",
        )
    _check_alone(file)
    with (
        closing(Database(settings.database_url)) as source,
        closing(open_hub(settings.model_copy(update={"database_url": to}))) as hub,
    ):
        try:
            with source.begin() as old:
                with hub.database.begin() as new:
                    moved = _copied(old, new, hub)
                old.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :moved"), {"moved": MOVED})
            return moved
        except DBAPIError as error:
            raise _failed("the new database refused something of it") from error


def _copied(old: Connection, new: Connection, hub: Hub) -> Moved:
    for table in metadata.sorted_tables:
        if _count(new, table):
            raise UnavailableError(
                "move_taken",
                "The new database is not empty.",
                "Make a new one, so that nobody's accounts are mixed with others.",
            )
    for table in metadata.sorted_tables:
        _copy(old, new, table)
    wrong = [table.name for table in metadata.sorted_tables if _count(old, table) != _count(new, table)]
    wrong += credits.audit(new)
    if wrong:
        raise _failed(f"{wrong[0]} does not add up")
    live = select(jobs).where(jobs.c.state.in_(LIVE), jobs.c.deleted_at.is_(None)).order_by(jobs.c.queued_at, jobs.c.id)
    waiting = new.execute(live).all()
    for queue in {job.queue for job in waiting}:
        register_queue(hub.client, queue)
    for job in waiting:
        hub.enqueue(new, job.queue, job.priority, job.id, job.round)
    return Moved(sum(_count(new, table) for table in metadata.sorted_tables), len(waiting))


def _copy(old: Connection, new: Connection, table: Table) -> None:
    """Copies the rows of a table as they are; numbers that the database gives go on behind the highest."""
    values = {
        column.name: bindparam(column.name, type_=JSON(none_as_null=True) if isinstance(column.type, JSON) else None)
        for column in table.columns
    }
    for rows in _pieces(old, table):
        new.execute(insert(table).values(values), rows)
    for column in table.columns:
        if column is table.autoincrement_column:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            highest = select(func.max(column)).scalar_subquery()
            new.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))


def _pieces(conn: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    found = conn.execution_options(yield_per=ROWS).execute(select(table).order_by(*table.primary_key))
    for rows in found.mappings().partitions():
        yield [dict(row) for row in rows]


def _count(conn: Connection, table: Table) -> int:
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def _check_alone(file: str) -> None:
    """SQLite leaves its write-ahead log only for who has the file open alone; whoever opens it next begins it anew.

    Raises:
        UnavailableError: ``move_running``.
    """
    try:
        with closing(sqlite3.connect(file, timeout=ALONE_S)) as conn:
            mode = conn.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError:
        mode = None
    if mode != ("delete",):
        raise UnavailableError(
            "move_running",
            "The service is running, and what it does meanwhile would be left behind.",
            "Stop `photoplay serve` and every worker, then try again.",
        )


def _failed(why: str) -> UnavailableError:
    return UnavailableError(
        "move_failed",
        f"The service was not moved: {why}. Nothing is left in the new database's tables.",
        "The old database is as it was. `photoplay service overview` tells whether its ledger is sound.",
    )
