"""``/v1/verify``: where a file comes from. For everybody: whoever is shown a film may ask about it."""

from __future__ import annotations

import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Request
from pydantic import Field

from photoplay.errors import MediaError, UnavailableError
from photoplay.safety.verify import Verification, verify
from photoplay.service.accounts.limits import network, throttle
from photoplay.service.api import problems
from photoplay.service.api.routes.photos import Given, LookerOf, read_file
from photoplay.service.api.security import HubOf, maybe
from photoplay.service.api.shapes import Answer
from photoplay.service.ground.errors import TooManyError
from photoplay.service.looking.rooms import Room

router = APIRouter(tags=["verify"])

TRIES, TRIES_S = 60, 3600.0
"""Files that strangers of one network may ask about in so many seconds; three times as many where somebody is signed in."""
READS, READS_OF_STRANGERS = Room(2, 4, 10.0), Room(1, 3, 10.0)
"""Each file is read in a process of its own: so many at a time, of those who are signed in and of the others."""
MARKS_OF_STRANGERS = Room(1, 0, 0.0)
"""Marks are looked for by the one who looks at everybody's photos: for strangers one at a time, without waiting."""
UNSOUGHT = " Its invisible mark was not looked for: ask again in a minute."
NO_SEAL = "A file of this kind holds no seal of photoplay, but it carries its mark."


class Stated(Answer):
    """What was stated about one picture that the film was made of."""

    photo: str
    statement: str
    date: str = ""


class Mark(Answer):
    """What the invisible mark of a file without a seal leads to. Weaker than a seal: a mark can be copied."""

    number: str
    known: bool = Field(description="Whether the film was made here.")
    sentence: str
    created: str


class VerificationAnswer(Answer):
    """What a file says about itself and whether that can be believed. Believe the rest only if ``state`` is ``trusted``."""

    state: Literal["trusted", "valid", "untrusted", "tampered", "unsigned"]
    sentence: str
    signer: str
    development: bool = Field(description="Signed with a development certificate: worth nothing elsewhere.")
    made_with: str
    created: str
    actions: list[str]
    source_type: str
    consent: list[Stated]
    records: list[str] = Field(description="How each consent record that stood came to be.")
    number: str = Field(description="The film's number, for a takedown.")
    source_photos: list[str]
    content_filter: str
    problems: list[str]
    stamped: str
    stamp_trusted: bool
    recipe: dict[str, Any] | None
    mark: Mark | None
    mark_sought: bool = Field(
        description="Whether the mark was looked for: only where there is no seal, and there is time."
    )


@router.post(
    "/v1/verify",
    summary="Where does this file come from?",
    response_model=VerificationAnswer,
    responses=problems.documented(413, 422, 429),
)
def verify_file(
    hub: HubOf,
    looker: LookerOf,
    request: Request,
    file: Annotated[Given, File(description="A film or picture: mp4, PNG, GIF or WebP.")],
) -> VerificationAnswer:
    """Reads a file's seal; where there is none, looks for the invisible mark. The file is not kept."""
    who = maybe(request)
    address = network(request.client.host if request.client else None)
    with hub.database.begin() as conn:
        if who is None:
            throttle(conn, "verify", address, TRIES, TRIES_S, time.time())
        else:
            throttle(conn, "verify", who.tenant_id, 3 * TRIES, TRIES_S, time.time())
    data = read_file(hub, file)
    unsupported: MediaError | None = None
    try:
        found = asdict(_read(data, READS if who else READS_OF_STRANGERS))
    except MediaError as error:
        if error.code != "verify_unsupported":
            raise
        unsupported, found = error, asdict(Verification("unsigned", NO_SEAL))
    mark, sought = None, False
    if found["state"] == "unsigned":
        try:
            with nullcontext() if who else MARKS_OF_STRANGERS.turn():
                mark, sought = looker.recover(data), True
        except (UnavailableError, TooManyError):
            if unsupported is not None:
                raise  # there may be a mark: nothing is known of this file yet
            found["sentence"] += UNSOUGHT
    if unsupported is not None and mark is None:
        raise unsupported
    said = {
        name: found[name] for name in VerificationAnswer.model_fields if name not in ("recipe", "mark", "mark_sought")
    }
    said["consent"] = [
        Stated(**{name: one.get(name, "") for name in ("photo", "statement", "date")}) for one in found["consent"]
    ]
    return VerificationAnswer(
        **said,
        recipe=found["recipe"] or None,
        mark=Mark.model_validate(mark) if mark else None,
        mark_sought=sought,
    )


def _read(data: bytes, room: Room) -> Verification:
    """What a file's seal says.

    Raises:
        MediaError: ``verify_unsupported``.   SealError: ``verify_failed``.   TooManyError: ``looker_busy``.
    """
    with room.turn(), tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        return verify(path)
