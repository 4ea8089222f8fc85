"""Work of which only so much goes on at a time: a few wait for their turn, whoever comes then is told to come again.

Requests wait in threads, and a process has only so many: without a bound, a few slow uploads would stop everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from photoplay.service.ground.errors import TooManyError


class Room:
    """``at_once`` work here and ``waiting`` more wait, for ``seconds`` at most.

    ``full`` is what others are told, who shall come again after ``again_s``.
    """

    def __init__(
        self,
        at_once: int,
        waiting: int,
        seconds: float,
        full: str = "Too many files are being read right now.",
        again_s: float = 3,
    ) -> None:
        self._room = BoundedSemaphore(at_once + waiting)
        self._work = BoundedSemaphore(at_once)
        self._seconds = seconds
        self._full, self._again_s = full, again_s

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn at the work.

        Raises:
            TooManyError: ``looker_busy``.
        """
        if not self._room.acquire(blocking=False):
            raise self._busy()
        try:
            if not self._work.acquire(timeout=self._seconds):
                raise self._busy()
            try:
                yield
            finally:
                self._work.release()
        finally:
            self._room.release()

    def _busy(self) -> TooManyError:
        return TooManyError("looker_busy", self._full, "Try again in a few seconds.", self._again_s)
