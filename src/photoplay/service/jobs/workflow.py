"""The workflow of a film: make, keep, finish, clean. Each is a step of DBOS, runs at least once, and may run again.

    make    begins an attempt, and has the film made in the job's work folder. Admission to seal is one step, because an
            admitted request cannot be stored (only safety can make one); what lies between resumes by its own folder
    keep    puts the finished film into the store, under a key of this attempt, and into the job's row
    finish  asks once more whether everybody agrees, and ends the round: state, charge, events and webhook in one transaction
    clean   removes what nobody needs any more

The steps say only how they went; what was made lies in the work folder and in the job's row. So a worker that takes over
on another machine, where there is no such folder, makes the film again, and DBOS's tables hold nothing personal.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from dbos import DBOS, StepOptions
from sqlalchemy import select, update

from photoplay.errors import CancelledError, PhotoplayError, RefusedError, UnavailableError
from photoplay.service.engine import Hub, workflow_id
from photoplay.service.ground import telemetry
from photoplay.service.ground.safe_settings import make_private
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import jobs, workers
from photoplay.service.ground.wire import WORKFLOW
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.events import tell
from photoplay.service.jobs.job import Job, film_key, find
from photoplay.service.jobs.maker import Film, Maker
from photoplay.service.jobs.settling import check_agreed
from photoplay.service.jobs.watching import Watch
from photoplay.types import StageEvent

TRIES = 3
"""Attempts at a round; a job that ends each of them is poisonous."""
PASSING = frozenset({"storage_down", "database_down", "database_busy", "gpu_process_ended"})
"""Errors that another attempt may not meet."""
DISK = frozenset({"disk_full", "out_folder_missing", "out_unwritable"})
"""Errors of this machine's disk: the operator's business, and nothing that whoever asked for the film could mend."""
PAUSE = 2.0
RESULT = "result.json"
LOCK = ".lock"
ASIDE = "aside-"
PATIENCE = 5.0
"""Seconds that a worker waits for another process of this machine to let go of a job's folder."""

Said: TypeAlias = Literal["made", "again", "lost", "kept", "over"]


