"""What a film will cost, how long it will wait and how long it takes, told before somebody submits it and while it goes on.

Times come from the last films of the same queue. How long a film takes grows with its pixels, so each of them is scaled
to the one that is asked about by its ``weight``; with none to go by a prior stands in. It is an estimate: no promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, and_, func, or_, select

from photoplay.finishing.size import STANDARD
from photoplay.motion.library import find
from photoplay.service.engine import queue_name
from photoplay.service.ground.plans import Plan, cost, priority, size_class
from photoplay.service.ground.states import SILENT_S
from photoplay.service.ground.tables import jobs, uploads, workers
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.jobs.settling import NATURAL, natural

RECENT = 50
"""Films of a queue that are looked at."""
FIXED = 2.0
"""What every film costs beside its pixels, in seconds of a 480p film."""
PRIORS = {"anchor": 3.0, "echo": 3.0, "pocket": 5.0}
"""Seconds of work for a second of 480p film, where no film was made yet: on two cores that have other work as well."""
OTHER_PRIOR = 60.0
"""The same for every other backend: a model on a GPU takes its time."""


@dataclass(frozen=True)
class Estimate:
    """Credits, and seconds in the queue and at work."""

    cost: int
    wait_s: float
    make_s: float


def estimate(conn: Connection, plan: Plan, request: JobRequest, now: float, tenant_id: str | None = None) -> Estimate:
    """What would come of a request if it were submitted now. ``tenant_id``: whose clips and sound give it its length.

    Raises:
        ForbiddenError: as :func:`photoplay.service.ground.plans.cost`, for a film that the plan does not allow.
        TemplateError: there is no template of that name.
    """
    seconds = length(conn, request, tenant_id)
    price = cost(plan, request.size, seconds, request.backend)
    wait = _wait(conn, queue_name(request.backend), priority(plan, now), now, now)
    return Estimate(price, round(wait, 1), round(make_s(conn, request, seconds), 1))


def length(conn: Connection, request: JobRequest, tenant_id: str | None) -> float:
    """Seconds of film that a request will be given."""
    if request.seconds is not None:
        return request.seconds
    people = len(request.photos)
    if request.template:
        people = find(request.template, people=2 if people == 2 else None).people
    mine = (uploads.c.id.in_(request.uploads()), uploads.c.tenant_id == tenant_id, uploads.c.deleted_at.is_(None))
    known = conn.execute(select(uploads.c.id, uploads.c.seconds).where(*mine, uploads.c.seconds.is_not(None)))
    unknown = dict.fromkeys(request.audio, NATURAL)
    return natural(request, people, unknown | {row.id: row.seconds for row in known})


def make_s(conn: Connection, request: JobRequest, seconds: float | None = None) -> float:
    """Seconds that a film of this kind is at work: the median of the last ones, each scaled to it."""
    asked = seconds or request.seconds or NATURAL
    return weight(request.size, asked) * _pace(conn, queue_name(request.backend))


def wait_s(conn: Connection, job: Job, now: float) -> float:
    """Seconds until a waiting job begins."""
    return round(_wait(conn, job.queue, job.priority, job.queued_at, now), 1)


def left_s(conn: Connection, job: Job, now: float) -> float | None:
    """Seconds until a job's film is there; None when the job is over.

    A running film is told by what it has done, the more of it is done the more by that alone.
    """
    if job.state == "queued":
        return round(_wait(conn, job.queue, job.priority, job.queued_at, now) + make_s(conn, job.request), 1)
    if job.state != "running":
        return None
    usual = make_s(conn, job.request)
    gone = max(0.0, now - (job.started_at if job.started_at is not None else now))
    share = min(max(job.percent, 0), 99) / 100
    by_rule = max(usual - gone, 0.05 * usual)
    if share <= 0.02:
        return round(by_rule, 1)
    by_pace = gone * (1 - share) / share
    return round(share * by_pace + (1 - share) * by_rule, 1)


def weight(size: str, seconds: float) -> float:
    """How much work a film is, as seconds of 480p film."""
    named = size_class(size) or "1080p"
    pixels = STANDARD[named][0] * STANDARD[named][1]
    return FIXED + seconds * pixels / (STANDARD["480p"][0] * STANDARD["480p"][1])


def _pace(conn: Connection, queue: str) -> float:
    """Seconds of work for a unit of weight, by the last films of a queue."""
    made = select(
        jobs.c.request["size"].as_string().label("size"),
        jobs.c.request["seconds"].as_float().label("seconds"),
        (jobs.c.finished_at - jobs.c.started_at).label("took"),
    ).where(jobs.c.queue == queue, jobs.c.state == "completed", jobs.c.started_at.is_not(None))
    last = conn.execute(made.where(jobs.c.deleted_at.is_(None)).order_by(jobs.c.finished_at.desc()).limit(RECENT)).all()
    paces = [max(row.took or 0.0, 0.0) / weight(row.size, row.seconds or NATURAL) for row in last]
    return median(paces) if paces else PRIORS.get(queue.removeprefix(queue_name("")), OTHER_PRIOR)


def _wait(conn: Connection, queue: str, priority: int, queued_at: float, now: float) -> float:
    """Seconds until a job of this place in a queue begins: the work before it, shared by the workers that live."""
    before = or_(jobs.c.priority < priority, and_(jobs.c.priority == priority, jobs.c.queued_at < queued_at))
    waiting = conn.execute(
        select(func.count()).select_from(jobs).where(jobs.c.state == "queued", jobs.c.queue == queue, before)
    ).scalar_one()
    running = conn.execute(
        select(func.count()).select_from(jobs).where(jobs.c.state == "running", jobs.c.queue == queue)
    ).scalar_one()
    alive = conn.execute(
        select(workers.c.queues).where(workers.c.state == "up", workers.c.beat_at > now - SILENT_S)
    ).scalars()
    hands = max(1, sum(queue in queues for queues in alive))  # where none is, one may be starting
    if waiting + running < hands:
        return 0.0
    usual = _usual(conn, queue)
    return usual * (waiting + min(running, hands) / 2) / hands


def _usual(conn: Connection, queue: str) -> float:
    """Median seconds at work of the last films of a queue."""
    last = conn.execute(
        select(jobs.c.finished_at - jobs.c.started_at)
        .where(jobs.c.queue == queue, jobs.c.state == "completed", jobs.c.started_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(RECENT)
    ).scalars()
    made = [max(float(one), 0.0) for one in last if one is not None]
    return (
        median(made) if made else weight("480p", NATURAL) * PRIORS.get(queue.removeprefix(queue_name("")), OTHER_PRIOR)
    )
