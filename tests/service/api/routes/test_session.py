from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient

from photoplay.service.accounts import tenants as accounts
from tests.service.stage import Someone, Stage, open_stage

PASSWORD = "correct horse battery staple"


STAGE = {"sign_up": True}


@pytest.fixture
def browser(stage: Stage) -> TestClient:
    return TestClient(stage.app, base_url="http://127.0.0.1:8188")


@pytest.fixture(scope="module")
def who(stage: Stage) -> Someone:
    found = stage.someone()
    with stage.hub.database.begin() as conn:
        accounts.set_password(conn, found.user_id, PASSWORD, time.time())
    return found


def test_nobody_is_told_what_there_is(browser: TestClient, stage: Stage) -> None:
    told = browser.get("/v1/session").json()
    assert told == {
        "user": None,
        "plan": None,
        "hosted": False,
        "sign_up": True,
        "mail": False,
        "csrf": None,
        "backends": ["pocket"],
        "sizes": list(stage.hub.plans["free"].sizes),
        "max_seconds": stage.hub.plans["free"].max_seconds,
    }


def test_in_by_password_and_out_again(browser: TestClient, who: Someone) -> None:
    email = f"{who.tenant_id}@example.org"
    wrong = browser.post("/v1/session", json={"email": email, "password": "wrong"})
    unknown = browser.post("/v1/session", json={"email": "nobody@example.org", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    entered = browser.post("/v1/session", json={"email": email, "password": PASSWORD})
    assert entered.status_code == 200
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # this is loopback
    told = entered.json()
    assert told["user"]["email"] == email
    assert browser.get("/v1/session").json() == told
    assert browser.get("/v1/account").status_code == 200
    assert browser.delete("/v1/session").json()["code"] == "csrf"
    assert browser.delete("/v1/session", headers={"x-csrf-token": told["csrf"]}).status_code == 204
    assert browser.get("/v1/session").json()["user"] is None
    assert browser.get("/v1/account").status_code == 401


def test_in_by_a_link_that_works_once(browser: TestClient, stage: Stage, who: Someone) -> None:
    with stage.hub.database.begin() as conn:
        token = accounts.sign_in_link(conn, who.user_id, time.time())
    assert browser.post("/v1/session", json={"token": token}).json()["user"]["id"] == who.user_id
    browser.cookies.clear()
    again = browser.post("/v1/session", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (401, "link_invalid")


def test_who_does_not_say_enough(browser: TestClient) -> None:
    for said in ({}, {"email": "a@b.c"}, {"token": "a" * 43, "password": "x"}):
        assert browser.post("/v1/session", json=said).json()["code"] == "sign_in_incomplete"


def test_other_sites_cannot_sign_somebody_in(browser: TestClient) -> None:
    body = {"email": "a@b.c", "password": "x"}
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        answer = browser.post("/v1/session", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    own = browser.post("/v1/session", json=body, headers={"origin": "http://127.0.0.1:8188"})
    assert own.json()["code"] == "sign_in_failed"


def test_a_new_account(browser: TestClient, stage: Stage) -> None:
    said = {"email": "new@example.org", "password": PASSWORD}
    made = browser.post("/v1/sign-up", json=said)
    assert (made.status_code, made.json()["plan"], made.json()["user"]["operator"]) == (201, "free", False)
    assert browser.get("/v1/account").json()["credits"]["available"] == stage.hub.plans["free"].monthly_credits
    assert browser.post("/v1/sign-up", json=said).json()["code"] == "email_taken"
    weak = browser.post("/v1/sign-up", json={"email": "weak@example.org", "password": "1"})
    assert (weak.status_code, weak.json()["code"]) == (422, "password_weak")


def test_another_password_signs_out_everywhere_but_here(browser: TestClient, stage: Stage) -> None:
    who, new = stage.someone(), "quite another sentence"
    email = f"{who.tenant_id}@example.org"
    elsewhere, _ = stage.session(who)
    with stage.hub.database.begin() as conn:
        link = accounts.sign_in_link(conn, who.user_id, time.time())
    entered = browser.post("/v1/session", json={"token": link}).json()
    assert entered["user"]["has_password"] is False
    csrf = entered["csrf"]

    def change(current: str | None, password: str, **headers: str) -> tuple[int, str]:
        said = {"current": current, "password": password}
        answer = browser.post("/v1/account/password", json=said, headers=headers)
        return answer.status_code, answer.json().get("code") or answer.json()["csrf"]

    assert change(None, PASSWORD) == (403, "csrf")
    key = stage.client.post("/v1/account/password", json={"password": PASSWORD}, headers=who.headers)
    assert (key.status_code, key.json()["code"]) == (403, "session_needed")
    status, csrf = change(None, PASSWORD, **{"x-csrf-token": csrf})  # the first one
    assert status == 200
    assert browser.get("/v1/session").json()["user"]["has_password"] is True
    assert stage.client.get("/v1/account", headers={"cookie": elsewhere}).status_code == 401
    before = {"cookie": f"photoplay_session={browser.cookies['photoplay_session']}"}
    page = {"x-csrf-token": csrf}
    for wrong in (None, "", "a wrong one"):
        assert change(wrong, new, **page) == (401, "sign_in_failed")
    assert change(PASSWORD, "short", **page) == (422, "password_weak")
    assert browser.get("/v1/account").status_code == 200  # nothing changed
    status, csrf = change(PASSWORD, new, **page)
    assert status == 200
    assert browser.get("/v1/session").json()["csrf"] == csrf
    assert browser.get("/v1/account").status_code == 200
    assert stage.client.get("/v1/account", headers=before).status_code == 401
    old = stage.client.post("/v1/session", json={"email": email, "password": PASSWORD})
    assert old.json()["code"] == "sign_in_failed"
    assert stage.client.post("/v1/session", json={"email": email, "password": new}).status_code == 200
    stage.client.cookies.clear()


def test_secure_cookies_are_held_to_this_host(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = {"host": "0.0.0.0", "public_url": "https://films.example.org"}
    with open_stage(tmp_path_factory.mktemp("secure") / "data", **given) as stage:
        who = stage.someone()
        with stage.hub.database.begin() as conn:
            token = accounts.sign_in_link(conn, who.user_id, time.time())
        browser = TestClient(stage.app, base_url="https://films.example.org")
        entered = browser.post("/v1/session", json={"token": token})
        assert entered.headers["set-cookie"].startswith("__Host-photoplay_session=")
        assert "Secure" in entered.headers["set-cookie"]
        assert "max-age" in entered.headers["strict-transport-security"]
        assert entered.json()["hosted"]
        assert browser.get("/v1/session").json()["user"] is not None
        value = browser.cookies["__Host-photoplay_session"]
        browser.cookies.clear()
        plain = browser.get("/v1/session", headers={"cookie": f"photoplay_session={value}"})
        assert plain.json()["user"] is None  # a cookie that another subdomain could have set
        assert browser.post("/v1/sign-up", json={"email": "a@example.org", "password": PASSWORD}).status_code == 404
