"""What becomes of a tenant's belongings once the tenant is closed: nothing stays."""

from __future__ import annotations

from sqlalchemy import exists, or_, select

from photoplay.errors import PhotoplayError
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import consents, jobs, tenants, uploads
from photoplay.service.jobs.lifecycle import forget
from photoplay.service.looking import enrolment
from photoplay.service.upkeep.dropping import UploadRow, drop
from photoplay.service.upkeep.leftovers import BATCH

OWNED = {jobs: jobs.c.deleted_at, uploads: uploads.c.deleted_at, consents: consents.c.revoked_at}
"""What a tenant owns, and where it says that it is gone."""


def closed(hub: Hub, now: float) -> int:
    """Deletes the films and uploads of closed tenants, and revokes their consent records: people agreed to them alone.

    Returns how many things were removed. One tenant's that cannot be removed keep nobody else's.
    """
    owning = [exists().where(table.c.tenant_id == tenants.c.id, gone.is_(None)) for table, gone in OWNED.items()]
    with hub.database.read() as conn:
        rows = conn.execute(
            select(tenants.c.id, tenants.c.plan)
            .where(tenants.c.closed_at.is_not(None), or_(*owning))
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
