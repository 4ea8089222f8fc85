"""Getting a model of the catalogue: what it would bring, then every file in turn, checked before it counts.

Unfinished files wait in ``<models_folder>/.pulling/<name>``, with the commits that were chosen, and the next pull goes on
there. Small files come first, so that a model which asks for code is refused before its weights are fetched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from photoplay.errors import InputError, UnavailableError
from photoplay.types import Progress, StageEvent, silent
from photoplay.weights import catalogue, store
from photoplay.weights.catalogue import Model, Part
from photoplay.weights.hashing import hash_file
from photoplay.weights.hub import BLOCK, DroppedError, Listed, Source, source
from photoplay.weights.manifest import FILES, Manifest, ModelFile
from photoplay.weights.screening import check_content, check_name, unsafe

INDEX = "model_index.json"
PINS = "pins.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""How weights are published that may run code; they are left where they are."""
TRIES = 5
"""How often a file is asked for again while the connection drops without a byte."""
PAUSE = 1.0
"""Seconds before it is asked for again; doubled each time."""
PASSING = frozenset({"offline", "mirror_busy"})
"""Errors that may be over when a file is asked for again."""


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: ``path`` in the model, ``listed`` as the source has it, ``pinned`` its digest on record."""

    repo: str
    commit: str
    path: str
    listed: Listed
    pinned: str | None


@dataclass(frozen=True)
class Offer:
    """What a pull of ``model`` would bring from ``mirror``."""

    model: Model
    mirror: str
    wanted: tuple[Wanted, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(wanted.listed.size for wanted in self.wanted)

    @property
    def unpinned(self) -> int:
        """How many of the files have no digest on record, so that the mirror's word must be taken."""
        return sum(wanted.pinned is None for wanted in self.wanted)


def survey(name: str) -> Offer:
    """Asks the source what a pull would bring. Fetches listings only.

    Raises:
        InputError: ``model_unknown``, ``model_unsafe``.   UnavailableError: as :mod:`photoplay.weights.hub` says.
    """
    return _survey(catalogue.find(name), source(), _pins(_work(name)))


def pull(name: str, progress: Progress = silent, trust_first: bool = False, offer: Offer | None = None) -> Manifest:
    """Fetches a model of the catalogue into the store, or goes on with a pull that broke off. ``progress`` counts bytes.

    Every file must be of the listed size and digest, and of the digest on record where there is one. Where there is none
    for some file, ``trust_first`` takes the source's word this once and writes it into the manifest. ``offer`` is what
    :func:`survey` told, if that was asked just now. A model that is in the store already stays as it is.

    Raises:
        InputError: ``model_unknown``, ``model_unsafe``, ``model_broken``.
        UnavailableError: ``model_unpinned``, ``model_incomplete_there``, ``download_wrong``, ``download_broken``,
            ``pull_running``, ``disk_full``, ``store_unwritable``, and as :mod:`photoplay.weights.hub` says.
    """
    if name in store.installed():
        return store.manifest(name)
    model, place = catalogue.find(name), source()
    with _claimed(name) as work:
        offer = offer or _survey(model, place, _pins(work))
        if offer.unpinned and not trust_first:
            raise _unpinned(offer)
        (work / PINS).write_text(json.dumps({wanted.repo: wanted.commit for wanted in offer.wanted}))
        here = sum(path.stat().st_size for path in (work / FILES).rglob("*") if path.is_file())
        store.need_space(max(0, offer.bytes - here))
        files, done = [], 0
        for wanted in sorted(offer.wanted, key=lambda wanted: (wanted.path.endswith(".safetensors"), wanted.path)):
            before = done

            def tell(size: int, before: int = before, path: str = wanted.path) -> None:
                progress(StageEvent("pull", before + size, offer.bytes, path))

            digest = _fetch(place, wanted, work / FILES, tell)
            files.append(ModelFile(wanted.path, wanted.listed.size, digest))
            done += wanted.listed.size
        if offer.model.index:
            files.append(_write_index(offer.model, work / FILES))
        _settle(offer, work, tuple(sorted(files, key=lambda file: file.path)))
    return store.manifest(name)


def _survey(model: Model, place: Source, pins: dict[str, str]) -> Offer:
    """Lists every part of a model, at the commits of a pull that broke off where there was one."""
    wanted: list[Wanted] = []
    for part in model.parts:
        commit = part.revision or pins.get(part.repo) or place.newest(part.repo)
        wanted.extend(_wanted(part, commit, place))
    paths = [each.path.casefold() for each in wanted]
    if len({*paths}) != len(paths) or (model.index and INDEX in paths):
        raise unsafe("Two files of this model have the same name.")
    return Offer(model, place.title, tuple(wanted))


def _wanted(part: Part, commit: str, place: Source) -> Iterator[Wanted]:
    """The files of a part; patterns decide by name, and each name is checked before anything is fetched."""
    pinned = dict(part.digests)
    listing = place.listing(part.repo, commit)
    taken = [(listed, path) for listed in listing if (path := part.place(listed.path)) is not None]
    safe = {PurePosixPath(listed.path).parent for listed, path in taken if path.endswith(".safetensors")}
    pickled = {PurePosixPath(listed.path).parent for listed in listing if listed.path.endswith(PICKLES)}
    folders = {PurePosixPath(listed.path).parent for listed, _ in taken}
    if lacking := part.lacking({listed.path for listed in listing}):
        raise UnavailableError(
            "model_incomplete_there",
            f"The model is not whole there: {lacking[0]} is missing.",
            "It was moved or changed. Look where it is published now, and use `photoplay models add NAME FOLDER`.",
        )
    if not safe or (pickled & folders) - safe:
        raise unsafe("Weights of this model are not published as safetensors.")
    for listed, path in taken:
        check_name(path)
        digest = pinned.get(listed.path)
        if digest and listed.sha256 and digest != listed.sha256:
            raise _wrong(path)
        yield Wanted(part.repo, commit, path, listed, digest)


