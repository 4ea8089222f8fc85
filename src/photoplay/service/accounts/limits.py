"""What is too much: jobs of one tenant, submits in an hour, jobs that wait, and tries of a password.

A refusal says when to come again. Limits are checked in the transaction that then does the thing, and hold when two ask
at once: the tenant (:func:`photoplay.service.ground.rows.hold_tenant`)
or the row of the counter makes one wait for the other.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta

from sqlalchemy import Connection, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from photoplay.service.ground.database import lock
from photoplay.service.ground.errors import TooManyError
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.rows import hold_tenant
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.states import LIVE, SILENT_S
from photoplay.service.ground.tables import jobs, throttles, transfers, workers

HOUR = timedelta(hours=1).total_seconds()
TYPICAL_S = 30.0
"""Seconds of making a film where none was made yet."""
RECENT = 20
"""Films whose times say what is typical."""
WAIT_S = (5.0, 300.0)
"""Least and most seconds that a refusal for want of room asks to wait."""
NEAR = 32
"""With fewer free places than this in the queue, submits are counted one after the other."""


def check_submit(conn: Connection, tenant_id: str, plan: Plan, settings: Settings, now: float) -> None:
    """Returns if the tenant may submit one more job; the tenant is held until the transaction ends.

    Errors: TooManyError ``queue_full`` (503), ``too_many_jobs``, ``rate_limited`` (429); NotFoundError.
    """
    hold_tenant(conn, tenant_id)
    _check_queue(conn, settings.queue_limit, now)
    _check_active(conn, tenant_id, plan, now)
    _check_rate(conn, tenant_id, plan, now)


def _check_queue(conn: Connection, limit: int, now: float) -> None:
    waiting = select(func.count()).select_from(jobs).where(jobs.c.state == "queued")
    count = conn.execute(waiting).scalar_one()
    if limit - NEAR < count < limit:
        lock(conn, "queue limit")
        count = conn.execute(waiting).scalar_one()
    if count >= limit:
        up = (
            select(func.count()).select_from(workers).where(workers.c.state == "up", workers.c.beat_at > now - SILENT_S)
        )
        free_in = _typical_s(conn) * (count - limit + 1) / max(1, conn.execute(up).scalar_one())
        raise TooManyError(
            "queue_full", "Too many films are waiting.", "Try again in a while; nothing was charged.", _clamped(free_in)
        )


def _check_active(conn: Connection, tenant_id: str, plan: Plan, now: float) -> None:
    active = select(func.count(), func.min(jobs.c.started_at)).where(
        jobs.c.tenant_id == tenant_id, jobs.c.state.in_(LIVE), jobs.c.deleted_at.is_(None)
    )
    count, since = conn.execute(active).one()
    if count >= plan.concurrency:
        free_in = _typical_s(conn) - (0.0 if since is None else now - since)
        raise TooManyError(
            "too_many_jobs",
            f"The plan {plan.title} works on {plan.concurrency} films at a time.",
            "Wait until one of yours is finished, or cancel one.",
            _clamped(free_in),
        )


def _check_rate(conn: Connection, tenant_id: str, plan: Plan, now: float) -> None:
    """Counts reservations: there is one for every submit, also of a film that goes on or was deleted since.

    The one that has to leave the hour before another one fits in is the ``per_hour``-th from the end.
    """
    since = conn.execute(
        select(transfers.c.at)
        .where(transfers.c.tenant_id == tenant_id, transfers.c.at > now - HOUR, transfers.c.kind == "reserve")
        .order_by(transfers.c.at.desc())
        .offset(plan.per_hour - 1)
        .limit(1)
    ).scalar_one_or_none()
    if since is not None:
        raise TooManyError(
            "rate_limited",
            f"The plan {plan.title} takes {plan.per_hour} films an hour.",
            "Wait until the hour is over.",
            since + HOUR - now,
        )


def _typical_s(conn: Connection) -> float:
    """Mean seconds of making the last films."""
    last = (
        select((jobs.c.finished_at - jobs.c.started_at).label("took"))
        .where(jobs.c.state == "completed", jobs.c.finished_at.is_not(None), jobs.c.started_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(RECENT)
        .subquery()
    )
    return conn.execute(select(func.avg(last.c.took))).scalar_one() or TYPICAL_S


def _clamped(seconds: float) -> float:
    return min(max(seconds, WAIT_S[0]), WAIT_S[1])


def throttle(conn: Connection, what: str, who: str, limit: int, window_s: float, now: float) -> None:
    """Counts one more try of ``what`` by ``who``; at most ``limit`` in ``window_s`` seconds from the first of them.

    Tries beyond the limit do not prolong it. ``who`` is kept only as a hash. For tries that raise afterwards, commit this
    in a transaction of its own, or the count is undone with them.

    Errors: TooManyError ``too_many_tries`` (429).
    """
    subject = _subject(what, who)
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    over = throttles.c.since <= now - window_s
    row = dialect.insert(throttles).values(subject=subject, since=now, count=1)
    counted = row.on_conflict_do_update(
        index_elements=[throttles.c.subject],
        set_={
            "since": case((over, now), else_=throttles.c.since),
            "count": case((over, 1), else_=throttles.c.count + 1),
        },
    ).returning(throttles.c.since, throttles.c.count)
    since, count = conn.execute(counted).one()
    if count > limit:
        raise TooManyError(
            "too_many_tries", "That was tried too often.", "Wait before you try it again.", since + window_s - now
        )


def forget(conn: Connection, what: str, who: str) -> None:
    """Starts the count of ``what`` by ``who`` anew."""
    conn.execute(delete(throttles).where(throttles.c.subject == _subject(what, who)))


def forgive(conn: Connection, what: str, who: str) -> None:
    """Takes one counted try back: it was a good one."""
    mine = (throttles.c.subject == _subject(what, who), throttles.c.count > 0)
    conn.execute(update(throttles).where(*mine).values(count=throttles.c.count - 1))


def network(address: str | None) -> str:
    """Whom to count an internet address as: itself, or the /64 network that one IPv6 subscriber has."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _subject(what: str, who: str) -> str:
    return hashlib.sha256(f"{what}\0{who}".encode("utf-8", "surrogatepass")).hexdigest()
