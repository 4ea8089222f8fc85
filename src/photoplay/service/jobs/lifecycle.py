"""Jobs: a film that somebody asked for, from submit to delete. The row of the table is the truth.

Every function that changes a job does it in one transaction, with the job's credits, its events and its place in the queue.
What lies in the store goes after its row says so; what a crash leaves there belongs to no row, and the janitor finds it.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy import delete as remove

from photoplay.errors import CancelledError, PhotoplayError, RequestError
from photoplay.service.accounts import credits, limits
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub, queue_name, workflow_id
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.plans import Plan, cost, priority
from photoplay.service.ground.rows import hold_tenant, insert_once
from photoplay.service.ground.states import LIVE, State
from photoplay.service.ground.tables import deliveries, idempotency, job_events, jobs
from photoplay.service.ground.telemetry import logger
from photoplay.service.jobs.addresses import check_url
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.events import tell
from photoplay.service.jobs.job import Job, find, get, list_jobs
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.jobs.settling import settle

__all__ = [
    "LIVE",
    "Changes",
    "Job",
    "JobRequest",
    "State",
    "cancel",
    "delete",
    "find",
    "forget",
    "get",
    "give_up",
    "list_jobs",
    "remix",
    "resume",
    "retry",
    "submit",
]

KEPT = 86_400.0
"""Seconds in which an idempotency key means the same job."""
LONGEST_KEY = 255
SETTLED = 60.0
"""Seconds after a job's end in which its worker may still be busy with it."""


@dataclass(frozen=True)
class Changes:
    """What a remix has other than its original. Where there are new words and no template, the words choose it."""

    prompt: str | None = None
    template: str | None = None
    seed: int | None = None


def submit(
    hub: Hub,
    principal: Principal,
    request: JobRequest,
    *,
    idempotency_key: str | None = None,
    webhook: str | None = None,
    remixed_from: str | None = None,
    now: float,
) -> Job:
    """Takes a request into the queue, with its credits held: all of it or nothing.

    The same ``idempotency_key`` within a day gives the same job again.

    Raises:
        TooManyError, QuotaError, ForbiddenError: a limit, the credits, the plan.
        ConflictError: ``idempotency_mismatch``: the key was used with another request.
        RequestError: ``webhook_address``, ``idempotency_key_bad``; as :func:`photoplay.service.jobs.settling.settle`.
    """
    plan = _plan(hub, principal.plan)
    if webhook is not None:
        check_url(webhook, hub.settings.webhook_hosts)
    key = None if idempotency_key is None else _checked(idempotency_key)
    digest = hashlib.sha256(f"{request.digest()} {webhook} {remixed_from}".encode()).hexdigest()
    id_ = new_id("video")
    with hub.database.begin() as conn:
        hold_tenant(conn, principal.tenant_id)
        if key is not None and (earlier := _same(conn, principal.tenant_id, key, digest, now)) is not None:
            return get(conn, principal.tenant_id, earlier)
        limits.check_submit(conn, principal.tenant_id, plan, hub.settings, now)
        settled = settle(conn, hub, plan, principal.tenant_id, request)
        row = {
            "id": id_,
            "tenant_id": principal.tenant_id,
            "request": settled.model_dump(mode="json"),
            "webhook": webhook,
            "remixed_from": remixed_from,
            "created_at": now,
            "round": 1,
        }
        conn.execute(insert(jobs).values(**row, **_waiting(plan, settled, now)))
        if key is not None:
            said = {"tenant_id": principal.tenant_id, "key": key, "digest": digest, "job_id": id_, "created_at": now}
            insert_once(conn, idempotency, said)
        job = _queued(conn, hub, id_, now)
    hub.metrics.jobs.labels(state="queued", plan=plan.name).inc()
    return job


