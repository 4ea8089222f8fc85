from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from photoplay.errors import RequestError, UnavailableError
from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import OPERATE, SCOPES
from photoplay.service.accounts.tenants import HOME
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, NotFoundError, TooManyError, UnauthorizedError
from photoplay.service.ground.plans import Plan, load_plans
from photoplay.service.ground.tables import tenants, users

PLANS = load_plans()
NOW = 1.78e9
PASSWORD = "five brown boats at dawn"
EMAIL = "ann@example.org"


def test_a_tenant_begins_with_a_months_credits(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "  Ann's studio ", PLANS["plus"], NOW)
        assert accounts.get_tenant(conn, tenant.id) == tenant
        assert (tenant.name, tenant.plan, tenant.closed_at) == ("Ann's studio", "plus", None)
        assert credits.balance(conn, tenant.id).available == PLANS["plus"].monthly_credits
        assert not credits.renew(conn, tenant.id, PLANS["plus"], NOW + 1)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "two\nlines", "\u202eright to left"])
def test_a_name_that_cannot_be_shown_is_refused(database: Database, name: str) -> None:
    with pytest.raises(RequestError) as wrong, database.begin() as conn:
        accounts.create_tenant(conn, name, PLANS["free"], NOW)
    assert wrong.value.code == "bad_name"


def test_another_plan_gives_the_difference_at_once(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        accounts.set_plan(conn, tenant, PLANS["pro"], NOW)
        accounts.set_plan(conn, tenant, PLANS["free"], NOW)
        accounts.set_plan(conn, tenant, PLANS["pro"], NOW)
        assert accounts.get_tenant(conn, tenant).plan == "pro"
        assert credits.balance(conn, tenant).available == PLANS["pro"].monthly_credits


def test_plans_that_accounts_have_cannot_go_missing(database: Database) -> None:
    some = {name: PLANS[name] for name in ("free", "home")}
    with database.begin() as conn:
        accounts.check_plans(conn, some, hosted=False)
        accounts.check_plans(conn, {}, hosted=True)
        with pytest.raises(UnavailableError, match="has no home"):
            accounts.check_plans(conn, {"free": PLANS["free"]}, hosted=False)
        tenant = accounts.create_tenant(conn, "Ann", PLANS["pro"], NOW).id
        accounts.create_tenant(conn, "Bob", PLANS["free"], NOW)
        accounts.check_plans(conn, PLANS, hosted=True)
        with pytest.raises(UnavailableError, match="has no pro") as missing:
            accounts.check_plans(conn, some, hosted=True)
        assert missing.value.code == "plan_missing"
        accounts.close_tenant(conn, tenant, NOW)
        accounts.check_plans(conn, some, hosted=True)


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.begin() as conn:
        for ask in (
            lambda: accounts.get_tenant(conn, "none"),
            lambda: accounts.set_plan(conn, "none", PLANS["free"], NOW),
            lambda: accounts.close_tenant(conn, "none", NOW),
            lambda: accounts.create_user(conn, "none", EMAIL, NOW),
            lambda: accounts.get_user(conn, "none"),
            lambda: accounts.set_password(conn, "none", PASSWORD, NOW),
            lambda: accounts.disable_user(conn, "none", NOW),
        ):
            with pytest.raises(NotFoundError):
                ask()
        assert accounts.find_user(conn, "none@example.org") is None


def test_a_user_is_found_however_the_address_is_written(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        user = accounts.create_user(conn, tenant, "  Ann@Example.ORG", NOW)
        assert user.email == EMAIL
        assert not user.has_password
        assert not user.operator
        assert accounts.find_user(conn, "ANN@example.org ") == user
        with pytest.raises(ConflictError) as taken:
            accounts.create_user(conn, tenant, "ann@EXAMPLE.org", NOW)
        assert taken.value.code == "email_taken"


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@example.org", "ann@", "a b@example.org", "ann@ex ample.org", "a@b@c", "ann@x" + "x" * 200, "a\0@b"],
)
def test_what_is_no_address_is_refused(database: Database, email: str) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        with pytest.raises(RequestError) as wrong:
            accounts.create_user(conn, tenant, email, NOW)
    assert wrong.value.code == "bad_email"


def test_two_who_make_the_same_user_at_once_make_one(either: Database) -> None:
    with either.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id

    def create(_: int) -> bool:
        try:
            with either.begin() as conn:
                accounts.create_user(conn, tenant, EMAIL, NOW)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(create, range(6))) == 1


