from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest

from photoplay.errors import RequestError
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.letters import LETTER_S, LETTERS_TO, Letter, open_letter, write_letter
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import TooManyError, UnauthorizedError
from photoplay.service.ground.plans import load_plans

KEY = b"k" * 32
NEW, OLD = "five words nobody else has", "correct horse battery staple"
FREE = load_plans(None)["free"]
NOW = time.time()


def letter_to(database: Database, email: str, *, sign_up: bool = True, now: float = NOW) -> Letter:
    found = write_letter(database, KEY, email, "127.0.0.1", now, sign_up=sign_up)
    assert found is not None
    return found


def a_user(database: Database, email: str, password: str | None = OLD) -> accounts.User:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "somebody", FREE, NOW)
        return accounts.create_user(conn, tenant.id, email, NOW, password=password)


def test_an_account_begins_with_whoever_reads_the_mail(either: Database) -> None:
    letter = letter_to(either, " New@Example.org")
    assert (letter.email, letter.fresh) == ("new@example.org", True)
    session = open_letter(either, KEY, letter.token, NEW, FREE, NOW)
    with either.read() as conn:
        who = accounts.check_session(conn, session, NOW)
    assert who is not None
    assert (who.plan, who.operator) == ("free", False)
    assert accounts.sign_in(either, "new@example.org", NEW, None, NOW)
    with pytest.raises(UnauthorizedError) as again:
        open_letter(either, KEY, letter.token, OLD, FREE, NOW)
    assert again.value.code == "letter_invalid"


def test_a_new_password_signs_out_everywhere_and_opens_no_second_time(either: Database) -> None:
    a_user(either, "you@example.org")
    before = accounts.sign_in(either, "you@example.org", OLD, None, NOW)
    letter, other = letter_to(either, "you@example.org", sign_up=False), letter_to(either, "you@example.org")
    assert not letter.fresh
    session = open_letter(either, KEY, letter.token, NEW, None, NOW)
    with either.read() as conn:
        assert accounts.check_session(conn, session, NOW) is not None
        assert accounts.check_session(conn, before, NOW) is None
    for token in (letter.token, other.token):
        with pytest.raises(UnauthorizedError):
            open_letter(either, KEY, token, "yet another good one", FREE, NOW)
    assert accounts.sign_in(either, "you@example.org", NEW, None, NOW)


def test_somebody_who_signed_in_by_links_gets_a_password(database: Database) -> None:
    a_user(database, "you@example.org", None)
    open_letter(database, KEY, letter_to(database, "you@example.org").token, NEW, None, NOW)
    assert accounts.sign_in(database, "you@example.org", NEW, None, NOW)


def test_a_password_that_is_weak_spends_no_letter(database: Database) -> None:
    letter = letter_to(database, "new@example.org")
    with pytest.raises(RequestError):
        open_letter(database, KEY, letter.token, "short", FREE, NOW)
    assert open_letter(database, KEY, letter.token, NEW, FREE, NOW)


@pytest.mark.parametrize("address", ["you\0@example.org", "YOU@example.org", " you@example.org"])
def test_attack_an_address_that_no_letter_has_reaches_no_database(
    database: Database, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delattr(Database, "read")
    said = base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")
    with pytest.raises(UnauthorizedError):
        open_letter(database, KEY, f"{said}.{int(NOW) + 60}.{'b' * 43}", NEW, FREE, NOW)


def test_attack_no_other_token_opens_anything(database: Database) -> None:
    a_user(database, "you@example.org")
    mine, yours = letter_to(database, "me@example.org").token, letter_to(database, "you@example.org").token
    email, until, mac = yours.split(".")
    forged = [
        f"{email}.{until}.{mine.split('.')[2]}",  # another letter's
        f"{email}.{int(until) + 1}.{mac}",  # one that ends later
        f"{email.swapcase()}.{until}.{mac}",
        f"{email}.{until}.",
        f"{email}.{until}",
        "..",
        "",
        f"{email}.{10**400}.{mac}",
    ]
    for token in forged:
        with pytest.raises(UnauthorizedError):
            open_letter(database, KEY, token, NEW, FREE, NOW)
    with pytest.raises(UnauthorizedError):
        open_letter(database, b"o" * 32, yours, NEW, FREE, NOW)  # another installation
    with pytest.raises(UnauthorizedError):
        open_letter(database, KEY, yours, NEW, FREE, NOW + LETTER_S + 1)
    with pytest.raises(UnauthorizedError):
        open_letter(database, KEY, mine, NEW, None, NOW)  # nobody new is taken any more
    assert accounts.sign_in(database, "you@example.org", OLD, None, NOW)


def test_who_is_shut_out_gets_no_letter_and_opens_none(database: Database) -> None:
    user = a_user(database, "you@example.org")
    letter = letter_to(database, "you@example.org")
    with database.begin() as conn:
        accounts.disable_user(conn, user.id, NOW)
    assert write_letter(database, KEY, "you@example.org", None, NOW, sign_up=True) is None
    with pytest.raises(UnauthorizedError):
        open_letter(database, KEY, letter.token, NEW, FREE, NOW)


def test_nobody_is_written_to_too_often_and_nobody_unknown_where_none_are_taken(database: Database) -> None:
    assert write_letter(database, KEY, "nobody@example.org", None, NOW, sign_up=False) is None
    a_user(database, "you@example.org")
    for email in ("you@example.org", "unknown@example.org"):  # the same whoever has an account
        for _ in range(LETTERS_TO):
            write_letter(database, KEY, email, None, NOW, sign_up=False)
        with pytest.raises(TooManyError):
            write_letter(database, KEY, email, None, NOW, sign_up=False)
    with pytest.raises(RequestError):
        write_letter(database, KEY, "no address", None, NOW, sign_up=True)


@pytest.mark.parametrize(("language", "word"), [("en", "account"), ("de", "Konto")])
@pytest.mark.parametrize("fresh", [True, False])
def test_the_mail_says_what_the_link_does_in_both_languages(language: str, word: str, fresh: bool) -> None:
    letter = Letter("you@example.org", "aa.1.bb", fresh)
    mail = letter.mail("https://films.example.org/", language)  # type: ignore[arg-type]
    assert "\n\nhttps://films.example.org/letter#aa.1.bb\n\n" in mail.text
    assert mail.to == "you@example.org"
    assert (word in mail.text) or (word in mail.subject)
    assert mail.text != replace(letter, fresh=not fresh).mail("https://films.example.org", language).text  # type: ignore[arg-type]
