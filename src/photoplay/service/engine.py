"""What every part of the service is handed: the settings, the database, the store, the plans, and the door to the queue.

DBOS keeps the queue in tables of its own in the same database, so that a job enters both in one transaction. Web processes
have its client only; it runs in workers (:mod:`photoplay.service.upkeep.worker`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbos import DBOS, DBOSClient
from sqlalchemy import Connection

from photoplay.service.accounts.tenants import check_plans
from photoplay.service.ground.database import Database
from photoplay.service.ground.plans import Plan, load_plans
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.storage import Store, open_store
from photoplay.service.ground.telemetry import Metrics
from photoplay.service.ground.wire import APPLICATION, PLAIN, POLLING, VERSION, WORKFLOW


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
        self.client.destroy()
        self.database.close()

    def backends(self, plan: str) -> tuple[str, ...]:
        """The backends here that a plan includes, the default first. All for a plan that is gone: its films are refused."""
        known = self.plans.get(plan)
        allowed = "*" if known is None else known.backends
        return tuple(one for one in self.settings.backends if allowed == "*" or one in allowed)

    def enqueue(self, conn: Connection, queue: str, priority: int, job_id: str, round: int) -> None:
        """Puts a round of a job into its queue, within the transaction of ``conn``."""
        self.client.enqueue_in_transaction(
            conn,
            {
                "workflow_name": WORKFLOW,
                "workflow_id": workflow_id(job_id, round),
                "queue_name": queue,
                "app_version": VERSION,
                "priority": priority,
            },
            job_id,
            round,
        )


def open_hub(settings: Settings) -> Hub:
    """Opens an installation: brings the database up to date and registers the queues of the settings' backends.

    Several processes may do so at once.

    Raises:
        UnavailableError: the database, the store or the file of plans cannot be used.
    """
    plans = load_plans(settings.plans)
    store = open_store(settings)
    database = Database(settings.database_url)
    try:
        database.migrate()
        with database.read() as conn:
            check_plans(conn, plans, settings.hosted)
        DBOS.migrate(database.engine.url.render_as_string(hide_password=False))
        client = DBOSClient(
            system_database_engine=database.engine, serializer=PLAIN, application_name=APPLICATION, lazy=True
        )
        for backend in settings.backends:
            register_queue(client, queue_name(backend))
    except BaseException:
        database.close()
        raise
    return Hub(settings, database, store, plans, Metrics(), client)


def register_queue(client: DBOSClient, name: str) -> None:
    """Makes a queue known, so that workers can serve it: each of them one job of it at a time."""
    client.register_queue(name, worker_concurrency=1, polling_interval_sec=POLLING, on_conflict="always_update")


def queue_name(backend: str) -> str:
    """The queue of a backend's films."""
    return f"films-{backend}"


def workflow_id(job_id: str, round: int) -> str:
    """The name of a round of a job in the queue."""
    return f"{job_id}.{round}"
