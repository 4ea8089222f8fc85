"""Files of a video: whole or in part, to its owner or to whoever has a signed link."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from photoplay.service.api import problems
from photoplay.service.api.security import HubOf, dead_link, link_holds, read_link
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import jobs as job_rows
from photoplay.service.ground.tables import tenants
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.lifecycle import Job

router = APIRouter(tags=["videos"])

KEYS = {"video": "key", "thumbnail": "thumbnail", "spritesheet": "spritesheet"}
TYPES = {"video": "video/mp4", "thumbnail": "image/png", "spritesheet": "image/png"}
ENDINGS = {"video": "mp4", "thumbnail": "png", "spritesheet": "png"}
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": dict.fromkeys(("video/mp4", "image/png"), _BINARY)},
    206: {"description": "The part that `Range` asked for.", "content": {"video/mp4": _BINARY, "image/png": _BINARY}},
    304: {"description": "What `If-None-Match` names is still right."},
}
"""What a route that answers a file says in the OpenAPI."""

RangeHeader = Annotated[str | None, Header(description="One range of bytes, such as `bytes=0-1023`.")]


def part(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that a Range header asks for; None: the whole file, also where the header is
    none that is known (RFC 9110 14.2).

    Raises:
        ValueError: it lies outside of the file.
    """
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:  # the last so many bytes
        start, end = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise ValueError("outside of the file")
    return start, end


def send(
    hub: Hub, key: str, media_type: str, request: Request, name: str, *, download: bool = False, once: bool = True
) -> Response:
    """An object of the store as an answer, whole or in part. ``once``: nothing is ever written over it.

    Raises:
        NotFoundError: it is not there (any more).
    """
    size = hub.store.size(key)
    if size is None:
        raise NotFoundError()
    headers = {
        "etag": etag(key, size),
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f'{"attachment" if download else "inline"}; filename="{name}"',
    }
    if not once:
        headers |= {"etag": f'"{time.time_ns():x}"', "cache-control": "no-store"}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
        wanted = None
    try:
        piece = part(wanted, size)
    except ValueError:
        return problems.problem(
            416,
            "range_outside",
            "This part lies outside of the file.",
            f"The file has {size} bytes.",
            {"content-range": f"bytes */{size}"},
        )
    start, end = piece or (0, size)
    headers["content-length"] = str(end - start)
    if piece:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(hub.store.stream(key, start, end), 206 if piece else 200, headers, media_type)


def etag(key: str, size: int) -> str:
    """Names an object: keys are written once, so that a key and its size say which one it is."""
    return f'"{hashlib.sha256(f"{key}/{size}".encode()).hexdigest()[:32]}"'


def file_of(hub: Hub, job: Job, variant: str, request: Request, *, download: bool = False) -> Response:
    """A file of a finished job.

    Raises:
        NotFoundError: ``not_ready``: there is no film, or it lacks this.
    """
    key = (job.film or {}).get(KEYS[variant]) if job.state == "completed" else None
    if not key:
        raise NotFoundError("not_ready", "There is no such file of this film.", "Wait until the film is completed.")
    return send(hub, key, TYPES[variant], request, f"{job.id}.{ENDINGS[variant]}", download=download)


@router.get(
    "/v1/files/{token}",
    summary="Open a signed link",
    response_class=Response,
    responses={**FILE, **problems.documented(404, 416)},
)
def open_link(
    hub: HubOf,
    request: Request,
    token: Annotated[
        str, Path(pattern=r"^[A-Za-z0-9_.=-]{1,200}$", description="As `POST /v1/videos/{id}/link` gave it.")
    ],
    range: RangeHeader = None,  # noqa: ARG001 (it is read from the request; here it is said)
) -> Response:
    """Answers the file to whoever has the link, until its time is over or the video is deleted."""
    video_id, variant, _ = read_link(token)
    with hub.database.read() as conn:
        owner = select(job_rows.c.tenant_id).join(tenants, tenants.c.id == job_rows.c.tenant_id)
        tenant_id = conn.execute(owner.where(job_rows.c.id == video_id, tenants.c.closed_at.is_(None))).scalar()
        if not link_holds(hub, token, tenant_id or "", time.time()) or tenant_id is None:
            raise dead_link()
        try:
            job = jobs.get(conn, tenant_id, video_id)
        except NotFoundError:
            raise dead_link() from None
    try:
        answer = file_of(hub, job, variant, request)
    except NotFoundError:
        raise dead_link() from None
    answer.headers["cross-origin-resource-policy"] = "cross-origin"  # whoever has a link may show the film
    return answer
