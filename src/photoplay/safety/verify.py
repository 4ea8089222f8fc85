"""Tells whether a film is what it claims to be: who sealed it, what was done, from which photo, whether it is intact."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photoplay.errors import MediaError, SealError
from photoplay.safety.certificates import DEVELOPMENT, stamp_anchors, trusted_anchors
from photoplay.safety.container import Kind, sniff
from photoplay.safety.reading import Found, State

MAX_BYTES = 2 << 30
MAX_SECONDS = 120.0
_BY_DIGEST = "urn:sha256:"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True)
class Verification:
    """What a file says about itself and whether that can be believed. Believe the rest only if ``state`` is ``trusted``.

    state             ``trusted``: sealed by photoplay under a root that this machine trusts, no bit changed;
                      ``valid``: intact and signed under such a root, but not a film of photoplay;
                      ``untrusted``: intact, but the signer is unknown here; ``tampered``; ``unsigned``
    sentence          the same for a person
    development       signed with a development certificate: good for trying out, worth nothing to others
    created           UTC time that the signer claims
    source_type       IPTC digital source type of the last change to the pictures, labels apart, without its address
    consent           one ``{"photo", "statement", "date"}`` per photo
    recipe            makes the film again, see :func:`photoplay.safety.recipe.request_from_recipe`
    records           method of each consent record that stood: ``live``, ``record`` or ``operator``
    number            the film's number: in its watermark, in the ledger, and for a takedown
    source_photos     hex SHA-256 of each photo file
    sources           hex SHA-256 of everything that it was made of, each with its name
    content_filter    what found every frame free of nudity and sexual content
    stamped           UTC time that a time-stamp authority vouches for; believe it only if ``stamp_trusted``
    problems          status codes of C2PA and of photoplay, for whoever looks closer
    """

    state: State
    sentence: str
    signer: str = ""
    development: bool = False
    made_with: str = ""
    created: str = ""
    actions: tuple[str, ...] = ()
    source_type: str = ""
    consent: tuple[dict[str, str], ...] = ()
    records: tuple[str, ...] = ()
    recipe_digest: str = ""
    number: str = ""
    source_photos: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    content_filter: str = ""
    problems: tuple[str, ...] = ()
    stamped: str = ""
    stamp_trusted: bool = False
    recipe: dict[str, Any] = field(default_factory=dict, repr=False)


def verify(path: str | Path) -> Verification:
    """Reads the seal of a film or preview, in a process of its own with limits on memory and time.

    Raises:
        MediaError: ``verify_address``, ``verify_missing``, ``verify_unsupported`` (not an mp4, PNG, GIF or WebP) or
            ``verify_too_large``.
        SealError: ``verify_failed``, where reading took too long or broke down: believe nothing about this file.
    """
    if _ADDRESS.match(str(path)) and not Path(path).exists():
        raise MediaError(
            "verify_address",
            "That is an address, and photoplay asks nobody on the network.",
            "Download the file first.",
        )
    path = Path(path)
    return describe(_read_apart(path, _kind(path)))


def describe(found: Found) -> Verification:
    """The verification that follows from what was found in a file."""
    seal = found.seal
    organisation, common = _plain(found.signature.get("issuer")), _plain(found.signature.get("common_name"))
    signer = ", ".join(part for part in (common, organisation) if part)
    development = organisation == DEVELOPMENT
    consent = tuple({_plain(key): _plain(said[key]) for key in sorted(said)} for said in seal.get("consent", ()))
    pictures = [action for action in found.actions if action.get("action") != "c2pa.addedText"]
    kinds = [_plain(action["digitalSourceType"]) for action in pictures if action.get("digitalSourceType")]
    recipe = json.loads(seal["recipe"]) if found.state in ("trusted", "untrusted") and seal.get("recipe") else {}
    return Verification(
        state=found.state,
        sentence=_sentence(found, signer, development, consent),
        signer=signer,
        development=development,
        made_with=_plain(found.generator),
        created=next((_plain(action["when"]) for action in reversed(found.actions) if action.get("when")), ""),
        actions=tuple(_plain(action.get("action")) for action in found.actions),
        source_type=kinds[-1].rsplit("/", 1)[-1] if kinds else "",
        consent=consent,
        records=tuple(_plain(record.get("method")) for record in seal.get("records") or ()),
        recipe_digest=_plain(seal.get("recipe_sha256")),
        number=_plain(seal.get("recipe_sha256"))[:16],
        source_photos=tuple(said["photo"] for said in consent if "photo" in said),
        sources=tuple(_source(one) for one in found.ingredients),
        content_filter=_plain(seal.get("content_filter")),
        problems=found.problems,
        stamped=_plain(found.stamped),
        stamp_trusted=found.stamp_trusted,
        recipe=recipe,
    )


def _plain(text: object) -> str:
    """A stranger's text without what could steer a terminal, and not too long."""
    return "".join(c if c.isprintable() else "?" for c in str(text or ""))[:200]


