"""A day of the queue on a clock that costs nothing, and an hour of far too many submits against the real admission.

The simulated workers take jobs by the rule by which DBOS does: the lowest
``photoplay.service.ground.plans.priority`` first, then the earliest.
Arrivals follow a day of people: quiet at night, a peak at noon and a higher one in the evening.
"""

from __future__ import annotations

import heapq
import random
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp
from statistics import median

from sqlalchemy import select

from photoplay.motion.library import find
from photoplay.service.accounts import credits
from photoplay.service.accounts.principals import SCOPES, Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import TooManyError
from photoplay.service.ground.plans import Plan, load_plans, priority
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.estimate import weight
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.requests import JobRequest
from tests.service import rowmaking

DAY = 86_400.0
START = 1_800_057_600.0
"""A midnight (UTC) of the simulated time."""
MIX = {"free": 0.60, "plus": 0.22, "pro": 0.13, "ultra": 0.05}
"""Shares of the plans among the jobs of a day."""
PACE = 10.0
"""Seconds of work for a unit of weight: a minute for a film of five seconds at 480p."""


@dataclass(frozen=True)
class Arrival:
    """A job that comes at a time (seconds since 1970) and will be at work for ``work`` seconds."""

    at: float
    plan: Plan
    work: float


@dataclass(frozen=True)
class Served:
    """When a job of a day began and ended."""

    arrival: Arrival
    began: float
    ended: float

    @property
    def wait(self) -> float:
        return self.began - self.arrival.at


def rate(second: float) -> float:
    """How much comes at a second of the day, in any unit: a little at night, peaks at 12:30 and 20:00."""
    hour = second / 3600 % 24
    return 0.25 + 0.9 * exp(-(((hour - 12.5) / 2.0) ** 2)) + 1.5 * exp(-(((hour - 20.0) / 1.6) ** 2))


def arrivals(count: int, seed: int, seconds: float = DAY, mix: dict[str, float] | None = None) -> list[Arrival]:
    """``count`` jobs of a day that is ``seconds`` long, in their order."""
    random_ = random.Random(seed)
    plans, mix = load_plans(), mix or MIX
    steps = 1440
    levels = list(accumulate(rate(step / steps * DAY) for step in range(steps)))
    found = []
    for _ in range(count):
        step = bisect_left(levels, random_.random() * levels[-1])
        at = START + (step + random_.random()) / steps * seconds
        plan = plans[random_.choices(list(mix), list(mix.values()))[0]]
        size = random_.choices(plan.sizes, [2.0**-place for place in range(len(plan.sizes))])[0]
        length = min(plan.max_seconds, random_.choice((3.0, 3.0, 3.0, 5.0, 8.0)))
        found.append(Arrival(at, plan, PACE * weight(size, length) * random_.lognormvariate(0, 0.25)))
    return sorted(found, key=lambda one: one.at)


Rule = Callable[[Arrival], tuple[float, ...]]


def by_priority(job: Arrival) -> tuple[float, ...]:
    """The service's rule."""
    return priority(job.plan, job.at), job.at


def first_come(job: Arrival) -> tuple[float, ...]:
    """The rule to compare with."""
    return (job.at,)


def serve(day: Sequence[Arrival], workers: int, rule: Rule) -> list[Served]:
    """What becomes of a day's jobs, in the order in which they begin. Workers are never idle while somebody waits."""
    free = [START] * workers
    waiting: list[tuple[tuple[float, ...], int]] = []
    served: list[Served] = []
    coming = 0
    while coming < len(day) or waiting:
        now = heapq.heappop(free)
        if not waiting and coming < len(day):
            now = max(now, day[coming].at)
        while coming < len(day) and day[coming].at <= now:
            heapq.heappush(waiting, (rule(day[coming]), coming))
            coming += 1
        job = day[heapq.heappop(waiting)[1]]
        served.append(Served(job, now, now + job.work))
        heapq.heappush(free, now + job.work)
    return served


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


