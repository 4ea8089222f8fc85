"""A request that is not one by the OpenAPI is told in words for a person, without regular expressions and class names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic_core.core_schema import ErrorType

from photoplay.service.api.wrong import KINDS, POSSIBLE, wrong
from tests.service.stage import Someone, Stage

PHOTO = "POST /v1/photos answers it"


def told(stage: Stage, who: Someone, body: Any, path: str = "/v1/videos") -> dict[str, Any]:
    answer = stage.client.post(path, headers=who.headers, json=body)
    assert answer.status_code == 400
    found: dict[str, Any] = answer.json()
    assert found["code"] == found["error"]["code"] == "request_invalid"
    assert found["error"]["message"] == f"{found['detail']} {found['hint']}"
    return found


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/estimate"])
@pytest.mark.parametrize(
    ("body", "field", "said", "hint"),
    [
        ({"size": "360p"}, "size", "“size” is not written as it should be.", "Use 480p, 720p, 1080p, or width"),
        ({"seconds": 100}, "seconds", "“seconds” is too large.", "from 1 to 60"),
        ({"seconds": 0.5}, "seconds", "“seconds” is too small.", "from 1 to 60"),
        ({"seconds": "abc"}, "seconds", "“seconds” has to be a number that is possible.", "from 1 to 60"),
        ({"speed": 9}, "speed", "“speed” is too large.", "Use 4 or less."),
        ({"seed": -1}, "seed", "“seed” is too small.", "Use 0 or more."),
        ({"seed": 2**31}, "seed", "“seed” is too large.", "Use 2147483647 or less."),
        ({"seed": 1.5}, "seed", "“seed” has to be a whole number.", "Send it without decimals"),
        ({"photos": ["photo_x"]}, "photos.0", "“photos” is not written as it should be.", PHOTO),
        ({"photos": ["upload_" + "a" * 26] * 3}, "photos", "“photos” has too many entries.", "Use 2 at most."),
        ({"webhook": "ftp://x"}, "webhook", "“webhook” is not written as it should be.", "https://"),
        ({"foo": 1}, "foo", "“foo” is not known here.", "Leave it out"),
        ({"consent": "yes"}, "consent.0", "“consent” is none of the choices.", "Use self, granted, historical or"),
        ({"left": 3}, "left", "“left” is none of the choices.", "Use 0 or 1."),
        ({"replace": "x"}, "replace", "“replace” has to be yes or no.", "Send true or false."),
        ({"prompt": "a" * 3000}, "prompt", "“prompt” is too long.", "Use 2000 characters at most."),
        ({"prompt": "a\x1bb"}, "prompt", "“prompt” is not written as it should be.", "no control characters"),
        ({"input_reference": {}}, "input_reference.0", "“input_reference” is not written as it should be.", "file_id"),
        ([], None, "The request has to be an object with named fields.", "/openapi.json"),
    ],
)
def test_what_is_wrong_and_what_is_possible(
    stage: Stage, who: Someone, body: Any, field: str | None, said: str, hint: str, path: str
) -> None:
    found = told(stage, who, body, path)
    assert (found["detail"], found["error"]["param"]) == (said, field)
    assert hint in found["hint"]


def test_what_is_missing_is_named(stage: Stage, who: Someone) -> None:
    found = told(stage, who, {"photos": ["upload_" + "a" * 26]}, "/v1/previews")
    assert (found["detail"], found["hint"]) == ("“template” is missing.", POSSIBLE["template"])


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/estimate"])
def test_no_json_is_told_as_such(stage: Stage, who: Someone, path: str) -> None:
    sent = {**who.headers, "content-type": "application/json"}
    found = stage.client.post(path, headers=sent, content=b"{").json()
    assert "no JSON" in found["detail"]
    assert found["error"]["param"] is None


def test_a_name_that_was_made_up_is_repeated_in_short(stage: Stage, who: Someone) -> None:
    found = told(stage, who, {"a\x1b\n" + "b" * 500: 1})
    assert found["detail"] == f"“a{'b' * 79}” is not known here."


def test_every_field_with_a_regular_expression_says_what_is_possible(stage: Stage) -> None:
    document = stage.app.openapi()
    shapes = [schema.get("properties", {}) for schema in document["components"]["schemas"].values()]
    for methods in document["paths"].values():
        for operation in methods.values():
            shapes += [{one["name"]: one["schema"]} for one in operation.get("parameters", ()) if one["in"] != "path"]
            bodies = operation.get("requestBody", {}).get("content", {}).values()
            shapes += [body["schema"].get("properties", {}) for body in bodies]
    patterned = {name for shape in shapes for name, schema in shape.items() if '"pattern":' in json.dumps(schema)}
    asked = patterned - {"backend", "file_id", "image_url"}  # in answers alone, and told as input_reference
    assert asked <= POSSIBLE.keys(), asked - POSSIBLE.keys()
    assert "size" in asked


def test_the_kinds_are_pydantics() -> None:
    bounds = dict.fromkeys(("expected", "ge", "le", "max_length", "min_length"), 2.0)
    assert KINDS.keys() <= set(get_args(ErrorType))
    for kind in KINDS:
        found = wrong({"type": kind, "loc": ("body", "any"), "msg": "^regex$", "ctx": bounds})
        assert not set("{}^$") & set(found.said + found.hint)
        assert found.field == (None if kind == "json_invalid" else "any")


def test_a_kind_that_is_not_known_yet_is_no_regular_expression() -> None:
    found = wrong({"type": "url_scheme", "loc": ("query", "any"), "msg": "URL scheme should be '^x$'"})
    assert (found.said, found.field) == ("“any” is not written as it should be.", "any")


def paths(stage: Stage) -> Iterator[tuple[str, str]]:
    for path, methods in stage.app.openapi()["paths"].items():
        if "{" in path:
            yield from ((method, path) for method in methods)


def test_an_id_that_cannot_be_one_is_not_there_like_any_other(stage: Stage) -> None:
    who = stage.someone()
    found = [(method, re.sub(r"\{.*?\}", "video_n%20pe", path)) for method, path in paths(stage)]
    assert ("get", "/v1/videos/video_n%20pe") in found
    for method, path in found:
        answer = stage.client.request(method, path, headers=who.headers)
        assert answer.status_code == 404, (method, path, answer.text)
    unknown = stage.client.get("/v1/videos/video_" + "a" * 26, headers=who.headers)
    misshapen = stage.client.get("/v1/videos/video_nope", headers=who.headers)
    assert (unknown.status_code, unknown.json()) == (misshapen.status_code, misshapen.json())


def test_who_is_nobody_is_told_so_first(stage: Stage) -> None:
    assert stage.client.get("/v1/videos/video_nope").status_code == 401
