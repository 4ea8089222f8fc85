from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from photoplay.errors import UnavailableError
from photoplay.version import __version__
from tests.service import rowmaking
from tests.service.stage import Stage, open_stage


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("system") / "data") as found:
        yield found


def test_alive_and_able(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.client.get("/healthz").json() == {"status": "ok", "version": __version__}
    with stage.hub.database.begin() as conn:
        rowmaking.worker(conn, time.time())
        rowmaking.worker(conn, time.time() - 100)
    ready = {"status": "ok", "database": True, "storage": True, "workers": 1}
    assert stage.client.get("/readyz").json() == ready
    by_address = TestClient(stage.app, base_url="http://10.0.0.9:8188")  # as a prober of a cluster asks
    assert by_address.get("/readyz").status_code == 200
    assert by_address.get("/v1/session").status_code == 400

    def gone(_: object) -> None:
        raise UnavailableError("storage_unreachable", "No.", "No.")

    monkeypatch.setattr(type(stage.hub.store), "check", gone)
    answer = stage.client.get("/readyz")
    assert (answer.status_code, answer.json()["storage"]) == (503, False)
    assert int(answer.headers["retry-after"]) > 0


def test_figures_are_for_this_machine_and_for_operators(stage: Stage) -> None:
    near = TestClient(stage.app, base_url="http://127.0.0.1:8188", client=("127.0.0.1", 1))
    far = TestClient(stage.app, base_url="http://127.0.0.1:8188", client=("203.0.113.9", 1))
    near.get("/v1/videos")
    told = near.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    assert 'photoplay_requests_total{route="/v1/videos",status="401"} 1.0' in told.text
    nothing = far.get("/v1/nothing")
    assert (far.get("/metrics").status_code, far.get("/metrics").content) == (404, nothing.content)
    assert near.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404
    by_proxy = TestClient(
        stage.app, base_url="http://films.example.org", client=("127.0.0.1", 1)
    )  # that adds no header
    assert by_proxy.get("/metrics").status_code == 404
    assert by_proxy.get("/metrics", headers=stage.someone(operator=True).headers).status_code == 200
    assert far.get("/metrics", headers=stage.someone().headers).status_code == 404
    assert far.get("/metrics", headers=stage.someone(operator=True).headers).status_code == 200
