"""One archive of everything that cannot be made again: the database, the uploads and films, and the trust folder.

The archive is an uncompressed tar whose last member, ``manifest.json``, holds the size and SHA-256 of every other one. The
database is copied first, by SQLite's online backup, while the service goes on: a film that is finished after that is in the
archive without a row, and the janitor sweeps it. The archive holds keys, so nobody else can read it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, TypeAlias, get_args

from sqlalchemy.engine import make_url

from photoplay.errors import InputError, UnavailableError
from photoplay.finishing.atomic import replacing
from photoplay.safety.certificates import data_home
from photoplay.safety.private import sync
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.storage import store_folder
from photoplay.version import __version__

Part: TypeAlias = Literal["database", "store", "trust"]
PARTS: tuple[Part, ...] = get_args(Part)
MANIFEST, DATABASE, SECRET = "manifest.json", "database/photoplay.db", "database/secret"
FORMAT = 1
LARGEST_MANIFEST = 256 << 20
NOT_TRUST = frozenset({"models"})
"""What lies in photoplay's folder and can be fetched again."""
TRUST = ("audit", "blocklist", ".blocklist.seen", "consent", "development-certificate", "works")
"""What must not be there yet where a trust folder is put back."""
UNFINISHED = re.compile(r".*(\.part|#\d+)|\.(fetching|check|backup)-.*")
"""Names of files that nobody has finished writing."""


@dataclass(frozen=True)
class Done:
    """How much was written or read."""

    files: int
    bytes: int


# --- out -------------------------------------------------------------------------------------------------------------------


def back_up(settings: Settings, out: Path, parts: Sequence[Part] = PARTS) -> Done:
    """Writes the archive; it appears whole or not at all.

    Raises:
        UnavailableError: ``backup_elsewhere``: the database or the store is not on this machine; ``backup_failed``.
    """
    places = _places(settings, parts)
    try:
        with (
            replacing(out) as draft,
            open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            return _fill(archive, settings, places, out.parent)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise UnavailableError(
            "backup_failed",
            "The backup could not be written.",
            "See whether the disk has space and the files are readable, and try again.",
        ) from error


def _fill(archive: tarfile.TarFile, settings: Settings, places: Mapping[Part, Path], scratch: Path) -> Done:
    entries: dict[str, dict[str, Any]] = {}
    if "database" in places:
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".backup-") as folder:
            copy = Path(folder) / "copy.db"
            _copy_database(places["database"], copy)
            _add(archive, entries, DATABASE, copy)
        _add(archive, entries, SECRET, settings.data / "secret")
    if "store" in places:
        for name, path in _files(places["store"], ()):
            _add(archive, entries, f"store/{name}", path)
    if "trust" in places:
        with _log_at_rest(places["trust"]):
            for name, path in _files(places["trust"], _apart(settings)):
                _add(archive, entries, f"trust/{name}", path)
    manifest = {
        "format": FORMAT,
        "photoplay": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "parts": list(places),
        "files": entries,
    }
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mode = len(data), 0o600
    archive.addfile(member, io.BytesIO(data))
    return Done(len(entries), sum(int(one["bytes"]) for one in entries.values()))


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online backup; the copy is checked. Raises sqlite3.Error: there is none, or the copy is not whole.

    All pages in one go: in steps it would begin anew whenever somebody writes. Writers go on meanwhile (WAL).
    """
    target.touch(0o600)
    address = f"{source.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=10)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=-1)
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the copy is not whole")


def _add(archive: tarfile.TarFile, entries: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    """Adds a file at rest: whoever writes it holds its lock. One that is gone by now was deleted, and is left out."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        state = os.fstat(file.fileno())
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = state.st_size, 0o600, int(state.st_mtime)
        reader = _Hashing(file)
        archive.addfile(member, reader)
        entries[name] = {"bytes": state.st_size, "sha256": reader.sha256.hexdigest()}


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        return data


