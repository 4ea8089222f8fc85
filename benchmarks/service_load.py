"""What the service costs beside the films: overhead of the queue, requests a second, and memory of the web process.

    .venv/bin/python -m benchmarks.service_load [--films 40] [--requests 1500] [--clients 8] [--write]

On a machine that has other work, ``chrt -r 10`` before it gives it what it needs of the processors first; it says so.

The web process is a real one (uvicorn, SQLite) on 127.0.0.1; the clients are threads of this process, on the same cores.
Films are simulated: what is measured is what queue, workflow, events, store and credits add to them.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import publish
from sqlalchemy import func, select, update
from tests.service import groundwork
from tests.service.chaos import BACKEND, Crew
from tests.service.opening import somebody
from tests.service.simulation import p95

from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import SCOPES, Principal
from photoplay.service.engine import Hub, open_hub
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.requests import JobRequest

FILM_S = 8.6
"""Seconds that the pocket model takes for a film of 3 s (benchmarks/results, pocket speed)."""
MADE_MS = 100
ASKED = {"template": "gentle_smile", "seconds": 3, "size": "480p", "model": BACKEND, "consent": ["self"]}
GIVEN: dict[str, Any] = {"backends": (BACKEND,), "queue_limit": 60}
Call = tuple[str, str, dict[str, Any] | None]


@dataclass(frozen=True)
class Answers:
    """Statuses and seconds of answers, and how long all of them took."""

    statuses: list[int]
    seconds: list[float]
    whole: float
    retry_after: int = 0

    def row(self, name: str) -> str:
        """As a row of the table."""
        milliseconds = (median(self.seconds), p95(self.seconds), max(self.seconds))
        told = " | ".join(f"{one * 1000:.1f}" for one in milliseconds)
        return f"| {name} | {len(self.seconds) / self.whole:,.0f} | {told} |"


def web(folder: Path, pipe: Connection) -> None:
    """The web process."""
    from photoplay.service.operations.serving import Web, listen

    log = os.open(folder / "web.log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    hub = open_hub(groundwork.make_settings(folder, **GIVEN))
    door = listen("127.0.0.1", 0)
    served = Web(hub, door)
    served.start()
    pipe.send(door.getsockname()[1])
    pipe.recv()
    served.stop()
    served.join()
    hub.close()


def memory(pid: int | None, what: str = "VmRSS") -> float:
    """MB of a process, as the kernel tells."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{what}:"))


def ask(port: int, token: str, calls: list[Call], clients: int) -> Answers:
    """Asks all of it, ``clients`` at a time."""

    def some(mine: list[Call]) -> list[tuple[int, float, bool]]:
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answers = []
        for method, path, body in mine:
            began = time.perf_counter()
            conn.request(method, path, None if body is None else json.dumps(body), headers)
            answer = conn.getresponse()
            answer.read()
            answers.append((answer.status, time.perf_counter() - began, bool(answer.getheader("retry-after"))))
        conn.close()
        return answers

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        all_ = [one for part in pool.map(some, [calls[start::clients] for start in range(clients)]) for one in part]
    whole = time.perf_counter() - began
    return Answers([one[0] for one in all_], [one[1] for one in all_], whole, sum(one[2] for one in all_))


@dataclass(frozen=True)
class Overhead:
    """Seconds that a film costs beside its making, by the clock: ``busy``, of a worker that has many to make, and ``idle``,
    from submit to film where nothing waits. CPU seconds of the worker for each film: ``around`` it, and ``during`` one that
    takes :data:`FILM_S`, while it is made."""

    busy: float
    idle: float
    around: float
    during: float

    def rows(self, films: int) -> list[str]:
        """As rows of the table."""
        found = {
            f"one of {films} in a row, by the clock": self.busy,
            "nothing else waits: submit to film, by the clock": self.idle,
            "CPU of the worker around a film": self.around,
            f"CPU of the worker beside a film while it is made ({FILM_S} s: heartbeat, progress, queue)": self.during,
        }
        return [f"| {name} | {seconds:.3f} | {seconds / FILM_S:.1%} |" for name, seconds in found.items()]


