"""Route x caller, from the OpenAPI: nobody gets anything of somebody else's, and nobody learns whether it is there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import SCOPES
from photoplay.service.api import security
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.tables import api_keys, challenges, consents
from photoplay.service.jobs import job
from photoplay.service.looking import uploads
from photoplay.service.looking.looker import Looker
from tests.service import rowmaking
from tests.service.stage import FILM, SHEET, STILL, Someone, Stage, jpeg, open_stage

NAME = "Grandmother Ottilie"
NOT_THERE = "a" * 26
BODIES: dict[str, Any] = {
    "create_video": {"json": {"photos": ["{upload_id}"], "template": "gentle_smile", "consent": "self"}},
    "estimate_video": {"json": {"photos": ["{upload_id}"], "template": "gentle_smile"}},
    "remix_video": {"json": {"prompt": "she laughs"}},
    "link_video": {"json": {}},
    "create_preview": {"json": {"photos": ["{upload_id}"], "template": "gentle_smile", "consent": ["self"]}},
    "create_consent": {"data": {"scope": "idle", "upload": "{upload_id}", "name": "x", "agreed": "true"}},
    "create_key": {"json": {"name": "mine", "scopes": ["videos:read"]}},
    "create_photo": {"files": {"file": ("a.jpg", jpeg(77))}},
    "create_upload": {"files": {"file": ("a.jpg", jpeg(78))}, "data": {"kind": "photo"}},
    "change_password": {"json": {"current": "a wrong one", "password": "correct horse battery staple"}},
    "verify_file": {"files": {"file": ("a.jpg", jpeg(79))}},
    "sign_in": {"json": {"token": "a" * 43}},
    "sign_up": {"json": {"email": "leak@example.org", "password": "correct horse battery staple"}},
    "ask_letter": {"json": {"email": "leak@example.org"}},
    "open_letter": {"json": {"token": f"{'a' * 20}.1.{'b' * 43}", "password": "correct horse battery staple"}},
    "takedown": {"json": {"sha256": "a" * 64}},
}
"""What is sent to the operations that read a body; ``{name}`` stands for an id."""
OPEN_TO_ALL = {
    "retrieve_session", "sign_in", "sign_up", "ask_letter", "open_letter", "verify_file", "healthz", "readyz", "metrics",
}  # fmt: skip
"""Operations that answer everybody alike, with nothing of anybody's."""


class NoLooker(Looker):
    """Looks at nothing and sees nobody."""

    def ask(self, *_order: object, **_more: object) -> Any:
        return None

    def inspect(self, photo: bytes) -> dict[str, Any]:
        return {"faces": [], "advice": [], "people": 0}


@dataclass(frozen=True)
class Owned:
    """What the owner has, by the names of the parameters."""

    who: Someone
    ids: dict[str, str]
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    path: str
    method: str
    name: str
    body: bool


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("leaks")
    with pytest.MonkeyPatch.context() as patch, open_stage(folder / "data") as found:
        patch.setenv("PHOTOPLAY_HOME", str(folder / "home"))
        found.app.state.looker = NoLooker(found.hub.settings)
        found.app.state.watchers.longest = 0.2
        yield found


def own(stage: Stage) -> Owned:
    """An owner with one of everything."""
    who, now, record = stage.someone(), time.time(), new_id("upload")
    video, waiting = stage.completed(who, prompt="a secret wish"), stage.queued(who)
    with stage.hub.database.begin() as conn:
        sha = "b" * 64
        upload = rowmaking.upload(conn, who.tenant_id, now, sha256=sha, found={"faces": [], "advice": [], "people": 0})
        conn.execute(consents.insert().values(id=record, tenant_id=who.tenant_id, name=NAME, created_at=now))
        conn.execute(challenges.insert().values(id=new_id("upload"), tenant_id=who.tenant_id, created_at=now))
        key, token = accounts.create_key(conn, who.tenant_id, "another", ["videos:read"], now)
    stage.hub.store.put(f"uploads/{who.tenant_id}/{upload}", jpeg(5), "application/octet-stream")
    stage.hub.store.put(uploads.picture_key(who.tenant_id, upload), b"WEBP picture", "image/webp")
    with stage.hub.database.read() as conn:
        stage.hub.store.put(job.preview_key(job.get(conn, who.tenant_id, video)), STILL, "image/png")
    link = security.sign_link(stage.hub, who.tenant_id, video, "video", int(now) + 600)
    ids = {
        "video_id": video,
        "job_id": video,
        "upload_id": upload,
        "consent_id": record,
        "key_id": key.id,
        "token": link,
    }
    others = (waiting, who.tenant_id, who.user_id, who.key_id, who.token, token, NAME, "a secret wish", sha)
    return Owned(who, ids, (*others, f"{who.tenant_id}@example.org"))


