"""Tenants and users. A tenant owns everything, a user signs in for one; the names of keys and sessions meet here too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from photoplay.errors import RequestError, UnavailableError
from photoplay.service.accounts.credits import renew
from photoplay.service.accounts.keys import KeyInfo, check_key, create_key, end_keys, list_keys, note_use, revoke_key
from photoplay.service.accounts.limits import network, throttle
from photoplay.service.accounts.passwords import hash_password
from photoplay.service.accounts.principals import OPERATE, SCOPES, Principal
from photoplay.service.accounts.sessions import (
    check_session,
    csrf,
    csrf_holds,
    end_session,
    end_sessions,
    folded_email,
    sign_in,
    sign_in_link,
    start_session,
    sweep,
    use_link,
)
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, NotFoundError
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.rows import hold_tenant, insert_once
from photoplay.service.ground.tables import tenants, users

__all__ = [
    "HOME",
    "OPERATE",
    "SCOPES",
    "KeyInfo",
    "Principal",
    "Tenant",
    "User",
    "change_password",
    "check_key",
    "check_plans",
    "check_session",
    "checked_email",
    "close_tenant",
    "create_key",
    "create_tenant",
    "create_user",
    "csrf",
    "csrf_holds",
    "disable_user",
    "end_session",
    "end_sessions",
    "ensure_home",
    "find_user",
    "get_tenant",
    "get_user",
    "list_keys",
    "note_use",
    "revoke_key",
    "set_password",
    "set_plan",
    "sign_in",
    "sign_in_link",
    "sign_up",
    "start_session",
    "sweep",
    "use_link",
]

HOME = "home"
"""Tenant, user and plan of a service on one's own machine."""
NAME = 80
"""Most characters of a tenant's name."""
EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]]{1,64}@(?=.{1,190}$)[^\s@<>\"(),:;\\\[\]]+")
SIGN_UPS = 10
"""Tries of a new account from one internet address in an hour."""
HOUR = timedelta(hours=1).total_seconds()


@dataclass(frozen=True)
class Tenant:
    """Whoever owns photos, films, consents and credits."""

    id: str
    name: str
    plan: str
    created_at: float
    closed_at: float | None


@dataclass(frozen=True)
class User:
    """Somebody who signs in for a tenant. ``has_password``: not by links alone."""

    id: str
    tenant_id: str
    email: str
    operator: bool
    has_password: bool
    created_at: float
    disabled_at: float | None


