"""Fixtures of the service's tests.

``database``        a migrated SQLite file;  ``postgres``: a migrated PostgreSQL database;  ``either``: a test for each
``postgres_url``    the address of an empty PostgreSQL database of this test's own
``settings``        settings whose data, database and store lie in this test's folder (groundwork.make_settings)
``store``           the store of these settings; ``either_store``: a test for a folder and one for a bucket
``s3``              settings for a new bucket of an S3 server on loopback
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from photoplay.service.ground.database import Database
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.storage import Store, open_store
from tests.service import groundwork


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("migrated") / "photoplay.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return groundwork.make_settings(tmp_path / "data")


@pytest.fixture
def database(settings: Settings, migrated_file: Path) -> Iterator[Database]:
    """The database of ``settings``."""
    settings.data.mkdir(exist_ok=True)
    shutil.copy(migrated_file, settings.data / "photoplay.db")
    found = Database(settings.database_url)
    yield found
    found.close()


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server for all tests of this run."""
    with groundwork.s3_server() as address:
        yield address


@pytest.fixture
def s3(settings: Settings, s3_endpoint: str) -> Settings:
    """Settings for a new bucket of the S3 server."""
    bucket = f"films-{next(groundwork.DRAWN)}"
    httpx.put(f"{s3_endpoint}/{bucket}").raise_for_status()
    return groundwork.make_settings(
        settings.data,
        storage_url=f"s3://{bucket}/some/prefix",
        s3_endpoint=s3_endpoint,
        s3_key="testing",
        s3_secret="testing",
    )


@pytest.fixture(params=["folder", "s3"])
def either_store(request: pytest.FixtureRequest) -> Store:
    """A store of either kind."""
    return open_store(request.getfixturevalue("settings" if request.param == "folder" else "s3"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[groundwork.PostgresServer]:
    """A PostgreSQL server for all tests of this run."""
    started, handle = groundwork.start_postgres()
    yield started
    handle.cleanup()


@pytest.fixture
def postgres_url(postgres_server: groundwork.PostgresServer) -> Iterator[str]:
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def postgres(postgres_server: groundwork.PostgresServer) -> Iterator[Database]:
    url = postgres_server.create(postgres_server.template)
    found = Database(url)
    yield found
    found.close()
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> Database:
    """A migrated database of either kind."""
    found: Database = request.getfixturevalue("database" if request.param == "sqlite" else "postgres")
    return found
