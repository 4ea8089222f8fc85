from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, Thread, current_thread
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, text, update

from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError, TemplateError
from photoplay.service.accounts import credits
from photoplay.service.accounts.principals import Principal
from photoplay.service.api.telling import job_of
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError, QuotaError, TooManyError
from photoplay.service.ground.metrics import Metrics
from photoplay.service.ground.plans import priority
from photoplay.service.ground.tables import consents, uploads
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import events
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.jobs.workflow import Work
from tests.service import groundwork, hubs, rowmaking
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, audited, count, free_plan, opened_copy, somebody, told, with_plans

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


def money(hub: Hub, who: Principal) -> tuple[int, int]:
    with hub.database.read() as conn:
        found = credits.balance(conn, who.tenant_id)
    return found.available, found.held


def waiting(hub: Hub) -> list[tuple[str, str | None, int | None, str]]:
    found = sorted(hub.client.list_workflows(), key=lambda one: one.workflow_id)
    return [(one.workflow_id, one.queue_name, one.priority, one.status) for one in found]


def upload(hub: Hub, who: Principal, **given: Any) -> str:
    with hub.database.begin() as conn:
        return rowmaking.upload(conn, who.tenant_id, NOW, **given)


def over(hub: Hub, job: jobs.Job, state: str) -> None:
    from photoplay.service.jobs.ending import end

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


def test_a_request_is_held_to_its_shape() -> None:
    for bad in (
        {"template": "../../etc/passwd"},
        {"template": "film.yaml"},
        {"photos": ["../x"]},
        {"photos": ["upload_" + "a" * 26] * 3},
        {"seconds": float("nan")},
        {"seconds": 0},
        {"backend": "a/b"},
        {"unknown": 1},
        {"size": "4k"},
        {"consent": ["maybe"]},
        {"prompt": "a\x00b"},
        {"prompt": "a\ud800b"},
    ):
        with pytest.raises(ValidationError):
            JobRequest.model_validate(bad)


def test_a_statement_is_asked_for_before_anybody_waits(hub: Hub) -> None:
    who = somebody(hub)
    two = SMILE.model_copy(update={"photos": (upload(hub, who), upload(hub, who))})
    for consent, last in (((), None), (("self", "self"), upload(hub, who)), (("self",) * 3, None)):
        with pytest.raises(ConsentError) as found:
            jobs.submit(hub, who, two.model_copy(update={"consent": consent, "last": last}), now=NOW)
        assert found.value.code == "consent_missing"
    hosted = replace(hub, settings=hub.settings.model_copy(update={"hosted": True}))
    with pytest.raises(ConsentError) as found:
        jobs.submit(hosted, who, two.model_copy(update={"consent": ("self",)}), now=NOW)
    assert found.value.code == "consent_unnamed"
    assert jobs.submit(hosted, who, SMILE, now=NOW).state == "queued"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00", "a\nb", "ä", "\ud800"])
def test_idempotency_keys_are_plain(hub: Hub, key: str) -> None:
    with pytest.raises(RequestError, match="idempotency key"):
        jobs.submit(hub, somebody(hub), SMILE, idempotency_key=key, now=NOW)


@pytest.mark.parametrize("id_", ["video_a\x00", "video_\ud800", "", "video_" + "A" * 26])
def test_what_is_no_id_is_not_there(hub: Hub, id_: str) -> None:
    with hub.database.read() as conn, pytest.raises(NotFoundError):
        jobs.get(conn, "tenant_a", id_)


