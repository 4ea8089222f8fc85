"""How quick the API is: each read with thousands of films in the database, requests a second over HTTP, memory.

    python -m benchmarks.api_speed [--films 5000] [--seconds 4] [--write]

One installation in a folder of its own, on SQLite, one web process on loopback, a few clients. It ends by itself.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
import structlog
from benchmarks.report import publish
from sqlalchemy import insert
from tests.service.stage import Someone, Stage, open_stage, served

from photoplay.service.ground.ids import new_id
from photoplay.service.ground.tables import job_events, jobs
from photoplay.service.jobs.requests import JobRequest

READS = 200
CLIENTS = 4


def fill(stage: Stage, who: Someone, films: int) -> str:
    """Many films of one account, with events, and one that is there whole. Returns its id."""
    now, request = time.time(), JobRequest(template="gentle_smile", seconds=3.0).model_dump(mode="json")
    shared = {"tenant_id": who.tenant_id, "plan": "home", "queue": "films-pocket", "request": request, "cost": 0}
    film = {"seconds": 3.0, "width": 854, "height": 480, "bytes": 1, "sha256": "0" * 64, "key": "x"}
    done = {
        "state": "completed",
        "film": film,
        "queued_at": now - 90,
        "started_at": now - 60,
        "finished_at": now - 50,
        "percent": 100,
    }
    rows = [
        {**shared, **done, "id": new_id("video"), "priority": 1, "created_at": now - 100_000 + number}
        for number in range(films)
    ]
    with stage.hub.database.begin() as conn:
        conn.execute(insert(jobs), rows)
        told = {"attempt": 1, "kind": "stage", "data": {"percent": 1}, "at": now}
        conn.execute(insert(job_events), [{**told, "job_id": row["id"]} for row in rows for _ in range(10)])
    return stage.completed(who)


def timed(stage: Stage, who: Someone, path: str) -> tuple[float, float, float]:
    """Milliseconds of a request through the whole app, in memory: median, 95th percentile, and of processor time (which
    counts the client too, and says the same on a busy machine)."""
    found, worked = [], time.process_time()
    for _ in range(READS):
        began = time.perf_counter()
        answer = stage.client.get(path, headers=who.headers)
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status_code < 300, answer.text
    worked = (time.process_time() - worked) * 1000 / READS
    return statistics.median(found), statistics.quantiles(found, n=20)[-1], worked


def throughput(address: str, who: Someone, path: str, seconds: float) -> tuple[float, float]:
    """Requests a second of a few clients over HTTP, and the 95th percentile in ms."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    def ask() -> None:
        with httpx.Client(base_url=address, headers=who.headers) as client:
            while time.perf_counter() < until:
                began = time.perf_counter()
                client.get(path).raise_for_status()
                took.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, statistics.quantiles(took, n=20)[-1]


def overload(stage: Stage, who: Someone) -> tuple[float, float]:
    """Milliseconds (median, worst of 100) to turn a film away where the queue is full."""
    found = []
    for _ in range(100):
        began = time.perf_counter()
        answer = stage.client.post("/v1/videos", headers=who.headers, json={"template": "gentle_smile"})
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in (429, 503), answer.text
        assert int(answer.headers["retry-after"]) >= 1
    return statistics.median(found), max(found)


def measured(stage: Stage, films: int, seconds: float) -> list[str]:
    """Lines of a table, in Markdown."""
    who = stage.someone("home", operator=True)
    id_ = fill(stage, who, films)
    lines = ["| in memory | median ms | p95 ms | processor ms |", "|---|---:|---:|---:|"]
    reads = ("/v1/videos?limit=20", f"/v1/videos/{id_}", f"/v1/jobs/{id_}", f"/v1/videos/{id_}/content")
    for path in (*reads, "/v1/photos", "/v1/account", "/v1/session", "/v1/templates", "/v1/admin/overview"):
        middle, slow, worked = timed(stage, who, path)
        lines.append(f"| `{path.replace(id_, '…')}` | {middle:.2f} | {slow:.2f} | {worked:.2f} |")
    lines += ["", f"| over HTTP, {CLIENTS} clients | requests/s | p95 ms |", "|---|---:|---:|"]
    with served(stage.app) as address:
        for path in ("/healthz", f"/v1/videos/{id_}"):
            rate, slow = throughput(address, who, path, seconds)
            lines.append(f"| `{path.replace(id_, '…')}` | {rate:.0f} | {slow:.1f} |")
    stage.queued(who)
    middle, worst = overload(stage, who)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines += [
        "",
        f"A full queue turns a film away in {middle:.1f} ms, at worst {worst:.1f} ms (of 100).",
        f"Memory: {memory:.0f} MB at most, clients and all.",
    ]
    return lines


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--films", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--write", action="store_true")
    said = parser.parse_args()
    load = os.getloadavg()[0]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder, open_stage(Path(folder) / "data", queue_limit=1) as stage:
        lines = measured(stage, said.films, said.seconds)
    command = f"api_speed --films {said.films} --seconds {said.seconds:g}"
    where = f"SQLite, one web process, {said.films} films with 10 events each; load average before {load:.1f}"
    publish("\n".join(lines), "api-speed", "How quick the API is", command, write=said.write, conditions=where)


if __name__ == "__main__":
    main()
