from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from photoplay.errors import UnavailableError
from photoplay.service.accounts.principals import SCOPES
from photoplay.service.ground.errors import TooManyError
from tests.service.api.routes.looked import looked_stage, looker_of, uploaded
from tests.service.lookers import FOUND
from tests.service.looking.test_uploads import clip, sound
from tests.service.stage import Someone, Stage, jpeg


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("photos"), max_upload_mb=1) as found:
        yield found


def test_a_photo_from_upload_to_deletion(stage: Stage, who: Someone) -> None:
    client, looker = stage.client, looker_of(stage)
    data = jpeg(5)
    made = client.post("/v1/photos", headers=who.headers, files={"file": ("a.jpg", data, "image/jpeg")})
    assert made.status_code == 201
    upload = made.json()
    assert set(upload) == {
        "id", "kind", "bytes", "width", "height", "seconds", "created_at", "expires_at", "found"
    }  # fmt: skip
    assert (upload["kind"], upload["width"], upload["bytes"], upload["found"]) == ("photo", 256, len(data), None)
    path = f"/v1/photos/{upload['id']}"
    for _ in range(2):
        inspected = client.post(f"{path}/inspect", headers=who.headers).json()
        assert inspected == upload | {"found": FOUND}
    assert looker.asked == [("inspect", data)]  # what was seen is kept
    assert client.get(path, headers=who.headers).json() == inspected
    assert client.get("/v1/photos", headers=who.headers).json()["data"] == [inspected]
    picture = client.get(f"{path}/picture", headers=who.headers)
    assert picture.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(picture.content)).size == (256, 256)
    same = client.get(f"{path}/picture", headers={**who.headers, "if-none-match": picture.headers["etag"]})
    assert same.status_code == 304
    assert client.delete(path, headers=who.headers).json() == {"id": upload["id"], "deleted": True}
    for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/picture"), ("POST", f"{path}/inspect")):
        assert client.request(method, where, headers=who.headers).status_code == 404
    assert not [key for key in stage.hub.store.list() if who.tenant_id in key]


def test_clips_and_sound_are_found_out(stage: Stage, who: Someone) -> None:
    for data, kind in ((clip(), "video"), (sound(), "audio"), (jpeg(), "photo")):
        made = stage.client.post("/v1/uploads", headers=who.headers, files={"file": ("x", data)})
        assert (made.status_code, made.json()["kind"]) == (201, kind)
    refused = stage.client.post(
        "/v1/uploads", headers=who.headers, files={"file": ("x", clip())}, data={"kind": "photo"}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "photo_is_video")
    assert len(stage.client.get("/v1/photos", headers=who.headers).json()["data"]) == 1


def test_pages_go_from_the_newest_to_the_oldest(stage: Stage, who: Someone) -> None:
    ids = [uploaded(stage, who, jpeg(n)) for n in range(3)]
    first = stage.client.get("/v1/photos?limit=2", headers=who.headers).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == ([ids[2], ids[1]], True)
    rest = stage.client.get(f"/v1/photos?limit=2&after={first['last_id']}", headers=who.headers).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([ids[0]], False)


def test_attack_nobody_else_finds_it(stage: Stage, who: Someone) -> None:
    id_, other = uploaded(stage, who, jpeg(9)), stage.someone()
    path = f"/v1/photos/{id_}"
    nowhere = stage.client.get(f"/v1/photos/upload_{'a' * 26}", headers=other.headers)
    for method, where in (("GET", path), ("GET", f"{path}/picture"), ("POST", f"{path}/inspect"), ("DELETE", path)):
        theirs = stage.client.request(method, where, headers=other.headers)
        assert (theirs.status_code, theirs.json()) == (404, nowhere.json())
        assert stage.client.request(method, where).status_code == 401
    assert stage.client.get(f"/v1/photos?after={id_}", headers=other.headers).status_code == 404
    assert stage.client.get(path, headers=who.headers).status_code == 200


def test_scopes_are_kept(stage: Stage) -> None:
    reader = stage.someone(scopes=frozenset({"photos:read"}))
    stranger = stage.someone(scopes=SCOPES - {"photos:read", "photos:write"})
    files = {"file": ("a.jpg", jpeg(), "image/jpeg")}
    assert stage.client.post("/v1/photos", headers=reader.headers, files=files).json()["code"] == "scope_missing"
    assert stage.client.get("/v1/photos", headers=reader.headers).status_code == 200
    assert stage.client.get("/v1/photos", headers=stranger.headers).status_code == 403


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "file_empty"), (b"%PDF-1.7 x", "photo_is_document"), (jpeg()[:1500], "photo_truncated"),
     (b"\xff\xd8" + b"\x00" * 1_000_000, "upload_too_large")],
)  # fmt: skip
def test_attack_bad_files(stage: Stage, who: Someone, data: bytes, code: str) -> None:
    answer = stage.client.post("/v1/photos", headers=who.headers, files={"file": ("../../x.jpg", data, "image/jpeg")})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert stage.client.get("/v1/photos", headers=who.headers).json()["data"] == []


def test_a_looker_in_trouble_says_when_to_come_again(stage: Stage, who: Someone) -> None:
    id_, looker = uploaded(stage, who, jpeg(4)), looker_of(stage)
    for trouble, code in (
        (TooManyError("looker_busy", "Busy.", "Wait.", 5), "looker_busy"),
        (UnavailableError("looker_down", "Down.", "Wait."), "looker_down"),
    ):
        looker.trouble = trouble
        answer = stage.client.post(f"/v1/photos/{id_}/inspect", headers=who.headers)
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert int(answer.headers["retry-after"]) >= 1
    assert stage.client.post(f"/v1/photos/{id_}/inspect", headers=who.headers).json()["found"] == FOUND
