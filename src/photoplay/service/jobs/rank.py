"""One of the processes that make films together, each on its own GPU. It ends as soon as the worker at the other end of its
pipe is gone, in the middle of whatever it does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

from photoplay.errors import PhotoplayError
from photoplay.service.ground import telemetry
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.maker import Film
from photoplay.types import Progress


@dataclass(frozen=True)
class Order:
    """A film to make together."""

    job: Job
    folder: Path


@runtime_checkable
class Lender(Protocol):
    """Makes films, and lends its GPU to films that another process hands out."""

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film: ...

    def lend(self, job: Job, folder: Path) -> None:
        """Computes its share of a film, and hands out nothing."""
        ...


def line_maker() -> Lender:
    """What makes films in a process of a service: the line, with this environment's settings."""
    from photoplay.service.engine import open_hub
    from photoplay.service.ground.settings import Settings
    from photoplay.service.jobs.maker import LineMaker, open_guard

    settings = Settings.load()
    telemetry.start_logging(settings)
    return LineMaker(open_hub(settings), open_guard(settings))


def serve(pipe: Connection, place: Mapping[str, str], build: Callable[[], Lender]) -> None:
    """Makes films until the pipe ends. ``place`` are the variables by which the processes find each other."""
    os.environ.update(place)
    for number in (signal.SIGINT, signal.SIGTERM):  # the worker decides: it may still have a film to end
        signal.signal(number, signal.SIG_IGN)
    orders: SimpleQueue[Order] = SimpleQueue()
    said = threading.Lock()

    def listen() -> None:
        try:
            while True:
                orders.put(pipe.recv())
        except BaseException:  # whatever it was: nobody is there who would want a film
            os._exit(1)

    def say(what: Any) -> None:
        with said:
            pipe.send(what)

    threading.Thread(target=listen, name="orders", daemon=True).start()
    lender: Lender | None = None
    while True:
        order = orders.get()
        try:
            lender = lender or build()
            with telemetry.request_id(order.job.id):
                answer: Any = None
                if place["RANK"] == "0":
                    answer = lender.make(order.job, order.folder, say, say)
                else:
                    lender.lend(order.job, order.folder)
        except PhotoplayError as error:
            answer = error
        except Exception as error:
            telemetry.logger(__name__).exception("rank_failed", job_id=order.job.id, rank=place["RANK"])
            answer = RuntimeError(type(error).__name__)
        say(answer)
