"""Passwords, kept as Argon2id. A check takes the same work whether there is such a password or not."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from photoplay.errors import RequestError

LENGTH = (12, 200)
"""Fewest and most characters of a password."""
DISTINCT = 5
"""Fewest different characters."""
AT_ONCE = 4
"""Checks that run at the same time in one process: each takes 19 MiB."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_ROOM = threading.BoundedSemaphore(AT_ONCE)


def hash_password(password: str) -> str:
    """What is kept of a password.

    Errors: RequestError ``password_weak``.
    """
    text = _folded(password) if len(password) <= LENGTH[1] else ""
    if not LENGTH[0] <= len(text) <= LENGTH[1] or len(set(text)) < DISTINCT:
        raise RequestError(
            "password_weak",
            "This password cannot be used.",
            f"Use {LENGTH[0]} to {LENGTH[1]} characters, {DISTINCT} of them different: words that do not belong together.",
        )
    return _hashed(text)


def password_holds(kept: str | None, password: str) -> bool:
    """Whether this is the password of which ``kept`` was kept; as much work for None, which nothing fits."""
    if len(password) > LENGTH[1]:
        kept, password = None, password[: LENGTH[1]]
    hashed = _nobodys() if kept is None else kept
    try:
        with _ROOM:
            fits = _HASHER.verify(hashed, _bytes(_folded(password)))
    except (VerificationError, InvalidHashError):
        return False
    return fits and kept is not None


def outdated(kept: str) -> bool:
    """Whether a password was kept with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hashed(secrets.token_urlsafe(32))


def _hashed(text: str) -> str:
    with _ROOM:
        return _HASHER.hash(_bytes(text))


def _folded(password: str) -> str:
    """One spelling of the same characters, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
