from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from photoplay.service.accounts import tenants as accounts
from photoplay.service.api import security
from photoplay.service.api.routes.files import part
from tests.service.stage import FILM, STILL, Stage


def path(url: str) -> str:
    return url.removeprefix("http://127.0.0.1:8188")


def test_a_link_opens_one_file_to_anybody_until_the_film_is_deleted(stage: Stage) -> None:
    who = stage.someone()
    id_ = stage.completed(who)
    link = stage.client.post(f"/v1/videos/{id_}/link", headers=who.headers, json={"seconds": 60}).json()
    assert 58 <= link["expires_at"] - time.time() <= 60
    opened = stage.client.get(path(link["url"]))
    assert (opened.status_code, opened.content, opened.headers["content-type"]) == (200, FILM, "video/mp4")
    piece = stage.client.get(path(link["url"]), headers={"range": "bytes=5-9"})
    assert (piece.status_code, piece.content) == (206, FILM[5:10])
    still = stage.client.post(f"/v1/videos/{id_}/link", headers=who.headers, json={"variant": "thumbnail"}).json()
    assert stage.client.get(path(still["url"])).content == STILL
    assert who.tenant_id not in link["url"]
    stage.client.delete(f"/v1/videos/{id_}", headers=who.headers)
    assert stage.client.get(path(link["url"])).status_code == 404


def test_links_are_made_by_who_may_write_and_end_with_the_account(stage: Stage) -> None:
    who = stage.someone()
    id_ = stage.completed(who)
    with stage.hub.database.begin() as conn:
        _, reader = accounts.create_key(conn, who.tenant_id, "reader", ["videos:read"], time.time())
    refused = stage.client.post(
        f"/v1/videos/{id_}/link", headers={"authorization": f"Bearer {reader}"}, json={"seconds": 60}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    link = stage.client.post(f"/v1/videos/{id_}/link", headers=who.headers, json={}).json()
    assert stage.client.get(path(link["url"])).status_code == 200
    with stage.hub.database.begin() as conn:
        accounts.close_tenant(conn, who.tenant_id, time.time())
    assert stage.client.get(path(link["url"])).json()["code"] == "link_invalid"


def test_there_is_no_link_to_what_is_not_there(stage: Stage) -> None:
    who = stage.someone()
    id_ = stage.queued(who)
    assert stage.client.post(f"/v1/videos/{id_}/link", headers=who.headers, json={}).json()["code"] == "not_ready"
    for seconds in (59, 8 * 86400, "60"):
        body = {"seconds": seconds}
        assert stage.client.post(f"/v1/videos/{id_}/link", headers=who.headers, json=body).status_code == 400


def test_links_that_were_changed_or_are_over_open_nothing_and_are_answered_alike(stage: Stage) -> None:
    who, other = stage.someone(), stage.someone()
    id_, now = stage.completed(who), int(time.time())
    good = security.sign_link(stage.hub, who.tenant_id, id_, "video", now + 60)
    video, variant, expires, mac = good.split(".")
    wrong = [
        security.sign_link(stage.hub, who.tenant_id, id_, "video", now - 1),
        security.sign_link(stage.hub, other.tenant_id, id_, "video", now + 60),
        f"{video}.thumbnail.{expires}.{mac}",
        f"{video}.{variant}.{int(expires) + 1}.{mac}",
        f"{video}.{variant}.0{expires}.{mac}",
        f"{video[:-1]}{'b' if video[-1] == 'a' else 'a'}.{variant}.{expires}.{mac}",
        f"{video}.{variant}.{expires}.{mac[:-1]}",
        f"{video}.{variant}.{expires}.",
        f"{video}.{variant}.{'9' * 30}.{mac}",
        "a",
        "a.b.c.d",
        "....",
    ]
    assert stage.client.get(f"/v1/files/{good}").status_code == 200
    answers = [stage.client.get(f"/v1/files/{token}") for token in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 2000))
def test_parts_lie_within_the_file(start: int, end: int, size: int) -> None:
    try:
        found = part(f"bytes={start}-{end}", size)
    except ValueError:
        assert start >= size
        return
    if end < start:
        assert found is None
    else:
        assert found == (start, min(end + 1, size))
        assert 0 <= found[0] < found[1] <= size
