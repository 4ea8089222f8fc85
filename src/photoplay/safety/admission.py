"""Who and what may be animated: the only maker of :class:`~photoplay.types.Admitted`.

Every gate is a function that returns or raises. They run in the order of :data:`GATES`, and a gate that fails in any other
way than by saying no also means no.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, get_args

import numpy as np

from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError
from photoplay.safety.age import check_adults
from photoplay.safety.consent.matching import Matched, match_people
from photoplay.safety.guard import Guard
from photoplay.safety.prompts import asks_for_romance, check_negative_prompt, check_prompt, is_readable
from photoplay.types import Admitted, Consent, FaceReader, Photo, Request, Rgb
from photoplay.types.request import _GATE_KEY

Gate: TypeAlias = Callable[[Request], None]

CONSENT: tuple[str, ...] = get_args(Consent)
ROMANTIC = frozenset({"romantic", "contact"})
"""Template categories that need the records of two adults."""

CHUNK, CLIP_LOOKS = 24, 12
"""Frames of a clip that the content filter is asked about at once, and in how many of them faces are looked for."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_photos(request: Request) -> None:
    """There is a photo (or the film shows nobody real), and each has the digest that its consent statement will name.

    Raises:
        RequestError: ``photo_missing``.   RefusedError: ``photo_unidentified``.
    """
    if not request.photos and request.mode != "text-to-video":
        raise RequestError("photo_missing", "There is no photo to animate.", "Give one photo.")
    if not all(_DIGEST.fullmatch(digest) for digest in request.pictured()):
        raise RefusedError(
            "photo_unidentified",
            "A photo came without the digest of its file, so no consent can be recorded for it.",
            "Load it with photoplay.media.load_photo.",
        )


def check_consent(request: Request) -> None:
    """There is one known statement for everything that shows people: each photo, the last one, the video.

    Raises:
        ConsentError: ``consent_missing`` or ``consent_invalid``.
    """
    if len(request.consent) != len(request.pictured()):
        raise ConsentError(
            "consent_missing",
            "photoplay needs to know whether the person in each photo agrees to the film.",
            "State --consent once for each photo: self (it is me), granted (they agreed), historical or fictional.",
        )
    if any(statement not in CONSENT for statement in request.consent):
        raise ConsentError(
            "consent_invalid",
            "That is not one of the statements about consent that photoplay knows.",
            "Use self (it is me), granted (they agreed), historical or fictional.",
        )


def check_words(request: Request) -> None:
    """The prompt asks for nothing that photoplay never makes.

    Raises:
        RefusedError: ``prompt_refused``.
    """
    check_prompt(request.prompt)
    check_negative_prompt(request.sampling.negative_prompt or "")


def check_romance(request: Request) -> None:
    """No words ask for romance between people in photos, or whom a LoRA may show: for models that read words themselves.

    Raises:
        RefusedError: ``romantic_needs_records``.
    """
    if (request.pictured() or request.sampling.loras) and asks_for_romance(request.prompt):
        raise RefusedError(
            "romantic_needs_records",
            "Romantic scenes of real people need the consent records of both, both adults.",
            "A statement is not enough for these. Describe another scene.",
        )


def check_readable(request: Request) -> None:
    """The words are in a script that the term policy reads: a model may know more languages than the policy does.

    Raises:
        RefusedError: ``prompt_unreadable``.
    """
    if not is_readable(f"{request.prompt} {request.sampling.negative_prompt or ''}"):
        raise RefusedError(
            "prompt_unreadable",
            "The prompt holds letters that photoplay cannot check.",
            "Write it in English.",
        )


GATES: tuple[Gate, ...] = (check_photos, check_consent, check_words)


