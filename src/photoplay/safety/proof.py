"""Whether an admitted request is still the one that was admitted, with what was said and found then.

Each admission draws a number of its own; a keyed hash ties it to the request and its statements. The key lives in this
process and is never written down, so nothing that was changed, put together by hand or admitted elsewhere fits. It finds
what was changed by accident or by a careless caller; code that is bent on it can read the key out of the memory that it
shares (docs/threat-model.md).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import fields
from typing import Any

from photoplay.errors import RefusedError
from photoplay.safety.recipe import canonical
from photoplay.types import Admitted, Audio, Photo, Request, Screened, Video

_KEY = secrets.token_bytes(32)


def make_proof(request: Request, statements: dict[str, Any]) -> str:
    """A new proof for this request and these statements: a random number and the hash that ties it to them."""
    number = secrets.token_hex(16)
    return f"{number}.{_bound(number, request, statements)}"


def check_untouched(admitted: Admitted) -> None:
    """Refuses an admitted request that is not as it was admitted.

    Raises:
        RefusedError: ``admission_changed``.
    """
    try:
        number, _, bound = admitted.proof.partition(".")
        if hmac.compare_digest(bound, _bound(number, admitted.request, admitted.statements)):
            return
    except Exception as error:
        raise _changed() from error
    raise _changed()


def _changed() -> RefusedError:
    return RefusedError(
        "admission_changed",
        "The request is not the one that was admitted, or it was admitted elsewhere.",
        "Ask for the film anew.",
    )


def check_screened(screened: Screened, admitted: Admitted, frames: int = 1) -> None:
    """Refuses the proof of a content filter that belongs to another film, or to fewer than these ``frames`` of it.

    Raises:
        RefusedError: ``content_unchecked``.
    """
    fits = isinstance(screened, Screened) and screened.frames >= max(1, frames)
    if not fits or not hmac.compare_digest(
        screened.proof, screened_proof(admitted, screened.frames, screened.classifier)
    ):
        raise RefusedError(
            "content_unchecked",
            "No content filter saw the frames of this very film.",
            "Make the film with photoplay.animate, which has every frame looked at.",
        )


def screened_proof(admitted: Admitted, frames: int, classifier: str) -> str:
    """What ties a filter's answer about so many ``frames`` to the film that they are of."""
    return hmac.digest(_KEY, canonical([admitted.proof, frames, classifier]).encode(), "sha256").hex()


def _bound(number: str, request: Request, statements: dict[str, Any]) -> str:
    asked = {one.name: _plain(getattr(request, one.name)) for one in fields(Request)}
    return hmac.digest(_KEY, canonical([number, asked, statements]).encode(), "sha256").hex()


def _plain(value: object) -> object:
    """A field of a request as JSON: media by their digests."""
    if isinstance(value, (Photo, Video, Audio)):
        return value.sha256
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return repr(value)
