"""Workers are killed with SIGKILL while they make films: every job comes to one film or one clear error, charged once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.chaos import Trial, harm


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_killed_workers_lose_nothing_and_charge_nothing_twice(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    given: dict[str, Any] = {}
    if database == "postgres":
        given["database_url"] = request.getfixturevalue("postgres_url")
    outcome = harm(tmp_path / "data", Trial(jobs=24, kills=8, seen=1.0, limit=55), **given)
    assert outcome.wrong == []
    assert sum(outcome.states.values()) == 24
    assert outcome.kills == 8
    assert outcome.where["make"] >= 2
    assert outcome.kills - outcome.where["make"] - outcome.where["after it"] >= 1, (
        "none died while a film was kept or ended"
    )
    assert outcome.states["completed"] >= 15