def admit(
    request: Request, gates: tuple[Gate, ...] = (), guard: Guard | None = None, reader: FaceReader | None = None
) -> Admitted:
    """Lets a request in, or says why not; either is written into the audit log.

    Args:
        request: what the user asked for.
        gates: further gates, run after photoplay's own, which always run.
        guard: what the gates ask; :meth:`Guard.local` by default.
        reader: finds faces where records are needed: in a hosted service, for romance and for contact.

    Returns:
        The :class:`Admitted` request; its ``statements`` say who stated what about which photo on which day (UTC), and
        which consent ``records`` stand for which faces.

    Raises:
        ConsentError: consent is not stated for every photo, or not on record for every face where that is needed.
        RefusedError: another gate says no; ``check_failed`` where a gate broke, since a broken gate means no.
        RequestError: there is no photo.
        UnavailableError: there is no content filter.
    """
    guard = guard or Guard.local()
    try:
        for gate in (*GATES, *gates):
            _pass(gate, request)
        _pass(partial(check_pictures, guard=guard), request)
        found: list[Matched] = []
        _pass(partial(_check_people, guard=guard, reader=reader, found=found), request)
    except PhotoplayError as refusal:
        guard.audit.append("admit", "refused", refusal.code, _about(request))
        raise
    guard.audit.append("admit", "allowed", about=_about(request))
    today = datetime.now(UTC).date().isoformat()
    consent = [
        {"photo": digest, "statement": statement, "date": today}
        for digest, statement in zip(request.pictured(), request.consent, strict=True)
    ]
    by_id = {match.record.id: match.record for match in found}
    records = [
        {"id": record.id, "sha256": record.digest, "method": record.method, "adult": record.adult.method}
        for record in by_id.values()
    ]
    return Admitted(request, {"consent": consent, "records": records}, gate_key=_GATE_KEY)


def check_pictures(request: Request, guard: Guard) -> None:
    """No picture that comes in is on a blocklist or shows what photoplay never uses.

    Raises:
        RefusedError: ``photo_blocked``, ``content_refused``, or that a list or the filter does not work.
    """
    stills = [photo for photo in (*request.photos, request.last, request.backdrop) if photo is not None]
    for photo in stills:
        guard.blocklist.check(photo)
    guard.content.check([photo.pixels for photo in stills])
    if request.video is not None:
        frames = request.video.frames.rgb
        guard.blocklist.check(Photo(frames[len(frames) // 2], request.video.sha256))
        for start in range(0, len(frames), CHUNK):
            guard.content.check(list(frames[start : start + CHUNK]))


def _check_people(request: Request, guard: Guard, reader: FaceReader | None, found: list[Matched]) -> None:
    """Every face in every picture belongs to somebody of their own who agreed to this, where that is asked for.

    Raises:
        ConsentError: as :func:`photoplay.safety.consent.matching.match_people`; ``consent_twice``.
        RefusedError: as :func:`photoplay.safety.age.check_adults`.
    """
    category = request.category.strip().casefold()
    if not (guard.hosted or category in ROMANTIC) or not request.pictured():
        return
    if reader is None:
        raise ValueError("nobody who finds faces")
    pictures = _people_pictures(request)
    faces = [reader.read(picture, identity=True) for picture in pictures]
    matched = match_people(faces, guard.records.records(), category, datetime.now(UTC))
    guard.records.still_valid([match.record for match in matched])
    if len(request.photos) == 2:
        people = [{match.record.subject for match in matched if match.picture == index} for index in (0, 1)]
        if people[0] & people[1]:
            raise ConsentError(
                "consent_twice",
                "Both photos show the same person, and this film needs two people who agreed.",
                "Give a photo of each person.",
            )
    if category in ROMANTIC:
        seen = [(picture, face) for picture, several in zip(pictures, faces, strict=True) for face in several]
        check_adults(guard.age, seen, guard.hosted)
    found += matched


def _people_pictures(request: Request) -> list[Rgb]:
    """Every picture that shows people: the photos, the last one, and frames all over the clip."""
    stills = [photo.pixels for photo in (*request.photos, request.last) if photo is not None]
    if request.video is None:
        return stills
    frames = request.video.frames.rgb
    spread = sorted({round(at) for at in np.linspace(0, len(frames) - 1, CLIP_LOOKS)})
    return [*stills, *(np.ascontiguousarray(frames[at]) for at in spread)]


def _about(request: Request) -> dict[str, str]:
    """What the audit log may know of a request: digests, the category and what was stated."""
    digests = {
        f"picture-{index}": digest for index, digest in enumerate(request.pictured(), 1) if _DIGEST.fullmatch(digest)
    }
    stated = "+".join(said for said in request.consent if said in CONSENT)
    category = request.category if re.fullmatch(r"[a-z-]{1,40}", request.category) else ""
    return {**digests, "category": category, "consent": stated}


def _pass(gate: Gate, request: Request) -> None:
    try:
        gate(request)
    except PhotoplayError:
        raise
    except Exception as error:
        raise RefusedError(
            "check_failed",
            "A safety check could not be completed, and what cannot be checked is not made.",
            "Try again. If it stays this way, please report it.",
        ) from error