def _source(ingredient: dict[str, Any]) -> tuple[str, str]:
    """Name and hex SHA-256 (empty where it is told otherwise) of something that a film was made of."""
    told = _plain(ingredient.get("instance_id"))
    return _plain(ingredient.get("title")), told.removeprefix(_BY_DIGEST) if told.startswith(_BY_DIGEST) else ""


def _kind(path: Path) -> Kind:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise MediaError("verify_missing", "There is no such file, or it cannot be read.", "Check its name.") from error
    if size > MAX_BYTES:
        raise MediaError("verify_too_large", "The file is too large to be verified.", f"At most {MAX_BYTES >> 30} GiB.")
    kind = sniff(head)
    if kind is None:
        raise MediaError(
            "verify_unsupported",
            "That is not a film or picture that photoplay could have made.",
            "Give an mp4, PNG, GIF or WebP file.",
        )
    return kind


def _read_apart(path: Path, kind: Kind) -> Found:
    command = [sys.executable, "-P", "-m", "photoplay.safety.reading", str(path.absolute()), kind]
    roots = json.dumps({"films": trusted_anchors(), "times": stamp_anchors()})
    try:
        done = subprocess.run(command, input=roots, capture_output=True, text=True, timeout=MAX_SECONDS, check=True)
        found = json.loads(done.stdout)
        lists = {name: tuple(found[name]) for name in ("problems", "actions", "ingredients")}
        return Found(**{**found, **lists})
    except (subprocess.SubprocessError, OSError, ValueError, TypeError, KeyError) as error:
        raise SealError(
            "verify_failed",
            "The seal of that file could not be read, so nothing about it can be believed.",
            "If photoplay made it, get the file again from where it came.",
        ) from error


def _sentence(found: Found, signer: str, development: bool, consent: tuple[dict[str, str], ...]) -> str:
    if found.state == "unsigned":
        return "No seal: nothing tells who made this file or whether it shows what happened."
    if found.state == "tampered":
        return "The seal is broken: the file was changed after it was signed, or the seal was never right."
    if found.state == "untrusted":
        hint = " It is a development certificate of another machine." if development else ""
        return f"Intact since it was signed, but by a signer that this machine does not know ({signer}).{hint}"
    if found.state == "valid":
        return f"Intact and signed by {signer}, but it is not a film of photoplay."
    photos = len(found.seal.get("consent", ()))
    of = "words alone" if not photos else "one picture" if photos == 1 else f"{photos} pictures"
    stated = ", ".join(said.get("statement", "?") for said in consent)
    agreed = f"; consent stated: {stated}" if stated else ""
    kept = len(found.seal.get("records") or ())
    agreed += f", on record for {kept} {'person' if kept == 1 else 'people'}" if kept else ""
    note = " This is a development certificate: it means something on this machine only." if development else ""
    return f"Made by {_plain(found.generator)} from {of} and unchanged since{agreed}. Signed by {signer}.{note}"