def _work(name: str) -> Path:
    """Where the unfinished files of a model wait."""
    return store.models_folder() / store.PULLING / store.place_of(name).name


@contextmanager
def _claimed(name: str) -> Iterator[Path]:
    """The folder of unfinished work for a model, for this process alone."""
    work = _work(name)
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        with work.with_name(f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnavailableError(
                    "pull_running", f"“{name}” is being pulled already.", "Wait until that is done."
                ) from error
            (work / FILES).mkdir(parents=True, exist_ok=True)
            yield work
    except OSError as error:
        raise store.no_room(error) from error


def _pins(work: Path) -> dict[str, str]:
    """The commits that a pull which broke off had chosen."""
    try:
        found = json.loads((work / PINS).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(repo): str(commit) for repo, commit in found.items()} if isinstance(found, dict) else {}


def _fetch(place: Source, wanted: Wanted, folder: Path, tell: Callable[[int], None]) -> str:
    """Brings one file to the end and returns its SHA-256; it gets its own name only when it is right."""
    whole, part = folder / wanted.path, folder / f"{wanted.path}.part"
    whole.parent.mkdir(parents=True, exist_ok=True)
    if whole.is_file():
        whole.rename(part)
    size, idle = (part.stat().st_size if part.is_file() else 0), 0
    while size < wanted.listed.size or not part.is_file():
        if idle:
            time.sleep(PAUSE * 2**idle)
        before, fault = size, _broken_off()
        try:
            size = _go_on(place, wanted, part, size, tell)
        except UnavailableError as error:
            if error.code not in PASSING:
                raise
            fault = error
        idle = 0 if size > before else idle + 1
        if idle >= TRIES:
            raise fault
    digest = hash_file(part)
    if not _right(wanted, part, digest):
        part.unlink()
        raise _wrong(wanted.path)
    part.rename(whole)
    try:
        check_content(whole, wanted.path)
    except InputError:
        whole.unlink()
        raise
    tell(wanted.listed.size)
    return digest


def _go_on(place: Source, wanted: Wanted, part: Path, have: int, tell: Callable[[int], None]) -> int:
    """Adds what comes to the unfinished file, never more than was listed; returns how much is there now."""
    start, blocks = place.read(wanted.repo, wanted.commit, wanted.listed.path, have)
    with part.open("r+b" if part.is_file() else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        size = start
        try:
            for block in blocks:
                size += len(block)
                if size > wanted.listed.size:
                    break
                stream.write(block)
                tell(size)
        except DroppedError:
            return stream.tell()
    if size > wanted.listed.size:
        part.unlink()
        raise _wrong(wanted.path)
    return size


def _right(wanted: Wanted, part: Path, digest: str) -> bool:
    """Whether a fetched file is the listed one, and the one on record."""
    listed = wanted.listed
    if part.stat().st_size != listed.size or digest not in {listed.sha256 or digest} & {wanted.pinned or digest}:
        return False
    return listed.git is None or _git_blob(part) == listed.git


def _git_blob(path: Path) -> str:
    """What git calls a file: SHA-1 over ``blob <size>\\0`` and its bytes."""
    state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def _write_index(model: Model, folder: Path) -> ModelFile:
    """Writes the pipeline's index of a model whose parts come from several repositories."""
    path = folder / INDEX
    path.write_text(json.dumps(dict(model.index), indent=1))
    check_content(path, INDEX)
    return ModelFile(INDEX, path.stat().st_size, hash_file(path))


def _settle(offer: Offer, work: Path, files: tuple[ModelFile, ...]) -> None:
    """Clears what is not the model's out of the folder, and makes it the installed one."""
    keep = {file.path for file in files}
    for path in sorted((work / FILES).rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(work / FILES).as_posix() not in keep:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    (work / PINS).unlink()
    model = offer.model
    commits = ", ".join(dict.fromkeys(f"{wanted.repo}@{wanted.commit}" for wanted in offer.wanted))
    trusted = offer.mirror if offer.unpinned else ""
    store.settle(Manifest(model.name, model.backend, model.licence, work / FILES, files, commits, trusted), work)


def _unpinned(offer: Offer) -> UnavailableError:
    return UnavailableError(
        "model_unpinned",
        f"For {offer.unpinned} of the {len(offer.wanted)} files of “{offer.model.name}” no digest is on record, "
        "so photoplay cannot tell by itself whether they are the right ones.",
        f"`photoplay models pull {offer.model.name} --trust-first` takes the word of {offer.mirror} this once; from then on "
        "every file is checked against what came.",
    )


def _broken_off() -> UnavailableError:
    return UnavailableError("download_broken", "The download broke off.", "Pull again: it goes on where it stopped.")


def _wrong(path: str) -> UnavailableError:
    return UnavailableError(
        "download_wrong",
        f"The file “{path}” that came is not the one that was listed, and was deleted.",
        "Pull again. If it stays wrong, the mirror is broken or the model was changed: do not use it.",
    )
