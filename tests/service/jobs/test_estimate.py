"""Estimates: the cost that submitting will take, and times that follow from the last films, the queue and the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from photoplay.errors import TemplateError
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ForbiddenError
from photoplay.service.ground.plans import priority
from photoplay.service.ground.tables import uploads
from photoplay.service.jobs import estimate, job
from photoplay.service.jobs.estimate import Estimate
from photoplay.service.jobs.lifecycle import submit
from photoplay.service.jobs.requests import JobRequest
from tests.service import opening, rowmaking

NOW = 1_800_000_000.0
PLANS = rowmaking.PLANS
ASKED = JobRequest(template="gentle_smile", seconds=3.0)


def film(conn: Connection, who: str, took: float, **given: Any) -> str:
    """A finished film that was at work for ``took`` seconds."""
    request = JobRequest(template="gentle_smile", seconds=given.pop("seconds", 3.0), size=given.pop("size", "480p"))
    at = given.pop("at", NOW - 1000)
    times = {"started_at": at, "finished_at": at + took, "state": "completed"}
    made = {"film": {"seconds": request.seconds}, "request": request.model_dump(mode="json")}
    return rowmaking.job(conn, who, at - 5, **(times | made | given))


def told(conn: Connection, id_: str) -> job.Job:
    found = job.find(conn, id_)
    assert found is not None
    return found


def test_an_empty_service_starts_at_once_and_goes_by_its_priors(database: Database) -> None:
    with database.read() as conn:
        found = estimate.estimate(conn, PLANS["free"], ASKED, NOW)
        pocket, anchor, model = (
            estimate.make_s(conn, ASKED.model_copy(update={"backend": name})) for name in ("pocket", "anchor", "ltx2")
        )
    assert (found.cost, found.wait_s) == (3, 0.0)
    assert 0 < anchor < pocket < model
    assert found.make_s == pocket


@pytest.mark.parametrize(
    ("backend", "seconds", "size", "least", "most"),
    [
        ("anchor", 1.0, "480p", 5.9, 14.4),
        ("anchor", 3.0, "480p", 9.1, 23.1),
        ("anchor", 3.0, "720p", 14.4, 39.5),
        ("pocket", 1.0, "480p", 8.1, 24.1),
        ("pocket", 3.0, "480p", 18.9, 52.1),
    ],
)
def test_the_first_film_is_told_neither_too_short_nor_too_long(
    database: Database, backend: str, seconds: float, size: str, least: float, most: float
) -> None:
    """As they were measured: the processor's seconds at work for such a film, and its time on two busy cores."""
    asked = ASKED.model_copy(update={"backend": backend, "seconds": seconds, "size": size})
    with database.read() as conn:
        assert least < estimate.make_s(conn, asked) < most


def test_times_come_from_the_last_films_of_the_queue(either: Database) -> None:
    with either.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        for took in (10, 20, 30):
            film(conn, who, took)
        film(conn, who, 5000, queue="films-ltx2")
        film(conn, who, 5000, at=NOW - 9e6, state="failed")
    with either.read() as conn:
        assert estimate.estimate(conn, PLANS["free"], ASKED, NOW).make_s == 20
        longer = estimate.make_s(conn, ASKED.model_copy(update={"seconds": 6.0}))
        larger = estimate.make_s(conn, ASKED.model_copy(update={"size": "1080p"}))
    assert 20 < longer < 40
    assert longer < larger


def test_films_of_other_sizes_are_scaled_rather_than_taken_as_they_are(database: Database) -> None:
    with database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        for size, seconds in (("480p", 3.0), ("1080p", 10.0), ("720p", 5.0), ("480p", 1.0)):
            film(conn, who, 2.0 * estimate.weight(size, seconds), size=size, seconds=seconds)
    with database.read() as conn:
        assert estimate.make_s(conn, ASKED) == pytest.approx(2.0 * estimate.weight("480p", 3.0))


def test_only_the_last_fifty_count(database: Database) -> None:
    with database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        for number in range(60):
            film(conn, who, 100.0 if number < 10 else 10.0, at=NOW - 9000 + number * 101)
    with database.read() as conn:
        assert estimate.make_s(conn, ASKED) == pytest.approx(10)


def test_who_waits_before_whom_is_what_the_queue_does(either: Database) -> None:
    """Pro passes what free put in a little before, and not what has waited for long."""
    with either.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        film(conn, who, 10)
        rowmaking.worker(conn, NOW)
        rowmaking.job(conn, who, NOW - 5, state="running")
        delay = PLANS["free"].priority_delay - PLANS["pro"].priority_delay
        old = [rowmaking.job(conn, who, NOW - delay - 60 + number) for number in range(3)]
        young = [rowmaking.job(conn, who, NOW - delay + 60 + number) for number in range(4)]
        rowmaking.job(conn, who, NOW - 9e5, queue="films-ltx2")
    with either.read() as conn:
        waits = {name: estimate.estimate(conn, PLANS[name], ASKED, NOW).wait_s for name in ("pro", "free")}
        assert waits == {"pro": 3 * 10 + 5, "free": 7 * 10 + 5}
        assert [estimate.wait_s(conn, told(conn, id_), NOW) for id_ in (*old, *young)] == [5 + 10 * n for n in range(7)]


