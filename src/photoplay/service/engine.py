"""What every part of the service is handed: the settings, the database, the store, the plans, and the door to the queue.

DBOS keeps the queue in tables of its own in the same database, so that a job enters both in one transaction. Web processes
have its client only; it runs in workers (:mod:`photoplay.service.worker`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbos import DBOSClient

from photoplay.service.database import Database
from photoplay.service.plans import Plan
from photoplay.service.settings import Settings
from photoplay.service.storage import Store
from photoplay.service.telemetry import Metrics


@dataclass(frozen=True)
class Hub:
    """An open installation. Made by :func:`open_hub`; ``close`` it at the end."""

    settings: Settings
    database: Database
    store: Store
    plans: Mapping[str, Plan]
    metrics: Metrics
    client: DBOSClient

    def close(self) -> None:
        """Lets go of the database."""
        raise NotImplementedError


def open_hub(settings: Settings) -> Hub:
    """Opens an installation: brings the database up to date, registers the queues."""
    raise NotImplementedError


def queue_name(backend: str) -> str:
    """The queue of a backend's films."""
    return f"films-{backend}"
