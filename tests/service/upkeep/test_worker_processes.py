"""Workers with a process of their own: told to end, killed, and what the others make of it."""

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

import httpx
import pytest
from dbos import DBOS
from sqlalchemy import select, update

from photoplay.errors import UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground import metrics
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.ground.tables import workers
from photoplay.service.jobs import heartbeat
from photoplay.service.upkeep.worker import LEFT, run
from tests.service import chaos, hubs
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, somebody, told, until, wait_for
from tests.service.workers import asked, check_films, state_of, working

hub, either, template = hubs.alone, hubs.hub, hubs.template


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


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_put_aside(hub: Hub) -> None:
    who = somebody(hub)
    poison, good = asked(hub, who, "crashes 9"), asked(hub, who, "crashes 1", now=time.time() + 1)

    def over() -> bool:
        return (told(hub, poison.id).state, told(hub, good.id).state) == ("failed", "completed")

    for number in range(8):
        name = f"worker_{number}"
        with process(hub, name) as one:
            wait_for(lambda one=one: not one.is_alive() or over(), 40)  # type: ignore[misc]
        heartbeat.bury(hub, name, time.time())
        if over():
            break
    after = told(hub, poison.id)
    assert after.error is not None
    assert (after.error["code"], after.attempt) == ("job_poisoned", 3)
    assert told(hub, good.id).attempt in (2, 3)  # the other one's death may have met it while it was put away
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
    settings = hub.settings.model_copy(update={"metrics_port": port})
    visitor.start()
    try:
        assert run(settings, ["films-echo"], SimulatedMaker(20), worker_id="worker_seen") == 0
    finally:
        visitor.join(60)
    assert signal.getsignal(signal.SIGTERM) == default
    assert state_of(hub, "worker_seen") == "gone"
    (figures,) = seen
    assert 'photoplay_jobs_total{plan="ultra",state="completed"} 1.0' in figures
    assert 'photoplay_wait_seconds_count{plan="ultra"} 1.0' in figures
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    check_films(hub, job)


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