def operations(stage: Stage) -> list[Operation]:
    document = stage.app.openapi()
    return [
        Operation(path, method.upper(), one["operationId"], "requestBody" in one)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]


def missing(ids: dict[str, str], hub_token: str) -> dict[str, str]:
    """Ids of the same shape that nobody has."""
    return {
        **{name: re.sub(r"[a-z2-7]{26}$", NOT_THERE, value) for name, value in ids.items()},
        "token": hub_token,
    }


def call(stage: Stage, operation: Operation, ids: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
    """Does an operation on things of these ids."""

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], value)
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        return [filled(one) for one in value] if isinstance(value, list) else value

    body = filled(BODIES[operation.name]) if operation.body else {}
    answer = stage.client.request(operation.method, filled(operation.path), headers=headers, **body)
    return answer.status_code, answer.content


def strangers(stage: Stage, owned: Owned) -> dict[str, dict[str, str]]:
    """Callers who may see nothing of the owner's, by what they send."""
    now, other = time.time(), stage.someone()
    with stage.hub.database.begin() as conn:
        revoked, revoked_token = accounts.create_key(conn, owned.who.tenant_id, "revoked", SCOPES, now)
        accounts.revoke_key(conn, owned.who.tenant_id, revoked.id, now)
        expired, expired_token = accounts.create_key(conn, owned.who.tenant_id, "expired", SCOPES, now, 1)
        conn.execute(update(api_keys).where(api_keys.c.id == expired.id).values(expires_at=now - 1))
        session = accounts.start_session(conn, owned.who.user_id, now)
        accounts.end_session(conn, session, now)
    token = owned.who.token
    tampered = token[:-1] + ("a" if token[-1] != "a" else "b")
    cookie, _ = stage.session(other)
    return {
        "other tenant": other.headers,
        "other tenant's session": {"cookie": cookie},
        "anonymous": {},
        "revoked": {"authorization": f"Bearer {revoked_token}"},
        "expired": {"authorization": f"Bearer {expired_token}"},
        "tampered": {"authorization": f"Bearer {tampered}"},
        "ended session": {"cookie": f"photoplay_session={session}"},
        "other operator": stage.someone("home", operator=True).headers,
    }


def assert_alike(mine: tuple[int, bytes], nobodys: tuple[int, bytes], about: str) -> None:
    """The same answer but for ids, times and what is made anew."""
    assert mine[0] == nobodys[0], about
    if mine[0] >= 400:
        assert mine[1] == nobodys[1], about


def test_every_operation_has_a_body_to_try(stage: Stage) -> None:
    assert {one.name for one in operations(stage) if one.body} == set(BODIES)
    needed = {name for one in operations(stage) for name in re.findall(r"\{(\w+)\}", one.path)}
    assert needed == set(own(stage).ids)


def test_the_owner_gets_in(stage: Stage) -> None:
    """Else the tests below would prove nothing."""
    last = {"delete_video", "delete_photo", "revoke_consent", "revoke_key", "sign_out"}
    not_the_owners = {
        "metrics",
        "overview",
        "takedown",
        "sign_in",
        "sign_up",
        "ask_letter",
        "open_letter",
        "change_password",
        "create_consent",
        "retrieve_consent",
        "create_preview",
    }
    ordered = sorted(operations(stage), key=lambda one: one.name in last)
    owned = own(stage)
    for operation in ordered:
        if operation.name in not_the_owners | {"revoke_consent"}:
            continue
        status, _ = call(stage, operation, owned.ids, owned.who.headers)
        assert status < 300 or status in (409, 422), f"{operation.name}: {status}"


