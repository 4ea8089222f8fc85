"""Real worker processes that are killed with SIGKILL at any moment while they make films, and what must hold afterwards.

The makers are simulated (:class:`tests.service.makers.SimulatedMaker`), everything else is the service's own: queue,
workflow, heartbeat, takeover, store and credits. Workers come from a server that forks them with everything imported, so
that a new one is there within a second.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from photoplay.service.accounts import credits
from photoplay.service.engine import Hub, workflow_id
from photoplay.service.ground.errors import ConflictError
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import entries, job_events, transfers, workers
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import heartbeat
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.upkeep import janitor
from tests.service import groundwork
from tests.service.makers import SimulatedMaker, content
from tests.service.opening import somebody

BACKEND = "echo"
EACH = 12
"""Jobs of a tenant: fewer than its plan allows at a time."""
STORED = ("key", "thumbnail", "spritesheet")


@dataclass(frozen=True)
class Trial:
    """What is done: so many jobs for so many workers, and kills. ``seen``: the share of deaths that whoever started the
    worker tells at once, as ``photoplay serve`` does; the others are found out by silence. ``takes``: milliseconds of a
    film, from and to."""

    jobs: int
    kills: int
    workers: int = 3
    seed: int = 1
    seen: float = 0.8
    takes: tuple[int, int] = (50, 400)
    limit: float = 150.0


@dataclass
class Outcome:
    """What came of it. ``wrong`` is empty when everything held."""

    states: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    kills: int = 0
    where: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def work(folder: Path, given: dict[str, Any], worker_id: str) -> None:
    """A worker process."""
    from photoplay.service.upkeep.worker import run

    log = os.open(folder / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    raise SystemExit(
        run(groundwork.make_settings(folder, **given), [f"films-{BACKEND}"], SimulatedMaker(), worker_id=worker_id)
    )


class Crew:
    """The worker processes of a trial."""

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        self._folder, self._given = folder, given
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["photoplay.service.upkeep.worker", "tests.service.chaos"])
        self.alive: dict[str, ForkServerProcess] = {}

    def hire(self) -> str:
        """Starts a worker; its id."""
        name = new_id("worker")
        process = self._context.Process(target=work, args=(self._folder, self._given, name), daemon=True)
        process.start()
        self.alive[name] = process
        return name

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self.alive.pop(name)
        process.kill()
        process.join(10)

    def dismiss(self) -> list[int | None]:
        """SIGTERM to all; their exit statuses."""
        for process in self.alive.values():
            if process.pid is not None:
                os.kill(process.pid, signal.SIGTERM)
        ended = []
        for process in self.alive.values():
            process.join(20)
            ended.append(process.exitcode)
            if process.is_alive():
                process.kill()
                process.join(10)
        self.alive.clear()
        return ended


def harm(folder: Path, trial: Trial, **given: Any) -> Outcome:
    """Runs a trial in a folder; ``given`` settings first (such as ``database_url``)."""
    given = {"backends": (BACKEND,), "queue_limit": max(500, trial.jobs + 1), **given}
    random_ = random.Random(trial.seed)
    outcome = Outcome()
    began = time.monotonic()
    hub = groundwork.open_new(folder, **given)
    crew = Crew(folder, given)
    try:
        ids = _submit(hub, trial, random_)
        for _ in range(trial.workers):
            crew.hire()
        _kill(hub, crew, trial, random_, outcome, began + trial.limit)
        while _live(hub) and time.monotonic() < began + trial.limit:
            time.sleep(0.1)
        time.sleep(1.0)  # the last one's clean step
        statuses = crew.dismiss()
        outcome.wrong += [f"a worker ended with {status}" for status in statuses if status != 0]
        judge(hub, trial, ids, outcome)
    finally:
        crew.dismiss()
        hub.close()
    outcome.seconds = time.monotonic() - began
    return outcome


def _submit(hub: Hub, trial: Trial, random_: random.Random) -> list[str]:
    """Jobs of several tenants; one in fifteen fails, one in thirty is cancelled by its owner, soon or at once."""
    ids = []
    for start in range(0, trial.jobs, EACH):
        who = somebody(hub)
        for number in range(start, min(start + EACH, trial.jobs)):
            wrong = f", fails {random_.choice(('scene', 'review'))}" if number % 15 == 7 else ""
            request = JobRequest(
                template="gentle_smile",
                seconds=1.0,
                backend=BACKEND,
                seed=number,
                prompt=f"takes {random_.randint(*trial.takes)}{wrong}",
            )
            ids.append(jobs.submit(hub, who, request, now=time.time()).id)
            if number % 30 == 11:
                try:
                    jobs.cancel(hub, who, random_.choice(ids[start:]), time.time())
                except ConflictError:
                    continue
    return ids


def _kill(hub: Hub, crew: Crew, trial: Trial, random_: random.Random, outcome: Outcome, until: float) -> None:
    """Kills workers, spread evenly over the jobs, and replaces them: every second one in the middle of a film, the others
    just after it, where the film is put into the store and the job ends."""
    while outcome.kills < trial.kills and time.monotonic() < until:
        due = outcome.kills * trial.jobs // (trial.kills + 1)
        if trial.jobs - _live(hub) < due or not (busy := _busy(hub, crew)):
            time.sleep(0.02)
            continue
        name, job = random_.choice(busy)
        if outcome.kills % 2:
            _await_made(hub, name, job)
            time.sleep(random_.uniform(0.0, 0.12))
        else:
            time.sleep(random_.uniform(0.0, 0.2))
        crew.kill(name)
        outcome.kills += 1
        outcome.where[_where(hub, job)] += 1
        if random_.random() < trial.seen:
            heartbeat.bury(hub, name, time.time())
        crew.hire()


def _busy(hub: Hub, crew: Crew) -> list[tuple[str, str]]:
    """Workers that are making a film, with its id."""
    mine = (workers.c.id.in_(crew.alive), workers.c.job_id.is_not(None))
    with hub.database.read() as conn:
        return [(row.id, row.job_id) for row in conn.execute(select(workers.c.id, workers.c.job_id).where(*mine))]


def _await_made(hub: Hub, name: str, job: str) -> None:
    """Waits until a worker has made the film that it is at."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with hub.database.read() as conn:
            if conn.execute(select(workers.c.job_id).where(workers.c.id == name)).scalar_one() != job:
                return
        time.sleep(0.002)


