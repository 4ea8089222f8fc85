"""The janitor: what is due goes, what is not stays, twice is once, and two at a time do it once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select, update

from photoplay.service.accounts import credits
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import (
    deliveries,
    idempotency,
    job_events,
    jobs,
    links,
    sessions,
    tenants,
    throttles,
    transfers,
    uploads,
    users,
    workers,
)
from photoplay.service.jobs import webhooks
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.upkeep import janitor
from photoplay.service.upkeep.janitor import DAY, HOUR, Report, sweep, withdraw
from tests.service import hubs, rowmaking
from tests.service.opening import opened, opened_copy
from tests.service.receivers import receiving

NOW = 1_800_000_000.0
PNG = "image/png"


template = hubs.template
both = pytest.mark.parametrize("hub", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    if getattr(request, "param", "sqlite") == "sqlite":
        with opened(tmp_path / "data", webhook_hosts=("127.0.0.1",)) as found:
            yield found
        return
    server, name = request.getfixturevalue("postgres_server"), request.getfixturevalue("template")
    with opened_copy(tmp_path / "data", server, name, webhook_hosts=("127.0.0.1",)) as found:
        yield found


def finished(hub: Hub, tenant: str, at: float, **given: Any) -> str:
    """A finished film with its objects; its id."""
    with hub.database.begin() as conn:
        id_ = rowmaking.job(conn, tenant, at, state="completed", started_at=at, finished_at=at + 10, **given)
        names = {name: f"films/{tenant}/{id_}/1/1/{name}.png" for name in ("thumbnail", "spritesheet")}
        film = {"key": f"films/{tenant}/{id_}/1/1/film.mp4", **names, "sha256": id_.ljust(64, "0"), "seconds": 3.0}
        conn.execute(update(jobs).where(jobs.c.id == id_).values(film=film))
        credits.reserve(conn, tenant, id_, 1, 0, at)
        credits.settle(conn, id_, 1, at + 10)
    for key in (film["key"], *names.values()):
        hub.store.put(key, b"pixels", PNG)
    return id_


def tenant(hub: Hub, plan: str = "free") -> str:
    with hub.database.begin() as conn:
        return rowmaking.tenant(conn, NOW, plan)


def row(hub: Hub, id_: str, table: Any = jobs) -> Any:
    with hub.database.read() as conn:
        return conn.execute(select(table).where(table.c.id == id_)).first()


@both
def test_films_go_when_their_time_is_over_and_not_before(hub: Hub) -> None:
    who = tenant(hub)
    own = finished(hub, who, NOW, expires_at=NOW + 100)
    by_plan = finished(hub, who, NOW)  # free: 7 days
    later = finished(hub, who, NOW + 5 * DAY)
    with hub.database.begin() as conn:
        running = rowmaking.job(conn, who, NOW, state="running", expires_at=NOW + 100)
    assert sweep(hub, NOW + 99).films == 0
    assert sweep(hub, NOW + 101).films == 1
    assert row(hub, own).deleted_at is not None
    assert row(hub, own).film is None
    assert not list(hub.store.list(f"films/{who}/{own}"))
    assert sweep(hub, NOW + 7 * DAY + 11).films == 1
    assert [row(hub, id_).deleted_at is None for id_ in (by_plan, later, running)] == [False, True, True]
    assert len(list(hub.store.list(f"films/{who}/{later}"))) == 3
    assert sweep(hub, NOW + 7 * DAY + 12) == Report(), "nothing is done twice"


def test_uploads_go_unless_a_job_still_needs_them(hub: Hub) -> None:
    who = tenant(hub)
    with hub.database.begin() as conn:
        spare, needed, kept = (rowmaking.upload(conn, who, NOW, expires_at=NOW + at) for at in (10, 10, 10_000))
        endless = rowmaking.upload(conn, who, NOW, expires_at=None)
        request = JobRequest(photos=(needed,), template="smile").model_dump(mode="json")
        job = rowmaking.job(conn, who, NOW, request=request)
    for id_ in (spare, needed, kept, endless):
        hub.store.put(f"uploads/{who}/{id_}", b"pixels", PNG)
    hub.store.put(f"previews/{who}/{spare}/picture.webp", b"pixels", PNG)
    assert sweep(hub, NOW + 9, deep=False).uploads == 0
    assert sweep(hub, NOW + 20, deep=False).uploads == 1
    assert hub.store.size(f"uploads/{who}/{spare}") is None
    assert hub.store.size(f"previews/{who}/{spare}/picture.webp") is None
    assert row(hub, spare, uploads).deleted_at == NOW + 20
    assert row(hub, spare, uploads).sha256 == ""
    assert hub.store.size(f"uploads/{who}/{needed}") == 6
    with hub.database.begin() as conn:
        conn.execute(update(jobs).where(jobs.c.id == job).values(state="completed", finished_at=NOW + 30))
    assert sweep(hub, NOW + 40, deep=False).uploads == 1
    assert row(hub, kept, uploads).deleted_at is None
    assert row(hub, endless, uploads).deleted_at is None
    assert sweep(hub, NOW + 20 + DAY + 1, deep=False).rows == 1, "a row that stands for nothing goes a day later"


def test_what_a_crash_left_goes_when_the_store_is_looked_through(hub: Hub) -> None:
    hub.store.put("films/tenant_a/x", b"pixels", PNG)
    torn = hub.settings.data / "store" / "films" / "tenant_a" / "x#1"
    torn.write_bytes(b"half")
    os.utime(torn, (time.time() - 2 * HOUR,) * 2)
    abandoned = hub.settings.work / "video_unknown"
    abandoned.mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    looked = sweep(hub, time.time(), deep=False)
    assert (looked.objects, looked.folders) == (0, 0)
    looked = sweep(hub, time.time())
    assert (looked.objects, looked.folders) == (1, 1)
    assert not torn.exists()
    assert not abandoned.exists()


@both
def test_old_rows_go_and_young_ones_stay(hub: Hub) -> None:
    who = tenant(hub)
    old, young, live = finished(hub, who, NOW), finished(hub, who, NOW + DAY), None
    with hub.database.begin() as conn:
        live = rowmaking.job(conn, who, NOW, state="running")
        for id_, at in ((old, NOW), (young, NOW + DAY), (live, NOW)):
            conn.execute(job_events.insert().values(job_id=id_, attempt=1, kind="stage", data={}, at=at))
            conn.execute(idempotency.insert().values(tenant_id=who, key=id_, digest="", job_id=id_, created_at=at))
        conn.execute(users.insert().values(id="user_a", tenant_id=who, email="a@b", operator=False, created_at=NOW))
        for name, at in (("old", NOW), ("young", NOW + DAY)):
            conn.execute(sessions.insert().values(sha256=name, user_id="user_a", created_at=NOW, expires_at=at))
            conn.execute(links.insert().values(sha256=name, user_id="user_a", expires_at=at))
            conn.execute(throttles.insert().values(subject=name, since=at, count=1))
            rowmaking.worker(conn, at, state="gone")
        rowmaking.worker(conn, NOW, state="up")
    done = sweep(hub, NOW + DAY + 60)
    assert (done.events, done.rows) == (1, 6), "two idempotency keys and one each of four kinds"
    with hub.database.read() as conn:
        assert set(conn.execute(select(job_events.c.job_id)).scalars()) == {young, live}
        assert set(conn.execute(select(idempotency.c.job_id)).scalars()) == {young}
        assert list(conn.execute(select(sessions.c.sha256)).scalars()) == ["young"]
        assert sorted(conn.execute(select(workers.c.state)).scalars()) == ["gone", "up"]
    assert sweep(hub, NOW + DAY + 60).rows == 0


@both
def test_the_months_credits_are_given_once_a_month(hub: Hub) -> None:
    free, home, closed = tenant(hub), tenant(hub, "home"), tenant(hub)
    with hub.database.begin() as conn:
        conn.execute(update(tenants).where(tenants.c.id == closed).values(closed_at=NOW))
    assert sweep(hub, NOW).renewed == 1
    assert sweep(hub, NOW + 60).renewed == 0
    assert sweep(hub, NOW + 32 * DAY).renewed == 1
    with hub.database.read() as conn:
        amounts = [credits.balance(conn, who).available for who in (free, home, closed)]
        assert credits.audit(conn) == []
    assert amounts == [2 * hub.plans["free"].monthly_credits, 0, 0]


@both
def test_holds_of_rounds_that_are_over_are_given_back(hub: Hub) -> None:
    who = tenant(hub)
    with hub.database.begin() as conn:
        credits.grant(conn, who, 100, "", NOW)
        for state in ("failed", "cancelled", "running", "queued"):
            at = NOW if state in janitor.OVER else None
            id_ = rowmaking.job(conn, who, NOW, state=state, cost=3, finished_at=at)
            credits.reserve(conn, who, id_, 1, 3, NOW)
        again = rowmaking.job(conn, who, NOW, state="queued", round=2)
        credits.reserve(conn, who, again, 1, 3, NOW)
        credits.reserve(conn, who, again, 2, 3, NOW)
        credits.reserve(conn, who, "video_that_never_was", 1, 3, NOW)
    assert sweep(hub, NOW + 1).refunded == 4
    with hub.database.read() as conn:
        assert credits.balance(conn, who) == credits.Balance(100 - 3 * 3 + hub.plans["free"].monthly_credits, 3 * 3)
        assert credits.audit(conn) == []
    assert sweep(hub, NOW + 2).refunded == 0


@both
def test_a_deleted_row_that_still_waits_is_over(hub: Hub) -> None:
    who = tenant(hub, "home")
    with hub.database.begin() as conn:
        credits.grant(conn, who, 100, "", NOW)
        torn = rowmaking.job(conn, who, NOW, state="queued", deleted_at=NOW)
        credits.reserve(conn, who, torn, 1, 3, NOW)
        assert credits.audit(conn) != []
    assert sweep(hub, NOW + 1, deep=False).refunded == 1
    assert row(hub, torn).state == "cancelled"
    with hub.database.read() as conn:
        assert credits.balance(conn, who) == credits.Balance(100, 0)
        assert credits.audit(conn) == []
    assert sweep(hub, NOW + 2, deep=False) == Report()


def test_webhooks_are_delivered_on_the_way(hub: Hub) -> None:
    who = tenant(hub)
    with receiving() as receiver:
        job = finished(hub, who, NOW, webhook=receiver.url)
        with hub.database.begin() as conn:
            webhooks.announce(conn, job, NOW)
        assert sweep(hub, NOW, deep=False).delivered == 1
        assert len(receiver.heard) == 1
    assert sweep(hub, NOW + 6 * DAY, deep=False).rows == 0
    with hub.database.begin() as conn:
        conn.execute(update(jobs).values(expires_at=NOW + 99 * DAY))
    assert sweep(hub, NOW + 8 * DAY, deep=False).rows == 1
    with hub.database.read() as conn:
        assert conn.execute(select(deliveries)).first() is None


@both
def test_the_store_is_looked_through_once_an_hour_however_many_janitors_there_are(hub: Hub) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: janitor._first(hub, NOW), range(4))) == [False, False, False, True]
    assert not janitor._first(hub, NOW + HOUR / 2)
    assert janitor._first(hub, NOW + HOUR)


@both
def test_two_at_a_time_do_each_thing_once(hub: Hub) -> None:
    now = time.time()
    whos = [tenant(hub) for _ in range(6)]
    for who in whos:
        finished(hub, who, now - 9 * DAY)
        with hub.database.begin() as conn:
            photo = rowmaking.upload(conn, who, now - 9 * DAY, expires_at=now - DAY)
            credits.grant(conn, who, 10, "", now)
            lost = rowmaking.job(conn, who, now, state="failed", finished_at=now)
            credits.reserve(conn, who, lost, 1, 3, now)
        hub.store.put(f"uploads/{who}/{photo}", b"pixels", PNG)
        stray = f"films/{who}/video_{'c' * 26}/1/1/film.mp4"
        hub.store.put(stray, b"pixels", PNG)
        os.utime(hub.settings.data / "store" / stray, (now - 2 * HOUR,) * 2)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sweep(hub, now), range(4)))
    assert sum(one.failed for one in done) == 0
    for name in ("films", "uploads", "renewed", "refunded"):
        assert sum(getattr(one, name) for one in done) == len(whos), name
    assert list(hub.store.list()) == []
    with hub.database.read() as conn:
        assert credits.audit(conn) == []
        assert len(conn.execute(select(transfers).where(transfers.c.kind == "renew")).all()) == len(whos)
    assert sweep(hub, now) == Report()


def test_a_part_that_fails_leaves_the_others_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    who = tenant(hub)
    old = finished(hub, who, NOW, expires_at=NOW + 1)

    def broken(*_: object) -> int:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(janitor, "_renewed", broken)
    monkeypatch.setattr(webhooks, "deliver", broken)
    done = sweep(hub, NOW + 2)
    assert (done.failed, done.films) == (2, 1)
    assert row(hub, old).deleted_at is not None


@both
def test_what_is_withdrawn_goes_from_every_tenant(hub: Hub) -> None:
    one, other = tenant(hub), tenant(hub)
    theirs, mine = finished(hub, one, NOW), finished(hub, other, NOW)
    with hub.database.begin() as conn:
        photos = [rowmaking.upload(conn, who, NOW, sha256="d" * 64) for who in (one, other)]
        rowmaking.upload(conn, one, NOW)
    digests = ["d" * 64, row(hub, theirs).film["sha256"], "e" * 64]
    assert withdraw(hub, digests, NOW) == 3
    assert withdraw(hub, digests, NOW) == 0
    assert row(hub, theirs).deleted_at == NOW
    assert row(hub, mine).deleted_at is None
    assert not list(hub.store.list(f"films/{one}/{theirs}"))
    assert all(row(hub, id_, uploads).deleted_at == NOW for id_ in photos)


def test_a_report_reads_as_words() -> None:
    assert Report(films=2, refunded=1).lines() == ["2 films whose time was over", "1 holds given back"]
    assert Report().lines() == []
    assert all(Report(**{name: 1}).lines() for name in Report.__dataclass_fields__)


def test_the_threads_go_round_and_end(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "WEBHOOKS_EVERY", 0.01)
    monkeypatch.setattr(janitor, "LIGHT_EVERY", 0.01)
    monkeypatch.setattr(janitor, "DEEP_EVERY", 0.0)
    who, stop = tenant(hub), Event()
    old = finished(hub, who, NOW - 9e8, expires_at=NOW - 9e8)
    with receiving() as receiver:
        threads = janitor.start(hub, stop)
        job = finished(hub, who, time.time(), webhook=receiver.url)
        with hub.database.begin() as conn:
            webhooks.announce(conn, job, time.time())
        until = time.monotonic() + 10
        while time.monotonic() < until and not (receiver.heard and row(hub, old).deleted_at):
            time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert len(receiver.heard) == 1
    assert row(hub, old).deleted_at is not None