def cancel(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Ends a job: one that waits at once, one that runs within a second. One that is cancelled already stays so.

    Raises:
        NotFoundError.   ConflictError: ``job_over``: it is completed or failed.
    """
    with hub.database.begin() as conn:
        job = _held(conn, principal, id)
        if job.state in ("completed", "failed"):
            raise ConflictError("job_over", "This film is finished already.", "Delete it if it is not wanted.")
        if job.state == "queued":
            end(conn, hub, job, "cancelled", now, CancelledError())
        elif job.state == "running" and job.cancel_at is None:
            conn.execute(update(jobs).where(jobs.c.id == id).values(cancel_at=now))
        after = get(conn, principal.tenant_id, id)
    _out_of_queue(hub, job, now)
    return after


def resume(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Goes on with a cancelled job where it was, with credits held anew.

    Raises:
        NotFoundError.   ConflictError: ``job_not_cancelled``.   As :func:`submit`, for limits, credits and uploads.
    """
    return _again(hub, principal, id, "cancelled", now)


def retry(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Tries a failed job once more, with credits held anew.

    Raises:
        NotFoundError.   ConflictError: ``job_not_failed``.   As :func:`submit`, for limits, credits and uploads.
    """
    return _again(hub, principal, id, "failed", now)


def remix(
    hub: Hub,
    principal: Principal,
    id: str,
    changes: Changes,
    *,
    idempotency_key: str | None = None,
    webhook: str | None = None,
    now: float,
) -> Job:
    """A new job from another's request, with changes.

    Raises:
        NotFoundError; as :func:`submit`.
    """
    with hub.database.read() as conn:
        request = get(conn, principal.tenant_id, id).request
    asked = asdict(changes)
    if changes.prompt is not None and changes.template is None:
        asked["template"] = ""
    changed = request.model_dump() | {name: value for name, value in asked.items() if value is not None}
    return submit(
        hub,
        principal,
        JobRequest.model_validate(changed),
        idempotency_key=idempotency_key,
        webhook=webhook,
        remixed_from=id,
        now=now,
    )


def delete(hub: Hub, principal: Principal, id: str, now: float) -> None:
    """Cancels a job, and removes its films and everything personal of it for good.

    Raises:
        NotFoundError.
    """
    with hub.database.read() as conn:
        get(conn, principal.tenant_id, id)
    if not forget(hub, id, now):
        raise NotFoundError()


def forget(hub: Hub, job_id: str, now: float) -> bool:
    """What :func:`delete` does, whoever asks; False where somebody else did."""
    with hub.database.begin() as conn:
        seen = find(conn, job_id)
        if seen is None:
            return False
        hold_tenant(conn, seen.tenant_id)
        job = find(conn, job_id, hold=True)  # another round may have begun before the tenant was held
        if job is None:
            return False
        end(conn, hub, job, "cancelled", now, CancelledError())
        wiped: dict[str, Any] = {"request": {}, "film": None, "error": None, "webhook": None, "deleted_at": now}
        mine = (jobs.c.id == job_id, jobs.c.deleted_at.is_(None))
        if conn.execute(update(jobs).where(*mine).values(wiped)).rowcount != 1:
            return False
        for table in (job_events, deliveries, idempotency):
            conn.execute(remove(table).where(table.c.job_id == job_id))
    _out_of_queue(hub, job, now)
    for key in list(hub.store.list(f"films/{job.tenant_id}/{job.id}")):
        hub.store.delete(key)
    shutil.rmtree(hub.settings.work / job.id, ignore_errors=True)
    return True


def give_up(hub: Hub, job: Job, error: PhotoplayError, now: float) -> bool:
    """Ends a job that nobody will make as failed, and gives its credits back; False where it is over already."""
    with hub.database.begin() as conn:
        ended = end(conn, hub, job, "failed", now, error)
    if ended:
        _out_of_queue(hub, job, now)
    return ended


def _again(hub: Hub, principal: Principal, id: str, was: State, now: float) -> Job:
    """Another round of a job that is over."""
    plan = _plan(hub, principal.plan)
    with hub.database.begin() as conn:
        job = _held(conn, principal, id)
        if job.state != was:
            raise ConflictError(
                f"job_not_{was}",
                f"Only a {was} film can go on in this way; this one is {job.state}.",
                "Look at its state.",
            )
        limits.check_submit(conn, principal.tenant_id, plan, hub.settings, now)
        settled = settle(conn, hub, plan, principal.tenant_id, job.request)
        fresh = {"error": None, "film": None, "charged": None, "cancel_at": None, "started_at": None}
        values = _waiting(plan, settled, now) | fresh | {"finished_at": None, "expires_at": None}
        request = settled.model_dump(mode="json")
        conn.execute(update(jobs).where(jobs.c.id == id).values(values | {"round": job.round + 1, "request": request}))
        after = _queued(conn, hub, id, now)
    hub.metrics.jobs.labels(state="queued", plan=plan.name).inc()
    return after


def _waiting(plan: Plan, request: JobRequest, now: float) -> dict[str, Any]:
    """What a row says while its job waits for the first time, or once more."""
    price = cost(plan, request.size, request.seconds or 0.0, request.backend)
    return {
        "plan": plan.name,
        "queue": queue_name(request.backend),
        "priority": priority(plan, now),
        "queued_at": now,
        "state": "queued",
        "stage": "",
        "percent": 0,
        "attempt": 0,
        "cost": price,
    }


def _queued(conn: Connection, hub: Hub, id: str, now: float) -> Job:
    """Holds the credits of a row that waits, tells of it and puts it into the queue."""
    job = find(conn, id)
    if job is None:
        raise NotFoundError()
    credits.reserve(conn, job.tenant_id, job.id, job.round, job.cost, now)
    tell(conn, job.id, 0, "state", {"state": "queued", "error": None}, now)
    hub.enqueue(conn, job.queue, job.priority, job.id, job.round)
    return job


def _held(conn: Connection, principal: Principal, id: str) -> Job:
    """A job of the principal's, which nobody else changes until the transaction ends."""
    hold_tenant(conn, principal.tenant_id)
    job = find(conn, id, hold=True)
    if job is None or job.tenant_id != principal.tenant_id:
        raise NotFoundError()
    return job


def _same(conn: Connection, tenant_id: str, key: str, digest: str, now: float) -> str | None:
    """The job that this key was used for; what is older than a day is forgotten.

    Raises:
        ConflictError: ``idempotency_mismatch``.
    """
    mine = (idempotency.c.tenant_id == tenant_id, idempotency.c.key == key)
    conn.execute(remove(idempotency).where(*mine, idempotency.c.created_at <= now - KEPT))
    found = conn.execute(select(idempotency.c.digest, idempotency.c.job_id).where(*mine)).first()
    if found is None:
        return None
    if found.digest != digest:
        raise ConflictError(
            "idempotency_mismatch",
            "This idempotency key was used with another request.",
            "Send the same request again, or use a new key.",
        )
    return str(found.job_id)


def _checked(key: str) -> str:
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise RequestError(
            "idempotency_key_bad",
            "This idempotency key cannot be used.",
            f"Use 1 to {LONGEST_KEY} printable ASCII characters, such as a UUID.",
        )
    return key


def _plan(hub: Hub, name: str) -> Plan:
    plan = hub.plans.get(name)
    if plan is None:
        raise ForbiddenError("plan_gone", "The plan of this account is not offered any more.", "Ask for another plan.")
    return plan


def _out_of_queue(hub: Hub, job: Job, now: float) -> None:
    """Spares a worker the look at a job that waited, and removes what the queue knows of one that was over for a while.

    One that runs is left alone: its worker sees in the row that it is over. Where this fails nothing is lost.
    """
    try:
        if job.state == "queued":
            hub.client.cancel_workflow(workflow_id(job.id, job.round))
        elif job.finished_at is not None and now - job.finished_at > SETTLED:
            hub.client.delete_workflows([workflow_id(job.id, round) for round in range(1, job.round + 1)])
    except Exception:
        logger(__name__).warning("job_stays_in_queue", job_id=job.id, exc_info=True)
