"""What the OpenAPI says is what the API does: schemathesis's checks over all of it, and what a reader needs of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import api_fuzz
from photoplay.service.api import security
from tests.service.stage import Stage

MEDIA = {"application/json", "multipart/form-data", "application/x-www-form-urlencoded"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what schemathesis warns about while it draws
def test_every_check_of_schemathesis_over_the_whole_openapi(tmp_path: Path) -> None:
    with api_fuzz.opened(tmp_path) as (stage, token):
        paths = stage.app.openapi()["paths"]
        operations = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}

        def enough(found: api_fuzz.Fuzzed) -> bool:
            return found.calls > 400 and found.operations >= operations

        found = api_fuzz.fuzz(stage, token, examples=2, seconds=200, stateful=False, enough=enough)
    assert not found.failures, "\n".join(found.failures.values())
    assert enough(found), (found.calls, operations - found.operations)


def test_every_operation_says_what_it_does_and_what_can_go_wrong(stage: Stage) -> None:
    document = stage.app.openapi()
    names = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            about = f"{method} {path}"
            assert operation["summary"], about
            assert operation["description"], about
            assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}, about
            names.add(operation["operationId"])
            answers = operation["responses"]
            assert "HTTPValidationError" not in str(operation), about
            for status, answer in answers.items():
                if int(status) >= 400 and path != "/readyz":
                    assert set(answer["content"]) == {"application/problem+json"}, about
            assert set(operation.get("requestBody", {}).get("content", {})) <= MEDIA, about
            if "requestBody" in operation:
                assert "415" in answers, about
            if {"429", "503"} & set(answers):
                assert all("Retry-After" in answers[one]["headers"] for one in ("429", "503") if one in answers), about
    assert len(names) == sum(len(methods) for methods in document["paths"].values())


def test_what_is_open_is_what_says_so(stage: Stage) -> None:
    for path, methods in stage.app.openapi()["paths"].items():
        for method, operation in methods.items():
            is_open = (method.upper(), path) in security.OPEN
            if path.startswith("/v1/"):
                assert bool(operation.get("security")) != is_open, f"{method} {path}"
                assert ("401" in operation["responses"]) or is_open, f"{method} {path}"


def test_all_references_lead_somewhere(stage: Stage) -> None:
    document = stage.app.openapi()
    schemas = document["components"]["schemas"]
    for name in re.findall(r"'#/components/schemas/([^']+)'", str(document)):
        assert name in schemas
    assert "Problem" in schemas
    assert "ValidationError" not in schemas
