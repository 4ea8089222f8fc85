"""Workers are killed with SIGKILL while they make films: every job comes to one film or one clear error, charged once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from photoplay.service.accounts import credits
from photoplay.service.ground.tables import jobs
from photoplay.service.jobs.events import tell
from photoplay.service.jobs.lifecycle import submit
from photoplay.service.jobs.requests import JobRequest
from tests.service.chaos import BACKEND, STORED, Outcome, Trial, harm, judge
from tests.service.opening import opened, somebody


@pytest.mark.slow
@pytest.mark.parametrize(("database", "jobs_", "kills"), [("sqlite", 24, 8), ("postgres", 16, 5)])
def test_killed_workers_lose_nothing_and_charge_nothing_twice(
    tmp_path: Path, database: str, jobs_: int, kills: int, request: pytest.FixtureRequest
) -> None:
    given: dict[str, Any] = {}
    if database == "postgres":
        given["database_url"] = request.getfixturevalue("postgres_url")
    outcome = harm(tmp_path / "data", Trial(jobs_, kills, seen=1.0, limit=55), **given)
    assert outcome.wrong == []
    assert sum(outcome.states.values()) == jobs_
    assert outcome.kills == kills
    assert outcome.where["make"] >= 1  # where the others fell is told by benchmarks.chaos, whose kills are many
    assert outcome.states["completed"] >= jobs_ // 2


def test_the_judgement_notices_what_it_is_there_for(tmp_path: Path) -> None:
    """Rows as a service would leave them that charges twice, loses films or forgets jobs."""
    trial = Trial(jobs=6, kills=0)
    with opened(tmp_path / "data", backends=(BACKEND,)) as hub:
        who = somebody(hub)
        request = JobRequest(template="gentle_smile", seconds=1.0, backend=BACKEND)
        ids = [submit(hub, who, request, now=time.time()).id for _ in range(6)]
        half = f"films/{who.tenant_id}/{ids[2]}/1/1/film.mp4"
        hub.store.put(half, b"film of", "video/mp4")
        with hub.database.begin() as conn:
            for id_, values in (
                (ids[0], {"state": "completed", "charged": 1}),
                (ids[1], {"state": "failed", "charged": 0, "error": {"code": "", "message": ""}}),
                (ids[2], {"state": "completed", "charged": 1, "film": dict.fromkeys(STORED, half)}),
                (ids[3], {"state": "failed", "charged": 0, "error": {"code": "face_missing", "message": "No face."}}),
            ):
                conn.execute(update(jobs).where(jobs.c.id == id_).values(**values))
            tell(conn, ids[0], 1, "end", {}, time.time())
            tell(conn, ids[0], 1, "end", {}, time.time())
            credits.settle(conn, ids[2], 1, time.time())
        outcome = Outcome()
        judge(hub, trial, [*ids, "video_lost"], outcome)
    told = "\n".join(outcome.wrong)
    for what in (
        "jobs are missing",
        f"{ids[0]} (completed): its key is not in the store",
        f"{ids[0]} is completed, and its credits are not settled",
        f"{ids[0]} was told to be over 2 times",
        f"{ids[1]} (failed): its error says nothing",
        f"{ids[1]} (failed): charged 0 by",
        f"{ids[2]} (completed): its film is not the one",
        f"half a film is in the store: {half}",
        f"{ids[3]} (failed): it failed without cause",
        f"{ids[4]} (queued): it is not over",
        "credits were taken where",
        f"the queue still holds {ids[4]}",
    ):
        assert what in told, f"{what}\n{told}"
