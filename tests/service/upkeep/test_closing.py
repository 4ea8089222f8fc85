"""Nothing of a closed tenant stays, and nothing of anybody else goes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from photoplay.errors import ConsentError
from photoplay.safety.consent.record import Terms
from photoplay.safety.consent.store import local_store
from photoplay.service.accounts import credits
from photoplay.service.accounts.tenants import close_tenant, create_key, create_user, sign_in_link, start_session
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import api_keys, consents, jobs, tenants, uploads, users
from photoplay.service.upkeep.closing import NAMED, closed, nameless
from photoplay.service.upkeep.janitor import Report, sweep
from tests.safety.consent.people import person
from tests.service import hubs, rowmaking
from tests.service.opening import audited

NOW = 1_800_000_000.0
PNG = "image/png"
hub, template = hubs.hub, hubs.template


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))


def owner(hub: Hub, seed: int) -> tuple[str, str]:
    """A tenant with a film, a job that waits, a photo that was looked at, and a consent record; its id and the record's."""
    record, _ = local_store().enrol(person(seed), Terms(("face",), 30), datetime.now(UTC))
    with hub.database.begin() as conn:
        who = rowmaking.tenant(conn, NOW, "home")
        credits.grant(conn, who, 10, "", NOW)
        done = rowmaking.job(conn, who, NOW, state="completed", finished_at=NOW, expires_at=NOW + 1e9)
        key = f"films/{who}/{done}/1/1/film.mp4"
        conn.execute(update(jobs).where(jobs.c.id == done).values(film={"key": key}))
        credits.reserve(conn, who, done, 1, 3, NOW)
        credits.settle(conn, done, 1, NOW)
        photo = rowmaking.upload(conn, who, NOW, expires_at=NOW + 1e9)
        waits = rowmaking.job(conn, who, NOW, state="queued")
        credits.reserve(conn, who, waits, 1, 3, NOW)
        conn.execute(consents.insert().values(id=record.id, tenant_id=who, name="Ada", created_at=NOW))
    for name in (key, f"uploads/{who}/{photo}", f"previews/{who}/{photo}/picture.webp"):
        hub.store.put(name, b"pixels", PNG)
    return who, record.id


def objects(hub: Hub, who: str) -> int:
    return sum(who in key for key in hub.store.list())


def test_what_a_closed_tenant_owned_is_deleted_and_its_consents_are_revoked(hub: Hub) -> None:
    (gone, theirs), (stays, others) = owner(hub, 1), owner(hub, 2)
    assert sweep(hub, NOW + 10, deep=False).closed == 0
    with hub.database.begin() as conn:
        close_tenant(conn, gone, NOW + 20)
    assert sweep(hub, NOW + 30, deep=False).closed == 4, "two jobs, a photo and a record"
    assert (objects(hub, gone), objects(hub, stays)) == (0, 3)
    with pytest.raises(ConsentError) as revoked:
        local_store().get(theirs, datetime.now(UTC))
    assert revoked.value.code == "consent_revoked"
    assert local_store().get(others, datetime.now(UTC)).id == others
    with hub.database.read() as conn:
        for table, ended in (
            (jobs, jobs.c.deleted_at),
            (uploads, uploads.c.deleted_at),
            (consents, consents.c.revoked_at),
        ):
            found = conn.execute(select(table.c.tenant_id).where(ended.is_not(None))).scalars()
            assert set(found) == {gone}, table.name
        assert credits.balance(conn, gone) == credits.Balance(7, 0)
    assert audited(hub) == []
    assert sweep(hub, NOW + 40, deep=False) == Report(), "nothing is done twice"


def test_a_closed_tenant_whose_things_cannot_be_removed_keeps_nobody_elses(hub: Hub) -> None:
    (broken, _), (gone, _) = owner(hub, 1), owner(hub, 2)
    with hub.database.begin() as conn:
        close_tenant(conn, broken, NOW)
        close_tenant(conn, gone, NOW + 1)
        conn.execute(consents.insert().values(id="no record's id", tenant_id=broken, name="", created_at=NOW))
    assert sweep(hub, NOW + 30, deep=False).failed == 1
    assert (objects(hub, broken), objects(hub, gone)) == (0, 0)
    with hub.database.begin() as conn:
        conn.execute(consents.delete().where(consents.c.id == "no record's id"))
    assert sweep(hub, NOW + 40, deep=False).failed == 0
    with hub.database.read() as conn:
        assert conn.execute(select(consents.c.id).where(consents.c.revoked_at.is_(None))).all() == []


def test_of_a_closed_tenant_nobody_is_known_after_a_day(hub: Hub) -> None:
    (gone, _), (stays, _) = owner(hub, 1), owner(hub, 2)
    with hub.database.begin() as conn:
        for who, email in ((gone, "ada@example.org"), (stays, "bob@example.org")):
            user = create_user(conn, who, email, NOW, password="correct horse battery")
            start_session(conn, user.id, NOW)
            sign_in_link(conn, user.id, NOW, lasts_s=1e9)
            create_key(conn, who, "Ada's key", ["videos:read"], NOW)
        close_tenant(conn, gone, NOW)
    assert nameless(hub, NOW + 2 * NAMED) == 0, "it still owns something"
    assert closed(hub, NOW) == 4
    assert nameless(hub, NOW + NAMED / 2) == 0
    assert sweep(hub, NOW + 1 + NAMED, deep=False).nameless == 1
    assert nameless(hub, NOW + 2 * NAMED) == 0
    with hub.database.begin() as conn:
        assert conn.execute(select(users.c.email)).scalars().all() == ["bob@example.org"]
        for table in (tenants, api_keys, consents):
            whose = table.c.id if table is tenants else table.c.tenant_id
            assert {bool(row.name) for row in conn.execute(select(table).where(whose == gone))} == {False}
            assert all(row.name for row in conn.execute(select(table).where(whose == stays)))
        create_user(conn, stays, "ada@example.org", NOW)  # the address is free again
    assert audited(hub) == []
