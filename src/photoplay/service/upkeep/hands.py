"""How much a worker has in hand: one film in the making, and beside it one that is made and is being put away.

DBOS looks at each queue every tenth of a second, and asks before whether there is room for another film. That question is
answered here, only when there is: while a film is made nobody asks the database, and the next one is taken at the moment at
which it is made.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from threading import Condition

from dbos._core import ActiveWorkflowById

LONGEST = 1.0
"""Seconds after which a look is told that there is no room."""
TURN = 0.2
"""Seconds that one queue gets to take a film before another one is looked at."""
MADE = 1
"""Films that may wait to be put away while the next is made: where the store is away there are no more and more of them."""


class Hands(ActiveWorkflowById):
    """The films of a worker's ``queues``: DBOS counts what runs for each queue, here they are counted together."""

    def __init__(self, queues: Collection[str]) -> None:
        super().__init__()
        self._queues = frozenset(queues)
        self._changed = Condition(self._lock)
        self._made: set[str] = set()
        self._turn = ("", 0.0)
        self._full = False

    def count_for_queue(self, queue_name: str) -> int:
        """0 as soon as there is room for a film of this queue; 1 where there is none within a second."""
        if queue_name not in self._queues:
            return super().count_for_queue(queue_name)
        end = time.monotonic() + LONGEST
        with self._changed:
            while not self._has_room(queue_name):
                if self._full or time.monotonic() >= end:
                    return 1
                self._changed.wait(TURN)
            self._turn = (queue_name, time.monotonic() + TURN)
            return 0

    def made(self, workflow: str, yes: bool) -> None:
        """Says whether a film is made, and has only to be put away."""
        with self._changed:
            (self._made.add if yes else self._made.discard)(workflow)
            self._changed.notify_all()

    def fill(self) -> None:
        """There is no room any more, whatever ends: the worker takes nothing new."""
        with self._changed:
            self._full = True
            self._changed.notify_all()

    def _remove(self, key: str, bucket: tuple[str, str | None] | None) -> None:
        super()._remove(key, bucket)
        self.made(key, False)

    def _has_room(self, queue_name: str) -> bool:
        whose, until = self._turn
        if self._full or (whose != queue_name and time.monotonic() < until):
            return False
        running = {key for key, buckets in self._m.items() if any(one and one[0] in self._queues for one in buckets)}
        return running <= self._made and len(running) <= MADE
