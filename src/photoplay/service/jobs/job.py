"""A job as it is read from its row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_, or_, select

from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.states import State
from photoplay.service.ground.tables import jobs
from photoplay.service.jobs.requests import JobRequest

MOST_LISTED = 100
ID = re.compile(r"video_[a-z2-7]{26}")


@dataclass(frozen=True)
class Job:
    """A row of the table ``jobs``; its columns say what each field is. ``film`` is there once the job is completed."""

    id: str
    tenant_id: str
    plan: str
    queue: str
    priority: int
    request: JobRequest
    state: State
    stage: str
    percent: int
    attempt: int
    round: int
    worker_id: str | None
    cost: int
    charged: int | None
    error: dict[str, Any] | None
    film: dict[str, Any] | None
    webhook: str | None
    remixed_from: str | None
    cancel_at: float | None
    created_at: float
    queued_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    deleted_at: float | None

    @classmethod
    def of(cls, row: Any) -> Job:
        """The job of a row of the table."""
        values = dict(row._mapping)
        values["request"] = JobRequest.model_validate(values["request"])
        if values["state"] != "completed":
            values["film"] = None  # one that is kept already, of a round that is not over
        return cls(**values)


def find(conn: Connection, id: str, *, hold: bool = False) -> Job | None:
    """A job by its id, whoever it belongs to; None where there is none or it was deleted.

    ``hold`` keeps its row as it is until the transaction ends.
    """
    if ID.fullmatch(id) is None:
        return None
    wanted = select(jobs).where(jobs.c.id == id, jobs.c.deleted_at.is_(None))
    row = conn.execute(wanted.with_for_update() if hold else wanted).first()
    return None if row is None else Job.of(row)


def get(conn: Connection, tenant_id: str, id: str) -> Job:
    """A job of this tenant.

    Raises:
        NotFoundError: there is none, it is somebody else's, or it was deleted.
    """
    job = find(conn, id)
    if job is None or job.tenant_id != tenant_id:
        raise NotFoundError()
    return job


def list_jobs(
    conn: Connection,
    tenant_id: str,
    limit: int = 20,
    after: str | None = None,
    order: Literal["asc", "desc"] = "desc",
) -> list[Job]:
    """Jobs of this tenant by the time they were submitted, from the one after the job ``after`` on; 100 at most.

    Raises:
        NotFoundError: this tenant has no job ``after``.
    """
    wanted = select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.deleted_at.is_(None))
    if after is not None:
        last = get(conn, tenant_id, after)
        same = jobs.c.created_at == last.created_at
        if order == "asc":
            wanted = wanted.where(or_(jobs.c.created_at > last.created_at, and_(same, jobs.c.id > last.id)))
        else:
            wanted = wanted.where(or_(jobs.c.created_at < last.created_at, and_(same, jobs.c.id < last.id)))
    by = (jobs.c.created_at, jobs.c.id) if order == "asc" else (jobs.c.created_at.desc(), jobs.c.id.desc())
    return [Job.of(row) for row in conn.execute(wanted.order_by(*by).limit(max(1, min(limit, MOST_LISTED))))]


def film_key(job: Job, name: str) -> str:
    """Where a file of this attempt at a job's film is stored: two workers never write the same object."""
    return f"films/{job.tenant_id}/{job.id}/{job.round}/{job.attempt}/{name}"


def preview_key(job: Job) -> str:
    """Where the newest preview frame of a running job is stored."""
    return f"films/{job.tenant_id}/{job.id}/{job.round}/preview.png"