def _files(folder: Path, without: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The plain files of a folder with their names in it, sorted; unfinished ones and links are left out."""
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if here / name not in without)
        for name in sorted(names):
            path = here / name
            if path.is_file() and not path.is_symlink() and not UNFINISHED.fullmatch(name):
                yield path.relative_to(folder).as_posix(), path


@contextmanager
def _log_at_rest(home: Path) -> Iterator[None]:
    """The audit log and its head belong together: nobody adds an entry until both are copied."""
    with ExitStack() as stack:
        with suppress(FileNotFoundError):
            log = stack.enter_context((home / "audit" / "audit.jsonl").open("rb"))
            fcntl.flock(log, fcntl.LOCK_SH)
        yield


# --- and back --------------------------------------------------------------------------------------------------------------


def read_back(settings: Settings, archive: Path, check_only: bool = False) -> Done:
    """Checks an archive against its manifest, to the byte, and then puts everything back.

    Raises:
        InputError: ``backup_damaged``: it is no archive of ours, or not what its manifest says; ``restore_taken``: something
            is already where it would go.
        UnavailableError: ``backup_elsewhere``, ``restore_failed``.
    """
    if not archive.is_file():
        raise InputError("backup_missing", "There is no such archive.", "Give the file of a backup.")
    try:
        with tarfile.open(archive, mode="r:") as tar:
            manifest, members = _checked(tar)
            places = _places(settings, manifest["parts"]) if not check_only else {}
            if not check_only:
                _put_back(tar, members, places, settings)
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise _damaged() from error
    except OSError as error:
        raise UnavailableError(
            "restore_failed",
            "The archive could not be put back; what was put back already is gone again.",
            "See whether the disk has space and the folders can be written.",
        ) from error
    return Done(len(members), sum(member.size for member in members.values()))


def _checked(tar: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, tarfile.TarInfo]]:
    """The manifest and the members that it names. Raises InputError, ValueError, KeyError: not what it says."""
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        if not member.isreg() or member.name in members or not _is_safe(member.name):
            raise _damaged()
        members[member.name] = member
    last = members.pop(MANIFEST)
    if last.size > LARGEST_MANIFEST:
        raise _damaged()
    manifest = json.loads(_opened(tar, last).read())
    files = manifest["files"]
    if manifest["format"] != FORMAT or not set(manifest["parts"]) <= set(PARTS) or set(files) != set(members):
        raise _damaged()
    for name, member in members.items():
        with _opened(tar, member) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if (member.size, digest) != (files[name]["bytes"], files[name]["sha256"]):
            raise _damaged()
    return manifest, members


def _put_back(
    tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], places: Mapping[Part, Path], settings: Settings
) -> None:
    """Puts every member in its place, where nothing is yet; takes all of them away again when one cannot be put."""
    targets = {name: _target(name, places, settings) for name in members}
    if any(path.exists() for path in targets.values()) or any(_is_taken(part, at) for part, at in places.items()):
        raise InputError(
            "restore_taken",
            "There is a service or a trust folder already, and nothing is written over.",
            "Restore into new folders: set PHOTOPLAY_HOME (and PHOTOPLAY_DATA), or move the old ones away.",
        )
    done: list[Path] = []
    try:
        for name, member in members.items():
            target = targets[name]
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (
                replacing(target) as draft,
                _opened(tar, member) as source,
                open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            ):
                shutil.copyfileobj(source, file)
                sync(file)
            done.append(target)
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def _target(name: str, places: Mapping[Part, Path], settings: Settings) -> Path:
    if name == DATABASE:
        return places["database"]
    if name == SECRET:
        return settings.data / "secret"
    part, _, rest = name.partition("/")
    if part not in ("store", "trust"):
        raise _damaged()
    return places["store" if part == "store" else "trust"] / rest


def _is_taken(part: Part, place: Path) -> bool:
    """Whether something of this part is there already."""
    if part == "database":
        return place.exists()
    if part == "store":
        return place.is_dir() and any(place.iterdir())
    return any((place / name).exists() for name in TRUST)


def _is_safe(name: str) -> bool:
    """Whether a member's name stays inside the folder that it is put into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and "\\" not in name


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader:
    file = tar.extractfile(member)
    if not isinstance(file, io.BufferedReader):
        raise _damaged()
    return file


def _places(settings: Settings, parts: Sequence[Part]) -> dict[Part, Path]:
    """Where the parts lie on this machine.

    Raises:
        UnavailableError: ``backup_elsewhere``.
    """
    found: dict[Part, Path] = {}
    if "database" in parts:
        url = make_url(settings.database_url)
        if not url.drivername.startswith("sqlite") or not url.database:
            raise _elsewhere("The database is a server's", "Back it up with pg_dump --format=custom")
        found["database"] = Path(url.database)
    if "store" in parts:
        if (folder := store_folder(settings)) is None:
            raise _elsewhere("Uploads and films lie in a bucket", "Copy that with its own tools")
        found["store"] = folder
    if "trust" in parts:
        found["trust"] = data_home()
    return found


def _apart(settings: Settings) -> tuple[Path, ...]:
    """Folders inside the trust folder that are not part of it."""
    home, store = data_home(), store_folder(settings)
    return (*(home / name for name in NOT_TRUST), settings.data, settings.work, *([store] if store else []))


def _elsewhere(what: str, how: str) -> UnavailableError:
    return UnavailableError(
        "backup_elsewhere",
        f"{what}, so this command cannot copy it.",
        f"{how}, and the rest with --part (docs/service/backup.md).",
    )


def _damaged() -> InputError:
    return InputError(
        "backup_damaged",
        "This is no archive of `photoplay service backup`, or it is not what its manifest says.",
        "Take another copy. Nothing was restored.",
    )
