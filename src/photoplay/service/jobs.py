"""Jobs: a film that somebody asked for, from submit to delete. The row of the table is the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection

from photoplay.service.accounts import Principal
from photoplay.service.engine import Hub
from photoplay.service.requests import JobRequest

__all__ = ["Job", "JobRequest", "State", "cancel", "delete", "get", "list_jobs", "remix", "resume", "retry", "submit"]

State: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Job:
    """A row of the table ``jobs``; its columns say what each field is."""

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
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    deleted_at: float | None


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
    """Takes a request into the queue, with its credits reserved: all of it or nothing."""
    raise NotImplementedError


def get(conn: Connection, tenant_id: str, id: str) -> Job:
    """A job of this tenant."""
    raise NotImplementedError


def list_jobs(
    conn: Connection,
    tenant_id: str,
    limit: int = 20,
    after: str | None = None,
    order: Literal["asc", "desc"] = "desc",
) -> list[Job]:
    """Jobs of this tenant by time, ``after`` (the id of) one of them."""
    raise NotImplementedError


def cancel(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Ends a job: one that waits at once, one that runs within a second."""
    raise NotImplementedError


def resume(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Goes on with a cancelled job where it was."""
    raise NotImplementedError


def retry(hub: Hub, principal: Principal, id: str, now: float) -> Job:
    """Tries a failed job once more."""
    raise NotImplementedError


def remix(
    hub: Hub,
    principal: Principal,
    id: str,
    *,
    prompt: str | None = None,
    template: str | None = None,
    seed: int | None = None,
    idempotency_key: str | None = None,
    webhook: str | None = None,
    now: float,
) -> Job:
    """A new job from another's request with other words, another template or another seed."""
    raise NotImplementedError


def delete(hub: Hub, principal: Principal, id: str, now: float) -> None:
    """Cancels a job, and removes its films and everything personal of it for good."""
    raise NotImplementedError
