"""Somebody who looks after a film while it is made: tells how far it is, and sees when it shall stop.

A thread beside the work writes progress at most twice a second and looks at the job's row: it is there that a
cancellation, a deletion or another owner is seen. The row is ended at once; the work itself learns it at its next sign of
progress. A thread cannot be stopped, so work that gives no such sign for too long ends the process, and the next one is
told by the row that there is nothing left to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from sqlalchemy import select, update

from photoplay.errors import CancelledError, PhotoplayError, UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs
from photoplay.service.ground.telemetry import logger
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.events import tell
from photoplay.service.jobs.job import Job, preview_key
from photoplay.types import StageEvent

EVERY = 0.5
"""Seconds between two looks."""
PREVIEW_EVERY = 1.0
GRACE = 60.0
"""Seconds that work gets to notice that it is over."""
SHARES = {
    "admit": (0, 4),
    "perceive": (4, 10),
    "compose": (8, 10),
    "move": (10, 12),
    "denoise": (12, 80),
    "generate": (12, 92),
    "review": (92, 94),
    "seal": (94, 98),
    "keep": (98, 100),
}
"""Percent of a film at which each stage begins and ends."""


def percent_of(event: StageEvent) -> int:
    """How far a film is, of 100."""
    first, last = SHARES.get(event.stage, (0, 0))
    share = min(1.0, event.done / event.total) if event.total > 0 else 0.0
    return int(first + (last - first) * share)


class Watch:
    """Looks after one attempt at a film, from ``with`` to the end of its block.

    ``leave`` ends the process, with a sentence for the log. ``over`` is true once the row says that the work is not wanted
    any more, or not from this worker.
    """

    def __init__(
        self, hub: Hub, job: Job, leave: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self.over = False
        self._hub, self._job, self._leave, self._clock = hub, job, leave, clock
        self._mine = (
            jobs.c.id == job.id,
            jobs.c.round == job.round,
            jobs.c.attempt == job.attempt,
            jobs.c.worker_id == job.worker_id,
            jobs.c.state == "running",
        )
        self._latest = StageEvent("", 0, 0)
        self._told = self._latest
        self._percent = 0
        self._began = self._stage_began = self._moved = time.monotonic()
        self._over_since: float | None = None
        self._previewed, self._previews = 0.0, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def progress(self, event: StageEvent) -> None:
        """Takes a sign of progress from the work.

        Raises:
            CancelledError: the work is not wanted any more.
        """
        if event.stage != self._latest.stage:
            now = time.monotonic()
            if self._latest.stage:
                self._hub.metrics.stage_seconds.labels(stage=self._latest.stage).observe(now - self._stage_began)
            self._stage_began = now
        if event != self._latest:
            self._latest, self._moved = event, time.monotonic()
        if self.over:
            raise CancelledError()

    def preview(self, png: bytes) -> None:
        """Stores a sealed preview frame, at most one a second. A film does not fail for want of one."""
        now = time.monotonic()
        if self.over or now - self._previewed < PREVIEW_EVERY:
            return
        self._previewed = now
        try:
            self._hub.store.put(preview_key(self._job), png, "image/png")
            self._previews += 1
            with self._hub.database.begin() as conn:
                data = {"seq": self._previews, "attempt": self._job.attempt}
                tell(conn, self._job.id, self._job.attempt, "preview", data, self._clock())
        except PhotoplayError as error:
            logger(__name__).warning("preview_not_stored", job_id=self._job.id, code=error.code)

    def look(self) -> None:
        """Tells what is new, and sees whether the work shall go on."""
        now, latest = self._clock(), self._latest
        if latest is not self._told:
            self._told, self._percent = latest, max(self._percent, percent_of(latest))
            with self._hub.database.begin() as conn:
                values = {"stage": latest.stage, "percent": self._percent}
                row = conn.execute(update(jobs).where(*self._mine).values(values).returning(jobs.c.cancel_at)).first()
                if row is not None:
                    tell(conn, self._job.id, self._job.attempt, "stage", self._data(latest), now)
        else:
            with self._hub.database.read() as conn:
                row = conn.execute(select(jobs.c.cancel_at).where(*self._mine)).first()
        if row is None:
            self._stop()
        elif row.cancel_at is not None:
            self._end(CancelledError(), now)
        elif time.monotonic() - self._moved > self._hub.settings.step_minutes * 60:
            self._end(
                UnavailableError(
                    "step_late",
                    "Making this film came to a standstill, and was given up.",
                    "Try it again. If it happens once more, choose a shorter or smaller film.",
                ),
                now,
            )

    def _data(self, event: StageEvent) -> dict[str, Any]:
        gone, percent = time.monotonic() - self._began, self._percent
        return {
            "stage": event.stage,
            "done": event.done,
            "total": event.total,
            "percent": percent,
            "left_s": round(gone * (100 - percent) / percent, 1) if percent >= 5 else None,
            "attempt": self._job.attempt,
            "note": event.message,
        }

    def _end(self, error: PhotoplayError, now: float) -> None:
        with self._hub.database.begin() as conn:
            end(conn, self._hub, self._job, "cancelled" if isinstance(error, CancelledError) else "failed", now, error)
        self._stop()

    def _stop(self) -> None:
        if not self.over:
            self.over, self._over_since = True, time.monotonic()

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            try:
                if not self.over:
                    self.look()
            except Exception:  # a database that is away for a while ends no film
                logger(__name__).warning("watch_failed", job_id=self._job.id, exc_info=True)
            if self._over_since is not None and time.monotonic() - self._over_since > GRACE:
                self._leave("the work did not notice that it is over")
