from __future__ import annotations

import time

from photoplay.service.accounts.principals import SCOPES
from photoplay.service.jobs import webhooks
from tests.service.stage import Stage


def test_an_account_tells_plan_credits_usage_and_keys(stage: Stage) -> None:
    who = stage.someone("pro")
    before = stage.client.get("/v1/account", headers=who.headers).json()
    assert (before["plan"]["name"], before["tenant"], before["usage"]["jobs_this_month"]) == ("pro", "somebody", 0)
    assert before["credits"]["held"] == 0
    assert not before["credits"]["unmetered"]
    stage.completed(who)
    waiting = stage.queued(who, seed=2)
    after = stage.client.get("/v1/account", headers=who.headers).json()
    assert after["usage"] == {"jobs_this_month": 2, "seconds_this_month": 3.0}
    cost = stage.client.get(f"/v1/jobs/{waiting}", headers=who.headers).json()["cost"]
    assert after["credits"]["held"] == cost
    assert after["credits"]["available"] == before["credits"]["available"] - 2 * cost
    assert [key["start"] for key in after["keys"]] == [who.token[:8]]
    assert who.token not in str(after)


def test_keys_are_shown_once_work_and_end(stage: Stage) -> None:
    who = stage.someone()
    asked = {"name": "mine", "scopes": ["videos:read"], "days": 1}
    made = stage.client.post("/v1/account/keys", headers=who.headers, json=asked)
    assert made.status_code == 201
    key = made.json()
    assert 86000 < key["expires_at"] - time.time() < 86500
    headers = {"authorization": f"Bearer {key['key']}"}
    assert stage.client.get("/v1/videos", headers=headers).status_code == 200
    refused = stage.client.get("/v1/account", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    listed = stage.client.get("/v1/account", headers=who.headers)
    assert key["key"] not in listed.text
    assert stage.client.delete(f"/v1/account/keys/{key['id']}", headers=who.headers).json()["revoked"]
    assert stage.client.get("/v1/videos", headers=headers).status_code == 401
    assert stage.client.delete(f"/v1/account/keys/key_{'a' * 26}", headers=who.headers).status_code == 404


def test_no_key_can_do_more_than_its_maker(stage: Stage) -> None:
    who = stage.someone(scopes=frozenset({"account:write"}))
    for scopes in (["videos:read"], ["operate"], sorted(SCOPES - {"account:write"})):
        answer = stage.client.post("/v1/account/keys", headers=who.headers, json={"name": "more", "scopes": scopes})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert stage.client.post("/v1/account/keys", headers=who.headers, json={"name": "all"}).status_code == 403


def test_no_key_outlives_its_maker_by_another_one(stage: Stage) -> None:
    who = stage.someone()
    cookie, csrf = stage.session(who)
    page = {"cookie": cookie, "x-csrf-token": csrf}
    asked = {"name": "a day", "scopes": ["account:write", "videos:read"], "days": 1}
    maker = stage.client.post("/v1/account/keys", headers=page, json=asked).json()
    headers = {"authorization": f"Bearer {maker['key']}"}
    again = stage.client.post("/v1/account/keys", headers=headers, json=asked)
    assert (again.status_code, again.json()["code"]) == (403, "session_needed")
    for days in (None, 30):
        child = {"name": "for ever", "scopes": ["videos:read"], "days": days}
        made = stage.client.post("/v1/account/keys", headers=headers, json=child)
        assert (made.status_code, made.json()["expires_at"]) == (201, maker["expires_at"])


def test_only_a_person_gives_the_operators_scope(stage: Stage) -> None:
    boss = stage.someone("pro", operator=True)
    cookie, csrf = stage.session(boss)
    asked = {"name": "scraper", "scopes": ["operate"]}
    assert stage.client.post("/v1/account/keys", headers=boss.headers, json=asked).status_code == 403
    page = {"cookie": cookie, "x-csrf-token": csrf}
    assert stage.client.post("/v1/account/keys", headers=page, json=asked).status_code == 201


def test_the_secret_of_webhooks(stage: Stage) -> None:
    who, other = stage.someone(), stage.someone()
    told = stage.client.get("/v1/account/webhook-secret", headers=who.headers).json()["secret"]
    assert told == webhooks.secret(stage.hub.settings, who.tenant_id)
    assert told != stage.client.get("/v1/account/webhook-secret", headers=other.headers).json()["secret"]
    reader = stage.someone(scopes=frozenset({"account:read"}))
    assert stage.client.get("/v1/account/webhook-secret", headers=reader.headers).status_code == 403