def overhead(folder: Path, films: int) -> Overhead:
    """What queue, workflow, events, store and credits cost. What the maker itself slept is taken off each time: a machine
    with other work sleeps longer than it was asked to."""
    hub = open_hub(groundwork.make_settings(folder, **GIVEN))
    crew = Crew(folder, GIVEN)
    try:
        who = somebody(hub)
        crew.hire()
        _film(hub, who, 0)  # the worker is up
        pid = next(iter(crew.alive.values())).pid
        idle = [_film(hub, who, number) for number in range(1, 11)]
        before, others = _cpu(pid), [somebody(hub) for _ in range(films // 10 + 1)]
        ids = [_submit(hub, others[number // 10], number) for number in range(films)]
        _until(hub, ids)
        around = (_cpu(pid) - before) / films
        with hub.database.read() as conn:
            found = conn.execute(select(rows.c.finished_at, rows.c.film).where(rows.c.id.in_(ids))).all()
        ends = sorted((row.finished_at, _slept(row.film)) for row in found)
        busy = [after - earlier - slept for (earlier, _), (after, slept) in itertools.pairwise(ends)]
        before = _cpu(pid)
        _until(hub, [_submit(hub, who, films, f"slowly takes {1000 * FILM_S:.0f}")])
        return Overhead(median(busy), median(idle), around, _cpu(pid) - before - around)
    finally:
        crew.dismiss()
        hub.close()


def _slept(film: dict[str, Any]) -> float:
    return float(film["report"]["metrics"]["slept"])


def _submit(hub: Hub, who: Principal, number: int, takes: str = f"takes {MADE_MS}") -> str:
    """A film whose maker does as it is told."""
    request = JobRequest(template="gentle_smile", seconds=3.0, backend=BACKEND, seed=number, prompt=takes)
    return jobs.submit(hub, who, request, now=time.time()).id


def _film(hub: Hub, who: Principal, number: int) -> float:
    """Seconds from submit to film, without its making."""
    id_ = _submit(hub, who, number)
    _until(hub, [id_])
    with hub.database.read() as conn:
        row = conn.execute(select(rows.c.queued_at, rows.c.finished_at, rows.c.film).where(rows.c.id == id_)).one()
    return float(row.finished_at - row.queued_at - _slept(row.film))


def _until(hub: Hub, ids: list[str], limit: float = 120.0) -> None:
    open_ = select(func.count()).select_from(rows).where(rows.c.id.in_(ids), rows.c.state != "completed")
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with hub.database.read() as conn:
            if not conn.execute(open_).scalar_one():
                return
        time.sleep(0.02)
    raise TimeoutError("the films were not made in time")


def _cpu(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(folder: Path, requests: int, clients: int) -> tuple[list[str], list[str]]:
    """Rows of requests, and of memory."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    folder.mkdir()
    process = context.Process(target=web, args=(folder, theirs), daemon=True)
    process.start()
    port = mine.recv()
    hub = open_hub(groundwork.make_settings(folder, **GIVEN))
    try:
        people = [somebody(hub) for _ in range(8)]
        who = people[0]
        with hub.database.begin() as conn:
            _, token = accounts.create_key(conn, who.tenant_id, "load", SCOPES, time.time(), may=SCOPES)
        for number in range(16):
            _submit(hub, who, number)
        start = memory(process.pid)
        kinds: dict[str, Callable[[int], Call]] = {
            "`GET /healthz`": lambda _: ("GET", "/healthz", None),
            "`POST /v1/videos/estimate`": lambda _: ("POST", "/v1/videos/estimate", ASKED),
            "`GET /v1/videos` (16 of them)": lambda _: ("GET", "/v1/videos", None),
        }
        lines = []
        for name, kind in kinds.items():
            for at_once in (1, clients):
                found = ask(port, token, [kind(number) for number in range(requests)], at_once)
                wrong = [status for status in found.statuses if status != 200]
                assert not wrong, f"{name}: {wrong[:3]}"
                lines.append(found.row(f"{name}, {at_once} at a time"))
        for other in people[1:]:
            for number in range(8):
                if _waiting(hub) < GIVEN["queue_limit"]:
                    _submit(hub, other, number)
        calls = [("POST", "/v1/videos", {**ASKED, "seed": number}) for number in range(requests)]
        found = ask(port, token, calls, clients)
        assert set(found.statuses) == {503}, set(found.statuses)
        assert found.retry_after == requests
        lines.append(found.row(f"`POST /v1/videos`, queue full: 503 with Retry-After, {clients} at a time"))
        sizes = [
            f"| web process, started | {start:.0f} |",
            f"| after {7 * requests:,} requests | {memory(process.pid):.0f} |",
        ]
        mine.send("over")
        process.join(20)
        return lines, sizes
    finally:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
        with hub.database.begin() as conn:
            conn.execute(update(rows).values(state="cancelled"))
        hub.close()


def _waiting(hub: Hub) -> int:
    with hub.database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(rows).where(rows.c.state == "queued")).scalar_one())


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        found = overhead(Path(name) / "films", given.films)
        lines, sizes = load(Path(name) / "web", given.requests, given.clients)
    text = "\n".join(
        [
            "| a film's overhead | seconds | share of a film of 3 s with the pocket model |",
            "|---|---:|---:|",
            *found.rows(given.films),
            "",
            "| requests | a second | median ms | p95 ms | slowest ms |",
            "|---|---:|---:|---:|---:|",
            *lines,
            "",
            "| memory | MB |",
            "|---|---:|",
            *sizes,
        ]
    )
    command = f"service_load --films {given.films} --requests {given.requests} --clients {given.clients}"
    first = ", with real-time priority over what else ran" if os.sched_getscheduler(0) != os.SCHED_OTHER else ""
    conditions = f"SQLite; load average before {load_before:.1f}{first}"
    publish(text, "service-load", "The service's own cost", command, write=given.write, conditions=conditions)


if __name__ == "__main__":
    main()
