"""The chain of revisions on ClickHouse, and what ``check`` sees that Alembic does not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dblog import drift, migrate
from dblog.admin.doctor import Place, examine
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.grants import grants
from dblog.names import names_for
from dblog.schema import metadata_for

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = {"logs", "log_instances", "log_dead_letters", "dblog_version"}


def tables(engine: Any) -> set[str]:
    return {row[0] for row in engine.query("SHOW TABLES").result_rows}


def test_up_and_down_and_up_again(empty_url: str, engine: Any) -> None:
    """Nothing of ours is left by ``base``, and each end is where ``check`` says."""
    assert migrate.current(empty_url) is None
    assert not migrate.check(empty_url).ok
    for _ in range(2):
        steps: list[migrate.Step] = []
        migrate.upgrade(empty_url, progress=steps.append)
        assert [(step.revision, step.upgrade) for step in steps] == [("0001", True)]
        assert tables(engine) == TABLES
        assert migrate.check(empty_url).ok
        migrate.downgrade(empty_url)
        assert tables(engine) == set()
    assert migrate.current(empty_url) is None


def test_two_sets_of_tables_share_a_database_and_an_application_has_its_own_version_table(
    empty_url: str, engine: Any
) -> None:
    """Names follow from the table's; nothing else there is touched."""
    engine.command("CREATE TABLE alembic_version (version_num String) ENGINE = MergeTree ORDER BY version_num")
    engine.command("INSERT INTO alembic_version VALUES ('theirs')")
    migrate.upgrade(empty_url)
    migrate.upgrade(empty_url, table="events")
    assert migrate.check(empty_url, table="events").ok
    migrate.downgrade(empty_url, table="events")
    assert tables(engine) == TABLES | {"alembic_version"}
    assert engine.query("SELECT version_num FROM alembic_version").result_rows == [("theirs",)]


def test_a_database_that_is_named_is_made(empty_url: str, engine: Any) -> None:
    """As a schema of Postgres is."""
    database = f"{engine.database}_named"
    try:
        migrate.upgrade(empty_url, schema=database)
        assert migrate.check(empty_url, schema=database).ok
        assert tables(engine) == set()
    finally:
        engine.command(f"DROP DATABASE IF EXISTS {database}")


def test_a_version_that_two_upgrades_have_written_is_one(empty_url: str) -> None:
    """There are no locks: both may write it, and both rows go again by ``downgrade``."""
    engines = [sa.create_engine(empty_url, poolclass=sa.NullPool) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for engine in engines]
        for connection in connections:
            connection.exec_driver_sql(
                "CREATE TABLE IF NOT EXISTS dblog_version (version_num String)"
                " ENGINE = ReplacingMergeTree ORDER BY version_num"
            )
            connection.exec_driver_sql("INSERT INTO dblog_version VALUES ('0001')")
    assert migrate.current(empty_url) == "0001"
    migrate.downgrade(empty_url)
    assert migrate.current(empty_url) is None


def test_an_upgrade_that_stopped_half_way_is_run_again(empty_url: str, engine: Any) -> None:
    """There are no transactions: the tables it made are its own, and are there."""
    migrate.upgrade(empty_url)
    engine.command("DROP TABLE log_dead_letters SYNC")
    engine.command("TRUNCATE TABLE dblog_version")
    migrate.upgrade(empty_url)
    assert migrate.check(empty_url).ok


