from __future__ import annotations

from pathlib import Path

from photoplay.service.jobs import events
from photoplay.service.jobs import lifecycle as jobs
from tests.service.opening import SMILE, opened, somebody


def test_events_come_in_order_and_after_one_of_them(tmp_path: Path) -> None:
    with opened(tmp_path) as hub:
        who = somebody(hub)
        mine, other = jobs.submit(hub, who, SMILE, now=1.0e9), jobs.submit(hub, who, SMILE, now=1.0e9)
        for number in range(3):
            with hub.database.begin() as conn:
                events.tell(conn, mine.id, 1, "stage", {"done": number}, 1.0e9 + number)
                events.tell(conn, other.id, 1, "stage", {"done": 9}, 1.0e9)
        found = events.follow(hub, mine.id)
        assert [(one.kind, one.data.get("done")) for one in found] == [
            ("state", None),
            ("stage", 0),
            ("stage", 1),
            ("stage", 2),
        ]
        assert [one.seq for one in found] == sorted(one.seq for one in found)
        assert [one.data["done"] for one in events.follow(hub, mine.id, found[1].seq)] == [1, 2]
        assert [one.seq for one in events.follow(hub, mine.id, limit=2)] == [one.seq for one in found[:2]]
        assert found[3].at == 1.0e9 + 2
        assert events.follow(hub, mine.id, found[-1].seq) == []
