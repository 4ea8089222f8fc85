"""How an upload is removed for good, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from photoplay.service.engine import Hub
from photoplay.service.ground.tables import uploads
from photoplay.service.looking.uploads import forget_row, wipe


@dataclass(frozen=True)
class UploadRow:
    """What is needed of an upload to remove it."""

    id: str
    tenant_id: str
    key: str


def drop(hub: Hub, upload: UploadRow, now: float, over: bool = True) -> bool:
    """Removes an upload; False when somebody else did, or (``over``) when its time was prolonged meanwhile."""
    with hub.database.begin() as conn:
        still = select(uploads.c.id).where(uploads.c.id == upload.id, uploads.c.deleted_at.is_(None)).with_for_update()
        if conn.execute(still.where(uploads.c.expires_at <= now) if over else still).first() is None:
            return False
        forget_row(conn, upload.id, now)
    wipe(hub, upload.tenant_id, upload.id, upload.key)
    return True
