"""``/v1/videos``: films in the shape that openai's clients speak."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from photoplay.service.accounts import credits
from photoplay.service.api import problems
from photoplay.service.api.asking import Asked, asked, media, taken_in
from photoplay.service.api.routes.files import FILE, RangeHeader, file_of
from photoplay.service.api.security import HubOf, Reader, Writer, sign_link
from photoplay.service.api.shapes import (
    Estimated,
    Link,
    LinkAsk,
    RemixAsk,
    Variant,
    Video,
    VideoAsk,
    VideoDeleted,
    VideoId,
    Videos,
)
from photoplay.service.api.telling import video_of
from photoplay.service.engine import Hub
from photoplay.service.jobs import estimate
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.filming import check_possible

router = APIRouter(tags=["videos"])
POLL_MS = 500
"""How soon openai's clients shall ask again."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]{1,255}$",
        description="The same key with the same request within 24 hours is the same video; with another one an error.",
    ),
]
_MAKES = problems.documented(401, 402, 403, 404, 409, 422, 429)


@router.post(
    "/v1/videos",
    summary="Ask for a film",
    response_model=Video,
    responses={**problems.documented(401, 402, 403, 404, 409, 415, 422, 429)},
    openapi_extra=media(VideoAsk),
)
def create_video(
    hub: HubOf, who: Writer, wanted: Annotated[Asked, Depends(asked)], idempotency_key: IdempotencyKey = None
) -> Video:
    """Takes a film into the queue and reserves its credits: all of it or nothing.

    Photos come as files (`input_reference`, repeated for two people), as data URLs, or as ids of uploads. In a form, lists
    are repeated fields or fields named with `[]`. Whoever changes a film that is there names it as `remixed_from`.
    """
    now, ask = time.time(), wanted.ask
    if ask.remixed_from is not None:
        with hub.database.read() as conn:
            jobs.get(conn, who.tenant_id, ask.remixed_from)
    with taken_in(hub, who, wanted, now) as request:
        check_possible(request, hub.backends(who.plan))
        job = jobs.submit(
            hub,
            who,
            request,
            idempotency_key=idempotency_key,
            webhook=ask.webhook,
            remixed_from=ask.remixed_from,
            now=now,
        )
    return video_of(job)


@router.get("/v1/videos", summary="List films", response_model=Videos, responses=problems.documented(401, 403, 404))
def list_videos(
    hub: HubOf,
    who: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[VideoId | None, Query(description="The last one of the page before.")] = None,
    order: Literal["asc", "desc"] = "desc",
) -> Videos:
    """Your films by the time they were asked for."""
    with hub.database.read() as conn:
        data = [video_of(job) for job in jobs.list_jobs(conn, who.tenant_id, limit, after, order)]
        more = len(data) == limit and jobs.list_jobs(conn, who.tenant_id, 1, data[-1].id, order)
    return Videos(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=bool(more),
    )


@router.post(
    "/v1/videos/estimate",
    summary="What would it cost?",
    response_model=Estimated,
    responses=problems.documented(401, 403, 415, 422),
)
def estimate_video(hub: HubOf, who: Reader, ask: VideoAsk) -> Estimated:
    """Credits of a film, and how long it would wait and take. Nothing is reserved."""
    request = Asked(ask, ()).request(hub.settings.backends, hub.backends(who.plan), ())
    plan, now = hub.plans[who.plan], time.time()
    with hub.database.read() as conn:
        found = estimate.estimate(conn, plan, request, now, who.tenant_id)
        left = None if plan.unmetered else credits.balance(conn, who.tenant_id).available - found.cost
    return Estimated(cost=found.cost, wait_s=found.wait_s, make_s=found.make_s, credits_left=left)


@router.get(
    "/v1/videos/{video_id}", summary="A film", response_model=Video, responses=problems.documented(401, 403, 404)
)
def retrieve_video(hub: HubOf, who: Reader, video_id: VideoId, response: Response) -> Video:
    """How a film is going, or what became of it."""
    with hub.database.read() as conn:
        video = video_of(jobs.get(conn, who.tenant_id, video_id))
    if video.status in ("queued", "in_progress"):
        response.headers["openai-poll-after-ms"] = str(POLL_MS)
    return video


@router.delete(
    "/v1/videos/{video_id}",
    summary="Delete a film for good",
    response_model=VideoDeleted,
    responses=problems.documented(401, 403, 404, 409),
)
def delete_video(hub: HubOf, who: Writer, video_id: VideoId) -> VideoDeleted:
    """Stops it if it is still being made, and removes its files and everything personal of it. Nothing brings it back."""
    jobs.delete(hub, who, video_id, time.time())
    return VideoDeleted(id=video_id)


@router.get(
    "/v1/videos/{video_id}/content",
    summary="Fetch a film",
    response_class=Response,
    responses={**FILE, **problems.documented(401, 403, 404, 416)},
)
def video_content(
    hub: HubOf,
    who: Reader,
    video_id: VideoId,
    request: Request,
    variant: Variant = "video",
    download: bool = False,
    range: RangeHeader = None,  # noqa: ARG001
) -> Response:
    """The sealed film, a still of it (`thumbnail`), or a sheet of stills (`spritesheet`)."""
    with hub.database.read() as conn:
        job = jobs.get(conn, who.tenant_id, video_id)
    return file_of(hub, job, variant, request, download=download)


@router.post(
    "/v1/videos/{video_id}/remix", summary="Make it anew with other words", response_model=Video, responses=_MAKES
)
def remix_video(
    hub: HubOf, who: Writer, video_id: VideoId, ask: RemixAsk, idempotency_key: IdempotencyKey = None
) -> Video:
    """A new film of the same photos, with another prompt, template or seed."""
    job = jobs.remix(
        hub,
        who,
        video_id,
        jobs.Changes(ask.prompt, ask.template, ask.seed),
        idempotency_key=idempotency_key,
        webhook=ask.webhook,
        now=time.time(),
    )
    return video_of(job)


@router.post(
    "/v1/videos/{video_id}/link",
    summary="A link that opens it",
    response_model=Link,
    responses=problems.documented(401, 403, 404, 415),
)
def link_video(hub: HubOf, who: Writer, video_id: VideoId, request: Request, ask: LinkAsk) -> Link:
    """A link that opens one file of a finished film to whoever has it, for a time. Deleting the film ends it."""
    with hub.database.read() as conn:
        job = jobs.get(conn, who.tenant_id, video_id)
    file_of(hub, job, ask.variant, request)
    expires = int(time.time()) + ask.seconds
    return Link(
        url=f"{base(hub, request)}/v1/files/{sign_link(hub, job.tenant_id, job.id, ask.variant, expires)}",
        expires_at=expires,
    )


def base(hub: Hub, request: Request) -> str:
    """Where people reach this service."""
    return (hub.settings.public_url or str(request.base_url)).rstrip("/")