@dataclass(frozen=True)
class Day:
    """A day by the service's rule and the same by first come, first served."""

    served: list[Served]
    plain: list[Served]

    def wait(self, plan: str, of: Callable[[Sequence[float]], float] = p95, plain: bool = False) -> float:
        """A figure of the waits of a plan's jobs."""
        return of([one.wait for one in (self.plain if plain else self.served) if one.arrival.plan.name == plan])

    @property
    def ratio(self) -> float:
        """How many times longer free waits than pro, at their 95th percentiles."""
        return self.wait("free") / max(self.wait("pro"), 1.0)

    @property
    def throughput(self) -> float:
        """Jobs done at each hour as a share of those that first come, first served has done by then, at the worst hour."""
        shares = []
        for hour in range(1, 25):
            until = START + hour * DAY / 24
            mine, theirs = (sum(one.ended <= until for one in some) for some in (self.served, self.plain))
            shares += [mine / theirs] if theirs >= 100 else []
        return min(shares)

    @property
    def span(self) -> float:
        """The time until the last job is done, as a share of that of first come, first served."""
        mine, theirs = (max(one.ended for one in some) - START for some in (self.served, self.plain))
        return mine / theirs

    def beyond(self) -> list[Served]:
        """Jobs that waited longer than the ageing bound: their plan's handicap, and as long as anybody would have waited at
        the worst time of the day if all were equal (and the end of the film that was being made)."""
        worst = max(one.wait for one in self.plain) + max(one.arrival.work for one in self.plain) + 1
        return [one for one in self.served if one.wait > one.arrival.plan.priority_delay + worst]

    def overtaken(self) -> int:
        """Pairs in which a job was passed by one that came later than the difference of their handicaps allows."""
        wrong, latest = 0, 0.0
        for one in sorted(self.served, key=lambda served: (served.began, by_priority(served.arrival))):
            due = one.arrival.at + one.arrival.plan.priority_delay
            wrong += due + 2 < latest and one.arrival.at < one.began - 1e-6 and self._passed(one)
            latest = max(latest, due)
        return wrong

    def _passed(self, late: Served) -> bool:
        due = late.arrival.at + late.arrival.plan.priority_delay
        return any(
            late.arrival.at <= one.began < late.began and one.arrival.at + one.arrival.plan.priority_delay > due + 2
            for one in self.served
        )


def simulate(count: int, workers: int, seed: int, seconds: float = DAY) -> Day:
    """A day by both rules."""
    day = arrivals(count, seed, seconds)
    return Day(serve(day, workers, by_priority), serve(day, workers, first_come))


@dataclass(frozen=True)
class Overload:
    """What became of far too many submits: seconds that each answer took, refusals by code, and accepted jobs that were
    never done or done wrongly."""

    seconds: list[float]
    refusals: Counter[str]
    without_retry: int
    accepted: int
    lost: int
    audit: list[str]

    @property
    def slowest(self) -> float:
        return max(self.seconds)

    @property
    def typical(self) -> float:
        return median(self.seconds)


def overload(hub: Hub, submits: int, times: float, workers: int, seed: int, tenants: int = 300) -> Overload:
    """Submits ``times`` as much as the workers can make, all to the real
    :func:`photoplay.service.jobs.lifecycle.submit`, on the simulated clock;
    the workers go on meanwhile and finish everything that was accepted."""
    random_ = random.Random(seed)
    names = random_.choices(list(MIX), list(MIX.values()), k=tenants)
    with hub.database.begin() as conn:
        ids = [rowmaking.tenant(conn, START, name) for name in names]
    for id_ in ids:
        with hub.database.begin() as conn:
            credits.grant(conn, id_, 100_000, "", START)
    people = [Principal(id_, name, SCOPES) for id_, name in zip(ids, names, strict=True)]
    request = JobRequest(template="gentle_smile", seconds=3.0, backend="pocket")
    find(request.template)  # the library is read once in a process
    work = PACE * weight("480p", 3.0)
    gap = work / workers / times
    took: list[float] = []
    refusals: Counter[str] = Counter()
    without = 0
    accepted: set[str] = set()
    free = [START] * workers
    for number in range(submits):
        now = START + number * gap
        _work(hub, free, now, work)
        began = time.perf_counter()
        try:
            accepted.add(jobs.submit(hub, random_.choice(people), request, now=now).id)
        except TooManyError as refused:
            refusals[refused.code] += 1
            without += refused.retry_after < 1
        took.append(time.perf_counter() - began)
    _work(hub, free, START + submits * gap + DAY, work)
    with hub.database.read() as conn:
        done = set(conn.execute(select(rows.c.id).where(rows.c.state == "completed")).scalars())
        audit = credits.audit(conn)
    return Overload(took, refusals, without, len(accepted), len(accepted ^ done), audit)


def _work(hub: Hub, free: list[float], now: float, work: float) -> None:
    """Lets the simulated workers do what they have begun by ``now``."""
    heapq.heapify(free)
    while free[0] <= now:
        first = select(rows).where(rows.c.state == "queued").order_by(rows.c.priority, rows.c.queued_at).limit(1)
        with hub.database.begin() as conn:
            row = conn.execute(first).first()
            if row is None:
                free[:] = [max(one, now) for one in free]
                return
            ended = max(free[0], row.queued_at) + work
            conn.execute(rows.update().where(rows.c.id == row.id).values(started_at=ended - work))
            end(conn, hub, Job.of(row), "completed", ended)
        heapq.heapreplace(free, ended)
