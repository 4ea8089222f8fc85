"""Random names of things: they say what something is and nothing else, and nobody can guess the next one."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Literal, TypeAlias

Prefix: TypeAlias = Literal["tenant", "user", "key", "upload", "video", "transfer", "worker", "delivery", "request"]
BYTES = 17
"""Random bytes in an id: 26 characters of base32 hold 130 of their 136 bits."""
LENGTH = 26


def new_id(prefix: Prefix) -> str:
    """``prefix`` and 26 characters of base32 in lower case (130 random bits), such as ``video_k5q…``."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(BYTES)).decode().lower()[:LENGTH]}"


def token_digest(token: str) -> str:
    """What is kept of a token. SHA-256 is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
