"""What other processes do in the tests of the database: kept apart, so that they start quickly."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

from photoplay.service.ground.database import Database, lock
from photoplay.service.ground.tables import balances, tenants

PROCESSES, WRITES = 4, 50


def together(work: Callable, url: str, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """Lets processes do ``work`` on the database at ``url`` at once, and tells what failed."""
    spawn = multiprocessing.get_context("spawn")
    start, failed = spawn.Barrier(PROCESSES), spawn.Queue()
    started = [spawn.Process(target=_guarded, args=(work, url, name, start, failed)) for name in range(PROCESSES)]
    for process in started:
        process.start()
    while any(process.is_alive() for process in started):
        meanwhile()
        time.sleep(0.01)
    told = [failed.get() for _ in started]
    return [one for one in told if one] + [f"ended with {one.exitcode}" for one in started if one.exitcode]


def _guarded(work: Callable, url: str, name: int, start, failed) -> None:
    try:
        database = Database(url)
        start.wait(60)
        work(database, name)
        database.close()
        failed.put("")
    except Exception as error:
        failed.put(repr(error))


def write(database: Database, name: int) -> None:
    """Reads a sum, adds to it, and adds a row of its own, over and over."""
    for number in range(WRITES):
        with database.begin() as conn:
            lock(conn, "sum")
            amount = conn.execute(balances.select()).one().amount
            conn.execute(balances.update().values(amount=amount + 1))
            conn.execute(tenants.insert().values(id=f"tenant_{name}_{number}", name="a", plan="free", created_at=1.0))


def migrate(database: Database, _name: int) -> None:
    """Brings the tables to this version and looks whether they are."""
    database.migrate()
    database.check()