def test_a_new_password_signs_out_everywhere_and_the_old_one_is_over(either: Database) -> None:
    with either.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        user = accounts.create_user(conn, tenant, EMAIL, NOW, password=PASSWORD)
        link = accounts.sign_in_link(conn, user.id, NOW)
    open_sessions = [accounts.sign_in(either, EMAIL, PASSWORD, "192.0.2.1", NOW) for _ in range(2)]
    with either.begin() as conn:
        assert all(accounts.check_session(conn, token, NOW) for token in open_sessions)
        accounts.set_password(conn, user.id, "another five words of hers", NOW + 1)
        assert not any(accounts.check_session(conn, token, NOW + 1) for token in open_sessions)
    with pytest.raises(UnauthorizedError), either.begin() as conn:
        accounts.use_link(conn, link, NOW + 1)
    with pytest.raises(UnauthorizedError):
        accounts.sign_in(either, EMAIL, PASSWORD, "192.0.2.1", NOW + 2)
    assert accounts.sign_in(either, EMAIL, "another five words of hers", "192.0.2.1", NOW + 3)


def test_who_changes_a_password_stays_here_and_nowhere_else(either: Database) -> None:
    with either.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        user = accounts.create_user(conn, tenant, EMAIL, NOW)
    elsewhere = [accounts.change_password(either, user.id, None, PASSWORD, None, NOW)]
    new = "another five words of hers"
    for wrong in (None, "", new):
        with pytest.raises(UnauthorizedError):
            accounts.change_password(either, user.id, wrong, new, None, NOW)
    with pytest.raises(RequestError):
        accounts.change_password(either, user.id, PASSWORD, "weak", None, NOW)
    elsewhere.append(accounts.sign_in(either, EMAIL, PASSWORD, None, NOW))
    here = accounts.change_password(either, user.id, PASSWORD, new, None, NOW)
    with either.read() as conn:
        assert accounts.check_session(conn, here, NOW) is not None
        assert not any(accounts.check_session(conn, token, NOW) for token in elsewhere)
    assert accounts.sign_in(either, EMAIL, new, None, NOW)


