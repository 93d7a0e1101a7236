"""How a ClickHouse database differs from the schema at head, as sentences.

Alembic's comparison sees columns and types there, and calls a table clean whose order
of rows, partitions, engine, indexes or TTL are others; this looks at ``system.tables``.
A TTL is the operator's to set: it is a difference only where it is not by the entry's
own time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dblog.schema_clickhouse import COLUMN_TYPES, ORDER_BY, PARTITION_BY, SKIP_INDEXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from dblog.names import Names

__all__ = ["differences", "revision", "rows_table"]

_KEYS = {
    "logs": (", ".join(ORDER_BY), PARTITION_BY),
    "instances": ("instance_id", ""),
    "dead_letters": ("id", ""),
}
_TTL = re.compile(r"\bTTL (?P<terms>.+?)(?: SETTINGS |$)", re.DOTALL)
_BY_TIME = re.compile(r"toDateTime\(timestamp(?:, 'UTC')?\) \+")


def revision(connection: Connection, names: Names) -> str | None:
    """The revision in the version table; None where there is none."""
    if not _tables(connection, names, [names.version]):
        return None
    rows = connection.exec_driver_sql(f"SELECT DISTINCT version_num FROM {names.qualified(names.version)}").fetchall()  # noqa: S608 - a checked name
    return max((row[0] for row in rows), default=None)


def rows_table(connection: Connection, names: Names) -> str:
    """The unquoted name of the table that holds the entries: on a cluster ``logs`` itself holds none."""
    there = _tables(connection, names, [names.logs])
    return names.local if there and there[names.logs][0] == "Distributed" else names.logs


def differences(connection: Connection, names: Names) -> tuple[str, ...]:
    """What is not as it should be at head; empty where nothing is."""
    rows = rows_table(connection, names)
    tables = dict(zip(COLUMN_TYPES, (rows, names.instances, names.dead_letters), strict=True))
    there = _tables(connection, names, list(tables.values()))
    found: list[str] = []
    for kind, table in tables.items():
        if table not in there:
            found.append(f"the table {table} is missing")
            continue
        found += _of_table(kind, table, there[table])
        found += _of_columns(kind, table, _columns(connection, names, table))
    if rows in there:
        found += _of_indexes(rows, names, _indexes(connection, names, rows))
    return tuple(found)


def _of_table(kind: str, table: str, is_: tuple[str, ...]) -> Iterator[str]:
    engine, sorting_key, partition_key, full = is_
    order, partition = _KEYS[kind]
    if not engine.endswith("ReplacingMergeTree"):
        yield f"{table} is a {engine}, not a ReplacingMergeTree: a resent row stays there twice"
    if sorting_key != order:
        yield f"{table} is ordered by ({sorting_key}), not by ({order})"
    if partition_key != partition:
        yield f"{table} is partitioned by {partition_key or 'nothing'}, not by {partition or 'nothing'}"
    if kind == "logs" and not engine.startswith("Replicated") and "non_replicated_deduplication_window" not in full:
        yield f"{table} has no deduplication window: a resent batch is not recognised"
    if kind == "logs" and (ttl := _TTL.search(full)) and not _BY_TIME.match(ttl["terms"]):
        yield f"{table} has a TTL that is not by timestamp: {ttl['terms']}"


def _of_columns(kind: str, table: str, is_: dict[str, str]) -> Iterator[str]:
    for column, wanted in COLUMN_TYPES[kind].items():
        if column not in is_:
            yield f"{table} lacks the column {column}"
        elif is_[column] != wanted:
            yield f"{table}.{column} is {is_[column]}, not {wanted}"


def _of_indexes(table: str, names: Names, is_: dict[str, tuple[str, str]]) -> Iterator[str]:
    for suffix, (expression, kind) in SKIP_INDEXES.items():
        name = f"{names.logs}_{suffix}_idx"
        if name not in is_:
            yield f"{table} lacks the index {name}"
        elif is_[name] != (expression, kind):
            yield f"the index {name} is {is_[name][1]} on {is_[name][0]}, not {kind} on {expression}"


def _database(names: Names) -> str:
    return "currentDatabase()" if names.schema is None else f"'{names.schema}'"


def _tables(connection: Connection, names: Names, wanted: list[str]) -> dict[str, tuple[str, ...]]:
    """Name → engine, sorting key, partition key, and the engine in full."""
    rows = connection.exec_driver_sql(
        "SELECT name, engine, sorting_key, partition_key, engine_full FROM system.tables"  # noqa: S608 - checked names
        f" WHERE database = {_database(names)} AND name IN ({_listed(wanted)})"
    )
    return {row[0]: tuple(row[1:]) for row in rows.fetchall()}


def _columns(connection: Connection, names: Names, table: str) -> dict[str, str]:
    rows = connection.exec_driver_sql(
        f"SELECT name, type FROM system.columns WHERE database = {_database(names)} AND table = '{table}'"  # noqa: S608 - as above
    )
    return {row[0]: row[1] for row in rows.fetchall()}


def _indexes(connection: Connection, names: Names, table: str) -> dict[str, tuple[str, str]]:
    rows = connection.exec_driver_sql(
        "SELECT name, expr, type_full FROM system.data_skipping_indices"  # noqa: S608 - as above
        f" WHERE database = {_database(names)} AND table = '{table}'"
    )
    return {row[0]: (row[1], row[2]) for row in rows.fetchall()}


def _listed(wanted: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in wanted)
