"""``/v1/templates`` and ``/v1/previews``: motions, and how they look on somebody's own photo."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field
from starlette.responses import Response

from photoplay.motion.library import list_templates
from photoplay.safety.consent.matching import ADULTS_ONLY
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems
from photoplay.service.api.routes.photos import LookerOf
from photoplay.service.api.security import HubOf, need
from photoplay.service.api.shapes import UPLOAD, Answer, Ask
from photoplay.service.jobs.requests import RecordId, UploadId
from photoplay.service.looking import previews
from photoplay.types import Consent

router = APIRouter(tags=["templates"])

Anybody = Annotated[Principal, Depends(need("videos:read"))]
Shower = Annotated[Principal, Depends(need("photos:read"))]


class Template(Answer):
    """A motion. ``romantic``: both people need consent records, as adults."""

    name: str
    title: str
    description: str
    category: str
    tags: list[str]
    duration: float = Field(description="Seconds at its own pace.")
    loop: str
    people: Literal[1, 2]
    romantic: bool


class Templates(Answer):
    """All motions."""

    object: Literal["list"] = "list"
    data: list[Template]


class PreviewAsk(Ask):
    """A template on one photo or two, for a look."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"photos": [UPLOAD], "template": "smile", "consent": ["self"]}]},
    )

    photos: Annotated[list[UploadId], Field(min_length=1, max_length=2)]
    template: str = Field(pattern=r"^[a-z0-9_-]{1,64}$")
    consent: list[Consent] = Field([], max_length=2, description="A statement for each photo; one stands for all.")
    consents: list[RecordId] = Field(
        [], max_length=20, description="Ids of consent records of everybody in the photos."
    )


_WEBP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A sealed endless WebP of two seconds, 240 pixels wide.",
        "content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/v1/templates", summary="List motions", response_model=Templates, responses=problems.documented(401, 403))
def get_templates(_who: Anybody) -> Templates:
    """Every motion that can be asked for."""
    return Templates(
        data=[
            Template(
                name=one.name,
                title=one.title,
                description=one.description,
                category=one.category,
                tags=list(one.tags),
                duration=one.duration,
                loop=one.loop,
                people=one.people,
                romantic=one.category in ADULTS_ONLY,
            )
            for one in list_templates()
        ]
    )


@router.post(
    "/v1/previews",
    summary="How a motion looks on your photo",
    response_class=Response,
    responses={**_WEBP, **problems.documented(401, 403, 404, 422, 429)},
)
def create_preview(hub: HubOf, who: Shower, looker: LookerOf, ask: PreviewAsk) -> Response:
    """A small quick film in low quality. It passes the same gates as a film, is sealed as one, and costs nothing."""
    made = previews.preview(
        hub, looker, who, tuple(ask.photos), ask.template, tuple(ask.consent), tuple(ask.consents), time.time()
    )
    return Response(made, media_type="image/webp", headers={"cache-control": "private, no-store"})
