from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import update

from photoplay.errors import CancelledError, UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground.database import Database
from photoplay.service.ground.storage import Store
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import events, watching
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job, preview_key
from photoplay.service.jobs.watching import Watch, percent_of
from photoplay.types import StageEvent
from tests.service.opening import SMILE, opened, somebody, told

NOW = 1_790_000_000.0


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def job(hub: Hub) -> Job:
    id_ = jobs.submit(hub, somebody(hub), SMILE, now=NOW).id
    with hub.database.begin() as conn:
        conn.execute(update(rows).values(state="running", worker_id="worker_a", attempt=1))
    return told(hub, id_)


def stages(hub: Hub, job: Job) -> list[dict[str, object]]:
    return [one.data for one in events.follow(hub, job.id) if one.kind == "stage"]


def test_percent_grows_from_stage_to_stage() -> None:
    told = [StageEvent(stage, done, 10) for stage in ("admit", "perceive", "move", "generate") for done in (0, 5, 10)]
    told += [StageEvent("review", 1, 1), StageEvent("seal", 0, 3), StageEvent("seal", 3, 3), StageEvent("keep", 0, 1)]
    percents = [percent_of(event) for event in told]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 98)
    assert percent_of(StageEvent("something new", 3, 0)) == 0
    assert percent_of(StageEvent("denoise", 30, 10)) == percent_of(StageEvent("denoise", 10, 10))


def test_progress_is_told_once_and_never_goes_back(hub: Hub, job: Job) -> None:
    watch = Watch(hub, job, lambda why: None)
    for event in (StageEvent("generate", 5, 10), StageEvent("move", 1, 1), StageEvent("review", 1, 1, "Fine.")):
        watch.progress(event)
        watch.look()
        watch.look()
    found = stages(hub, job)
    assert [(one["stage"], one["percent"], one["note"]) for one in found] == [
        ("generate", 52, ""),
        ("move", 52, ""),
        ("review", 94, "Fine."),
    ]
    assert set(found[0]) == {"stage", "done", "total", "percent", "left_s", "attempt", "note"}
    after = told(hub, job.id)
    assert (after.stage, after.percent) == ("review", 94)


def test_fast_progress_is_throttled(hub: Hub, job: Job) -> None:
    start = time.monotonic()
    with Watch(hub, job, lambda why: None) as watch:
        while time.monotonic() - start < 1.2:
            watch.progress(StageEvent("generate", int(1e6 * (time.monotonic() - start)), 1_000_000))
            time.sleep(0.001)
    assert 1 <= len(stages(hub, job)) <= 3


@pytest.mark.parametrize("change", [{"worker_id": "worker_b"}, {"attempt": 2}, {"state": "failed"}, {"round": 2}])
def test_it_sees_that_the_work_is_not_its_own_any_more(hub: Hub, job: Job, change: dict[str, object]) -> None:
    watch = Watch(hub, job, lambda why: None)
    watch.progress(StageEvent("generate", 1, 10))
    watch.look()
    assert not watch.over
    with hub.database.begin() as conn:
        conn.execute(update(rows).values(**change))
    watch.progress(StageEvent("generate", 2, 10))
    watch.look()
    assert watch.over
    with pytest.raises(CancelledError):
        watch.progress(StageEvent("generate", 3, 10))
    assert len(stages(hub, job)) == 1


def test_previews_are_stored_once_a_second(hub: Hub, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(hub, job, lambda why: None)
    watch.preview(b"first")
    watch.preview(b"too soon")
    assert hub.store.get(preview_key(job)) == b"first"
    monkeypatch.setattr(watching, "PREVIEW_EVERY", 0.0)
    watch.preview(b"second")
    assert hub.store.get(preview_key(job)) == b"second"
    assert [one.data["seq"] for one in events.follow(hub, job.id) if one.kind == "preview"] == [1, 2]


def test_a_film_does_not_fail_for_want_of_a_preview(hub: Hub, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Store):
        def __init__(self) -> None: ...
        def put(self, *given: object) -> int:
            raise UnavailableError("storage_down", "Away.", "Wait.")

    watch = Watch(replace(hub, store=Away()), job, lambda why: None)
    watch.preview(b"first")
    assert [one.kind for one in events.follow(hub, job.id)] == ["state"]


def test_a_database_that_is_away_ends_no_film(hub: Hub, job: Job) -> None:
    class Away(Database):
        def __init__(self) -> None: ...
        def begin(self) -> NoReturn:
            raise UnavailableError("database_busy", "Busy.", "Wait.")

        read = begin

    with Watch(replace(hub, database=Away()), job, lambda why: None) as watch:
        watch.progress(StageEvent("generate", 1, 2))
        time.sleep(0.7)
        watch.progress(StageEvent("generate", 2, 2))
    assert not watch.over
