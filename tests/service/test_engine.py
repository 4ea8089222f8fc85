from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import inspect, text

from photoplay.service.engine import Hub, open_hub, queue_name
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import metadata
from photoplay.service.ground.wire import APPLICATION, POLLING, VERSION
from tests.service import groundwork
from tests.service.opening import opened


def queues(hub: Hub) -> dict[str, tuple[int | None, float, str]]:
    with hub.database.read() as conn:
        schema = "" if hub.database.is_sqlite else "dbos."
        found = conn.execute(
            text(f"SELECT name, worker_concurrency, polling_interval_sec, application_name FROM {schema}queues")
        )
        return {row[0]: tuple(row[1:]) for row in found}


def test_queues_of_all_backends_are_known(tmp_path: Path) -> None:
    with opened(tmp_path, backends=("echo", "pocket")) as hub:
        assert queues(hub) == {
            "films-echo": (1, POLLING, APPLICATION),
            "films-pocket": (1, POLLING, APPLICATION),
        }
        assert queue_name("echo") == "films-echo"


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as hub:
        before = queues(hub)
    with opened(tmp_path) as hub, opened(tmp_path) as second:
        assert queues(hub) == queues(second) == before


def test_our_tables_and_those_of_the_queue_do_not_meet(tmp_path: Path) -> None:
    with opened(tmp_path) as hub:
        there = set(inspect(hub.database.engine).get_table_names())
    assert {"workflow_status", "operation_outputs", "queues"} <= there
    assert set(metadata.tables) <= there
    assert len(there) == len(set(metadata.tables)) + len(there - set(metadata.tables))
    assert not {"workflow_status", "operation_outputs", "queues", "notifications", "streams"} & set(metadata.tables)


def test_several_processes_may_open_it_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.service import groundwork; from pathlib import Path;"
        "from photoplay.service.engine import open_hub;"
        "open_hub(groundwork.make_settings(Path(sys.argv[1]))).close()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2]) for _ in range(2)
    ]
    assert [one.wait(60) for one in started] == [0, 0]
    with opened(tmp_path) as hub:
        assert "films-pocket" in queues(hub)


def test_what_is_put_into_the_queue_is_plain_and_pinned(tmp_path: Path) -> None:
    with opened(tmp_path) as hub:
        with hub.database.begin() as conn:
            hub.enqueue(conn, "films-echo", 7, "video_a", 2)
        with hub.database.read() as conn:
            row = conn.execute(text("SELECT * FROM workflow_status")).one()
        asked = hub.client.list_workflows()[0].input
    assert (row.workflow_uuid, row.name, row.queue_name, row.priority) == ("video_a.2", "film", "films-echo", 7)
    assert (row.application_version, row.application_name, row.serialization) == (VERSION, APPLICATION, "portable_json")
    assert asked == {"args": ("video_a", 2), "kwargs": {}}


def test_what_is_undone_is_not_in_the_queue(tmp_path: Path) -> None:
    with opened(tmp_path) as hub:
        try:
            with hub.database.begin() as conn:
                hub.enqueue(conn, "films-echo", 7, "video_a", 1)
                raise KeyError
        except KeyError:
            pass
        with hub.database.read() as conn:
            assert conn.execute(text("SELECT count(*) FROM workflow_status")).scalar_one() == 0


def test_it_opens_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    settings: Settings = groundwork.make_settings(tmp_path, database_url=postgres_url)
    hub = open_hub(settings)
    try:
        assert "films-pocket" in queues(hub)
    finally:
        hub.close()
