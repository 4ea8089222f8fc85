"""What only the service raises, in the one tree of :mod:`photoplay.errors`.

    PhotoplayError
    ├── UnauthorizedError     nobody is signed in, or the key or password does not hold   401
    ├── ForbiddenError        signed in, but this is not allowed: scope, plan, CSRF       403
    ├── NotFoundError         it is not there, or not yours: the same answer              404
    ├── ConflictError         it does not fit with what is there already                  409
    ├── QuotaError            the credits do not suffice                                  402
    └── TooManyError          not now; ``retry_after`` says when (whole seconds)          429, 503

Each has its code, message and hint. ``NotFoundError`` never tells whether somebody else has the thing.
"""

from __future__ import annotations

from math import ceil

from photoplay.errors import PhotoplayError


class UnauthorizedError(PhotoplayError):
    """Nobody is signed in, or the key, link or password does not hold."""


class ForbiddenError(PhotoplayError):
    """Somebody is signed in, but may not do this."""


class NotFoundError(PhotoplayError):
    """What was asked for is not there, or belongs to somebody else."""

    def __init__(
        self,
        code: str = "not_found",
        message: str = "There is nothing by this id.",
        hint: str = "Look at the list: it may have been deleted, or its time is over.",
    ) -> None:
        super().__init__(code, message, hint)


class ConflictError(PhotoplayError):
    """The request does not fit with what is there already."""


class QuotaError(PhotoplayError):
    """The credits do not suffice."""


class TooManyError(PhotoplayError):
    """Not now: a limit is reached. ``retry_after`` is in whole seconds, at least 1."""

    def __init__(self, code: str, message: str, hint: str, retry_after: float) -> None:
        super().__init__(code, message, hint)
        self.retry_after = max(1, ceil(retry_after))

    def __reduce__(self) -> tuple[type[PhotoplayError], tuple[str, str, str, int]]:  # type: ignore[override]
        return type(self), (self.code, self.message, self.hint, self.retry_after)