@dataclass(frozen=True)
class Work:
    """What a worker does for a film. ``leave`` ends its process, with a sentence for the log; ``made`` is told of a workflow
    whether its film is made and has only to be put away, which may be done beside the next one."""

    hub: Hub
    maker: Maker
    worker_id: str
    leave: Callable[[str], None]
    made: Callable[[str, bool], None] = lambda workflow, yes: None  # noqa: ARG005
    alone: threading.Semaphore = field(default_factory=threading.Semaphore)

    def register(self) -> None:
        """Makes the workflow known to DBOS, which runs it from now on with this worker."""

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=100)
        def film(job_id: str, round: int) -> str:
            return self.film(job_id, round)

    def film(self, job_id: str, round: int) -> str:
        """Makes the film of a round, whatever a worker before did of it."""
        said = "again"
        for _ in range(2 * TRIES):
            self.made(workflow_id(job_id, round), False)
            said = self._step("make", job_id, round, self.make)
            self.made(workflow_id(job_id, round), said in ("made", "over"))
            if said == "made" and (said := self._step("keep", job_id, round, self.keep)) == "kept":
                said = self._step("finish", job_id, round, self.finish)
            if said not in ("again", "lost"):
                break
        self._step("clean", job_id, round, self.clean)
        return said

    def _step(self, name: str, job_id: str, round: int, step: Callable[[str, int], Said]) -> Said:
        """A step; where the database or the store are away it is tried again for a minute."""
        options: StepOptions = {"name": name, "retries_allowed": True, "max_attempts": 7, "interval_seconds": 1.0}
        with telemetry.request_id(job_id), telemetry.span(f"film.{name}", job_id=job_id, round=round) as span:
            said: Said = DBOS.run_step(options, step, job_id, round)
            span.set_attribute("said", said)
        return said

    def make(self, job_id: str, round: int) -> Said:
        """Has the film made in the job's folder, one film at a time in this process."""
        with self.alone:
            job = self._begin(job_id, round)
            if job is None:
                return "over"
            try:
                with _own(self._folder(job_id), job.attempt) as folder, Watch(self.hub, job, self.leave) as watch:
                    return self._made(job, folder, watch)
            finally:
                self._busy(None)

    def _begin(self, job_id: str, round: int) -> Job | None:
        """Counts an attempt; None where there is nothing to do."""
        now = time.time()
        with self.hub.database.begin() as conn:
            job = find(conn, job_id)
            if job is None or job.round != round or job.state not in LIVE:
                return None
            if job.cancel_at is not None:
                end(conn, self.hub, job, "cancelled", now, CancelledError())
                return None
            if job.attempt >= TRIES:
                end(conn, self.hub, job, "failed", now, _poisoned())
                return None
            values = {
                "state": "running",
                "attempt": job.attempt + 1,
                "worker_id": self.worker_id,
                "started_at": now if job.started_at is None else job.started_at,
            }
            mine = (
                jobs.c.id == job_id,
                jobs.c.round == round,
                jobs.c.attempt == job.attempt,
                jobs.c.state == job.state,
            )
            if conn.execute(update(jobs).where(*mine).values(values)).rowcount != 1:
                return None  # somebody ended it in between
            tell(conn, job_id, job.attempt + 1, "state", {"state": "running", "error": None}, now)
            begun = find(conn, job_id)
        if job.started_at is None:
            self.hub.metrics.wait_seconds.labels(plan=job.plan).observe(max(0.0, now - job.queued_at))
        self._busy(job_id)
        return begun

    def _made(self, job: Job, folder: Path, watch: Watch) -> Said:
        if _result(folder, job) is not None:
            return "made"  # before a worker died that could not say so any more
        try:
            film = self.maker.make(job, folder, watch.progress, watch.preview)
            watch.progress(StageEvent("keep", 0, 1))
        except Exception as error:
            return "over" if watch.over else self._failed(job, error)
        _write(folder, job, film)
        return "made"

    def _failed(self, job: Job, error: Exception) -> Said:
        told = error if isinstance(error, PhotoplayError) and error.code not in DISK else None
        log = telemetry.logger(__name__).info if told else telemetry.logger(__name__).error
        log("attempt_failed", job_id=job.id, attempt=job.attempt, code=getattr(error, "code", ""), exc_info=not told)
        if (told is None or told.code in PASSING) and job.attempt < TRIES:
            time.sleep(PAUSE)
            return "again"
        with self.hub.database.begin() as conn:
            state: Literal["cancelled", "failed"] = "cancelled" if isinstance(error, CancelledError) else "failed"
            end(conn, self.hub, job, state, time.time(), told or _unknown())
        return "over"

    def keep(self, job_id: str, round: int) -> Said:
        """Stores what was made; ``lost`` where it does not lie on this machine."""
        job = self._live(job_id, round)
        if job is None:
            return "over"
        film = _result(self._folder(job_id), job)
        if film is None:
            return "lost"
        kept: dict[str, Any] = {"recipe": film.recipe, "report": film.report, "notices": list(film.notices)}
        kept |= {"width": film.width, "height": film.height, "seconds": film.seconds}
        files = {"key": film.path, "thumbnail": film.thumbnail, "spritesheet": film.spritesheet}
        kept |= {name: None if path is None else film_key(job, path.name) for name, path in files.items()}
        with ThreadPoolExecutor(len(files)) as pool:  # each waits for the disk, or for the network
            list(
                pool.map(self._store, *zip(*((kept[name], path) for name, path in files.items() if path), strict=True))
            )
        kept |= {"bytes": film.path.stat().st_size, "sha256": _digest(film.path)}
        mine = (jobs.c.id == job_id, jobs.c.round == round, jobs.c.attempt == job.attempt, jobs.c.state == "running")
        with self.hub.database.begin() as conn:
            stored = conn.execute(update(jobs).where(*mine).values(film=kept)).rowcount == 1
        return "kept" if stored else "over"

    def finish(self, job_id: str, round: int) -> Said:
        """Ends the round with its film; ``lost`` where there is none, because another attempt began in between.

        A worker may have died since the film was made: who withdrew meanwhile is not in any film.
        """
        job = self._live(job_id, round)
        if job is None:
            return "over"
        now = time.time()
        with self.hub.database.read() as conn:
            film = conn.execute(select(jobs.c.film).where(jobs.c.id == job_id)).scalar_one()
        try:
            if film is not None:
                self.maker.still_agreed(job, film)
            with self.hub.database.begin() as conn:
                if job.cancel_at is not None:
                    end(conn, self.hub, job, "cancelled", now, CancelledError())
                    return "over"
                if film is None or conn.execute(select(jobs.c.film).where(jobs.c.id == job_id)).scalar_one() != film:
                    return "lost"
                check_agreed(conn, job.tenant_id, job.request)
                if not end(conn, self.hub, job, "completed", now):
                    return "over"
        except RefusedError as error:
            return self._failed(job, error)
        self.hub.metrics.films.inc()
        return "over"

    def clean(self, job_id: str, round: int) -> Said:
        """Removes objects that the row does not name, and the work folder of a job that will not go on in it."""
        with self.hub.database.read() as conn:
            job = find(conn, job_id)
            owner = conn.execute(select(jobs.c.tenant_id).where(jobs.c.id == job_id)).scalar_one_or_none()
        if job is not None and (job.round != round or job.state in LIVE):
            return "over"  # another round is on
        if job is None or job.state != "cancelled":
            shutil.rmtree(self._folder(job_id), ignore_errors=True)
        if owner is not None:
            film = (job and job.film) or {}  # of one that was deleted while it was made nothing stays
            named = {film.get(name) for name in ("key", "thumbnail", "spritesheet")}
            for key in list(self.hub.store.list(f"films/{owner}/{job_id}")):
                if key not in named:
                    self.hub.store.delete(key)
        return "over"

    def _store(self, key: str, path: Path) -> int:
        return self.hub.store.put(key, path, "video/mp4" if path.suffix == ".mp4" else "image/png")

    def _folder(self, job_id: str) -> Path:
        return self.hub.settings.work / job_id

    def _live(self, job_id: str, round: int) -> Job | None:
        with self.hub.database.read() as conn:
            job = find(conn, job_id)
        return job if job is not None and job.round == round and job.state == "running" else None

    def _busy(self, job_id: str | None) -> None:
        with self.hub.database.begin() as conn:
            conn.execute(update(workers).where(workers.c.id == self.worker_id).values(job_id=job_id))


