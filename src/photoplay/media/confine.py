"""The child's side of decoding: give up rights first, then parse, then answer. Standard library only.

An answer is four bytes (length, big endian), that many bytes of JSON, then raw pixels or samples. A failure is the JSON
``{"error": code}`` alone. The parent believes nothing that it has not checked.
"""

from __future__ import annotations

import json
import os
import resource
from typing import Any, Final

ANSWER: Final = 1
"""File descriptor that answers go to."""


def confine(memory: int, cpu_seconds: int) -> None:
    """Limits this process for good: address space in bytes, processor time, no writing, no new files, no core dump.

    Call it after the last import: from here on no file can be opened, so no parser can be talked into reading one.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for kind, wanted in limits.items():
        ceiling = resource.getrlimit(kind)[1]
        value = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
        resource.setrlimit(kind, (value, value))


def read_input(limit: int) -> bytes:
    """All bytes of the file that the parent handed over as standard input (at most ``limit``)."""
    os.lseek(0, 0, os.SEEK_SET)
    parts = []
    while limit > 0 and (part := os.read(0, min(limit, 1 << 24))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def answer(header: dict[str, Any]) -> None:
    """Writes one header."""
    text = json.dumps(header, separators=(",", ":")).encode()
    send(len(text).to_bytes(4, "big") + text)


def send(body: bytes | memoryview) -> None:
    """Writes the pixels or samples that a header announced."""
    rest = memoryview(body).cast("B")
    while rest:
        rest = rest[os.write(ANSWER, rest) :]


def fail(code: str) -> None:
    """Answers with a refusal code."""
    answer({"error": code})
