"""``/v1/photos`` and ``/v1/uploads``: what films are made from, and what is seen in it."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Query, Request
from pydantic import Field, InstanceOf, WithJsonSchema
from starlette.datastructures import UploadFile
from starlette.responses import Response

from photoplay.errors import MediaError
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems
from photoplay.service.api.routes.files import send
from photoplay.service.api.security import HubOf, need
from photoplay.service.api.shapes import Answer
from photoplay.service.engine import Hub
from photoplay.service.jobs.requests import UploadId
from photoplay.service.looking import uploads
from photoplay.service.looking.looker import Looker
from photoplay.service.looking.uploads import Kind, Upload

router = APIRouter(tags=["photos"])

Seer = Annotated[Principal, Depends(need("photos:read"))]
Giver = Annotated[Principal, Depends(need("photos:write"))]
Given = Annotated[UploadFile, InstanceOf(), WithJsonSchema({"type": "string", "format": "binary"})]
"""A file of a form. FastAPI's own class for it is not the one that arrives."""
FileOf = Annotated[Given, File(description="The file itself.")]


def looker_of(request: Request) -> Looker:
    """Who looks at photos for this app."""
    looker: Looker = request.app.state.looker
    return looker


LookerOf = Annotated[Looker, Depends(looker_of)]


class FoundFace(Answer):
    """A face: ``box`` and ``landmarks`` (68, iBUG's order) from 0 to 1 of the picture; turns in degrees."""

    box: list[float] = Field(min_length=4, max_length=4)
    yaw: float
    pitch: float
    roll: float
    landmarks: list[list[float]]
    body: bool


class Advice(Answer):
    """What about a photo will hurt a film, and what would do better; ``subject`` is a face, counted from 0 at the left."""

    code: str
    severity: Literal["info", "warning", "blocking"]
    subject: int | None
    message: str
    hint: str


class Found(Answer):
    """What is seen in a photo; faces from left to right."""

    faces: list[FoundFace]
    advice: list[Advice]
    people: int


class UploadAnswer(Answer):
    """A file that is kept here. ``found`` is there once somebody asked for an inspection."""

    id: str
    kind: Kind
    bytes: int
    width: int | None
    height: int | None
    seconds: float | None
    created_at: float
    expires_at: float | None
    found: Found | None


class Uploads(Answer):
    """A page of uploads, the newest first."""

    object: Literal["list"] = "list"
    data: list[UploadAnswer]
    first_id: str | None
    last_id: str | None
    has_more: bool


class UploadDeleted(Answer):
    """An upload that is gone for good."""

    id: str
    deleted: Literal[True] = True


_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A WebP, 1024 pixels at most, of the pixels alone.",
        "content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {
        "description": "A part of it.",
        "content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "What `If-None-Match` names is still right."},
}
_TAKES = problems.documented(401, 403, 409, 413, 422, 429)


@router.post("/v1/photos", summary="Upload a photo", status_code=201, response_model=UploadAnswer, responses=_TAKES)
def create_photo(hub: HubOf, who: Giver, file: FileOf) -> UploadAnswer:
    """Keeps a photo. It is decoded and checked; the same file again is the same upload."""
    return _taken(hub, who, "photo", file)


@router.post(
    "/v1/uploads", summary="Upload a clip or a sound", status_code=201, response_model=UploadAnswer, responses=_TAKES
)
def create_upload(
    hub: HubOf,
    who: Giver,
    file: FileOf,
    kind: Annotated[Kind | None, Form(description="What it is used as; found out if not said.")] = None,
) -> UploadAnswer:
    """Keeps a clip, a sound or a photo."""
    return _taken(hub, who, kind, file)


