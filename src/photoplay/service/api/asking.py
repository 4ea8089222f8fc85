"""How a film is asked for: as JSON, or as a form with files, in the ways that openai's clients and others write them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from photoplay.errors import RequestError
from photoplay.motion.library import first_motion
from photoplay.service.accounts.principals import Principal
from photoplay.service.api.security import hub_of
from photoplay.service.api.shapes import ReferenceById, ReferenceByUrl, VideoAsk
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ForbiddenError
from photoplay.service.ground.plans import size_class
from photoplay.service.jobs.requests import JobRequest

MOST_PHOTOS = 2
MOST_FIELDS = 80
MOST_NESTED = 1000
"""Objects and lists in a request: it needs a handful, and each of them costs memory."""
LISTS = frozenset({"photos", "consent", "consents", "audio"})
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
NUMBERS = frozenset({"seconds", "seed", "intensity", "speed", "left", "first"})
SWITCHES = {"replace": {"true": True, "false": False}}
"""Fields that are true or false: in a form as their words."""
TAKEN_AS_IS = (VideoAsk.model_fields.keys() & JobRequest.model_fields.keys()) - {"photos", "size"}
"""What a film's request has under the same name: it is handed on."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, and the files that came along."""

    ask: VideoAsk
    files: tuple[bytes, ...]

    def pictures(self) -> tuple[bytes, ...]:
        """The bytes of photos that are not uploaded yet."""
        inline = (_data_url(one.image_url) for one in self.ask.input_reference if isinstance(one, ReferenceByUrl))
        return (*self.files, *inline)

    def request(self, served: Sequence[str], mine: Sequence[str], new: tuple[str, ...]) -> JobRequest:
        """The request of the job, its new photos uploaded as ``new``.

        ``served`` are the backends of this installation, ``mine`` those of them that the asker's plan includes.

        Raises:
            RequestError: ``model_unknown``, ``size_unsupported``, ``photos_too_many``.
        """
        ask = self.ask
        pictures = len(self.files) + len(ask.input_reference) + len(ask.photos)
        if pictures > MOST_PHOTOS:
            raise RequestError("photos_too_many", "A film is made of two photos at most.", "Send one or two.")
        backend = ask.model or (*mine, *served)[0]
        if backend not in served:
            choose = (
                f"Choose {' or '.join(mine)}, or leave `model` out." if mine else "Your plan includes none of them."
            )
            raise RequestError("model_unknown", "There is no such model here.", choose)
        named = tuple(one.file_id for one in ask.input_reference if isinstance(one, ReferenceById))
        size = size_class(ask.size) if ask.size else None
        if ask.size and size is None:
            raise RequestError("size_unsupported", "No film is made so large.", "Use 480p, 720p or 1080p.")
        said = {name: getattr(ask, name) for name in TAKEN_AS_IS}
        said |= {
            "photos": (*new, *named, *ask.photos),
            "template": ask.template or first_motion(pictures, ask.prompt.strip(), ask.video, ask.audio),
            "backend": backend,
            "size": size or JobRequest.model_fields["size"].default,
        }
        try:
            return JobRequest.model_validate(said)
        except ValidationError as error:
            raise _unreadable(error) from None


@contextmanager
def taken_in(hub: Hub, who: Principal, wanted: Asked, now: float) -> Iterator[JobRequest]:
    """The request with its files uploaded. Uploads that it brought are taken back if it comes to nothing."""
    from photoplay.service.looking import uploads

    new: list[str] = []
    photos: list[str] = []
    backends = (hub.settings.backends, hub.backends(who.plan))
    try:
        pictures = wanted.pictures()
        wanted.request(*backends, ())  # before anything is kept
        if pictures and "photos:write" not in who.scopes:
            raise _scope()
        for data in pictures:
            id_, fresh = uploads.take_in(hub, who, "photo", data, now)
            photos.append(id_)
            if fresh:
                new.append(id_)
        yield wanted.request(*backends, tuple(photos))
    except BaseException:
        for id_ in new:
            uploads.drop(hub, who, id_, now)
        raise


def _scope() -> ForbiddenError:
    return ForbiddenError(
        "scope_missing", "This key may not upload photos: it lacks photos:write.", "Make a key that has this scope."
    )


