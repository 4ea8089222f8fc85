"""Consent records of a tenant. The records themselves are safety's; here is whose they are, and what a revocation ends.

Whoever runs an installation on a machine of their own, or an operator, can give their word for somebody. A stranger on a
hosted service is filmed live: what they say about somebody else is worth nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, func, insert, select, update

from photoplay.errors import ConsentError
from photoplay.safety.consent.challenge import Challenge
from photoplay.safety.consent.record import ConsentRecord
from photoplay.safety.consent.store import local_store
from photoplay.service.accounts.limits import throttle
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError, TooManyError
from photoplay.service.ground.rows import hold_tenant, insert_once
from photoplay.service.ground.tables import challenges, consents, jobs
from photoplay.service.jobs import lifecycle as queue
from photoplay.service.jobs.settling import check_records
from photoplay.service.looking.looker import Enrolled, Looker, Terms

MOST = 200
"""Records that a tenant may have."""
LISTED = 50
"""Records that were revoked and are still told of."""
CHALLENGES, CHALLENGES_S = 20, 3600.0
"""Challenges that a tenant may ask for in so many seconds."""


State: TypeAlias = Literal["valid", "expired", "revoked", "broken"]
_STATES: dict[str, State] = {"consent_expired": "expired", "consent_revoked": "revoked"}


@dataclass(frozen=True)
class Consent:
    """A record as its tenant sees it; ``record`` is None where it can no longer be read (revoked or broken). ``unlike`` are
    the tenant's records of those who look alike and are somebody else, by the word of whoever made this one."""

    id: str
    name: str
    state: State
    record: ConsentRecord | None
    created_at: float
    unlike: tuple[str, ...] = ()


def ask_challenge(hub: Hub, principal: Principal, now: float) -> Challenge:
    """A live challenge, good for one clip within ten minutes. Raises TooManyError."""
    with hub.database.begin() as conn:
        throttle(conn, "challenge", principal.tenant_id, CHALLENGES, CHALLENGES_S, now)
    made = local_store().challenge(_moment(now))
    with hub.database.begin() as conn:
        conn.execute(insert(challenges).values(id=made.id, tenant_id=principal.tenant_id, created_at=now))
    return made


def enrol_live(
    hub: Hub, looker: Looker, principal: Principal, name: str, clip: bytes, challenge: str, terms: Terms, now: float
) -> Consent:
    """A record of whoever answers the tenant's challenge in a clip; the challenge is spent, whatever comes of it.

    Raises:
        ConsentError: ``live_…``: the clip does not show a living person who does what was asked; as :func:`check_hold` of
            the records that ``terms`` name.
        MediaError: the clip cannot be read.   ForbiddenError: ``adult_vouched``.   ConflictError: ``consents_full``.
    """
    _check_word(hub, principal, terms)
    check_hold(hub, principal.tenant_id, terms.unlike, now)
    with hub.database.begin() as conn:
        _check_room(conn, principal.tenant_id)
        taken = conn.execute(
            update(challenges)
            .where(
                challenges.c.id == challenge,
                challenges.c.tenant_id == principal.tenant_id,
                challenges.c.used_at.is_(None),
            )
            .values(used_at=now)
        )
        if taken.rowcount != 1:
            raise ConsentError(
                "live_expired", "That challenge was never made here, or it was used before.", "Ask for a new one."
            )
    try:
        made = looker.enrol_clip(clip, challenge, terms)
    except TooManyError:  # nobody looked at the clip: it can be sent again
        with hub.database.begin() as conn:
            conn.execute(update(challenges).where(challenges.c.id == challenge).values(used_at=None))
        raise
    return _kept(hub, principal, name, made, now)


def enrol_word(
    hub: Hub, looker: Looker, principal: Principal, name: str, photo: bytes, face: int, terms: Terms, now: float
) -> Consent:
    """A record of the person in a photo (of the ``face`` that is meant, counted from 1 at the left), by somebody's word.

    Raises:
        ForbiddenError: ``live_needed``.   InputError: ``consent_which_face``.   ConflictError: ``consents_full``.
        ConsentError: as :func:`check_hold` of the records that ``terms`` name.
    """
    if hub.settings.hosted and not principal.operator:
        raise ForbiddenError(
            "live_needed",
            "Here people agree for themselves, in a short clip before the camera.",
            "Ask for a challenge and send the clip that answers it.",
        )
    check_hold(hub, principal.tenant_id, terms.unlike, now)
    with hub.database.begin() as conn:
        _check_room(conn, principal.tenant_id)
    return _kept(hub, principal, name, looker.enrol_photo(photo, face, terms), now)


