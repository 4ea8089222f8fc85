from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from photoplay.service.accounts import passwords, sessions
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.passwords import password_holds
from photoplay.service.accounts.principals import SCOPES, Principal
from photoplay.service.accounts.sessions import (
    check_session,
    csrf,
    csrf_holds,
    end_session,
    sign_in,
    sign_in_link,
    start_session,
    sweep,
    use_link,
)
from photoplay.service.accounts.tenants import User
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import TooManyError, UnauthorizedError
from photoplay.service.ground.plans import load_plans
from photoplay.service.ground.tables import links, throttles, users
from photoplay.service.ground.tables import sessions as table

PLANS = load_plans()
NOW = 1.78e9
PASSWORD = "five brown boats at dawn"
EMAIL = "ann@example.org"
HERE = "192.0.2.1"


def make_ann(database: Database) -> User:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        return accounts.create_user(conn, tenant, EMAIL, NOW, password=PASSWORD)


@pytest.fixture
def ann(database: Database) -> User:
    return make_ann(database)


def failed(database: Database, email: str = EMAIL, address: str | None = HERE, now: float = NOW) -> str:
    """The code of a refused sign-in with a wrong password."""
    with pytest.raises((UnauthorizedError, TooManyError)) as error:
        sign_in(database, email, "not at all her password", address, now)
    return error.value.code


def test_the_right_password_opens_a_session_for_thirty_days(database: Database, ann: User) -> None:
    token = sign_in(database, " ANN@example.org ", PASSWORD, HERE, NOW)
    with database.read() as conn:
        for now in (NOW, NOW + 30 * 86_400 - 1):
            assert check_session(conn, token, now) == Principal(
                tenant_id=ann.tenant_id, plan="free", scopes=SCOPES, user_id=ann.id, session=True
            )
        assert check_session(conn, token, NOW + 30 * 86_400) is None
        for wrong in ("", token[:-1], token + "A", "é"):
            assert check_session(conn, wrong, NOW) is None


def test_sessions_are_apart_and_one_ends_alone(database: Database, ann: User) -> None:
    first, second = (sign_in(database, EMAIL, PASSWORD, HERE, NOW) for _ in range(2))
    assert first != second
    with database.begin() as conn:
        end_session(conn, first, NOW)
        end_session(conn, "unknown", NOW)
        assert check_session(conn, first, NOW) is None
        assert check_session(conn, second, NOW) is not None


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(database: Database, ann: User) -> None:
    answers = set()
    for email, password in ((EMAIL, "x" * 30), ("bob@example.org", PASSWORD), (EMAIL, ""), (EMAIL, PASSWORD + " ")):
        with pytest.raises(UnauthorizedError) as error:
            sign_in(database, email, password, HERE, NOW)
        answers.add((error.value.code, error.value.message, error.value.hint))
    assert len(answers) == 1


@pytest.mark.parametrize("email", ["", "a\0b@example.org", "\ud800@example.org", "x" * 100_000])
def test_odd_addresses_are_nobodys(either: Database, email: str) -> None:
    assert failed(either, email) == "sign_in_failed"


def test_an_unknown_address_takes_the_same_work(database: Database, ann: User) -> None:
    with database.begin() as conn:
        accounts.create_user(conn, ann.tenant_id, "link@example.org", NOW)
    emails = (EMAIL, "bob@example.org", "link@example.org")
    least = dict.fromkeys(emails, float("inf"))
    for n in range(8):
        for email in emails:
            began = time.thread_time()
            failed(database, email, f"192.0.2.{n}")
            least[email] = min(least[email], time.thread_time() - began)
    for email in emails[1:]:
        assert 0.5 < least[email] / least[EMAIL] < 2  # without the hash it is a tenth of it


def test_ten_wrong_passwords_close_an_address_for_a_while(either: Database) -> None:
    make_ann(either)
    codes = [failed(either, address=f"192.0.2.{n}", now=NOW + n) for n in range(12)]
    assert codes == ["sign_in_failed"] * sessions.TRIES + ["too_many_tries"] * 2
    with pytest.raises(TooManyError) as error:
        sign_in(either, EMAIL, PASSWORD, "198.51.100.1", NOW + 100)
    assert error.value.retry_after == sessions.WINDOW_S - 100
    assert failed(either, "bob@example.org", now=NOW + 100) == "sign_in_failed"
    assert sign_in(either, EMAIL, PASSWORD, HERE, NOW + sessions.WINDOW_S)


def test_an_unknown_address_is_closed_as_well(database: Database, ann: User) -> None:
    codes = [failed(database, "bob@example.org", f"192.0.2.{n}") for n in range(11)]
    assert codes == ["sign_in_failed"] * 10 + ["too_many_tries"]


def test_wrong_passwords_from_one_place_close_it_and_no_other(
    database: Database, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "TRIES_FROM", 4)
    codes = [failed(database, f"n{n}@example.org", "2001:db8::" + str(n)) for n in range(6)]
    assert codes == ["sign_in_failed"] * 4 + ["too_many_tries"] * 2
    with pytest.raises(TooManyError):
        sign_in(database, EMAIL, PASSWORD, "2001:db8::77", NOW)
    assert sign_in(database, EMAIL, PASSWORD, "2001:db8:1::", NOW)


