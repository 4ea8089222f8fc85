from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import select, update

from photoplay.service.api.shapes import VideoAsk
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.ground.tables import uploads
from tests.service import rowmaking
from tests.service.stage import FILM, STILL, Someone, Stage, jpeg

STAGE = {"backends": ("pocket", "echo")}


def post(stage: Stage, who: Someone, path: str = "/v1/videos", **said: object) -> tuple[int, dict]:
    answer = stage.client.post(path, headers=who.headers, **said)  # type: ignore[arg-type]
    return answer.status_code, answer.json()


def test_json_and_forms_ask_for_the_same(stage: Stage, who: Someone) -> None:
    photo = stage.photo(who)
    as_json = {
        "photos": [photo],
        "template": "gentle_smile",
        "seconds": "4",
        "consent": ["self"],
        "seed": 3,
        "speed": 1.5,
    }
    as_form = {
        "photos[]": photo,
        "template": "gentle_smile",
        "seconds": "4",
        "consent": "self",
        "seed": "3",
        "speed": "1.5",
    }
    made = [
        post(stage, who, json=as_json),
        post(stage, who, data=as_form),
        post(stage, who, data=as_form, files={"input_reference": ("a.jpg", b"", "image/jpeg")}),
    ]
    assert [status for status, _ in made[:2]] == [200, 200]
    asked = [
        stage.client.get(f"/v1/jobs/{video['id']}", headers=who.headers).json()["request"] for _, video in made[:2]
    ]
    assert asked[0] == asked[1]
    assert made[2][0] == 422  # an empty file is no photo


def test_nothing_is_left_of_a_request_that_fails(stage: Stage, who: Someone) -> None:
    status, said = post(
        stage, who, data={"template": "no_such_motion"}, files={"input_reference": ("a.jpg", jpeg(9), "image/jpeg")}
    )
    assert (status, said["error"]["code"]) == (422, said["code"])
    with stage.hub.database.read() as conn:
        left = conn.execute(uploads.select().where(uploads.c.tenant_id == who.tenant_id)).all()
    assert all(row.deleted_at is not None for row in left)
    assert stage.client.get("/v1/videos", headers=who.headers).json()["data"] == []


def test_what_no_film_can_come_of_costs_nothing(stage: Stage, who: Someone) -> None:
    status, said = post(stage, who, json={"photos": [stage.photo(who)], "prompt": "zxqv brmf", "consent": ["self"]})
    assert (status, said["code"]) == (422, "prompt_not_understood")
    assert stage.client.get("/v1/videos", headers=who.headers).json()["data"] == []


def test_a_changed_film_says_of_which_one_it_is(stage: Stage, who: Someone) -> None:
    first = stage.queued(who)
    asked = {"photos": [stage.photo(who)], "template": "nod", "consent": ["self"], "intensity": 1.4}
    status, video = post(stage, who, json={**asked, "remixed_from": first})
    assert (status, video["remixed_from_video_id"], video["template"]) == (200, first, "nod")
    status, video = post(stage, who, data={"photos": asked["photos"][0], "template": "nod", "remixed_from": first})
    assert video["code"] == "consent_missing"  # a form says it too; nothing is taken over from the first film
    other, gone = stage.someone(), f"video_{'a' * 26}"
    for id_, asker in ((first, other), (gone, who)):
        status, said = post(stage, asker, json={**asked, "photos": [stage.photo(asker)], "remixed_from": id_})
        assert (status, said["code"]) == (404, "not_found")
    assert post(stage, who, json={**asked, "remixed_from": "../a"})[0] == 400