@contextmanager
def _own(folder: Path, attempt: int) -> Iterator[Path]:
    """A job's work folder, for this process alone. Where another one that was given up still has it, a new one beside."""
    make_private(folder)
    with (folder / LOCK).open("w") as lock:
        deadline = time.monotonic() + PATIENCE
        while not _is_locked(lock) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not _is_locked(lock):
            folder = folder / f"{ASIDE}{attempt}"
            make_private(folder)
        yield folder


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(folder: Path, job: Job, film: Film) -> None:
    """Puts down that a film is finished: whoever finds this file finds the film whole."""
    data = {name: value.name if isinstance(value, Path) else value for name, value in asdict(film).items()}
    unfinished = folder / f"{RESULT}.unfinished"
    with unfinished.open("w") as file:
        json.dump({"round": job.round, "sha256": _digest(film.path), "film": data}, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / RESULT)


def _result(folder: Path, job: Job) -> Film | None:
    """The film of this round that lies finished in a job's folder."""
    for place in (folder, *folder.glob(f"{ASIDE}*")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # it is not there, or not whole
            found = json.loads((place / RESULT).read_text())
            data = found["film"]
            paths = {name: place / data[name] for name in ("path", "thumbnail", "spritesheet") if data[name]}
            film = Film(**{**data, **paths, "notices": tuple(data["notices"])})
            if found["round"] == job.round and _digest(film.path) == found["sha256"]:
                return film if all(path.is_file() for path in paths.values()) else None
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _poisoned() -> PhotoplayError:
    return UnavailableError(
        "job_poisoned",
        f"Work on this film broke down {TRIES} times, so it was put aside.",
        "Try another photo or template. Nothing was charged; the operator can see why.",
    )


def _unknown() -> PhotoplayError:
    return UnavailableError(
        "internal_error",
        "Something went wrong while this film was made.",
        "Try it again. If it happens once more, tell the operator this film's id.",
    )
