"""Errors as HTTP says them: problem details (RFC 9457) with the library's codes, mapped in this one place.

A request that is not one by the OpenAPI is 400; one that is, and asks for what cannot be done, is 422. ``error`` repeats
the problem in the shape that openai's clients read.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from photoplay.errors import (
    CancelledError,
    InputError,
    PhotoplayError,
    RefusedError,
    ReviewError,
    SceneError,
    SealError,
    UnavailableError,
)
from photoplay.service.api.wrong import SHAPE, wrong
from photoplay.service.ground.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    QuotaError,
    TooManyError,
    UnauthorizedError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_S = 30
"""Seconds after which something that is not available may be asked for again."""

STATUSES: Final[tuple[tuple[type[PhotoplayError], int], ...]] = (
    (NotFoundError, 404),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (QuotaError, 402),
    (TooManyError, 429),
    (RefusedError, 403),
    (SceneError, 422),
    (ReviewError, 422),
    (InputError, 422),
    (SealError, 422),
    (CancelledError, 409),
    (UnavailableError, 503),
)
"""The error tree as statuses, the first that fits."""
OVERLOADED = frozenset({"queue_full", "looker_busy"})
"""Codes of :class:`TooManyError` that everybody gets, not one caller."""


class ProblemError(BaseModel):
    """The problem as openai's clients read it."""

    code: str
    message: str
    type: str
    param: str | None = None


class Problem(BaseModel):
    """What went wrong (RFC 9457): ``code`` for machines, ``detail`` for a person, ``hint`` for the next step."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "There is nothing here by that name.",
                "code": "not_found",
                "hint": "See whether it was deleted, and whether this key is of the same account.",
                "error": {
                    "code": "not_found",
                    "message": "There is nothing here by that name.",
                    "type": "invalid_request_error",
                    "param": None,
                },
            }
        }
    )

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="A sentence for a person.")
    code: str = Field(description="Stable: never reused for anything else.")
    hint: str = Field(description="What to do next.")
    error: ProblemError


def status_of(error: PhotoplayError) -> int:
    """The HTTP status of an error of the tree."""
    if isinstance(error, TooManyError) and error.code in OVERLOADED:
        return 503
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(
    status: int, code: str, message: str, hint: str, headers: Mapping[str, str] | None = None, param: str | None = None
) -> JSONResponse:
    """A problem as an answer."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        code=code,
        hint=hint,
        error=ProblemError(code=code, message=f"{message} {hint}".strip(), type=kind, param=param),
    )
    more = {"retry-after": str(RETRY_S)} if status == 503 else {}
    if status == 401:
        more = {"www-authenticate": 'Bearer realm="photoplay"'}
    if status == 409:  # the same request again would be answered the same: openai's clients would try
        more = {"x-should-retry": "false"}
    return JSONResponse(body.model_dump(), status, {**more, **(headers or {})}, MEDIA_TYPE)


def answer(error: PhotoplayError) -> JSONResponse:
    """An error of the tree as an answer."""
    headers = {}
    if isinstance(error, TooManyError):
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    status = status_of(error)
    if status == 500:
        return broken()
    return problem(status, error.code, error.message, error.hint, headers)


def broken() -> JSONResponse:
    """Something that is nobody's fault but ours; what it was is in the log under the request's id."""
    return problem(
        500,
        "internal",
        "Something went wrong on our side.",
        "Try again; if it stays so, tell the operator the X-Request-Id.",
    )


def nowhere() -> JSONResponse:
    """There is no such address."""
    return problem(404, "not_found", "There is nothing at this address.", "The addresses are listed in /openapi.json.")


HTTP_CODES: Final[dict[int, tuple[str, str, str]]] = {
    400: ("request_invalid", "The request cannot be read.", SHAPE),
    404: ("not_found", "There is nothing at this address.", "The addresses are listed in /openapi.json."),
    405: ("method_not_allowed", "This address does not do that.", "The header Allow lists what it does."),
    413: ("too_large", "The request is too large.", "Send a smaller file."),
    415: ("media_type", "The request's body is of a kind that is not read here.", "See /openapi.json for what is."),
}


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message, hint = HTTP_CODES.get(
        error.status_code, ("http_error", "This cannot be done.", "See /openapi.json.")
    )
    return problem(error.status_code, code, message, hint, error.headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """A request that is not one by the OpenAPI: says which field and what is possible, and repeats no value.

    An id in an address that cannot be one is not there, as any other.
    """
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(len(one["loc"]) > 1 and one["loc"][0] == "path" for one in errors):
        return answer(NotFoundError())
    found = wrong(errors[0])
    return problem(400, "request_invalid", found.said, found.hint, param=found.field)


def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PhotoplayError)
    return answer(error)


def _database(_request: Request, _error: Exception) -> JSONResponse:
    return problem(503, "database_busy", "The service is too busy for this right now.", "Try again shortly.")


def install(app: FastAPI) -> None:
    """Lets every error of the app leave as a problem."""
    app.add_exception_handler(PhotoplayError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(SQLAlchemyError, _database)


SAID: Final[dict[int, str]] = {
    400: "The request is not one by this document.",
    401: "Nobody is signed in, or the key is not valid (any more).",
    402: "There are not enough credits.",
    403: "This key or session may not do that, or a safety gate says no.",
    404: "It is not there, or not yours: the two are answered alike.",
    409: "It is in no state for that, or the idempotency key belongs to another request.",
    413: "The request is too large.",
    415: "The body is of a kind that is not read here.",
    416: "The range lies outside of the file.",
    422: "The request is well formed and asks for what cannot be done.",
    429: "Too much at once; `Retry-After` says when to come again.",
    503: "Not available right now; `Retry-After` says when to come again.",
}
RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says in the OpenAPI about its problems."""
    return {
        status: {
            "description": SAID[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": RETRY} if status in (429, 503) else {}),
        }
        for status in sorted({400, *statuses})
    }
