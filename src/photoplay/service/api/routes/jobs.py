"""``/v1/jobs``: the work behind a film, told as it goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from photoplay.errors import PhotoplayError
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems
from photoplay.service.api.routes.files import send
from photoplay.service.api.security import HubOf, Reader, Writer, whoever
from photoplay.service.api.shapes import JobAnswer, VideoId
from photoplay.service.api.telling import job_of
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError, TooManyError
from photoplay.service.ground.states import OVER
from photoplay.service.jobs import estimate, events, maker
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.lifecycle import Job

router = APIRouter(tags=["jobs"])

HEARTBEAT_S = 15.0
POLL_S = 0.3
MOST_WATCHERS = 20
"""Streams of one tenant that are open at once."""
LONGEST_S = 3600.0
"""Seconds after which a stream ends; a browser opens it again where it was."""
_ABOUT = problems.documented(401, 403, 404)
_CHANGES = problems.documented(401, 402, 403, 404, 409, 422, 429)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `state`, `stage`, `preview`, and `end` as the last one.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: stage\nid: 7\ndata: {"stage": "generate", "done": 3, "total": 12, "percent": 31}\n\n',
            }
        },
    }
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A picture.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "A part of it.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "What `If-None-Match` names is still right."},
}


def _told(conn: Connection, job: Job) -> JobAnswer:
    now = time.time()
    waits = estimate.wait_s(conn, job, now) if job.state == "queued" else None
    return job_of(job, estimate.left_s(conn, job, now), waits, now)


def _changed(hub: Hub, job: Job) -> JobAnswer:
    with hub.database.read() as conn:
        return _told(conn, job)


@router.get("/v1/jobs/{job_id}", summary="A job in full", response_model=JobAnswer, responses=_ABOUT)
def retrieve_job(hub: HubOf, who: Reader, job_id: VideoId) -> JobAnswer:
    """Everything about the work behind a film: what was asked for, how far it is, what it cost, what came of it."""
    with hub.database.read() as conn:
        return _told(conn, jobs.get(conn, who.tenant_id, job_id))


@router.post("/v1/jobs/{job_id}/cancel", summary="Stop it", response_model=JobAnswer, responses=_CHANGES)
def cancel_job(hub: HubOf, who: Writer, job_id: VideoId) -> JobAnswer:
    """Ends a job: one that waits at once, one that runs within a second. Its credits come back."""
    return _changed(hub, jobs.cancel(hub, who, job_id, time.time()))


@router.post("/v1/jobs/{job_id}/resume", summary="Go on with it", response_model=JobAnswer, responses=_CHANGES)
def resume_job(hub: HubOf, who: Writer, job_id: VideoId) -> JobAnswer:
    """Goes on with a cancelled job where it was."""
    return _changed(hub, jobs.resume(hub, who, job_id, time.time()))


@router.post("/v1/jobs/{job_id}/retry", summary="Try it again", response_model=JobAnswer, responses=_CHANGES)
def retry_job(hub: HubOf, who: Writer, job_id: VideoId) -> JobAnswer:
    """Tries a failed job once more."""
    return _changed(hub, jobs.retry(hub, who, job_id, time.time()))


@router.get(
    "/v1/jobs/{job_id}/preview",
    summary="A frame of it so far",
    response_class=Response,
    responses={**_PICTURE, **_ABOUT, **problems.documented(416)},
)
def job_preview(hub: HubOf, who: Reader, job_id: VideoId, request: Request) -> Response:
    """The newest frame, sealed as films are. There is one once an event `preview` was told."""
    with hub.database.read() as conn:
        job = jobs.get(conn, who.tenant_id, job_id)
    if job.state not in ("running", "completed"):
        raise NotFoundError("not_ready", "There is no frame of this film.", "Wait for the event preview.")
    return send(hub, maker.preview_key(job), "image/png", request, f"{job.id}.png", once=False)


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Watch it",
    response_class=Response,
    responses={**_STREAM, **problems.documented(401, 403, 404, 429)},
)
def job_events(
    hub: HubOf,
    who: Reader,
    job_id: VideoId,
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**62, description="Only what comes after this event.")] = 0,
    last_event_id: Annotated[str | None, Header(description="As a browser sends it when it connects again.")] = None,
) -> Response:
    """A stream of events until the job ends. `Last-Event-ID` goes on where a stream broke; a comment every 15 seconds says
    that there is nothing new."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) <= 18:
        after = max(after, int(last_event_id))
    with hub.database.read() as conn:
        jobs.get(conn, who.tenant_id, job_id)
    watchers: Watchers = request.app.state.watchers
    stream = Stream(hub, who, job_id, after, request, watchers.longest)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Watched(watchers, who.tenant_id, stream.lines(), headers)


