from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from photoplay.service.api.app import create_app
from photoplay.service.api.door import MOST_INSIDE, addresses
from photoplay.service.api.routes import ROUTERS
from photoplay.service.api.studio import Studio, read_studio
from photoplay.service.jobs import job
from photoplay.service.jobs import lifecycle as jobs
from tests.service.stage import Someone, Stage, open_stage

UUIDS = re.compile(r"[A-Za-z0-9._-]{8,64}")


STAGE = {"max_upload_mb": 1}


@pytest.fixture(scope="module")
def who(stage: Stage) -> Someone:
    return stage.someone()


def test_every_answer_is_dressed(stage: Stage, who: Someone) -> None:
    asked = ["/", "/openapi.json", "/healthz", "/v1/videos", "/v1/nothing", "/nothing.png", "/v1/files/none"]
    for path in asked:
        for headers in ({}, who.headers):
            answer = stage.client.get(path, headers=headers)
            said = answer.headers
            assert "default-src 'self'" in said["content-security-policy"], path
            assert "frame-ancestors 'none'" in said["content-security-policy"]
            assert "unsafe" not in said["content-security-policy"]
            assert (said["x-content-type-options"], said["referrer-policy"]) == ("nosniff", "no-referrer")
            assert UUIDS.fullmatch(said["x-request-id"])
            assert "access-control-allow-origin" not in said
            if path.startswith("/v1/"):
                assert said["cache-control"] == "no-store"


def test_request_ids_are_taken_over_where_they_are_harmless(stage: Stage) -> None:
    assert stage.client.get("/healthz", headers={"x-request-id": "mine-12345"}).headers["x-request-id"] == "mine-12345"
    for said in ("short", "a" * 65, 'x"; evil=1', "spaces are bad"):
        given = stage.client.get("/healthz", headers={"x-request-id": said}).headers["x-request-id"]
        assert given != said
        assert UUIDS.fullmatch(given)


