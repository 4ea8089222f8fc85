"""How a round of a job ends: once, with its film or its error, its credits, its events and its webhook together."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, update

from photoplay.errors import PhotoplayError
from photoplay.service.accounts import credits
from photoplay.service.engine import Hub
from photoplay.service.ground.rows import hold_tenant
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import jobs
from photoplay.service.ground.telemetry import logger
from photoplay.service.jobs import webhooks
from photoplay.service.jobs.events import tell
from photoplay.service.jobs.job import Job

DAY = 86_400.0


def end(
    conn: Connection,
    hub: Hub,
    job: Job,
    state: Literal["completed", "failed", "cancelled"],
    now: float,
    error: PhotoplayError | None = None,
) -> bool:
    """Ends this round of a job: a completed one is charged, any other is given its credits back.

    Whoever comes first ends it; for all others, and in another round, nothing happens and False is returned.
    """
    done = state == "completed"
    told = None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
    values: dict[str, Any] = {
        "state": state,
        "error": told,
        "charged": job.cost if done else 0,
        "finished_at": now,
        "expires_at": now + _kept_days(hub, job) * DAY,
        "worker_id": None,
    }
    hold_tenant(conn, job.tenant_id)
    mine = (jobs.c.id == job.id, jobs.c.round == job.round, jobs.c.state.in_(LIVE))
    ended = update(jobs).where(*mine).values(values | ({"percent": 100} if done else {"film": None}))
    if conn.execute(ended).rowcount != 1:
        return False
    (credits.settle if done else credits.refund)(conn, job.id, job.round, now)
    tell(conn, job.id, job.attempt, "state", {"state": state, "error": told}, now)
    tell(conn, job.id, job.attempt, "end", {"state": state}, now)
    webhooks.announce(conn, job.id, now)
    hub.metrics.jobs.labels(state=state, plan=job.plan).inc()
    return True


def _kept_days(hub: Hub, job: Job) -> int:
    """Days that what comes of a job is kept: by its plan; where that is gone, as long as any plan keeps it."""
    plan = hub.plans.get(job.plan)
    if plan is not None:
        return plan.retention_days
    logger(__name__).warning("plan_gone", job_id=job.id, plan=job.plan)
    return max(one.retention_days for one in hub.plans.values())
