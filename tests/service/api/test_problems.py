from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from photoplay import errors
from photoplay.errors import PhotoplayError
from photoplay.service.api.problems import STATUSES, answer, documented, status_of
from photoplay.service.ground import errors as service


def every(kind: type[PhotoplayError]) -> Iterator[type[PhotoplayError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from every(one)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InputError("a", "b.", "c."), 422),
        (errors.MediaError("a", "b.", "c."), 422),
        (errors.RequestError("a", "b.", "c."), 422),
        (errors.SceneError("a", "b.", "c."), 422),
        (errors.RefusedError("a", "b.", "c."), 403),
        (errors.ConsentError("a", "b.", "c."), 403),
        (errors.ReviewError("a", "b.", "c."), 422),
        (errors.UnavailableError("a", "b.", "c."), 503),
        (errors.CancelledError(), 409),
        (service.NotFoundError(), 404),
        (service.UnauthorizedError("a", "b.", "c."), 401),
        (service.ForbiddenError("a", "b.", "c."), 403),
        (service.ConflictError("a", "b.", "c."), 409),
        (service.QuotaError("a", "b.", "c."), 402),
        (service.TooManyError("rate_limited", "b.", "c.", 7), 429),
        (service.TooManyError("queue_full", "b.", "c.", 7), 503),
        (service.TooManyError("looker_busy", "b.", "c.", 7), 503),
        (PhotoplayError("a", "b.", "c."), 500),
    ],
)
def test_the_tree_as_statuses(error: PhotoplayError, status: int) -> None:
    assert status_of(error) == status
    answered = answer(error)
    said = json.loads(bytes(answered.body))
    assert (answered.status_code, said["status"], answered.media_type) == (status, status, "application/problem+json")
    assert ("retry-after" in answered.headers) == (status in (429, 503))
    assert ("www-authenticate" in answered.headers) == (status == 401)
    if status != 500:
        assert (said["code"], said["detail"], said["hint"]) == (error.code, error.message, error.hint)
        assert said["error"]["code"] == error.code
        assert said["error"]["message"].startswith(error.message)


def test_every_error_of_the_tree_has_a_status() -> None:
    mapped = tuple(kind for kind, _ in STATUSES)
    for kind in every(PhotoplayError):
        ours = kind.__module__.startswith("photoplay.") and not kind.__module__.startswith("photoplay.client.")
        if kind is not PhotoplayError and ours:
            assert issubclass(kind, mapped), kind


def test_retry_after_is_what_the_limit_says() -> None:
    assert answer(service.TooManyError("rate_limited", "b.", "c.", 6.2)).headers["retry-after"] == "7"
    assert answer(errors.UnavailableError("a", "b.", "c.")).headers["retry-after"] == "30"


def test_what_is_ours_says_nothing_of_itself() -> None:
    told = bytes(answer(PhotoplayError("secret_place", "/var/lib/secret", "…")).body)
    assert b"secret" not in told
    assert json.loads(told)["code"] == "internal"


def test_documented_problems() -> None:
    told = documented(404, 429)
    assert set(told) == {400, 404, 429}
    assert "Retry-After" in told[429]["headers"]
    assert "headers" not in told[404]
