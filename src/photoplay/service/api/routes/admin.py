"""``/v1/admin``: for whoever runs this installation. To everybody else there is nothing here."""

from __future__ import annotations

import time
from threading import Lock

from fastapi import APIRouter, Request
from sqlalchemy import Connection, case, func, select

from photoplay.errors import RequestError
from photoplay.safety.takedown import take_down
from photoplay.service.accounts import credits
from photoplay.service.api import problems
from photoplay.service.api.security import HubOf, Operator
from photoplay.service.api.shapes_account import (
    FailureAnswer,
    LedgerAnswer,
    Overview,
    QueueAnswer,
    TakedownAnswer,
    TakedownAsk,
    WorkerAnswer,
)
from photoplay.service.engine import Hub
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import jobs, workers
from photoplay.service.jobs.maker import open_guard
from photoplay.service.upkeep import janitor

router = APIRouter(tags=["admin"])
FAILURES = 50
"""The newest failures that are shown."""
WORKERS = 100
DAY = 86_400.0
AUDIT_S = 60.0


class Audited:
    """What the last audit of the credits said: it reads the whole ledger, so it is not done at every look."""

    def __init__(self) -> None:
        self.at, self.found = 0.0, list[str]()
        self.lock = Lock()

    def problems(self, conn: Connection, now: float) -> list[str]:
        """What is wrong, as of a minute ago at most."""
        with self.lock:
            if now - self.at >= AUDIT_S:
                self.found, self.at = credits.audit(conn), now
            return self.found


@router.get(
    "/v1/admin/overview", summary="How it is doing", response_model=Overview, responses=problems.documented(401, 404)
)
def overview(hub: HubOf, _who: Operator, request: Request) -> Overview:
    """The queue by plan, the workers, what failed and why, and whether the credits added up within the last minute."""
    return look(hub, request.app.state.audited, time.time())


def look(hub: Hub, audited: Audited, now: float) -> Overview:
    """What the overview tells, for the command line as well."""
    with hub.database.read() as conn:
        wrong = audited.problems(conn, now)
        return Overview(
            queues=_queues(conn, now),
            workers=_workers(conn, now),
            failures=_failures(conn),
            ledger=LedgerAnswer(balanced=not wrong, problems=wrong),
        )


def _queues(conn: Connection, now: float) -> list[QueueAnswer]:
    waits = jobs.c.state == "queued"
    rows = conn.execute(
        select(
            jobs.c.plan,
            jobs.c.queue,
            func.sum(case((waits, 1), else_=0)).label("waiting"),
            func.sum(case((waits, 0), else_=1)).label("running"),
            func.min(case((waits, jobs.c.queued_at))).label("since"),
        )
        .where(jobs.c.state.in_(LIVE))
        .group_by(jobs.c.plan, jobs.c.queue)
        .order_by(jobs.c.queue, jobs.c.plan)
    )
    return [
        QueueAnswer(
            plan=row.plan,
            queue=row.queue,
            waiting=row.waiting,
            running=row.running,
            oldest_wait_s=round(max(0.0, now - row.since), 1) if row.since is not None else 0.0,
        )
        for row in rows
    ]


def _workers(conn: Connection, now: float) -> list[WorkerAnswer]:
    recent = select(workers).where(workers.c.beat_at > now - DAY).order_by(workers.c.beat_at.desc()).limit(WORKERS)
    return [
        WorkerAnswer(
            id=row.id,
            queues=list(row.queues),
            device=row.device,
            state=row.state,
            job_id=row.job_id,
            beat_age_s=round(max(0.0, now - row.beat_at), 1),
        )
        for row in conn.execute(recent)
    ]


def _failures(conn: Connection) -> list[FailureAnswer]:
    newest = (
        select(jobs.c.id, jobs.c.error, jobs.c.finished_at, jobs.c.attempt)
        .where(jobs.c.state == "failed", jobs.c.deleted_at.is_(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(FAILURES)
    )
    return [
        FailureAnswer(
            id=row.id,
            code=(row.error or {}).get("code", ""),
            message=(row.error or {}).get("message", ""),
            finished_at=row.finished_at,
            attempts=row.attempt,
        )
        for row in conn.execute(newest)
    ]


@router.post(
    "/v1/admin/takedown",
    summary="Take something down",
    response_model=TakedownAnswer,
    responses=problems.documented(401, 403, 404, 415, 422),
)
def takedown(hub: HubOf, _who: Operator, ask: TakedownAsk) -> TakedownAnswer:
    """Blocks a film or a photo and all that was made of it, and removes it from this service; with a signed receipt."""
    if not (ask.id or ask.sha256):
        raise RequestError("takedown_unclear", "It is not said what shall be taken down.", "Give id or sha256.")
    guard = open_guard(hub.settings)
    receipt = take_down(guard, id_=ask.id or "", sha256=ask.sha256 or "", sources=ask.sources)
    works, _ = guard.ledger.survey()
    taken = [work for work in works if work.id in receipt.works]
    digests = {digest for work in taken for digest in work.release_digests | work.source_digests}
    digests -= set(receipt.sources)  # of others, perhaps, and not blocked
    removed = janitor.withdraw(hub, digests | ({ask.sha256} if ask.sha256 else set()), time.time())
    return TakedownAnswer(
        works=list(receipt.works),
        blocked=receipt.blocked,
        removed=removed,
        sources=list(receipt.sources),
        token=receipt.token,
    )
