"""Rows for tests of what works on rows that somebody else wrote: tenants, jobs, uploads, workers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from photoplay.service.ground import plans
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.tables import jobs, tenants, uploads, workers
from photoplay.service.jobs.requests import JobRequest

PLANS = plans.load_plans()


def tenant(conn: Connection, now: float, plan: str = "free") -> str:
    """A new tenant."""
    id_ = new_id("tenant")
    conn.execute(tenants.insert().values(id=id_, name="Somebody", plan=plan, created_at=now))
    return id_


def job(conn: Connection, tenant_id: str, now: float, **given: Any) -> str:
    """A job that was submitted ``now``, of the tenant's plan; ``given`` columns first."""
    plan = conn.execute(select(tenants.c.plan).where(tenants.c.id == tenant_id)).scalar_one()
    row: dict[str, Any] = {
        "id": new_id("video"),
        "tenant_id": tenant_id,
        "plan": plan,
        "queue": "films-pocket",
        "priority": plans.priority(PLANS[plan], now),
        "request": JobRequest(template="smile").model_dump(mode="json"),
        "state": "queued",
        "cost": 3,
        "created_at": now,
        "queued_at": now,
    }
    conn.execute(jobs.insert().values(**(row | given)))
    return str((row | given)["id"])


def upload(conn: Connection, tenant_id: str, now: float, **given: Any) -> str:
    """A photo that was uploaded ``now``; ``given`` columns first."""
    id_ = new_id("upload")
    key = f"uploads/{tenant_id}/{id_}"
    row = {"id": id_, "tenant_id": tenant_id, "kind": "photo", "key": key, "sha256": "a" * 64, "bytes": 3}
    conn.execute(uploads.insert().values(**(row | {"created_at": now, "expires_at": now + 1000} | given)))
    return id_


def worker(conn: Connection, now: float, **given: Any) -> str:
    """A worker that was heard of ``now``; ``given`` columns first."""
    id_ = new_id("worker")
    row = {"id": id_, "queues": ["films-pocket"], "device": "cpu", "memory_gb": 1.0, "version": "0", "state": "up"}
    conn.execute(workers.insert().values(**(row | {"started_at": now, "beat_at": now} | given)))
    return id_