def _where(hub: Hub, job: str) -> str:
    """The step of a job's workflow at which its worker died."""
    steps = ("make", "keep", "finish", "clean", "after it")
    with hub.database.read() as conn:
        round_ = conn.execute(select(rows.c.round).where(rows.c.id == job)).scalar_one()
    done = hub.client.list_workflow_steps(workflow_id(job, round_), load_output=False)
    return steps[min(len(done), 4)]


def _live(hub: Hub) -> int:
    with hub.database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(rows).where(rows.c.state.in_(LIVE))).scalar_one())


def judge(hub: Hub, trial: Trial, ids: list[str], outcome: Outcome) -> None:
    """Everything that must hold."""
    wrong = outcome.wrong
    if outcome.kills != trial.kills:
        wrong.append(f"only {outcome.kills} kills in the time")
    with hub.database.read() as conn:
        found = {row.id: Job.of(row) for row in conn.execute(select(rows))}
        wrong += credits.audit(conn)
        moved: dict[str, Counter[str]] = {id_: Counter() for id_ in found}
        for row in conn.execute(select(transfers.c.job_id, transfers.c.kind).where(transfers.c.job_id.is_not(None))):
            moved[row.job_id][row.kind] += 1
        ends = Counter(conn.execute(select(job_events.c.job_id).where(job_events.c.kind == "end")).scalars())
        earned = conn.execute(
            select(func.coalesce(func.sum(entries.c.amount), 0)).where(entries.c.account == credits.REVENUE)
        ).scalar_one()
    if sorted(found) != sorted(ids):
        wrong.append("jobs are missing, or there are others")
    for job in found.values():
        outcome.states[job.state] += 1
        outcome.attempts[job.attempt] += 1
        if job.error:
            outcome.errors[job.error["code"]] += 1
        wrong += [f"{job.id} ({job.state}): {what}" for what in _about(hub, job, moved[job.id])]
        if ends[job.id] != 1:
            wrong.append(f"{job.id} was told to be over {ends[job.id]} times")
    due = sum(job.cost for job in found.values() if job.state == "completed")
    if earned != due:
        wrong.append(f"{earned} credits were taken where {due} are due")
    wrong += _stored(hub, found, outcome)
    left = hub.client.list_workflows(status=["PENDING", "ENQUEUED"], load_input=False, load_output=False)
    wrong += [f"the queue still holds {one.workflow_id}" for one in left]


def _about(hub: Hub, job: Job, moved: Counter[str]) -> list[str]:
    """What is wrong with one job: it has one film or one clear error, and was charged for the film and nothing else."""
    wrong = []
    if job.state == "completed":
        if moved != {"reserve": 1, "settle": 1} or job.charged != job.cost or job.error is not None:
            wrong.append(f"charged {job.charged} of {job.cost} by {dict(moved)}")
        for part in STORED:
            key = (job.film or {}).get(part)
            if key is None or hub.store.size(key) is None:
                wrong.append(f"its {part} is not in the store")
            elif part == "key" and hub.store.get(key) != content(job):
                wrong.append("its film is not the one that was asked for")
    elif job.state in ("failed", "cancelled"):
        if moved != {"reserve": 1, "refund": 1} or job.charged:
            wrong.append(f"charged {job.charged} by {dict(moved)}")
        if not (job.error and all(job.error.get(part) for part in ("code", "message"))):
            wrong.append(f"its error says nothing: {job.error}")
        expected = "fails" in job.request.prompt or job.state == "cancelled"
        if not expected and (job.error or {}).get("code") != "job_poisoned":
            wrong.append(f"it failed without cause: {job.error}")
    else:
        wrong.append("it is not over")
    return wrong


def _stored(hub: Hub, found: dict[str, Job], outcome: Outcome) -> list[str]:
    """Objects that lie in the store are whole, and after the janitor's round are those of the films alone."""
    films = [job.film or {} for job in found.values() if job.state == "completed"]
    named = {str(film[part]) for film in films for part in STORED if part in film}
    there = set(hub.store.list())
    outcome.orphans = len(there - named)
    wrong = [f"half a film is in the store: {key}" for key in there if key.endswith("film.mp4") and _is_half(hub, key)]
    swept = janitor.sweep(hub, time.time() + 2 * janitor.HOUR)
    if swept.failed or swept.films:
        wrong.append(f"the janitor: {swept}")
    left = set(hub.store.list())
    wrong += [f"the store still holds {key}" for key in left - named]
    files = [path for path in (hub.settings.data / "store").rglob("*") if path.is_file()]
    if len(files) != len(named):
        wrong.append(f"the store's folder has {len(files)} files where {len(named)} are known")
    return wrong


def _is_half(hub: Hub, key: str) -> bool:
    data = hub.store.get(key)
    return not (data.startswith(b"film of ") and len(data) == len(b"film of ") + 32)
