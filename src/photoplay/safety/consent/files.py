"""Private files that appear whole under their name or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from photoplay.errors import ConsentError
from photoplay.safety.private import write_new


@contextmanager
def disk_faults() -> Iterator[None]:
    """Faults of the disk as ConsentError ``consent_store``."""
    try:
        yield
    except OSError as error:
        raise store_fault() from error


def make_folders(folder: Path, names: Sequence[str]) -> None:
    """A folder with these folders in it (parents first), all 0700, in one rename. An empty folder may be there already, and
    another process that does the same at the same time may be the one that succeeds.

    Raises:
        ConsentError: ``consent_store``.
    """
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
    with disk_faults():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for name in ("", *names):
            (draft / name).mkdir(mode=0o700)
        try:
            draft.rename(folder)
        except OSError:
            for name in (*reversed(names), ""):
                (draft / name).rmdir()
            if not all((folder / name).is_dir() for name in names):
                raise


def put_new(path: Path, data: bytes) -> None:
    """Writes a new file (0600) that outlasts a crash.

    Raises:
        FileExistsError: there is one of that name.   ConsentError: ``consent_store``.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with disk_faults():
            write_new(draft, data)
        try:
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError as error:
            raise store_fault() from error
        with disk_faults():
            handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    finally:
        draft.unlink(missing_ok=True)


def put_over(path: Path, data: bytes) -> None:
    """Writes a file (0600) in the place of another: at any time one of them is there.

    Raises:
        ConsentError: ``consent_store``.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        put_new(draft, data)
        with disk_faults():
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def read_small(path: Path, largest: int) -> bytes:
    """A file's bytes, never through a link, and never more than one past ``largest``. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(largest + 1)


def store_fault() -> ConsentError:
    """The error for records that cannot be got at."""
    return ConsentError(
        "consent_store",
        "The consent records of this machine cannot be read or written, so none of them counts.",
        "Look after the disk and the rights of the folder; if part of it is missing, restore it from a backup.",
    )