def test_the_queue_forgets_what_is_deleted(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    over(hub, job, "failed")
    jobs.retry(hub, who, job.id, NOW)
    over(hub, told(hub, job.id), "failed")
    jobs.delete(hub, who, job.id, NOW + 100)
    assert waiting(hub) == []


def test_the_plan_s_label_wins(hub: Hub) -> None:
    who = somebody(hub, "free")
    asked = SMILE.model_copy(update={"backend": "pocket", "label": "top-left"})
    assert jobs.submit(hub, who, asked, now=NOW).request.label == hub.plans["free"].label is not None
    assert jobs.submit(hub, somebody(hub), asked, now=NOW).request.label == "top-left"


def test_lengths_are_settled_when_a_job_is_submitted(hub: Hub) -> None:
    who = somebody(hub)
    open_end = SMILE.model_copy(update={"seconds": None, "consent": ("self",)})
    sound = upload(hub, who, kind="audio", seconds=4.51)
    clip = upload(hub, who, kind="video", seconds=2.0)

    def length(**changed: Any) -> float | None:
        return jobs.submit(hub, who, open_end.model_copy(update=changed), now=NOW).request.seconds

    assert length() == 3.0
    assert length(audio=(sound,)) == 109 / 24  # to the end of the frame in which it ends
    assert length(video=clip) == 2.0
    from photoplay.motion.library import built_in_duets

    duet = built_in_duets()[0]
    assert length(template=duet.name, photos=(upload(hub, who), upload(hub, who))) == pytest.approx(
        duet.duration, abs=1 / 24
    )
    assert [told(hub, row[0].split(".")[0]).cost for row in waiting(hub)]


def test_uploads_and_consents_are_the_tenant_s_own(hub: Hub) -> None:
    who, other = somebody(hub), somebody(hub)
    photo, foreign = upload(hub, who), upload(hub, other)
    sound = upload(hub, who, kind="audio", seconds=1.0)
    with hub.database.begin() as conn:
        for id_, owner, revoked in (("mine", who, None), ("theirs", other, None), ("revoked", who, NOW)):
            conn.execute(
                consents.insert().values(id=id_, tenant_id=owner.tenant_id, name="", created_at=NOW, revoked_at=revoked)
            )
    good = SMILE.model_copy(update={"photos": (photo,), "consents": ("mine",)})
    assert jobs.submit(hub, who, good, now=NOW).request.consent == ("granted",)
    for bad in ("theirs", "revoked", "nobodys"):
        with pytest.raises(ConsentError):
            jobs.submit(hub, who, good.model_copy(update={"consents": (bad,)}), now=NOW)
    with pytest.raises(NotFoundError):
        jobs.submit(hub, who, good.model_copy(update={"photos": (foreign,)}), now=NOW)
    with pytest.raises(RequestError, match="photo"):
        jobs.submit(hub, who, good.model_copy(update={"photos": (sound,)}), now=NOW)
    with hub.database.begin() as conn:
        conn.execute(update(uploads).where(uploads.c.id == photo).values(deleted_at=NOW))
    with pytest.raises(NotFoundError):
        jobs.submit(hub, who, good, now=NOW)


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
        jobs.remix(hub, other, job.id, now=NOW)
    with hub.database.read() as conn:
        for id_ in (job.id, "video_nothing"):
            with pytest.raises(NotFoundError):
                jobs.get(conn, other.tenant_id, id_)
        assert jobs.list_jobs(conn, other.tenant_id) == []
        with pytest.raises(NotFoundError):
            jobs.list_jobs(conn, other.tenant_id, after=job.id)
    assert told(hub, job.id) == job


def test_jobs_are_listed_by_time_a_page_at_a_time(hub: Hub) -> None:
    who = somebody(hub)
    ids = [jobs.submit(hub, who, SMILE, now=NOW + at).id for at in (0, 1, 1, 2)]
    with hub.database.read() as conn:
        newest = jobs.list_jobs(conn, who.tenant_id, 2)
        rest = jobs.list_jobs(conn, who.tenant_id, 5, after=newest[-1].id)
        oldest = jobs.list_jobs(conn, who.tenant_id, order="asc")
        after = jobs.list_jobs(conn, who.tenant_id, order="asc", after=oldest[1].id)
    assert [one.id for one in (*newest, *rest)] == [one.id for one in oldest][::-1]
    assert [one.id for one in after] == [one.id for one in oldest[2:]]
    assert sorted(ids) == sorted(one.id for one in oldest)
    assert newest[0].id == ids[3]


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


def test_a_round_ends_once(hub: Hub) -> None:
    from photoplay.service.jobs.ending import end

    who = somebody(hub, amount=100)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    with hub.database.begin() as conn:
        assert end(conn, hub, job, "completed", NOW + 1)
    with hub.database.begin() as conn:
        assert not end(conn, hub, job, "failed", NOW + 2)
        assert not end(conn, hub, job, "completed", NOW + 2)
    after = told(hub, job.id)
    assert (after.state, after.charged, after.percent, after.finished_at) == ("completed", job.cost, 100, NOW + 1)
    assert after.expires_at == NOW + 1 + hub.plans["ultra"].retention_days * 86_400
    assert money(hub, who) == (100 - job.cost, 0)
    assert audited(hub) == []


def test_the_end_of_an_earlier_round_changes_nothing(hub: Hub) -> None:
    from photoplay.service.jobs.ending import end

    who = somebody(hub)
    first = jobs.submit(hub, who, SMILE, now=NOW)
    over(hub, first, "failed")
    jobs.retry(hub, who, first.id, NOW)
    with hub.database.begin() as conn:
        assert not end(conn, hub, first, "completed", NOW + 1)
    assert told(hub, first.id).state == "queued"
    assert audited(hub) == []


def test_a_remix_is_a_new_job_of_the_same_request(hub: Hub) -> None:
    who = somebody(hub)
    job = jobs.submit(hub, who, SMILE, now=NOW)
    again = jobs.remix(hub, who, job.id, seed=5, now=NOW)
    assert again.remixed_from == job.id != again.id
    assert again.request == job.request.model_copy(update={"seed": 5})
    worded = jobs.remix(hub, who, job.id, prompt="a slow nod", now=NOW)
    assert (worded.request.template, worded.request.prompt) == ("", "a slow nod")
    assert jobs.remix(hub, who, job.id, template="nod", now=NOW).request.template == "nod"


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
    start = time.perf_counter()
    for _ in range(10):
        jobs.submit(hub, who, SMILE, now=NOW)
    assert (time.perf_counter() - start) / 10 < 0.5


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
