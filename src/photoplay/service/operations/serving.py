"""What ``photoplay serve`` does: one process for the web, others for the films, and an orderly end of all of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from types import FrameType
from typing import Protocol, runtime_checkable

from photoplay.errors import UnavailableError
from photoplay.service.engine import Hub, open_hub
from photoplay.service.ground import telemetry
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.settings import Settings
from photoplay.service.upkeep import janitor

LONGEST_PAUSE = 60.0
"""Seconds between two starts of a worker that dies again and again; it begins with one second and doubles."""
STEADY = 60.0
"""A worker that lived for so many seconds is healthy: the next pause is short again."""
WEB_GRACE = 10
"""Seconds that requests in flight get once it is time to stop."""
SILENT_END = 4.0
"""Seconds after which somebody who asked to stop is told what is waited for: idle workers are gone by then."""
KILL_AFTER = 5.0
"""Seconds that a worker which was told to leave its film gets before it is killed."""
NOT_STARTED = 127
"""What is told as the status of a worker that could not even be started."""
TICK = 0.2


@runtime_checkable
class Process(Protocol):
    """What is needed of :class:`subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


@dataclass
class _Seat:
    """A place for one worker process, which is filled again when it dies."""

    process: Process | None = None
    name: str = ""
    since: float = 0.0
    deaths: int = 0
    due: float = 0.0


@dataclass
class Crew:
    """The worker processes of one ``serve``. ``start`` starts one under a worker id; ``died`` is told that id, the exit
    status, and after how many seconds another one starts (None: none does)."""

    size: int
    start: Callable[[str], Process]
    died: Callable[[str, int, float | None], None]
    _seats: list[_Seat] = field(default_factory=list)
    _draining: bool = False

    def __post_init__(self) -> None:
        self._seats = [_Seat() for _ in range(self.size)]

    def tend(self, now: float) -> None:
        """Notices who died, and starts whoever is due. ``now``: seconds of any steady clock."""
        for seat in self._seats:
            if seat.process is not None and (status := seat.process.poll()) is not None:
                seat.deaths = 1 if now - seat.since >= STEADY else seat.deaths + 1
                pause = _pause(seat.deaths)
                seat.process, seat.due = None, now + pause
                self.died(seat.name, status, None if self._draining else pause)
            if seat.process is None and not self._draining and now >= seat.due:
                self._fill(seat, now)

    def _fill(self, seat: _Seat, now: float) -> None:
        seat.name, seat.since = new_id("worker"), now
        try:
            seat.process = self.start(seat.name)
        except OSError:  # no memory or no process left on this machine: as if it had died at once
            seat.deaths += 1
            seat.due = now + _pause(seat.deaths)
            self.died(seat.name, NOT_STARTED, seat.due - now)

    def alive(self) -> list[int]:
        """The process ids of the workers that have not been seen to end."""
        return [seat.process.pid for seat in self._seats if seat.process is not None]

    def drain(self) -> None:
        """Tells every worker to take nothing new and to finish its film; told again, to leave the film to others."""
        self._draining = True
        self._each(lambda process: process.send_signal(signal.SIGTERM))

    def kill(self) -> None:
        """Ends whoever still runs at once; their films go on elsewhere or at the next start."""
        self._draining = True
        self._each(lambda process: process.kill())
        self._each(lambda process: process.wait(KILL_AFTER))

    def _each(self, act: Callable[[Process], object]) -> None:
        for seat in self._seats:
            if seat.process is not None and seat.process.poll() is None:
                act(seat.process)


def _pause(deaths: int) -> float:
    """Seconds until another start after so many deaths in a row."""
    return min(LONGEST_PAUSE, 2.0 ** min(deaths - 1, 30))


class Stop:
    """Counts requests to stop: the first SIGTERM or SIGINT asks for an orderly end, the second for a quick one."""

    def __init__(self) -> None:
        self.asked = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGTERM and SIGINT count, until the block ends."""
        before = {each: signal.signal(each, self._count) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.asked += 1


@contextmanager
def leash() -> Iterator[int]:
    """The reading end of a pipe for worker processes: it ends when this process is gone, however it ended."""
    ours, theirs = os.pipe()
    try:
        yield ours
    finally:
        os.close(ours)
        os.close(theirs)


def hold(descriptor: int) -> None:
    """In a worker: drains it once the other end of its leash is gone."""

    def wait() -> None:
        while os.read(descriptor, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, name="leash", daemon=True).start()


def start_worker(name: str, end: int, overrides: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts ``photoplay worker`` in a session of its own, so that Ctrl-C reaches it through us alone."""
    command = [sys.executable, "-m", "photoplay", "worker", "--id", name, "--leash", str(end)]
    return subprocess.Popen(
        command, env={**os.environ, **overrides}, stdin=subprocess.DEVNULL, pass_fds=(end,), start_new_session=True
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UnavailableError: ``port_taken``.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        door = socket.create_server((host, port), family=family, backlog=1024)
        # asyncio does so for sockets that it opens itself; without it each answer waits 40 ms for the client's receipt
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return door
    except OSError as error:
        raise UnavailableError(
            "port_taken",
            f"Nothing can listen on port {port} of this address.",
            "Another program may use it: choose another with --port, or stop that program.",
        ) from error


class Web:
    """The web server in a thread, on a socket that listens already; the main thread is left to signals and workers."""

    def __init__(self, hub: Hub, door: socket.socket) -> None:
        import uvicorn

        from photoplay.service.api.app import create_app

        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(hub),
                log_config=None,  # the service's own
                access_log=False,  # it logs requests itself, with their ids
                server_header=False,
                timeout_graceful_shutdown=WEB_GRACE,
            )
        )
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [door]}, name="web", daemon=True)

    def start(self) -> None:
        """Starts it, and returns once requests are answered.

        Raises:
            UnavailableError: ``web_failed``.
        """
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise UnavailableError("web_failed", "The web server did not start.", "The log above says why.")
            time.sleep(0.02)

    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def stop(self, at_once: bool = False) -> None:
        """Takes no new requests and ends those in flight within :data:`WEB_GRACE` seconds, or at once."""
        self._server.should_exit = True
        self._server.force_exit = self._server.force_exit or at_once

    def join(self) -> None:
        """Waits until it has ended."""
        self._thread.join(WEB_GRACE + KILL_AFTER)


def serve(settings: Settings, overrides: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Serves until it is told to stop. The exit status: 0, or 1 when the web server ended by itself.

    Args:
        settings: checked ones.
        overrides: environment variables with which workers see the same settings.
        say: is told what a person at the terminal should know: where to go, and what is waited for.

    Raises:
        UnavailableError: ``port_taken``, ``web_failed``; or the database or store cannot be reached.
    """
    from photoplay.service.jobs.heartbeat import bury

    telemetry.start_logging(settings)
    telemetry.start_tracing(settings)
    stop, over = Stop(), Event()
    with closing(listen(settings.host, settings.port)) as door, leash() as end, stop.listening():
        hub = open_hub(settings)
        hub.metrics.watch(hub.database)

        def died(name: str, status: int, pause: float | None) -> None:
            told = telemetry.logger(__name__)
            (told.info if pause is None else told.warning)("worker_ended", worker=name, status=status, next_s=pause)
            with _surviving("worker_not_buried"):
                bury(hub, name, time.time())

        crew = Crew(settings.workers, lambda name: start_worker(name, end, overrides), died)
        sweepers: tuple[Thread, ...] = ()
        try:
            web = Web(hub, door)
            web.start()
            sweepers = janitor.start(hub, over)
            say(_welcome(hub, door))
            return _watch(crew, web, stop, say)
        finally:
            over.set()
            crew.kill()
            crew.tend(time.monotonic())  # who was killed is buried, so that its film is not waited for
            for thread in sweepers:
                thread.join(KILL_AFTER)
            hub.close()


def _watch(crew: Crew, web: Web, stop: Stop, say: Callable[[str], None]) -> int:
    """Keeps the workers running until somebody asks to stop, and then ends everything in order."""
    while not stop.asked and web.alive():
        crew.tend(time.monotonic())
        time.sleep(TICK)
    orderly = stop.asked > 0
    web.stop()
    crew.drain()
    tell_at: float | None = time.monotonic() + SILENT_END
    kill_at: float | None = None
    while crew.alive():
        time.sleep(TICK)
        now = time.monotonic()
        crew.tend(now)
        if kill_at is None and stop.asked >= (2 if orderly else 1):
            web.stop(at_once=True)
            crew.drain()
            kill_at = now + KILL_AFTER
        elif kill_at is None and tell_at is not None and now > tell_at:
            say("A film is being finished. Ctrl-C once more leaves it: it goes on at the next start.")
            tell_at = None
        if kill_at is not None and now > kill_at:
            break  # who does not leave is killed
    web.join()
    return 0 if orderly else 1


def base_url(settings: Settings, host: str, port: int) -> str:
    """Where people reach the service."""
    return (settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}").rstrip("/")


def sign_in_url(base: str, token: str) -> str:
    """The page that signs in by a link's token. The token is in the fragment, which no server sees and no log keeps."""
    return f"{base}/sign-in#{token}"


def _welcome(hub: Hub, door: socket.socket) -> str:
    """Where to go. On one's own machine with a link that signs in, once."""
    from photoplay.service.accounts import tenants as accounts

    host, port = door.getsockname()[:2]
    base = base_url(hub.settings, host, port)
    if hub.settings.hosted:
        return f"photoplay serves {base}"
    with hub.database.begin() as conn:
        now = time.time()
        token = accounts.sign_in_link(conn, accounts.ensure_home(conn, hub.plans, now).id, now)
    return f"Open {sign_in_url(base, token)}\n(this link signs you in once; Ctrl-C ends the service)"


@contextmanager
def _surviving(what: str) -> Iterator[None]:
    """The supervisor outlives whatever fails once: the next round tries again."""
    try:
        yield
    except Exception:
        telemetry.logger(__name__).exception(what)
