"""Signs of life. What workers do by them is tested in upkeep/test_worker."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from photoplay.service.engine import Hub
from photoplay.service.ground.states import SILENT_S
from photoplay.service.ground.tables import workers
from photoplay.service.jobs import heartbeat
from tests.service import hubs
from tests.service.opening import audited, somebody, told
from tests.service.workers import asked, state_of

hub = hubs.alone
NOW = 1_800_000_000.0


def enrol(hub: Hub, name: str, at: float = NOW) -> None:
    heartbeat.enrol(hub, name, ("films-echo", "films-pocket"), "cpu, 2 cores", 7.5, at)


def test_a_new_worker_is_on_the_list(hub: Hub) -> None:
    enrol(hub, "worker_a")
    with hub.database.read() as conn:
        (found,) = conn.execute(select(workers)).all()
    assert (found.id, found.state, found.job_id) == ("worker_a", "up", None)
    assert (found.queues, found.device, found.memory_gb) == (["films-echo", "films-pocket"], "cpu, 2 cores", 7.5)
    assert (found.started_at, found.beat_at) == (NOW, NOW)


def test_who_drains_still_lives_and_who_is_gone_does_not(hub: Hub) -> None:
    for name in ("worker_a", "worker_b"):
        enrol(hub, name)
    heartbeat.drain(hub, "worker_a")
    assert (state_of(hub, "worker_a"), state_of(hub, "worker_b")) == ("draining", "up")
    assert heartbeat.beat(hub, "worker_a", NOW + 5)
    heartbeat.bury(hub, "worker_a", NOW + 6)
    assert not heartbeat.beat(hub, "worker_a", NOW + 7)
    heartbeat.drain(hub, "worker_a")
    assert (state_of(hub, "worker_a"), state_of(hub, "worker_b")) == ("gone", "up")


def test_a_death_is_dated_once_and_frees_its_job(hub: Hub) -> None:
    enrol(hub, "worker_a")
    with hub.database.begin() as conn:
        conn.execute(workers.update().values(job_id="video_a"))
    heartbeat.bury(hub, "worker_a", NOW + 1)
    heartbeat.bury(hub, "worker_a", NOW + 9)
    with hub.database.read() as conn:
        assert conn.execute(select(workers.c.state, workers.c.job_id, workers.c.beat_at)).one() == (
            "gone",
            None,
            NOW + 1,
        )


@pytest.mark.parametrize(("silent", "state"), [(SILENT_S - 0.1, "up"), (SILENT_S + 0.1, "gone")])
def test_whoever_is_silent_for_too_long_is_gone(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, silent: float, state: str
) -> None:
    monkeypatch.setattr(heartbeat.DBOS, "list_workflows", lambda **_: [])
    enrol(hub, "worker_a")
    assert heartbeat.reap(hub, NOW + silent) == []
    assert state_of(hub, "worker_a") == state


def test_a_job_whose_workflow_broke_down_ends(hub: Hub) -> None:
    who = somebody(hub)
    job, fine = asked(hub, who, now=time.time() - 100), asked(hub, who, now=time.time() - 100)
    hub.client.cancel_workflow(f"{job.id}.1")
    assert heartbeat.reconcile(hub, time.time()) == 0  # it may be on its way
    assert heartbeat.reconcile(hub, time.time() + 100) == 1
    assert heartbeat.reconcile(hub, time.time() + 100) == 0
    after = told(hub, job.id)
    assert (after.state, after.error and after.error["code"]) == ("failed", "internal_error")
    assert told(hub, fine.id).state == "queued"
    assert audited(hub) == []
