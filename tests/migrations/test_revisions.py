"""The revisions themselves: up, down, up again, and equal to ``dblog.schema``, on both databases."""

from __future__ import annotations

import logging
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from dblog import migrate
from dblog.errors import ConfigurationError, StoreError
from dblog.schema import metadata_for, names_for
from dblog.url import async_url, dialect_of, sync_url

Target = dict[str, Any]


def targets(url: str) -> list[Target]:
    """The ways to name the tables that a database of this kind knows."""
    if dialect_of(url) == "sqlite":
        return [{}, {"table": "events"}]
    return [{}, {"table": "events"}, {"schema": "obs"}, {"schema": "My-Obs", "table": "Events"}]


def tables(url: str) -> set[str]:
    """Everything that is a table, in every schema, but the databases' own."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        schemas = set(inspector.get_schema_names()) - {"information_schema"}
        return {f"{schema}.{table}" for schema in schemas for table in inspector.get_table_names(schema=schema)}


def differences(url: str, schema: str | None = None, table: str = "logs") -> list[Any]:
    """What Alembic would change to make the database equal to ``metadata_for``."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    names = names_for(schema, table, dialect=engine.dialect.name)

    def include(name: str | None, kind: str, _: Any) -> bool:
        return name == schema if kind == "schema" else kind != "table" or name in {*names.tables, *names.rollups}

    with engine.connect() as connection:
        options = {"include_name": include, "include_schemas": schema is not None, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata_for(engine.dialect.name, schema=schema, table=table)))


def test_up_down_and_up_again(empty_database_url: str) -> None:
    """Down leaves nothing of ours, and up again builds the same, under every name."""
    url = empty_database_url
    for target in targets(url):
        migrate.upgrade(url, **target)
        built = tables(url)
        migrate.downgrade(url, **target)
        assert tables(url) == set()
        assert migrate.current(url, **target) is None
        migrate.upgrade(url, **target)
        assert tables(url) == built
        migrate.downgrade(url, **target)


