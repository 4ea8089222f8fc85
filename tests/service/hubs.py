"""Fixtures: ``hub`` is an installation on SQLite, and once more on PostgreSQL; ``alone`` on SQLite only. To be imported by
the modules that ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photoplay.service.engine import Hub
from tests.service import groundwork
from tests.service.opening import make_template, opened, opened_copy


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, postgres_server: groundwork.PostgresServer) -> str:
    return make_template(tmp_path_factory.mktemp("template"), postgres_server)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    if request.param == "sqlite":
        with opened(tmp_path) as found:
            yield found
        return
    server, name = request.getfixturevalue("postgres_server"), request.getfixturevalue("template")
    with opened_copy(tmp_path, server, name) as found:
        yield found


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Hub]:
    with opened(tmp_path) as found:
        yield found
