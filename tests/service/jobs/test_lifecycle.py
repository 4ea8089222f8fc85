from __future__ import annotations

import time
from pathlib import Path
from threading import Barrier, Event, Thread, current_thread
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError, TemplateError
from photoplay.service.api.telling import job_of
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError, QuotaError, TooManyError
from photoplay.service.ground.metrics import Metrics
from photoplay.service.ground.plans import priority
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import events
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.ending import end
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.jobs.workflow import Work
from tests.service import groundwork, hubs
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, audited, count, free_plan, money, opened_copy, somebody, told, with_plans

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


def waiting(hub: Hub) -> list[tuple[str, str | None, int | None, str]]:
    found = sorted(hub.client.list_workflows(), key=lambda one: one.workflow_id)
    return [(one.workflow_id, one.queue_name, one.priority, one.status) for one in found]


def over(hub: Hub, job: jobs.Job, state: str) -> None:
    with hub.database.begin() as conn:
        assert end(conn, hub, job, state, NOW + 5, PhotoplayError("broken", "It broke.", "Fix it."))  # type: ignore[arg-type]


def test_a_submitted_job_is_in_the_queue_with_its_credits(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    assert (job.state, job.tenant_id, job.plan, job.round, job.attempt) == ("queued", who.tenant_id, "ultra", 1, 0)
    assert job.request == SMILE
    assert job.cost > 0
    assert money(hub, who) == (100 - job.cost, job.cost)
    assert waiting(hub) == [(f"{job.id}.1", "films-echo", job.priority, "ENQUEUED")]
    assert [one.data for one in events.follow(hub, job.id)] == [{"state": "queued", "error": None}]
    assert audited(hub) == []


def test_whoever_waits_longer_pays_the_smaller_handicap(hub: Hub) -> None:
    who, poor = somebody(hub), somebody(hub, "free")
    first, later = jobs.submit(hub, who, SMILE, now=NOW), jobs.submit(hub, who, SMILE, now=NOW + 10)
    free = jobs.submit(hub, poor, SMILE.model_copy(update={"backend": "pocket"}), now=NOW)
    assert first.priority < later.priority
    assert free.priority - first.priority == hub.plans["free"].priority_delay - hub.plans["ultra"].priority_delay
    assert all(0 < job.priority < 2**31 for job in (first, later, free))


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"backend": "ltx2"}, RequestError, "backend_not_served"),
        ({"template": "no_such_template"}, TemplateError, "template_unknown"),
        ({"prompt": "she undresses and is naked"}, RefusedError, "prompt_refused"),
        ({"photos": ("upload_" + "a" * 26,)}, NotFoundError, "upload_missing"),
        ({"consents": ("somebody-elses",)}, ConsentError, "consent_unknown"),
        ({"seconds": 60.0}, ForbiddenError, "plan_length"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    hub: Hub, changed: dict[str, Any], error: type[PhotoplayError], code: str
) -> None:
    who = somebody(hub, amount=100)
    request = JobRequest.model_validate(SMILE.model_dump() | changed)
    with pytest.raises(error) as found:
        jobs.submit(hub, who, request, idempotency_key="once", now=NOW)
    assert code in (found.value.code, "prompt_refused")
    assert (count(hub), waiting(hub), money(hub, who)) == (0, [], (100, 0))
    assert jobs.submit(hub, who, SMILE, idempotency_key="once", now=NOW).state == "queued"


def test_without_credits_nothing_is_left_in_the_queue(hub: Hub) -> None:
    who = somebody(hub, amount=0)
    with pytest.raises(QuotaError):
        jobs.submit(hub, who, SMILE, now=NOW)
    assert (count(hub), waiting(hub)) == (0, [])


def test_a_plan_holds_its_tenants_to_its_limits(hub: Hub) -> None:
    small = with_plans(hub, free=free_plan(concurrency=2, backends="*"))
    who = somebody(small, "free")
    for _ in range(2):
        jobs.submit(small, who, SMILE, now=NOW)
    with pytest.raises(TooManyError) as found:
        jobs.submit(small, who, SMILE, now=NOW)
    assert found.value.code == "too_many_jobs"
    assert found.value.retry_after > 0
    assert len(waiting(hub)) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00", "a\nb", "ä", "\ud800"])
def test_idempotency_keys_are_plain(hub: Hub, key: str) -> None:
    with pytest.raises(RequestError, match="idempotency key"):
        jobs.submit(hub, somebody(hub), SMILE, idempotency_key=key, now=NOW)


