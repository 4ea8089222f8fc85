"""What is known to be impossible is refused when it is asked for, before credits are held and somebody waits for it."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

from sqlalchemy import Connection, select

from photoplay.errors import ConsentError, RequestError
from photoplay.motion.library import find
from photoplay.safety.prompts import check_prompt
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.tables import consents, uploads
from photoplay.service.jobs.requests import JobRequest
from photoplay.types import Consent

NATURAL = 3.0
"""Seconds of a film that nothing gives a length."""
FPS = 24.0
SHORTEST, LONGEST = 1.0, 60.0


def settle(conn: Connection, hub: Hub, plan: Plan, tenant_id: str, request: JobRequest) -> JobRequest:
    """The request with its length and the plan's label, if nothing that is known speaks against it.

    Whether the plan allows it is asked where its cost is reckoned.

    Raises:
        RequestError: ``backend_not_served``, ``upload_kind``.   NotFoundError: ``upload_missing``.
        ConsentError: ``consent_unknown``, ``consent_revoked``, ``consent_unnamed``, ``consent_missing``.
        RefusedError: the prompt's words.   TemplateError: there is none of that name.
    """
    if request.backend not in hub.settings.backends:
        raise RequestError(
            "backend_not_served",
            "Films are not made with this backend here.",
            f"Choose {' or '.join(hub.backends(plan.name))}.",
        )
    if request.prompt:
        check_prompt(request.prompt)
    people = len(request.photos)
    if request.template:
        people = find(request.template, people=2 if people == 2 else None).people
    lengths = _lengths(conn, tenant_id, request)
    check_records(conn, tenant_id, request.consents)
    seconds = request.seconds if request.seconds is not None else natural(request, people, lengths)
    changed = {"seconds": seconds, "label": plan.label or request.label, "consent": _statements(hub, request)}
    return request.model_copy(update=changed)


def natural(request: JobRequest, people: int, lengths: dict[str, float]) -> float:
    """Seconds of a film that nobody gave a length: those of its sound, of its clip, of what two do; else three.

    ``lengths`` are those of the uploads that have one.
    """
    if request.audio:
        longest = max((lengths.get(one, 0.0) for one in request.audio), default=0.0)
    elif request.video is not None:
        longest = lengths.get(request.video, NATURAL)
    elif request.template and people == 2:
        longest = find(request.template, people=2).duration / request.speed
    else:
        return NATURAL
    return min(LONGEST, max(SHORTEST, ceil(longest * FPS - 1e-6) / FPS))


def _lengths(conn: Connection, tenant_id: str, request: JobRequest) -> dict[str, float]:
    """Seconds of the request's clip and sound.

    Raises:
        NotFoundError: ``upload_missing``: an upload is not there, or is somebody else's.
        RequestError: ``upload_kind``: it is of another kind than where it is used.
    """
    used = dict.fromkeys((*request.photos, *filter(None, (request.last, request.backdrop))), "photo")
    used |= dict.fromkeys(filter(None, (request.video,)), "video") | dict.fromkeys(request.audio, "audio")
    mine = (uploads.c.id.in_(used), uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None))
    found = {row.id: row for row in conn.execute(select(uploads).where(*mine))}
    if found.keys() != used.keys():
        raise NotFoundError(
            "upload_missing",
            "A photo, clip or sound of this request is not there.",
            "Upload it again: uploads are kept for a while only.",
        )
    for id_, kind in used.items():
        if found[id_].kind != kind and (found[id_].kind, kind) != ("video", "audio"):
            raise RequestError(
                "upload_kind", f"A {found[id_].kind} was given where a {kind} is needed.", f"Give the id of a {kind}."
            )
    return {row.id: row.seconds for row in found.values() if row.seconds}


def check_records(conn: Connection, tenant_id: str, ids: Collection[str]) -> None:
    """Returns if these are records of this tenant: nobody uses the consent that was given to somebody else.

    Raises:
        ConsentError: ``consent_unknown``; ``consent_revoked``: it was withdrawn here.
    """
    mine = (consents.c.id.in_(ids), consents.c.tenant_id == tenant_id)
    known = {row.id: row.revoked_at for row in conn.execute(select(consents.c.id, consents.c.revoked_at).where(*mine))}
    if known.keys() != set(ids):
        raise ConsentError(
            "consent_unknown",
            "A consent record that this request names is not there.",
            "Name records of this account that are valid.",
        )
    if any(at is not None for at in known.values()):
        raise withdrawn()


def check_agreed(conn: Connection, tenant_id: str, request: JobRequest) -> None:
    """Returns if nobody whose record a request names has withdrawn it here.

    Raises:
        ConsentError: ``consent_revoked``.
    """
    mine = (consents.c.id.in_(request.consents), consents.c.tenant_id == tenant_id, consents.c.revoked_at.is_(None))
    if set(conn.execute(select(consents.c.id).where(*mine)).scalars()) != set(request.consents):
        raise withdrawn()


def withdrawn() -> ConsentError:
    """Somebody whom a film shows agrees no longer."""
    return ConsentError(
        "consent_revoked",
        "Somebody in this film has withdrawn their consent.",
        "It cannot be made. Only a new record from the person changes that.",
    )


def _statements(hub: Hub, request: JobRequest) -> tuple[Consent, ...]:
    """What is stated about the people in the pictures: who names records says that they agreed.

    Raises:
        ConsentError: ``consent_unnamed``: a service for strangers needs records; ``consent_missing``: a statement is.
    """
    pictured = request.pictured()
    if pictured and hub.settings.hosted and not request.consents:
        raise ConsentError(
            "consent_unnamed",
            "It is not said whose consent records this film rests on.",
            "Name the ids of the records of everybody in the pictures in `consents`.",
        )
    if pictured and not request.consent and request.consents:
        return ("granted",)
    if pictured and len(request.consent) not in (1, pictured):
        raise ConsentError(
            "consent_missing",
            "It is not said for every picture whether its people agreed.",
            "Say `consent`, once for all of them or once for each: self (it is you), granted (they agreed), historical or"
            " fictional.",
        )
    return request.consent
