from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from photoplay.service.accounts import tenants as accounts
from tests.service import postbox
from tests.service.postbox import Postbox
from tests.service.stage import Stage, open_stage

NEW = "five words nobody else has"
BASE = "http://127.0.0.1:8188"


@pytest.fixture(scope="module")
def box() -> Iterator[Postbox]:
    with postbox.opened() as found:
        yield found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, box: Postbox) -> Iterator[Stage]:
    given = {"sign_up": True, "smtp_url": box.url, "mail_from": "films@example.org", "public_url": BASE}
    with open_stage(tmp_path_factory.mktemp("letters") / "data", **given) as found:
        yield found


@pytest.fixture
def browser(stage: Stage, box: Postbox) -> TestClient:
    box.mails.clear()
    with stage.hub.database.begin() as conn:
        conn.exec_driver_sql("DELETE FROM throttles")
    return TestClient(stage.app, base_url=BASE)


def test_an_account_begins_with_a_letter(browser: TestClient, box: Postbox) -> None:
    assert browser.get("/v1/session").json()["mail"] is True
    said = {"email": "new@example.org", "password": NEW}
    straight = browser.post("/v1/sign-up", json=said)
    assert (straight.status_code, straight.json()["code"]) == (403, "sign_up_by_mail")
    asked = browser.post("/v1/letters", json={"email": "new@example.org", "language": "de"})
    assert (asked.status_code, asked.json()) == (202, {"taken": True})
    assert "Konto" in box.wait(1)[0].get_content()
    link = box.link()
    assert link.startswith(f"{BASE}/letter#")
    opened = browser.post("/v1/letters/open", json={"token": link.partition("#")[2], "password": NEW})
    assert (opened.status_code, opened.json()["user"]["email"]) == (200, "new@example.org")
    assert opened.json()["user"]["has_password"] is True
    assert browser.get("/v1/account").status_code == 200
    again = browser.post("/v1/letters/open", json={"token": link.partition("#")[2], "password": NEW})
    assert (again.status_code, again.json()["code"]) == (401, "letter_invalid")


def test_attack_nobody_learns_who_has_an_account(browser: TestClient, stage: Stage, box: Postbox) -> None:
    known = f"{stage.someone().tenant_id}@example.org"
    answers = [browser.post("/v1/letters", json={"email": one}) for one in (known, "unknown@example.org")]
    first, second = ((one.status_code, one.content, sorted(one.headers)) for one in answers)
    assert first == second
    assert {mail["To"] for mail in box.wait(2)} == {known, "unknown@example.org"}
    assert browser.post("/v1/sign-up", json={"email": known, "password": NEW}).json()["code"] == "sign_up_by_mail"


def test_the_letter_is_not_for_another_page_nor_from_another_host(browser: TestClient, box: Postbox) -> None:
    body = {"email": "you@example.org"}
    forged = browser.post("/v1/letters", json=body, headers={"origin": "https://evil.example"})
    assert (forged.status_code, forged.json()["code"]) == (403, "csrf")
    assert browser.post("/v1/letters", json=body, headers={"host": "localhost"}).status_code == 202
    assert box.link().startswith(f"{BASE}/letter#")  # the operator's own name, whatever the request says
    token = {"token": "a" * 20 + ".1." + "b" * 43, "password": NEW}
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert browser.post("/v1/letters/open", json=token, headers=headers).json()["code"] == "csrf"


def test_too_many_letters_are_told_to_come_again(browser: TestClient, box: Postbox) -> None:
    codes = [browser.post("/v1/letters", json={"email": "you@example.org"}).status_code for _ in range(6)]
    assert codes == [202] * 5 + [429]
    assert browser.post("/v1/letters", json={"email": "nowhere"}).json()["code"] == "bad_email"
    assert len(box.wait(5)) == 5


def test_without_mail_there_is_nothing_here(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_stage(tmp_path_factory.mktemp("nomail") / "data", sign_up=True) as stage:
        token = {"token": "a" * 20 + ".1." + "b" * 43, "password": NEW}
        answers = [
            stage.client.post("/v1/letters", json={"email": "you@example.org"}),
            stage.client.post("/v1/letters/open", json=token),
        ]
        assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "mail_off")] * 2


def test_where_no_strangers_are_taken_only_accounts_get_letters(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with postbox.opened() as box:
        _only_accounts_get_letters(box, tmp_path_factory.mktemp("closed") / "data")


def _only_accounts_get_letters(box: Postbox, data: Path) -> None:
    given = {"smtp_url": box.url, "mail_from": "films@example.org", "public_url": BASE}
    with open_stage(data, **given) as stage:
        who = stage.someone()
        with stage.hub.database.begin() as conn:
            accounts.set_password(conn, who.user_id, "correct horse battery staple", time.time())
        for email in ("unknown@example.org", f"{who.tenant_id}@example.org"):
            assert stage.client.post("/v1/letters", json={"email": email}).status_code == 202
        (mail,) = box.wait(1)
        assert mail["To"] == f"{who.tenant_id}@example.org"
        token = re.sub(r".*#", "", box.link())
        assert stage.client.post("/v1/letters/open", json={"token": token, "password": NEW}).status_code == 200
    assert len(box.mails) == 1
