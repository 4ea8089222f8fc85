"""``/v1/consents``: who agreed to what, for how long."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from pydantic import ConfigDict, Field, WithJsonSchema

from photoplay.errors import ConsentError, InputError
from photoplay.safety.consent.challenge import WORDS as ACTIONS
from photoplay.safety.consent.record import MAX_DAYS, MOST_UNLIKE, AdultMethod, Category
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems
from photoplay.service.api.routes.photos import Given, LookerOf, read_file
from photoplay.service.api.security import HubOf, need
from photoplay.service.api.shapes import Answer, Ask
from photoplay.service.engine import Hub
from photoplay.service.jobs.requests import RecordId, UploadId
from photoplay.service.looking import enrolment, uploads
from photoplay.service.looking.looker import Terms

router = APIRouter(tags=["consents"])

Reader = Annotated[Principal, Depends(need("consents:read"))]
Writer = Annotated[Principal, Depends(need("consents:write"))]
NAME = r"^[^\x00-\x1f\x7f]*$"


_FILE = {"type": "string", "format": "binary", "description": "The clip, or a photo."}
_UPLOAD = {
    "type": "string",
    "pattern": "^upload_[a-z2-7]{26}$",
    "description": "Instead of a file: a photo or clip that is here already.",
}
_FORM = {
    "requestBody": {
        "content": {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/ConsentAsk"}}}
    }
}


class ConsentAsk(Ask):
    """A new record: from a clip that answers a ``challenge``, or from a photo by the word of whoever runs this."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    name: str = Field("", max_length=80, pattern=NAME, description="What you call this person; nobody else sees it.")
    scope: list[Category] = Field(min_length=1, max_length=9, description="Kinds of motion that the person agrees to.")
    days: int = Field(30, ge=1, le=MAX_DAYS)
    adult: AdultMethod = Field("none", description="How it is known that the person is an adult.")
    challenge: str = Field("", pattern=r"^([0-9a-f]{32})?$", description="The challenge that the clip answers.")
    file: Annotated[Given | None, WithJsonSchema(_FILE)] = None
    upload: Annotated[UploadId | None, WithJsonSchema(_UPLOAD)] = None
    face: int = Field(0, ge=0, le=40, description="Which face of the photo, counted from 1 at the left.")
    agreed: bool = Field(False, description="With a photo: that you asked this person, and they agreed.")
    unlike: list[RecordId] = Field(
        [],
        max_length=MOST_UNLIKE,
        description="Valid records of yours of people who look like this person and are somebody else, such as a twin.",
    )


AskForm = Annotated[ConsentAsk, Form(media_type="multipart/form-data")]


class ConsentAnswer(Answer):
    """A consent record. ``weak``: it rests on somebody's word alone. What a revoked one said is no longer known."""

    id: str
    name: str
    state: Literal["valid", "expired", "revoked", "broken"]
    scope: list[str]
    expires: float | None
    method: Literal["live", "record", "operator"] | None
    adult: AdultMethod | None
    weak: bool
    created_at: float
    unlike: list[str] = Field(description="Your records of people who look alike and are somebody else.")


class Consents(Answer):
    """The newest first; of those that were revoked the last fifty."""

    object: Literal["list"] = "list"
    data: list[ConsentAnswer]


class ChallengeAnswer(Answer):
    """What to do before the camera, in this order; good for one clip."""

    id: str
    actions: list[str]
    words: list[str]
    expires: float


@router.get("/v1/consents", summary="List records", response_model=Consents, responses=problems.documented(401, 403))
def list_consents(hub: HubOf, who: Reader) -> Consents:
    """Everybody who agreed, also those whose agreement ran out, and the last fifty that were revoked."""
    return Consents(data=[_answer(one) for one in enrolment.list_consents(hub, who.tenant_id, time.time())])


@router.post(
    "/v1/consents",
    summary="Put consent on record",
    status_code=201,
    response_model=ConsentAnswer,
    responses=problems.documented(401, 403, 404, 409, 413, 415, 422, 429),
    openapi_extra=_FORM,
)
def create_consent(hub: HubOf, who: Writer, looker: LookerOf, ask: AskForm) -> ConsentAnswer:
    """From a live clip, by the person alone; or from a photo, by the word of whoever runs this installation.

    The face is kept as 1,024 sign bits that say nothing without this installation's key; the clip is not kept.
    """
    now = time.time()
    terms = Terms(tuple(ask.scope), ask.days, ask.adult, tuple(ask.unlike))
    if ask.challenge:
        made = enrolment.enrol_live(hub, looker, who, ask.name, _file(hub, who, ask), ask.challenge, terms, now)
    elif not ask.agreed:
        raise ConsentError(
            "consent_missing",
            "Nobody has said yet that the person in the photo agrees.",
            "Ask them, and send agreed=true; or let them answer a challenge before the camera.",
        )
    else:
        made = enrolment.enrol_word(hub, looker, who, ask.name, _file(hub, who, ask), ask.face, terms, now)
    return _answer(made)


@router.post(
    "/v1/consents/challenges",
    summary="Ask for a live challenge",
    status_code=201,
    response_model=ChallengeAnswer,
    responses=problems.documented(401, 403, 429),
)
def create_challenge(hub: HubOf, who: Writer) -> ChallengeAnswer:
    """What the person shall do before the camera within ten minutes, in one go and not mirrored."""
    made = enrolment.ask_challenge(hub, who, time.time())
    return ChallengeAnswer(
        id=made.id,
        actions=list(made.actions),
        words=[ACTIONS[action] for action in made.actions],
        expires=made.expires.timestamp(),
    )


@router.get(
    "/v1/consents/{consent_id}",
    summary="A record",
    response_model=ConsentAnswer,
    responses=problems.documented(401, 403, 404),
)
def retrieve_consent(hub: HubOf, who: Reader, consent_id: RecordId) -> ConsentAnswer:
    """What a record says, and whether it holds today."""
    return _answer(enrolment.get(hub, who.tenant_id, consent_id, time.time()))


@router.delete(
    "/v1/consents/{consent_id}",
    summary="Withdraw consent for good",
    response_model=ConsentAnswer,
    responses=problems.documented(401, 403, 404),
)
def revoke_consent(hub: HubOf, who: Writer, consent_id: RecordId) -> ConsentAnswer:
    """Destroys the face binding; films that are being made with it stop. It cannot be undone."""
    return _answer(enrolment.revoke(hub, who, consent_id, time.time()))


def _file(hub: Hub, who: Principal, ask: ConsentAsk) -> bytes:
    """The clip's or photo's bytes.

    Raises:
        InputError: ``consent_source``.   ForbiddenError: ``scope_missing``.   NotFoundError: there is no such upload.
        MediaError: too large, or empty.
    """
    if (ask.file is None) == (ask.upload is None):
        raise InputError("consent_source", "A record is made from one photo or clip.", "Send a file or an upload's id.")
    if ask.file is not None:
        return read_file(hub, ask.file)
    need("photos:read")(who)
    with hub.database.read() as conn:
        found = uploads.get(conn, who.tenant_id, ask.upload or "", "video" if ask.challenge else "photo")
    return hub.store.get(found.key)


def _answer(found: enrolment.Consent) -> ConsentAnswer:
    record = found.record
    return ConsentAnswer(
        id=found.id,
        name=found.name,
        state=found.state,
        scope=[] if record is None else list(record.scope),
        expires=None if record is None else record.expires.timestamp(),
        method=None if record is None else record.method,
        adult=None if record is None else record.adult.method,
        weak=record is not None and record.weak,
        created_at=found.created_at,
        unlike=list(found.unlike),
    )
