from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, create_engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.credits import Balance
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import NotFoundError, QuotaError
from photoplay.service.ground.plans import load_plans
from photoplay.service.ground.tables import balances, entries, jobs, metadata, tenants, transfers
from tests.service.at_once import at_once

PLANS = load_plans()
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
NEXT_MONTH = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def conn() -> Iterator[Connection]:
    """A transaction in a database of its own, with a tenant that has 100 credits."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as conn:
        a_tenant(conn)
        yield conn
    engine.dispose()


def a_tenant(conn: Connection, tenant: str = "ann", amount: int = 100) -> None:
    conn.execute(insert(tenants).values(id=tenant, name=tenant, plan="free", created_at=NOW))
    if amount:
        credits.grant(conn, tenant, amount, "to begin with", NOW)


def a_job(conn: Connection, job: str = "job", tenant: str = "ann", state: str = "queued", round: int = 1) -> None:
    row = {"id": job, "tenant_id": tenant, "plan": "free", "queue": "films", "priority": 1, "request": {}, "cost": 0}
    conn.execute(insert(jobs).values(**row, state=state, round=round, created_at=NOW, queued_at=NOW))


def ended(conn: Connection, state: str, job: str = "job") -> None:
    conn.execute(update(jobs).where(jobs.c.id == job).values(state=state))


def moved(conn: Connection) -> dict[str, int]:
    total = select(entries.c.account, func.sum(entries.c.amount)).group_by(entries.c.account)
    return {account: int(amount) for account, amount in conn.execute(total)}


def test_a_film_that_is_made_is_paid_for(conn: Connection) -> None:
    a_job(conn)
    assert credits.reserve(conn, "ann", "job", 1, 30, NOW)
    assert credits.balance(conn, "ann") == Balance(available=70, held=30)
    assert credits.audit(conn) == []
    ended(conn, "completed")
    assert credits.settle(conn, "job", 1, NOW)
    assert credits.balance(conn, "ann") == Balance(available=70, held=0)
    assert moved(conn) == {"issued": -100, "wallet:ann": 70, "held:ann": 0, "revenue": 30}
    assert credits.audit(conn) == []


def test_a_film_that_fails_costs_nothing(conn: Connection) -> None:
    a_job(conn)
    credits.reserve(conn, "ann", "job", 1, 30, NOW)
    ended(conn, "failed")
    assert credits.refund(conn, "job", 1, NOW)
    assert credits.balance(conn, "ann") == Balance(available=100, held=0)
    assert moved(conn) == {"issued": -100, "wallet:ann": 100, "held:ann": 0}
    assert credits.audit(conn) == []


def test_less_can_be_charged_than_was_held_and_never_more(conn: Connection) -> None:
    credits.reserve(conn, "ann", "job", 1, 30, NOW)
    for charged in (31, -1):
        with pytest.raises(ValueError, match="at most what is held"):
            credits.settle(conn, "job", 1, NOW, charged)
    assert credits.settle(conn, "job", 1, NOW, charged=12)
    assert credits.balance(conn, "ann") == Balance(available=88, held=0)
    assert moved(conn)["revenue"] == 12


@pytest.mark.parametrize("first", ["settle", "refund"])
@pytest.mark.parametrize("second", ["settle", "refund"])
def test_a_round_ends_once_and_one_way(conn: Connection, first: str, second: str) -> None:
    ways: dict[str, Callable[..., bool]] = {"settle": credits.settle, "refund": credits.refund}
    a_job(conn)
    credits.reserve(conn, "ann", "job", 1, 30, NOW)
    ended(conn, "completed" if first == "settle" else "failed")
    assert ways[first](conn, "job", 1, NOW)
    before = moved(conn), credits.balance(conn, "ann")
    assert not ways[second](conn, "job", 1, NOW)
    assert not credits.reserve(conn, "ann", "job", 1, 30, NOW)
    assert (moved(conn), credits.balance(conn, "ann")) == before
    assert credits.audit(conn) == []


def test_every_round_has_a_reservation_of_its_own(conn: Connection) -> None:
    credits.reserve(conn, "ann", "job", 1, 30, NOW)
    credits.refund(conn, "job", 1, NOW)
    assert credits.reserve(conn, "ann", "job", 2, 30, NOW)
    assert credits.settle(conn, "job", 2, NOW)
    assert credits.balance(conn, "ann") == Balance(available=70, held=0)


def test_nothing_ends_that_was_never_reserved(conn: Connection) -> None:
    assert not credits.settle(conn, "job", 1, NOW)
    assert not credits.refund(conn, "job", 1, NOW)
    assert credits.audit(conn) == []


def test_a_film_that_costs_nothing_is_kept_count_of_as_well(conn: Connection) -> None:
    a_job(conn)
    assert credits.reserve(conn, "ann", "job", 1, 0, NOW)
    assert not credits.reserve(conn, "ann", "job", 1, 0, NOW)
    ended(conn, "completed")
    assert credits.settle(conn, "job", 1, NOW)
    assert not credits.refund(conn, "job", 1, NOW)
    assert credits.audit(conn) == []


@pytest.mark.parametrize(
    ("left", "needed", "said"),
    [
        (0, 1, "This needs 1 credit, and none are left."),
        (1, 2, "This needs 2 credits, and 1 is left."),
        (2, 30, "This needs 30 credits, and 2 are left."),
    ],
)
def test_one_credit_is_one(conn: Connection, left: int, needed: int, said: str) -> None:
    credits.reserve(conn, "ann", "job", 1, 100 - left, NOW)
    with pytest.raises(QuotaError) as refused:
        credits.reserve(conn, "ann", "other", 1, needed, NOW)
    assert refused.value.message == said


def test_credits_that_are_not_there_cannot_be_reserved(conn: Connection) -> None:
    credits.reserve(conn, "ann", "job", 1, 60, NOW)
    with pytest.raises(QuotaError, match="needs 41 credits, and 40 are left") as refused:
        credits.reserve(conn, "ann", "other", 1, 41, NOW)
    assert refused.value.code == "credits_short"
    assert credits.balance(conn, "ann") == Balance(available=40, held=60)
    assert credits.reserve(conn, "ann", "other", 1, 40, NOW)
    with pytest.raises(ValueError, match="0 or more"):
        credits.reserve(conn, "ann", "third", 1, -1, NOW)


def test_given_credits_can_be_taken_back_while_they_are_there(conn: Connection) -> None:
    credits.reserve(conn, "ann", "job", 1, 60, NOW)
    with pytest.raises(QuotaError):
        credits.grant(conn, "ann", -41, "a mistake", NOW)
    credits.grant(conn, "ann", -40, "a mistake", NOW)
    assert credits.balance(conn, "ann") == Balance(available=0, held=60)


def test_who_is_not_there_has_and_gets_nothing(conn: Connection) -> None:
    assert credits.balance(conn, "bob") == Balance(0, 0)
    with pytest.raises(NotFoundError):
        credits.grant(conn, "bob", 5, "", NOW)
    with pytest.raises(NotFoundError):
        credits.reserve(conn, "bob", "job", 1, 0, NOW)


def test_a_months_credits_come_once_a_month(conn: Connection) -> None:
    assert credits.renew(conn, "ann", PLANS["free"], NOW)
    assert not credits.renew(conn, "ann", PLANS["free"], NOW)
    assert not credits.renew(conn, "ann", PLANS["free"], NEXT_MONTH - 0.001)
    assert credits.balance(conn, "ann").available == 160
    assert credits.renew(conn, "ann", PLANS["free"], NEXT_MONTH)
    assert not credits.renew(conn, "ann", PLANS["free"], NEXT_MONTH + 86_400 * 30)
    assert credits.balance(conn, "ann").available == 220
    assert credits.audit(conn) == []


def test_a_dearer_plan_gives_the_difference_and_a_cheaper_one_takes_nothing(conn: Connection) -> None:
    credits.renew(conn, "ann", PLANS["free"], NOW)
    assert credits.renew(conn, "ann", PLANS["plus"], NOW)
    assert credits.balance(conn, "ann").available == 100 + PLANS["plus"].monthly_credits
    for name in ("free", "plus"):
        assert not credits.renew(conn, "ann", PLANS[name], NOW)
    assert credits.renew(conn, "ann", PLANS["pro"], NOW)
    assert credits.balance(conn, "ann").available == 100 + PLANS["pro"].monthly_credits
    assert not credits.renew(conn, "ann", PLANS["home"], NOW)


def test_the_database_itself_refuses_what_must_not_be(conn: Connection) -> None:
    with pytest.raises(IntegrityError), conn.begin_nested():
        conn.execute(update(balances).where(balances.c.account == "wallet:ann").values(amount=-1))
    row = {"kind": "settle", "tenant_id": "ann", "job_id": "job", "round": 1, "at": NOW}
    conn.execute(insert(transfers).values(id="one", **row))
    with pytest.raises(IntegrityError), conn.begin_nested():
        conn.execute(insert(transfers).values(id="two", **row))


def spoil_entry(conn: Connection) -> None:
    transfer = conn.execute(select(transfers.c.id).limit(1)).scalar_one()
    conn.execute(insert(entries).values(transfer_id=transfer, account="revenue", amount=5))


def spoil_balance(conn: Connection) -> None:
    conn.execute(update(balances).where(balances.c.account == "wallet:ann").values(amount=71))


def lose_balance(conn: Connection) -> None:
    conn.execute(delete(balances).where(balances.c.account == "held:ann"))


def end_without_refund(conn: Connection) -> None:
    ended(conn, "failed")


def begin_another_round(conn: Connection) -> None:
    conn.execute(update(jobs).values(round=2))


def settle_too_early(conn: Connection) -> None:
    credits.settle(conn, "job", 1, NOW)


def complete_unpaid(conn: Connection) -> None:
    ended(conn, "completed")
    credits.refund(conn, "job", 1, NOW)


def end_twice(conn: Connection) -> None:
    ended(conn, "completed")
    credits.settle(conn, "job", 1, NOW)
    conn.execute(insert(transfers).values(id="x", kind="refund", tenant_id="ann", job_id="job", round=1, at=NOW))


def end_unreserved(conn: Connection) -> None:
    conn.execute(insert(transfers).values(id="x", kind="refund", tenant_id="ann", job_id="who", round=1, at=NOW))


def delete_while_it_waits(conn: Connection) -> None:
    conn.execute(update(jobs).values(deleted_at=NOW))


def work_for_nothing(conn: Connection) -> None:
    a_job(conn, "free ride", state="running")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_entry, "do not add up to zero"),
        (spoil_balance, "wallet:ann is kept as 71, and its entries add up to 70"),
        (lose_balance, "held:ann is kept as 0, and its entries add up to 30"),
        (end_without_refund, "Credits are held for job, round 1"),
        (begin_another_round, "job is queued, and its credits are not held"),
        (settle_too_early, "job is queued, and its credits are not held"),
        (complete_unpaid, "job is completed, and its credits are not settled"),
        (end_twice, "job, round 1, is both settled and refunded"),
        (end_unreserved, "who, round 1, ended without a reservation"),
        (delete_while_it_waits, "Credits are held for job, round 1"),
        (work_for_nothing, "free ride is running, and its credits are not held"),
    ],
)
def test_an_audit_sees_what_is_wrong(conn: Connection, spoil: Callable[[Connection], None], told: str) -> None:
    a_job(conn)
    credits.reserve(conn, "ann", "job", 1, 30, NOW)
    assert credits.audit(conn) == []
    spoil(conn)
    assert any(told in problem for problem in credits.audit(conn)), credits.audit(conn)


def test_an_audit_sees_what_is_below_zero(conn: Connection) -> None:
    conn.execute(insert(transfers).values(id="x", kind="grant", tenant_id="ann", at=NOW))
    for account, amount in (("wallet:ann", -130), ("revenue", -20), ("issued", 150)):
        conn.execute(insert(entries).values(transfer_id="x", account=account, amount=amount))
    told = credits.audit(conn)
    assert "wallet:ann is below zero." in told
    assert "Revenue is below zero." in told


def test_many_at_once_never_end_a_round_twice(either: Database) -> None:
    with either.begin() as conn:
        a_tenant(conn, amount=200)
    for round in range(1, 6):
        with either.begin() as conn:
            credits.reserve(conn, "ann", "job", round, 30, NOW)
        ends = [credits.settle, credits.refund] * 4
        done = at_once(either, [lambda conn, end=end, r=round: end(conn, "job", r, NOW) for end in ends])
        assert sorted(map(bool, done)) == [False] * 7 + [True]
    with either.read() as conn:
        paid = moved(conn)
        kinds = [row.kind for row in conn.execute(select(transfers).where(transfers.c.job_id == "job"))]
        assert credits.balance(conn, "ann") == Balance(available=200 - paid.get("revenue", 0), held=0)
        assert credits.audit(conn) == []
    assert len(kinds) == 10
    assert paid.get("revenue", 0) == 30 * kinds.count("settle")


def test_many_at_once_never_reserve_more_than_there_is(either: Database) -> None:
    with either.begin() as conn:
        a_tenant(conn)
    tasks = [lambda conn, n=n: credits.reserve(conn, "ann", f"job {n}", 1, 30, NOW) for n in range(10)]
    done = at_once(either, tasks, (QuotaError,))
    assert done.count(True) == 3
    assert sum(isinstance(one, QuotaError) for one in done) == 7
    with either.read() as conn:
        assert credits.balance(conn, "ann") == Balance(available=10, held=90)


def test_many_at_once_reserve_one_round_once(either: Database) -> None:
    with either.begin() as conn:
        a_tenant(conn)
    done = at_once(either, [lambda conn: credits.reserve(conn, "ann", "job", 1, 30, NOW)] * 8)
    assert done.count(True) == 1
    assert done.count(False) == 7
    with either.read() as conn:
        assert credits.balance(conn, "ann") == Balance(available=70, held=30)


def test_many_at_once_give_a_months_credits_once(either: Database) -> None:
    with either.begin() as conn:
        tenant = accounts.create_tenant(conn, "Bob", PLANS["home"], NOW).id
    done = at_once(either, [lambda conn: credits.renew(conn, tenant, PLANS["plus"], NOW)] * 8)
    assert done.count(True) == 1
    with either.read() as conn:
        assert credits.balance(conn, tenant).available == PLANS["plus"].monthly_credits
        assert credits.audit(conn) == []


def test_many_tenants_at_once_do_not_stand_in_each_others_way(either: Database) -> None:
    names = [f"tenant {n}" for n in range(6)]
    with either.begin() as conn:
        for name in names:
            a_tenant(conn, name, 0)

    def whole_life(conn: Connection, name: str) -> bool:
        credits.grant(conn, name, 50, "", NOW)
        credits.reserve(conn, name, f"job of {name}", 1, 20, NOW)
        return credits.settle(conn, f"job of {name}", 1, NOW, 15)

    assert all(at_once(either, [lambda conn, name=name: whole_life(conn, name) for name in names]))
    with either.read() as conn:
        assert {credits.balance(conn, name) for name in names} == {Balance(available=35, held=0)}
        assert moved(conn)["revenue"] == 90
        assert credits.audit(conn) == []


def test_many_tenants_balances_are_read_by_one_query(either: Database) -> None:
    with either.begin() as conn:
        for name, amount in (("ann", 100), ("bob", 0), ("cem", 70)):
            a_tenant(conn, name, amount)
        credits.reserve(conn, "ann", "job", 1, 30, NOW)
    with either.read() as conn:
        asked = select(tenants.c.id, *credits.balance_columns(tenants.c.id)).order_by(tenants.c.id)
        assert [tuple(row) for row in conn.execute(asked)] == [("ann", 70, 30), ("bob", 0, 0), ("cem", 70, 0)]


def test_what_is_undone_leaves_nothing(either: Database) -> None:
    with either.begin() as conn:
        a_tenant(conn)

    def cut_short() -> None:
        with either.begin() as conn:
            credits.reserve(conn, "ann", "job", 1, 30, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cut_short()
    with either.begin() as conn:
        assert credits.balance(conn, "ann") == Balance(available=100, held=0)
        assert credits.reserve(conn, "ann", "job", 1, 30, NOW)
