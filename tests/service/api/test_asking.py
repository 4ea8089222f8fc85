"""What is asked for reaches the job: nothing that the API takes is forgotten on the way."""

from __future__ import annotations

import base64
import time
from typing import get_args

import pytest

from photoplay.errors import RequestError
from photoplay.service.api.asking import TAKEN_AS_IS, Asked, _plain
from photoplay.service.api.shapes import UPLOAD, VideoAsk
from photoplay.service.jobs.requests import JobRequest
from photoplay.types import Consent, Mode
from tests.service import rowmaking
from tests.service.stage import Someone, Stage, jpeg

STAGE = {"backends": ("echo", "wan-t2v", "pocket", "anchor")}

UNLIKE_THE_DEFAULT = {
    "prompt": "she smiles",
    "template": "smile",
    "seconds": 4.0,
    "seed": 7,
    "intensity": 0.5,
    "speed": 2.0,
    "who": "main",
    "consent": ("self",),
    "consents": ("a" * 32,),
    "last": UPLOAD,
    "video": UPLOAD,
    "replace": True,
    "mode": "video-to-video",
    "backdrop": UPLOAD,
    "audio": (UPLOAD,),
    "left": 1,
    "first": 1,
    "label": "top-left",
    "codec": "av1",
}


def test_every_field_of_an_ask_is_handed_on_or_read_by_name() -> None:
    by_name = {"model", "size", "input_reference", "photos", "remixed_from", "webhook"}
    assert VideoAsk.model_fields.keys() - TAKEN_AS_IS == by_name
    assert JobRequest.model_fields.keys() - TAKEN_AS_IS == {"backend", "size", "photos"}


def test_a_form_says_true_and_false_in_words() -> None:
    assert [_plain("replace", text) for text in ("true", "false", "1")] == [True, False, "1"]
    assert _plain("prompt", "true") == "true"


def test_what_is_handed_on_arrives() -> None:
    assert UNLIKE_THE_DEFAULT.keys() == TAKEN_AS_IS
    ask = VideoAsk.model_validate(UNLIKE_THE_DEFAULT, strict=False)
    request = Asked(ask, ()).request(("pocket",), ("pocket",), ())
    for name, value in UNLIKE_THE_DEFAULT.items():
        assert getattr(request, name) == value != JobRequest.model_fields[name].default


def create(stage: Stage, who: Someone, **said: object) -> tuple[int, dict]:
    answer = stage.client.post("/v1/videos", headers=who.headers, **said)  # type: ignore[arg-type]
    return answer.status_code, answer.json()


def requested(stage: Stage, who: Someone, **said: object) -> dict:
    """The request of the job that comes of it."""
    status, video = create(stage, who, **said)
    assert status == 200, video
    found: dict = stage.client.get(f"/v1/jobs/{video['id']}", headers=who.headers).json()["request"]
    return found


def upload(stage: Stage, who: Someone, kind: str) -> str:
    with stage.hub.database.begin() as conn:
        return rowmaking.upload(conn, who.tenant_id, time.time(), kind=kind, seconds=2.5)


def test_a_clip_drives_a_photo_where_the_mode_says_so(stage: Stage, who: Someone) -> None:
    asked = {"photos": stage.photo(who), "video": upload(stage, who, "video"), "consent": "historical"}
    for said in ({"json": asked | {"mode": "pose-guided"}}, {"data": asked | {"mode": "pose-guided"}}):
        found = requested(stage, who, **said)
        assert (found["mode"], found["seconds"], found["template"]) == ("pose-guided", 2.5, "")
    status, refused = create(stage, who, json=asked)
    assert (status, refused["code"]) == (422, "mode_unsupported")  # such a clip is painted over where no mode is said
    assert "the mode pose-guided" in refused["hint"]
    assert "--" not in refused["hint"]
    assert create(stage, who, json=asked | {"mode": "puppet"})[0] == 400


def test_every_mode_is_in_the_openapi(stage: Stage) -> None:
    body = stage.app.openapi()["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    for kind, shape in body.items():
        said = shape["schema"]["properties"]["mode"]
        listed = said["anyOf"][0]["enum"] if kind == "application/json" else said["enum"]
        assert listed == list(get_args(Mode))


def test_a_photo_speaks_without_a_template(stage: Stage, who: Someone) -> None:
    asked = {"photos": stage.photo(who), "audio": upload(stage, who, "audio"), "consent": "self"}
    found = requested(stage, who, json=asked)
    assert (found["template"], found["seconds"]) == ("", 2.5)


def test_photos_alone_do_what_they_do_at_the_command_line(stage: Stage, who: Someone) -> None:
    def template(pictures: int, **said: object) -> str:
        files = [("input_reference", (f"{shade}.jpg", jpeg(shade), "image/jpeg")) for shade in range(pictures)]
        return requested(stage, who, data={"consent": "self"} | said, files=files or None)["template"]

    assert [template(1), template(2)] == ["smile", "look_and_smile"]
    assert template(0, photos=stage.photo(who)) == "smile"
    assert template(1, photos=stage.photo(who)) == "look_and_smile"
    assert template(1, prompt="she nods") == ""
    inline = {"image_url": "data:image/jpeg;base64," + base64.b64encode(jpeg(7)).decode()}
    assert requested(stage, who, json={"input_reference": inline, "consent": "self"})["template"] == "smile"
    status, refused = create(stage, who, json={})
    assert (status, refused["code"]) == (422, "photo_missing")


def test_the_default_backend_is_one_that_the_plan_includes(stage: Stage, who: Someone) -> None:
    free = stage.someone("free")
    for asker, backend in ((who, "echo"), (free, "pocket")):
        asked = {"photos": [stage.photo(asker)], "template": "smile", "consent": "self"}
        assert requested(stage, asker, json=asked)["backend"] == backend
        told = stage.client.post("/v1/videos/estimate", json=asked, headers=asker.headers)
        assert told.status_code == 200, told.text
        listed = stage.client.get("/v1/models", headers=asker.headers).json()["data"]
        assert listed[0]["id"] == backend
    status, refused = create(stage, free, json=asked | {"model": "no-such-model"})
    assert (status, refused["code"]) == (422, "model_unknown")
    assert "pocket or anchor" in refused["hint"]
    assert "echo" not in refused["hint"]
    assert create(stage, free, json=asked | {"model": "echo"})[1]["code"] == "plan_backend"
    _, refused = create(stage, free, json={"prompt": "a river", "mode": "text-to-video"})
    assert refused["code"] == "mode_unsupported"
    assert "wan-t2v" not in refused["hint"]  # it would do it, and this plan does not include it


def test_a_plan_that_includes_nothing_here_names_nothing() -> None:
    ask = VideoAsk(template="smile")
    assert Asked(ask, ()).request(("echo",), (), ()).backend == "echo"  # the plan is asked where its cost is reckoned
    with pytest.raises(RequestError) as refused:
        Asked(ask.model_copy(update={"model": "other"}), ()).request(("echo",), (), ())
    assert "echo" not in refused.value.hint


def test_who_states_no_consent_is_told_the_field_and_its_words(stage: Stage, who: Someone) -> None:
    status, refused = create(stage, who, json={"photos": [stage.photo(who)], "template": "smile"})
    assert (status, refused["code"]) == (403, "consent_missing")
    for word in ("`consent`", *get_args(Consent)):
        assert word in refused["hint"]
    assert "--" not in refused["hint"]
