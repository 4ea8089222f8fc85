"""The store of open weights: a folder for each model, and a manifest that every file is checked against before use.

    <models_folder>/<name>/manifest.json     sizes, SHA-256, licence, where it is from
    <models_folder>/<name>/files/            the model, unless it was added where it lies
    <models_folder>/<name>/checked.json      in which state its files were when they were last hashed

A model is in the store when its folder is there under its own name. It is put together under a hidden name and renamed
when it is whole, so work that was killed leaves nothing that looks installed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from photoplay.errors import InputError, UnavailableError
from photoplay.types import Progress, StageEvent, silent
from photoplay.weights import manifest as manifests
from photoplay.weights.hashing import Seen, look, recall, remember
from photoplay.weights.manifest import FILE, FILES, Manifest, ModelFile, altered
from photoplay.weights.screening import RULES, check_content, check_name, check_whole, model_files

PULLING = ".pulling"
"""The hidden folder for downloads that are not finished."""
SPARE = 2**30
"""Bytes of the disk that are left free."""
THREADS = 4
"""Files hashed at once."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def models_folder() -> Path:
    """Where models are kept: ``$PHOTOPLAY_MODELS``, or ``models`` in photoplay's folder (``$PHOTOPLAY_HOME``)."""
    if own := os.environ.get("PHOTOPLAY_MODELS"):
        return Path(own)
    if home := os.environ.get("PHOTOPLAY_HOME"):
        return Path(home) / "models"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "photoplay" / "models"


def place_of(name: str) -> Path:
    """The folder of a model in the store, whether it is there or not. Raises InputError ``model_name``."""
    if not _NAME.fullmatch(name):
        raise InputError(
            "model_name",
            "A model cannot have this name.",
            "Use up to 64 small letters, digits, dots and dashes, starting with a letter or digit.",
        )
    return models_folder() / name


def add(name: str, folder: Path, *, backend: str, licence: str, copy: bool = False) -> Manifest:
    """Takes a local model into the store: a folder as ``save_pretrained`` writes it, or a single safetensors file.

    The files stay where they are, and must stay there, unless ``copy``; a single file is always copied. Adding the same
    model again changes nothing.

    Raises:
        InputError: ``model_name``, ``model_unsafe``, ``model_broken``, ``model_empty``, ``model_absent`` (no such folder),
            ``model_unreadable``, ``model_exists`` (another model has this name).
        UnavailableError: ``disk_full``, ``store_unwritable``.
    """
    place = place_of(name)
    source, names = _source(Path(folder))
    listed = _screened(source, names)
    if place.exists():
        return _same_again(manifest(name), listed)
    with staged(f".new-{name}-{secrets.token_hex(4)}") as work:
        if copy or Path(folder).is_file():
            _copy(source, names, work / FILES)
            source = work / FILES
            listed = _screened(source, names)  # again: what was copied may have changed meanwhile
        settle(Manifest(name, backend, licence, source.absolute(), listed), work)
    return manifest(name)


def manifest(name: str) -> Manifest:
    """What is written down about a model of the store. Its files are not looked at: see :func:`folder`.

    Raises:
        UnavailableError: ``model_missing``, ``model_altered``.   InputError: ``model_name``, ``model_unsafe``.
    """
    place = place_of(name)
    if not (place / FILE).is_file():
        raise UnavailableError(
            "model_missing",
            f"The model “{name}” is not on this machine.",
            f"Get it with `photoplay models pull {name}`, or `photoplay models add {name} FOLDER` if you have it.",
        )
    found = manifests.read(place)
    if found.name != name:
        raise altered(name, "its manifest is another model's")
    return found


def manifest_digest(name: str) -> str:
    """Hex SHA-256 that is equal for equal models wherever they lie; for recipes. Raises as :func:`manifest`."""
    return manifest(name).digest


def folder(name: str, progress: Progress = silent) -> Path:
    """The folder of a model, every file of which was found to be the one that came in.

    A file is hashed once, and again when it was written to or put in another's place. Settings are looked into as often,
    and when the rules for them have changed since. ``progress`` counts bytes.

    Raises:
        UnavailableError: ``model_missing``, ``model_altered``.
        InputError: ``model_name``, ``model_unsafe``, ``model_broken``.
    """
    found = manifest(name)
    _check(found, progress)
    return found.folder


def verify(name: str, progress: Progress = silent) -> Manifest:
    """Hashes every file of a model anew, whatever is remembered. Raises as :func:`folder`."""
    found = manifest(name)
    _check(found, progress, anew=True)
    return found


def installed() -> tuple[str, ...]:
    """The names of the models in the store, sorted. Looks only for manifests, so it is quick."""
    try:
        places = sorted(models_folder().iterdir())
    except OSError:
        return ()
    return tuple(place.name for place in places if _NAME.fullmatch(place.name) and (place / FILE).is_file())


def unfinished() -> tuple[str, ...]:
    """The names of the models of which a pull brought a part and then broke off, sorted."""
    parts = sorted((models_folder() / PULLING).glob(f"*/{FILES}"))
    return tuple(part.parent.name for part in parts if any(path.is_file() for path in part.rglob("*")))


