"""Pictures that are never used: lists of hashes in a folder that operators sync, read again when a file changes.

A folder holds text files with one hash a line: ``*.sha256`` (the very file) and ``*.pdq`` (the picture, near copies, mirror
images and rotations as well). What follows a hash after a blank or comma, empty lines and lines with ``#`` do not count.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from photoplay.errors import RefusedError
from photoplay.safety.pdq import LEAST_QUALITY, NEAR, pdq
from photoplay.types import Array, Photo, Rgb

DIGITS = 64
"""Hex digits of a SHA-256 digest and of a PDQ hash."""
MAX_BYTES = 2_000_000_000
_LINE = re.compile(rb"^[ \t]*([0-9A-Fa-f]{64})(?:[ \t,;][^\r\n]*)?\r?$|^[ \t]*(?:#[^\r\n]*)?\r?$", re.MULTILINE)


@dataclass(frozen=True)
class HashLists:
    """What a folder's files say: SHA-256 digests [m, 4] in rising order of their first words, PDQ hashes [n, 4]."""

    digests: UInt64[Array, "m 4"] = field(default_factory=lambda: np.empty((0, 4), np.uint64))
    pictures: UInt64[Array, "n 4"] = field(default_factory=lambda: np.empty((0, 4), np.uint64))

    def holds(self, sha256: str) -> bool:
        """Whether the digest is listed."""
        wanted = np.frombuffer(bytes.fromhex(sha256), ">u8").astype(np.uint64)
        first = self.digests[:, 0]
        low, high = np.searchsorted(first, wanted[0], "left"), np.searchsorted(first, wanted[0], "right")
        return bool((self.digests[low:high] == wanted).all(axis=1).any())


class Blocklist:
    """The lists in ``folder``. A list that cannot be read blocks everything: what cannot be checked is not made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
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
                now = self._stamp()
                if now != self._seen:
                    self._lists = _read([self._folder / name for name, _, _ in now])
                    self._seen = now
            except (OSError, ValueError) as error:
                self._seen = None
                raise RefusedError(
                    "blocklist_unreadable",
                    "A blocklist cannot be read, and what cannot be checked is not made.",
                    "Each line of a .sha256 or .pdq file holds one hash of 64 hex digits.",
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
        return hashed.quality >= LEAST_QUALITY and nearest(lists.pictures, hashed.turned) <= NEAR

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

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Names, times and sizes of the folder's lists."""
        if not self._folder.is_dir():
            return ()
        files = sorted(path for path in self._folder.iterdir() if path.suffix in (".sha256", ".pdq"))
        stamps = ((path.name, path.stat()) for path in files)
        return tuple((name, stamp.st_mtime_ns, stamp.st_size) for name, stamp in stamps)


def _read(files: list[Path]) -> HashLists:
    words: dict[str, list[Array]] = {".sha256": [], ".pdq": []}
    for path in files:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("a list that is too large")
        found = np.frombuffer(_packed(path.read_bytes()), ">u8").reshape(-1, 4).astype(np.uint64)
        words[path.suffix].append(found)
    none = np.empty((0, 4), np.uint64)
    digests = np.concatenate([none, *words[".sha256"]])
    pictures = np.concatenate([none, *words[".pdq"]])
    return HashLists(digests[np.argsort(digests[:, 0])], np.ascontiguousarray(pictures[:, ::-1]))


def _packed(text: bytes) -> bytes:
    """The hashes of a list as bytes, 32 each. Raises ValueError where a line is none."""
    bare = text.replace(b"\n", b"")
    if len(bare) % DIGITS == 0 and text.count(b"\n") * DIGITS in (len(bare), len(bare) - DIGITS):
        packed = _plain(text)
        if packed is not None:
            return packed
    found = [match[1] for match in _LINE.finditer(text)]
    if len(found) != text.count(b"\n") + 1:
        raise ValueError("a line that is no hash")
    return bytes.fromhex(b"".join(line for line in found if line).decode("ascii"))


def _plain(text: bytes) -> bytes | None:
    """The fast way for a list of bare hashes, each on its line; None where it is not quite that."""
    lines = np.frombuffer(text if text.endswith(b"\n") else text + b"\n", np.uint8)
    if len(lines) % (DIGITS + 1) or (lines.reshape(-1, DIGITS + 1)[:, -1] != ord("\n")).any():
        return None
    return bytes.fromhex(text.decode("ascii"))  # which leaves out the line ends itself
