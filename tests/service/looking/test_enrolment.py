from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from photoplay.errors import ConsentError
from photoplay.safety.consent.store import local_store
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import consents
from photoplay.service.looking import enrolment
from photoplay.service.looking.looker import Terms
from tests.service.api.routes.looked import looked_stage
from tests.service.lookers import FakeLooker, enrolled
from tests.service.stage import Stage, jpeg

FACE = Terms(("face",), 3)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("enrolment")) as found:
        yield found


def given(stage: Stage, who: Any) -> enrolment.Consent:
    return enrolment.enrol_word(stage.hub, FakeLooker(), who.principal, "", jpeg(), 0, FACE, time.time())


def test_records_are_their_tenants_alone(stage: Stage) -> None:
    who, other, now = stage.someone(), stage.someone(), time.time()
    mine = given(stage, who)
    enrolment.check_hold(stage.hub, who.tenant_id, (mine.id,), now + 2)
    with pytest.raises(ConsentError) as caught:
        enrolment.check_hold(stage.hub, other.tenant_id, (mine.id,), now + 2)
    assert caught.value.code == "consent_unknown"
    for thing in (enrolment.get, enrolment.revoke):
        with pytest.raises(NotFoundError):
            thing(stage.hub, other.tenant_id if thing is enrolment.get else other.principal, mine.id, now)
    unowned = enrolled(FACE, "operator", seed=5)
    with pytest.raises(ConsentError):
        enrolment.check_hold(stage.hub, who.tenant_id, (unowned.id,), now + 2)


def test_a_record_that_took_long_to_make_holds_from_then_on(stage: Stage) -> None:
    who = stage.someone()
    began = time.time() - 90  # the clip was looked at for so long
    made = enrolment.enrol_word(stage.hub, FakeLooker(), who.principal, "", jpeg(), 0, FACE, began)
    assert made.state == "valid"
    assert made.created_at >= began + 88
    (listed,) = enrolment.list_consents(stage.hub, who.tenant_id, time.time() + 1)
    assert listed.record == made.record


def test_a_record_that_cannot_be_written_down_is_revoked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    who = stage.someone()
    before = {record.id for record in local_store().records()}

    def fails(*_: object) -> bool:
        raise OSError("no space")

    monkeypatch.setattr(enrolment, "insert_once", fails)
    with pytest.raises(OSError, match="no space"):
        given(stage, who)
    assert {record.id for record in local_store().records()} == before
    assert enrolment.list_consents(stage.hub, who.tenant_id, time.time()) == []


def test_a_row_without_its_record_is_broken_and_stops_what_names_it(stage: Stage) -> None:
    who, now = stage.someone(), time.time()
    lost = "e" * 32
    with stage.hub.database.begin() as conn:
        conn.execute(insert(consents).values(id=lost, tenant_id=who.tenant_id, name="", created_at=now))
    (shown,) = enrolment.list_consents(stage.hub, who.tenant_id, now)
    assert (shown.state, shown.record) == ("broken", None)
    with pytest.raises(ConsentError):
        enrolment.check_hold(stage.hub, who.tenant_id, (lost,), now)


def test_revoking_destroys_the_record_whatever_else_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    who = stage.someone()
    mine = given(stage, who)
    job = stage.queued(who, consents=(mine.id,))
    asked: list[str] = []

    def gone(_: object, __: object, id_: str, ___: float) -> None:
        asked.append(id_)
        raise NotFoundError()

    monkeypatch.setattr(enrolment.queue, "cancel", gone)  # deleted in between: nothing left to stop
    assert enrolment.revoke(stage.hub, who.principal, mine.id, time.time()).state == "revoked"
    assert asked == [job]
    with pytest.raises(ConsentError) as caught:
        local_store().get(mine.id, datetime.now(UTC))
    assert caught.value.code == "consent_revoked"


def test_of_revoked_records_only_the_newest_are_listed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "LISTED", 2)
    who, now = stage.someone(), time.time()
    mine = given(stage, who)
    with stage.hub.database.begin() as conn:
        for age in range(1, 5):
            row = {"id": f"{age:x}" * 32, "tenant_id": who.tenant_id, "name": "", "created_at": now - age}
            conn.execute(insert(consents).values(**row, revoked_at=now))
    listed = [one.id for one in enrolment.list_consents(stage.hub, who.tenant_id, now + 2)]
    assert listed == [mine.id, "1" * 32, "2" * 32]
