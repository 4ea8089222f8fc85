"""Films that nobody makes: their backend has had no worker for a day."""

from __future__ import annotations

from sqlalchemy import select

from photoplay.errors import UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import jobs, workers
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.lifecycle import give_up
from photoplay.service.upkeep.leftovers import BATCH

UNSERVED = 86_400.0
"""Seconds that a job waits for a worker of its backend while there is none."""


def unserved(hub: Hub, now: float) -> int:
    """Ends jobs that have waited for a day, or lie with a dead worker, where none of their backend lived all that day."""
    since = now - UNSERVED
    with hub.database.read() as conn:
        alive = conn.execute(select(workers.c.queues).where(workers.c.beat_at > since)).scalars()
        served = {queue for queues in alive for queue in queues}
        rows = conn.execute(
            select(jobs)
            .where(jobs.c.state.in_(LIVE), jobs.c.deleted_at.is_(None), jobs.c.queue.not_in(served))
            .where(jobs.c.queued_at <= since)
            .order_by(jobs.c.queued_at)
            .limit(BATCH)
        )
        waiting = [Job.of(row) for row in rows]
    return sum(give_up(hub, job, _unserved(), now) for job in waiting)


def _unserved() -> UnavailableError:
    return UnavailableError(
        "backend_unserved",
        "For a day nobody here made films with this backend, so this one was given up.",
        "Choose another backend, or try it again later. Nothing was charged; the operator can start a worker for it.",
    )
