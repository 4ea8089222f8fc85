"""The migrations make exactly the tables of tables.metadata, once, however many processes start together."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from photoplay.errors import UnavailableError
from photoplay.service.ground.database import Database
from photoplay.service.ground.migrations import VERSION_TABLE
from photoplay.service.ground.tables import metadata
from tests.service.processes import migrate, together


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, tmp_path):
    """A database that nobody has migrated."""
    url = f"sqlite:///{tmp_path}/photoplay.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    yield database
    database.close()


def shape(database: Database) -> dict:
    """Everything that a database tells about its tables, except who made them."""
    inspector = sa.inspect(database.engine)
    told = {}
    for name in sorted(set(inspector.get_table_names()) - {VERSION_TABLE}):
        told[name] = {
            "columns": [(one["name"], str(one["type"]), one["nullable"]) for one in inspector.get_columns(name)],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": sorted(inspector.get_foreign_keys(name), key=str),
            "unique": sorted(inspector.get_unique_constraints(name), key=str),
            "indexes": sorted(inspector.get_indexes(name), key=str),
            "checks": sorted(
                (one["name"], re.sub(r"[()\s]|::\w+", "", one["sqltext"]))
                for one in inspector.get_check_constraints(name)
            ),
        }
    return told


def test_migrating_makes_the_tables_of_the_metadata(empty):
    empty.migrate()
    with empty.engine.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, metadata) == []
    migrated = shape(empty)
    with empty.begin() as conn:
        conn.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
        metadata.drop_all(conn)
        metadata.create_all(conn)
    assert migrated == shape(empty)
    assert set(migrated) == set(metadata.tables)


def test_migrating_twice_changes_nothing(empty):
    empty.migrate()
    before = shape(empty)
    empty.migrate()
    assert shape(empty) == before


def test_processes_that_start_at_once_migrate_once(empty):
    if empty.is_sqlite:  # not even the file is there
        Path(empty.engine.url.database).unlink()
    assert together(migrate, empty.engine.url.render_as_string(hide_password=False)) == []
    with empty.read() as conn:
        assert conn.exec_driver_sql(f"SELECT count(*) FROM {VERSION_TABLE}").scalar() == 1


def test_a_migration_that_fails_leaves_nothing(empty):
    with empty.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE workers (id INTEGER)")  # in the way of one of the last tables
    with pytest.raises(sa.exc.DBAPIError):
        empty.migrate()
    assert sa.inspect(empty.engine).get_table_names() == ["workers"]


def test_a_database_that_is_not_migrated_fails_the_check(empty):
    with pytest.raises(UnavailableError) as refused:
        empty.check()
    assert refused.value.code == "database_unmigrated"
    empty.migrate()
    empty.check()


def test_a_database_of_another_version_is_left_alone(empty):
    empty.migrate()
    with empty.begin() as conn:
        conn.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for ask, code in ((empty.migrate, "database_newer"), (empty.check, "database_unmigrated")):
        with pytest.raises(UnavailableError) as refused:
            ask()
        assert refused.value.code == code
