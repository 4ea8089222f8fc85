from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from photoplay.errors import ConsentError
from photoplay.safety.consent.store import local_store
from photoplay.service.accounts.principals import SCOPES
from photoplay.service.ground.errors import TooManyError
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.looking import enrolment
from photoplay.service.looking.looker import Terms
from tests.service.api.routes.looked import looked_stage, looker_of, uploaded
from tests.service.looking.test_uploads import clip
from tests.service.stage import Someone, Stage, jpeg

CLIP = {"file": ("live.webm", clip(live=True), "video/webm")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("consents")) as found:
        yield found


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service for strangers."""
    folder = tmp_path_factory.mktemp("hosted")
    with looked_stage(
        folder, hosted=True, public_url="https://films.example.org", allowed_hosts=("127.0.0.1",)
    ) as found:
        yield found


def post(stage: Stage, who: Someone, files: Any = None, **said: Any) -> tuple[int, dict[str, Any]]:
    answer = stage.client.post("/v1/consents", headers=who.headers, data=said, files=files)
    return answer.status_code, answer.json()


def challenge(stage: Stage, who: Someone) -> str:
    answer = stage.client.post("/v1/consents/challenges", headers=who.headers)
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_a_record_by_the_word_of_whoever_runs_this(stage: Stage) -> None:
    who, looker, photo = stage.someone(), looker_of(stage), jpeg(1)
    id_ = uploaded(stage, who, photo)
    status, made = post(stage, who, name="Grandmother", scope=["face", "head"], days="90", adult="known", face="2",
                        upload=id_, agreed="true")  # fmt: skip
    assert (status, made["name"], made["state"], made["scope"]) == (201, "Grandmother", "valid", ["face", "head"])
    assert (made["method"], made["adult"], made["weak"]) == ("operator", "known", True)
    assert made["expires"] == pytest.approx(made["created_at"] + 90 * 86400, abs=2)
    assert [(what, face) for what, _, face, _ in looker.asked] == [("enrol_photo", 2)]
    assert stage.client.get("/v1/consents", headers=who.headers).json()["data"] == [made]
    assert stage.client.get(f"/v1/consents/{made['id']}", headers=who.headers).json() == made
    other = stage.someone()
    assert stage.client.get("/v1/consents", headers=other.headers).json()["data"] == []
    for method in ("GET", "DELETE"):
        assert stage.client.request(method, f"/v1/consents/{made['id']}", headers=other.headers).status_code == 404
    revoked = stage.client.delete(f"/v1/consents/{made['id']}", headers=who.headers)
    assert (revoked.status_code, revoked.json()["state"], revoked.json()["scope"]) == (200, "revoked", [])
    assert made["id"] not in {record.id for record in local_store().records()}
    again = stage.client.delete(f"/v1/consents/{made['id']}", headers=who.headers)
    assert again.json() == revoked.json()


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"scope": "face"}, 403, "consent_missing"),
        ({"scope": "face", "agreed": "true"}, 422, "consent_source"),
        ({"scope": "everything", "agreed": "true"}, 400, "request_invalid"),
        ({"agreed": "true"}, 400, "request_invalid"),
        ({"scope": "face", "days": "367"}, 400, "request_invalid"),
        ({"scope": "face", "challenge": "../../etc"}, 400, "request_invalid"),
        ({"scope": "face", "trust": "me"}, 400, "request_invalid"),
        ({"scope": "face", "name": "a\x00b"}, 400, "request_invalid"),
        ({"scope": "face", "agreed": "true", "upload": "upload_" + "a" * 26}, 404, "not_found"),
    ],
)
def test_attack_what_is_no_consent(stage: Stage, said: dict[str, str], status: int, code: str) -> None:
    who, looker = stage.someone(), looker_of(stage)
    found, problem = post(stage, who, **said)
    assert (found, problem["code"]) == (status, code)
    assert looker.asked == []
    assert stage.client.get("/v1/consents", headers=who.headers).json()["data"] == []


def test_attack_a_key_that_may_not_see_photos_makes_no_record_of_one(stage: Stage) -> None:
    who, looker = stage.someone(scopes=SCOPES - {"photos:read"}), looker_of(stage)
    photo = uploaded(stage, who, jpeg(21))
    status, problem = post(stage, who, scope="face", upload=photo, agreed="true")
    assert (status, problem["code"]) == (403, "scope_missing")
    assert looker.asked == []
    assert post(stage, who, {"file": ("a.jpg", jpeg(21))}, scope="face", agreed="true")[0] == 201


def test_twins_are_two_people_by_the_word_of_whoever_enrols_them(stage: Stage) -> None:
    who, photo = stage.someone(), jpeg(31)
    id_ = uploaded(stage, who, photo)
    _, first = post(stage, who, name="Ann", scope="contact", upload=id_, agreed="true", adult="known")
    status, twin = post(stage, who, name="Bea", scope="contact", upload=id_, agreed="true", adult="known",
                        unlike=[first["id"]])  # fmt: skip
    assert (status, twin["unlike"], first["unlike"]) == (201, [first["id"]], [])
    records = {record.id: record for record in local_store().records()}
    assert records[twin["id"]].unlike == (records[first["id"]].subject,)
    assert stage.client.get("/v1/consents", headers=who.headers).json()["data"] == [twin, first]
    assert stage.client.get(f"/v1/consents/{twin['id']}", headers=who.headers).json() == twin
    stage.client.delete(f"/v1/consents/{first['id']}", headers=who.headers)
    assert stage.client.get(f"/v1/consents/{twin['id']}", headers=who.headers).json()["unlike"] == []


def test_a_live_record_says_who_is_somebody_else(hosted: Stage) -> None:
    who = hosted.someone()
    _, first = post(hosted, who, CLIP, scope="face", challenge=challenge(hosted, who))
    _, twin = post(hosted, who, CLIP, scope="face", challenge=challenge(hosted, who), unlike=first["id"])
    assert twin["unlike"] == [first["id"]]


@pytest.mark.parametrize(
    ("whose", "status", "code"),
    [
        ("nobody's", 403, "consent_unknown"),
        ("somebody else's", 403, "consent_unknown"),
        ("revoked", 403, "consent_revoked"),
        ("no id", 400, "request_invalid"),
    ],
)
def test_attack_a_twin_who_is_not_on_record_here(stage: Stage, whose: str, status: int, code: str) -> None:
    """Nothing is looked at then, and nothing is made."""
    who, other, looker, photo = stage.someone(), stage.someone(), looker_of(stage), {"file": ("a.jpg", jpeg(32))}
    _, made = post(stage, other if whose == "somebody else's" else who, photo, scope="face", agreed="true")
    if whose == "revoked":
        stage.client.delete(f"/v1/consents/{made['id']}", headers=who.headers)
    looker.asked.clear()
    named = {"nobody's": "e" * 32, "no id": "../../etc"}.get(whose, made["id"])
    found, problem = post(stage, who, photo, scope="face", agreed="true", unlike=named)
    assert (found, problem["code"]) == (status, code)
    assert looker.asked == []


def test_attack_a_twin_whose_record_ran_out(stage: Stage) -> None:
    who, looker = stage.someone(), looker_of(stage)
    _, made = post(stage, who, {"file": ("a.jpg", jpeg(33))}, scope="face", days="1", agreed="true")
    looker.asked.clear()
    terms, later = Terms(("face",), 3, unlike=(made["id"],)), made["created_at"] + 90_000
    with pytest.raises(ConsentError) as over:
        enrolment.enrol_word(stage.hub, looker, who.principal, "", jpeg(33), 0, terms, later)
    assert over.value.code == "consent_expired"
    assert looker.asked == []


def test_attack_a_challenge_is_not_spent_on_a_twin_who_is_not_there(hosted: Stage) -> None:
    who = hosted.someone()
    id_ = challenge(hosted, who)
    status, problem = post(hosted, who, CLIP, scope="face", challenge=id_, unlike="e" * 32)
    assert (status, problem["code"]) == (403, "consent_unknown")
    assert post(hosted, who, CLIP, scope="face", challenge=id_)[0] == 201


def test_a_live_record(hosted: Stage) -> None:
    who, looker = hosted.someone(), looker_of(hosted)
    asked = hosted.client.post("/v1/consents/challenges", headers=who.headers).json()
    assert len(asked["actions"]) == len(asked["words"]) == 4
    status, made = post(hosted, who, CLIP, scope="face", challenge=asked["id"], adult="declared")
    assert (status, made["method"], made["weak"], made["adult"]) == (201, "live", False, "declared")
    assert [(what, id_) for what, _, id_, _ in looker.asked] == [("enrol_clip", asked["id"])]
    status, spent = post(hosted, who, CLIP, scope="face", challenge=asked["id"])
    assert (status, spent["code"]) == (403, "live_expired")


def test_attack_a_challenge_of_somebody_else_and_ages_that_nobody_vouches_for(hosted: Stage) -> None:
    who, other, looker = hosted.someone(), hosted.someone(), looker_of(hosted)
    status, theirs = post(hosted, who, CLIP, scope="face", challenge=challenge(hosted, other))
    assert (status, theirs["code"]) == (403, "live_expired")
    status, vouched = post(hosted, who, CLIP, scope="face", challenge=challenge(hosted, who), adult="document")
    assert (status, vouched["code"]) == (403, "adult_vouched")
    status, word = post(hosted, who, {"file": ("a.jpg", jpeg())}, scope="face", agreed="true")
    assert (status, word["code"]) == (403, "live_needed")
    assert looker.asked == []
    operator = hosted.someone(operator=True)
    assert post(hosted, operator, {"file": ("a.jpg", jpeg())}, scope="face", agreed="true")[0] == 201


def test_a_clip_that_nobody_looked_at_can_be_sent_again(hosted: Stage) -> None:
    who, looker, id_ = hosted.someone(), looker_of(hosted), ""
    id_ = challenge(hosted, who)
    looker.trouble = TooManyError("looker_busy", "Busy.", "Wait.", 5)
    assert post(hosted, who, CLIP, scope="face", challenge=id_)[0] == 503
    looker.trouble = ConsentError("live_flat", "It is flat.", "Film a face.")
    assert post(hosted, who, CLIP, scope="face", challenge=id_)[1]["code"] == "live_flat"
    assert post(hosted, who, CLIP, scope="face", challenge=id_)[1]["code"] == "live_expired"


def test_revoking_stops_the_films_that_wait(stage: Stage) -> None:
    who = stage.someone()
    photo = uploaded(stage, who, jpeg(2))
    _, made = post(stage, who, scope="face", upload=photo, agreed="true")
    mine = stage.queued(who, consents=(made["id"],))
    free = stage.queued(who)
    stage.client.delete(f"/v1/consents/{made['id']}", headers=who.headers)
    with stage.hub.database.read() as conn:
        states = {row.id: row.state for row in conn.execute(rows.select())}
    assert (states[mine], states[free]) == ("cancelled", "queued")


def test_challenges_and_records_have_an_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    who = stage.someone()
    for _ in range(enrolment.CHALLENGES):
        challenge(stage, who)
    answer = stage.client.post("/v1/consents/challenges", headers=who.headers)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 60
    monkeypatch.setattr(enrolment, "MOST", 1)
    photo = uploaded(stage, who, jpeg(3))
    assert post(stage, who, scope="face", upload=photo, agreed="true")[0] == 201
    status, full = post(stage, who, scope="face", upload=photo, agreed="true")
    assert (status, full["code"]) == (409, "consents_full")


def test_a_record_that_ran_out_says_so(stage: Stage) -> None:
    who = stage.someone()
    photo = uploaded(stage, who, jpeg(4))
    _, made = post(stage, who, scope="face", days="1", upload=photo, agreed="true")
    later = made["created_at"] + 90_000
    (shown,) = enrolment.list_consents(stage.hub, who.tenant_id, later)
    assert (shown.state, shown.record is not None) == ("expired", True)
    with pytest.raises(ConsentError) as caught:
        enrolment.check_hold(stage.hub, who.tenant_id, (made["id"],), later)
    assert caught.value.code == "consent_expired"
