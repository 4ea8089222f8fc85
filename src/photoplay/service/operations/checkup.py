"""Whether the service can run here, part by part, before it is started."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from photoplay.errors import PhotoplayError
from photoplay.generation.backends import get_backend
from photoplay.safety.certificates import data_home, default_signer
from photoplay.service.ground.database import Database
from photoplay.service.ground.safe_settings import make_private, unsafe
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.storage import open_store, store_folder
from photoplay.weights import store as weights

LEAST_FREE = 2_000_000_000
"""Bytes; with less the disk is soon full."""
LOCK_PROBE = (
    "import fcntl, sys\n"
    "file = open(sys.argv[1], 'r+b')\n"
    "try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    "except BlockingIOError: sys.exit(42)\n"
)
HELD = 42


@dataclass(frozen=True)
class Finding:
    """What was found of one part; ``weak``: it runs, but not as it should."""

    name: str
    state: Literal["fine", "weak", "failed"]
    message: str
    hint: str = ""


def check_up(settings: Settings) -> list[Finding]:
    """Looks at every part. Changes nothing but files of its own, which it removes."""
    return [*_settings(settings), _database(settings), _store(settings), _trust(), _signer(settings),
            *_backends(settings), _disk(settings)]  # fmt: skip


def _settings(settings: Settings) -> Iterator[Finding]:
    found = unsafe(settings)
    for sentence in found:
        yield Finding("settings", "failed", f"{sentence}.", "docs/service/settings.md explains every setting.")
    if not found:
        yield Finding("settings", "fine", "hosted" if settings.hosted else "on one's own machine")


def _database(settings: Settings) -> Finding:
    try:
        make_private(settings.data)
        with closing(Database(settings.database_url)) as database:
            database.check()
            return Finding("database", "fine", database.engine.dialect.name)
    except PhotoplayError as error:
        return Finding("database", "failed", error.message, error.hint)


def _store(settings: Settings) -> Finding:
    key, data = f"check/{secrets.token_hex(8)}", secrets.token_bytes(1000)
    try:
        store = open_store(settings)
        store.check()
        try:
            store.put(key, data, "application/octet-stream")
            whole = store.get(key) == data
        finally:
            store.delete(key)
    except PhotoplayError as error:
        return Finding("store", "failed", error.message, error.hint)
    if not whole:
        return Finding("store", "failed", "It gives back other bytes than were put in.", "Look at the object store.")
    return Finding("store", "fine", "a bucket" if store_folder(settings) is None else "a folder")


def _trust() -> Finding:
    """Records, lists, log and ledger need a file system with private files, rename in place and locks between processes."""
    home = data_home()
    path, moved = (home / f".check-{secrets.token_hex(6)}" for _ in range(2))
    hint = "docs/service/trust.md says what the file system must be able to do."
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                probe = subprocess.run([sys.executable, "-c", LOCK_PROBE, str(path)], check=False, timeout=30)
                private = not os.fstat(file.fileno()).st_mode & 0o077
            path.replace(moved)
        finally:
            path.unlink(missing_ok=True)
            moved.unlink(missing_ok=True)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("trust folder", "failed", "It cannot be written, or knows no locks.", hint)
    if probe.returncode != HELD:
        return Finding("trust folder", "failed", "A lock did not hold against another process.", hint)
    if not private:
        return Finding("trust folder", "weak", "Files in it cannot be made private.", hint)
    return Finding("trust folder", "fine", "private, with locks")


def _signer(settings: Settings) -> Finding:
    try:
        default_signer()
    except PhotoplayError as error:
        return Finding("signature", "failed", error.message, error.hint)
    if os.environ.get("PHOTOPLAY_SIGN_CERT"):
        return Finding("signature", "fine", "your own certificate")
    return Finding(
        "signature",
        "weak" if settings.hosted else "fine",
        "this machine's development certificate",
        "Nobody else trusts it: set PHOTOPLAY_SIGN_CERT and PHOTOPLAY_SIGN_KEY." if settings.hosted else "",
    )


def _backends(settings: Settings) -> Iterator[Finding]:
    """Only what lies here: a web process needs none of it, a worker all of its own."""
    for name in settings.backends:
        try:
            needs = get_backend(name).capabilities
        except PhotoplayError as error:
            yield Finding(name, "failed", error.message, error.hint)
            continue
        missing = [package for package in needs.packages if find_spec(package.partition(".")[0]) is None]
        if needs.models and not set(needs.models) & set(weights.installed()):
            missing.append(f"the model {needs.models[0]}")
        yield Finding(
            name,
            "weak" if missing else "fine",
            f"missing here: {', '.join(missing)}" if missing else "ready",
            "Workers need it: `photoplay backends` says how to add it." if missing else "",
        )


def _disk(settings: Settings) -> Finding:
    place: Path = settings.work
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    words = f"{free / 1e9:.1f} GB free for unfinished films"
    if free < LEAST_FREE:
        return Finding("disk", "weak", words, "Make room: films in work need some hundred MB each.")
    return Finding("disk", "fine", words)
