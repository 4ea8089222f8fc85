"""Who is alive: workers write when they last were, and whoever is silent for too long loses its jobs to the others.

A worker that was only held up finds itself declared gone, and ends: from then on its jobs belong to others.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbos import DBOS
from sqlalchemy import insert, select, update

from photoplay.errors import PhotoplayError, UnavailableError
from photoplay.service.engine import Hub, workflow_id
from photoplay.service.ground.states import LIVE, SILENT_S
from photoplay.service.ground.tables import jobs, workers
from photoplay.service.ground.telemetry import logger
from photoplay.service.ground.wire import VERSION
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.job import Job

BEAT = 2.0
"""Seconds between two signs of life."""
OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
"""States of a workflow that nothing more comes of."""
SETTLED = 30.0
"""Seconds for which a job whose workflow is over may still be on its way to its end."""


def enrol(hub: Hub, worker_id: str, queues: Sequence[str], device: str, memory_gb: float, now: float) -> None:
    """Puts a new worker on the list."""
    row = {"id": worker_id, "queues": list(queues), "device": device, "memory_gb": memory_gb, "version": VERSION}
    with hub.database.begin() as conn:
        conn.execute(insert(workers).values(**row, state="up", job_id=None, started_at=now, beat_at=now))


def beat(hub: Hub, worker_id: str, now: float) -> bool:
    """Writes that a worker lives; False where it was declared gone."""
    mine = (workers.c.id == worker_id, workers.c.state != "gone")
    with hub.database.begin() as conn:
        return conn.execute(update(workers).where(*mine).values(beat_at=now)).rowcount == 1


def drain(hub: Hub, worker_id: str) -> None:
    """Says that a worker takes nothing new."""
    mine = (workers.c.id == worker_id, workers.c.state == "up")
    with hub.database.begin() as conn:
        conn.execute(update(workers).where(*mine).values(state="draining"))


def bury(hub: Hub, worker_id: str, now: float) -> None:
    """Says that a worker is gone, so that its job is taken over at once: for who saw its process end."""
    with hub.database.begin() as conn:
        gone = {"state": "gone", "job_id": None, "beat_at": now}
        conn.execute(update(workers).where(workers.c.id == worker_id, workers.c.state != "gone").values(gone))


def reap(hub: Hub, now: float) -> list[str]:
    """Declares silent workers gone and puts what dead ones had in hand back into the queue: in a process that runs DBOS.

    Any number of workers may do so at once. Returns the ids of the workers whose jobs were put back.
    """
    silent = (workers.c.state != "gone", workers.c.beat_at < now - SILENT_S)
    with hub.database.read() as conn:
        quiet = conn.execute(select(workers.c.id).where(*silent)).first()
    if quiet is not None:
        with hub.database.begin() as conn:
            conn.execute(update(workers).where(*silent).values(state="gone", job_id=None))
    pending = DBOS.list_workflows(status="PENDING", app_version=VERSION, load_input=False, load_output=False)
    holders = {one.executor_id for one in pending if one.executor_id}
    if not holders:
        return []
    with hub.database.read() as conn:
        alive = conn.execute(select(workers.c.id).where(workers.c.id.in_(holders), workers.c.state != "gone"))
        dead = sorted(holders - set(alive.scalars()))
    if dead:
        DBOS._recover_pending_workflows(dead)
        logger(__name__).warning("jobs_taken_over", workers=dead)
    return dead


def reconcile(hub: Hub, now: float) -> int:
    """Ends jobs that wait for a workflow which is over: their steps failed for good, as when the database was away.

    Returns how many there were.
    """
    ended = 0
    live = select(jobs).where(jobs.c.state.in_(LIVE), jobs.c.deleted_at.is_(None), jobs.c.queued_at < now - SETTLED)
    with hub.database.read() as conn:
        found = {workflow_id(job.id, job.round): job for job in map(Job.of, conn.execute(live))}
    names = list(found)
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        over = hub.client.list_workflows(workflow_ids=some, status=list(OVER), load_input=False, load_output=False)
        for one in over:
            if (one.updated_at or 0) / 1000 > now - SETTLED:
                continue
            job = found[one.workflow_id]
            with hub.database.begin() as conn:
                ended += end(conn, hub, job, "failed", now, _broken())
    return ended


def _broken() -> PhotoplayError:
    return UnavailableError(
        "internal_error",
        "Something went wrong while this film was made.",
        "Try it again. If it happens once more, tell the operator this film's id.",
    )
