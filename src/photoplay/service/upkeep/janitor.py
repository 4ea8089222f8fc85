"""The janitor: what has to happen by and by, and is done by whichever process comes first.

Every round asks the tables what is due and does it; nothing is remembered between rounds. Each thing is done once, however
many do it at the same time: a row is changed under a condition, and who changed it goes on. What is done outside of the
database (objects of the store, folders) is done after its row says so, and may be done twice; what a killed janitor
leaves undone there, the next deep round finds as something that no row knows.

Deleting a film for good leaves the entry that safety keeps of the *work* (``photoplay.safety.ledger``): digests, its recipe
and perceptual hashes, no picture. A film that was handed out is still out there when its owner deletes it here, and whoever
is shown in it must be able to find out where it came from and have it taken down. Two requests that are the same make the
same work, too, so that one owner's deletion may not take the entry from another. A person's own erasure
(``photoplay.safety.erase``) does remove it; :func:`withdraw` then takes the films of these digests out of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from threading import Event, Thread
from time import time

from sqlalchemy import Connection, Table, and_, delete, exists, func, or_, select, update
from sqlalchemy.sql import ColumnElement

from photoplay.errors import PhotoplayError
from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.limits import throttle
from photoplay.service.engine import Hub
from photoplay.service.ground.states import LIVE, OVER
from photoplay.service.ground.tables import (
    balances,
    challenges,
    deliveries,
    idempotency,
    job_events,
    jobs,
    tenants,
    transfers,
    uploads,
    workers,
)
from photoplay.service.ground.telemetry import logger
from photoplay.service.jobs import webhooks
from photoplay.service.jobs.lifecycle import forget
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.upkeep.closing import closed, nameless
from photoplay.service.upkeep.dropping import UploadRow, drop
from photoplay.service.upkeep.leftovers import BATCH, HOUR, chunks, folders, objects
from photoplay.service.upkeep.unserved import unserved

DAY = 86_400.0
HELD = "held:"
EVENTS_KEPT = DAY
IDEMPOTENCY_KEPT = DAY
DELIVERIES_KEPT = 7 * DAY
WEBHOOKS_EVERY, LIGHT_EVERY, DEEP_EVERY = 2.0, 60.0, HOUR


@dataclass(frozen=True)
class Report:
    """How much a round did of each thing."""

    films: int = 0
    uploads: int = 0
    objects: int = 0
    folders: int = 0
    events: int = 0
    rows: int = 0
    renewed: int = 0
    refunded: int = 0
    closed: int = 0
    nameless: int = 0
    unserved: int = 0
    delivered: int = 0
    undelivered: int = 0
    failed: int = 0

    def lines(self) -> list[str]:
        """What was done, for a person."""
        said = {
            "films": "films whose time was over",
            "uploads": "uploads whose time was over",
            "objects": "objects that no film and no upload knew",
            "folders": "work folders of films that are over",
            "events": "old events",
            "rows": "old rows of other kinds",
            "renewed": "monthly credits given",
            "refunded": "holds given back",
            "closed": "films, uploads and consents of closed accounts",
            "nameless": "closed accounts whose people were forgotten",
            "unserved": "films that no worker made for a day",
            "delivered": "webhooks delivered",
            "undelivered": "webhooks not delivered yet",
            "failed": "parts of the round that failed",
        }
        counts = ((name, getattr(self, name)) for name in (field.name for field in fields(self)))
        return [f"{count} {said[name]}" for name, count in counts if count]


def sweep(hub: Hub, now: float, deep: bool = True, store: bool | None = None) -> Report:
    """One round. ``deep`` also ends what nobody serves and looks through the work folders, and through the store where
    ``store`` does not say otherwise, which takes long where there is much in it. A part that fails is logged and leaves the
    others alone.
    """
    parts: dict[str, Callable[[Hub, float], int]] = {
        "films": _films,
        "uploads": _uploads,
        "events": _events,
        "rows": _rows,
        "renewed": _renewed,
        "refunded": _refunded,
        "closed": closed,
        "nameless": nameless,
    }
    if deep:
        parts |= {"unserved": unserved, "folders": folders}
    if deep if store is None else store:
        parts["objects"] = objects
    counts: dict[str, int] = {}
    failed = 0
    for name, part in parts.items():
        try:
            counts[name] = part(hub, now)
        except Exception:
            logger(__name__).exception("janitor_failed", part=name)
            failed += 1
    try:
        told = webhooks.deliver(hub, now)
    except Exception:
        logger(__name__).exception("janitor_failed", part="webhooks")
        return Report(**counts, failed=failed + 1)
    return Report(**counts, failed=failed, delivered=told.delivered, undelivered=told.failed + told.given_up)


def withdraw(hub: Hub, digests: Collection[str], now: float) -> int:
    """Removes the films and the uploads of these SHA-256 digests, whoever's they are: after a takedown or an erasure, which
    tell the digests. Returns how many were removed."""
    wanted = sorted(set(digests))
    gone = 0
    for some in chunks(iter(wanted)):
        with hub.database.read() as conn:
            films = conn.execute(
                select(jobs.c.id).where(jobs.c.film["sha256"].as_string().in_(some), jobs.c.deleted_at.is_(None))
            ).scalars()
            ids = list(films)
            rows = conn.execute(
                select(uploads.c.id, uploads.c.tenant_id, uploads.c.key).where(
                    uploads.c.sha256.in_(some), uploads.c.deleted_at.is_(None)
                )
            ).all()
        gone += sum(forget(hub, id_, now) for id_ in ids)
        gone += sum(drop(hub, UploadRow(*row), now, over=False) for row in rows)
    return gone


def start(hub: Hub, stop: Event) -> tuple[Thread, ...]:
    """Goes round in threads of its own until ``stop``; any number of processes may do so."""

    def webhook() -> None:
        while not stop.wait(WEBHOOKS_EVERY):
            try:
                webhooks.deliver(hub, time())
            except Exception:
                logger(__name__).exception("janitor_failed", part="webhooks")

    def rounds() -> None:
        due = time() + LIGHT_EVERY  # the first round is a deep one, when a start is over
        while not stop.wait(LIGHT_EVERY):
            now = time()
            deep = now >= due
            due = now + DEEP_EVERY if deep else due
            sweep(hub, now, deep, store=deep and _first(hub, now))

    threads = (
        Thread(target=webhook, name="webhooks", daemon=True),
        Thread(target=rounds, name="janitor", daemon=True),
    )
    for thread in threads:
        thread.start()
    return threads


def _first(hub: Hub, now: float) -> bool:
    """Whether nobody else has looked through the store within the hour: one look is enough, however many janitors there
    are."""
    try:
        with hub.database.begin() as conn:
            throttle(conn, "janitor", "store", 1, 0.9 * DEEP_EVERY, now)
    except PhotoplayError:
        return False
    return True


def _films(hub: Hub, now: float) -> int:
    """Films, failures and cancelled jobs whose time is over: by their own end, or by their plan where they have none."""
    kept = [
        and_(jobs.c.plan == name, jobs.c.expires_at.is_(None), jobs.c.finished_at <= now - plan.retention_days * DAY)
        for name, plan in hub.plans.items()
    ]
    with hub.database.read() as conn:
        over = conn.execute(
            select(jobs.c.id)
            .where(jobs.c.state.in_(OVER), jobs.c.deleted_at.is_(None), or_(jobs.c.expires_at <= now, *kept))
            .order_by(jobs.c.finished_at)
            .limit(BATCH)
        ).scalars()
        ids = list(over)
    return sum(forget(hub, id_, now) for id_ in ids)


def _uploads(hub: Hub, now: float) -> int:
    """Uploads whose time is over and that no job waits for or works on."""
    with hub.database.read() as conn:
        over = conn.execute(
            select(uploads.c.id, uploads.c.tenant_id, uploads.c.key)
            .where(uploads.c.deleted_at.is_(None), uploads.c.expires_at <= now)
            .order_by(uploads.c.expires_at)
            .limit(BATCH)
        ).all()
        if not over:
            return 0
        live = select(jobs.c.request).where(
            jobs.c.tenant_id.in_({row.tenant_id for row in over}), jobs.c.state.in_(LIVE)
        )
        used = {id_ for request in conn.execute(live).scalars() for id_ in JobRequest.model_validate(request).uploads()}
    return sum(drop(hub, UploadRow(*row), now) for row in over if row.id not in used)


def _events(hub: Hub, now: float) -> int:
    """Events of jobs that have been over for a while: whoever comes that late reads the job itself."""
    over = select(jobs.c.id).where(
        or_(and_(jobs.c.state.in_(OVER), jobs.c.finished_at < now - EVENTS_KEPT), jobs.c.deleted_at.is_not(None))
    )
    with hub.database.begin() as conn:
        return conn.execute(
            delete(job_events).where(job_events.c.job_id.in_(over), job_events.c.at < now - EVENTS_KEPT)
        ).rowcount


def _rows(hub: Hub, now: float) -> int:
    """Rows that have served their time."""
    old: tuple[tuple[Table, ColumnElement[bool]], ...] = (
        (idempotency, idempotency.c.created_at < now - IDEMPOTENCY_KEPT),
        (deliveries, and_(deliveries.c.next_at.is_(None), deliveries.c.created_at < now - DELIVERIES_KEPT)),
        (uploads, uploads.c.deleted_at < now - DAY),
        (challenges, challenges.c.created_at < now - DAY),
        (workers, and_(workers.c.state == "gone", workers.c.beat_at < now - DAY)),
    )
    with hub.database.begin() as conn:
        gone = accounts.sweep(conn, now)
        return gone + sum(conn.execute(delete(table).where(which)).rowcount for table, which in old)


def _renewed(hub: Hub, now: float) -> int:
    """The month's credits of tenants who have not had them, each in a transaction of its own."""
    month = datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
    had = exists().where(transfers.c.tenant_id == tenants.c.id, transfers.c.kind == "renew", transfers.c.note == month)
    metered = [name for name, plan in hub.plans.items() if plan.monthly_credits and not plan.unmetered]
    with hub.database.read() as conn:
        rows = conn.execute(
            select(tenants.c.id, tenants.c.plan)
            .where(tenants.c.closed_at.is_(None), tenants.c.plan.in_(metered), ~had)
            .order_by(tenants.c.id)
            .limit(BATCH)
        ).all()
    given = 0
    for row in rows:
        with hub.database.begin() as conn:
            given += credits.renew(conn, row.id, hub.plans[row.plan], now)
    return given


