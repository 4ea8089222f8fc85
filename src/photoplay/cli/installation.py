"""Opens the service's installation for a command; says what to install where the service is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from photoplay.errors import UnavailableError

if TYPE_CHECKING:
    from photoplay.service.engine import Hub
    from photoplay.service.ground.database import Database
    from photoplay.service.ground.settings import Settings

PACKAGES = (
    "alembic", "argon2", "dbos", "fastapi", "httpcore", "httpx", "obstore", "opentelemetry.sdk", "prometheus_client",
    "psycopg", "pydantic_settings", "python_multipart", "sqlalchemy", "structlog", "uvicorn",
)  # fmt: skip
"""What the extra ``service`` brings."""


def check_installed() -> None:
    """Raises UnavailableError: ``service_missing`` with what is not there."""
    absent = [name for name in PACKAGES if not _is_there(name)]
    if absent:
        raise UnavailableError(
            "service_missing",
            f"The service is not installed: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there.",
            "Install it with: pip install 'photoplay[service,nudenet]' (nudenet is the content filter, AGPL-3.0).",
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package that should hold it
        return False


def load_settings(**given: Any) -> Settings:
    """The settings of this environment, ``given`` ones first; not yet checked.

    Raises:
        UnavailableError: ``service_missing``, ``settings_invalid``.
    """
    check_installed()
    from photoplay.service.ground.settings import Settings

    return Settings.load(**given)


@contextmanager
def open_database() -> Iterator[tuple[Settings, Database]]:
    """The database, brought up to date, until the block ends."""
    settings = load_settings()
    from photoplay.service.ground.database import Database
    from photoplay.service.ground.safe_settings import make_private

    make_private(settings.data)
    with closing(Database(settings.database_url)) as database:
        database.migrate()
        yield settings, database


@contextmanager
def open_hub() -> Iterator[Hub]:
    """The whole installation, until the block ends."""
    settings = load_settings().checked()
    from photoplay.service.engine import open_hub as opened

    with closing(opened(settings)) as hub:
        yield hub
