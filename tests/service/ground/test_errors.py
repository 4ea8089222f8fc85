from __future__ import annotations

import pickle

import pytest

from photoplay.errors import PhotoplayError
from photoplay.service.ground import errors

KINDS = (
    errors.UnauthorizedError,
    errors.ForbiddenError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.QuotaError,
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_and_what_next_and_crosses_processes(kind: type[PhotoplayError]) -> None:
    error = pickle.loads(pickle.dumps(kind("a_code", "What went wrong.", "What to do.")))
    assert type(error) is kind
    assert (error.code, error.message, error.hint) == ("a_code", "What went wrong.", "What to do.")


def test_what_is_not_there_and_what_is_not_yours_are_told_alike() -> None:
    assert errors.NotFoundError().code == "not_found"
    assert pickle.loads(pickle.dumps(errors.NotFoundError())).code == "not_found"


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 1), (-5.0, 1), (0.2, 1), (1.0, 1), (59.01, 60)])
def test_a_wait_is_whole_seconds_and_crosses_processes(seconds: float, told: int) -> None:
    error = pickle.loads(pickle.dumps(errors.TooManyError("code", "Message.", "Hint.", seconds)))
    assert (error.code, error.message, error.hint, error.retry_after) == ("code", "Message.", "Hint.", told)
