"""Conditions are written so that both databases can use dblog's indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg.sql import Literal

from dblog.query import tree as t
from dblog.query.fields import COLUMNS
from tests.querystores import COMPILERS, DIALECTS, TABLES, parameters, select
from tests.querytrees import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.query.tree import Node
    from tests.querystores import Stores

_WARNINGS = t.Range(COLUMNS["level"], 13)
_INDEXED = [
    (_WARNINGS, "warning_idx", "severity >= 13"),
    (t.Equal(COLUMNS["level"], 17), "warning_idx", "severity >= 13"),
    (t.Range(COLUMNS["severity"], 17, 20), "warning_idx", "severity >= 13"),
    (t.Like(COLUMNS["trace_id"], ("abC",)), "trace_idx", "trace_id"),
    (t.Equal(COLUMNS["trace_id"], "abc"), "trace_idx", "trace_id"),
    (t.Range(COLUMNS["timestamp"], START, START + 5, high_open=True), "timestamp_id_idx", "timestamp"),
    (t.And((t.Range(COLUMNS["timestamp"], START), _WARNINGS)), "warning_idx", "severity >= 13"),
]


@pytest.fixture(scope="module")
def filled(stores: Stores) -> Iterator[Stores]:
    """Both databases with rows enough that an index is worth its while."""
    sqlite_connection, postgres = (stores.connections[dialect] for dialect in DIALECTS)
    with sqlite_connection.begin() as one, postgres.begin() as other:
        columns = "INSERT INTO logs (timestamp, id, level, severity, logger, message, trace_id) "
        sqlite_connection.exec_driver_sql(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) {columns}"
            f"SELECT {START} + i, randomblob(16), '', CASE WHEN i % 300 = 0 THEN 17 ELSE 9 END, '', '', i FROM n"
        )
        postgres.exec_driver_sql(
            f"{columns} SELECT timestamptz '2026-01-15 12:00Z' + i * interval '1 microsecond', gen_random_uuid(), '', "
            "CASE WHEN mod(i, 300) = 0 THEN 17 ELSE 9 END, '', '', i FROM generate_series(1, 3000) AS i"
        )
        for connection in (sqlite_connection, postgres):
            connection.exec_driver_sql("ANALYZE logs")
        yield stores
        one.rollback()
        other.rollback()


@pytest.mark.parametrize(("tree", "index", "_"), _INDEXED)
def test_sqlite_uses_its_indexes(filled: Stores, tree: Node, index: str, _: str) -> None:
    """A newest-first page of errors, of a trace, of a span of time reads an index, and sorts nothing more."""
    table = TABLES["sqlite"]
    page = select(tree, "sqlite").order_by(table.c.timestamp.desc(), table.c.id.desc()).limit(200)
    compiled = page.compile(dialect=COMPILERS["sqlite"])
    plan = filled.connections["sqlite"].exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters(compiled))
    assert any(f"INDEX logs_{index}" in row[3] for row in plan)


@pytest.mark.parametrize(("tree", "_", "definition"), _INDEXED)
def test_postgres_uses_its_indexes(filled: Stores, tree: Node, _: str, definition: str) -> None:
    """Likewise, and with a generic plan, which does not know the parameters."""
    connection, table = filled.connections["postgresql"], TABLES["postgresql"]
    page = select(tree, "postgresql").order_by(table.c.timestamp.desc(), table.c.id.desc()).limit(200)
    compiled = page.compile(dialect=COMPILERS["asyncpg"])
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    connection.exec_driver_sql(f"PREPARE page AS {compiled}".replace("%", "%%"))
    bound = ", ".join(Literal(value).as_string() for value in parameters(compiled))
    plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) EXECUTE page({bound})")]
    connection.exec_driver_sql("DEALLOCATE page")
    asked = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'day'"
    indexes = {row[0]: row[1] for row in connection.exec_driver_sql(asked)}
    used = [definition for name, definition in indexes.items() if any(name in line.split() for line in plan)]
    assert any(definition in text for text in used), plan
