from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, insert, select, update

from photoplay.service.accounts import credits, limits
from photoplay.service.accounts.limits import check_submit, forget, forgive, network, throttle
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import NotFoundError, TooManyError
from photoplay.service.ground.plans import Plan, load_plans
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import jobs, tenants, throttles, workers
from tests.service.at_once import at_once
from tests.service.groundwork import make_settings

PLANS = load_plans()
NOW = 1.78e9
SEQUENCE = itertools.count()


def a_plan(**changed: object) -> Plan:
    return Plan.model_validate(PLANS["free"].model_dump() | {"concurrency": 3, "per_hour": 5} | changed)


def a_tenant(conn: Connection, tenant: str = "ann") -> None:
    conn.execute(insert(tenants).values(id=tenant, name=tenant, plan="free", created_at=NOW))


def a_job(conn: Connection, tenant: str = "ann", state: str = "queued", at: float = NOW, **more: object) -> None:
    row = {"tenant_id": tenant, "plan": "free", "queue": "films", "priority": 1, "request": {}, "cost": 0, **more}
    job = f"job {next(SEQUENCE)}"
    conn.execute(insert(jobs).values(id=job, state=state, created_at=at, queued_at=at, **row))
    credits.reserve(conn, tenant, job, 1, 0, at)


def a_worker(conn: Connection, name: str, beat: float = NOW, state: str = "up") -> None:
    row = {"queues": [], "device": "cpu", "memory_gb": 1.0, "version": "1", "started_at": NOW}
    conn.execute(insert(workers).values(id=name, state=state, beat_at=beat, **row))


def refused(database: Database, plan: Plan, settings: Settings, now: float = NOW) -> TooManyError:
    with pytest.raises(TooManyError) as error, database.begin() as conn:
        check_submit(conn, "ann", plan, settings, now)
    return error.value


def test_what_is_within_the_limits_passes(database: Database, settings: Settings) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        a_job(conn, state="queued")
        a_job(conn, state="running")
        a_job(conn, state="completed")
        check_submit(conn, "ann", a_plan(), settings, NOW)


def test_who_is_not_there_submits_nothing(database: Database, settings: Settings) -> None:
    with pytest.raises(NotFoundError), database.begin() as conn:
        check_submit(conn, "nobody", a_plan(), settings, NOW)


@pytest.mark.parametrize("states", [("queued",) * 3, ("running",) * 3, ("queued", "running", "queued")])
def test_a_tenant_has_so_many_jobs_at_a_time(database: Database, settings: Settings, states: tuple[str, ...]) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        a_tenant(conn, "bob")
        for state in states:
            a_job(conn, state=state)
    error = refused(database, a_plan(), settings)
    assert error.code == "too_many_jobs"
    assert error.retry_after == limits.TYPICAL_S
    with database.begin() as conn:
        check_submit(conn, "bob", a_plan(), settings, NOW)
        conn.execute(
            update(jobs).where(jobs.c.id == conn.execute(select(jobs.c.id)).scalars().first()).values(state="failed")
        )
        check_submit(conn, "ann", a_plan(), settings, NOW)


def test_a_job_that_was_deleted_takes_no_place(database: Database, settings: Settings) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        for _ in range(3):
            a_job(conn, deleted_at=NOW)
        check_submit(conn, "ann", a_plan(), settings, NOW)


def test_the_wait_for_a_place_is_what_films_took_less_what_was_worked_on_it(
    database: Database, settings: Settings
) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        a_tenant(conn, "bob")
        for took in (80.0, 120.0):
            a_job(conn, "bob", "completed", started_at=NOW - 500, finished_at=NOW - 500 + took)
        a_job(conn, "bob", "failed", started_at=NOW - 500, finished_at=NOW)
        a_job(conn, state="running", started_at=NOW - 40)
        a_job(conn, state="running", started_at=NOW - 30)
        a_job(conn, state="queued")
    assert refused(database, a_plan(), settings).retry_after == 60
    assert refused(database, a_plan(), settings, NOW + 1000).retry_after == limits.WAIT_S[0]


def test_a_tenant_submits_so_often_in_an_hour(database: Database, settings: Settings) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        for ago in (4000.0, 3000.0, 2000.0, 1000.0, 10.0, 0.0):
            a_job(conn, state="completed", at=NOW - ago)
    error = refused(database, a_plan(), settings)
    assert error.code == "rate_limited"
    assert error.retry_after == 600
    assert refused(database, a_plan(), settings, NOW + 599.5).retry_after == 1
    with database.begin() as conn:
        check_submit(conn, "ann", a_plan(), settings, NOW + 600)
        check_submit(conn, "ann", a_plan(per_hour=6), settings, NOW)


def test_films_that_go_on_count_as_often_as_they_do(database: Database, settings: Settings) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        for round in range(1, 6):
            check_submit(conn, "ann", a_plan(), settings, NOW)
            credits.reserve(conn, "ann", "again and again", round, 0, NOW)
    assert refused(database, a_plan(), settings).code == "rate_limited"


