"""Where models are pulled from: a model hub or its mirror over HTTP, or a folder with the same repositories.

Paths are those of the Hugging Face hub (https://huggingface.co/docs/hub/api): ``/api/models/<repo>/revision/<rev>``,
``/api/models/<repo>/tree/<rev>?recursive=true`` and ``/<repo>/resolve/<rev>/<path>``.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from photoplay.errors import InputError, UnavailableError
from photoplay.version import __version__
from photoplay.weights.screening import MAX_FILES, leads_out, unsafe

HUB = "https://huggingface.co"
TIMEOUT = 30.0
BLOCK = 2**20
MAX_ANSWER = 64 * 2**20
"""Bytes of a listing that are read at most."""
MAX_PAGES = 1000
"""Pages of a listing that are asked for at most; the hub puts 1000 files on each."""


class DroppedError(Exception):
    """The connection broke off while a file came in; what came so far is good."""


@dataclass(frozen=True)
class Listed:
    """A file as the hub lists it: ``sha256`` of large files, ``git`` (the blob's SHA-1) of the small ones, where told."""

    path: str
    size: int
    sha256: str | None = None
    git: str | None = None


@runtime_checkable
class Source(Protocol):
    """A place with repositories of models."""

    @property
    def title(self) -> str:
        """The place in a few words, for people and manifests."""
        ...

    def newest(self, repo: str) -> str:
        """The newest commit of a repository."""
        ...

    def listing(self, repo: str, commit: str) -> tuple[Listed, ...]:
        """All files of a repository."""
        ...

    def read(self, repo: str, commit: str, path: str, start: int) -> tuple[int, Iterator[bytes]]:
        """A file's bytes from ``start`` on, or from an earlier place; that place comes first."""
        ...


def source() -> Source:
    """The hub, or what ``$PHOTOPLAY_MIRROR`` names: an address that answers as the hub does, or a folder."""
    mirror = os.environ.get("PHOTOPLAY_MIRROR", "")
    if mirror and Path(mirror).is_dir():
        return Shelf(Path(mirror))
    if mirror and urllib.parse.urlsplit(mirror).scheme not in {"http", "https"}:
        raise InputError(
            "mirror_unusable",
            "PHOTOPLAY_MIRROR is neither a folder nor a web address.",
            "Set it to a folder that holds OWNER/REPOSITORY folders, or to an address that starts with https://.",
        )
    return Hub(mirror.rstrip("/") or HUB)


@dataclass(frozen=True)
class Shelf:
    """A folder with ``OWNER/REPOSITORY/…``, as `hf download --local-dir` or a copied disk gives it. It has no history."""

    folder: Path

    @property
    def title(self) -> str:
        return "a local folder"

    def newest(self, repo: str) -> str:  # noqa: ARG002
        """What stands for a commit here."""
        return "local"

    def listing(self, repo: str, commit: str) -> tuple[Listed, ...]:  # noqa: ARG002
        """All files below the repository's folder. Raises UnavailableError ``model_absent_there``."""
        base = self.folder / repo
        if not base.is_dir():
            raise _absent()
        found = []
        for path in sorted(base.rglob("*")):
            if path.is_file():
                if not path.resolve().is_relative_to(base.resolve()):
                    raise leads_out()
                found.append(Listed(path.relative_to(base).as_posix(), path.stat().st_size))
        return tuple(found)

    def read(self, repo: str, commit: str, path: str, start: int) -> tuple[int, Iterator[bytes]]:  # noqa: ARG002
        """The file's bytes."""
        stream = (self.folder / repo / path).open("rb")
        stream.seek(start)

        def blocks() -> Iterator[bytes]:
            with stream:
                while block := stream.read(BLOCK):
                    yield block

        return start, blocks()


@dataclass(frozen=True)
class Hub:
    """A hub over HTTP at the address ``base``; no account, no cookies, nothing but GET."""

    base: str

    @property
    def title(self) -> str:
        return urllib.parse.urlsplit(self.base).netloc

    def newest(self, repo: str) -> str:
        """Asks the hub. Raises UnavailableError as :meth:`_open` does, ``mirror_strange`` for an odd answer."""
        answer, _ = self._json(f"{self.base}/api/models/{repo}/revision/main")
        found = answer.get("sha") if isinstance(answer, dict) else None
        if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{40}", found):
            raise _strange()
        return found

    def listing(self, repo: str, commit: str) -> tuple[Listed, ...]:
        """All files, page by page. Raises as :meth:`newest`."""
        found: list[Listed] = []
        address: str | None = f"{self.base}/api/models/{repo}/tree/{commit}?recursive=true"
        pages = 0
        while address:
            answer, following = self._json(address)
            pages += 1
            if not isinstance(answer, list) or pages > MAX_PAGES:
                raise _strange()
            found.extend(_listed(entry) for entry in answer if not _is_folder(entry))
            if len(found) > MAX_FILES:
                raise unsafe(f"This model has more than {MAX_FILES} files.")
            address = f"{address.partition('?')[0]}?{following}" if following else None
        return tuple(found)

    def read(self, repo: str, commit: str, path: str, start: int) -> tuple[int, Iterator[bytes]]:
        """The file from ``start`` on, or from 0 where the hub cannot go on in the middle. Raises DroppedError."""
        address = f"{self.base}/{repo}/resolve/{commit}/{urllib.parse.quote(path)}"
        answer = self._open(address, {"Range": f"bytes={start}-"} if start else {})
        place = 0
        if answer.status == http.client.PARTIAL_CONTENT:
            place = start
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                answer.close()
                raise _strange()
        return place, _blocks(answer)

    def _json(self, address: str) -> tuple[Any, str]:
        """An answer, and the query of the page after it (empty: there is none)."""
        with self._open(address, {}) as answer:
            try:
                content = answer.read(MAX_ANSWER + 1)
                link = re.search(r'<[^>?]*\?([^>]*)>;\s*rel="next"', answer.headers.get("Link", ""))
                if len(content) > MAX_ANSWER:
                    raise _strange()
                return json.loads(content), link.group(1) if link else ""
            except (ValueError, RecursionError) as error:
                raise _strange() from error
            except (OSError, http.client.HTTPException) as error:
                raise _offline() from error

    def _open(self, address: str, headers: dict[str, str]) -> Any:
        """A GET. Raises UnavailableError: ``model_gated``, ``model_absent_there``, ``mirror_busy``, ``offline``."""
        request = urllib.request.Request(address, headers={"User-Agent": f"photoplay/{__version__}", **headers})
        try:
            return _opener().open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            raise _refused(error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _offline() from error


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only: a redirect cannot lead to a file of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _blocks(answer: Any) -> Iterator[bytes]:
    with answer:
        while True:
            try:
                block = answer.read(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise DroppedError from error
            if not block:
                return
            yield block


def _is_folder(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "directory"


def _listed(entry: Any) -> Listed:
    """One line of a listing, checked."""
    large = entry.get("lfs") if isinstance(entry, dict) else None
    path, size = (entry.get("path"), entry.get("size")) if isinstance(entry, dict) else (None, None)
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise _strange()
    if isinstance(large, dict):
        digest = large.get("oid")
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise _strange()
        return Listed(path, size, sha256=digest)
    git = entry.get("oid")
    return Listed(path, size, git=git if isinstance(git, str) and re.fullmatch(r"[0-9a-f]{40}", git) else None)


def _offline() -> UnavailableError:
    return UnavailableError(
        "offline",
        "The place where models are pulled from does not answer.",
        "Check the connection, or set PHOTOPLAY_MIRROR to a mirror or to a folder with the repositories. "
        "A model that you have as a folder comes in with `photoplay models add NAME FOLDER`.",
    )


def _refused(status: int) -> UnavailableError:
    if status in {401, 403}:
        return UnavailableError(
            "model_gated",
            "This model is handed out only to those who signed its terms, and photoplay does not log in.",
            "Sign them where it is published, download it there, and use `photoplay models add NAME FOLDER`.",
        )
    if status in {404, 410}:
        return _absent()
    if status == 416:
        return _strange()
    return UnavailableError(
        "mirror_busy", f"The place where models are pulled from is busy ({status}).", "Try again later."
    )


def _absent() -> UnavailableError:
    return UnavailableError(
        "model_absent_there",
        "The model is not there, or not in the revision that photoplay knows.",
        "Look where it is published now, download it, and use `photoplay models add NAME FOLDER`.",
    )


def _strange() -> UnavailableError:
    return UnavailableError(
        "mirror_strange",
        "The place where models are pulled from answers as no model hub does.",
        "Check PHOTOPLAY_MIRROR, or whether this network asks you to log in first.",
    )
