"""Transactions that begin at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, select

from photoplay.errors import PhotoplayError
from photoplay.service.ground.database import Database


def at_once(
    database: Database, tasks: Sequence[Callable[[Connection], object]], refused: tuple[type[PhotoplayError], ...] = ()
) -> list[object]:
    """What each task returned, or which of the errors ``refused`` it raised, all of them begun at the same moment in
    transactions of their own."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[Connection], object]) -> object:
        if database.is_sqlite:  # where one transaction at a time can begin
            barrier.wait(timeout=20)
        try:
            with database.begin() as conn:
                if not database.is_sqlite:
                    conn.execute(select(1))
                    barrier.wait(timeout=20)
                return task(conn)
        except refused as error:
            return error

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))
