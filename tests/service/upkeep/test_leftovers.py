"""What a crash leaves behind goes; what anybody still needs stays."""

from __future__ import annotations

import os
import time

import pytest
from sqlalchemy import update

from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs, uploads
from photoplay.service.upkeep import leftovers
from photoplay.service.upkeep.leftovers import HOUR, RESUMABLE
from tests.service import hubs, rowmaking

hub = hubs.alone


@pytest.fixture
def who(hub: Hub) -> str:
    with hub.database.begin() as conn:
        return rowmaking.tenant(conn, time.time())


def put(hub: Hub, key: str, age: float = HOUR + 60) -> str:
    """An object of that age, on the clock on the wall."""
    hub.store.put(key, b"pixels", "image/png")
    at = time.time() - age
    os.utime(hub.settings.data / "store" / key, (at, at))
    return key


def test_objects_that_no_row_knows_go_after_an_hour(hub: Hub, who: str) -> None:
    now = time.time()
    with hub.database.begin() as conn:
        film = rowmaking.job(conn, who, now - 100, state="completed", finished_at=now)
        named = {"key": f"films/{who}/{film}/1/1/film.mp4", "thumbnail": f"films/{who}/{film}/1/1/thumbnail.png"}
        conn.execute(update(jobs).where(jobs.c.id == film).values(film=named))
        running = rowmaking.job(conn, who, now - 9000, state="running")
        failed = rowmaking.job(conn, who, now - 9000, state="failed", finished_at=now)
        photo = rowmaking.upload(conn, who, now)
    kept = [
        f"uploads/{who}/{photo}",
        f"previews/{who}/{photo}/picture.webp",
        f"previews/{who}/{photo}/{photo}/moving/kiss.webp",
        f"films/{who}/{film}/1/1/film.mp4",
        f"films/{who}/{film}/1/1/thumbnail.png",
        f"films/{who}/{running}/1/1/film.mp4",
        f"films/{who}/{running}/1/preview.png",
        "other/thing",
    ]
    lost = [
        f"uploads/{who}/upload_{'a' * 26}",
        f"previews/{who}/{photo}/upload_{'a' * 26}/moving/kiss.webp",
        f"previews/{who}/stray.webp",
        f"films/{who}/{film}/1/2/film.mp4",  # another attempt's
        f"films/{who}/{film}/1/preview.png",
        f"films/{who}/{failed}/1/1/film.mp4",
        f"films/{who}/video_{'a' * 26}/1/1/film.mp4",
        "films/stray",
    ]
    young = f"films/{who}/video_{'b' * 26}/1/1/film.mp4"
    for key in (*kept, *lost, young):
        put(hub, key, HOUR + 60 if key != young else HOUR - 60)
    assert leftovers.objects(hub, now) == len(lost)
    assert set(hub.store.list()) == {*kept, young}
    assert leftovers.objects(hub, now) == 0


def test_what_was_deleted_keeps_nothing(hub: Hub, who: str) -> None:
    now = time.time()
    with hub.database.begin() as conn:
        photo, other = (rowmaking.upload(conn, who, now) for _ in range(2))
        running = rowmaking.job(conn, who, now, state="running", deleted_at=now)
        conn.execute(update(uploads).where(uploads.c.id == other).values(deleted_at=now))
    kept = put(hub, f"previews/{who}/{photo}/moving/nod.webp")
    for key in (f"uploads/{who}/{other}", f"previews/{who}/{photo}/{other}/x.webp", f"films/{who}/{running}/1/1/a.mp4"):
        put(hub, key)
    assert leftovers.objects(hub, now) == 3
    assert list(hub.store.list()) == [kept]


def test_more_than_one_batch_is_looked_through(hub: Hub, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 2)
    with hub.database.begin() as conn:
        photos = [rowmaking.upload(conn, who, time.time()) for _ in range(3)]
    kept = {put(hub, f"uploads/{who}/{one}") for one in photos}
    for number in range(4):
        put(hub, f"uploads/{who}/upload_{number}")
    assert leftovers.objects(hub, time.time()) == 4
    assert set(hub.store.list()) == kept
    for name in ("video_a", "video_b", "video_c"):
        (hub.settings.work / name).mkdir(parents=True)
        os.utime(hub.settings.work / name, (0, 0))
    assert leftovers.folders(hub, time.time()) == 3


def test_where_nothing_was_made_yet_there_is_nothing_to_do(hub: Hub) -> None:
    assert not hub.settings.work.exists()
    assert (leftovers.objects(hub, time.time()), leftovers.folders(hub, time.time())) == (0, 0)


def test_work_folders_stay_as_long_as_somebody_can_go_on_in_them(hub: Hub, who: str) -> None:
    now = time.time()
    ages = {"completed": HOUR, "failed": RESUMABLE, "cancelled": RESUMABLE}
    ids: dict[str, tuple[str, str]] = {}
    with hub.database.begin() as conn:
        for state, age in ages.items():
            given = {"state": state, "expires_at": now + 9 * RESUMABLE}
            ids[state] = (
                rowmaking.job(conn, who, now - 2 * RESUMABLE, finished_at=now - age - 60, **given),
                rowmaking.job(conn, who, now - 2 * RESUMABLE, finished_at=now - age + 60, **given),
            )
        running = rowmaking.job(conn, who, now - 2 * RESUMABLE, state="running")
    gone = {*(pair[0] for pair in ids.values()), "video_unknown"}
    stay = {*(pair[1] for pair in ids.values()), running, "video_young", "models"}
    for name in gone | stay:
        (hub.settings.work / name / "windows").mkdir(parents=True)
        (hub.settings.work / name / "windows" / "0.npy").write_bytes(b"0")
        at = now - (HOUR + 60 if name != "video_young" else 60)
        os.utime(hub.settings.work / name, (at, at))
    assert leftovers.folders(hub, now) == len(gone)
    assert {path.name for path in hub.settings.work.iterdir()} == stay