def test_a_table_of_somebody_elses_is_not_taken(empty_url: str, engine: Any) -> None:
    """Nothing is made then."""
    engine.command("CREATE TABLE log_instances (a Int8) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(ConfigurationError, match="log_instances that is not dblog's"):
        migrate.upgrade(empty_url)
    assert "logs" not in tables(engine)


def test_the_metadata_describes_what_the_revisions_built(empty_url: str) -> None:
    """Alembic finds no column and no type of the two to differ."""
    migrate.upgrade(empty_url)
    names = names_for(dialect="clickhouse")
    engine = sa.create_engine(empty_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in names.tables}
        )
        assert compare_metadata(context, metadata_for("clickhouse")) == []
        assert drift.differences(connection, names) == ()


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["ALTER TABLE logs DROP COLUMN template"], "logs lacks the column template"),
        (["ALTER TABLE logs MODIFY COLUMN pid Nullable(Int64)"], "logs.pid is Nullable(Int64), not Nullable(Int32)"),
        (["ALTER TABLE logs DROP INDEX logs_message_idx"], "logs lacks the index logs_message_idx"),
        (
            [
                "ALTER TABLE logs DROP INDEX logs_trace_idx",
                "ALTER TABLE logs ADD INDEX logs_trace_idx trace_id TYPE minmax",
            ],
            "the index logs_trace_idx is minmax on trace_id, not bloom_filter(0.001) on trace_id",
        ),
        (["ALTER TABLE logs MODIFY TTL toDateTime(ingested_at) + INTERVAL 1 DAY"], "a TTL that is not by timestamp"),
        (["ALTER TABLE logs RESET SETTING non_replicated_deduplication_window"], "a resent batch is not recognised"),
        (["DROP TABLE log_dead_letters"], "the table log_dead_letters is missing"),
        (
            [
                "CREATE TABLE other AS logs ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY id",
                "EXCHANGE TABLES other AND logs",
            ],
            "not a ReplacingMergeTree",
        ),
        (
            [
                "CREATE TABLE other AS logs ENGINE = ReplacingMergeTree() PARTITION BY toYear(timestamp) ORDER BY id",
                "EXCHANGE TABLES other AND logs",
            ],
            """ordered by (id), not by (timestamp, toUInt128(id))
  logs is partitioned by toYear(timestamp), not by toDate32(timestamp)""",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_as_it_should_be_is_named(empty_url: str, engine: Any, statements: list[str], said: str) -> None:
    """By ``check``, which is not ok then; Alembic calls half of it clean."""
    migrate.upgrade(empty_url)
    for statement in statements:
        engine.command(statement)
    found = migrate.check(empty_url)
    assert not found.ok
    assert said in str(found)


def test_an_operators_ttl_is_no_difference(empty_url: str, engine: Any) -> None:
    """By the entry's time, for all rows or by severity."""
    migrate.upgrade(empty_url)
    engine.command("ALTER TABLE logs MODIFY TTL toDateTime(timestamp) + INTERVAL 30 DAY")
    assert migrate.check(empty_url).ok
    engine.command(
        "ALTER TABLE logs MODIFY TTL toDateTime(timestamp) + INTERVAL 1 DAY DELETE WHERE severity < 9,"
        " toDateTime(timestamp) + INTERVAL 90 DAY"
    )
    assert migrate.check(empty_url).ok


def test_a_database_that_is_not_there_is_said(empty_url: str) -> None:
    """In our words, with the URL, and as a mistake of configuration."""
    with pytest.raises(StoreError, match="the database does not exist") as caught:
        migrate.upgrade(empty_url.replace(":///", ":///no_"))
    assert caught.value.kind is ErrorClass.CONFIGURATION


def test_the_layout_of_a_cluster_is_sql_to_the_engine(engine: Any) -> None:
    """Every statement of it is parsed; it is replicated, spread, and at head."""
    sql = migrate.cluster_sql("clickhouse://h/logsdb", cluster="prod", table="events")
    statements = list(_statements(sql))
    for statement in statements:
        assert engine.query("SELECT formatQuery({q:String})", parameters={"q": statement}).result_rows[0][0]
    everywhere = [statement for statement in statements if "'/clickhouse/tables/all/" in statement]
    assert len(everywhere) == 3
    assert all("ON CLUSTER 'prod'" in statement for statement in statements if statement.startswith("CREATE"))
    assert "Distributed('prod', 'logsdb', 'events_local', cityHash64(id))" in sql
    assert statements[-1].startswith("INSERT INTO `logsdb`.`events_dblog_version`")


def test_the_rows_of_a_cluster_are_as_those_of_one_server(empty_url: str, engine: Any) -> None:
    """What its SQL builds without Keeper and ON CLUSTER, which the engine here has not, has nothing to differ."""
    sql = migrate.cluster_sql("clickhouse://h/logsdb", cluster="prod")
    for statement in _statements(sql):
        single = statement.replace(" ON CLUSTER 'prod'", "").replace('"logsdb".', "").replace("`logsdb`.", "")
        for path in (
            "'/clickhouse/tables/all/{database}/{table}', '{shard}_{replica}'",
            "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'",
        ):
            single = single.replace(f"({path}, ", "(").replace(f"({path})", "()")
        single = single.replace("ReplicatedReplacingMergeTree", "ReplacingMergeTree")
        if "CREATE DATABASE" not in single and "Distributed" not in single:
            engine.command(single)
    engine.command("RENAME TABLE logs_local TO logs")
    found = migrate.check(empty_url)
    assert found.differences == ("logs has no deduplication window: a resent batch is not recognised",)


def _statements(sql: str) -> Iterator[str]:
    for piece in sql.split(";\n"):
        lines = [line for line in piece.splitlines() if line and not line.startswith("--")]
        if lines:
            yield "\n".join(lines)


def test_grants_are_sql_to_the_engine(engine: Any) -> None:
    """With and without a database; a writer is given every column it sends, and not the one it could forge."""
    for schema in (None, "obs"):
        sql = grants("clickhouse", writer="w", reader="r", admin="a", schema=schema)
        for statement in _statements(sql):
            assert engine.query("SELECT formatQuery({q:String})", parameters={"q": statement}).result_rows[0][0]
        assert '"message"' in sql
        assert "ingested_at" not in sql


def test_the_doctor_knows_its_way_about(empty_url: str, engine: Any) -> None:
    """Before and after the upgrade, with a TTL, and with rows of a writer that is not yet merged."""
    before = [str(finding.what) for finding in examine(Place(url=empty_url, login=lambda: empty_url, source="a test"))]
    assert any("missing: logs" in what for what in before)
    migrate.upgrade(empty_url)
    engine.command("ALTER TABLE logs MODIFY TTL toDateTime(timestamp) + INTERVAL 30 DAY")
    for seen, state in ((100, "UP"), (0, "UP")):
        engine.command(
            "INSERT INTO log_instances (instance_id, started_at, last_seen, state) VALUES"
            f" ('0198f000-1234-7001-8000-0123456789ab', now64(6), now64(6) - INTERVAL {seen} SECOND, '{state}')"
        )
    found = list(examine(Place(url=empty_url, login=lambda: empty_url, source="a test")))
    assert {finding.status for finding in found} <= {"ok", "warn"}
    said = "\n".join(finding.what for finding in found)
    for words in ("ClickHouse 2", "deleted by TTL", "no replica is behind", "every writer of the last day", "at head"):
        assert words in said