def test_an_idempotency_key_makes_one_film_also_with_files(stage: Stage, who: Someone) -> None:
    def ask(prompt: str) -> tuple[int, dict]:
        answer = stage.client.post(
            "/v1/videos",
            headers={**who.headers, "idempotency-key": "once"},
            data={"prompt": prompt, "consent": "self"},
            files={"input_reference": ("a.jpg", jpeg(4), "image/jpeg")},
        )
        assert "x-should-retry" not in answer.headers or answer.status_code == 409
        return answer.status_code, answer.json()

    first, second, other = ask("she smiles"), ask("she smiles"), ask("she laughs")
    assert first[0] == second[0] == 200
    assert first[1]["id"] == second[1]["id"]
    assert (other[0], other[1]["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"json": {"seconds": 0.5}}, 400),
        ({"json": {"seconds": "1e1"}}, 400),
        ({"json": {"seconds": True}}, 400),
        ({"json": {"size": "huge"}}, 400),
        ({"json": {"template": "../../etc/passwd"}}, 400),
        ({"json": {"webhook": "ftp://example.org"}}, 400),
        ({"json": {"input_reference": {"image_url": "https://example.org/a.jpg"}}}, 400),
        ({"json": {"input_reference": {}}}, 400),
        ({"json": []}, 400),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[" + b"[]," * 20_000 + b"[]]", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[" * 200_000, "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"x"}, 415),
        ({"data": {"seed": "1", "seed[]": "2"}}, 400),
        ({"data": {"template": "gentle_smile"}, "files": {"video": ("a.mp4", b"x")}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"--b\r\nx", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422),
        ({"json": {}}, 422),
        ({"json": {"seed": "1"}}, 400),
        ({"json": {"prompt": "\u0000"}}, 400),
        ({"json": {"prompt": "a\u001bb"}}, 400),
        ({"json": {"prompt": "a\u0085b"}}, 400),
        ({"content": b'{"seed": NaN}', "headers": {"content-type": "application/json"}}, 400),
    ],
)
def test_what_is_no_request_is_said_to_be_none(stage: Stage, who: Someone, said: dict, status: int) -> None:
    answer = stage.client.post("/v1/videos", **{**said, "headers": {**who.headers, **said.get("headers", {})}})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_sizes_and_models(stage: Stage, who: Someone) -> None:
    photo = stage.photo(who)
    for size, kept in (("720x1280", "720p"), ("640x360", "480p"), ("1080p", "1080p"), (None, "480p")):
        status, video = post(
            stage, who, json={"photos": [photo], "template": "gentle_smile", "size": size, "consent": "self"}
        )
        assert status == 200
        assert video["size"] == kept  # a square photo makes no film of 854x480
        job = stage.client.get(f"/v1/jobs/{video['id']}", headers=who.headers).json()
        assert job["request"]["size"] == kept
    assert (
        post(stage, who, json={"photos": [photo], "template": "gentle_smile", "model": "echo", "consent": "self"})[1][
            "model"
        ]
        == "echo"
    )
    assert post(stage, who, json={"prompt": "x", "model": "wan-i2v"})[1]["code"] == "model_unknown"
    assert post(stage, who, json={"photos": [photo] * 3})[0] == 400


def test_an_estimate_reserves_nothing(stage: Stage, who: Someone) -> None:
    before = stage.client.get("/v1/account", headers=who.headers).json()["credits"]
    status, told = post(stage, who, "/v1/videos/estimate", json={"template": "gentle_smile", "seconds": 4})
    assert status == 200
    assert told["cost"] > 0
    assert told["credits_left"] == before["available"] - told["cost"]
    assert stage.client.get("/v1/account", headers=who.headers).json()["credits"] == before
    free = stage.someone("free")
    status, told = post(stage, free, "/v1/videos/estimate", json={"template": "gentle_smile", "size": "1080p"})
    assert (status, told["code"]) == (403, "plan_size")


def test_credits_run_out(stage: Stage) -> None:
    free, codes = stage.someone("free"), []
    photo = stage.photo(free)
    for seed in range(100):
        status, said = post(
            stage,
            free,
            json={"photos": [photo], "template": "gentle_smile", "seconds": 4, "seed": seed, "consent": "self"},
        )
        if status == 200:
            stage.client.post(f"/v1/jobs/{said['id']}/cancel", headers=free.headers)
        else:
            codes.append((status, said["code"]))
            break
    assert codes
    assert codes[0][0] in (402, 429)


def test_content_whole_and_in_parts(stage: Stage, who: Someone) -> None:
    id_ = stage.completed(who)
    url = f"/v1/videos/{id_}/content"

    def get(header: str | None = None, **more: str) -> tuple[int, bytes, str | None]:
        headers = {**who.headers, **({"range": header} if header else {}), **more}
        answer = stage.client.get(url, headers=headers)
        return answer.status_code, answer.content, answer.headers.get("content-range")

    whole = stage.client.get(url, headers=who.headers)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, FILM, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-length"] == str(len(FILM))
    tag = whole.headers["etag"]
    assert get("bytes=0-99") == (206, FILM[:100], f"bytes 0-99/{len(FILM)}")
    assert get("bytes=2000-") == (206, FILM[2000:], f"bytes 2000-2047/{len(FILM)}")
    assert get("bytes=-5") == (206, FILM[-5:], f"bytes 2043-2047/{len(FILM)}")
    assert get("bytes=0-99999") == (206, FILM, f"bytes 0-2047/{len(FILM)}")
    assert get("bytes=2048-")[::2] == (416, f"bytes */{len(FILM)}")
    assert get("bytes=-0")[0] == 416
    for nonsense in ("bytes=9-3", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert get(nonsense)[:2] == (200, FILM)
    assert get("bytes=0-9", **{"if-range": tag})[0] == 206
    assert get("bytes=0-9", **{"if-range": '"another"'})[:2] == (200, FILM)
    assert get(None, **{"if-none-match": tag})[:2] == (304, b"")
    still = stage.client.get(url + "?variant=thumbnail&download=true", headers=who.headers)
    assert (still.content, still.headers["content-type"]) == (STILL, "image/png")
    assert still.headers["content-disposition"] == f'attachment; filename="{id_}.png"'
    assert stage.client.get(url + "?variant=other", headers=who.headers).status_code == 400


def test_there_is_no_content_before_the_film_is_done_nor_after_it_is_deleted(stage: Stage, who: Someone) -> None:
    id_ = stage.queued(who)
    url = f"/v1/videos/{id_}/content"
    assert stage.client.get(url, headers=who.headers).json()["code"] == "not_ready"
    stage.finish(id_)
    assert stage.client.get(url, headers=who.headers).status_code == 200
    assert stage.client.delete(f"/v1/videos/{id_}", headers=who.headers).json()["deleted"] is True
    assert stage.client.get(url, headers=who.headers).status_code == 404
    assert list(stage.hub.store.list(f"films/{who.tenant_id}/{id_}")) == []
    assert stage.client.delete(f"/v1/videos/{id_}", headers=who.headers).status_code == 404


def test_the_newest_first_and_strangers_see_nothing(stage: Stage, who: Someone) -> None:
    photo = stage.photo(who)
    made = [stage.queued(who, photos=(photo,), seed=seed) for seed in range(3)]
    page = stage.client.get("/v1/videos?limit=2", headers=who.headers).json()
    assert ([video["id"] for video in page["data"]], page["has_more"]) == ([made[2], made[1]], True)
    assert (page["first_id"], page["last_id"]) == (made[2], made[1])
    other = stage.someone()
    assert stage.client.get("/v1/videos", headers=other.headers).json()["data"] == []
    assert stage.client.get(f"/v1/videos?after={made[0]}", headers=other.headers).status_code == 404


def test_what_the_openapi_says_of_a_request_is_what_is_read(stage: Stage) -> None:
    body = stage.app.openapi()["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data", "application/x-www-form-urlencoded"}
    assert set(body["application/json"]["schema"]["properties"]) == set(VideoAsk.model_fields)
    assert "$defs" not in json.dumps(body)


def test_an_estimate_is_what_submitting_costs_also_where_the_sound_gives_the_length(stage: Stage) -> None:
    who = stage.someone("pro")
    photo = stage.photo(who)
    with stage.hub.database.begin() as conn:
        sound = rowmaking.upload(conn, who.tenant_id, time.time(), kind="audio", seconds=9.5)
    asked = {"photos": [photo], "template": "gentle_smile", "audio": [sound], "consent": ["self"]}
    _, told = post(stage, who, "/v1/videos/estimate", json=asked)
    status, video = post(stage, who, json=asked)
    assert (status, video["seconds"]) == (200, "9.5")
    assert told["cost"] == video["job"]["cost"] > 9


def test_a_finished_film_tells_its_review_and_notices(stage: Stage, who: Someone) -> None:
    notice = {"code": "photo_soft", "message": "The photo is soft.", "hint": "Use another one.", "severity": "info"}
    id_ = stage.queued(who)
    waiting = stage.client.get(f"/v1/videos/{id_}", headers=who.headers).json()
    assert (waiting["review"], waiting["notices"]) == (None, None)
    stage.finish(id_)
    with stage.hub.database.begin() as conn:
        film = conn.execute(select(rows.c.film).where(rows.c.id == id_)).scalar_one()
        conn.execute(update(rows).where(rows.c.id == id_).values(film={**film, "notices": [notice]}))
    video = stage.client.get(f"/v1/videos/{id_}", headers=who.headers).json()
    assert (video["review"], video["notices"]) == ("Good.", [notice])
    assert stage.client.get("/v1/videos", headers=who.headers).json()["data"] == [video]
    told = stage.client.get(f"/v1/jobs/{id_}", headers=who.headers).json()["film"]
    assert (told["report"]["sentence"], told["notices"]) == (video["review"], video["notices"])
