"""Webhooks: an address that a job names hears when the job is over, signed, at least once.

A delivery is a row that the transaction writes which ends the job, so that no end goes untold and none is told that did
not happen. Whoever takes it up first sets it aside for a while (``LEASE``): two that look at once do not both send it, and
what a killed process had in hand is sent again. A receiver therefore may hear the same twice; the event's ``id`` is the
same then.

The signature is HMAC-SHA256 over ``{t}.{body}`` with the tenant's secret, in the header ``photoplay-signature: t=…,v1=…``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b32encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpcore
from sqlalchemy import Connection, func, select, update

from photoplay.errors import RequestError
from photoplay.service.engine import Hub
from photoplay.service.ground.rows import insert_once
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import deliveries, jobs
from photoplay.service.jobs.addresses import Guarded, Target, check_url
from photoplay.version import __version__

HEADER = "photoplay-signature"
TIMEOUT = 10.0
"""Seconds for a whole delivery: name, connection, request and the head of the answer."""
FIRST, LONGEST = 5.0, 3600.0
"""Seconds before the second try, doubled with each further one up to the longest."""
GIVEN_UP = 86_400.0
"""Seconds after which nobody tries any more."""
LEASE = 60.0
"""Seconds that a delivery belongs to whoever took it up."""
AT_ONCE = 4
"""Deliveries at a time, and of one tenant in one go: a slow receiver holds up its own."""
IN_ONE_GO = 40
TOLERANCE = 300.0
"""Seconds that a signature may be old."""
GONE = 410
"""What a receiver answers that wants to hear nothing more of this."""


@dataclass(frozen=True)
class Told:
    """What one go came to."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0


@dataclass(frozen=True)
class Due:
    """A delivery whose time has come, as it was when it was looked at."""

    id: str
    tenant_id: str
    url: str
    body: str
    attempts: int
    created_at: float


def secret(settings: Settings, tenant_id: str) -> str:
    """The tenant's secret, which its receivers check signatures with. It follows from the service's own."""
    return "whsec_" + urlsafe_b64encode(settings.key(f"webhooks:{tenant_id}")).decode().rstrip("=")


def sign(secret: str, body: str, now: float) -> str:
    """The value of the signature's header."""
    at = int(now)
    return f"t={at},v1={_mac(secret, at, body)}"


def verify_signature(secret: str, header: str, body: str | bytes, now: float, tolerance: float = TOLERANCE) -> bool:
    """Whether a body came from the service, and not long ago: for those who receive webhooks.

    Args:
        secret: the tenant's, as the account shows it.
        header: the value of ``photoplay-signature``.
        body: the request's body as it came, before it is parsed.
        now: seconds since 1970.
        tolerance: seconds that a signature may be old, or ahead of this clock.
    """
    try:
        text = body.decode() if isinstance(body, bytes) else body
        parts = [part.split("=", 1) for part in header.split(",")]
        at = int(next(value for name, value in parts if name.strip() == "t"))
        given = [value.strip() for name, value in parts if name.strip() == "v1"]
    except (ValueError, StopIteration, UnicodeDecodeError):
        return False
    right = _mac(secret, at, text).encode()
    fits = [hmac.compare_digest(right, one.encode(errors="replace")) for one in given]
    return any(fits) and abs(now - at) <= tolerance


def announce(conn: Connection, job_id: str, now: float) -> str | None:
    """Puts down that a job is over, where it named an address: within the transaction that ends it. Twice is once.

    Returns the delivery's id; None where nobody wants to hear.
    """
    found = conn.execute(select(jobs).where(jobs.c.id == job_id)).first()
    job = {} if found is None else dict(found._mapping)
    if not job.get("webhook") or job["deleted_at"] is not None:
        return None
    end = f"{job['id']}.{job['round']}.{job['state']}"
    id_ = "delivery_" + b32encode(hashlib.sha256(end.encode()).digest()).decode().lower()[:26]
    row = {"id": id_, "job_id": job_id, "url": job["webhook"], "body": _body(id_, job, now)}
    insert_once(conn, deliveries, row | {"attempts": 0, "created_at": now, "next_at": now})
    return id_


def deliver(hub: Hub, now: float) -> Told:
    """Sends what is due. Safe when several do it at once."""
    with hub.database.read() as conn:
        due = _due(conn, now)
    if not due:
        return Told()
    with ThreadPoolExecutor(AT_ONCE, "webhooks") as pool:
        ends = Counter(pool.map(lambda one: _attempt(hub, one, now), due))
    return Told(ends["delivered"], ends["failed"], ends["given_up"])


