"""SHA-256 of large files, and which of them need not be hashed again.

A file that was hashed is known by its state: device, inode, size, and the times of its last change. While the state is the
same, so are the bytes: the time of change (ctime) is set by the system at every write and by nobody else. Git tells changed
files in the same way (https://git-scm.com/docs/racy-git), and as there a file is only remembered when its last change
is some time ago, since two changes within one tick of the clock look the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

FILE = "checked.json"
TICK = 2.0
"""Seconds that must lie between a file's last change and the look at it."""

State: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Seen:
    """A file's state and the hex SHA-256 that it then had; ``settled`` when its last change was some time ago.

    ``rules`` are those of ``screening`` that its content met in this state; 0: it was not looked into.
    """

    state: State
    sha256: str
    settled: bool = True
    rules: int = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.state[2]


def hash_file(path: Path) -> str:
    """Hex SHA-256 of a file, read now."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def look(path: Path, seen: Seen | None = None, anew: bool = False) -> Seen:
    """A file's state and SHA-256.

    It is read where its state is not that of ``seen`` or of a look before in this process, or ``anew``.
    """
    state = _state(path)
    if seen and seen.state == state and not anew:
        return seen
    settled = max(state[3:]) + round(TICK * 1e9) < time.time_ns()
    return Seen(state, _hash_of(path, state) if settled and not anew else hash_file(path), settled)


def recall(place: Path) -> dict[str, Seen]:
    """What was remembered in ``place``; nothing where that cannot be read."""
    try:
        found = json.loads((place / FILE).read_bytes())
        return {
            path: Seen(_as_state(line[:5]), str(line[5]), rules=sum(map(int, line[6:7])))
            for path, line in found.items()
        }
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def remember(place: Path, seen: dict[str, Seen]) -> None:
    """Writes down what was seen. A place that cannot be written to stays as it is."""
    lines = {path: [*each.state, each.sha256, each.rules] for path, each in seen.items()}
    draft = place / f".{FILE}.{os.getpid()}"
    with suppress(OSError):
        draft.write_text(json.dumps(lines))
        draft.rename(place / FILE)


def _state(path: Path) -> State:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _as_state(line: list[int]) -> State:
    device, inode, size, written, changed = map(int, line)
    return device, inode, size, written, changed


@lru_cache(maxsize=10_000)
def _hash_of(path: Path, state: State) -> str:
    del state  # a part of the key: another state of the file is read anew
    return hash_file(path)