@router.get("/v1/photos", summary="List photos", response_model=Uploads, responses=problems.documented(401, 403, 404))
def list_photos(
    hub: HubOf,
    who: Seer,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[UploadId | None, Query(description="The last one of the page before.")] = None,
) -> Uploads:
    """Your photos, the newest first."""
    with hub.database.read() as conn:
        found = uploads.list_uploads(conn, who.tenant_id, "photo", limit + 1, after)
    data = [answer(one) for one in found[:limit]]
    return Uploads(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


@router.get(
    "/v1/photos/{upload_id}",
    summary="A photo or other upload",
    response_model=UploadAnswer,
    responses=problems.documented(401, 403, 404),
)
def retrieve_photo(hub: HubOf, who: Seer, upload_id: UploadId) -> UploadAnswer:
    """What is known of an upload of any kind."""
    with hub.database.read() as conn:
        return answer(uploads.get(conn, who.tenant_id, upload_id))


@router.delete(
    "/v1/photos/{upload_id}",
    summary="Delete an upload for good",
    response_model=UploadDeleted,
    responses=problems.documented(401, 403, 404),
)
def delete_photo(hub: HubOf, who: Giver, upload_id: UploadId) -> UploadDeleted:
    """Removes an upload of any kind, its picture and its previews. Films that were made of it stay."""
    uploads.drop(hub, who, upload_id, time.time())
    return UploadDeleted(id=upload_id)


@router.post(
    "/v1/photos/{upload_id}/inspect",
    summary="What is in a photo?",
    response_model=UploadAnswer,
    responses=problems.documented(401, 403, 404, 422),
)
def inspect_photo(hub: HubOf, who: Seer, looker: LookerOf, upload_id: UploadId) -> UploadAnswer:
    """Finds the people in a photo and says what would make a better film of it. Nothing is charged."""
    with hub.database.read() as conn:
        upload = uploads.get(conn, who.tenant_id, upload_id, "photo")
    if upload.found is None:
        found = looker.inspect(hub.store.get(upload.key))
        with hub.database.begin() as conn:
            uploads.keep_found(conn, who.tenant_id, upload_id, found)
    with hub.database.read() as conn:
        return answer(uploads.get(conn, who.tenant_id, upload_id, "photo"))


@router.get(
    "/v1/photos/{upload_id}/picture",
    summary="See a photo",
    response_class=Response,
    responses={**_PICTURE, **problems.documented(401, 403, 404, 416)},
)
def photo_picture(hub: HubOf, who: Seer, upload_id: UploadId, request: Request) -> Response:
    """A small picture of a photo, or of a clip's first frame, without anything else that the file held."""
    with hub.database.read() as conn:
        upload = uploads.get(conn, who.tenant_id, upload_id)
    return send(hub, uploads.picture_key(who.tenant_id, upload.id), "image/webp", request, f"{upload.id}.webp")


def answer(upload: Upload) -> UploadAnswer:
    """An upload as the API tells it."""
    said = {name: getattr(upload, name) for name in UploadAnswer.model_fields if name != "found"}
    return UploadAnswer(**said, found=None if upload.found is None else Found.model_validate(upload.found))


def read_file(hub: Hub, file: UploadFile) -> bytes:
    """A file's bytes, at most as many as may be uploaded.

    Raises:
        MediaError: ``upload_too_large``, ``file_empty``.
    """
    limit = hub.settings.max_upload_mb * 1_000_000
    data = file.file.read(limit + 1)
    if len(data) > limit:
        raise MediaError(
            "upload_too_large", f"The file is larger than {hub.settings.max_upload_mb} MB.", "Send a smaller one."
        )
    if not data:
        raise MediaError("file_empty", "This file is empty.", "Copy or download it again.")
    return data


def _taken(hub: Hub, who: Principal, kind: Kind | None, file: UploadFile) -> UploadAnswer:
    data = read_file(hub, file)
    id_, _ = uploads.take_in(hub, who, kind or uploads.kind_of(data), data, time.time())
    with hub.database.read() as conn:
        return answer(uploads.get(conn, who.tenant_id, id_))
