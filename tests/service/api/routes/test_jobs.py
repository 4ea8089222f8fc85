from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any

import httpx
import pytest

from photoplay.service.accounts import tenants as accounts
from photoplay.service.api.routes.jobs import MOST_WATCHERS, Watchers
from photoplay.service.ground.errors import TooManyError
from photoplay.service.jobs import events, job
from tests.service.stage import STILL, Someone, Stage

pytestmark = pytest.mark.timeout(60)  # a stream that does not end is a failure soon


def tell(stage: Stage, id_: str, kind: Any, /, **data: object) -> None:
    with stage.hub.database.begin() as conn:
        events.tell(conn, id_, 1, kind, data, time.time())


def read(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Events of a stream."""
    event: dict[str, Any] = {}
    for line in lines:
        if not line and "event" in event:
            yield event
        if not line:
            event = {}
        name, _, value = line.partition(": ")
        if name in ("event", "id", "data"):
            event[name] = json.loads(value) if name == "data" else value


def test_a_job_in_full_while_it_waits_and_once_it_is_done(stage: Stage, who: Someone) -> None:
    id_ = stage.queued(who, seconds=4.0)
    waits = stage.client.get(f"/v1/jobs/{id_}", headers=who.headers).json()
    assert (waits["state"], waits["film"], waits["made_s"], waits["request"]["seconds"]) == ("queued", None, None, 4.0)
    assert waits["cost"] > 0
    assert waits["left_s"] > 0
    assert waits["wait_s"] is not None
    done = stage.client.get(f"/v1/jobs/{stage.finish(id_)}", headers=who.headers).json()
    assert (done["state"], done["charged"], done["percent"]) == ("completed", waits["cost"], 100)
    assert done["film"]["sha256"] == "f" * 64
    assert "key" not in done["film"]  # where it lies is nobody's business
    assert done["left_s"] is None
    assert "tenant_id" not in done


def test_cancel_resume_retry(stage: Stage, who: Someone) -> None:
    id_ = stage.queued(who)

    def post(what: str) -> tuple[int, dict[str, Any]]:
        answer = stage.client.post(f"/v1/jobs/{id_}/{what}", headers=who.headers)
        return answer.status_code, answer.json()

    assert post("retry")[0] == 409
    assert post("cancel")[1]["state"] == "cancelled"
    assert post("retry")[1]["code"] == "job_not_failed"
    status, job_ = post("resume")
    assert (status, job_["state"], job_["round"]) == (200, "queued", 2)
    stage.finish(id_)
    assert post("cancel") == (409, post("cancel")[1])
    assert post("cancel")[1]["code"] == "job_over"


def test_events_follow_the_job_to_its_end(stage: Stage, who: Someone, address: str) -> None:
    id_ = stage.queued(who)

    def work() -> None:
        time.sleep(0.4)
        tell(stage, id_, "state", state="running", error=None)
        tell(stage, id_, "stage", stage="generate", done=1, total=2, percent=50, left_s=1.0, attempt=1, note="")
        time.sleep(0.4)
        stage.finish(id_)

    threading.Thread(target=work).start()
    with httpx.stream("GET", f"{address}/v1/jobs/{id_}/events", headers=who.headers, timeout=20) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        seen = list(read(stream.iter_lines()))
    assert [one["event"] for one in seen] == ["state", "state", "stage", "state", "end"]
    assert seen[2]["data"]["percent"] == 50
    assert seen[-1]["data"] == {"state": "completed"}
    ids = [int(one["id"]) for one in seen]
    assert ids == sorted(set(ids))
    again = httpx.get(
        f"{address}/v1/jobs/{id_}/events", headers={**who.headers, "last-event-id": str(ids[2])}, timeout=20
    )
    assert [one["event"] for one in read(iter(again.text.split("\n")))] == ["state", "end"]
    at_end = httpx.get(f"{address}/v1/jobs/{id_}/events?after={ids[-1]}", headers=who.headers, timeout=20)
    assert [one["data"] for one in read(iter(at_end.text.split("\n")))] == [{"state": "completed"}]


def test_a_stream_ends_with_the_film_and_with_the_key(
    stage: Stage, who: Someone, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photoplay.service.api.routes.jobs.HEARTBEAT_S", 0.2)
    kept, gone = stage.queued(who), stage.queued(who)
    with httpx.stream("GET", f"{address}/v1/jobs/{gone}/events", headers=who.headers, timeout=20) as stream:
        lines = stream.iter_lines()
        assert any(line == ": still here" for line in lines)
        stage.client.delete(f"/v1/videos/{gone}", headers=who.headers)
        assert list(read(lines))[-1]["data"]["state"] in ("cancelled", "deleted")
    with httpx.stream("GET", f"{address}/v1/jobs/{kept}/events", headers=who.headers, timeout=20) as stream:
        lines = stream.iter_lines()
        next(lines)
        with stage.hub.database.begin() as conn:
            accounts.revoke_key(conn, who.tenant_id, who.key_id, time.time())
        assert not [one for one in read(lines) if one["event"] == "end"]  # it ends, and tells nothing more


def test_who_hangs_up_is_let_go(stage: Stage, who: Someone, address: str) -> None:
    id_ = stage.queued(who)
    watchers = stage.app.state.watchers
    for _ in range(MOST_WATCHERS + 5):  # each of them makes room for the next
        with httpx.stream("GET", f"{address}/v1/jobs/{id_}/events", headers=who.headers, timeout=20) as stream:
            assert stream.status_code == 200
            next(stream.iter_lines())
        for _ in range(100):
            if who.tenant_id not in watchers.open:
                break
            time.sleep(0.02)
        assert who.tenant_id not in watchers.open


def test_a_busy_stream_ends_with_the_key_too(
    stage: Stage, who: Someone, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photoplay.service.api.routes.jobs.HEARTBEAT_S", 0.3)
    id_, over = stage.queued(who), threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            tell(stage, id_, "stage", stage="generate", done=1, total=2, percent=50, left_s=1.0, attempt=1, note="")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with httpx.stream("GET", f"{address}/v1/jobs/{id_}/events", headers=who.headers, timeout=20) as stream:
            seen = read(stream.iter_lines())
            next(seen)
            with stage.hub.database.begin() as conn:
                accounts.revoke_key(conn, who.tenant_id, who.key_id, time.time())
            revoked = time.monotonic()
            rest = list(takewhile(lambda _: time.monotonic() < revoked + 5, seen))
        assert time.monotonic() < revoked + 5
        assert {one["event"] for one in rest} <= {"state", "stage"}
    finally:
        over.set()
        worker.join()


def test_streams_that_come_at_once_are_counted_too(
    stage: Stage, who: Someone, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.app.state.watchers, "most", 3)
    id_, gate, opened = stage.queued(who), threading.Barrier(12), threading.Barrier(12)

    def watch(_: int) -> tuple[int, str]:
        gate.wait(10)
        with httpx.stream("GET", f"{address}/v1/jobs/{id_}/events", headers=who.headers, timeout=20) as stream:
            lines = stream.iter_lines()  # to let go of it is to hang up
            line = next(lines)
            opened.wait(20)  # nobody does before all have an answer
            return stream.status_code, line

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(watch, range(12)))
    assert sorted(status for status, _ in answers) == [200] * 3 + [429] * 9
    assert all("streams_too_many" in line for status, line in answers if status == 429)


def test_too_many_streams_are_refused() -> None:
    watchers = Watchers(most=1)
    with watchers.counted("somebody"):
        with watchers.counted("another"):
            assert watchers.open == {"somebody": 1, "another": 1}
        with pytest.raises(TooManyError), watchers.counted("somebody"):
            pass
        assert watchers.open == {"somebody": 1}
    assert watchers.open == {}


def test_the_newest_frame(stage: Stage, who: Someone) -> None:
    id_ = stage.queued(who)
    url = f"/v1/jobs/{id_}/preview"
    assert stage.client.get(url, headers=who.headers).json()["code"] == "not_ready"
    stage.finish(id_)
    with stage.hub.database.read() as conn:
        found = job.get(conn, who.tenant_id, id_)
    assert stage.client.get(url, headers=who.headers).status_code == 404
    stage.hub.store.put(job.preview_key(found), STILL, "image/png")
    answer = stage.client.get(url, headers=who.headers)
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, STILL, "no-store")