def remove(name: str) -> int:
    """Takes a model out of the store, with what was downloaded of it so far; returns the bytes that this freed.

    Files that were added where they lie are left alone.

    Raises:
        UnavailableError: ``model_missing``, ``store_unwritable``.   InputError: ``model_name``.
    """
    place = place_of(name)
    parts = models_folder() / PULLING / name
    if not place.exists() and not parts.exists():
        manifest(name)
    freed = 0
    for gone in (place, parts):
        if gone.exists():
            with staged(f".gone-{name}-{secrets.token_hex(4)}") as work:
                gone.rename(work / "model")
                freed += sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    return freed


@contextmanager
def staged(hidden: str) -> Iterator[Path]:
    """A new folder under a hidden name in the store, gone afterwards with all that was not renamed.

    Raises:
        UnavailableError: ``store_unwritable``.
    """
    work = models_folder() / hidden
    try:
        work.mkdir(parents=True)
        yield work
    except OSError as error:
        raise no_room(error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def settle(found: Manifest, work: Path) -> None:
    """Makes ``work``, a folder in the store that holds a whole model, the model that it is: from here on it is installed.

    Raises:
        InputError: ``model_exists``.
    """
    manifests.write(found, work)
    try:
        work.rename(place_of(found.name))
    except OSError as error:
        if place_of(found.name).exists():
            raise _taken(found.name) from error
        raise


def need_space(size: int) -> None:
    """Raises UnavailableError ``disk_full`` where ``size`` bytes do not fit beside what else the disk needs."""
    base = models_folder()
    base.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(base).free
    if size + SPARE > free:
        raise UnavailableError(
            "disk_full",
            f"This model needs {size / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free.",
            "Make room, or set PHOTOPLAY_MODELS to a folder on a larger disk.",
        )


def _source(given: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds what was given, and the names of the model's files in it."""
    if given.is_dir():
        return given, model_files(given)
    if given.is_file():
        return given.parent, (check_name(given.name).as_posix(),)
    raise InputError("model_absent", "There is no such folder or file.", "Give the folder that holds the model.")


def _screened(source: Path, names: tuple[str, ...]) -> tuple[ModelFile, ...]:
    """Looks into each file and hashes it. Hashing leaves Python's lock free, so several are hashed at once."""
    try:
        for path in names:
            check_content(source / path, path)
        check_whole(source, names)
        with ThreadPoolExecutor(THREADS) as pool:
            seen = pool.map(look, [source / path for path in names])
            return tuple(ModelFile(path, each.size, each.sha256) for path, each in zip(names, seen, strict=True))
    except OSError as error:
        raise InputError(
            "model_unreadable", "This model's files cannot be read.", "Check that you may read all of them."
        ) from error


def _copy(source: Path, names: tuple[str, ...], target: Path) -> None:
    """Copies a model's files, and nothing else that lies beside them."""
    need_space(sum((source / path).stat().st_size for path in names))
    for path in names:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def _check(found: Manifest, progress: Progress, anew: bool = False) -> None:
    """Compares a model's folder with its manifest: the same files, neither more nor fewer, of the same content."""
    if not found.folder.is_dir():
        raise altered(found.name, "its folder is gone")
    there, recorded = set(model_files(found.folder)), {file.path for file in found.files}
    if there != recorded:
        odd = sorted(there ^ recorded)[0]
        raise altered(found.name, f"“{odd}” is {'missing' if odd in recorded else 'new'}")
    for file in found.files:
        if (found.folder / file.path).stat().st_size != file.size:
            raise altered(found.name, f"“{file.path}” has another size")
    place = place_of(found.name)
    known = {} if anew else recall(place)

    def at(file: ModelFile) -> Seen:
        return look(found.folder / file.path, known.get(file.path), anew)

    done, now = 0, {}
    with ThreadPoolExecutor(THREADS) as pool:
        for file, seen in zip(found.files, pool.map(at, found.files), strict=True):
            if seen.sha256 != file.sha256:
                raise altered(found.name, f"“{file.path}” has changed")
            seen = _looked_into(found.folder, file.path, seen)
            if seen.settled:
                now[file.path] = seen
            done += file.size
            progress(StageEvent("verify", done, found.bytes, file.path))
    check_whole(found.folder, recorded)
    if now != known:
        remember(place, now)


def _looked_into(base: Path, path: str, seen: Seen) -> Seen:
    """Looks into a file of settings that was not looked into in this state under today's rules. Raises InputError."""
    if seen.rules == RULES or not path.lower().endswith(".json"):
        return seen
    check_content(base / path, path)
    return replace(seen, rules=RULES)


def _same_again(there: Manifest, files: tuple[ModelFile, ...]) -> Manifest:
    """The model that is there, if it is the one that is added. Raises InputError ``model_exists``."""
    if {*there.files} != {*files} or not there.folder.is_dir():
        raise _taken(there.name)
    return there


def _taken(name: str) -> InputError:
    return InputError(
        "model_exists",
        f"There is already a model called “{name}”.",
        f"Choose another name, or take that one out first: `photoplay models rm {name}`.",
    )


def no_room(error: OSError) -> UnavailableError:
    """What to tell when the store's folder cannot be written to."""
    if error.errno == errno.ENOSPC:
        return UnavailableError(
            "disk_full", "The disk is full.", "Make room, or set PHOTOPLAY_MODELS to a larger disk."
        )
    return UnavailableError(
        "store_unwritable",
        "The folder of the models cannot be written to.",
        "Set PHOTOPLAY_MODELS to a folder that can.",
    )