async def asked(request: Request) -> Asked:
    """Reads a request's body, a form or JSON.

    Raises:
        RequestValidationError: it is not what the OpenAPI says.   HTTPException: 415: it is of another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        return await run_in_threadpool(lambda: Asked(_checked(_json(body)), ()))  # it may be large
    if kind == "multipart/form-data":
        room = hub_of(request).settings.max_upload_mb * 1_400_000  # base64 needs a third more
        async with request.form(max_files=MOST_PHOTOS, max_fields=MOST_FIELDS, max_part_size=room) as form:
            return await _form(form)
    if kind == "application/x-www-form-urlencoded":
        async with request.form(max_fields=MOST_FIELDS, max_part_size=65_536) as form:
            return await _form(form)
    raise HTTPException(415, headers={"accept-post": "application/json, multipart/form-data"})


def _json(body: bytes) -> Any:
    if body.count(b"[") + body.count(b"{") > MOST_NESTED:
        raise _invalid("body", "it is too intricate")
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _invalid("body", "it is no JSON") from None


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _plain(field: str, text: str) -> Any:
    """What a field of a form says, as JSON would."""
    if field in SWITCHES:
        return SWITCHES[field].get(text, text)
    return float(text) if field in NUMBERS and NUMBER.fullmatch(text) else text


async def _form(form: FormData) -> Asked:
    """Fields of a form as the JSON that would say the same."""
    found: dict[str, Any] = {}
    references: list[Any] = []
    files: list[bytes] = []
    for name, value in form.multi_items():
        field, _, inner = name.partition("[")
        inner = inner.removeprefix("]").strip("[]")
        if isinstance(value, UploadFile):
            if field != "input_reference" or inner:
                raise _invalid(field, "files go into input_reference")
            files.append(await value.read())
        elif field == "input_reference":
            references.append(_reference(inner, value))
        elif inner:
            raise _invalid(name[:80], "it is not known")
        elif field in LISTS:
            found.setdefault(field, []).append(value)
        elif field in found:
            raise _invalid(field, "it is there twice")
        else:
            found[field] = _plain(field, value)
    if references:
        found["input_reference"] = references
    return Asked(_checked(found), tuple(files))


def _reference(inner: str, value: str) -> Any:
    """A reference in a form: ``input_reference[image_url]=…``, or JSON, or a data URL as it is."""
    if inner:
        return {inner: value}
    if value.startswith("data:"):
        return {"image_url": value}
    if value.startswith("{"):
        return _json(value.encode())
    return {"file_id": value}


def _checked(said: Any) -> VideoAsk:
    try:
        return VideoAsk.model_validate(said)
    except ValidationError as error:
        raise _unreadable(error) from None


def _unreadable(error: ValidationError) -> RequestValidationError:
    return RequestValidationError(error.errors(include_url=False, include_input=False))


def _invalid(where: str, why: str) -> RequestValidationError:
    return RequestValidationError([{"loc": (where,), "msg": why, "type": "value_error"}])


def _data_url(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2], validate=False)
    except (binascii.Error, ValueError):
        raise RequestError("image_url_broken", "The data URL holds no base64.", "Encode the photo again.") from None


def media(model: type[BaseModel]) -> dict[str, Any]:
    """What the OpenAPI says about a body that is JSON or a form."""
    shape = model.model_json_schema(ref_template="#/components/schemas/{model}")
    shared = shape.pop("$defs", {})
    shape = _whole(shape, shared)
    form = {name: value for name, value in shape.items() if name not in ("examples", "required")}
    form["properties"] = {name: without_null(one) for name, one in shape["properties"].items()}
    text = {**form, "properties": {k: v for k, v in form["properties"].items() if k != "input_reference"}}
    photo = {"type": "string", "format": "binary"}
    form["properties"]["input_reference"] = {
        "type": "array",
        "items": photo,
        "maxItems": MOST_PHOTOS,
        "description": "Photos of one or two people, as files.",
    }
    kinds = {"application/json": shape, "multipart/form-data": form, "application/x-www-form-urlencoded": text}
    content = {kind: {"schema": schema} for kind, schema in kinds.items()}
    return {"requestBody": {"required": True, "content": content}}


def _whole(schema: Any, shared: dict[str, Any]) -> Any:
    """A schema with what it refers to in its place."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _whole(shared[schema["$ref"].rpartition("/")[2]], shared)
        return {name: _whole(value, shared) for name, value in schema.items()}
    return [_whole(one, shared) for one in schema] if isinstance(schema, list) else schema


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field in a form, which knows no null: it is left out."""
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    some = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return kept | (some[0] if len(some) == 1 else {"anyOf": some} if some else {})


__all__ = ["Asked", "asked", "media", "taken_in"]