class Watchers:
    """How many streams each tenant has open in this process. Lives on the event loop alone."""

    def __init__(self, most: int = MOST_WATCHERS, longest: float = LONGEST_S) -> None:
        self.most, self.longest = most, longest
        self.open: dict[str, int] = {}

    @contextmanager
    def counted(self, tenant_id: str) -> Iterator[None]:
        """Counts a stream of this tenant while it is open. Raises TooManyError ``streams_too_many``."""
        if self.open.get(tenant_id, 0) >= self.most:
            raise TooManyError("streams_too_many", "Too many streams are open.", "Close one that is not needed.", 5)
        self.open[tenant_id] = self.open.get(tenant_id, 0) + 1
        try:
            yield
        finally:
            self.open[tenant_id] -= 1
            if not self.open[tenant_id]:
                del self.open[tenant_id]


class Watched(StreamingResponse):
    """A stream of events, if its tenant has not too many open already."""

    def __init__(self, watchers: Watchers, tenant_id: str, lines: AsyncIterator[str], headers: dict[str, str]) -> None:
        super().__init__(lines, 200, headers, "text/event-stream")
        self.watchers, self.tenant_id = watchers, tenant_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Asks and counts in one step, on the event loop: streams that come at once cannot pass each other."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self.watchers.counted(self.tenant_id))
            except TooManyError as error:
                await problems.answer(error)(scope, receive, send)
                return
            await super().__call__(scope, receive, send)


@dataclass
class Stream:
    """One client that watches one job. It holds no thread while it waits."""

    hub: Hub
    who: Principal
    job_id: str
    seq: int
    request: Request
    longest: float = LONGEST_S
    clock: Callable[[], float] = time.monotonic

    async def lines(self) -> AsyncIterator[str]:
        """Events as they come, comments in between; ends with the job, the key, or the client."""
        began = spoke = asked = self.clock()
        yield "retry: 2000\n\n"
        while self.clock() - began < self.longest and not await self.request.is_disconnected():
            if self.clock() - asked >= HEARTBEAT_S:
                if not await run_in_threadpool(self._still_allowed):
                    return
                asked = self.clock()
            found, state = await run_in_threadpool(self._look)
            for event in found:
                self.seq, spoke = event.seq, self.clock()
                yield _written(event.kind, event.data, event.seq)
            if state is None or (not found and state in OVER):
                if not (found and found[-1].kind == "end"):
                    yield _written("end", {"state": state or "deleted"}, self.seq)
                return
            if found:
                if found[-1].kind == "end" and state in OVER:
                    return
                continue
            if self.clock() - spoke >= HEARTBEAT_S:
                spoke = self.clock()
                yield ": still here\n\n"
            await asyncio.sleep(min(POLL_S, self.longest))

    def _look(self) -> tuple[list[events.Event], str | None]:
        """New events, and the job's state as it was before they were read; None: it is gone."""
        try:
            with self.hub.database.read() as conn:
                state = jobs.get(conn, self.who.tenant_id, self.job_id).state
        except NotFoundError:
            return [], None
        return events.follow(self.hub, self.job_id, self.seq), state

    def _still_allowed(self) -> bool:
        """Whether the key or session that opened the stream still holds."""
        try:
            return whoever(self.request, self.hub) is not None
        except PhotoplayError:
            return False


def _written(kind: str, data: dict[str, Any], seq: int) -> str:
    return f"event: {kind}\nid: {seq}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
