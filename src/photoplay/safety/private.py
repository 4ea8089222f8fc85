"""What nobody else may read: files (0600) whose content outlasts a crash, and folders (0700) whose content does not."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from photoplay.errors import RequestError

HIDDEN = ".photoplay-"
"""How the names of folders begin that hold what is not sealed yet."""
FORGOTTEN = 86_400.0
"""Seconds after which nobody waits any more for a folder that is not here (the list may be several machines')."""


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


@contextmanager
def unsealed_folder(place: Path, home: Path) -> Iterator[Path]:
    """A hidden folder in ``place`` that its owner alone can open, for what is not sealed yet. It goes at the end.

    Where its process is killed it stays, but ``home`` remembers it: the next such folder of whatever place begins with the
    removal of all those whose owners are gone. A folder whose owner lives is locked.

    Raises:
        RequestError: ``out_unwritable``: nothing can be written in ``place``.
    """
    remembered = home / "unsealed"
    remove_abandoned(remembered)
    try:
        folder, handle = _own_folder(place)
    except OSError as error:
        raise unwritable() from error
    link = remembered / folder.name
    with suppress(OSError):
        remembered.mkdir(parents=True, exist_ok=True, mode=0o700)
        link.symlink_to(folder.absolute())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            if not folder.exists():
                link.unlink()
        if handle is not None:
            os.close(handle)


def unwritable() -> RequestError:
    """Nothing can be written in a folder: it may not be, the disk is full or read-only, or it has gone."""
    return RequestError(
        "out_unwritable",
        "Nothing can be written into the folder for the film.",
        "Name another folder, or see who may write there and whether its disk has room.",
    )


def remove_abandoned(remembered: Path) -> None:
    """Removes the folders that killed processes left. What cannot be removed now stays for the next time."""
    for link in remembered.glob(f"{HIDDEN}*"):
        with suppress(OSError):
            folder = link.readlink()
            if folder.name != link.name:
                continue
            if (handle := _locked_folder(folder)) is not None:
                try:
                    shutil.rmtree(folder)
                    link.unlink(missing_ok=True)
                finally:
                    os.close(handle)
            elif not os.path.lexists(folder) and time.time() - link.lstat().st_mtime > FORGOTTEN:
                link.unlink(missing_ok=True)


def _own_folder(place: Path) -> tuple[Path, int | None]:
    """A new folder and its lock; None on a disk that has no locks, where nobody else takes it for abandoned either."""
    for _ in range(3):
        folder = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=place))
        handle = _locked_folder(folder)
        if handle is not None or folder.is_dir():
            return folder, handle
    raise OSError("a folder that does not stay")


def _locked_folder(folder: Path) -> int | None:
    """The descriptor that holds a folder's lock; None where it is another process's, gone or no folder of this user's."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = os.fstat(handle)
        if now.st_nlink and now.st_uid == os.geteuid():
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