def test_keys_go_on_while_a_tenant_has_a_user(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        ann, bob = (accounts.create_user(conn, tenant, email, NOW) for email in (EMAIL, "bob@example.org"))
        _, key = accounts.create_key(conn, tenant, "mine", ["videos:read"], NOW)
        accounts.disable_user(conn, ann.id, NOW)
        assert accounts.check_key(conn, key, NOW) is not None
        accounts.disable_user(conn, bob.id, NOW + 1)
        assert accounts.check_key(conn, key, NOW + 1) is None
        accounts.disable_user(conn, ann.id, NOW + 2)
        assert accounts.get_user(conn, ann.id).disabled_at == NOW


def test_an_operators_keys_end_with_them_though_others_stay(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        ann, bob, _ = (
            accounts.create_user(conn, tenant, f"{name}@example.org", NOW, operator=name == "ann")
            for name in ("ann", "bob", "eve")
        )
        may = accounts.SCOPES | {accounts.OPERATE}
        _, key = accounts.create_key(conn, tenant, "mine", ["videos:read"], NOW)
        _, operators = accounts.create_key(conn, tenant, "all", ["videos:read", accounts.OPERATE], NOW, may=may)
        accounts.disable_user(conn, bob.id, NOW)
        assert accounts.check_key(conn, operators, NOW) is not None
        accounts.disable_user(conn, ann.id, NOW)
        assert accounts.check_key(conn, operators, NOW) is None
        assert accounts.check_key(conn, key, NOW) is not None


@pytest.mark.parametrize("how", ["user", "tenant"])
def test_who_is_shut_out_is_out_at_once(database: Database, how: str) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        user = accounts.create_user(conn, tenant, EMAIL, NOW, password=PASSWORD)
        link = accounts.sign_in_link(conn, user.id, NOW)
        _, key = accounts.create_key(conn, tenant, "mine", ["videos:read"], NOW)
    session = accounts.sign_in(database, EMAIL, PASSWORD, None, NOW)
    with database.begin() as conn:
        if how == "user":
            accounts.disable_user(conn, user.id, NOW)
        else:
            accounts.close_tenant(conn, tenant, NOW)
        assert accounts.check_session(conn, session, NOW) is None
        assert accounts.check_key(conn, key, NOW) is None
    with pytest.raises(UnauthorizedError) as wrong:
        accounts.sign_in(database, EMAIL, PASSWORD, None, NOW)
    assert wrong.value.code == "sign_in_failed"
    with pytest.raises(UnauthorizedError), database.begin() as conn:
        accounts.use_link(conn, link, NOW)
    with database.begin() as conn:
        assert accounts.start_session(conn, user.id, NOW) is None
    with pytest.raises(NotFoundError), database.begin() as conn:
        accounts.sign_in_link(conn, user.id, NOW)


def test_home_is_one_operator_without_a_password(either: Database) -> None:
    def ensure(_: int) -> accounts.User:
        with either.begin() as conn:
            return accounts.ensure_home(conn, PLANS, NOW)

    with ThreadPoolExecutor(4) as pool:
        (user,) = set(pool.map(ensure, range(4)))
    assert user.operator
    assert not user.has_password
    with either.begin() as conn:
        session = accounts.use_link(conn, accounts.sign_in_link(conn, user.id, NOW), NOW)
        principal = accounts.check_session(conn, session, NOW)
        assert principal is not None
        assert (principal.tenant_id, principal.plan, principal.operator) == (HOME, HOME, True)
        assert principal.scopes == SCOPES | {OPERATE}
        assert conn.execute(select(tenants.c.id)).scalars().all() == [HOME]
        assert conn.execute(select(users.c.id)).scalars().all() == [HOME]
    with pytest.raises(UnauthorizedError):
        accounts.sign_in(either, user.email, "", None, NOW)
    with either.begin() as conn:
        conn.execute(update(tenants).values(plan="free"))
        accounts.ensure_home(conn, PLANS, NOW)
        assert accounts.get_tenant(conn, HOME).plan == "free"


def test_a_metered_home_has_its_credits_at_once_and_once(either: Database) -> None:
    def metered(credits: int) -> dict[str, Plan]:
        return {**PLANS, HOME: PLANS[HOME].model_copy(update={"unmetered": False, "monthly_credits": credits})}

    for plans, left in ((metered(9), 9), (metered(9), 9), (metered(12), 12), (PLANS, 12)):
        with either.begin() as conn:
            accounts.ensure_home(conn, plans, NOW)
            assert credits.balance(conn, HOME).available == left
    with either.begin() as conn:
        assert credits.audit(conn) == []
        accounts.close_tenant(conn, HOME, NOW)
        accounts.ensure_home(conn, metered(50), NOW)
        assert credits.balance(conn, HOME).available == 12


def test_strangers_make_an_account_of_their_own(either: Database) -> None:
    token = accounts.sign_up(either, "New@Example.org", PASSWORD, PLANS["free"], "192.0.2.1", NOW)
    with either.read() as conn:
        principal = accounts.check_session(conn, token, NOW)
        assert principal is not None
        assert principal.user_id is not None
        assert (principal.plan, principal.session, principal.operator) == ("free", True, False)
        assert accounts.get_user(conn, principal.user_id).email == "new@example.org"
        assert credits.balance(conn, principal.tenant_id).available == PLANS["free"].monthly_credits
    assert accounts.sign_in(either, "new@example.org", PASSWORD, "192.0.2.1", NOW)
    with pytest.raises(ConflictError):
        accounts.sign_up(either, "new@example.org", PASSWORD, PLANS["free"], "192.0.2.1", NOW)
    with either.read() as conn:
        assert len(conn.execute(select(tenants)).all()) == 1


def test_one_address_does_not_make_accounts_without_end(database: Database) -> None:
    codes = []
    for n in range(accounts.SIGN_UPS + 1):
        with pytest.raises((RequestError, TooManyError)) as error:
            accounts.sign_up(database, f"n{n}@example.org", "weak", PLANS["free"], f"2001:db8::{n}", NOW)
        codes.append(error.value.code)
    assert codes == ["password_weak"] * accounts.SIGN_UPS + ["too_many_tries"]
    with pytest.raises(RequestError):
        accounts.sign_up(database, "other@example.org", "weak", PLANS["free"], "2001:db8:0:1::", NOW)


def test_no_password_or_token_lies_in_the_database(database: Database) -> None:
    with database.begin() as conn:
        tenant = accounts.create_tenant(conn, "Ann", PLANS["free"], NOW).id
        user = accounts.create_user(conn, tenant, EMAIL, NOW, password=PASSWORD)
        secrets = [PASSWORD, accounts.sign_in_link(conn, user.id, NOW)]
        secrets.append(accounts.create_key(conn, tenant, "mine", ["videos:read"], NOW)[1])
    secrets.append(accounts.sign_in(database, EMAIL, PASSWORD, None, NOW))
    with database.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert database.engine.url.database is not None
    kept = Path(database.engine.url.database).read_bytes()
    assert b"argon2id" in kept
    assert not [secret for secret in secrets if secret.encode() in kept]
