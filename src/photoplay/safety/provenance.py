"""The seal, and the only maker of :class:`~photoplay.types.Clip`: a film leaves signed or not at all."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from photoplay.errors import PhotoplayError, SealError
from photoplay.safety.certificates import Signer, data_home, default_signer
from photoplay.safety.container import MIME, Kind, loose_digest, sniff
from photoplay.safety.counting import count_frames
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import work_id
from photoplay.safety.manifest import SourceType, make_manifest, sources_of
from photoplay.safety.private import unsealed_folder
from photoplay.safety.proof import check_screened
from photoplay.safety.reading import RECIPE_ASSERTION, read_seal, read_settings
from photoplay.safety.recipe import GIVEN, canonical, digest, given, recipe_digest
from photoplay.types import Admitted, Clip, Report, Screened
from photoplay.types.request import _GATE_KEY

KINDS: dict[str, Kind] = {".mp4": "mp4", ".png": "png", ".gif": "gif", ".webp": "webp"}
PATIENCE = 60.0
"""Seconds that whoever signs and whoever stamps the time have together."""
CREATED = ("c2pa.actions", "c2pa.ingredient", "cawg.training-mining", RECIPE_ASSERTION)
"""Assertions that photoplay itself vouches for (C2PA: created, not gathered)."""


def seal(
    unsigned: Path,
    out: Path,
    *,
    admitted: Admitted,
    recipe: dict[str, Any],
    report: Report,
    source_type: SourceType,
    screened: Screened,
    guard: Guard | None = None,
    watermark: int | None = None,
) -> Clip:
    """Signs a film or preview and puts it in its place.

    The signed file is written in a hidden folder beside ``out``, read back, trusted and counted before it is renamed to
    ``out``; whatever goes wrong, no new file is left. Equal recipes give equal media; the seal differs each time.

    Args:
        unsigned: the finished file without a seal.
        out: where it goes: ``.mp4``, ``.png``, ``.gif`` or ``.webp``, the same kind as ``unsigned``.
        admitted: the request that the film was made for.
        recipe: see :func:`photoplay.safety.recipe.make_recipe`; it goes into the manifest.
        report: goes into the :class:`Clip`, its notices as well.
        source_type: IPTC digital source type that is true of the frames.
        screened: the proof that a content filter saw every frame: as many as the file shows, or more.
        guard: who signs, which records are asked once more, and where it is written down; :meth:`Guard.local` by default.
        watermark: the number that the frames' invisible mark holds: that of the recipe, or None where they carry none.

    Raises:
        ConsentError: somebody no longer agrees.   RefusedError: ``audit_failed``, ``content_unchecked``.
        SealError: ``seal_format``, ``seal_recipe``, ``seal_failed``, ``seal_timed_out``, ``seal_not_trusted``,
            ``seal_not_stamped``, or what the certificate lacks.
    """
    kind = KINDS.get(out.suffix.lower())
    if kind is None:
        raise SealError("seal_format", "Files of that kind cannot be sealed.", f"Use {', '.join(sorted(KINDS))}.")
    guard = guard or Guard.local()
    try:
        _check_recipe(recipe, admitted)
        check_screened(screened, admitted)
        guard.still_agreed(admitted)
        if watermark is not None and f"{watermark:016x}" != work_id(recipe):
            raise ValueError("a mark that leads to another film")
        statement = _statement(unsigned, kind, admitted, recipe) | {"content_filter": screened.classifier}
        manifest = make_manifest(
            sources_of(admitted.request),
            statement,
            source_type,
            kind,
            label=admitted.request.label is not None,
            watermark=watermark is not None,
        )
        with unsealed_folder(out.parent, data_home()) as folder:
            signing = folder / f"signing{out.suffix.lower()}"
            sha256 = _signed(unsigned, signing, kind, manifest, guard.signer or default_signer())
            with _mapped(signing) as data:
                check_screened(screened, admitted, count_frames(data, kind))
            clip = Clip(out, sha256, recipe, report, notices=report.notices, gate_key=_GATE_KEY)
            guard.ledger.add(admitted, recipe, sha256, out)
            guard.audit.append("seal", "done", about={"film": sha256, "recipe": recipe_digest(recipe)})
            signing.replace(out)
    except PhotoplayError:
        raise
    except Exception as error:
        raise SealError(
            "seal_failed",
            "The film could not be signed, and an unsigned film is never handed out.",
            "Check the certificate, its key and the space on the disk, then try again.",
        ) from error
    return clip


def with_timings(clip: Clip, timings: dict[str, float]) -> Clip:
    """The same clip with the seconds that each stage took, sealing included."""
    return Clip(clip.path, clip.sha256, clip.recipe, clip.report, dict(timings), clip.notices, gate_key=_GATE_KEY)


def _check_recipe(recipe: dict[str, Any], admitted: Admitted) -> None:
    said = [{"photo": one["photo"], "statement": one["statement"]} for one in admitted.statements["consent"]]
    if recipe.get("consent") != said or {name: recipe.get(name) for name in GIVEN} != given(admitted.request):
        raise SealError(
            "seal_recipe",
            "The recipe belongs to another request than the one that was admitted.",
            "Make it with photoplay.safety.recipe.make_recipe from the same admitted request.",
        )


def _statement(unsigned: Path, kind: Kind, admitted: Admitted, recipe: dict[str, Any]) -> dict[str, Any]:
    """photoplay's own assertion: the recipe as text, its digest, who consented, and what C2PA leaves unsigned."""
    consent = admitted.statements["consent"]
    with _mapped(unsigned) as data:
        if sniff(bytes(data[:12])) != kind:
            raise SealError("seal_format", "The file is not of the kind that its name says.", "Keep the kind of file.")
        loose = loose_digest(data, kind)
    return {
        "recipe": canonical(recipe),
        "recipe_sha256": recipe_digest(recipe),
        "consent": consent,
        "consent_sha256": digest(consent),
        "records": [{"sha256": one["sha256"], "method": one["method"]} for one in admitted.statements["records"]],
        "loose_sha256": loose,
    }


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """The bytes of a file."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        yield data


def _signed(unsigned: Path, signing: Path, kind: Kind, manifest: dict[str, Any], signer: Signer) -> str:
    """Writes the signed file, reads it back and returns its hex SHA-256 once it is trusted."""
    _sign(unsigned, signing, kind, manifest, signer)
    found = read_seal(signing, kind, signer.anchors, signer.tsa_anchors)
    wanted = next(part["data"] for part in manifest["assertions"] if part["label"] == RECIPE_ASSERTION)
    if found.state != "trusted" or found.seal != wanted:
        raise SealError(
            "seal_not_trusted",
            "The film was signed, but the signature does not hold under its own root.",
            "Check that the certificate is valid today, allows signing content (emailProtection), and fits its root.",
        )
    if signer.tsa_url and not (found.stamp_trusted if signer.tsa_anchors else found.stamped):
        raise SealError(
            "seal_not_stamped",
            "The film was signed, but the time stamp that it shall carry does not hold.",
            "Check the time-stamp authority's address and its roots (PHOTOPLAY_TSA_URL, PHOTOPLAY_TSA_ANCHOR).",
        )
    with signing.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign(unsigned: Path, signing: Path, kind: Kind, manifest: dict[str, Any], signer: Signer) -> None:
    """Signs in a thread of its own: a vault or a time-stamp authority may never answer.

    Whatever comes late is thrown away.
    """
    trouble: list[Exception] = []
    given_up = Event()

    def work() -> None:
        try:
            _sign_now(unsigned, signing, kind, manifest, signer)
        except Exception as error:
            trouble.append(error)
        if given_up.is_set():
            signing.unlink(missing_ok=True)

    thread = Thread(target=work, name="seal", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        given_up.set()
        raise SealError(
            "seal_timed_out",
            f"The signature or its time stamp did not come within {PATIENCE:g} seconds.",
            "See whether the vault that holds the key and the time-stamp authority answer, then try again.",
        )
    if trouble:
        raise trouble[0]


def _sign_now(unsigned: Path, signing: Path, kind: Kind, manifest: dict[str, Any], signer: Signer) -> None:
    import c2pa

    settings = read_settings(signer.anchors)
    settings["builder"] = {"thumbnail": {"enabled": False}, "created_assertion_labels": list(CREATED)}
    trouble: list[Exception] = []

    def sign(data: bytes) -> bytes:
        """Keeps what the signer raises: the native code would log its text and lose the rest."""
        try:
            return signer.sign(data)
        except Exception as error:
            trouble.append(error)
            return b""

    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Signer.from_callback(
                sign, c2pa.C2paSigningAlg[signer.algorithm], signer.chain, signer.tsa_url or None
            ) as native,
            c2pa.Builder(manifest, context=context) as builder,
            unsigned.open("rb") as source,
            signing.open("x+b") as target,
        ):
            builder.sign(native, MIME[kind], source, target)
    except c2pa.C2paError as error:
        raise (trouble[0] if trouble else error) from error