def test_the_queue_forgets_what_is_deleted(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    over(hub, job, "failed")
    jobs.retry(hub, who, job.id, NOW)
    over(hub, told(hub, job.id), "failed")
    jobs.delete(hub, who, job.id, NOW + 100)
    assert waiting(hub) == []


def test_an_idempotency_key_means_one_job_for_a_day(hub: Hub) -> None:
    who, other = somebody(hub, amount=100), somebody(hub)
    first = jobs.submit(hub, who, SMILE, idempotency_key="k", now=NOW)
    assert jobs.submit(hub, who, SMILE, idempotency_key="k", now=NOW + 5).id == first.id
    assert money(hub, who) == (100 - first.cost, first.cost)
    with pytest.raises(ConflictError) as found:
        jobs.submit(hub, who, SMILE.model_copy(update={"seed": 4}), idempotency_key="k", now=NOW + 5)
    assert found.value.code == "idempotency_mismatch"
    assert jobs.submit(hub, other, SMILE, idempotency_key="k", now=NOW).id != first.id
    assert jobs.submit(hub, who, SMILE, idempotency_key="k", now=NOW + 86_401).id != first.id
    assert jobs.submit(hub, who, SMILE, now=NOW).id != jobs.submit(hub, who, SMILE, now=NOW).id


def test_the_same_key_at_the_same_moment_makes_one_job(hub: Hub) -> None:
    who, ids, ready = somebody(hub), [], Barrier(4)

    def ask() -> None:
        ready.wait()
        ids.append(jobs.submit(hub, who, SMILE, idempotency_key="k", now=NOW).id)

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == count(hub) == len(waiting(hub)) == 1


def test_nobody_sees_the_jobs_of_others(hub: Hub) -> None:
    who, other = somebody(hub), somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    for act in (jobs.cancel, jobs.resume, jobs.retry, jobs.delete):
        with pytest.raises(NotFoundError) as found:
            act(hub, other, job.id, NOW)
        assert found.value.code == "not_found"
    with pytest.raises(NotFoundError):
        jobs.remix(hub, other, job.id, jobs.Changes(), now=NOW)
    with hub.database.read() as conn:
        for id_ in (job.id, "video_nothing"):
            with pytest.raises(NotFoundError):
                jobs.get(conn, other.tenant_id, id_)
        assert jobs.list_jobs(conn, other.tenant_id) == []
        with pytest.raises(NotFoundError):
            jobs.list_jobs(conn, other.tenant_id, after=job.id)
    assert told(hub, job.id) == job


def test_a_waiting_job_that_is_cancelled_is_over_at_once(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    after = jobs.cancel(hub, who, job.id, NOW + 1)
    assert (after.state, after.error and after.error["code"], after.finished_at) == ("cancelled", "cancelled", NOW + 1)
    assert money(hub, who) == (100, 0)
    assert waiting(hub)[0][3] == "CANCELLED"
    assert [one.kind for one in events.follow(hub, job.id)] == ["state", "state", "end"]
    assert jobs.cancel(hub, who, job.id, NOW + 2) == after
    assert audited(hub) == []


def test_a_running_job_is_asked_to_stop(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    with hub.database.begin() as conn:
        conn.execute(update(rows).values(state="running"))
    after = jobs.cancel(hub, who, job.id, NOW + 1)
    assert (after.state, after.cancel_at) == ("running", NOW + 1)
    assert jobs.cancel(hub, who, job.id, NOW + 9).cancel_at == NOW + 1


def test_what_is_over_cannot_be_cancelled(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    over(hub, job, "failed")
    with pytest.raises(ConflictError):
        jobs.cancel(hub, who, job.id, NOW)


@pytest.mark.parametrize(("state", "again"), [("cancelled", jobs.resume), ("failed", jobs.retry)])
def test_another_round_holds_its_own_credits(hub: Hub, state: str, again: Any) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    with pytest.raises(ConflictError):
        again(hub, who, job.id, NOW)
    over(hub, job, state)
    assert money(hub, who) == (100, 0)
    second = again(hub, who, job.id, NOW + 10)
    assert (second.state, second.round, second.attempt, second.error) == ("queued", 2, 0, None)
    assert (second.finished_at, second.cancel_at, second.charged) == (None, None, None)
    assert money(hub, who) == (100 - job.cost, job.cost)
    assert [one[0] for one in waiting(hub)] == [f"{job.id}.1", f"{job.id}.2"]
    assert (second.created_at, second.queued_at) == (NOW, NOW + 10)
    assert second.priority == priority(hub.plans["ultra"], NOW + 10) > job.priority
    assert [one[2] for one in waiting(hub)] == [job.priority, second.priority], "the queue goes by this round, too"
    assert audited(hub) == []


def test_another_round_waits_from_when_it_was_asked_for(hub: Hub) -> None:
    """Whatever tells how long jobs wait starts anew with a round: what failed a week ago has not waited for a week."""
    who, now = somebody(hub), time.time()
    job = jobs.submit(hub, who, SMILE, now=now - 7 * 86_400)
    over(hub, job, "failed")
    jobs.retry(hub, who, job.id, now)
    shown = Metrics()
    shown.watch(hub.database)
    oldest = shown.registry.get_sample_value("photoplay_queue_oldest_seconds", {"plan": "ultra"})
    assert Work(hub, SimulatedMaker(20), "worker_a", lambda why: None).make(job.id, 2) == "made"
    waited = hub.metrics.registry.get_sample_value("photoplay_wait_seconds_sum", {"plan": "ultra"})
    for seconds in (oldest, waited, job_of(told(hub, job.id), None, None, now).wait_s):
        assert seconds is not None
        assert 0 <= seconds < 60


def test_a_remix_is_a_new_job_of_the_same_request(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    again = jobs.remix(hub, who, job.id, jobs.Changes(seed=5), now=NOW)
    assert again.remixed_from == job.id != again.id
    assert again.request == job.request.model_copy(update={"seed": 5})
    worded = jobs.remix(hub, who, job.id, jobs.Changes(prompt="a slow nod"), now=NOW)
    assert (worded.request.template, worded.request.prompt) == ("", "a slow nod")
    assert jobs.remix(hub, who, job.id, jobs.Changes(template="nod"), now=NOW).request.template == "nod"


def test_a_deleted_job_leaves_nothing_personal(hub: Hub) -> None:
    who = somebody(hub, amount=100)
    request = SMILE.model_copy(update={"prompt": "a very personal sentence"})
    job = jobs.submit(hub, who, request, idempotency_key="k", webhook="https://example.com/mine", now=NOW)
    over(hub, job, "failed")
    work = hub.settings.work / job.id
    work.mkdir(parents=True)
    (work / "half.bin").write_bytes(b"personal")
    hub.store.put(f"films/{who.tenant_id}/{job.id}/1/1/film.mp4", b"film", "video/mp4")
    hub.store.put(f"films/{who.tenant_id}/{job.id}x/1/1/film.mp4", b"of another", "video/mp4")
    jobs.delete(hub, who, job.id, NOW + 20)
    assert list(hub.store.list("films")) == [f"films/{who.tenant_id}/{job.id}x/1/1/film.mp4"]
    assert not work.exists()
    assert events.follow(hub, job.id) == []
    with hub.database.read() as conn:
        row = conn.execute(rows.select()).one()
        assert (row.request, row.film, row.error, row.webhook, row.deleted_at) == ({}, None, None, None, NOW + 20)
        assert conn.execute(text("SELECT count(*) FROM deliveries")).scalar_one() == 0
        assert conn.execute(text("SELECT count(*) FROM idempotency")).scalar_one() == 0
        assert jobs.list_jobs(conn, who.tenant_id) == []
    with pytest.raises(NotFoundError):
        jobs.delete(hub, who, job.id, NOW)
    assert not jobs.forget(hub, job.id, NOW)
    for path in hub.settings.data.glob("photoplay.db*"):
        assert b"a very personal sentence" not in path.read_bytes() or path.suffix.endswith("wal")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_deleting_a_job_that_is_not_over_ends_it(hub: Hub, state: str) -> None:
    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    with hub.database.begin() as conn:
        conn.execute(update(rows).values(state=state))
    jobs.delete(hub, who, job.id, NOW)
    assert money(hub, who) == (100, 0)
    with hub.database.read() as conn:
        assert conn.execute(rows.select()).one().state == "cancelled"
    assert audited(hub) == []


def test_submitting_takes_little(hub: Hub) -> None:
    who = somebody(hub)
    jobs.submit(hub, who, SMILE, now=NOW)
    start = time.process_time()
    for _ in range(10):
        jobs.submit(hub, who, SMILE, now=NOW)
    assert (time.process_time() - start) / 10 < 0.5


@pytest.mark.slow
def test_a_round_that_begins_while_its_film_is_deleted_ends_with_it(
    tmp_path: Path, postgres_server: groundwork.PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL others go on between two statements of a transaction."""
    found, go, real = Event(), Event(), jobs.hold_tenant

    def held(conn: Connection, tenant_id: str) -> None:
        if current_thread().name == "deleter" and not found.is_set():
            found.set()
            assert go.wait(10)
        real(conn, tenant_id)

    with opened_copy(tmp_path, postgres_server, template) as hub:
        who = somebody(hub, amount=100)
        job = jobs.submit(hub, who, SMILE, now=NOW)
        jobs.cancel(hub, who, job.id, NOW)
        monkeypatch.setattr(jobs, "hold_tenant", held)
        deleter = Thread(target=jobs.delete, args=(hub, who, job.id, NOW + 2), name="deleter")
        deleter.start()
        assert found.wait(10)
        assert jobs.resume(hub, who, job.id, NOW + 1).state == "queued"
        go.set()
        deleter.join(10)
        with hub.database.read() as conn:
            row = conn.execute(rows.select()).one()
        assert (row.state, row.round, row.deleted_at) == ("cancelled", 2, NOW + 2)
        assert money(hub, who) == (100, 0)
        assert audited(hub) == []
