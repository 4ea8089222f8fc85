from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select

from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.ground.rows import hold_tenant, insert_once
from photoplay.service.ground.tables import tenants

ANN = {"id": "ann", "name": "Ann", "plan": "free", "created_at": 1.0}


def test_a_row_is_inserted_once_and_the_first_stays(either: Database) -> None:
    with either.begin() as conn:
        assert insert_once(conn, tenants, ANN)
        assert not insert_once(conn, tenants, ANN | {"name": "Another"})
        assert insert_once(conn, tenants, ANN | {"id": "bob"})
        assert set(conn.execute(select(tenants.c.id, tenants.c.name))) == {("ann", "Ann"), ("bob", "Ann")}


def test_a_tenant_is_held_by_one_at_a_time(either: Database) -> None:
    with either.begin() as conn:
        conn.execute(insert(tenants).values(**ANN))

    def hold() -> None:
        with either.begin() as conn:
            hold_tenant(conn, "ann")

    with ThreadPoolExecutor(1) as pool:
        with either.begin() as conn:
            hold_tenant(conn, "ann")
            hold_tenant(conn, "ann")
            other = pool.submit(hold)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.3)
        other.result(timeout=20)


def test_who_is_not_there_cannot_be_held(either: Database) -> None:
    with pytest.raises(NotFoundError), either.begin() as conn:
        hold_tenant(conn, "nobody")
