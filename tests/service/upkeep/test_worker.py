"""Workers in this process, and worker processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
import pytest
from dbos import DBOS
from sqlalchemy import select, update

from photoplay.errors import UnavailableError
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground import metrics
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.ground.tables import workers
from photoplay.service.jobs import events, heartbeat
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.upkeep.worker import LEFT, Worker, machine, run
from tests.service import chaos, hubs
from tests.service.makers import SimulatedMaker, content
from tests.service.opening import SMILE, audited, opened, somebody, told, until, wait_for

either, template = hubs.hub, hubs.template


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with opened(tmp_path) as found:
        yield found


@contextmanager
def working(hub: Hub, maker: SimulatedMaker, *queues: str, patience: float = 10) -> Iterator[Worker]:
    """A worker in this process, which must not end it."""
    left: list[int] = []
    worker = Worker(hub, queues or ("films-echo",), maker, leave=left.append)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(patience)
    assert left == []


@contextmanager
def process(hub: Hub, name: str) -> Iterator[ForkServerProcess]:
    """A worker process: forked from one that has imported everything, so that it is there at once."""
    given = {"database_url": hub.settings.database_url, "backends": hub.settings.backends}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["photoplay.service.upkeep.worker", "tests.service.chaos"])
    started = context.Process(target=chaos.work, args=(hub.settings.data, given, name), daemon=True)
    started.start()
    try:
        yield started
    finally:
        started.kill()
        started.join(10)


def tell(worker: ForkServerProcess, number: signal.Signals) -> None:
    assert worker.pid is not None
    os.kill(worker.pid, number)


def status(worker: ForkServerProcess, seconds: float) -> int | None:
    """How a process ended, within so many seconds."""
    worker.join(seconds)
    return worker.exitcode


def asked(hub: Hub, who: Principal, prompt: str = "", now: float | None = None) -> Job:
    request = SMILE.model_copy(update={"prompt": prompt})
    return jobs.submit(hub, who, request, now=time.time() if now is None else now)


def state_of(hub: Hub, worker_id: str) -> str | None:
    with hub.database.read() as conn:
        return conn.execute(select(workers.c.state).where(workers.c.id == worker_id)).scalar_one_or_none()


def check_films(hub: Hub, *made: Job) -> None:
    """Every job has exactly one film, which is its own and lies in the store, and the credits are right."""
    named = set()
    for job in made:
        film = told(hub, job.id).film
        assert film is not None
        assert hub.store.get(film["key"]) == content(job)
        named |= {film[name] for name in ("key", "thumbnail", "spritesheet")}
    assert set(hub.store.list("films")) == named
    assert audited(hub) == []


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
        assert time.monotonic() - start < 1.2
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


def test_what_a_dead_worker_had_is_taken_over(either: Hub) -> None:
    hub = either
    who = somebody(hub)
    job = asked(hub, who, "takes 60000")
    with process(hub, "worker_dead") as dead:
        until(hub, job.id, "running", seconds=60)
        tell(dead, signal.SIGKILL)
        assert status(dead, 10) == -signal.SIGKILL
    with hub.database.begin() as conn:
        quick = SMILE.model_dump(mode="json")
        conn.execute(update(rows).values(request=quick))
    with working(hub, SimulatedMaker()):
        assert state_of(hub, "worker_dead") == "up"
        time.sleep(1.0)
        assert told(hub, job.id).worker_id == "worker_dead"  # it may still be alive, for all that anybody knows
        heartbeat.bury(hub, "worker_dead", time.time())
        after = until(hub, job.id, "completed")
    assert after.attempt == 2
    assert state_of(hub, "worker_dead") == "gone"
    check_films(hub, after)


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


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_put_aside(hub: Hub) -> None:
    who = somebody(hub)
    poison, good = asked(hub, who, "crashes 9"), asked(hub, who, "crashes 1", now=time.time() + 1)
    for number in range(8):
        name = f"worker_{number}"
        with process(hub, name) as one:
            wait_for(
                lambda one=one: not one.is_alive() or told(hub, good.id).state == "completed",  # type: ignore[misc]
                40,
            )
        heartbeat.bury(hub, name, time.time())
        if told(hub, good.id).state == "completed":
            break
    after = until(hub, poison.id, "failed", seconds=1)
    assert after.error is not None
    assert (after.error["code"], after.attempt) == ("job_poisoned", 3)
    assert told(hub, good.id).attempt == 2
    with working(hub, SimulatedMaker()):  # the last one was killed before it could clean up
        wait_for(lambda: len(list(hub.store.list("films"))) == 3)
    check_films(hub, good)


@pytest.mark.slow
def test_sigterm_drains_and_a_second_one_leaves(hub: Hub) -> None:
    who = somebody(hub)
    first = asked(hub, who, "takes 2000")
    with process(hub, "worker_a") as one:
        until(hub, first.id, "running", seconds=60)
        tell(one, signal.SIGTERM)
        assert status(one, 30) == 0
    assert told(hub, first.id).state == "completed"
    assert state_of(hub, "worker_a") == "gone"
    second = asked(hub, who, "takes 3000")
    with process(hub, "worker_b") as one:
        until(hub, second.id, "running", seconds=60)
        tell(one, signal.SIGTERM)
        wait_for(lambda: state_of(hub, "worker_b") == "draining")
        tell(one, signal.SIGTERM)
        assert status(one, 10) == LEFT
    assert told(hub, second.id).state == "running"
    assert state_of(hub, "worker_b") == "gone"
    with working(hub, SimulatedMaker(10)):
        until(hub, second.id, "completed")
    check_films(hub, first, second)


def test_a_worker_shows_its_figures_until_it_is_told_to_end(hub: Hub) -> None:
    """In this process, whose SIGTERM it takes for its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page, default, seen = f"http://127.0.0.1:{port}/metrics", signal.getsignal(signal.SIGTERM), []
    job = asked(hub, somebody(hub))

    def visit() -> None:
        try:
            until(hub, job.id, "completed")
            wait_for(lambda: "photoplay_films_total 1.0" in httpx.get(page).text)
            seen.append(httpx.get(page).text)
        finally:
            wait_for(lambda: signal.getsignal(signal.SIGTERM) != default)
            os.kill(os.getpid(), signal.SIGTERM)

    visitor = threading.Thread(target=visit)
    visitor.start()
    settings = hub.settings.model_copy(update={"metrics_port": port})
    assert run(settings, ["films-echo"], SimulatedMaker(20), worker_id="worker_seen") == 0
    visitor.join(10)
    assert signal.getsignal(signal.SIGTERM) == default
    assert state_of(hub, "worker_seen") == "gone"
    (figures,) = seen
    assert 'photoplay_jobs_total{plan="ultra",state="completed"} 1.0' in figures
    assert 'photoplay_wait_seconds_count{plan="ultra"} 1.0' in figures
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    check_films(hub, job)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Hub]:
    """Hubs that were closed."""
    found: list[Hub] = []
    close = Hub.close

    def noted(self: Hub) -> None:
        found.append(self)
        close(self)

    monkeypatch.setattr(Hub, "close", noted)
    return found