def list_consents(hub: Hub, tenant_id: str, now: float) -> list[Consent]:
    """The tenant's records, the newest first: all that nobody revoked, and the newest of those that somebody did."""
    mine = select(consents).where(consents.c.tenant_id == tenant_id)
    newest = mine.order_by(consents.c.created_at.desc(), consents.c.id)
    with hub.database.read() as conn:
        kept = conn.execute(newest.where(consents.c.revoked_at.is_(None)).limit(MOST)).all()
        over = conn.execute(newest.where(consents.c.revoked_at.is_not(None)).limit(LISTED)).all()
    found = [_consent(row, now) for row in sorted([*kept, *over], key=lambda row: (-row.created_at, row.id))]
    ids = {one.record.subject: one.id for one in found if one.record is not None}
    return [replace(one, unlike=_others(one.record, ids)) for one in found]


def get(hub: Hub, tenant_id: str, id_: str, now: float) -> Consent:
    """A record of this tenant. Raises NotFoundError."""
    with hub.database.read() as conn:
        found = _consent(_row(conn, tenant_id, id_), now)
    if found.record is None or not found.record.unlike:
        return found
    return next((one for one in list_consents(hub, tenant_id, now) if one.id == id_), found)


def revoke(hub: Hub, principal: Principal, id_: str, now: float) -> Consent:
    """Withdraws a record for good: its face binding is destroyed, jobs that rest on it stop, previews go.

    A job that runs asks again every few seconds and ends with ``consent_revoked``; one that waits is cancelled here.
    """
    with hub.database.read() as conn:
        _row(conn, principal.tenant_id, id_)
    local_store().revoke(id_, "", _moment(now))
    with hub.database.begin() as conn:
        again = consents.c.revoked_at.is_(None)
        conn.execute(update(consents).where(consents.c.id == id_, again).values(revoked_at=now))
        waiting = conn.execute(
            select(jobs.c.id, jobs.c.request).where(jobs.c.tenant_id == principal.tenant_id, jobs.c.state == "queued")
        ).all()
    for job_id, request in waiting:
        if id_ in (request or {}).get("consents", ()):
            _stop(hub, principal, job_id, now)
    for key in list(hub.store.list(f"previews/{principal.tenant_id}")):
        if "/moving/" in key:
            hub.store.delete(key)
    return get(hub, principal.tenant_id, id_, now)


def check_hold(hub: Hub, tenant_id: str, ids: Sequence[str], now: float) -> None:
    """Whether these are records of this tenant that hold now.

    Raises:
        ConsentError: ``consent_unknown``, also for those of others; ``consent_revoked``, ``consent_expired``.
    """
    with hub.database.read() as conn:
        check_records(conn, tenant_id, ids)
    for id_ in ids:
        local_store().get(id_, _moment(now))


def _stop(hub: Hub, principal: Principal, job_id: str, now: float) -> None:
    """Cancels a job that waits; whatever happened to it meanwhile is as good."""
    try:
        queue.cancel(hub, principal, job_id, now)
    except (ConflictError, NotFoundError):
        return


def _check_word(hub: Hub, principal: Principal, terms: Terms) -> None:
    """On a hosted service only an operator can vouch for somebody's age by more than what the person says."""
    if hub.settings.hosted and not principal.operator and terms.adult not in ("none", "declared"):
        raise ForbiddenError(
            "adult_vouched",
            "Only an operator can say how somebody's age is known.",
            "Use “declared”: the person says so.",
        )


def _check_room(conn: Connection, tenant_id: str) -> None:
    hold_tenant(conn, tenant_id)
    kept = select(func.count()).where(consents.c.tenant_id == tenant_id, consents.c.revoked_at.is_(None))
    if conn.execute(kept).scalar_one() >= MOST:
        raise ConflictError(
            "consents_full", f"There are {MOST} records here already.", "Revoke those no longer needed."
        )


def _kept(hub: Hub, principal: Principal, name: str, made: Enrolled, now: float) -> Consent:
    id_, now = made.id, max(now, made.at)  # reading a clip takes a while
    row = {"id": id_, "tenant_id": principal.tenant_id, "name": name, "created_at": now}
    try:
        with hub.database.begin() as conn:
            insert_once(conn, consents, row)
    except BaseException:
        local_store().revoke(id_, "", _moment(now))  # a record of nobody's is of no use
        raise
    return get(hub, principal.tenant_id, id_, now)


def _row(conn: Connection, tenant_id: str, id_: str) -> Any:
    row = conn.execute(select(consents).where(consents.c.id == id_, consents.c.tenant_id == tenant_id)).first()
    if row is None:
        raise NotFoundError()
    return row


def _consent(row: Any, now: float) -> Consent:
    """A row with what its record says. A record held when it was made: asked for that moment, it tells when it ends."""
    state: State = "revoked" if row.revoked_at is not None else "valid"
    record = None
    if row.revoked_at is None:
        try:
            record = local_store().get(row.id, _moment(row.created_at))
            record.check_time(_moment(now))
        except ConsentError as error:
            state = _STATES.get(error.code, "broken")
    return Consent(row.id, row.name, state, record, row.created_at)


def _others(record: ConsentRecord | None, ids: Mapping[str, str]) -> tuple[str, ...]:
    """The tenant's records of those whom a record calls somebody else, as far as they can still be read."""
    return () if record is None else tuple(ids[subject] for subject in record.unlike if subject in ids)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