def create_tenant(conn: Connection, name: str, plan: Plan, now: float) -> Tenant:
    """A new tenant with its first month's credits.

    Errors: RequestError ``bad_name``.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME or not name.isprintable():
        raise RequestError("bad_name", "This name cannot be used.", f"Use 1 to {NAME} printable characters.")
    tenant_id = new_id("tenant")
    insert_once(conn, tenants, {"id": tenant_id, "name": name, "plan": plan.name, "created_at": now})
    renew(conn, tenant_id, plan, now)
    return get_tenant(conn, tenant_id)


def get_tenant(conn: Connection, tenant_id: str) -> Tenant:
    """Errors: NotFoundError."""
    row = conn.execute(select(tenants).where(tenants.c.id == tenant_id)).first()
    if row is None:
        raise NotFoundError()
    return Tenant(row.id, row.name, row.plan, row.created_at, row.closed_at)


def set_plan(conn: Connection, tenant_id: str, plan: Plan, now: float) -> None:
    """Changes a tenant's plan; more monthly credits are given at once, fewer from next month on.

    Errors: NotFoundError.
    """
    hold_tenant(conn, tenant_id)
    conn.execute(update(tenants).where(tenants.c.id == tenant_id).values(plan=plan.name))
    renew(conn, tenant_id, plan, now)


def check_plans(conn: Connection, plans: Mapping[str, Plan], hosted: bool) -> None:
    """Returns if every open tenant's plan is among ``plans``, and that of one's own machine unless the service is hosted.

    Errors: UnavailableError ``plan_missing``.
    """
    needed = set(conn.execute(select(tenants.c.plan).where(tenants.c.closed_at.is_(None)).distinct()).scalars())
    missing = sorted((needed if hosted else needed | {HOME}) - plans.keys())
    if missing:
        raise UnavailableError(
            "plan_missing",
            f"The file of plans has no {' and no '.join(missing)}, which accounts have.",
            "Put it back, or give these accounts another plan before.",
        )


def close_tenant(conn: Connection, tenant_id: str, now: float) -> None:
    """Shuts a tenant out: its keys and sessions stop at once. What it owns is deleted by others.

    Errors: NotFoundError.
    """
    hold_tenant(conn, tenant_id)
    conn.execute(update(tenants).where(tenants.c.id == tenant_id, tenants.c.closed_at.is_(None)).values(closed_at=now))


def create_user(
    conn: Connection,
    tenant_id: str,
    email: str,
    now: float,
    *,
    password: str | None = None,
    operator: bool = False,
) -> User:
    """A new user of a tenant; without a password they sign in by links alone.

    Errors: RequestError ``bad_email``, ``password_weak``; ConflictError ``email_taken``; NotFoundError.
    """
    kept = None if password is None else hash_password(password)
    return _create_user(conn, tenant_id, checked_email(email), kept, operator, now)


def _create_user(conn: Connection, tenant_id: str, email: str, kept: str | None, operator: bool, now: float) -> User:
    get_tenant(conn, tenant_id)
    user_id = new_id("user")
    row = {"id": user_id, "tenant_id": tenant_id, "email": email, "password": kept, "operator": operator}
    if not insert_once(conn, users, row | {"created_at": now}):
        raise ConflictError(
            "email_taken", "There is an account with this e-mail already.", "Sign in, or use another one."
        )
    return get_user(conn, user_id)


def sign_up(database: Database, email: str, password: str, plan: Plan, address: str | None, now: float) -> str:
    """A new tenant with one user, signed in: the session's token.

    Errors: as :func:`create_user`; TooManyError ``too_many_tries``.
    """
    email = checked_email(email)
    with database.begin() as conn:
        throttle(conn, "sign up from", network(address), SIGN_UPS, HOUR, now)
    kept = hash_password(password)
    with database.begin() as conn:
        tenant = create_tenant(conn, email[:NAME], plan, now)
        user = _create_user(conn, tenant.id, email, kept, False, now)
        return _entered(conn, user.id, now)


def get_user(conn: Connection, user_id: str) -> User:
    """Errors: NotFoundError."""
    row = conn.execute(select(users).where(users.c.id == user_id)).first()
    if row is None:
        raise NotFoundError()
    return _user(row)


def find_user(conn: Connection, email: str) -> User | None:
    """The user with this e-mail."""
    row = conn.execute(select(users).where(users.c.email == folded_email(email))).first()
    return None if row is None else _user(row)


def set_password(conn: Connection, user_id: str, password: str, now: float) -> None:
    """Gives a user a new password and signs them out everywhere.

    Errors: RequestError ``password_weak``; NotFoundError.
    """
    kept = hash_password(password)
    if conn.execute(update(users).where(users.c.id == user_id).values(password=kept)).rowcount != 1:
        raise NotFoundError()
    end_sessions(conn, user_id, now)


def change_password(
    database: Database, user_id: str, current: str | None, password: str, address: str | None, now: float
) -> str:
    """Gives a user a new password for the current one, and signs them out everywhere but here: a new session's token.

    ``current`` is None for a user who had no password yet.

    Errors: RequestError ``password_weak``; UnauthorizedError ``sign_in_failed``; TooManyError ``too_many_tries``.
    """
    with database.read() as conn:
        user = get_user(conn, user_id)
    if current is not None or user.has_password:
        sign_in(database, user.email, current or "", address, now)
    with database.begin() as conn:
        set_password(conn, user_id, password, now)
        return _entered(conn, user_id, now)


def disable_user(conn: Connection, user_id: str, now: float) -> None:
    """Shuts a user out at once; the tenant's keys end with its last user, operators' keys with any operator: a key does
    not tell who made it.

    Errors: NotFoundError.
    """
    user = get_user(conn, user_id)
    hold_tenant(conn, user.tenant_id)
    disabled = func.coalesce(users.c.disabled_at, now)
    conn.execute(update(users).where(users.c.id == user_id).values(disabled_at=disabled))
    end_sessions(conn, user_id, now)
    if user.operator:
        end_keys(conn, user.tenant_id, now, OPERATE)
    others = select(users.c.id).where(users.c.tenant_id == user.tenant_id, users.c.disabled_at.is_(None))
    if conn.execute(others.limit(1)).first() is None:
        end_keys(conn, user.tenant_id, now)


def _entered(conn: Connection, user_id: str, now: float) -> str:
    session = start_session(conn, user_id, now)
    if session is None:
        raise NotFoundError()
    return session


def ensure_home(conn: Connection, plans: Mapping[str, Plan], now: float) -> User:
    """The one user of a service on one's own machine, an operator who signs in by links; made when not there.

    Where its plan is metered, it has the month's credits from the first moment on.
    """
    insert_once(conn, tenants, {"id": HOME, "name": "At home", "plan": HOME, "created_at": now})
    home = get_tenant(conn, HOME)
    if home.closed_at is None:
        renew(conn, HOME, plans[home.plan], now)
    row = {"id": HOME, "tenant_id": HOME, "email": "home@localhost", "operator": True, "created_at": now}
    insert_once(conn, users, row)
    return get_user(conn, HOME)


def checked_email(email: str) -> str:
    """An e-mail address as it is kept. Errors: RequestError ``bad_email``."""
    email = folded_email(email)
    if EMAIL.fullmatch(email) is None:
        raise RequestError("bad_email", "This is not an e-mail address.", "Write it like name@example.org.")
    return email


def _user(row: Any) -> User:
    return User(
        id=row.id,
        tenant_id=row.tenant_id,
        email=row.email,
        operator=row.operator,
        has_password=row.password is not None,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
