"""Who is alive: workers write when they last were, and whoever is silent for too long loses its jobs to the others."""

from __future__ import annotations

from photoplay.service.engine import Hub


def bury(hub: Hub, worker_id: str, now: float) -> None:
    """Says that a worker is gone, so that its job is taken over at once: for who saw its process end."""
    raise NotImplementedError
