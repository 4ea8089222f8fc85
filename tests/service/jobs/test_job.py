from __future__ import annotations

import pytest

from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.jobs import lifecycle as jobs
from tests.service import hubs
from tests.service.opening import SMILE, somebody

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


@pytest.mark.parametrize("id_", ["video_a\x00", "video_\ud800", "", "video_" + "A" * 26])
def test_what_is_no_id_is_not_there(hub: Hub, id_: str) -> None:
    with hub.database.read() as conn, pytest.raises(NotFoundError):
        jobs.get(conn, "tenant_a", id_)


def test_jobs_are_listed_by_time_a_page_at_a_time(hub: Hub) -> None:
    who = somebody(hub)
    ids = [jobs.submit(hub, who, SMILE, now=NOW + at).id for at in (0, 1, 1, 2)]
    with hub.database.read() as conn:
        newest = jobs.list_jobs(conn, who.tenant_id, 2)
        rest = jobs.list_jobs(conn, who.tenant_id, 5, after=newest[-1].id)
        oldest = jobs.list_jobs(conn, who.tenant_id, order="asc")
        after = jobs.list_jobs(conn, who.tenant_id, order="asc", after=oldest[1].id)
    assert [one.id for one in (*newest, *rest)] == [one.id for one in oldest][::-1]
    assert [one.id for one in after] == [one.id for one in oldest[2:]]
    assert sorted(ids) == sorted(one.id for one in oldest)
    assert newest[0].id == ids[3]
