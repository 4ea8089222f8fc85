from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from photoplay.errors import ReviewError
from photoplay.safety.takedown import Receipt
from photoplay.service.ground.tables import jobs
from photoplay.service.jobs import ending, job
from tests.service import rowmaking
from tests.service.stage import Someone, Stage, open_stage


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("admin")
    monkeypatch.setenv("PHOTOPLAY_HOME", str(folder / "home"))
    with open_stage(folder / "data") as found:
        yield found


@pytest.fixture
def operator(stage: Stage) -> Someone:
    return stage.someone("home", operator=True)


def test_how_it_is_doing(stage: Stage, operator: Someone) -> None:
    free, pro = stage.someone("free"), stage.someone("pro")
    stage.queued(free)
    failed = stage.queued(pro)
    running = stage.queued(pro, seed=3)
    with stage.hub.database.begin() as conn:
        rowmaking.worker(conn, time.time() - 3, job_id=running)
        conn.execute(update(jobs).where(jobs.c.id == running).values(state="running"))
        found = job.find(conn, failed)
        assert found is not None
        ending.end(
            conn, stage.hub, found, "failed", time.time(), ReviewError("review_failed", "Too dark.", "Brighter.")
        )
    told = stage.client.get("/v1/admin/overview", headers=operator.headers).json()
    queues = {one["plan"]: (one["waiting"], one["running"]) for one in told["queues"]}
    assert queues == {"free": (1, 0), "pro": (0, 1)}
    assert [(one["id"], one["code"]) for one in told["failures"]] == [(failed, "review_failed")]
    assert told["workers"][0]["job_id"] == running
    assert 2 < told["workers"][0]["beat_age_s"] < 30
    assert told["ledger"] == {"balanced": True, "problems": []}


def test_a_takedown_blocks_and_removes(stage: Stage, operator: Someone) -> None:
    who = stage.someone()
    id_ = stage.completed(who)
    body = {"sha256": "f" * 64}
    done = stage.client.post("/v1/admin/takedown", headers=operator.headers, json=body)
    assert done.status_code == 200, done.text
    assert (done.json()["removed"], done.json()["blocked"]) == (1, 1)
    assert done.json()["token"].count(".") == 2
    assert stage.client.get(f"/v1/videos/{id_}", headers=who.headers).status_code == 404
    nothing = stage.client.post("/v1/admin/takedown", headers=operator.headers, json={})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "takedown_unclear")
    unknown = stage.client.post("/v1/admin/takedown", headers=operator.headers, json={"id": "0" * 16})
    assert (unknown.status_code, unknown.json()["code"]) == (403, "takedown_unknown")


def test_a_takedown_with_its_sources_removes_the_photos_too(
    stage: Stage, operator: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = stage.someone()
    with stage.hub.database.begin() as conn:
        photo = rowmaking.upload(conn, who.tenant_id, time.time(), sha256="c" * 64)
    work = SimpleNamespace(id="1" * 16, release_digests={"d" * 64}, source_digests={"c" * 64})
    guard = SimpleNamespace(ledger=SimpleNamespace(survey=lambda: ((work,), ())))
    monkeypatch.setattr("photoplay.service.api.routes.admin.open_guard", lambda *_: guard)
    left = {False: Receipt((work.id,), (), 2, "a.b.c", ("c" * 64,)), True: Receipt((work.id,), (), 2, "a.b.c")}
    monkeypatch.setattr("photoplay.service.api.routes.admin.take_down", lambda *_, sources, **__: left[sources])
    for sources, removed in ((False, 0), (True, 1)):
        body = {"id": work.id, "sources": sources}
        done = stage.client.post("/v1/admin/takedown", headers=operator.headers, json=body).json()
        assert done["removed"] == removed
    assert stage.client.get(f"/v1/photos/{photo}", headers=who.headers).status_code == 404


def test_to_everybody_else_there_is_nothing(stage: Stage) -> None:
    who = stage.someone()
    nothing = stage.client.get("/v1/admin/nothing", headers=who.headers)
    for method, path in (("GET", "overview"), ("POST", "takedown")):
        answer = stage.client.request(method, f"/v1/admin/{path}", headers=who.headers, json={"sha256": "0" * 64})
        assert (answer.status_code, answer.content) == (404, nothing.content)
