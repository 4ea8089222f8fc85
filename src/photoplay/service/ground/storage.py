"""Where uploads and films lie: a local folder, or a bucket of an S3 server. An object is there whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import LocalStore, S3Store

from photoplay.errors import UnavailableError
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.safe_settings import address, make_private
from photoplay.service.ground.settings import Settings

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import S3Config

Backing: TypeAlias = LocalStore | S3Store
KEY = re.compile(r"[a-z0-9_][a-z0-9_.-]*(/[a-z0-9_][a-z0-9_.-]*)*")
LONGEST_KEY = 512
CHUNK = 2 * 1024 * 1024
"""Bytes that are read at a time."""
PART = 8 * 1024 * 1024
"""Bytes of a part of an upload to S3; a file that is no longer goes in one request."""
UNFINISHED = re.compile(r".*#\d+")
"""What a local write is called until it is whole; one that a crash left behind keeps that name."""
PATIENCE = timedelta(seconds=60)
TRIES = 4
"""Times that a request to a bucket is made again, and that a file is written."""


class Store:
    """Objects by key, such as ``uploads/{tenant}/{upload}``: small letters, digits and ``_ . -`` between slashes.

    Every method raises UnavailableError ``storage_down`` when the store cannot be reached, and ValueError for a key that
    is none: keys are made by the service, never by who asks.
    """

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._folder = backing.prefix if isinstance(backing, LocalStore) else None

    def __repr__(self) -> str:
        return f"Store({'s3' if self._folder is None else 'folder'})"

    def put(self, key: str, data: bytes | Path, media_type: str) -> int:
        """Stores an object, in place of one that was there, and returns its bytes. When it returns the object is safe."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        with _reached():
            if self._folder is None:
                obstore.put(self._backing, _key(key), data, attributes={"Content-Type": media_type}, chunk_size=PART)
            else:
                self._put_file(_key(key), data)
                _keep(self._folder, key)
        return size

    def get(self, key: str) -> bytes:
        """A whole object. Raises NotFoundError."""
        with _reached():
            return bytes(obstore.get(self._backing, _key(key)).bytes())

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes ``start`` to ``end`` (not included; None: the last) in pieces. Raises NotFoundError at once.

        Each piece is a request of its own, so that nobody who reads slowly runs into the store's time limit; all of them
        are of one version of the object.
        """
        meta = self._meta(key)
        last = meta["size"] if end is None else min(end, meta["size"])
        return self._pieces(key, range(max(0, start), last, CHUNK), last, meta["e_tag"])

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            return int(self._meta(key)["size"])
        except NotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Removes an object for good, where there is one."""
        try:
            with _reached():
                obstore.delete(self._backing, _key(key))
        except NotFoundError:
            return

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys below ``prefix``, which ends with a whole name: ``films/tenant_a`` holds nothing of ``tenant_ab``."""
        return (meta["path"] for meta in self._metas(prefix))

    def older(self, prefix: str, before: float) -> Iterator[str]:
        """The keys below ``prefix`` of objects that were stored before that time."""
        return (meta["path"] for meta in self._metas(prefix) if meta["last_modified"].timestamp() < before)

    def fetch(self, key: str, path: Path) -> None:
        """Copies an object to the file ``path``, which is there whole or not at all. Raises NotFoundError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fetching-")
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in self.stream(key):
                    file.write(piece)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def check(self) -> None:
        """Whether the store answers."""
        try:
            with _reached():
                next(iter(obstore.list(self._backing, "uploads", chunk_size=1)), None)
        except NotFoundError as error:
            raise _down() from error  # the bucket is gone

    def tidy(self, before: float) -> int:
        """Removes what writes that never ended left in the folder before that time, and says how many. A bucket has a rule
        of its own for that (docs/service/settings.md)."""
        if self._folder is None:
            return 0
        walk = os.walk(self._folder)  # unlike rglob it takes no offence at a folder that goes meanwhile
        found = (Path(at) / name for at, _, names in walk for name in names if UNFINISHED.fullmatch(name))
        left = [path for path in found if _is_older(path, before)]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _put_file(self, key: str, data: bytes | Path) -> None:
        """In a folder that falls empty at that moment, and so goes, the next try makes it anew."""
        for left in reversed(range(TRIES)):
            try:
                obstore.put(self._backing, key, data)
                return
            except GenericError:
                if not left:
                    raise

    def _metas(self, prefix: str) -> Iterator[ObjectMeta]:
        with _reached():
            for some in obstore.list(self._backing, _key(prefix.rstrip("/")) if prefix else None, chunk_size=1000):
                yield from some

    def _meta(self, key: str) -> ObjectMeta:
        with _reached():
            return obstore.head(self._backing, _key(key))

    def _pieces(self, key: str, starts: range, last: int, version: str | None) -> Iterator[bytes]:
        for start in starts:
            with _reached():
                options: GetOptions = {"range": (start, min(start + CHUNK, last)), "if_match": version}
                piece = bytes(obstore.get(self._backing, key, options=options).bytes())
            yield piece


