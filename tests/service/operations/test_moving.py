"""From the SQLite file into PostgreSQL: everything or nothing, and what waited is made there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import func, insert, inspect, select, text, update

from photoplay.errors import PhotoplayError
from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.engine import open_hub
from photoplay.service.ground.database import Database
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import balances, entries, job_events, jobs, metadata, tenants, users
from photoplay.service.jobs import lifecycle
from photoplay.service.jobs.events import tell
from photoplay.service.operations.moving import Moved, move
from photoplay.service.upkeep.worker import Worker
from tests.service.groundwork import make_settings
from tests.service.makers import SimulatedMaker
from tests.service.opening import SMILE, audited, opened, somebody, until


@pytest.fixture
def installation(tmp_path: Path) -> Settings:
    """A stopped service: a film that is done, one that was in work when it stopped, and two that wait."""
    with opened(tmp_path) as hub:
        who, now = somebody(hub), time.time()
        with hub.database.begin() as conn:
            user = accounts.create_user(conn, who.tenant_id, "zoë@example.org", now, password="correct horse battery")
            accounts.start_session(conn, user.id, now)
        done, begun, *_ = (lifecycle.submit(hub, who, SMILE, now=now + at) for at in (-9, 0, 1, 2))
        lifecycle.cancel(hub, who, done.id, now)
        with hub.database.begin() as conn:
            conn.execute(update(jobs).where(jobs.c.id == begun.id).values(state="running", attempt=1, worker_id="gone"))
            for percent in range(2100):
                tell(conn, begun.id, 1, "stage", {"percent": percent, "note": None, "words": "ä\u2028"}, now)
        assert audited(hub) == []
        return hub.settings


def rows(database: Database, table: str) -> list[object]:
    with database.read() as conn:
        return sorted(map(repr, conn.execute(select(metadata.tables[table])).all()))


def refusal(settings: Settings, to: str) -> str:
    with pytest.raises(PhotoplayError) as refused:
        move(settings, to)
    assert "hunter2" not in str(refused.value)
    return refused.value.code


def test_everything_is_there_and_what_waited_is_made_there(installation: Settings, postgres_url: str) -> None:
    moved = move(installation, postgres_url)
    old = Database(installation.database_url)
    with_new = installation.model_copy(update={"database_url": postgres_url})
    hub = open_hub(with_new)
    try:
        for table in metadata.tables:
            assert rows(hub.database, table) == rows(old, table), table
        assert moved == Moved(sum(len(rows(old, table)) for table in metadata.tables), 3)
        with hub.database.read() as conn:
            order = select(jobs.c.id).where(jobs.c.state != "cancelled").order_by(jobs.c.queued_at)
            begun, first, second = conn.execute(order).scalars()
            highest = conn.execute(select(func.max(job_events.c.seq))).scalar_one()
            assert conn.execute(text("SELECT count(*) FROM jobs WHERE film::text = 'null'")).scalar_one() == 0
        maker = SimulatedMaker(10)
        worker = Worker(hub, ("films-echo",), maker, leave=lambda status: None)
        worker.start()
        try:
            after = [until(hub, one, "completed", seconds=60) for one in (begun, first, second)]
        finally:
            worker.stop(10)
        assert maker.made == [begun, first, second]
        assert [job.attempt for job in after] == [2, 1, 1]
        assert audited(hub) == []
        with hub.database.read() as conn:
            assert conn.execute(select(func.max(job_events.c.seq))).scalar_one() > highest
            assert accounts.find_user(conn, "zoë@example.org") is not None
        with pytest.raises(PhotoplayError) as moved_away:  # nobody makes the films once more
            old.migrate()
        assert (moved_away.value.code, "moved" in moved_away.value.message) == ("database_newer", True)
        old.close()
        assert refusal(installation, postgres_url) == "database_unmigrated"
    finally:
        hub.close()


def test_what_does_not_add_up_leaves_nothing(installation: Settings, postgres_url: str) -> None:
    old = Database(installation.database_url)
    with old.begin() as conn:
        conn.execute(update(balances).values(amount=balances.c.amount + 1))
    old.close()
    assert refusal(installation, postgres_url) == "move_failed"
    new = Database(postgres_url)
    assert all(rows(new, table) == [] for table in metadata.tables)
    assert inspect(new.engine).has_table("workflow_status", schema="dbos")
    with new.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM dbos.workflow_status")).scalar_one() == 0
    new.close()


def test_what_postgresql_cannot_hold_is_told_and_leaves_nothing(installation: Settings, postgres_url: str) -> None:
    old = Database(installation.database_url)
    with old.begin() as conn:
        conn.execute(update(tenants).values(name="a\0b"))
    old.close()
    assert refusal(installation, postgres_url) == "move_failed"
    new = Database(postgres_url)
    assert rows(new, "tenants") == rows(new, "jobs") == []
    new.close()


def test_it_moves_only_what_stands_still_and_only_to_postgresql(
    installation: Settings, postgres: Database, tmp_path: Path
) -> None:
    there = postgres.engine.url.render_as_string(hide_password=False)
    for to in ("sqlite:////tmp/other.db", "", "mysql://user:hunter2@host/name"):
        assert refusal(installation, to) == "move_target"
    assert refusal(installation.model_copy(update={"database_url": there}), there) == "move_source"
    assert refusal(make_settings(tmp_path / "nothing"), there) == "database_unmigrated"
    running = open_hub(installation)
    with running.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(users)).scalar_one() == 1
    assert refusal(installation, there) == "move_running"
    running.close()
    with postgres.begin() as conn:
        conn.execute(insert(tenants).values(id="somebody", name="Somebody", plan="free", created_at=0.0))
    assert refusal(installation, there) == "move_taken"
    with postgres.read() as conn:
        assert conn.execute(select(func.count()).select_from(entries)).scalar_one() == 0
        assert credits.audit(conn) == []