def test_jobs_that_were_deleted_count_in_their_hour(database: Database, settings: Settings) -> None:
    with database.begin() as conn:
        a_tenant(conn)
        for _ in range(5):
            a_job(conn, state="cancelled", deleted_at=NOW)
    assert refused(database, a_plan(), settings).code == "rate_limited"


def test_a_queue_is_full_for_everybody(database: Database, settings: Settings) -> None:
    small = make_settings(settings.data, queue_limit=4)
    with database.begin() as conn:
        a_tenant(conn)
        a_tenant(conn, "bob")
        for _ in range(3):
            a_job(conn, "bob")
        a_job(conn, "bob", "running", started_at=NOW)
        check_submit(conn, "ann", a_plan(), small, NOW)
        a_job(conn, "bob")
    error = refused(database, a_plan(), small)
    assert error.code == "queue_full"
    assert error.retry_after == limits.TYPICAL_S
    with database.begin() as conn:
        for name in ("one", "two", "three"):
            a_worker(conn, name)
        a_worker(conn, "gone", NOW - 60)
        a_worker(conn, "leaving", state="draining")
    assert refused(database, a_plan(), small).retry_after == 10
    with database.begin() as conn:
        for _ in range(200):
            a_job(conn, "bob")
    assert refused(database, a_plan(), small).retry_after == limits.WAIT_S[1]


def submits(database: Database, tasks: list[tuple[str, Plan, Settings]]) -> list[str]:
    """What became of submits that all began at the same moment."""

    def submit(conn: Connection, tenant: str, plan: Plan, settings: Settings) -> str:
        check_submit(conn, tenant, plan, settings, NOW)
        a_job(conn, tenant)
        return "taken"

    done = at_once(database, [lambda conn, task=task: submit(conn, *task) for task in tasks], (TooManyError,))
    return [one.code if isinstance(one, TooManyError) else str(one) for one in done]


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"concurrency": 4, "per_hour": 99}, "too_many_jobs"), ({"concurrency": 99, "per_hour": 4}, "rate_limited")],
)
def test_many_at_once_do_not_pass_a_tenants_limit(
    either: Database, settings: Settings, changed: dict[str, object], code: str
) -> None:
    with either.begin() as conn:
        a_tenant(conn)
    done = submits(either, [("ann", a_plan(**changed), settings)] * 12)
    assert sorted(done) == sorted(["taken"] * 4 + [code] * 8)


def test_many_tenants_at_once_do_not_pass_the_queues_limit(either: Database, settings: Settings) -> None:
    small = make_settings(settings.data, queue_limit=10)
    names = [f"tenant {n}" for n in range(12)]
    with either.begin() as conn:
        for name in names:
            a_tenant(conn, name)
        for _ in range(9):
            a_job(conn, names[0])
    done = submits(either, [(name, a_plan(concurrency=99), small) for name in names[1:]])
    assert sorted(done) == ["queue_full"] * 10 + ["taken"]


def tries(database: Database, times: int, now: float, who: str = "ann") -> list[int]:
    """For each try 0 where it was allowed, or the seconds to wait."""
    seen = []
    for _ in range(times):
        try:
            with database.begin() as conn:
                throttle(conn, "knock", who, 3, 60.0, now)
            seen.append(0)
        except TooManyError as error:
            seen.append(error.retry_after if error.code == "too_many_tries" else -1)
    return seen


def test_tries_are_counted_from_the_first_and_refused_ones_do_not_prolong(either: Database) -> None:
    assert tries(either, 2, NOW) == [0, 0]
    assert tries(either, 3, NOW + 20) == [0, 40, 40]
    assert tries(either, 2, NOW + 59.5) == [1, 1]
    assert tries(either, 1, NOW + 59.5, "bob") == [0]
    assert tries(either, 4, NOW + 60) == [0, 0, 0, 60]


def test_tries_can_be_forgiven_and_forgotten(database: Database) -> None:
    tries(database, 4, NOW)
    with database.begin() as conn:
        forgive(conn, "knock", "ann")
    assert tries(database, 2, NOW) == [0, 60]
    with database.begin() as conn:
        forget(conn, "knock", "ann")
        forgive(conn, "knock", "never seen")
    assert tries(database, 4, NOW) == [0, 0, 0, 60]


def test_who_tried_is_not_kept_in_clear(database: Database) -> None:
    tries(database, 1, NOW, "ann@example.org")
    with database.read() as conn:
        assert "ann" not in str(conn.execute(select(throttles)).all())


def test_many_tries_at_once_are_all_counted(either: Database) -> None:
    barrier = threading.Barrier(10)

    def knock(_: int) -> bool:
        barrier.wait(timeout=20)
        return tries(either, 1, NOW) == [0]

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(knock, range(10))) == 3


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("nonsense", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_counts_as_its_subscriber(address: str | None, counted: str) -> None:
    assert network(address) == counted
