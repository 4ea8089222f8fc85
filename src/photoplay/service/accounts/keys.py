"""API keys: shown once, kept as a hash, each with its scopes and perhaps an end."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, not_, or_, select, update

from photoplay.errors import RequestError
from photoplay.service.accounts.principals import OPERATE, SCOPES, Principal
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError
from photoplay.service.ground.ids import new_id, token_digest
from photoplay.service.ground.rows import hold_tenant
from photoplay.service.ground.tables import api_keys, tenants

PREFIX = "pp_"
TOKEN = re.compile(r"pp_[A-Za-z0-9_-]{43}")
SHOWN = 8
"""Characters of a key that stay readable, to tell keys apart."""
MOST = 50
"""Keys of a tenant that are in force."""
LISTED = 50
"""Keys that are over and still told of."""
DAYS = (1, 3650)
NAME = 80
"""Most characters of a key's name."""
NOTED_S = 300.0
"""How old a note of a key's last use may become."""
DAY = 86_400.0


@dataclass(frozen=True)
class KeyInfo:
    """What is told about a key: never the key itself."""

    id: str
    name: str
    start: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None


def create_key(
    conn: Connection,
    tenant_id: str,
    name: str,
    scopes: Iterable[str],
    now: float,
    days: int | None = None,
    may: frozenset[str] = SCOPES,
    maker: Principal | None = None,
) -> tuple[KeyInfo, str]:
    """A new key and its token (``pp_`` and 43 characters), which is not kept and cannot be shown again.

    ``may`` is what the creator may do, and ``maker`` who they are: a key never gets more than the key that makes it, lasts
    no longer, and is revoked with it.

    Errors: RequestError ``bad_key`` (name, days, no or unknown scope); ForbiddenError ``scope_missing`` for a scope that
    the creator has not, ``key_over`` when the maker's was revoked meanwhile; ConflictError ``too_many_keys``; NotFoundError.
    """
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= SCOPES | {OPERATE}:
        raise _bad("a scope is not known, or there is none", f"Choose from {', '.join(sorted(SCOPES))}.")
    if not set(wanted) <= may:
        raise ForbiddenError("scope_missing", "A key cannot do more than its maker.", "Choose fewer scopes.")
    if not name.strip() or len(name) > NAME or not name.isprintable():
        raise _bad("its name cannot be used", f"Use 1 to {NAME} printable characters.")
    if days is not None and not DAYS[0] <= days <= DAYS[1]:
        raise _bad("it cannot last so long", f"Choose {DAYS[0]} to {DAYS[1]} days.")
    hold_tenant(conn, tenant_id)
    theirs = select(api_keys.c.id).where(api_keys.c.id == (maker and maker.key_id), _in_force(now))
    if maker is not None and maker.key_id is not None and conn.execute(theirs).first() is None:
        raise ForbiddenError("key_over", "The key that asks for this is over.", "Use another key.")
    live = select(func.count()).where(api_keys.c.tenant_id == tenant_id, _in_force(now))
    if conn.execute(live).scalar_one() >= MOST:
        raise ConflictError("too_many_keys", f"There are {MOST} keys already.", "Revoke one that is not used.")
    token = PREFIX + secrets.token_urlsafe(32)
    ends = [
        end for end in (maker.until if maker else None, None if days is None else now + days * DAY) if end is not None
    ]
    info = KeyInfo(
        id=new_id("key"),
        name=name.strip(),
        start=token[:SHOWN],
        scopes=tuple(wanted),
        created_at=now,
        expires_at=min(ends, default=None),
        used_at=None,
        revoked_at=None,
    )
    conn.execute(
        insert(api_keys).values(
            id=info.id,
            tenant_id=tenant_id,
            name=info.name,
            start=info.start,
            sha256=token_digest(token),
            scopes=wanted,
            created_at=now,
            expires_at=info.expires_at,
            maker_id=maker and maker.key_id,
        )
    )
    return info, token


