"""A hub of a test's own, with a tenant who may ask for films."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import SCOPES, Principal
from photoplay.service.engine import Hub
from photoplay.service.ground import plans
from photoplay.service.ground.tables import jobs
from photoplay.service.jobs.job import Job, find
from photoplay.service.jobs.requests import JobRequest
from tests.service import groundwork

SMILE = JobRequest(template="smile", seconds=1.0, backend="echo")


@contextmanager
def opened(folder: Path, **given: object) -> Iterator[Hub]:
    """An installation in a folder; ``given`` settings first."""
    hub = groundwork.open_new(folder, **{"backends": ("echo", "pocket"), **given})
    try:
        yield hub
    finally:
        hub.close()


@contextmanager
def opened_copy(folder: Path, server: groundwork.PostgresServer, template: str, **given: object) -> Iterator[Hub]:
    """An installation on PostgreSQL, in a copy of the database ``template``; ``given`` settings first."""
    url = server.create(template)
    try:
        with opened(folder, database_url=url, **given) as hub:
            yield hub
    finally:
        server.drop(url)


def make_template(folder: Path, server: groundwork.PostgresServer) -> str:
    """The name of a database on PostgreSQL in which an installation was opened before."""
    url = server.create()
    with opened(folder, database_url=url):
        pass
    return url.split("?")[0].rsplit("/", 1)[1]


def somebody(hub: Hub, plan: str = "ultra", amount: int = 10_000) -> Principal:
    """A new tenant with credits."""
    now = time.time()
    with hub.database.begin() as conn:
        tenant = accounts.create_tenant(conn, "somebody", hub.plans[plan], now)
    with hub.database.begin() as conn:
        short = amount - credits.balance(conn, tenant.id).available
        credits.grant(conn, tenant.id, short, "test", now)
    return Principal(tenant.id, plan, SCOPES)


def free_plan(**given: object) -> plans.Plan:
    """The plan ``free`` with other values."""
    return plans.load_plans()["free"].model_copy(update=given)


def with_plans(hub: Hub, **given: plans.Plan) -> Hub:
    """The same hub with other plans."""
    return replace(hub, plans={**hub.plans, **given})


def told(hub: Hub, id_: str) -> Job:
    """A job as it is now."""
    with hub.database.read() as conn:
        found = find(conn, id_)
    assert found is not None
    return found


def until(hub: Hub, id_: str, *states: str, seconds: float = 20.0) -> Job:
    """Waits until a job is in one of these states."""
    return wait_for(lambda: (job := told(hub, id_)).state in states and job, seconds, lambda: told(hub, id_))


def wait_for(found: Callable[[], object], seconds: float = 20.0, why: Callable[[], object] = lambda: "") -> Job:
    """Waits until something is true, and gives it."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"nothing came of it: {why()}"
        time.sleep(0.02)
    return result  # type: ignore[return-value]


def count(hub: Hub) -> int:
    """How many jobs there are."""
    with hub.database.read() as conn:
        return len(conn.execute(select(jobs.c.id)).all())


def money(hub: Hub, who: Principal) -> tuple[int, int]:
    """A tenant's credits: available, and held."""
    with hub.database.read() as conn:
        found = credits.balance(conn, who.tenant_id)
    return found.available, found.held


def audited(hub: Hub) -> list[str]:
    """What is wrong with the credits."""
    with hub.database.read() as conn:
        return credits.audit(conn)
