"""What is told about a job as it goes on: an append-only table that the API streams from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, insert, select

from photoplay.service.engine import Hub
from photoplay.service.ground.tables import job_events

Kind: TypeAlias = Literal["state", "stage", "preview", "end"]


@dataclass(frozen=True)
class Event:
    """``seq`` grows with time; ``data`` is what the API sends."""

    seq: int
    job_id: str
    attempt: int
    kind: Kind
    data: dict[str, Any]
    at: float


def tell(conn: Connection, job_id: str, attempt: int, kind: Kind, data: dict[str, Any], now: float) -> None:
    """Adds an event."""
    conn.execute(insert(job_events).values(job_id=job_id, attempt=attempt, kind=kind, data=data, at=now))


def follow(hub: Hub, job_id: str, after_seq: int = 0, limit: int = 200) -> list[Event]:
    """The events of a job after one of them, the oldest first."""
    wanted = (
        select(job_events)
        .where(job_events.c.job_id == job_id, job_events.c.seq > after_seq)
        .order_by(job_events.c.seq)
        .limit(limit)
    )
    with hub.database.read() as conn:
        return [Event(**row._mapping) for row in conn.execute(wanted)]