def test_right_passwords_do_not_count(database: Database, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "TRIES_FROM", 3)
    monkeypatch.setattr(sessions, "TRIES", 3)
    failed(database)
    failed(database)
    for _ in range(4):
        assert sign_in(database, EMAIL, PASSWORD, HERE, NOW)
    assert failed(database) == "sign_in_failed"
    assert failed(database) == "too_many_tries"  # right ones of one's own do not wash off wrong ones for others


def test_many_guesses_at_once_are_all_counted(either: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ann(either)
    monkeypatch.setattr(sessions, "TRIES", 3)
    barrier = threading.Barrier(8)

    def guess(n: int) -> str:
        barrier.wait(timeout=20)
        return failed(either, address=f"192.0.2.{n}")

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(guess, range(8)))
    assert codes == ["sign_in_failed"] * 3 + ["too_many_tries"] * 5


def test_a_password_kept_with_other_parameters_is_kept_anew(database: Database, ann: User) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    with database.begin() as conn:
        conn.execute(update(users).values(password=old))
    assert sign_in(database, EMAIL, PASSWORD, HERE, NOW)
    with database.read() as conn:
        kept = conn.execute(select(users.c.password)).scalar_one()
    assert kept != old
    assert not passwords.outdated(kept)
    assert sign_in(database, EMAIL, PASSWORD, HERE, NOW)


def test_a_password_that_changes_meanwhile_does_not_open(
    database: Database, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(kept: str | None, password: str) -> bool:
        fits = password_holds(kept, password)
        with database.begin() as conn:
            accounts.set_password(conn, ann.id, "changed in this very moment", NOW)
        return fits

    monkeypatch.setattr(sessions, "password_holds", slow)
    with pytest.raises(UnauthorizedError):
        sign_in(database, EMAIL, PASSWORD, HERE, NOW)
    with database.read() as conn:
        assert conn.execute(select(table)).all() == []


def test_a_link_opens_once_and_for_a_while(database: Database, ann: User) -> None:
    with database.begin() as conn:
        token = sign_in_link(conn, ann.id, NOW)
        session = use_link(conn, token, NOW + sessions.LINK_S - 1)
        principal = check_session(conn, session, NOW)
        assert principal is not None
        assert principal.user_id == ann.id
        late = sign_in_link(conn, ann.id, NOW)
    for spent, now in ((token, NOW), (late, NOW + sessions.LINK_S), ("unknown", NOW), ("", NOW)):
        with pytest.raises(UnauthorizedError) as error, database.begin() as conn:
            use_link(conn, spent, now)
        assert error.value.code == "link_invalid"


def test_many_who_use_a_link_at_once_open_one_session(either: Database) -> None:
    ann = make_ann(either)
    with either.begin() as conn:
        token = sign_in_link(conn, ann.id, NOW)
    barrier = threading.Barrier(8)

    def use(_: int) -> bool:
        barrier.wait(timeout=20)
        try:
            with either.begin() as conn:
                use_link(conn, token, NOW)
        except UnauthorizedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1
    with either.read() as conn:
        assert len(conn.execute(select(table)).all()) == 1


def test_signing_out_everywhere_misses_no_session_that_begins_meanwhile(either: Database) -> None:
    ann = make_ann(either)
    with either.begin() as conn:
        token = sign_in_link(conn, ann.id, NOW)

    def change() -> None:
        with either.begin() as conn:
            accounts.set_password(conn, ann.id, "changed in this very moment", NOW)

    with ThreadPoolExecutor(1) as pool:
        with either.begin() as conn:
            session = use_link(conn, token, NOW)
            changed = pool.submit(change)
            with pytest.raises(TimeoutError):
                changed.result(timeout=0.5)  # it waits for what began before it
        changed.result(timeout=20)
    with either.read() as conn:
        assert check_session(conn, session, NOW) is None


def test_the_token_against_forged_requests_fits_its_session_and_key_alone() -> None:
    key, other = b"k" * 32, b"o" * 32
    made = csrf(key, "session")
    assert made == csrf(key, "session")
    assert len(made) == 43
    assert csrf_holds(key, "session", made)
    for wrong in ("", made[:-1], made + "A", "é", csrf(key, "another"), csrf(other, "session"), "session"):
        assert not csrf_holds(key, "session", wrong)


def test_what_is_over_is_swept_and_what_is_not_stays(database: Database, ann: User) -> None:
    day = sessions.KEPT_S
    with database.begin() as conn:
        stays = start_session(conn, ann.id, NOW)
        gone = start_session(conn, ann.id, NOW)
        assert stays is not None
        assert gone is not None
        end_session(conn, gone, NOW)
        used, unused = (sign_in_link(conn, ann.id, NOW) for _ in range(2))
        use_link(conn, used, NOW)
    failed(database)
    with database.begin() as conn:
        assert sweep(conn, NOW + day) == 0
        assert sweep(conn, NOW + day + 1) == 4  # the session that was ended, the link that was used, two counts
        assert check_session(conn, stays, NOW + day) is not None
        assert sweep(conn, NOW + day + sessions.LINK_S + 1) == 1
        assert sweep(conn, NOW + sessions.SESSION_S + day + 1) == 2
        for emptied in (table, links, throttles):
            assert conn.execute(select(emptied)).all() == []
    assert unused