def open_store(settings: Settings) -> Store:
    """The store of an installation.

    Raises:
        UnavailableError: ``storage_unsupported``: the address is neither a folder nor an S3 bucket.
    """
    if (folder := store_folder(settings)) is not None:
        make_private(folder)
        return Store(LocalStore(folder.resolve(), automatic_cleanup=True))
    parts = address(settings.storage_url)
    if parts.scheme == "s3" and parts.netloc and not (parts.query or parts.fragment):
        return Store(_bucket(settings, parts.netloc, parts.path.strip("/")))
    raise UnavailableError(
        "storage_unsupported",
        "The address of the store is neither a folder nor an S3 bucket.",
        "Set PHOTOPLAY_STORAGE_URL to a folder or to s3://bucket/prefix.",
    )


def store_folder(settings: Settings) -> Path | None:
    """The folder that the store lies in; None where it is a bucket, or nothing that is known."""
    parts = address(settings.storage_url)
    if parts.scheme == "file" and not parts.netloc:
        return Path(unquote(parts.path))
    return None if "://" in settings.storage_url else Path(settings.storage_url)


def _bucket(settings: Settings, bucket: str, prefix: str) -> S3Store:
    access: S3Config = {}
    if settings.s3_key and settings.s3_secret:
        access["access_key_id"] = settings.s3_key.get_secret_value()
        access["secret_access_key"] = settings.s3_secret.get_secret_value()
    if settings.s3_endpoint:
        access["endpoint"] = settings.s3_endpoint
    return S3Store(
        bucket,
        prefix=prefix or None,
        region=settings.s3_region,
        virtual_hosted_style_request=not settings.s3_endpoint,
        client_options={"allow_http": bool(settings.s3_endpoint), "timeout": PATIENCE, "connect_timeout": PATIENCE / 6},
        retry_config={"max_retries": TRIES, "retry_timeout": PATIENCE},
        config=access,
    )


def _key(key: str) -> str:
    if len(key) > LONGEST_KEY or not KEY.fullmatch(key) or ".." in key:
        raise ValueError("a key holds small letters, digits, dots, dashes and underscores between slashes")
    return key


@contextmanager
def _reached() -> Iterator[None]:
    """Turns the store's errors into photoplay's: theirs hold addresses and paths."""
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError() from None
    except (BaseError, OSError, NotImplementedError) as error:
        raise _down() from error


def _down() -> UnavailableError:
    return UnavailableError(
        "storage_down", "The store of films and uploads cannot be reached.", "Try again in a moment."
    )


def _keep(folder: Path, key: str) -> None:
    """Waits until a file and the folders that name it are on the disk: a film must outlast a power cut."""
    path = folder / key
    for one in (path, *path.relative_to(folder).parents):
        handle = os.open(folder / one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
