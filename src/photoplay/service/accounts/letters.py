"""Letters: mails with a link by which somebody makes an account, or chooses a new password for theirs.

Whoever asks for one is told the same whether there is such an account or not. The link holds while nothing changed: it
carries no row of a table, but a token over the address, its end and what the account was like when it was written. Once a
password is chosen the account is another, so it opens once; and the password is chosen by whoever reads the mail, never by
whoever asked for it.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, select, update

from photoplay.service.accounts.limits import HOUR, network, throttle
from photoplay.service.accounts.passwords import hash_password
from photoplay.service.accounts.sessions import end_sessions, folded_email, start_session
from photoplay.service.accounts.tenants import NAME, checked_email, create_tenant, create_user
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, UnauthorizedError
from photoplay.service.ground.mail import Mail
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.tables import tenants, users

Language: TypeAlias = Literal["en", "de"]
LETTER_S = HOUR
LETTERS_TO, LETTERS_FROM = 5, 20
"""Letters to one address, and asked for from one internet address, in an hour."""


@dataclass(frozen=True)
class Letter:
    """What goes to an address: the token of its link, and whether an account begins with it."""

    email: str
    token: str
    fresh: bool

    def mail(self, public_url: str, language: Language) -> Mail:
        """The mail, in the language of whoever asked for it."""
        subject, text = WORDS[language]["fresh" if self.fresh else "known"]
        link = f"{public_url.rstrip('/')}/letter#{self.token}"  # what comes after # goes to no server and into no log
        return Mail(self.email, subject, text.format(link=link))


def write_letter(
    database: Database, key: bytes, email: str, address: str | None, now: float, *, sign_up: bool
) -> Letter | None:
    """The letter to somebody who has an account, or may make one; None where there is nothing to write.

    Errors: RequestError ``bad_email``; TooManyError ``too_many_tries``, whoever has the address.
    """
    email = checked_email(email)
    with database.begin() as conn:
        throttle(conn, "letter from", network(address), LETTERS_FROM, HOUR, now)
        throttle(conn, "letter to", email, LETTERS_TO, HOUR, now)
    with database.read() as conn:
        account = _account(conn, email)
    if account.shut or (account.user_id is None and not sign_up):
        return None
    until = int(now + LETTER_S)
    return Letter(email, f"{_text(email.encode())}.{until}.{_mac(key, email, until, account)}", account.user_id is None)


def open_letter(database: Database, key: bytes, token: str, password: str, plan: Plan | None, now: float) -> str:
    """Makes the account that a letter is for, on ``plan``, or gives it the new password and signs it out everywhere: a
    new session's token. Without a plan no account begins.

    Errors: UnauthorizedError ``letter_invalid``; RequestError ``password_weak``.
    """
    email, until, mac = _parts(token)
    with database.read() as conn:
        account = _account(conn, email)
    if account.shut or until <= now or not hmac.compare_digest(_mac(key, email, until, account), mac):
        raise _invalid()
    kept = hash_password(password)
    try:
        with database.begin() as conn:
            user_id = account.user_id
            if user_id is None:
                if plan is None:
                    raise _invalid()
                tenant = create_tenant(conn, email[:NAME], plan, now)
                user_id = create_user(conn, tenant.id, email, now).id
            same = update(users).where(users.c.id == user_id, users.c.password.is_not_distinct_from(account.password))
            if conn.execute(same.values(password=kept)).rowcount != 1:
                raise _invalid()
            end_sessions(conn, user_id, now)
            session = start_session(conn, user_id, now)
            if session is None:
                raise _invalid()
            return session
    except ConflictError:  # the same letter was opened twice at once
        raise _invalid() from None


@dataclass(frozen=True)
class _Account:
    """What stands under an address right now."""

    user_id: str | None = None
    password: str | None = None
    shut: bool = False


def _account(conn: Connection, email: str) -> _Account:
    found = (
        select(users.c.id, users.c.password, users.c.disabled_at, tenants.c.closed_at)
        .join(tenants, tenants.c.id == users.c.tenant_id)
        .where(users.c.email == email)
    )
    row = conn.execute(found).first()
    if row is None:
        return _Account()
    return _Account(row.id, row.password, row.disabled_at is not None or row.closed_at is not None)


def _mac(key: bytes, email: str, until: int, account: _Account) -> str:
    said = "\0".join((email, str(until), account.user_id or "", account.password or ""))
    return _text(hmac.digest(key, said.encode(), "sha256"))


def _parts(token: str) -> tuple[str, int, str]:
    try:
        said, until, mac = token.split(".")
        email = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).decode()
        if folded_email(email) != email:  # no letter was written to it, and a database may choke on it
            raise ValueError("no address")
        return email, int(until), mac
    except ValueError:
        raise _invalid() from None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _invalid() -> UnauthorizedError:
    return UnauthorizedError("letter_invalid", "This link does not hold (any more).", "Ask for a new one.")


WORDS: dict[Language, dict[Literal["fresh", "known"], tuple[str, str]]] = {
    "en": {
        "fresh": (
            "Your account at photoplay",
            "Hello,\n\nsomebody, we hope you, wants to make an account at photoplay with this address. Open this link "
            "within an hour\nand choose a password:\n\n{link}\n\nIf it was not you, do nothing: no account is made.\n",
        ),
        "known": (
            "A new password for photoplay",
            "Hello,\n\nsomebody, we hope you, asked for a new password for your account at photoplay. Open this link "
            "within an hour\nand choose one:\n\n{link}\n\nIf it was not you, do nothing: your password stays as it is.\n\n"
            "A new password ends all sessions, and no keys of the API: if somebody else was in your account,\nrevoke "
            "those on its page.\n",
        ),
    },
    "de": {
        "fresh": (
            "Dein Konto bei photoplay",
            "Hallo,\n\njemand, hoffentlich du, möchte mit dieser Adresse ein Konto bei photoplay anlegen. Öffne diesen "
            "Link innerhalb\neiner Stunde und wähle ein Passwort:\n\n{link}\n\nWarst du es nicht, tu nichts: Es entsteht "
            "kein Konto.\n",
        ),
        "known": (
            "Ein neues Passwort für photoplay",
            "Hallo,\n\njemand, hoffentlich du, hat um ein neues Passwort für dein Konto bei photoplay gebeten. Öffne "
            "diesen Link innerhalb\neiner Stunde und wähle eines:\n\n{link}\n\nWarst du es nicht, tu nichts: Dein "
            "Passwort bleibt, wie es ist.\n\nEin neues Passwort beendet alle Sitzungen, aber keine Schlüssel der API: "
            "War jemand anderes\nin deinem Konto, widerrufe sie auf dessen Seite.\n",
        ),
    },
}