def test_the_metadata_is_what_the_revisions_build(empty_database_url: str) -> None:
    """Nothing is left to autogenerate, types, nullability, defaults and indexes included."""
    for target in targets(empty_database_url):
        migrate.upgrade(empty_database_url, **target)
        assert differences(empty_database_url, **target) == []


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX logs_trace_idx",
        "ALTER TABLE logs ALTER xid DROP DEFAULT",
        "ALTER TABLE logs ALTER ingested_at SET DEFAULT clock_timestamp()",
        "ALTER TABLE logs ALTER message DROP NOT NULL",
        "ALTER TABLE logs ALTER seq TYPE integer",
    ],
)
def test_the_comparison_sees_a_difference(postgres_url: str, change: str) -> None:
    """So that an empty comparison means something."""
    engine = sa.create_engine(sync_url(postgres_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert len(differences(postgres_url)) == 1


def test_two_log_tables_share_a_database(empty_database_url: str) -> None:
    """Each has its version table: the second upgrade does not take the first's revision for its own."""
    migrate.upgrade(empty_database_url)
    migrate.upgrade(empty_database_url, table="events")
    migrate.downgrade(empty_database_url)
    assert migrate.check(empty_database_url, table="events").ok
    assert differences(empty_database_url, table="events") == []


def test_an_applications_own_alembic_version_is_left_alone(empty_database_url: str) -> None:
    """Its table and its revision survive our upgrade and downgrade."""
    engine = sa.create_engine(sync_url(empty_database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('app-7')")
    migrate.upgrade(empty_database_url)
    migrate.downgrade(empty_database_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [("app-7",)]


@pytest.mark.parametrize("table", ["logs", "log_instances", "log_dead_letters"])
def test_a_foreign_table_is_refused_and_untouched(empty_database_url: str, table: str) -> None:
    """A table of one of our names that we did not make stops the upgrade, which then leaves nothing behind."""
    engine = sa.create_engine(sync_url(empty_database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (mine INTEGER)")
    before = tables(empty_database_url)
    with pytest.raises(ConfigurationError, match=f"a table {table} that is not dblog's"):
        migrate.upgrade(empty_database_url)
    assert tables(empty_database_url) == before
    migrate.upgrade(empty_database_url, table="events")


def test_replicas_may_upgrade_at_the_same_time(empty_database_url: str) -> None:
    """Of several upgrades at once one builds, the others wait and find it built."""
    failed: list[BaseException] = []
    # dblog.migrate takes turns within a process, so each replica is a process in all but name: its own environment.
    code = f"from dblog import migrate; migrate.upgrade({empty_database_url!r})"

    def replica() -> None:
        import subprocess
        import sys

        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            failed.append(AssertionError(done.stderr))

    threads = [threading.Thread(target=replica) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert migrate.check(empty_database_url).ok


def test_progress_tells_each_revision(empty_database_url: str) -> None:
    """The callback gets one step per revision, up and down, and each reads as a line."""
    steps: list[migrate.Step] = []
    migrate.upgrade(empty_database_url, progress=steps.append)
    migrate.upgrade(empty_database_url, progress=steps.append)
    migrate.downgrade(empty_database_url, progress=steps.append)
    assert [(step.revision, step.upgrade) for step in steps] == [
        *((each, True) for each in ("0001", "0002")),
        *((each, False) for each in ("0002", "0001")),
    ]
    assert str(steps[0]).startswith("upgraded to 0001 (Create logs")


def test_check_tells_missing_behind_head_and_ahead(empty_database_url: str) -> None:
    """Only head, and what a newer dblog left, is ok; otherwise it says what to run."""
    missing = migrate.check(empty_database_url)
    assert (missing.ok, missing.current) == (False, None)
    assert "run `dblog upgrade`" in str(missing)
    migrate.upgrade(empty_database_url)
    assert migrate.check(empty_database_url).ok
    engine = sa.create_engine(sync_url(empty_database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dblog_version SET version_num = '9999'")
    ahead = migrate.check(empty_database_url)
    assert (ahead.ok, ahead.known) == (True, False)
    behind = migrate.Check(current="0001", head="0002", known=True)
    assert not behind.ok
    assert "run `dblog upgrade`" in str(behind)


def test_the_users_logging_is_left_alone(empty_database_url: str) -> None:
    """No handler, level or propagation changes, and no logger is disabled."""
    application = logging.getLogger("an.application")
    before = (logging.root.level, logging.root.handlers[:], logging.getLogger("alembic").handlers[:])
    migrate.upgrade(empty_database_url)
    assert (logging.root.level, logging.root.handlers, logging.getLogger("alembic").handlers) == before
    assert not application.disabled


def test_engines_are_taken_too(empty_database_url: str) -> None:
    """A synchronous engine is used as it is; of an asynchronous one, its URL."""
    engine = sa.create_engine(sync_url(empty_database_url))
    migrate.upgrade(engine)
    assert migrate.check(create_async_engine(async_url(empty_database_url))).ok
    engine.dispose()


def test_looking_makes_no_file(empty_sqlite_url: str) -> None:
    """``check`` and ``current`` of a missing SQLite file leave it missing."""
    assert migrate.current(empty_sqlite_url) is None
    assert not Path(str(sync_url(empty_sqlite_url).database)).exists()


def test_a_new_file_is_its_owners_only(empty_sqlite_url: str) -> None:
    """``upgrade`` makes it with mode 0600, whatever the umask allows."""
    migrate.upgrade(empty_sqlite_url)
    path = Path(str(sync_url(empty_sqlite_url).database))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sqlite_stamps_now_in_microseconds(sqlite_url: str) -> None:
    """The default of ``ingested_at`` is the present time, to the millisecond, in µs."""
    import time

    engine = sa.create_engine(sync_url(sqlite_url), poolclass=sa.NullPool)
    before = time.time_ns() // 1_000_000
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO logs (timestamp, id, level, severity, logger, message) VALUES (1, x'00', '', 1, '', '')"
        )
        stamped = connection.exec_driver_sql("SELECT ingested_at FROM logs").scalar_one()
    assert before - 1 <= stamped / 1000 <= time.time_ns() // 1_000_000 + 1


def test_no_default_slows_a_copy_down(postgres_url: str) -> None:
    """No default is volatile: with one, COPY inserts row by row."""
    engine = sa.create_engine(sync_url(postgres_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        used = connection.exec_driver_sql(
            "SELECT proname, provolatile::text FROM pg_proc"
            " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN ('now', 'pg_current_xact_id')"
        ).all()
    assert set(used) == {("now", "s"), ("pg_current_xact_id", "s")}


@pytest.mark.parametrize(
    "bad", [{"table": "logs; DROP"}, {"table": ""}, {"table": "x" * 41}, {"schema": 'a"b'}, {"schema": "$x$"}]
)
def test_names_that_cannot_be_names(empty_postgres_url: str, bad: Target) -> None:
    """They are refused by the option's name, before anything is executed."""
    with pytest.raises(ConfigurationError, match=f"{next(iter(bad))}="):
        migrate.upgrade(empty_postgres_url, **bad)


def test_a_schema_is_for_postgres(empty_sqlite_url: str) -> None:
    """SQLite refuses ``schema=`` and names the way out."""
    with pytest.raises(ConfigurationError, match="use table="):
        migrate.upgrade(empty_sqlite_url, schema="obs")


def test_a_database_that_is_away_is_a_store_error() -> None:
    """It names the place and hides the password."""
    with pytest.raises(StoreError, match="the database cannot be reached") as refused:
        migrate.upgrade("postgresql://someone:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(refused.value)


def test_owns_knows_our_relations() -> None:
    """For an application's ``include_name``: tables, version table and partitions, and nothing else."""
    names = names_for()
    ours = ("logs", "log_instances", "log_dead_letters", "dblog_version", "logs_20250131")
    assert all(names.owns(name) for name in ours)
    assert not any(names.owns(name) for name in ("logs_old", "logs_2025", "users", "alembic_version"))
