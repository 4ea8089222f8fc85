"""A worker: a process that makes films of the queues it serves, one at a time.

It is the only place where DBOS runs. It writes a sign of life every two seconds, takes over what dead workers left, and on
SIGTERM finishes its film and takes nothing new. Declared gone by the others, because it was silent for too long, it ends at
once: its film belongs to somebody else then.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from types import FrameType

from dbos import DBOS, DBOSConfig
from sqlalchemy import select

from photoplay.device import read_device
from photoplay.errors import PhotoplayError
from photoplay.generation.backends import get_backend, list_backends
from photoplay.service.engine import Hub, open_hub, queue_name, register_queue
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import jobs
from photoplay.service.ground.telemetry import logger
from photoplay.service.ground.wire import APPLICATION, PLAIN, VERSION
from photoplay.service.jobs import heartbeat
from photoplay.service.jobs.maker import LineMaker, Maker, open_guard
from photoplay.service.jobs.ranks import RankedMaker
from photoplay.service.jobs.workflow import Work
from photoplay.service.upkeep import janitor
from photoplay.service.upkeep.hands import Hands

PATIENCE = 600.0
"""Seconds that a film gets to be finished once its worker shall end."""
QUIET = 3
"""Looks in a row, a tenth of a second apart, at which a worker that ends has nothing in hand."""
REAP_EVERY, RECONCILE_EVERY = 3.0, 30.0
LEFT = 75
"""Exit status of a worker that left its film to others."""


class Worker:
    """A worker in this process, from :meth:`start` to :meth:`stop`; there can be one at a time.

    ``leave`` ends the process, with an exit status.
    """

    def __init__(
        self,
        hub: Hub,
        queues: Sequence[str],
        maker: Maker,
        worker_id: str | None = None,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self.hub, self.queues, self.id = hub, tuple(queues), worker_id or new_id("worker")
        self._maker, self._leave = maker, leave
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._dbos: DBOS | None = None
        self._hands = Hands(self.queues, self._waits)

    def start(self) -> None:
        """Begins to serve, or leaves nothing behind."""
        try:
            self._start()
        except BaseException:
            with suppress(PhotoplayError):  # the database may be what failed
                self._end()
            raise

    def _start(self) -> None:
        for queue in self.queues:
            register_queue(self.hub.client, queue)
        device, memory = machine(self.queues)
        heartbeat.enrol(self.hub, self.id, self.queues, device, memory, time.time())
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self.hub.database.engine,
            "serializer": PLAIN,
            "application_version": VERSION,
            "executor_id": self.id,
            "run_migrations": False,
            "log_level": "WARNING",
        }
        self._dbos = DBOS(config=config)
        self._dbos._active_workflows_set = self._hands
        Work(self.hub, self._maker, self.id, self.abandon, self._hands.made).register()
        DBOS.listen_queues(self.queues)
        DBOS.launch()
        for name, task, every in (
            ("heartbeat", self._beat, heartbeat.BEAT),
            ("reaper", self._reap, REAP_EVERY),
            ("reconciler", self._reconcile, RECONCILE_EVERY),
        ):
            self._threads.append(threading.Thread(target=self._repeat, args=(task, every), name=name, daemon=True))
            self._threads[-1].start()

    def stop(self, patience: float = PATIENCE) -> bool:
        """Takes nothing new, waits for the film in hand and says goodbye; whether it was finished in time."""
        heartbeat.drain(self.hub, self.id)
        finished = self._drained(time.monotonic() + patience)
        self._end()
        return finished

    def _end(self) -> None:
        self._stop.set()
        self._hands.fill()
        DBOS.destroy(destroy_registry=True)
        for thread in self._threads:
            thread.join()
        heartbeat.bury(self.hub, self.id, time.time())

    def _drained(self, deadline: float) -> bool:
        """Whether what runs came to its end in time; nothing new begins.

        A look at the queue that began before may still take a film, so it has to be quiet for a while. What is taken even
        later stays in the queue under this worker's name, and goes to others as soon as it is gone.
        """
        if self._dbos is None:
            return True
        self._hands.fill()
        for stop in self._dbos.background_thread_stop_events:
            stop.set()
        quiet = 0
        while quiet < QUIET:
            busy = bool(self._hands.activeList())
            if busy and time.monotonic() > deadline:
                return False
            quiet = 0 if busy else quiet + 1
            time.sleep(0.1)
        return True

    def abandon(self, why: str) -> None:
        """Leaves the film in hand to others and ends the process."""
        logger(__name__).error("worker_leaves", worker=self.id, why=why)
        try:
            heartbeat.bury(self.hub, self.id, time.time())
        finally:
            self._leave(LEFT)

    def _repeat(self, task: Callable[[], object], every: float) -> None:
        while True:
            try:
                task()
            except Exception:  # the database may be away for a while
                logger(__name__).warning("worker_task_failed", exc_info=True)
            if self._stop.wait(every):
                return

    def _waits(self, queue: str) -> bool:
        waiting = select(jobs.c.id).where(jobs.c.state == "queued", jobs.c.queue == queue).limit(1)
        try:
            with self.hub.database.read() as conn:
                return conn.execute(waiting).first() is not None
        except Exception:  # the database may be away for a while: DBOS itself says so
            return True

    def _beat(self) -> None:
        if not heartbeat.beat(self.hub, self.id, time.time()):
            self.abandon("it was silent for too long")

    def _reap(self) -> None:
        heartbeat.reap(self.hub, time.time())

    def _reconcile(self) -> None:
        heartbeat.reconcile(self.hub, time.time())


def run(settings: Settings, queues: Sequence[str], maker: Maker | None = None, *, worker_id: str | None = None) -> int:
    """Serves ``queues`` until it is told to stop; the exit status of the process.

    SIGTERM and SIGINT: takes nothing new, finishes its film and ends, within ten minutes; once more: leaves it to others at
    once. ``worker_id`` is for who starts it and wants to know when it is gone
    (:func:`photoplay.service.jobs.heartbeat.bury`).

    Raises:
        UnavailableError: the database, the store or the content filter cannot be used; ``metrics_port_taken``.
    """
    asked, again = threading.Event(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        (again if asked.is_set() else asked).set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with closing(open_hub(settings)) as hub, _shown(hub), _making(hub, maker) as making:
            worker = Worker(hub, queues, making, worker_id)
            _warm(making, queues)
            worker.start()
            try:
                chores = janitor.start(hub, asked)
                logger(__name__).info("worker_up", worker=worker.id, queues=list(queues))
                _until(asked)
            finally:
                asked.set()
                finished = _ended(worker, again)
            for chore in chores:
                chore.join(5.0)
            if not finished:
                worker.abandon("its film was not finished in time")
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _making(hub: Hub, maker: Maker | None) -> Iterator[Maker]:
    """Who makes the films: ``maker``, or the line, on as many GPUs as the settings say."""
    if maker is not None:
        yield maker
        return
    line = LineMaker(hub, open_guard(hub.settings))
    if hub.settings.gpus == 1:
        yield line
        return
    with closing(RankedMaker(line, hub.settings.gpus)) as ranked:
        yield ranked


@contextmanager
def _shown(hub: Hub) -> Iterator[None]:
    """The figures of this process on a page of their own, where the settings name a port for it."""
    if not hub.settings.metrics_port:
        yield
        return
    with closing(hub.metrics.serve(hub.settings.metrics_host, hub.settings.metrics_port)):
        yield


def _ended(worker: Worker, again: threading.Event) -> bool:
    """Stops a worker, or has it leave its film where it is told ``again``; whether the film was finished in time."""
    ended = threading.Event()
    finished: list[bool] = []

    def drain() -> None:
        try:
            finished.append(worker.stop())
        finally:
            ended.set()

    threading.Thread(target=drain, name="drain", daemon=True).start()
    while not ended.wait(0.1):
        if again.is_set():
            worker.abandon("it was told so")
    return finished == [True]


def machine(queues: Sequence[str]) -> tuple[str, float]:
    """What films of these queues are made on, and its memory in GB: the graphics card where one of the backends needs it."""
    known = [get_backend(name) for name in _backends(queues) if name in list_backends()]
    if any(one.capabilities.needs_gpu for one in known) and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            card = torch.cuda.get_device_properties(0)
            return str(card.name), round(card.total_memory / 1e9, 1)
    found = read_device()
    return f"{found.processor or found.system}, {found.cores} cores", round((found.memory or 0) / 1e9, 1)


def _backends(queues: Sequence[str]) -> list[str]:
    return [queue.removeprefix(queue_name("")) for queue in queues]


def _warm(maker: Maker, queues: Sequence[str]) -> None:
    """Models are read while the worker starts, and while its first film is admitted and its photo looked at."""
    threading.Thread(target=maker.warm, args=(_backends(queues),), name="warm", daemon=True).start()


def _until(event: threading.Event) -> None:
    """Waits in steps, so that signals are heard."""
    while not event.wait(0.2):
        pass
