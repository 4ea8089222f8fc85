from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient

from photoplay.service.api import security
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import api_keys
from tests.service.stage import Someone, Stage


@pytest.fixture(scope="module")
def who(stage: Stage) -> Someone:
    return stage.someone()


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Basic {}", "Bearer {}x", "Bearer x{}", "{}", "Bearer {} {}"]
)
def test_what_is_no_key_is_nobodys(stage: Stage, who: Someone, said: str) -> None:
    headers = {"authorization": said.replace("{}", who.token)}
    answer = stage.client.get("/v1/videos", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_use_of_a_key_is_noted(stage: Stage) -> None:
    who = stage.someone()
    assert stage.client.get("/v1/videos", headers={"authorization": f"bearer {who.token}"}).status_code == 200
    with stage.hub.database.read() as conn:
        used = conn.execute(api_keys.select().where(api_keys.c.id == who.key_id)).one().used_at
    assert time.time() - used < 10


def test_a_wrong_key_is_not_made_up_for_by_a_cookie(stage: Stage, who: Someone) -> None:
    cookie, _ = stage.session(who)
    assert stage.client.get("/v1/videos", headers={"cookie": cookie}).status_code == 200
    both = {"cookie": cookie, "authorization": "Bearer pp_" + "a" * 43}
    assert stage.client.get("/v1/videos", headers=both).status_code == 401


def test_a_session_that_is_over_is_nobodys_where_nobody_has_to_be_signed_in(stage: Stage) -> None:
    headers = {"cookie": "photoplay_session=" + "a" * 43}
    assert stage.client.get("/v1/session", headers=headers).json()["user"] is None
    refused = stage.client.get("/v1/account", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_invalid")


def test_who_asks_is_known_before_the_body_is_read(stage: Stage) -> None:
    app = stage.app
    sent: list[int] = []

    async def ask() -> None:
        async def receive() -> dict:
            raise AssertionError("the body was read")

        async def send(message: dict) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"100")]
        scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": headers, "query_string": b""}
        await app({**scope, "client": ("127.0.0.1", 1), "scheme": "http", "server": None}, receive, send)

    stage.client.portal.call(ask)  # type: ignore[union-attr]
    assert sent == [401]


def test_links_say_nothing_before_they_are_checked(stage: Stage) -> None:
    expires = int(time.time()) + 60
    token = security.sign_link(stage.hub, "tenant_a", "video_x", "video", expires)
    assert security.read_link(token) == ("video_x", "video", expires)
    assert security.link_holds(stage.hub, token, "tenant_a", time.time())
    assert not security.link_holds(stage.hub, token, "tenant_b", time.time())
    assert not security.link_holds(stage.hub, token, "tenant_a", expires)
    with pytest.raises(NotFoundError):
        security.read_link("no link")


def test_other_hosts_names_are_refused(stage: Stage, who: Someone) -> None:
    rebound = TestClient(stage.app, base_url="http://evil.example")
    answer = rebound.get("/v1/videos", headers=who.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "host_unknown")
    for host in ("localhost:8188", "127.0.0.1", "[::1]:8188", "LOCALHOST"):
        assert stage.client.get("/v1/videos", headers={**who.headers, "host": host}).status_code == 200
    for host in ("", "[", "127.0.0.1.evil.example", "evil.example:8188", "localhost@evil.example"):
        assert stage.client.get("/v1/videos", headers={**who.headers, "host": host}).status_code == 400
