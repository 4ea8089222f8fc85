"""Workers in this process. Processes of their own are tested in test_worker_processes."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import update

from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import events, heartbeat
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.upkeep.worker import Worker, machine
from tests.service import hubs
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, somebody, told, until, wait_for
from tests.service.workers import asked, check_films, state_of, working

hub, either, template = hubs.alone, hubs.hub, hubs.template


def test_a_worker_makes_the_films_of_its_queues_by_priority(either: Hub) -> None:
    hub = either
    who, maker = somebody(hub), SimulatedMaker(30)
    now = time.time()
    late, first, second = (asked(hub, who, now=now + at) for at in (30, 0, 10))
    other = jobs.submit(hub, who, SMILE.model_copy(update={"backend": "pocket"}), now=now)
    with working(hub, maker) as worker:
        assert state_of(hub, worker.id) == "up"
        for job in (late, first, second):
            until(hub, job.id, "completed")
        assert maker.made == [first.id, second.id, late.id]
        assert told(hub, other.id).state == "queued"
    assert state_of(hub, worker.id) == "gone"
    check_films(hub, late, first, second)
    assert [one.data["state"] for one in events.follow(hub, first.id) if one.kind == "state"] == [
        "queued",
        "running",
        "completed",
    ]


@pytest.mark.slow
def test_one_film_at_a_time_whatever_the_queues(hub: Hub) -> None:
    who, at_once, most = somebody(hub), [], []

    class Counting(SimulatedMaker):
        def make(self, job: Job, *rest: object) -> object:  # type: ignore[override]
            at_once.append(job.id)
            most.append(len(at_once))
            try:
                return super().make(job, *rest)  # type: ignore[arg-type]
            finally:
                at_once.remove(job.id)

    made = [
        jobs.submit(hub, who, SMILE.model_copy(update={"backend": name}), now=time.time())
        for name in ("echo", "pocket") * 2
    ]
    with working(hub, Counting(100), "films-echo", "films-pocket"):
        running = 0
        for job in made:
            wait_for(lambda job=job: told(hub, job.id).state == "completed")  # type: ignore[misc]
            running = max(running, len(hub.client.list_workflows(status="PENDING")))
    assert max(most) == 1
    assert running <= 2  # both queues may be looked at in the same moment, but not again and again
    check_films(hub, *made)


def test_a_worker_survives_what_goes_wrong(hub: Hub) -> None:
    who, maker = somebody(hub), SimulatedMaker(20)
    bad = [asked(hub, who, f"fails {what}") for what in ("scene", "refused", "review")]
    black, good = asked(hub, who, "black"), asked(hub, who)
    with working(hub, maker):
        for job, code in zip(
            (*bad, black), ("face_missing", "photo_blocked", "review_failed", "film_black"), strict=True
        ):
            after = until(hub, job.id, "failed")
            assert after.error is not None
            assert after.error["code"] == code
        until(hub, good.id, "completed")
    check_films(hub, good)


def test_a_queued_job_that_was_cancelled_is_never_made(hub: Hub) -> None:
    who, maker = somebody(hub), SimulatedMaker(20)
    first, second = asked(hub, who), asked(hub, who)
    jobs.cancel(hub, who, first.id, time.time())
    with working(hub, maker):
        until(hub, second.id, "completed")
    assert maker.made == [second.id]
    check_films(hub, second)


def test_cancel_and_resume_through_the_queue(either: Hub) -> None:
    hub = either
    who = somebody(hub)
    job = asked(hub, who, "takes 20000")
    with working(hub, SimulatedMaker()):
        until(hub, job.id, "running")
        start = time.monotonic()
        jobs.cancel(hub, who, job.id, time.time())
        until(hub, job.id, "cancelled")
        assert time.monotonic() - start < 10, "it was made to its end"
        with hub.database.begin() as conn:
            conn.execute(update(rows).values(request=SMILE.model_dump(mode="json")))
        jobs.resume(hub, who, job.id, time.time())
        after = until(hub, job.id, "completed")
    assert (after.round, after.attempt) == (2, 1)
    check_films(hub, after)


def test_a_drained_worker_finishes_its_film_and_takes_no_other(hub: Hub) -> None:
    who, maker = somebody(hub), SimulatedMaker(1500)
    first, second = asked(hub, who), asked(hub, who)
    with working(hub, maker, patience=20):
        until(hub, first.id, "running", "completed")
    assert told(hub, first.id).state == "completed"
    assert told(hub, second.id).state == "queued"
    with working(hub, SimulatedMaker(10)):
        until(hub, second.id, "completed")
    check_films(hub, first, second)


def test_silence_is_noticed(hub: Hub) -> None:
    now = time.time()
    for name, at in (("worker_old", now - 16), ("worker_new", now - 14)):
        heartbeat.enrol(hub, name, ("films-echo",), "cpu", 1.0, at)
    with working(hub, SimulatedMaker()):
        wait_for(lambda: state_of(hub, "worker_old") == "gone", 5)
        assert state_of(hub, "worker_new") == "up"
    assert heartbeat.beat(hub, "worker_new", now)
    assert not heartbeat.beat(hub, "worker_old", now)
    assert not heartbeat.beat(hub, "worker_nobody", now)


def test_a_worker_that_was_declared_gone_ends(hub: Hub) -> None:
    left = threading.Event()
    worker = Worker(hub, ("films-echo",), SimulatedMaker(), leave=lambda status: left.set())
    worker.start()
    try:
        heartbeat.bury(hub, worker.id, time.time())
        assert left.wait(5)
    finally:
        worker.stop(0)


def test_a_worker_says_what_it_runs_on() -> None:
    device, memory = machine(("films-echo", "films-no_such_backend"))
    assert "cores" in device
    assert memory > 0
