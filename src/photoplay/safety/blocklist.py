"""Pictures that are never used: lists of hashes in a folder that operators sync, read again when a file changes.

A folder holds text files with one hash a line: ``*.sha256`` (the very file) and ``*.pdq`` (the picture, near copies, mirror
images and rotations as well). What follows a hash after a blank or comma, empty lines and lines with ``#`` do not count.
No folder means no lists only where none ever was: that there was one is written beside it, as ``.<folder>.seen``.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8, UInt64

from photoplay.errors import RefusedError
from photoplay.safety.pdq import NEAR, pdq
from photoplay.safety.private import locked, sync
from photoplay.types import Array, Photo, Rgb

HASH_BYTES = 32
"""Those of a SHA-256 digest and of a PDQ hash; lists write two hex digits for each."""
MAX_BYTES = 2_000_000_000
KINDS = (".sha256", ".pdq")
OWN = "takedown"
"""Name of the lists that this installation writes itself."""
SETTLED = 0.1
"""Seconds after which a file that changes again shows another time: file systems count in ticks of some milliseconds."""
_Stamp: TypeAlias = tuple[str, int, int, int, int, int]


@dataclass(frozen=True)
class HashLists:
    """What a folder's files say: SHA-256 digests [m, 4] and PDQ hashes [n, 4] as 64-bit words."""

    digests: UInt64[Array, "m 4"] = field(default_factory=lambda: np.empty((0, 4), np.uint64))
    pictures: UInt64[Array, "n 4"] = field(default_factory=lambda: np.empty((0, 4), np.uint64))

    def holds(self, sha256: str) -> bool:
        """Whether the digest is listed."""
        wanted = np.frombuffer(bytes.fromhex(sha256), ">u8").astype(np.uint64)
        likely = self.digests[self.digests[:, 0] == wanted[0]]  # a million take 2 ms: sorting them once would take 190
        return bool((likely == wanted).all(axis=1).any())


class Blocklist:
    """The lists in ``folder``. A list that cannot be read blocks everything: what cannot be checked is not made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._mark = folder.with_name(f".{folder.name}.seen")
        self._known = False
        self._seen: tuple[_Stamp, ...] | None = None
        self._lists = HashLists()

    @property
    def folder(self) -> Path:
        """Where the lists lie."""
        return self._folder

    def lists(self) -> HashLists:
        """The lists as they are now; files are read only where one has changed.

        Raises:
            RefusedError: ``blocklist_unreadable``.
        """
        with self._lock:
            try:
                began = time.time_ns() - int(SETTLED * 1e9)
                now = self._stamp()
                if now != self._seen:
                    self._lists = _read([self._folder / stamp[0] for stamp in now])
                    settled = all(max(changed, written) < began for _, changed, written, *_ in now)
                    self._seen = now if settled else None
            except (OSError, ValueError) as error:
                self._seen = None
                raise RefusedError(
                    "blocklist_unreadable",
                    "A blocklist cannot be read, and what cannot be checked is not made.",
                    "Each line of a .sha256 or .pdq file holds one hash of 64 hex digits. If the lists' folder is gone, "
                    "restore it; an empty one means that nothing is blocked.",
                ) from error
            return self._lists

    def blocks(self, picture: Rgb, sha256: str = "") -> bool:
        """Whether a picture, or the file with this digest, is on a list. A picture in which nothing happens has no
        perceptual hash: it counts by its file alone."""
        lists = self.lists()
        if sha256 and lists.holds(sha256):
            return True
        if not len(lists.pictures):
            return False
        from photoplay.safety.pdq_kernels import nearest

        hashed = pdq(picture)
        return not hashed.blank and nearest(lists.pictures, hashed.turned) <= NEAR

    def check(self, photo: Photo) -> None:
        """Refuses a photo that is on a list.

        Raises:
            RefusedError: ``photo_blocked`` or ``blocklist_unreadable``.
        """
        if self.blocks(photo.pixels, photo.sha256):
            raise RefusedError(
                "photo_blocked",
                "This picture is on a list of pictures that may not be used.",
                "Use another photo. If this is a mistake, ask the operator of this installation.",
            )

    def add(self, digests: Iterable[str], pictures: Iterable[str]) -> int:
        """Adds SHA-256 digests and PDQ hashes, as hex, to the installation's own lists; returns how many are new.

        Raises:
            OSError, ValueError: they cannot be written, or the folder of the lists is gone.
        """
        with self._lock:
            self._exists()
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._exists()
            wanted = zip(KINDS, (digests, pictures), strict=True)
            return sum(_append(self._folder / f"{OWN}{kind}", set(lines)) for kind, lines in wanted)

    def _exists(self) -> bool:
        """Whether the folder is there. Raises OSError or ValueError where it was and is no more, or may be and is not
        within reach: a link that leads nowhere, a folder above it that is not there for now."""
        try:
            self._folder.lstat()
        except FileNotFoundError:
            above = next(folder for folder in self._folder.absolute().parents if os.path.lexists(folder))
            if self._known or os.path.lexists(self._mark) or not above.is_dir():
                raise ValueError("a folder of lists that is gone") from None
            return False
        if not stat.S_ISDIR(self._folder.stat().st_mode):
            raise ValueError("lists that are no folder")
        if not self._known:
            with suppress(OSError):  # a folder that may not be marked is remembered here alone
                self._mark.touch(0o600, exist_ok=False)
            self._known = True
        return True

    def _stamp(self) -> tuple[_Stamp, ...]:
        """Name, times, size and place of each of the folder's lists."""
        if not self._exists():
            return ()
        stamps = []
        for path in sorted(path for path in self._folder.iterdir() if path.suffix.lower() in KINDS):
            now = path.stat()
            if not stat.S_ISREG(now.st_mode):
                raise ValueError("a list that is no file")
            stamps.append((path.name, now.st_ctime_ns, now.st_mtime_ns, now.st_size, now.st_ino, now.st_dev))
        return tuple(stamps)


def _append(path: Path, wanted: set[str]) -> int:
    """Adds those lines to a list that it does not hold yet; returns how many."""
    with locked(path) as file:
        text = file.read()
        new = sorted({line.lower().encode("ascii") for line in wanted} - set(text.lower().split()))
        if new:
            file.write(b"" if text.endswith(b"\n") or not text else b"\n")
            file.write(b"\n".join([*new, b""]))
            sync(file)
    return len(new)


def _read(files: list[Path]) -> HashLists:
    words: dict[str, list[Array]] = {kind: [] for kind in KINDS}
    for path in files:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("a list that is too large")
        words[path.suffix.lower()].append(_packed(path.read_bytes()).view(">u8").astype(np.uint64))
    none = np.empty((0, 4), np.uint64)
    digests = np.concatenate([none, *words[".sha256"]])
    pictures = np.concatenate([none, *words[".pdq"]])
    return HashLists(digests, np.ascontiguousarray(pictures[:, ::-1]))


def _packed(text: bytes) -> UInt8[Array, "n 32"]:
    """The hashes of a list as bytes. Raises ValueError where a line is none."""
    from photoplay.safety.blocklist_kernels import read_hashes

    found = np.empty((text.count(b"\n") + 1, HASH_BYTES), np.uint8)
    count = read_hashes(np.frombuffer(text, np.uint8), found)
    if count < 0:
        raise ValueError("a line that is no hash")
    return found[:count]