def test_a_worker_without_a_port_for_its_figures_does_not_begin(
    hub: Hub, closed: list[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "PORTS", 1)
    default = signal.getsignal(signal.SIGTERM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = hub.settings.model_copy(update={"metrics_port": taken.getsockname()[1]})
        with pytest.raises(UnavailableError) as found:
            run(settings, ["films-echo"], SimulatedMaker(20), worker_id="worker_never")
    assert found.value.code == "metrics_port_taken"
    with hub.database.read() as conn:
        assert conn.execute(select(workers.c.id)).all() == []
    assert len(closed) == 1
    assert signal.getsignal(signal.SIGTERM) == default


def test_a_worker_whose_start_fails_is_buried_at_once(
    hub: Hub, closed: list[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("it does not begin")

    with monkeypatch.context() as broken:
        broken.setattr(DBOS, "launch", fails)
        with pytest.raises(RuntimeError, match="does not begin"):
            run(hub.settings, ["films-echo"], SimulatedMaker(20), worker_id="worker_stillborn")
    assert state_of(hub, "worker_stillborn") == "gone"
    assert len(closed) == 1
    job = asked(hub, somebody(hub))
    with working(hub, SimulatedMaker(20)):  # nothing of it is in the way of the next one
        until(hub, job.id, "completed")


def test_a_worker_says_what_it_runs_on() -> None:
    device, memory = machine(("films-echo", "films-no_such_backend"))
    assert "cores" in device
    assert memory > 0
