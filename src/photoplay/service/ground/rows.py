"""Rows that two writers may want at once: inserted once, or held until the transaction ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import tenants


def insert_once(conn: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Inserts ``row`` unless a unique constraint says that it is there already; returns whether it did."""
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    inserted = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key)
    return conn.execute(inserted).first() is not None


def hold_tenant(conn: Connection, tenant_id: str) -> None:
    """Makes everybody else who holds this tenant wait until this transaction ends.

    On SQLite a write transaction holds the whole database already. On PostgreSQL the tenant's row is locked, so a
    transaction holds one tenant, or several in the order of their ids.

    Errors: NotFoundError.
    """
    row = select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update(key_share=True)
    if conn.execute(row).first() is None:
        raise NotFoundError()
