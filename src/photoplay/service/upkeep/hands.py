"""How much a worker has in hand: one film in the making, and beside it one that is made and is being put away.

DBOS looks at each queue again and again, and asks before whether there is room for another film. That question is answered
here, only when there is and a film waits: while a film is made nobody asks the database, the next one is taken at the moment
at which it is made, and an idle worker asks something cheap until a film comes. What waits without being seen that way,
because it is taken over from a dead worker, is found by DBOS's own look once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from threading import Condition

from dbos._core import ActiveWorkflowById

LONGEST = 1.0
"""Seconds after which a look gets its answer in any case."""
LOOK = 0.03
"""Seconds between two cheap looks of an idle worker."""
SELDOM = 5.0
"""Seconds that a look at a queue of DBOS's own waits: photoplay puts nothing into any."""
TURN = 0.2
"""Seconds that one queue gets to take a film before another one is looked at."""
MADE = 1
"""Films that may wait to be put away while the next is made: where the store is away there are no more and more of them."""


class Hands(ActiveWorkflowById):
    """The films of a worker's ``queues``: DBOS counts what runs for each queue, here they are counted together.

    ``waits`` says of a queue whether a film waits in it.
    """

    def __init__(self, queues: Collection[str], waits: Callable[[str], bool]) -> None:
        super().__init__()
        self._queues, self._waits = frozenset(queues), waits
        self._changed = Condition(self._lock)
        self._made: set[str] = set()
        self._turn = ("", 0.0)
        self._full = False

    def count_for_queue(self, queue_name: str) -> int:
        """0 as soon as there is room for a film of this queue and one waits, 1 where there is no room within a second."""
        if queue_name not in self._queues:
            with self._changed:
                self._changed.wait_for(lambda: self._full, SELDOM)
            return super().count_for_queue(queue_name)
        end = time.monotonic() + LONGEST
        while True:
            over = time.monotonic() >= end
            with self._changed:
                if self._full or (over and not self._has_room(queue_name)):
                    return 1
                if not self._has_room(queue_name):
                    self._changed.wait(TURN)
                    continue
            waits = over or self._waits(queue_name)
            with self._changed:
                if waits and self._has_room(queue_name):
                    self._turn = (queue_name, time.monotonic() + TURN)
                    return 0
                self._changed.wait(LOOK)

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
