"""A takedown: a photo or film, the one picture that a film was made of, and all that came of it are blocked, with a signed
receipt.

What else films were made of is told, and blocked only where that is asked for: the several photos of a film may show other
people than the one who complains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from photoplay.errors import RefusedError
from photoplay.safety.consent.tokens import ALGORITHM, sign
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import DamagedWorksError, SourceMark, Work
from photoplay.safety.pdq import LEAST_QUALITY, NEAR, PdqHash, from_hex, pdq
from photoplay.safety.recipe import canonical
from photoplay.types import Rgb
from photoplay.weights.hashing import hash_file

TYPE = "photoplay-takedown+jwt"
"""A receipt's own type, so that it is never taken for a consent record."""


@dataclass(frozen=True)
class Receipt:
    """What a takedown did: ``token`` is a compact JWS of it by this installation's key.

    ``works`` are ids of films that were found to come from it, ``files`` those of their files that still lie where they were
    put (whoever runs this decides about them), ``blocked`` the new lines of the blocklist. ``sources`` are digests of what
    else the films were made of, which is not blocked.
    """

    works: tuple[str, ...]
    files: tuple[Path, ...]
    blocked: int
    token: str
    sources: tuple[str, ...] = ()


def take_down(
    guard: Guard, *, id_: str = "", sha256: str = "", pictures: Sequence[Rgb] = (), sources: bool = False
) -> Receipt:
    """Blocks something and its derivatives.

    Args:
        guard: whose ledger is searched, whose blocklist grows and whose key signs.
        id_: a work's number, as its watermark or ``photoplay verify`` tell it.
        sha256: the digest of a file: a photo, or a film of photoplay.
        pictures: what it shows, for near copies: one photo, or several frames of a film.
        sources: whether all that the films were made of is blocked as well, also where several pictures may show others.

    Raises:
        RefusedError: ``takedown_unknown``: nothing says what shall be taken down; ``takedown_failed``: it could not be
            carried out whole. Then it must be tried again: what was blocked already stays blocked.
    """
    hashes = [hashed for hashed in map(pdq, pictures) if not hashed.blank]
    try:
        works, damaged = _surveyed(guard, id_ if not (sha256 or pictures) else "")
        found = _found(works, id_, sha256, hashes, film=len(pictures) > 1)
        if not (found.works or sha256 or any(hashed.listable for hashed in hashes)) and not damaged:
            raise RefusedError(
                "takedown_unknown",
                "Nothing of that number was made here.",
                "Give the file itself: the photo or the film.",
            )
        digests, marks = _blocked(found, sha256, hashes, sources)
        new = guard.blocklist.add(digests, marks)
        if damaged:  # what can be found is blocked by now
            raise DamagedWorksError(damaged)
        others = {digest for work in found.works for digest in work.source_digests} - digests
        files = tuple(path for work in found.works for path in _remaining(work))
        said = canonical(_statement(found.works, digests, marks, others))
        token = sign(said.encode(), guard.records.issuer(), TYPE)
        guard.audit.append("takedown", "done", about={"receipt": hashlib.sha256(token.encode()).hexdigest()})
    except DamagedWorksError as error:
        raise RefusedError(
            "takedown_failed",
            f"What was found is blocked, but what is known of film {', '.join(error.ids)} cannot be read, and it may come "
            "of it.",
            "Restore that entry of the ledger from a backup, or remove it if there is none, then try again.",
        ) from error
    except (OSError, ValueError) as error:
        raise RefusedError(
            "takedown_failed",
            "The takedown could not be carried out whole.",
            "See whether photoplay's folder and its blocklist can be written, then try again.",
        ) from error
    return Receipt(tuple(work.id for work in found.works), files, new, token, tuple(sorted(others)))


@dataclass(frozen=True)
class _Found:
    """``works`` to block, and those of their ``sources`` that are the very thing that shall be taken down."""

    works: tuple[Work, ...]
    sources: tuple[SourceMark, ...]


def _surveyed(guard: Guard, id_: str) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """Every work, and the damaged ones that may be meant: with nothing but a number that is the one of this number."""
    works, damaged = guard.ledger.survey()
    return works, tuple(one for one in damaged if not id_ or one == id_)


def _found(works: Sequence[Work], id_: str, sha256: str, hashes: Sequence[PdqHash], film: bool) -> _Found:
    """What is meant: the films of that number or file; else what was made of that photo, or of one that looks alike. What
    was made of those films belongs to it too."""
    films = [work for work in works if work.id == id_ or sha256 in work.release_digests]
    made: dict[str, Work] = {work.id: work for work in films}
    shown: list[SourceMark] = []
    for work in works:
        alike = [one for one in work.sources if one.sha256 == sha256 or (not films and _alike(one, hashes))]
        if alike:
            made[work.id] = work
            shown += alike
    while True:
        films_of = {digest for work in made.values() for digest in work.release_digests}
        more = {work.id: work for work in works if work.id not in made and films_of & work.source_digests}
        if not more:
            break
        made |= more
    return _Found(tuple(made.values()), () if films or film else tuple(shown))


def _alike(source: SourceMark, hashes: Sequence[PdqHash]) -> bool:
    """Whether a source looks like one of these pictures. One of the two must show enough for its hash to say something."""
    from photoplay.safety.pdq_kernels import nearest

    listed = from_hex(source.pdq)[None]
    telling = [hashed for hashed in hashes if hashed.listable or source.quality >= LEAST_QUALITY]
    return any(nearest(listed, hashed.turned) <= NEAR for hashed in telling)


def _blocked(found: _Found, sha256: str, hashes: Sequence[PdqHash], sources: bool) -> tuple[set[str], set[str]]:
    """The digests and perceptual hashes to block. A film's frames that look like its sources would block these as well."""
    every = [source for work in found.works for source in work.sources]
    lone = set[str]().union(*(work.pictured for work in found.works if len(work.pictured) == 1))
    blocked = every if sources else [*found.sources, *(source for source in every if source.sha256 in lone)]
    digests = {sha256} - {""} | {digest for work in found.works for digest in work.release_digests}
    digests |= {source.sha256 for source in blocked}
    free = {source.sha256 for source in every} - digests
    kept = [source for source in every if source.sha256 in free]
    listable = [hashed for hashed in hashes if hashed.listable]
    film = not (sources or found.sources)
    marks = {hashed.hex for hashed in listable if not (film and any(_alike(source, [hashed]) for source in kept))}
    return digests, marks | {source.pdq for source in blocked if source.quality >= LEAST_QUALITY}


def _remaining(work: Work) -> Iterable[Path]:
    """Files of a work that still lie where they were put, unchanged."""
    for release in work.releases:
        path = Path(release.path)
        if path.is_file() and hash_file(path) == release.sha256:
            yield path


def _statement(works: Sequence[Work], digests: set[str], marks: set[str], others: set[str]) -> dict[str, Any]:
    return {
        "takedown": 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "works": [work.id for work in works],
        "sha256": sorted(digests),
        "pdq": sorted(marks),
        "not_blocked": sorted(others),
    }


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