def check_key(conn: Connection, token: str, now: float) -> Principal | None:
    """Who this token is; None if it is unknown, revoked or expired, or its tenant is closed."""
    if TOKEN.fullmatch(token) is None:
        return None
    digest = token_digest(token)
    found = (
        select(api_keys, tenants.c.plan, tenants.c.closed_at)
        .join(tenants, tenants.c.id == api_keys.c.tenant_id)
        .where(api_keys.c.sha256 == digest)
    )
    key = conn.execute(found).first()
    if key is None or not hmac.compare_digest(key.sha256, digest):
        return None
    if key.revoked_at is not None or key.closed_at is not None:
        return None
    if key.expires_at is not None and not now < key.expires_at:
        return None
    return Principal(
        tenant_id=key.tenant_id,
        plan=key.plan,
        scopes=frozenset(key.scopes) & SCOPES,
        key_id=key.id,
        operator=OPERATE in key.scopes,
        until=key.expires_at,
    )


def note_use(database: Database, key_id: str, now: float) -> None:
    """Notes that a key was used; it writes at most once in five minutes, so that reading stays reading."""
    with database.read() as conn:
        used_at = conn.execute(select(api_keys.c.used_at).where(api_keys.c.id == key_id)).scalar_one_or_none()
    if used_at is None or used_at < now - NOTED_S:
        with database.begin() as conn:
            conn.execute(update(api_keys).where(api_keys.c.id == key_id).values(used_at=now))


def revoke_key(conn: Connection, tenant_id: str, key_id: str, now: float) -> None:
    """Ends a key and those that were made with it at once; what was revoked before stays so.

    Errors: NotFoundError.
    """
    hold_tenant(conn, tenant_id)  # no key is made with it meanwhile
    mine = (api_keys.c.id == key_id, api_keys.c.tenant_id == tenant_id)
    if not key_id.isprintable() or conn.execute(select(api_keys.c.id).where(*mine)).first() is None:
        raise NotFoundError()
    _revoke(conn, [key_id], now)


def end_keys(conn: Connection, tenant_id: str, now: float, scope: str | None = None) -> None:
    """Revokes all of a tenant's keys, or those that have this scope and those that were made with them."""
    mine = (api_keys.c.tenant_id == tenant_id, api_keys.c.revoked_at.is_(None))
    found = conn.execute(select(api_keys.c.id, api_keys.c.scopes).where(*mine)).all()
    _revoke(conn, [key.id for key in found if scope is None or scope in key.scopes], now)


def _revoke(conn: Connection, ids: list[str], now: float) -> None:
    """Revokes keys, the keys that were made with them, and so on."""
    ended = select(api_keys.c.id).where(api_keys.c.id.in_(ids)).cte("ended", recursive=True)
    ended = ended.union(select(api_keys.c.id).where(api_keys.c.maker_id == ended.c.id))
    over = update(api_keys).where(api_keys.c.id.in_(select(ended.c.id)), api_keys.c.revoked_at.is_(None))
    conn.execute(over.values(revoked_at=now))


def list_keys(conn: Connection, tenant_id: str, now: float) -> list[KeyInfo]:
    """The tenant's keys, the newest first: all that are in force, and the newest of those that are over."""
    mine = select(api_keys).where(api_keys.c.tenant_id == tenant_id)
    newest = (api_keys.c.created_at.desc(), api_keys.c.id)
    found = conn.execute(mine.where(_in_force(now)).order_by(*newest).limit(MOST)).all()
    over = conn.execute(mine.where(not_(_in_force(now))).order_by(*newest).limit(LISTED)).all()
    return [_info(row) for row in sorted([*found, *over], key=lambda row: (-row.created_at, row.id))]


def _in_force(now: float) -> ColumnElement[bool]:
    ends = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return and_(api_keys.c.revoked_at.is_(None), ends)


def _info(row: Any) -> KeyInfo:
    return KeyInfo(
        id=row.id,
        name=row.name,
        start=row.start,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )


def _bad(why: str, hint: str) -> RequestError:
    return RequestError("bad_key", f"This key cannot be made: {why}.", hint)
