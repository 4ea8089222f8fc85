"""A job whose backend nobody serves does not wait for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from photoplay.service.accounts import credits
from photoplay.service.engine import Hub, workflow_id
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.ground.tables import workers
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.upkeep.janitor import sweep
from photoplay.service.upkeep.unserved import UNSERVED, unserved
from tests.service import hubs, rowmaking
from tests.service.opening import SMILE, audited, somebody, told

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


def state(hub: Hub, job: Job) -> tuple[str, str | None]:
    after = told(hub, job.id)
    return after.state, after.error and after.error["code"]


def test_a_job_that_nobody_serves_for_a_day_fails_with_its_credits_back(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    lost, served = (
        jobs.submit(hub, who, SMILE.model_copy(update={"backend": name}), now=NOW) for name in ("echo", "pocket")
    )
    with hub.database.begin() as conn:
        rowmaking.worker(conn, NOW + UNSERVED - 60, queues=["films-pocket", "films-other"], state="gone")
    young = jobs.submit(hub, who, SMILE, now=NOW + 60)
    assert unserved(hub, NOW + UNSERVED - 1) == 0
    assert sweep(hub, NOW + UNSERVED + 1, deep=False).unserved == 0, "only now and then: a machine may have slept"
    assert sweep(hub, NOW + UNSERVED + 1).unserved == 1
    assert state(hub, lost) == ("failed", "backend_unserved")
    assert [state(hub, job) for job in (served, young)] == [("queued", None)] * 2
    with hub.database.read() as conn:
        assert credits.balance(conn, who.tenant_id).held == served.cost + young.cost
    assert audited(hub) == []
    (queued,) = hub.client.list_workflows(workflow_ids=[workflow_id(lost.id, 1)])
    assert queued.status == "CANCELLED"
    assert unserved(hub, NOW + UNSERVED + 2) == 0


def test_a_retried_job_waits_for_a_day_again(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    assert unserved(hub, NOW + UNSERVED) == 1
    jobs.retry(hub, who, job.id, NOW + UNSERVED + 10)
    assert unserved(hub, NOW + 2 * UNSERVED) == 0
    assert state(hub, job) == ("queued", None)
    assert unserved(hub, NOW + 2 * UNSERVED + 10) == 1
    assert audited(hub) == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_job_whose_worker_died_and_nobody_took_over_ends_too(hub: Hub, silent: bool) -> None:
    job = jobs.submit(hub, somebody(hub, amount=100), SMILE, now=NOW)
    with hub.database.begin() as conn:
        name = rowmaking.worker(conn, NOW + 10, queues=["films-echo"])
        conn.execute(update(rows).values(state="running", attempt=1, worker_id=name))
    now = NOW + UNSERVED + 20
    if not silent:
        with hub.database.begin() as conn:
            conn.execute(update(workers).values(beat_at=now - 5))
    assert unserved(hub, now) == int(silent)
    assert state(hub, job) == (("failed", "backend_unserved") if silent else ("running", None))
    assert audited(hub) == []
