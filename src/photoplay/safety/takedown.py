"""A takedown: a picture or film, what it was made of and all that came of it are blocked, with a signed receipt."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from photoplay.errors import RefusedError
from photoplay.safety.consent.tokens import ALGORITHM, thumbprint
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Work
from photoplay.safety.pdq import LEAST_QUALITY, NEAR, from_hex, pdq, to_hex
from photoplay.safety.recipe import canonical
from photoplay.types import Rgb

TYPE = "photoplay-takedown+jwt"
LISTS = ("takedown.sha256", "takedown.pdq")


@dataclass(frozen=True)
class Receipt:
    """What a takedown did: ``token`` is a compact JWS of it by this installation's key.

    ``works`` are ids of films that were found to come from it, ``files`` those of their files that still lie where they were
    put (whoever runs this decides about them), ``blocked`` the new lines of the blocklist.
    """

    works: tuple[str, ...]
    files: tuple[Path, ...]
    blocked: int
    token: str


def take_down(guard: Guard, *, id_: str = "", sha256: str = "", pictures: Sequence[Rgb] = ()) -> Receipt:
    """Blocks something and its derivatives.

    Args:
        guard: whose ledger is searched, whose blocklist grows and whose key signs.
        id_: a work's number, as its watermark or ``photoplay verify`` tell it.
        sha256: the digest of a file: a photo, or a film of photoplay.
        pictures: what it shows: a photo, or frames of a film, for near copies.

    Raises:
        RefusedError: ``takedown_unknown``: nothing says what shall be taken down; ``takedown_failed``: it could not be
            written down whole. Then it must be tried again: what was blocked already stays blocked.
    """
    hashes = [hashed for hashed in map(pdq, pictures) if hashed.quality >= LEAST_QUALITY]
    try:
        works = tuple(_related(guard.ledger.works(), id_, sha256, [hashed.turned for hashed in hashes]))
        if not (works or sha256 or hashes):
            raise RefusedError(
                "takedown_unknown",
                "Nothing of that number was made here.",
                "Give the file itself: the photo or the film.",
            )
        digests = {sha256} - {""} | {digest for work in works for digest in work.digests}
        marks = {source.pdq for work in works for source in work.sources if source.quality >= LEAST_QUALITY}
        marks |= {to_hex(hashed.turned[0]) for hashed in hashes}
        new = _block(guard.blocklist.folder, digests, marks)
        files = tuple(path for work in works for path in _remaining(work))
        said = _statement(works, digests, marks)
        token = _signed(said, guard)
        guard.audit.append("takedown", "done", about={"receipt": hashlib.sha256(token.encode()).hexdigest()})
    except (OSError, ValueError) as error:
        raise RefusedError(
            "takedown_failed",
            "The takedown could not be carried out whole.",
            "See whether photoplay's folder can be written and its ledger is whole, then try again.",
        ) from error
    return Receipt(tuple(work.id for work in works), files, new, token)


def _related(works: Iterable[Work], id_: str, sha256: str, turned: Sequence[Any]) -> Iterable[Work]:
    """Works of that number, from or with that file, or from a picture that looks alike."""
    from photoplay.safety.pdq_kernels import nearest

    for work in works:
        listed = [from_hex(source.pdq) for source in work.sources if source.quality >= LEAST_QUALITY]
        alike = listed and any(nearest(np.stack(listed), asked) <= NEAR for asked in turned)
        if work.id == id_ or sha256 in work.digests or alike:
            yield work


def _block(folder: Path, digests: set[str], marks: set[str]) -> int:
    """Adds lines to the installation's own lists; returns how many are new."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = 0
    for name, wanted in zip(LISTS, (digests, marks), strict=True):
        path = folder / name
        known = set(path.read_text(encoding="ascii").split()) if path.exists() else set()
        lines = sorted(wanted - known)
        with path.open("a", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new += len(lines)
    return new


def _remaining(work: Work) -> Iterable[Path]:
    """Files of a work that still lie where they were put, unchanged."""
    for release in work.releases:
        path = Path(release.path)
        if path.is_file():
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == release.sha256:
                    yield path


def _statement(works: Sequence[Work], digests: set[str], marks: set[str]) -> dict[str, Any]:
    return {
        "takedown": 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "works": [work.id for work in works],
        "sha256": sorted(digests),
        "pdq": sorted(marks),
    }


def _signed(said: dict[str, Any], guard: Guard) -> str:
    """A compact JWS (RFC 7515) of its own type, so that a receipt is never taken for a consent record."""
    from joserfc import jws
    from joserfc.jwk import OKPKey

    key = guard.records.issuer()
    header = {"alg": ALGORITHM, "kid": thumbprint(key), "typ": TYPE}
    return jws.serialize_compact(header, canonical(said).encode(), OKPKey.import_key(key), algorithms=[ALGORITHM])


def read_receipt(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """What a receipt says that the holder of ``key`` signed.

    Raises:
        RefusedError: ``receipt_invalid``: somebody else signed it, it was changed, or it is no receipt.
    """
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import OKPKey

    try:
        found = jws.deserialize_compact(token, OKPKey.import_key(key), algorithms=[ALGORITHM])
        said = json.loads(found.payload)
        if found.headers()["typ"] != TYPE or said["takedown"] != 1:
            raise ValueError("another kind of token")
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            "receipt_invalid",
            "This is not a takedown's receipt of that installation.",
            "Give the file as it was written.",
        ) from error
    return dict(said)
