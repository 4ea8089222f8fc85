"""Transactions of both databases do what they say, also when several processes are at it."""

import contextlib
import threading
import time
import traceback

import pytest
import sqlalchemy as sa
from dbos import DBOS, DBOSClient
from sqlalchemy.exc import DBAPIError, IntegrityError

from photoplay.errors import UnavailableError
from photoplay.service.ground import database as module
from photoplay.service.ground.database import Database, lock
from photoplay.service.ground.tables import balances, tenants, users
from tests.service.processes import PROCESSES, WRITES, together, write

ROW = {"id": "tenant_a", "name": "a", "plan": "free", "created_at": 1.0}


def count(database: Database) -> int:
    with database.read() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(tenants)).scalar_one()


def test_a_transaction_is_kept_or_undone_as_a_whole(either):
    with either.begin() as conn:
        conn.execute(tenants.insert().values(ROW))

    def half() -> None:
        with either.begin() as conn:
            conn.execute(tenants.insert().values(ROW | {"id": "tenant_b"}))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        half()
    assert count(either) == 1


def test_part_of_a_transaction_can_be_undone(either):
    with either.begin() as conn:
        conn.execute(tenants.insert().values(ROW))
        with pytest.raises(IntegrityError), conn.begin_nested():
            conn.execute(tenants.insert(), [ROW | {"id": "tenant_b"}, ROW])
    assert count(either) == 1


def test_nobody_commits_in_the_middle(either):
    with either.begin() as conn:
        conn.execute(tenants.insert().values(ROW))
        conn.commit()
        with pytest.raises(sa.exc.InvalidRequestError):  # it is noticed, rather than going on without a transaction
            conn.execute(tenants.insert().values(ROW | {"id": "tenant_b"}))
    assert count(either) == 1


def test_what_only_reads_cannot_write(either):
    with pytest.raises(DBAPIError), either.read() as conn:
        conn.execute(tenants.insert().values(ROW))
    assert count(either) == 0
    for _ in range(60):  # the connection that read writes again, whichever the pool hands out
        with either.begin() as conn:
            conn.execute(tenants.insert().values(ROW))
            conn.execute(tenants.delete())


def test_a_read_is_of_one_moment(either):
    with either.begin() as conn:
        conn.execute(tenants.insert().values(ROW))
    with either.read() as conn:
        before = conn.execute(sa.select(sa.func.count()).select_from(tenants)).scalar_one()
        with either.begin() as other:  # and keeps no writer waiting
            other.execute(tenants.insert().values(ROW | {"id": "tenant_b"}))
        after = conn.execute(sa.select(sa.func.count()).select_from(tenants)).scalar_one()
    assert (before, after, count(either)) == (1, 1, 2)


def test_rows_belong_to_somebody(either):
    with pytest.raises(IntegrityError), either.begin() as conn:
        conn.execute(
            users.insert().values(id="user_a", tenant_id="nobody", email="a@b.c", operator=False, created_at=1.0)
        )


def test_a_balance_cannot_fall_below_nothing(either):
    with pytest.raises(IntegrityError), either.begin() as conn:
        conn.execute(balances.insert().values(account="wallet:a", amount=-1))


def test_what_goes_wrong_tells_no_values(either):
    row = {"id": "u", "tenant_id": "none", "email": "somebody.private@example.org", "password": "$argon2id$private"}
    with pytest.raises(IntegrityError) as wrong, either.begin() as conn:
        conn.execute(sa.insert(users).values(**row, operator=False, created_at=1.0))
    assert "private" not in "".join(traceback.format_exception(wrong.value))