def test_strangers_see_nothing_and_learn_nothing(stage: Stage) -> None:
    owned = own(stage)
    content = (FILM[:64], STILL, SHEET, b"WEBP picture", jpeg(5)[:64])
    dead = security.sign_link(stage.hub, "tenant_x", f"video_{NOT_THERE}", "video", int(time.time()) + 600)
    wrong_links = (owned.ids["token"][:-2] + "AA", dead)
    ids = {**owned.ids, "token": wrong_links[0]}
    nobodys = missing(ids, dead)
    tried = 0
    for caller, headers in strangers(stage, owned).items():
        for operation in operations(stage):
            if operation.name == "sign_out" and caller == "other tenant's session":
                continue  # it would end the session that the rest is asked with
            about = f"{operation.name} by {caller}"
            mine = call(stage, operation, ids, headers)
            tried += 1
            for secret in (*owned.secrets, *(value for value in ids.values() if value not in operation.path)):
                if secret not in (ids["token"],):
                    seen = mine[1].decode("utf-8", "replace")
                    assert secret not in seen, about
            assert not any(piece in mine[1] for piece in content), about
            assert_alike(mine, call(stage, operation, nobodys, headers), about)
            if operation.name not in OPEN_TO_ALL and not caller.startswith("other"):
                assert mine[0] == (404 if operation.name == "open_link" else 401), about
    assert tried > 300
    with stage.hub.database.read() as conn:  # and nothing of it was touched
        assert job.get(conn, owned.who.tenant_id, owned.ids["video_id"]).state == "completed"
        assert uploads.get(conn, owned.who.tenant_id, owned.ids["upload_id"]).id
        assert {
            one.id for one in accounts.list_keys(conn, owned.who.tenant_id, time.time()) if one.revoked_at is None
        } >= {
            owned.ids["key_id"],
            owned.who.key_id,
        }
        assert conn.execute(consents.select().where(consents.c.id == owned.ids["consent_id"])).one().revoked_at is None
    assert call(stage, Operation("/v1/files/{token}", "GET", "open_link", False), owned.ids, {})[0] == 200


def test_a_key_without_the_scope_is_refused_the_same_whatever_is_there(stage: Stage) -> None:
    owned = own(stage)
    needs = {"videos": ("/v1/videos", "/v1/jobs"), "photos": ("/v1/photos", "/v1/uploads"), "account": ("/v1/account",)}
    nobodys = missing(owned.ids, owned.ids["token"])
    for what, prefixes in needs.items():
        with stage.hub.database.begin() as conn:
            scopes = {scope for scope in SCOPES if not scope.startswith(f"{what}:")}
            _, token = accounts.create_key(conn, owned.who.tenant_id, "narrow", scopes, time.time())
        headers = {"authorization": f"Bearer {token}"}
        for operation in operations(stage):
            if operation.path.startswith(prefixes):
                mine = call(stage, operation, owned.ids, headers)
                assert mine[0] == 403, operation.name
                assert mine == call(stage, operation, nobodys, headers), operation.name


def test_what_changes_something_needs_more_than_reading(stage: Stage) -> None:
    owned = own(stage)
    with stage.hub.database.begin() as conn:
        reading = {scope for scope in SCOPES if scope.endswith(":read")}
        _, token = accounts.create_key(conn, owned.who.tenant_id, "reader", reading, time.time())
    headers = {"authorization": f"Bearer {token}"}
    harmless = {"estimate_video", "inspect_photo", "create_preview", "sign_out"} | OPEN_TO_ALL
    for operation in operations(stage):
        if operation.method in ("POST", "DELETE") and operation.name not in harmless:
            refused = 404 if operation.path.startswith("/v1/admin") else 403
            assert call(stage, operation, owned.ids, headers)[0] == refused, operation.name


def test_a_session_changes_nothing_without_its_token(stage: Stage) -> None:
    owned = own(stage)
    cookie, csrf = stage.session(owned.who)
    for operation in operations(stage):
        if operation.method in ("POST", "DELETE") and operation.name not in OPEN_TO_ALL:
            for headers in (
                {"cookie": cookie},
                {"cookie": cookie, "x-csrf-token": ("B" if csrf[0] == "A" else "A") + csrf[1:]},
            ):
                status, body = call(stage, operation, owned.ids, headers)
                assert (status, b'"csrf"' in body) == (403, True), operation.name
    from_elsewhere = {"cookie": cookie, "x-csrf-token": csrf, "origin": "https://evil.example"}
    delete = Operation("/v1/videos/{video_id}", "DELETE", "delete_video", False)
    assert call(stage, delete, owned.ids, from_elsewhere)[0] == 403
    assert call(stage, delete, owned.ids, {"cookie": cookie, "x-csrf-token": csrf})[0] == 200
