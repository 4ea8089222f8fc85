"""The one database: SQLite on one machine, PostgreSQL for many. Its engine is also the one that DBOS works on.

On SQLite writers come one after the other: :meth:`Database.begin` takes the write lock before it reads anything, so what
it read still holds when it writes. On PostgreSQL transactions are READ COMMITTED: whoever decides by what was read takes
:func:`lock` first (on SQLite it has nothing to do), or writes under a condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from photoplay.errors import UnavailableError
from photoplay.service.ground.migrations import MOVED, VERSION_TABLE

BUSY_MS = 10_000
"""How long a writer waits for the other writers of a SQLite file."""
POOL, OVERFLOW = 5, 15
"""Connections that a process keeps, and those that it may open besides. PostgreSQL allows 100 in all as it comes."""
WAIT_S = 10
"""How long anybody waits for a connection."""
POSTGRES = {
    "application_name": "photoplay",
    "connect_timeout": WAIT_S,
    # A process or network that went silent keeps no lock: not in the server's eyes, and not in ours.
    "options": "-c idle_in_transaction_session_timeout=60s -c tcp_keepalives_idle=30",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
WAL_BYTES = 64 * 1024 * 1024
"""What SQLite's write-ahead log is cut back to after a time of many writes."""
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATING = "photoplay migrations"
ADVISORY = 0x70_70
"""First half of this service's advisory locks, so that they meet nobody else's."""


class Database:
    """The database at ``url`` (``sqlite:///file``, ``postgresql://user:password@host/name``).

    Raises:
        UnavailableError: ``database_unsupported``: the address cannot be read or is of another kind; ``database_down``: the
            file cannot be made.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        if parsed.drivername == "sqlite":
            _make_file(Path(parsed.database or ""))
        self.engine: Engine = _engine(parsed)
        self._writer = Lock()
        self.is_sqlite: bool = self.engine.dialect.name == "sqlite"

    def __repr__(self) -> str:
        return f"Database({self.engine.dialect.name})"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, undone when anything is raised.

        Raises:
            UnavailableError: ``database_down``, ``database_busy``: it could not begin.
        """
        with ExitStack() as stack:
            if self.is_sqlite:
                stack.enter_context(self._turn())
            with _beginning():
                conn = stack.enter_context(self.engine.begin())
                if self.is_sqlite:
                    conn.exec_driver_sql("BEGIN IMMEDIATE")
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, all of it at one moment; a write in it is an error. It keeps no writer waiting.

        Raises:
            UnavailableError: ``database_down``, ``database_busy``: it could not begin.
        """
        with ExitStack() as stack:
            with _beginning():
                conn = stack.enter_context(self.engine.connect())
                if self.is_sqlite:
                    stack.enter_context(_read_only(conn))
                else:
                    conn = conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                    conn.begin()
            yield conn

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One writer of this process at a time: SQLite lets those who wait poll for its lock, ever more seldom."""
        if not self._writer.acquire(timeout=BUSY_MS / 1000):
            raise _busy()
        try:
            yield
        finally:
            self._writer.release()

    def migrate(self) -> None:
        """Brings the tables to this version. Several processes may do so at once: one works, the others wait for it.

        Raises:
            UnavailableError: ``database_newer``: a newer photoplay made these tables; ``database_down``.
        """
        config = _config()
        with self.begin() as conn:
            lock(conn, MIGRATING)
            config.attributes["connection"] = conn
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise _other(conn) from error

    def check(self) -> None:
        """Whether the database answers and its tables are of this version.

        Raises:
            UnavailableError: ``database_down``, ``database_busy``, ``database_unmigrated``.
        """
        with self.read() as conn:
            try:
                version = conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            except DBAPIError:
                version = None
        if version != _newest():
            raise UnavailableError(
                "database_unmigrated",
                "The service's tables are not there, or are of another version.",
                "Run `photoplay service migrate`.",
            )

    def close(self) -> None:
        """Closes every connection that is not in use."""
        self.engine.dispose()


def lock(conn: Connection, name: str) -> None:
    """Lets one transaction at a time hold ``name``, until it ends. On SQLite a writer is alone already."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(ADVISORY, func.hashtext(name))))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _make_file(path: Path) -> None:
    """A SQLite file that only this user can read; SQLite gives the files beside it the same rights."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise _down() from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("unreadable")
    kind = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}.get(
        parsed.drivername, parsed.drivername
    )
    memory = kind == "sqlite" and (parsed.database or ":memory:").startswith((":memory:", "file:"))
    if kind not in ("sqlite", "postgresql+psycopg") or memory:
        raise UnavailableError(
            "database_unsupported",
            "The address of the database is not one of a SQLite file or a PostgreSQL database.",
            "Set PHOTOPLAY_DATABASE_URL to sqlite:///file or postgresql://user:password@host/name.",
        )
    return parsed.set(drivername=kind)


def _engine(url: URL) -> Engine:
    """An engine whose errors tell no values: they go to the log."""
    if url.drivername != "sqlite":
        return create_engine(
            url,
            hide_parameters=True,
            pool_size=POOL,
            max_overflow=OVERFLOW,
            pool_timeout=WAIT_S,
            pool_pre_ping=True,
            connect_args=POSTGRES,
        )
    # The driver's IMMEDIATE begins the transactions that DBOS writes in; ours say BEGIN themselves (see begin and read).
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=WAIT_S,
        connect_args={"isolation_level": "IMMEDIATE", "timeout": BUSY_MS / 1000},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={BUSY_MS}",
        "foreign_keys=ON",
        f"journal_size_limit={WAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


@contextmanager
def _read_only(conn: Connection) -> Iterator[None]:
    """A moment of a SQLite file, in which nothing can be written."""
    conn.exec_driver_sql("PRAGMA query_only=ON")
    try:
        conn.exec_driver_sql("BEGIN")
        yield
    finally:
        try:
            conn.rollback()
            conn.exec_driver_sql("PRAGMA query_only=OFF")
        except BaseException:
            conn.invalidate()  # nobody gets it from the pool and wonders why it cannot write
            raise


@contextmanager
def _beginning() -> Iterator[None]:
    """Turns what keeps a transaction from beginning into photoplay's own errors, without the address in them."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if not isinstance(error, PoolTimeout) and "locked" not in str(error):
            raise _down() from error
        raise _busy() from error


def _other(conn: Connection) -> UnavailableError:
    """Whose a database is that this version does not know."""
    if conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == MOVED:
        what = "The service was moved from this database to another one."
        return UnavailableError("database_newer", what, "Set PHOTOPLAY_DATABASE_URL to where it is now.")
    return UnavailableError(
        "database_newer",
        "The database was made by another version of photoplay.",
        "Start the version that made it, or a newer one.",
    )


def _busy() -> UnavailableError:
    return UnavailableError("database_busy", "The database is too busy.", "Try again in a moment.")


def _down() -> UnavailableError:
    return UnavailableError(
        "database_down",
        "The database cannot be reached.",
        "See that it runs and that PHOTOPLAY_DATABASE_URL is right.",
    )