def test_what_an_address_does_not_do(stage: Stage, who: Someone) -> None:
    for method in ("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "NONSENSE"):
        answer = stage.client.request(method, "/v1/videos", headers=who.headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    one = stage.client.put(f"/v1/videos/video_{'a' * 26}", headers=who.headers)
    assert (one.status_code, one.headers["allow"]) == (405, "DELETE, GET")
    assert stage.client.get("/v1/videos/estimate", headers=who.headers).status_code == 405
    for path in ("/v1", "/v1/", "/v1/videos/", "/v1/nothing", "/v1//videos"):
        answer = stage.client.get(path, headers=who.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_body_that_is_too_large_is_not_read(stage: Stage, who: Someone) -> None:
    headers = {**who.headers, "content-type": "application/json"}
    told = stage.client.post("/v1/videos", headers=headers, content=b" " * 2_000_000)
    assert (told.status_code, told.json()["code"]) == (413, "too_large")
    for path in ("/v1/session", "/v1/sign-up", "/v1/videos/estimate", "/v1/account/keys"):  # only files may be large
        for content in (b" " * 70_000, (b" " * 7_000 for _ in range(10))):
            assert stage.client.post(path, headers=headers, content=content).status_code == 413, path
    read: list[int] = []

    def pieces() -> Iterator[bytes]:  # comes in pieces, and says nothing of its length
        for _ in range(100):
            read.append(1)
            yield b" " * 100_000

    told = stage.client.post("/v1/videos", headers=headers, content=pieces())
    assert told.status_code == 413
    assert told.headers["content-type"] == "application/problem+json"
    wrong = {**headers, "content-length": "many"}
    assert stage.client.post("/v1/videos", headers=wrong, content=b"{}").status_code == 413


def test_what_breaks_inside_says_nothing_of_it(stage: Stage, who: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/var/lib/secret")

    monkeypatch.setattr("photoplay.service.jobs.lifecycle.list_jobs", broken)
    told = stage.client.get("/v1/videos", headers=who.headers)
    assert (told.status_code, told.json()["code"]) == (500, "internal")
    assert "secret" not in told.text
    assert "x-request-id" in told.headers

    def busy(*_: object, **__: object) -> None:
        raise OperationalError("select secret", {}, Exception("locked"))

    monkeypatch.setattr("photoplay.service.jobs.lifecycle.list_jobs", busy)
    told = stage.client.get("/v1/videos", headers=who.headers)
    assert (told.status_code, told.json()["code"]) == (503, "database_busy")
    assert "secret" not in told.text


def test_nobody_takes_all_threads(stage: Stage, who: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, other = threading.Event(), stage.someone()
    listed = jobs.list_jobs

    def slow(conn: Connection, tenant_id: str, *rest: object) -> object:
        if tenant_id == who.tenant_id:
            assert go_on.wait(20)
        return listed(conn, tenant_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("photoplay.service.jobs.lifecycle.list_jobs", slow)

    def ask(_: int) -> int:
        answer = stage.client.get("/v1/videos", headers=who.headers)
        if answer.status_code == 429:
            assert (answer.json()["code"], answer.headers["retry-after"]) == ("too_many_requests", "1")
        return answer.status_code

    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(ask, number) for number in range(40)]
        for refused in islice(as_completed(asked, timeout=20), 40 - MOST_INSIDE):
            assert refused.result() == 429
        assert (
            stage.client.get("/v1/videos", headers=other.headers).status_code == 200
        )  # the others are served meanwhile
        assert stage.client.get("/healthz").status_code == 200
        go_on.set()
    assert sorted(one.result() for one in asked) == [200] * MOST_INSIDE + [429] * (40 - MOST_INSIDE)
    assert ask(0) == 200


def test_two_installations_live_side_by_side(stage: Stage, who: Someone, tmp_path: Path) -> None:
    with open_stage(tmp_path / "data") as other:
        assert other.client.get("/v1/videos", headers=who.headers).status_code == 401
        assert stage.client.get("/v1/videos", headers=who.headers).status_code == 200


def test_all_routes_are_in_the_table_and_have_one_name(stage: Stage) -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    table = {one.path: one.methods for one in addresses(routes)}  # type: ignore[arg-type]
    document = create_app(stage.hub).openapi()["paths"]
    assert {path: {method.upper() for method in methods} for path, methods in document.items()} == table
    assert all(isinstance(router, APIRouter) for router in ROUTERS)


def test_what_is_read_often_has_an_index(stage: Stage, who: Someone) -> None:
    id_ = stage.queued(who)
    with stage.hub.database.begin() as conn:
        plan = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM jobs WHERE tenant_id = 'a' AND deleted_at IS NULL "
            "ORDER BY created_at DESC, id DESC LIMIT 20"
        ).all()
        assert "USING INDEX" in str(plan)
        events = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM job_events WHERE job_id = 'a' AND seq > 5 ORDER BY seq LIMIT 200"
        ).all()
        assert "USING INDEX" in str(events)
        assert "TEMP B-TREE" not in str(events)
        assert job.get(conn, who.tenant_id, id_).id == id_


STUDIO = {"index.html": b"<!doctype html>studio", "assets/app-1a2b3c.js": b"go()", "favicon.svg": b"<svg/>"}


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    for name, data in STUDIO.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "__init__.py").write_bytes(b"secret")
    return Studio(read_studio(tmp_path))


def test_the_studio_is_served(studio: Studio) -> None:
    client = TestClient(studio)
    page = client.get("/")
    assert (page.content, page.headers["cache-control"]) == (STUDIO["index.html"], "no-cache")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/history/video_1").content == STUDIO["index.html"]
    script = client.get("/assets/app-1a2b3c.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in script.headers["cache-control"]
    assert client.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304
    assert (client.head("/").status_code, client.head("/").content) == (200, b"")
    for path in ("/assets/gone.js", "/assets/", "/robots.txt", "/__init__.py", "/..%2f..%2fetc/passwd.txt", "/../a.py"):
        assert client.get(path).status_code == 404, path
    assert client.post("/").status_code == 405


def test_a_studio_that_is_missing_says_so(tmp_path: Path) -> None:
    client = TestClient(Studio(read_studio(tmp_path / "none")))
    assert client.get("/").status_code == 200
    assert "not in this installation" in client.get("/").text
    assert client.get("/history").status_code == 404


def test_the_same_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with open_stage(tmp_path / "data", database_url=postgres_url) as stage:
        who, operator = stage.someone(), stage.someone("home", operator=True)
        done, waits = stage.completed(who), stage.queued(who, prompt="she smiles")
        listed = stage.client.get("/v1/videos", headers=who.headers).json()["data"]
        assert {video["id"] for video in listed} == {done, waits}
        assert stage.client.get("/v1/account", headers=who.headers).json()["usage"]["seconds_this_month"] == 3.0
        assert stage.client.get(f"/v1/jobs/{waits}", headers=who.headers).json()["left_s"] is not None
        told = stage.client.get("/v1/admin/overview", headers=operator.headers).json()
        assert told["ledger"]["balanced"]
        assert told["queues"][0]["waiting"] == 1
        for body in ({"prompt": "\x00"}, {"prompt": "\ud800"}, {"template": "a\x00"}, {"photos": ["upload_\x00"]}):
            content = json.dumps(body).encode()
            answer = stage.client.post(
                "/v1/videos", headers={**who.headers, "content-type": "application/json"}, content=content
            )
            assert answer.status_code == 400, body
        for path in ("/v1/videos/%00", "/v1/jobs/video_%00", "/v1/videos?after=%00", "/v1/files/%00", "/v1/photos/%FF"):
            assert stage.client.get(path, headers=who.headers).status_code in (400, 404), path
        keyed = {**who.headers, "idempotency-key": "a\x00b"}
        assert stage.client.post("/v1/videos", headers=keyed, json={"template": "gentle_smile"}).status_code == 400
        said = {"email": "a\x00@example.org", "password": "\x00"}
        assert stage.client.post("/v1/session", json=said).status_code == 400
        form = {"prompt": "\x00", "template": "gentle_smile"}
        assert stage.client.post("/v1/videos", headers=who.headers, data=form).status_code == 400
        assert stage.client.delete(f"/v1/videos/{done}", headers=who.headers).status_code == 200