def _refunded(hub: Hub, now: float) -> int:
    """Credits that are held for a round which is over, or for a job that is not there; a deleted one is over."""
    deleted = (jobs.c.deleted_at.is_not(None), jobs.c.state.not_in(OVER))
    with hub.database.begin() as conn:
        conn.execute(update(jobs).where(*deleted).values(state="cancelled"))
    with hub.database.read() as conn:
        rows = _lost_holds(conn)
    given = 0
    for job_id, round_ in rows:
        with hub.database.begin() as conn:
            given += credits.refund(conn, job_id, round_, now)
    return given


def _lost_holds(conn: Connection) -> list[tuple[str, int]]:
    """Reservations that nobody will settle. A round that is over never comes back: what goes on is another round."""
    ended = transfers.alias("ended")
    holding = select(func.substr(balances.c.account, len(HELD) + 1)).where(
        balances.c.account.startswith(HELD, autoescape=True), balances.c.amount > 0
    )
    rows = conn.execute(
        select(transfers.c.job_id, transfers.c.round)
        .outerjoin(jobs, jobs.c.id == transfers.c.job_id)
        .where(
            transfers.c.kind == "reserve",
            transfers.c.tenant_id.in_(holding),
            ~exists().where(
                ended.c.job_id == transfers.c.job_id,
                ended.c.round == transfers.c.round,
                ended.c.kind.in_(("settle", "refund")),
            ),
            or_(jobs.c.id.is_(None), jobs.c.state.in_(OVER), jobs.c.round != transfers.c.round),
        )
        .limit(BATCH)
    ).all()
    return [(row.job_id, row.round) for row in rows]
