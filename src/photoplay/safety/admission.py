"""Who and what may be animated: the only maker of :class:`~photoplay.types.Admitted`.

Every gate is a function that returns or raises. They run in the order of :data:`GATES`, and a gate that fails in any other
way than by saying no also means no.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias, get_args

from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError
from photoplay.safety.prompts import asks_for_romance, check_negative_prompt, check_prompt, is_readable
from photoplay.types import Admitted, Consent, Request
from photoplay.types.request import _GATE_KEY

Gate: TypeAlias = Callable[[Request], None]

CONSENT: tuple[str, ...] = get_args(Consent)
ROMANTIC = frozenset({"romantic", "contact"})
"""Template categories that need the records of two adults."""

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


def check_category(request: Request) -> None:
    """Romantic and contact templates need the consent records of two adults.

    Raises:
        RefusedError: ``romantic_needs_records``.
    """
    if request.category.strip().casefold() in ROMANTIC:
        raise RefusedError(
            "romantic_needs_records",
            "Romantic and contact templates need the consent records of both people, both adults.",
            "A statement is not enough for these. Choose a template for one person.",
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


GATES: tuple[Gate, ...] = (check_photos, check_consent, check_category, check_words)


def admit(request: Request, gates: tuple[Gate, ...] = ()) -> Admitted:
    """Lets a request in, or says why not.

    Args:
        request: what the user asked for.
        gates: further gates, run after photoplay's own, which always run.

    Returns:
        The :class:`Admitted` request; its ``statements`` say who stated what about which photo on which day (UTC).

    Raises:
        ConsentError: consent is not stated for every photo.
        RefusedError: another gate says no; ``check_failed`` where a gate broke, since a broken gate means no.
        RequestError: there is no photo.
    """
    for gate in (*GATES, *gates):
        _pass(gate, request)
    today = datetime.now(UTC).date().isoformat()
    consent = [
        {"photo": digest, "statement": statement, "date": today}
        for digest, statement in zip(request.pictured(), request.consent, strict=True)
    ]
    return Admitted(request, {"consent": consent}, gate_key=_GATE_KEY)


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
