"""The queue's rule over a simulated day, and the admission under far too many submits."""

from __future__ import annotations

from pathlib import Path

import pytest

from photoplay.service.ground.plans import load_plans
from tests.service import simulation
from tests.service.opening import opened
from tests.service.simulation import Arrival, Day, arrivals, by_priority, first_come, p95, serve, simulate


@pytest.fixture(scope="module")
def day() -> Day:
    return simulate(5000, workers=9, seed=1)


def test_pro_waits_a_third_of_free_and_less(day: Day) -> None:
    assert day.wait("free", plain=True) > 600, "nobody waits on this day: it proves nothing"
    assert day.ratio >= 3
    order = [day.wait(plan) for plan in ("ultra", "pro", "plus", "free")]
    assert order == sorted(order)


def test_nobody_starves(day: Day) -> None:
    assert day.beyond() == []
    assert day.overtaken() == 0


def test_as_much_is_done_as_by_first_come_first_served(day: Day) -> None:
    assert day.throughput >= 0.95
    assert day.span <= 1.02
    assert len(day.served) == len(day.plain) == 5000


def test_the_simulation_itself_serves_each_job_once_and_never_idles(day: Day) -> None:
    for served in (day.served, day.plain):
        assert len({id(one.arrival) for one in served}) == 5000
        assert all(one.began >= one.arrival.at for one in served)
        edges = sorted([(one.began, 1) for one in served] + [(one.ended, -1) for one in served])
        busy = peak = 0
        for _, change in edges:
            busy += change
            peak = max(peak, busy)
        assert peak == 9
    assert [one.arrival.at for one in day.plain] == sorted(one.arrival.at for one in day.plain)


def flood(free_each: float) -> list[Arrival]:
    """A worker's whole time for the best plan, second by second, and now and then a job of the least one."""
    plans = load_plans()
    best = [Arrival(simulation.START + second, plans["ultra"], 10.0) for second in range(0, 30_000, 10)]
    least = [Arrival(simulation.START + 95 + number * free_each, plans["free"], 10.0) for number in range(3)]
    return sorted([*best, *least], key=lambda one: one.at)


def test_a_rule_without_ageing_would_be_noticed() -> None:
    """Plans strictly one before the other: free starves, and the checks say so."""
    some = flood(3000)
    plain = serve(some, 1, first_come)
    strict = serve(some, 1, lambda one: (one.plan.name != "ultra", one.at))
    assert Day(strict, plain).beyond()
    assert Day(strict, plain).overtaken() > 0
    aged = Day(serve(some, 1, by_priority), plain)
    assert aged.beyond() == []
    assert aged.overtaken() == 0


def test_a_rule_without_priorities_would_be_noticed() -> None:
    some = arrivals(1500, 1)
    equal = Day(serve(some, 2, first_come), serve(some, 2, first_come))
    assert equal.ratio < 1.5


def test_a_stream_of_better_plans_holds_up_a_free_job_for_its_handicap_and_no_longer() -> None:
    served = serve(flood(9000), 1, by_priority)
    waits = [one.wait for one in served if one.arrival.plan.name == "free"]
    handicap = load_plans()["free"].priority_delay
    assert len(waits) == 3
    assert all(handicap - 40 <= wait <= handicap + 40 for wait in waits)


def test_far_too_much_is_answered_at_once_and_nothing_accepted_is_lost(tmp_path: Path) -> None:
    """20 times what the workers can make. How long an answer takes is told of the 95th percentile: the machine that tests
    run on has other things to do."""
    with opened(tmp_path / "data", queue_limit=60) as hub:
        found = simulation.overload(hub, submits=400, times=20, workers=8, seed=1, tenants=60)
    assert set(found.refusals) >= {"queue_full"}
    assert set(found.refusals) <= {"queue_full", "too_many_jobs", "rate_limited"}
    assert found.without_retry == 0
    assert found.accepted + sum(found.refusals.values()) == 400
    assert found.accepted >= 60
    assert found.lost == 0
    assert found.audit == []
    assert p95(found.seconds) < 0.1
