"""What becomes of a tenant's belongings once the tenant is closed: nothing stays, and after a day no name either."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from photoplay.errors import PhotoplayError
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import api_keys, consents, jobs, links, sessions, tenants, uploads, users
from photoplay.service.jobs.lifecycle import forget
from photoplay.service.looking import enrolment
from photoplay.service.upkeep.dropping import UploadRow, drop
from photoplay.service.upkeep.leftovers import BATCH

OWNED = {jobs: jobs.c.deleted_at, uploads: uploads.c.deleted_at, consents: consents.c.revoked_at}
"""What a tenant owns, and where it says that it is gone."""
NAMED = 86_400.0
"""Seconds for which an operator still sees whose a closed tenant was."""


def closed(hub: Hub, now: float) -> int:
    """Deletes the films and uploads of closed tenants, and revokes their consent records: people agreed to them alone.

    Returns how many things were removed. One tenant's that cannot be removed keep nobody else's.
    """
    with hub.database.read() as conn:
        rows = conn.execute(
            select(tenants.c.id, tenants.c.plan)
            .where(tenants.c.closed_at.is_not(None), or_(*_owning()))
            .order_by(tenants.c.closed_at)
            .limit(BATCH)
        ).all()
    gone, failed = 0, None
    for row in rows:
        try:
            gone += _emptied(hub, Principal(row.id, row.plan, frozenset()), now)
        except PhotoplayError as error:
            failed = error
    if failed is not None:
        raise failed
    return gone


def nameless(hub: Hub, now: float) -> int:
    """Forgets who had an account that is closed for a day and owns nothing any more; returns how many accounts.

    Its users go, with e-mail address and password, and the names of the account, its keys and its consent records. Numbers
    stay: the ledger of credits has to add up.
    """
    over = and_(tenants.c.closed_at < now - NAMED, tenants.c.name != "", ~or_(*_owning()))
    with hub.database.begin() as conn:
        ids = list(conn.execute(select(tenants.c.id).where(over).order_by(tenants.c.closed_at).limit(BATCH)).scalars())
        people = select(users.c.id).where(users.c.tenant_id.in_(ids))
        for table in (sessions, links):
            conn.execute(delete(table).where(table.c.user_id.in_(people)))
        conn.execute(delete(users).where(users.c.tenant_id.in_(ids)))
        for table in (api_keys, consents):
            conn.execute(update(table).where(table.c.tenant_id.in_(ids)).values(name=""))
        conn.execute(update(tenants).where(tenants.c.id.in_(ids)).values(name=""))
    return len(ids)


def _owning() -> list[ColumnElement[bool]]:
    """Whether a tenant owns anything of each kind."""
    return [exists().where(table.c.tenant_id == tenants.c.id, gone.is_(None)) for table, gone in OWNED.items()]


def _emptied(hub: Hub, whose: Principal, now: float) -> int:
    """Removes what a tenant owns: films first, because one may still be made of the rest."""
    with hub.database.read() as conn:
        films, photos, records = (
            conn.execute(select(table).where(table.c.tenant_id == whose.tenant_id, over.is_(None)).limit(BATCH)).all()
            for table, over in OWNED.items()
        )
    gone = sum(forget(hub, row.id, now) for row in films)
    gone += sum(drop(hub, UploadRow(row.id, row.tenant_id, row.key), now, over=False) for row in photos)
    for row in records:
        enrolment.revoke(hub, whose, row.id, now)
    return gone + len(records)
