"""Workers of a test's own, and what their films have to be like."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import workers
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.upkeep.worker import Worker
from tests.service.makers import SimulatedMaker, content
from tests.service.opening import SMILE, audited, told


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


def asked(hub: Hub, who: Principal, prompt: str = "", now: float | None = None) -> Job:
    """A film that somebody asks for."""
    request = SMILE.model_copy(update={"prompt": prompt})
    return jobs.submit(hub, who, request, now=time.time() if now is None else now)


def state_of(hub: Hub, worker_id: str) -> str | None:
    """What the list of workers says of one."""
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