def test_more_workers_shorten_it_and_dead_ones_do_not(either: Database) -> None:
    with either.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        film(conn, who, 10)
        for number in range(8):
            rowmaking.job(conn, who, NOW - 100 + number)
        waits = [estimate.estimate(conn, PLANS["free"], ASKED, NOW).wait_s]
        for given in ({}, {}, {"beat_at": NOW - 60}, {"state": "draining"}, {"queues": ["films-ltx2"]}, {}, {}):
            rowmaking.worker(conn, NOW, **given)
            waits.append(estimate.estimate(conn, PLANS["free"], ASKED, NOW).wait_s)
    assert waits == [80, 80, 40, 40, 40, 40, 26.7, 20]


def test_a_free_worker_means_no_wait(database: Database) -> None:
    with database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        film(conn, who, 10)
        rowmaking.job(conn, who, NOW - 5, state="running")
        rowmaking.worker(conn, NOW)
        assert estimate.estimate(conn, PLANS["free"], ASKED, NOW).wait_s == 5
        rowmaking.worker(conn, NOW)
        assert estimate.estimate(conn, PLANS["free"], ASKED, NOW).wait_s == 0


def test_what_is_left_falls_while_a_film_is_made_and_follows_its_own_pace(database: Database) -> None:
    with database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        film(conn, who, 100)
        steady, slow = (
            [
                rowmaking.job(
                    conn,
                    who,
                    NOW,
                    state="running",
                    started_at=NOW - pace * percent,
                    percent=percent,
                    request=ASKED.model_dump(mode="json"),
                )
                for percent in (0, 10, 50, 90, 99)
            ]
            for pace in (1.0, 4.0)
        )
        waiting = rowmaking.job(conn, who, NOW + 1)
        over = film(conn, who, 100)
    with database.read() as conn:
        left = [estimate.left_s(conn, told(conn, id_), NOW) for id_ in steady]
        assert left == pytest.approx([100, 90, 50, 10, 1], abs=5)
        late = [estimate.left_s(conn, told(conn, id_), NOW) or 0 for id_ in slow]
        assert late[3] == pytest.approx(40, rel=0.15), "at 90 % after 360 s, 40 s are left"
        assert all(one > 0 for one in late)
        assert estimate.left_s(conn, told(conn, over), NOW) is None
        assert (estimate.left_s(conn, told(conn, waiting), NOW) or 0) > 100


def test_a_plan_that_does_not_allow_it_says_so(database: Database) -> None:
    with database.read() as conn:
        with pytest.raises(ForbiddenError) as refused:
            estimate.estimate(conn, PLANS["free"], ASKED.model_copy(update={"size": "1080p"}), NOW)
        assert refused.value.code == "plan_size"
        with pytest.raises(TemplateError):
            estimate.estimate(conn, PLANS["free"], JobRequest(template="no_such_thing"), NOW)


def test_the_cost_is_the_one_that_submitting_takes(tmp_path: Path) -> None:
    with opening.opened(tmp_path / "data") as hub:
        who = opening.somebody(hub)
        with hub.database.begin() as conn:
            sound, long = (
                rowmaking.upload(conn, who.tenant_id, NOW, kind="audio", seconds=seconds) for seconds in (7.2, 12.0)
            )
            photos = tuple(rowmaking.upload(conn, who.tenant_id, NOW) for _ in range(2))
        asked = [
            JobRequest(photos=photos[:1], consent=("self",), template="gentle_smile"),
            JobRequest(photos=photos[:1], consent=("self",), template="gentle_smile", seconds=4.2, size="720p"),
            JobRequest(photos=photos[:1], consent=("self",), audio=(sound,)),
            JobRequest(photos=photos[:1], consent=("self",), audio=(sound, long)),
            JobRequest(photos=photos, consent=("self",), template="hug"),
        ]
        for request in asked:
            with hub.database.read() as conn:
                found = estimate.estimate(conn, hub.plans[who.plan], request, NOW, who.tenant_id)
            assert found.cost == submit(hub, who, request, now=NOW).cost, request
        with hub.database.read() as conn:
            assert conn.execute(select(uploads.c.seconds).where(uploads.c.id == sound)).scalar_one() == 7.2
            other = estimate.estimate(conn, hub.plans[who.plan], asked[2], NOW, "tenant_other")
        assert other.cost == 3, "somebody else's sound tells nothing"


def test_an_estimate_grows_with_the_queue_and_the_film(database: Database) -> None:
    """Priorities of the same second go by the time of submit, as in the queue."""
    with database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        film(conn, who, 10)
        first = rowmaking.job(conn, who, NOW + 0.1, priority=priority(PLANS["free"], NOW))
        second = rowmaking.job(conn, who, NOW + 0.2, priority=priority(PLANS["free"], NOW))
        assert estimate.wait_s(conn, told(conn, second), NOW) - estimate.wait_s(conn, told(conn, first), NOW) == 10
        assert estimate.estimate(conn, PLANS["free"], ASKED, NOW + 0.3) == Estimate(3, 20.0, 10.0)
