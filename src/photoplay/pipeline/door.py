"""The way in, and what goes on watching once somebody is in: one way for films, previews and replays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from photoplay.device import one_process
from photoplay.errors import PhotoplayError, RefusedError
from photoplay.generation.backends.protocol import Backend
from photoplay.perception.faces import FaceReader
from photoplay.pipeline.settle import check_request, settle
from photoplay.safety.admission import about, admit, check_readable, check_romance
from photoplay.safety.guard import Guard
from photoplay.types import Admitted, Progress, Request, StageEvent

EVERY = 5.0
"""Seconds after which a running job asks again whether everybody still agrees."""


def let_in(request: Request, backend: Backend, guard: Guard) -> Admitted:
    """Settles what a request asks for and admits it, or says why not.

    Raises:
        RequestError: the backend cannot make this.   RefusedError: a gate of admission says no.
        UnavailableError: as :func:`photoplay.device.one_process`.
    """
    one_process()
    check_request(request)
    gates = (check_romance, check_readable) if backend.capabilities.hears_words else ()
    return admit(settle(request, backend), gates, guard, FaceReader())


def watched(progress: Progress, guard: Guard, admitted: Admitted) -> Progress:
    """``progress``, which asks on the way whether everybody still agrees: a model may work for minutes before its first
    frame. Raises as :meth:`Guard.still_agreed`, which ends the work."""
    asked = monotonic()

    def told(event: StageEvent) -> None:
        nonlocal asked
        progress(event)
        if monotonic() - asked >= EVERY:
            guard.still_agreed(admitted)
            asked = monotonic()

    return told


@contextmanager
def accounted(guard: Guard, admitted: Admitted) -> Iterator[None]:
    """Writes into the audit log why work on an admitted request came to nothing, and lets the error go on."""
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, PhotoplayError) else "interrupted"
        with suppress(RefusedError):  # where even that cannot be written, the error that is on its way says more
            guard.audit.append(
                "make", "refused" if isinstance(error, RefusedError) else "failed", code, about(admitted.request)
            )
        raise
