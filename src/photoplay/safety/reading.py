"""Reads the seal of one file. As a program it does so in a process of its own, for files that nobody vouches for:
``python -m photoplay.safety.reading FILE KIND`` takes the trusted roots as JSON and prints a :class:`Found` as JSON.

Imports nothing heavy, so that the process starts at once.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import resource
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from photoplay.safety.container import MIME, ContainerError, Kind, check_manifest, loose_digest

State: TypeAlias = Literal["trusted", "valid", "tampered", "unsigned", "untrusted"]

RECIPE_ASSERTION = "org.photoplay.recipe"
MEMORY_LIMIT = 4 << 30
CPU_SECONDS = 60
_UNKNOWN_SIGNER = "signingCredential.untrusted"
_STAMPED, _STAMP_TRUSTED = "timeStamp.validated", "timeStamp.trusted"


@dataclass(frozen=True)
class Found:
    """What a file's manifest says, and whether it holds. ``problems`` are C2PA's status codes and our own.

    ``seal`` is photoplay's own assertion, empty where there is none; ``signature`` says who signed. ``stamped`` is the UTC
    time that an authority vouches for, empty where none does; believe it only if ``stamp_trusted``.
    """

    state: State
    problems: tuple[str, ...] = ()
    generator: str = ""
    signature: dict[str, Any] = field(default_factory=dict)
    actions: tuple[dict[str, Any], ...] = ()
    ingredients: tuple[dict[str, Any], ...] = ()
    seal: dict[str, Any] = field(default_factory=dict)
    stamped: str = ""
    stamp_trusted: bool = False


def read_settings(anchors: str) -> dict[str, Any]:
    """Settings of the C2PA library for reading: only ``anchors`` (PEM) are trusted, and the network is never asked."""
    return {
        "version": 1,
        "trust": {"user_anchors": anchors} if anchors else {},
        "core": {"max_decompressed_manifest_size_in_mb": 16, "decode_identity_assertions": False},
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    }


def read_seal(path: Path, kind: Kind, anchors: str, stamp_anchors: str = "") -> Found:
    """Reads and checks the seal of a file.

    ``anchors`` is the PEM of the roots that may vouch for films, ``stamp_anchors`` of those that may vouch for times.

    ``trusted`` is a file that photoplay sealed under one of ``anchors`` and in which no bit has changed since. ``valid`` is
    intact and signed under an anchor, but not a film of photoplay. ``untrusted`` is intact and signed by a stranger.
    """
    from c2pa import C2paError, Context, Reader

    if path.stat().st_size == 0:
        return Found("unsigned", ("empty",))
    with path.open("rb") as file:
        try:
            with (
                Context.from_dict(read_settings(anchors)) as context,
                Reader(MIME[kind], file, context=context) as reader,
            ):
                store = json.loads(reader.json())
        except C2paError.ManifestNotFound:
            return Found("unsigned")
        except C2paError as error:
            return Found("tampered", (type(error).__name__.strip("_"),))
        try:
            found = _describe(store)
        except (AttributeError, LookupError, TypeError, ValueError):
            return Found("tampered", ("photoplay.manifest.unreadable",))
        if found.state != "tampered" and found.seal:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
                problem = _unsealed_part(data, kind, found)
            if problem:
                return replace(found, state="tampered", problems=(*found.problems, problem))
    if found.stamped and stamp_anchors and found.state in ("trusted", "valid"):
        return replace(found, stamp_trusted=_STAMP_TRUSTED in _good(path, kind, stamp_anchors))
    return found


def _good(path: Path, kind: Kind, anchors: str) -> set[str]:
    """C2PA's status codes for what is in order in a file, under other roots."""
    from c2pa import Context, Reader

    with (
        path.open("rb") as file,
        Context.from_dict(read_settings(anchors)) as context,
        Reader(MIME[kind], file, context=context) as reader,
    ):
        return _codes(json.loads(reader.json()), "success")


def _codes(store: dict[str, Any], which: Literal["success", "failure"]) -> set[str]:
    return {one["code"] for one in store.get("validation_results", {}).get("activeManifest", {}).get(which, [])}


def _describe(store: dict[str, Any]) -> Found:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    results = store.get("validation_results", {})
    problems = tuple(failure["code"] for failure in results.get("activeManifest", {}).get("failure", []))
    said = {assertion["label"]: assertion.get("data") for assertion in manifest.get("assertions", [])}
    listed: list[Any] = next((data["actions"] for label, data in said.items() if label.startswith("c2pa.actions")), [])
    actions: tuple[dict[str, Any], ...] = tuple(action for action in listed if isinstance(action, dict))
    seal = said.get(RECIPE_ASSERTION) or {}
    if RECIPE_ASSERTION in said and not _well_formed(seal):
        seal, problems = {}, (*problems, "photoplay.seal.malformed")
    verdict = store.get("validation_state")
    strange = set(problems) == {_UNKNOWN_SIGNER}
    anchored = verdict == "Trusted" and results.get("trustListUri") == "user_anchors"
    state: State
    if not strange and (problems or verdict not in ("Trusted", "Valid")):
        state = "tampered"
    elif not anchored:
        state = "untrusted"
    else:
        state = "trusted" if seal else "valid"
    generator = manifest.get("claim_generator_info", [{}])[0]
    signature = manifest.get("signature_info", {})
    return Found(
        state,
        problems,
        f"{generator.get('name', '')} {generator.get('version', '')}".strip(),
        signature,
        actions,
        tuple(source for source in manifest.get("ingredients", []) if isinstance(source, dict)),
        seal,
        str(signature.get("time") or "") if _STAMPED in _codes(store, "success") else "",
    )


def _well_formed(seal: object) -> bool:
    """Whether a seal has the shape that :mod:`photoplay.safety.provenance` gives it, whoever signed it."""
    if not isinstance(seal, dict):
        return False
    texts = all(
        isinstance(seal.get(name), str) for name in ("recipe", "recipe_sha256", "consent_sha256", "loose_sha256")
    )
    consent, records = seal.get("consent"), seal.get("records", [])
    if not texts or not isinstance(consent, list) or not isinstance(records, list):
        return False
    for said in (*consent, *records):
        if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
            return False
    try:
        return isinstance(json.loads(seal["recipe"]), dict)
    except (ValueError, RecursionError):
        return False


def _unsealed_part(data: memoryview, kind: Kind, found: Found) -> str:
    """Name of what is wrong with the bytes that the C2PA signature does not cover; empty if nothing is."""
    seal = found.seal
    try:
        if check_manifest(data, kind) and not found.stamped:
            return "photoplay.timestamp.invalid"
        if loose_digest(data, kind) != seal.get("loose_sha256"):
            return "photoplay.loose.mismatch"
    except (ContainerError, ValueError):
        return "photoplay.manifest.altered"
    if hashlib.sha256(seal["recipe"].encode()).hexdigest() != seal["recipe_sha256"]:
        return "photoplay.recipe.mismatch"
    return ""


def main(arguments: list[str]) -> None:
    """The program: limits itself, reads, writes JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, kind = arguments
    roots = json.load(sys.stdin)
    found = read_seal(Path(path), kind, roots["films"], roots["times"])  # type: ignore[arg-type]
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
