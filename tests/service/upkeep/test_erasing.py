"""A person's erasure reaches the films and photos that the service keeps, whoever's account they lie in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from photoplay.errors import RefusedError
from photoplay.safety.consent.record import Terms
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger, Work, work_id
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs, uploads
from photoplay.service.upkeep.erasing import erase_person
from tests.safety.consent.people import person
from tests.service import rowmaking
from tests.service.opening import opened

NOW = 1_800_000_000.0
PDQ = "0" * 64


def enrolled(guard: Guard, seed: int) -> Any:
    record, _ = guard.records.enrol(person(seed), Terms(("face",), 30), datetime.now(UTC))
    return record


def work(guard: Guard, home: Path, photos: list[str], records: list[str], film: str) -> str:
    """A film that the ledger knows; its number."""
    recipe = {"photos": photos, "seed": int(film[:1], 16)}
    marks = [{"sha256": one, "pdq": PDQ, "quality": 100} for one in photos]
    release = {"sha256": film, "path": "/nowhere/film.mp4", "created": "2026-11-21T12:00:00+00:00", "records": records}
    lines = [{"recipe": recipe, "sources": marks}, release]
    (home / "works").mkdir(exist_ok=True)
    number = work_id(recipe)
    (home / "works" / f"{number}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert guard.ledger.find(number) is not None
    return number


def film(hub: Hub, sha256: str) -> str:
    with hub.database.begin() as conn:
        who = rowmaking.tenant(conn, NOW)
        id_ = rowmaking.job(conn, who, NOW, state="completed", started_at=NOW, finished_at=NOW)
        key = f"films/{who}/{id_}/1/1/film.mp4"
        conn.execute(update(jobs).where(jobs.c.id == id_).values(film={"key": key, "sha256": sha256}))
    hub.store.put(key, b"film", "video/mp4")
    return id_


def gone(hub: Hub, table: Any, id_: str) -> bool:
    with hub.database.read() as conn:
        return conn.execute(select(table.c.deleted_at).where(table.c.id == id_)).scalar_one() is not None


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return Guard.local()


def test_films_and_photos_of_a_person_go_and_those_of_others_stay(guard: Guard, tmp_path: Path) -> None:
    one, other = enrolled(guard, 1), enrolled(guard, 2)
    home = tmp_path / "home"
    alone = work(guard, home, ["a" * 64], [one.id], "1" * 64)
    both = work(guard, home, ["b" * 64, "c" * 64], [one.id, other.id], "2" * 64)
    theirs = work(guard, home, ["d" * 64], [other.id], "3" * 64)
    with opened(tmp_path / "data") as hub:
        films = [film(hub, digit * 64) for digit in "123"]
        with hub.database.begin() as conn:
            who = rowmaking.tenant(conn, NOW)
            photos = [rowmaking.upload(conn, who, NOW, sha256=digit * 64) for digit in "abd"]
        done = erase_person(hub, guard, one.subject, NOW)
        assert [gone(hub, jobs, id_) for id_ in films] == [True, True, False]
        assert [gone(hub, uploads, id_) for id_ in photos] == [True, False, False]
        assert len([key for key in hub.store.list("films") if key.endswith("film.mp4")]) == 1
        assert done.removed == 3
    assert (done.rest.records, done.rest.works) == (1, 2)
    assert guard.ledger.find(alone) is None
    assert guard.ledger.find(both) is None
    assert guard.ledger.find(theirs) is not None


class Counted(Ledger):
    """Knows how often it was read."""

    read = 0

    def survey(self) -> tuple[tuple[Work, ...], tuple[str, ...]]:
        self.read += 1
        return super().survey()


def test_the_ledger_is_read_once(guard: Guard, tmp_path: Path) -> None:
    """It may hold very many films."""
    one, ledger = enrolled(guard, 1), Counted(tmp_path / "home" / "works")
    work(guard, tmp_path / "home", ["a" * 64], [one.id], "1" * 64)
    with opened(tmp_path / "data") as hub:
        assert erase_person(hub, replace(guard, ledger=ledger), one.subject, NOW).rest.works == 1
    assert ledger.read == 1


def test_what_cannot_be_read_stops_it_before_anything_is_forgotten(guard: Guard, tmp_path: Path) -> None:
    one = enrolled(guard, 1)
    number = work(guard, tmp_path / "home", ["a" * 64], [one.id], "1" * 64)
    (tmp_path / "home" / "works" / f"{'0' * 16}.jsonl").write_text("torn\n")
    with opened(tmp_path / "data") as hub:
        kept = film(hub, "1" * 64)
        with pytest.raises(RefusedError) as refused:
            erase_person(hub, guard, one.subject, NOW)
        assert refused.value.code == "erase_failed"
        assert not gone(hub, jobs, kept)
    assert guard.ledger.find(number) is not None


def test_nobody_of_that_id_is_said(guard: Guard, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as hub:
        kept = film(hub, "1" * 64)
        with pytest.raises(RefusedError) as refused:
            erase_person(hub, guard, "nobody", NOW)
        assert refused.value.code == "erase_unknown"
        assert not gone(hub, jobs, kept)
