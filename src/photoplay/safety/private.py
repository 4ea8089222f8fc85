"""Files that nobody else may read (0600), whose content outlasts a crash once it is written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet. Raises OSError, FileExistsError where it is."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        sync(file)


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """A file open for reading and writing, made where there is none, for one process at a time. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def sync(file: BinaryIO) -> None:
    """Waits until everything that was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())
