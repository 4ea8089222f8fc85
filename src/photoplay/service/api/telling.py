"""What is told of a job: as the video that openai's clients know, and in full."""

from __future__ import annotations

from typing import Literal

from photoplay.service.api.shapes import Brief, Failure, Film, JobAnswer, Video, VideoError
from photoplay.service.jobs.lifecycle import Job


def video_of(job: Job) -> Video:
    """A job as openai's clients know it."""
    status: Literal["queued", "in_progress", "completed", "failed"] = "failed"
    if job.state == "queued":
        status = "queued"
    elif job.state == "running":
        status = "in_progress"
    elif job.state == "completed":
        status = "completed"
    film = job.film or {}
    seconds = film.get("seconds") or job.request.seconds or 3.0
    return Video(
        id=job.id,
        created_at=int(job.created_at),
        completed_at=int(job.finished_at) if job.finished_at and status == "completed" else None,
        expires_at=int(job.expires_at) if job.expires_at else None,
        status=status,
        progress=100 if status == "completed" else min(99, max(0, job.percent)),
        model=job.request.backend,
        prompt=job.request.prompt or None,
        seconds=f"{seconds:g}",
        size=_size(job),
        error=_error(job),
        remixed_from_video_id=job.remixed_from,
        template=job.request.template,
        review=(film.get("report") or {}).get("sentence"),
        notices=film.get("notices"),
        job=Brief(state=job.state, stage=job.stage, attempt=job.attempt, round=job.round, cost=job.cost),
    )


def _size(job: Job) -> str:
    """The film's own; its class until it is made, as its shape is that of a photo which nobody has measured for it yet."""
    if job.film and job.film.get("width"):
        return f"{job.film['width']}x{job.film['height']}"
    return job.request.size


def _error(job: Job) -> VideoError | None:
    if job.state == "cancelled":
        return VideoError(code="cancelled", message="The film was cancelled.")
    if job.state != "failed":
        return None
    said = job.error or {}
    message = f"{said.get('message', 'The film could not be made.')} {said.get('hint', '')}".strip()
    return VideoError(code=said.get("code", "internal"), message=message)


def job_of(job: Job, left_s: float | None, wait_s: float | None, now: float) -> JobAnswer:
    """A job in full. ``wait_s``: how much longer it waits, if it does."""
    if job.started_at is not None:
        wait_s = job.started_at - job.queued_at
    film = job.film if job.state == "completed" else None
    return JobAnswer(
        id=job.id,
        state=job.state,
        stage=job.stage,
        percent=job.percent,
        attempt=job.attempt,
        round=job.round,
        cost=job.cost,
        charged=job.charged,
        wait_s=None if wait_s is None else round(wait_s, 3),
        made_s=None if job.started_at is None else round((job.finished_at or now) - job.started_at, 3),
        left_s=left_s,
        error=Failure(**{name: job.error.get(name, "") for name in ("code", "message", "hint")}) if job.error else None,
        request=job.request,
        film=Film.model_validate({name: film.get(name) for name in Film.model_fields}) if film else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        remixed_from=job.remixed_from,
    )
