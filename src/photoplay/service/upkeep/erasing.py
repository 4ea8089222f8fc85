"""Erasing a person from a service: what :mod:`photoplay.safety.erase` does for this installation, and the store's films.

The ledger alone knows which films show somebody, and erasure empties it. So what lies in the store goes first: where that
fails nothing is forgotten, and the same call does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from photoplay.safety.erase import Erasure, erase, theirs
from photoplay.safety.guard import Guard
from photoplay.service.engine import Hub
from photoplay.service.upkeep.janitor import withdraw


@dataclass(frozen=True)
class Erased:
    """How many films and uploads of the service went, of whatever account, and what was erased besides."""

    removed: int
    rest: Erasure


def erase_person(hub: Hub, guard: Guard, subject: str, now: float) -> Erased:
    """Removes everything of the person with this id from the service and its installation.

    Films that show them go, and the uploads of photos that show nobody else for sure: what films of several people were
    made of may show only somebody else.

    Raises:
        RefusedError: as :func:`photoplay.safety.erase.erase`; nothing is removed then.
        UnavailableError: the store or the database is away. Try again.
    """
    found = theirs(guard, subject)
    removed = withdraw(hub, found.digests, now)
    return Erased(removed, erase(guard, subject, found=found))
