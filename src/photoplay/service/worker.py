"""A worker: a process that makes films of the queues it serves, one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from photoplay.service.maker import Maker
from photoplay.service.settings import Settings


def run(settings: Settings, queues: Sequence[str], maker: Maker | None = None, *, worker_id: str | None = None) -> int:
    """Serves ``queues`` until it is told to stop; the exit status of the process.

    ``worker_id`` is for who starts it and wants to know when it is gone (:func:`photoplay.service.heartbeat.bury`).
    """
    raise NotImplementedError
