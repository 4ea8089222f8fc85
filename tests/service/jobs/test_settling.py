from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from photoplay.errors import ConsentError, RequestError
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.tables import consents, uploads
from photoplay.service.jobs import lifecycle as jobs
from tests.service import hubs, rowmaking
from tests.service.opening import SMILE, somebody, told

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


def upload(hub: Hub, who: Principal, **given: Any) -> str:
    with hub.database.begin() as conn:
        return rowmaking.upload(conn, who.tenant_id, NOW, **given)


def test_a_statement_is_asked_for_before_anybody_waits(hub: Hub) -> None:
    who = somebody(hub)
    two = SMILE.model_copy(update={"photos": (upload(hub, who), upload(hub, who))})
    for consent, last in (((), None), (("self", "self"), upload(hub, who)), (("self",) * 3, None)):
        with pytest.raises(ConsentError) as found:
            jobs.submit(hub, who, two.model_copy(update={"consent": consent, "last": last}), now=NOW)
        assert found.value.code == "consent_missing"
    hosted = replace(hub, settings=hub.settings.model_copy(update={"hosted": True}))
    with pytest.raises(ConsentError) as found:
        jobs.submit(hosted, who, two.model_copy(update={"consent": ("self",)}), now=NOW)
    assert found.value.code == "consent_unnamed"
    assert jobs.submit(hosted, who, SMILE, now=NOW).state == "queued"


def test_the_plan_s_label_wins(hub: Hub) -> None:
    who = somebody(hub, "free")
    asked = SMILE.model_copy(update={"backend": "pocket", "label": "top-left"})
    assert jobs.submit(hub, who, asked, now=NOW).request.label == hub.plans["free"].label is not None
    assert jobs.submit(hub, somebody(hub), asked, now=NOW).request.label == "top-left"


def test_lengths_are_settled_when_a_job_is_submitted(hub: Hub) -> None:
    who = somebody(hub)
    open_end = SMILE.model_copy(update={"seconds": None, "consent": ("self",)})
    sound = upload(hub, who, kind="audio", seconds=4.51)
    clip = upload(hub, who, kind="video", seconds=2.0)

    def length(**changed: Any) -> float | None:
        return jobs.submit(hub, who, open_end.model_copy(update=changed), now=NOW).request.seconds

    assert length() == 3.0
    assert length(audio=(sound,)) == 109 / 24  # to the end of the frame in which it ends
    assert length(video=clip) == 2.0
    from photoplay.motion.library import built_in_duets

    duet = built_in_duets()[0]
    assert length(template=duet.name, photos=(upload(hub, who), upload(hub, who))) == pytest.approx(
        duet.duration, abs=1 / 24
    )
    assert all(told(hub, one.workflow_id.split(".")[0]).cost for one in hub.client.list_workflows())


def test_uploads_and_consents_are_the_tenant_s_own(hub: Hub) -> None:
    who, other = somebody(hub), somebody(hub)
    photo, foreign = upload(hub, who), upload(hub, other)
    sound = upload(hub, who, kind="audio", seconds=1.0)
    with hub.database.begin() as conn:
        for id_, owner, revoked in (("mine", who, None), ("theirs", other, None), ("revoked", who, NOW)):
            conn.execute(
                consents.insert().values(id=id_, tenant_id=owner.tenant_id, name="", created_at=NOW, revoked_at=revoked)
            )
    good = SMILE.model_copy(update={"photos": (photo,), "consents": ("mine",)})
    assert jobs.submit(hub, who, good, now=NOW).request.consent == ("granted",)
    for bad, code in (("theirs", "unknown"), ("nobodys", "unknown"), ("revoked", "revoked")):
        with pytest.raises(ConsentError) as found:
            jobs.submit(hub, who, good.model_copy(update={"consents": ("mine", bad)}), now=NOW)
        assert found.value.code == f"consent_{code}"
    with pytest.raises(NotFoundError):
        jobs.submit(hub, who, good.model_copy(update={"photos": (foreign,)}), now=NOW)
    with pytest.raises(RequestError, match="photo"):
        jobs.submit(hub, who, good.model_copy(update={"photos": (sound,)}), now=NOW)
    with hub.database.begin() as conn:
        conn.execute(update(uploads).where(uploads.c.id == photo).values(deleted_at=NOW))
    with pytest.raises(NotFoundError):
        jobs.submit(hub, who, good, now=NOW)
