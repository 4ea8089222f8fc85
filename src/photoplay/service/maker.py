"""Who makes a film of a job: the line, or in tests something that takes no time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from photoplay.service.engine import Hub
from photoplay.service.jobs import Job
from photoplay.types import Progress


@dataclass(frozen=True)
class Film:
    """A finished, sealed film in a work folder, and its pictures. ``recipe``, ``report`` and ``notices`` are plain data."""

    path: Path
    thumbnail: Path | None
    spritesheet: Path | None
    recipe: dict[str, Any]
    report: dict[str, Any]
    notices: tuple[dict[str, Any], ...]
    width: int
    height: int
    seconds: float


class Maker(Protocol):
    """Makes the film of a job."""

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        """The film in ``folder``, where unfinished work of the same job may lie. ``preview`` is given sealed small PNGs.

        Raises:
            PhotoplayError: as :func:`photoplay.pipeline.line.produce`; whatever ``progress`` raises.
        """
        ...


def film_key(job: Job, name: str) -> str:
    """Where a file of this attempt at a job's film is stored."""
    return f"films/{job.tenant_id}/{job.id}/{job.round}/{job.attempt}/{name}"


def preview_key(job: Job) -> str:
    """Where the newest preview frame of a running job is stored."""
    return f"films/{job.tenant_id}/{job.id}/{job.round}/preview.png"


class LineMaker:
    """Makes films by :func:`photoplay.pipeline.line.produce`."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
