from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update

from photoplay.errors import UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.workflow import TRIES, Work
from tests.service import hubs
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, audited, money, somebody, told

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


def test_a_round_ends_once(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    with hub.database.begin() as conn:
        assert end(conn, hub, job, "completed", NOW + 1)
    with hub.database.begin() as conn:
        assert not end(conn, hub, job, "failed", NOW + 2)
        assert not end(conn, hub, job, "completed", NOW + 2)
    after = told(hub, job.id)
    assert (after.state, after.charged, after.percent, after.finished_at) == ("completed", job.cost, 100, NOW + 1)
    assert after.expires_at == NOW + 1 + hub.plans["ultra"].retention_days * 86_400
    assert money(hub, who) == (100 - job.cost, 0)
    assert audited(hub) == []


def test_the_end_of_an_earlier_round_changes_nothing(hub: Hub) -> None:
    who = somebody(hub)
    first = jobs.submit(hub, who, SMILE, now=NOW)
    with hub.database.begin() as conn:
        assert end(conn, hub, first, "failed", NOW + 5)
    jobs.retry(hub, who, first.id, NOW)
    with hub.database.begin() as conn:
        assert not end(conn, hub, first, "completed", NOW + 1)
    assert told(hub, first.id).state == "queued"
    assert audited(hub) == []


def test_a_film_whose_plan_is_gone_is_kept_as_long_as_any(hub: Hub) -> None:
    job = jobs.submit(hub, somebody(hub), SMILE, now=NOW)
    left = {name: plan for name, plan in hub.plans.items() if name != "ultra"}
    with hub.database.begin() as conn:
        assert end(conn, replace(hub, plans=left), job, "completed", NOW)
    assert told(hub, job.id).expires_at == NOW + 86_400 * max(plan.retention_days for plan in left.values())


def ended(hub: Hub) -> dict[str, float]:
    """How many jobs this process saw end, by state."""
    figures = hub.metrics.registry.get_sample_value
    named = {"completed", "failed", "cancelled"}
    found = {name: figures("photoplay_jobs_total", {"state": name, "plan": "ultra"}) for name in named}
    return {name: value for name, value in found.items() if value is not None}


def test_every_end_is_counted_once_whoever_ends_it(hub: Hub) -> None:
    who = somebody(hub)
    work = Work(hub, SimulatedMaker(20), "worker_a", lambda why: None)

    def submitted(**values: object) -> Job:
        job = jobs.submit(hub, who, SMILE, now=NOW)
        if values:
            with hub.database.begin() as conn:
                conn.execute(update(rows).where(rows.c.id == job.id).values(values))
        return told(hub, job.id)

    jobs.cancel(hub, who, submitted().id, NOW)
    assert ended(hub) == {"cancelled": 1}
    jobs.delete(hub, who, submitted().id, NOW)
    assert work.make(submitted(cancel_at=NOW).id, 1) == "over"
    assert work.finish(submitted(state="running", cancel_at=NOW).id, 1) == "over"
    assert ended(hub) == {"cancelled": 4}
    assert work.make(submitted(attempt=TRIES).id, 1) == "over"
    job = submitted()
    assert jobs.give_up(hub, job, UnavailableError("gone", "It is gone.", "Wait."), NOW)
    assert not jobs.give_up(hub, job, UnavailableError("gone", "It is gone.", "Wait."), NOW)
    jobs.delete(hub, who, job.id, NOW)
    assert ended(hub) == {"cancelled": 4, "failed": 2}
    made = submitted()
    for step in (work.make, work.keep, work.finish, work.finish):
        step(made.id, 1)
    assert ended(hub) == {"cancelled": 4, "failed": 2, "completed": 1}
