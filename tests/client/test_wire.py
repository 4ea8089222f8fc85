from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import photoplay
from photoplay import errors
from photoplay.client import Client, ServiceError, wire
from photoplay.client.wire import Wire, error_of
from photoplay.errors import CancelledError, PhotoplayError, UnavailableError
from photoplay.media.refusals import REFUSALS
from photoplay.service.api import problems
from photoplay.service.ground import errors as service_errors
from photoplay.service.ground.errors import TooManyError

SOURCE = Path(photoplay.__file__).parent
NOT_SERVED = ("cli", "training", "weights", "client", "device", "release", "media/decode", "service/operations/")
TWICE = {"backdrop_missing", "backdrop_people"}
"""Codes that are raised as two kinds of errors, depending on where it is found out."""


def raised() -> list[tuple[str, type[PhotoplayError]]]:
    """Every code that stands in the source of what a service runs, with the class that it is raised as."""
    known = {
        name: kind
        for name, kind in {**vars(errors), **vars(service_errors)}.items()
        if isinstance(kind, type) and issubclass(kind, PhotoplayError)
    }
    found = {(code, errors.MediaError) for code in REFUSALS}
    for file in SOURCE.rglob("*.py"):
        where = file.relative_to(SOURCE).as_posix()
        if where.startswith((*NOT_SERVED, "motion/importers", "motion/capture", "motion/keying", "pipeline/replay")):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    found.add((code.value, known[node.func.id]))
    return sorted(found, key=lambda one: (one[0], one[1].__name__))


def test_every_code_comes_back_as_the_error_that_it_was() -> None:
    wrong = []
    for code, kind in raised():
        made = TooManyError(code, "", "", 1) if kind is TooManyError else kind(code, "", "")
        status = problems.status_of(made)
        wanted = kind if hasattr(errors, kind.__name__) else ServiceError
        if status != 500 and code not in TWICE and type(error_of(code, "m", "h", status)) is not wanted:
            wrong.append((code, kind.__name__, type(error_of(code, "m", "h", status)).__name__))
    assert wrong == []
    assert len(raised()) > 150


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("consent_revoked", "ConsentError"),
        ("content_refused", "RefusedError"),
        ("review_failed", "ReviewError"),
        ("needs_right_arm", "SceneError"),
        ("no_face", "SceneError"),
        ("cancelled", "CancelledError"),
        ("job_poisoned", "ServiceError"),
    ],
)
def test_a_job_that_failed_has_a_code_alone(code: str, kind: str) -> None:
    assert type(error_of(code, "m", "h")).__name__ == kind


def test_service_errors_cross_process_borders() -> None:
    error = pickle.loads(pickle.dumps(ServiceError("rate_limited", "Slow.", "Wait.", 429, 7.0)))
    assert (error.code, error.status, error.retry_after) == ("rate_limited", 429, 7.0)


def test_importing_the_client_loads_neither_httpx_nor_models() -> None:
    asked = "import sys, photoplay.client; print([m for m in ('httpx', 'numpy', 'mediapipe') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(UnavailableError) as caught:
        Client()
    assert caught.value.code == "client_missing"


class Answers:
    """A transport that gives these answers, one after the other; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def wired(*answers: httpx.Response | Exception) -> tuple[Wire, Answers]:
    made = Answers(*answers)
    return Wire("http://service", "pp_key", 5.0, httpx.MockTransport(made)), made


def busy(after: str = "3", status: int = 503) -> httpx.Response:
    said = {"code": "queue_full", "detail": "Full.", "hint": "Wait."}
    return httpx.Response(status, headers={"retry-after": after}, json=said)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []
    monkeypatch.setattr(wire.time, "sleep", naps.append)
    return naps


def test_what_changes_nothing_is_asked_again(slept: list[float]) -> None:
    asking, answers = wired(busy("3"), httpx.ConnectError("away"), httpx.Response(200, json={}))
    assert asking.ask("GET", "/x").status_code == 200
    assert slept[0] == 3.0
    assert len(answers.asked) == 3
    assert answers.asked[0].headers["authorization"] == "Bearer pp_key"


def test_what_changes_something_is_asked_once(slept: list[float]) -> None:
    asking, answers = wired(busy())
    with pytest.raises(ServiceError) as caught:
        asking.ask("POST", "/x")
    assert (caught.value.code, caught.value.retry_after) == ("queue_full", 3.0)
    assert (len(answers.asked), slept) == (1, [])


def test_long_waits_are_left_to_the_caller(slept: list[float]) -> None:
    asking, _ = wired(busy("3600", 429))
    with pytest.raises(ServiceError) as caught:
        asking.ask("GET", "/x")
    assert caught.value.retry_after == 3600
    assert slept == []


def test_nobody_answers(slept: list[float]) -> None:
    asking, answers = wired(*(httpx.ConnectError("away") for _ in range(wire.TRIES)))
    with pytest.raises(UnavailableError) as caught:
        asking.ask("GET", "/x")
    assert caught.value.code == "service_unreachable"
    assert len(answers.asked) == wire.TRIES


def test_attack_an_answer_that_is_no_problem(slept: list[float]) -> None:
    asking, _ = wired(httpx.Response(500, text="<html>"), httpx.Response(403, json=[1]), httpx.Response(302))
    for _ in range(3):
        with pytest.raises(PhotoplayError) as caught:
            asking.ask("POST", "/x")
        assert caught.value.code == "http_error"
    assert isinstance(error_of("cancelled", "", ""), CancelledError)