def test_who_holds_a_name_holds_it_alone(either):
    """Read, think, write: with the lock no thought is lost, on PostgreSQL neither."""
    with either.begin() as conn:
        conn.execute(balances.insert().values(account="a", amount=0))

    def add() -> None:
        for _ in range(10):
            with either.begin() as conn:
                lock(conn, "a")
                amount = conn.execute(sa.select(balances.c.amount)).scalar_one()
                time.sleep(0.001)
                conn.execute(balances.update().values(amount=amount + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with either.read() as conn:
        assert conn.execute(sa.select(balances.c.amount)).scalar_one() == 40


def test_four_processes_write_and_nobody_is_locked_out(either):
    with either.begin() as conn:
        conn.execute(balances.insert().values(account="a", amount=0))
    url = either.engine.url.render_as_string(hide_password=False)
    assert together(write, url, meanwhile=lambda: count(either)) == []  # and somebody reads all the while
    assert count(either) == PROCESSES * WRITES
    with either.read() as conn:
        assert conn.execute(sa.select(balances.c.amount)).scalar_one() == PROCESSES * WRITES


def test_many_threads_write_side_by_side(either):
    """More of them than there are connections."""
    failed = []

    def add(name: int) -> None:
        try:
            for number in range(5):
                with either.begin() as conn:
                    conn.execute(tenants.insert().values(ROW | {"id": f"tenant_{name}_{number}"}))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=(name,)) for name in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert count(either) == 150


def test_a_writer_within_a_writer_is_told_off_rather_than_stuck(database, monkeypatch):
    monkeypatch.setattr(module, "BUSY_MS", 50)
    with database.begin(), pytest.raises(UnavailableError) as refused, database.begin():
        pass
    assert refused.value.code == "database_busy"
    with database.begin() as conn:
        conn.execute(tenants.insert().values(ROW))


def test_a_process_without_a_free_connection_says_so(either, monkeypatch):
    monkeypatch.setattr(either.engine.pool, "_timeout", 0.05)
    with contextlib.ExitStack() as held:
        for _ in range(module.POOL + module.OVERFLOW):
            held.enter_context(either.read())
        with pytest.raises(UnavailableError) as refused, either.read():
            pass
    assert refused.value.code == "database_busy"
    assert count(either) == 0


def test_sqlite_is_set_up_for_several_processes(database):
    with database.engine.connect() as conn:
        told = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
        driver = conn.connection.driver_connection
        assert driver.isolation_level == "IMMEDIATE"  # what DBOS writes in
    assert told == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": module.BUSY_MS, "foreign_keys": 1}


def test_the_files_of_sqlite_are_this_users_alone(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/new/photoplay.db")
    with database.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE a (b INTEGER)")
        rights = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert rights == {"photoplay.db": 0o600, "photoplay.db-wal": 0o600, "photoplay.db-shm": 0o600}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    database.close()


def test_a_writer_that_waits_too_long_says_so(database, monkeypatch):
    monkeypatch.setattr(module, "BUSY_MS", 50)
    impatient = Database(str(database.engine.url))
    with database.begin(), pytest.raises(UnavailableError) as refused, impatient.begin():
        pass
    assert refused.value.code == "database_busy"
    with impatient.begin() as conn:  # and can write again
        conn.execute(tenants.insert().values(ROW))
    impatient.close()


def test_a_row_and_a_workflow_of_dbos_come_in_one_transaction(either):
    """DBOS's own BEGIN IMMEDIATE and ours do not meet."""
    DBOS.migrate(either.engine.url.render_as_string(hide_password=False))
    client = DBOSClient(system_database_engine=either.engine)
    options = {"workflow_name": "film", "queue_name": "films-pocket", "workflow_id": "video_a.1", "priority": 1}

    def half() -> None:
        with either.begin() as conn:
            conn.execute(tenants.insert().values(ROW))
            client.enqueue_in_transaction(conn, options)
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        half()
    assert (count(either), client.list_workflows()) == (0, [])
    with either.begin() as conn:
        conn.execute(tenants.insert().values(ROW))
        client.enqueue_in_transaction(conn, options)
    assert count(either) == 1
    assert [one.workflow_id for one in client.list_workflows()] == ["video_a.1"]
    client.destroy()
    either.migrate()  # and its tables are in nobody's way
    either.check()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "nothing",
        "",
        "://",
    ],
)
def test_other_databases_are_refused_without_repeating_the_address(url):
    with pytest.raises(UnavailableError) as refused:
        Database(url)
    assert refused.value.code == "database_unsupported"
    assert "hunter2" not in str(refused.value)


def test_a_database_that_cannot_be_reached_says_so_without_its_address():
    database = Database("postgresql://me:hunter2@127.0.0.1:9/films")
    for ask in (database.begin, database.read):
        with pytest.raises(UnavailableError) as refused, ask():
            pass
        assert refused.value.code == "database_down"
        assert not any(word in str(refused.value) for word in ("hunter2", "127.0.0.1", "films"))
    assert "hunter2" not in repr(database)
    assert "hunter2" not in repr(database.engine)


def test_a_file_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError) as refused:
        Database(f"sqlite:///{tmp_path}/file/photoplay.db")
    assert refused.value.code == "database_down"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "photo.db").write_bytes(b"this is a photo" * 100)
    with pytest.raises(UnavailableError) as refused, Database(f"sqlite:///{tmp_path}/photo.db").begin():
        pass
    assert refused.value.code == "database_down"


def test_who_writes_on_postgresql_sees_what_others_wrote(postgres):
    """READ COMMITTED, also on a connection that read at one moment before."""
    for _ in range(3):
        with postgres.read() as conn:
            assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
        with postgres.begin() as conn:
            assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


def test_a_process_that_went_silent_keeps_no_lock_on_postgresql(postgres):
    with postgres.read() as conn:
        assert conn.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "1min"
        assert conn.exec_driver_sql("SHOW application_name").scalar() == "photoplay"


def test_a_server_that_restarts_is_found_again(postgres, postgres_server):
    """Connections that died in the pool are not handed out."""
    assert count(postgres) == 0
    name = postgres.engine.url.database
    postgres_server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    assert count(postgres) == 0
