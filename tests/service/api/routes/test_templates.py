from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from photoplay.errors import RefusedError
from photoplay.motion.library import list_templates
from photoplay.safety.admission import ROMANTIC
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.certificates import data_home
from photoplay.safety.consent.matching import ADULTS_ONLY
from photoplay.safety.consent.store import local_store
from photoplay.service.ground.errors import TooManyError
from photoplay.service.looking.looker import PreviewOrder
from tests.service.api.routes.looked import looked_stage, looker_of, uploaded
from tests.service.lookers import PREVIEW
from tests.service.stage import Someone, Stage, jpeg


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("templates")) as found:
        yield found


def ask(stage: Stage, who: Someone, **said: Any) -> tuple[int, Any]:
    answer = stage.client.post("/v1/previews", headers=who.headers, json=said)
    return answer.status_code, answer.content if answer.status_code == 200 else answer.json()["code"]


def test_every_motion_is_listed_and_what_needs_records_says_so(stage: Stage, who: Someone) -> None:
    listed = stage.client.get("/v1/templates", headers=who.headers).json()["data"]
    assert [one["name"] for one in listed] == [one.name for one in list_templates()]
    by_name = {one["name"]: one for one in listed}
    assert set(by_name["smile"]) == {
        "name", "title", "description", "category", "tags", "duration", "loop", "people", "romantic"
    }  # fmt: skip
    assert (by_name["kiss"]["people"], by_name["kiss"]["romantic"]) == (2, True)
    assert (by_name["smile"]["people"], by_name["smile"]["romantic"]) == (1, False)
    assert {one["category"] for one in listed if one["romantic"]} <= ROMANTIC == ADULTS_ONLY


def test_a_preview_is_made_once_and_goes_with_its_photo(stage: Stage, who: Someone) -> None:
    looker, data = looker_of(stage), (jpeg(1), jpeg(2))
    one, other = (uploaded(stage, who, each) for each in data)
    said = {"photos": [one, other], "template": "handshake", "consent": ["granted"]}
    assert [ask(stage, who, **said) for _ in range(2)] == [(200, PREVIEW)] * 2
    assert looker.asked == [("preview", PreviewOrder(data, "handshake", ("granted",)))]
    ask(stage, who, **said | {"consent": ["self", "granted"]})
    ask(stage, who, photos=[one], template="smile", consent=["self"])
    assert len(looker.asked) == 3
    stage.client.delete(f"/v1/photos/{other}", headers=who.headers)
    left = [key for key in stage.hub.store.list(f"previews/{who.tenant_id}") if "moving" in key]
    assert len(left) == 1
    assert other not in left[0]
    assert ask(stage, who, **said) == (404, "not_found")


def test_what_cannot_be_previewed(stage: Stage, who: Someone) -> None:
    looker, photo = looker_of(stage), uploaded(stage, who, jpeg(3))
    theirs = uploaded(stage, stage.someone(), jpeg(3))
    agreed = {"template": "smile", "consent": ["self"]}
    assert ask(stage, who, photos=[theirs], **agreed) == (404, "not_found")
    assert ask(stage, who, photos=[photo], template="no_such_motion") == (422, "template_unknown")
    assert ask(stage, who, photos=[photo], template="../../etc/passwd.yaml") == (400, "request_invalid")
    assert ask(stage, who, photos=[], **agreed) == (400, "request_invalid")
    assert ask(stage, who, photos=[photo], consents=["f" * 32], **agreed) == (403, "consent_unknown")
    assert looker.asked == []
    looker.trouble = TooManyError("looker_busy", "Busy.", "Wait.", 7)
    answer = stage.client.post("/v1/previews", headers=who.headers, json={"photos": [photo], **agreed})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert ask(stage, who, photos=[photo], **agreed) == (200, PREVIEW)


def test_a_preview_ends_with_the_consent_that_it_rests_on(stage: Stage, who: Someone) -> None:
    looker, photo = looker_of(stage), uploaded(stage, who, jpeg(6))
    made = stage.client.post(
        "/v1/consents", headers=who.headers, data={"scope": "face", "upload": photo, "agreed": "true"}
    ).json()
    said = {"photos": [photo], "template": "smile", "consents": [made["id"]]}
    other = stage.someone()
    theirs = {**said, "photos": [uploaded(stage, other, jpeg(6))]}
    assert ask(stage, who, **said) == (200, PREVIEW)
    assert ask(stage, other, **theirs) == (403, "consent_unknown")
    stage.client.delete(f"/v1/consents/{made['id']}", headers=who.headers)
    assert ask(stage, who, **said) == (403, "consent_revoked")
    assert not [key for key in stage.hub.store.list(f"previews/{who.tenant_id}") if "moving" in key]
    assert [what for what, *_ in looker.asked] == ["enrol_photo", "preview"]


def test_attack_a_picture_that_was_taken_down_is_shown_no_more(stage: Stage, who: Someone) -> None:
    looker, photo = looker_of(stage), uploaded(stage, who, jpeg(9))
    said = {"photos": [photo], "template": "smile", "consent": ["self"]}
    assert [ask(stage, who, **said) for _ in range(2)] == [(200, PREVIEW)] * 2
    assert len(looker.asked) == 1
    lists = Blocklist(data_home() / "blocklist")
    lists.add({hashlib.sha256(jpeg(9)).hexdigest()}, set())
    looker.trouble = RefusedError("photo_blocked", "It is on a list.", "Use another.")
    assert ask(stage, who, **said) == (403, "photo_blocked")  # it was asked again
    (lists.folder / "others.pdq").write_text("f" * 64 + "\n")  # near copies as well
    assert ask(stage, who, **said) == (200, PREVIEW)
    assert len(looker.asked) == 3
    kept = [key for key in stage.hub.store.list(f"previews/{who.tenant_id}") if "moving" in key]
    assert len(kept) == 1  # what was made under older lists is gone
    (lists.folder / "others.pdq").write_text("no hash\n")
    assert ask(stage, who, **said) == (403, "blocklist_unreadable")
    (lists.folder / "others.pdq").unlink()


def test_a_preview_whose_photo_went_meanwhile_leaves_nothing(
    stage: Stage, who: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    looker, photo = looker_of(stage), uploaded(stage, who, jpeg(7))

    def slow(_: PreviewOrder) -> bytes:
        stage.client.delete(f"/v1/photos/{photo}", headers=who.headers)
        return PREVIEW

    monkeypatch.setattr(looker, "preview", slow)
    assert ask(stage, who, photos=[photo], template="smile", consent=["self"]) == (404, "not_found")
    assert not list(stage.hub.store.list(f"previews/{who.tenant_id}"))


def test_a_record_that_safety_revoked_by_itself_ends_it_as_well(stage: Stage, who: Someone) -> None:
    photo = uploaded(stage, who, jpeg(8))
    made = stage.client.post(
        "/v1/consents", headers=who.headers, data={"scope": "face", "upload": photo, "agreed": "true"}
    ).json()
    local_store().revoke(made["id"], "elsewhere", datetime.fromtimestamp(time.time(), UTC))
    assert ask(stage, who, photos=[photo], template="smile", consents=[made["id"]]) == (403, "consent_revoked")
    shown = stage.client.get(f"/v1/consents/{made['id']}", headers=who.headers).json()
    assert shown["state"] == "revoked"