def wait_after(attempts: int) -> float:
    """Seconds before the next try after so many."""
    return float(min(LONGEST, FIRST * 2.0 ** min(attempts - 1, 20)))


def _mac(secret: str, at: int, body: str) -> str:
    return hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()


def _body(id_: str, job: Mapping[str, Any], now: float) -> str:
    """The event, in the openai client's form; of the job it tells what its owner may see, and nothing to get in with."""
    done = job["state"] == "completed"
    error = job["error"] if isinstance(job["error"], Mapping) else None
    if job["state"] == "cancelled":
        error = {"code": "cancelled", "message": "The film was cancelled."}
    data = {
        "id": job["id"],
        "object": "video",
        "state": job["state"],
        "status": "completed" if done else "failed",
        "round": job["round"],
        "created_at": int(job["created_at"]),
        "finished_at": None if job["finished_at"] is None else int(job["finished_at"]),
        "error": None if error is None or done else {name: error.get(name, "") for name in ("code", "message", "hint")},
    }
    kind = "video.completed" if done else "video.failed"
    event = {"id": id_, "object": "event", "type": kind, "created_at": int(now), "data": data}
    return json.dumps(event, separators=(",", ":"), ensure_ascii=True)


def _due(conn: Connection, now: float) -> list[Due]:
    """Deliveries whose time has come, the oldest first, and few of any one tenant."""
    turn = func.row_number().over(partition_by=jobs.c.tenant_id, order_by=deliveries.c.next_at).label("turn")
    columns = (deliveries.c[name] for name in ("id", "url", "body", "attempts", "created_at", "next_at"))
    due = (
        select(*columns, jobs.c.tenant_id, turn)
        .join(jobs, jobs.c.id == deliveries.c.job_id)
        .where(deliveries.c.next_at <= now, deliveries.c.delivered_at.is_(None))
        .subquery()
    )
    rows = conn.execute(select(due).where(due.c.turn <= AT_ONCE).order_by(due.c.next_at).limit(IN_ONE_GO))
    return [Due(row.id, row.tenant_id, row.url, row.body, row.attempts, row.created_at) for row in rows]


def _attempt(hub: Hub, due: Due, now: float) -> str:
    """One try: delivered, failed (and due again), given_up, or taken by somebody else."""
    mine = (deliveries.c.id == due.id, deliveries.c.attempts == due.attempts, deliveries.c.delivered_at.is_(None))
    with hub.database.begin() as conn:
        taken = conn.execute(update(deliveries).where(*mine).values(attempts=due.attempts + 1, next_at=now + LEASE))
    if taken.rowcount != 1:
        return "taken"
    start = time.monotonic()
    status = post(hub.settings, due.tenant_id, due.url, due.body, now)
    now += time.monotonic() - start
    attempts = due.attempts + 1
    values: dict[str, Any] = {"status": status}
    again = now + wait_after(attempts)
    if 200 <= status < 300:
        end, values = "delivered", values | {"delivered_at": now, "next_at": None}
    elif status == GONE or again - due.created_at > GIVEN_UP:
        end, values = "given_up", values | {"next_at": None}
    else:
        end, values = "failed", values | {"next_at": again}
    if end != "delivered":
        hub.metrics.webhook_failures.inc()
    with hub.database.begin() as conn:
        conn.execute(
            update(deliveries).where(deliveries.c.id == due.id, deliveries.c.attempts == attempts).values(**values)
        )
    return end


def post(settings: Settings, tenant_id: str, url: str, body: str, now: float) -> int:
    """Sends one body, signed. Follows no redirect, uses no proxy, reads no more than the head of the answer.

    Returns the answer's status; 0 where there was none, or where the address may not be called.
    """
    try:
        target = check_url(url, settings.webhook_hosts)
        return _sent(target, url, body, sign(secret(settings, tenant_id), body, now))
    except (
        RequestError,
        httpcore.NetworkError,
        httpcore.TimeoutException,
        httpcore.ProtocolError,
        OSError,
        ValueError,
    ):
        return 0


def _sent(target: Target, url: str, body: str, signature: str) -> int:
    deadline = time.monotonic() + TIMEOUT
    headers: dict[bytes | str, bytes | str] = {
        "content-type": "application/json",
        "user-agent": f"photoplay/{__version__}",
        HEADER: signature,
        "connection": "close",
    }
    timeout = {"connect": TIMEOUT, "read": TIMEOUT, "write": TIMEOUT, "pool": TIMEOUT}
    with (
        httpcore.ConnectionPool(network_backend=Guarded(target, deadline)) as pool,
        pool.stream("POST", url, headers=headers, content=body.encode(), extensions={"timeout": timeout}) as answer,
    ):
        return answer.status
