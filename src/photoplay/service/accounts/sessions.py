"""Signing in: by password or by a link that works once; browser sessions, and the token against forged requests.

Tokens are random, handed out once and kept as SHA-256. A session ends after 30 days whatever happens, when it is signed
out, or when the password changes.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from photoplay.service.accounts.limits import forget, forgive, network, throttle
from photoplay.service.accounts.passwords import hash_password, outdated, password_holds
from photoplay.service.accounts.principals import OPERATE, SCOPES, Principal
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import NotFoundError, UnauthorizedError
from photoplay.service.ground.ids import token_digest
from photoplay.service.ground.tables import links, sessions, tenants, throttles, users

SESSION_S = timedelta(days=30).total_seconds()
LINK_S = timedelta(minutes=15).total_seconds()
TRIES = 10
"""Wrong passwords for one e-mail address in a window."""
TRIES_FROM = 50
"""Wrong passwords from one internet address in a window."""
WINDOW_S = timedelta(minutes=15).total_seconds()
FROM, AS = "sign in from", "sign in as"
KEPT_S = timedelta(days=1).total_seconds()
"""How long what is over stays before it is swept."""


def sign_in(database: Database, email: str, password: str, address: str | None, now: float) -> str:
    """A new session's token.

    Tries are counted before the password is looked at, by e-mail and by the internet address that the request came from,
    and in a transaction of their own: a wrong password counts although it raises, and hashing blocks no writer. An
    unknown e-mail takes the same work and gets the same answer.

    Errors: UnauthorizedError ``sign_in_failed``; TooManyError ``too_many_tries``.
    """
    email, source = folded_email(email), network(address)
    with database.begin() as conn:
        throttle(conn, FROM, source, TRIES_FROM, WINDOW_S, now)
        throttle(conn, AS, email, TRIES, WINDOW_S, now)
    with database.read() as conn:
        user = conn.execute(select(users.c.id, users.c.password).where(users.c.email == email)).first()
    kept = None if user is None else user.password
    if not password_holds(kept, password) or user is None or kept is None:
        raise _failed()
    renewed = hash_password(password) if outdated(kept) else kept
    with database.begin() as conn:
        # The password may have changed meanwhile: whoever comes second sees what the first one did.
        same = update(users).where(users.c.id == user.id, users.c.password == kept).values(password=renewed)
        session = start_session(conn, user.id, now) if conn.execute(same).rowcount == 1 else None
        if session is None:
            raise _failed()
        forget(conn, AS, email)
        forgive(conn, FROM, source)
        return session


def folded_email(email: str) -> str:
    """An e-mail address as it is kept: in lower case; nobody's for what cannot be one."""
    return email.strip().lower() if email.isprintable() else ""


def sign_in_link(conn: Connection, user_id: str, now: float, lasts_s: float = LINK_S) -> str:
    """A token that signs this user in once, until it is over.

    Errors: NotFoundError for an unknown or disabled user.
    """
    if not _may_enter(conn, user_id):
        raise NotFoundError()
    token = secrets.token_urlsafe(32)
    conn.execute(insert(links).values(sha256=token_digest(token), user_id=user_id, expires_at=now + lasts_s))
    return token


def use_link(conn: Connection, token: str, now: float) -> str:
    """A new session's token for a sign-in link, which is used up by this.

    Errors: UnauthorizedError ``link_invalid``.
    """
    mine = (links.c.sha256 == token_digest(token), links.c.used_at.is_(None), links.c.expires_at > now)
    user_id = conn.execute(select(links.c.user_id).where(*mine)).scalar_one_or_none()
    session = None if user_id is None else start_session(conn, user_id, now)
    if session is None or conn.execute(update(links).where(*mine).values(used_at=now)).rowcount != 1:
        raise UnauthorizedError("link_invalid", "This link does not sign in (any more).", "Ask for a new one.")
    return session


def start_session(conn: Connection, user_id: str, now: float) -> str | None:
    """A new session's token, for a user who has shown who they are; None for a user who may not enter any more.

    The user is held until the transaction ends, so that signing out everywhere misses no session that begins meanwhile.
    """
    if not _may_enter(conn, user_id):
        return None
    token = secrets.token_urlsafe(32)
    row = {"sha256": token_digest(token), "user_id": user_id, "created_at": now, "expires_at": now + SESSION_S}
    conn.execute(insert(sessions).values(**row))
    return token


def check_session(conn: Connection, token: str, now: float) -> Principal | None:
    """Whose browser this is; None if the session is unknown or over, or the user or tenant may not enter any more."""
    digest = token_digest(token)
    found = (
        select(sessions.c.sha256, users.c.id, users.c.operator, users.c.tenant_id, tenants.c.plan)
        .join(users, users.c.id == sessions.c.user_id)
        .join(tenants, tenants.c.id == users.c.tenant_id)
        .where(sessions.c.sha256 == digest, sessions.c.expires_at > now, sessions.c.revoked_at.is_(None))
        .where(users.c.disabled_at.is_(None), tenants.c.closed_at.is_(None))
    )
    row = conn.execute(found).first()
    if row is None or not hmac.compare_digest(row.sha256, digest):
        return None
    return Principal(
        tenant_id=row.tenant_id,
        plan=row.plan,
        scopes=SCOPES | ({OPERATE} if row.operator else set()),
        user_id=row.id,
        session=True,
        operator=row.operator,
    )


def end_session(conn: Connection, token: str, now: float) -> None:
    """Signs out; a session that is over already stays so."""
    mine = update(sessions).where(sessions.c.sha256 == token_digest(token), sessions.c.revoked_at.is_(None))
    conn.execute(mine.values(revoked_at=now))


def end_sessions(conn: Connection, user_id: str, now: float) -> None:
    """Signs a user out everywhere, and ends the sign-in links that are still on their way."""
    conn.execute(
        update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    conn.execute(update(links).where(links.c.user_id == user_id, links.c.used_at.is_(None)).values(used_at=now))


def csrf(key: bytes, token: str) -> str:
    """What a page of this session sends along when it changes something: an HMAC that no other site can know."""
    made = hmac.digest(key, b"csrf\0" + token.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def csrf_holds(key: bytes, token: str, given: str) -> bool:
    """Whether ``given`` is the token against forged requests of this session."""
    return hmac.compare_digest(csrf(key, token).encode(), given.encode("utf-8", "surrogatepass"))


def sweep(conn: Connection, now: float) -> int:
    """Deletes sessions, links and counts that are over for a day; returns how many."""
    before = now - KEPT_S
    over = (
        delete(sessions).where(or_(sessions.c.expires_at < before, sessions.c.revoked_at < before)),
        delete(links).where(or_(links.c.expires_at < before, links.c.used_at < before)),
        delete(throttles).where(throttles.c.since < before),
    )
    return sum(conn.execute(one).rowcount for one in over)


def _may_enter(conn: Connection, user_id: str) -> bool:
    """Whether neither the user nor the tenant is shut out. Holds the user until the transaction ends."""
    user = (
        select(users.c.id)
        .join(tenants, tenants.c.id == users.c.tenant_id)
        .where(users.c.id == user_id, users.c.disabled_at.is_(None), tenants.c.closed_at.is_(None))
        .with_for_update(key_share=True, of=users)
    )
    return conn.execute(user).first() is not None


def _failed() -> UnauthorizedError:
    return UnauthorizedError(
        "sign_in_failed", "E-mail and password do not fit.", "Check both, or ask for a sign-in link."
    )
