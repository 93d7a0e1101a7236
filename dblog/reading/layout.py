"""How the table lies on the disk: partitions, indexes, the schema's revision; read from the catalog, as any role may.

What a database cannot tell is None, and not made up: SQLite knows no size of an index without reading the file.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from dblog.errors import ErrorClass, StoreUnavailable
from dblog.reading.figures import size
from dblog.reading.rows import micros

if TYPE_CHECKING:
    from dblog.reading.session import Sessions

__all__ = ["Index", "Layout", "Partition", "layout"]


@dataclass(frozen=True, slots=True)
class Partition:
    """One day's table (PostgreSQL), or one day's parts (ClickHouse)."""

    name: str
    day: dt.date | None
    """UTC; None of one that is not named after a day."""
    attached: bool
    """False: on its way out, or left behind by somebody who dropped it halfway; its rows are not read."""
    rows: int | None
    """The planner's estimate; None where it has none."""
    bytes: int
    """On disk, with its indexes."""


@dataclass(frozen=True, slots=True)
class Index:
    """One index of the table."""

    name: str
    definition: str
    """What is in it, as the database writes it: ``btree (trace_id, "timestamp") WHERE …``."""
    unique: bool
    valid: bool
    """False: it was not built to its end, and answers nothing."""
    bytes: int | None
    """On disk, in all partitions."""
    scans: int | None
    """How often it was used since the server's statistics began."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The table as the database keeps it."""

    revision: str | None
    """Of the schema; None where the role may not read it, or nobody has written it."""
    bytes: int
    """On disk: the table with its indexes; the whole file for SQLite; what this server has for ClickHouse."""
    free: int | None
    """Bytes of the SQLite file that hold nothing; None elsewhere."""
    dead: int | None
    """Rows that were deleted and not yet vacuumed, as PostgreSQL estimates; None elsewhere."""
    vacuumed: int | None
    """When the last vacuum of any partition was, in µs since 1970 UTC."""
    partitions: tuple[Partition, ...] | None
    """The oldest first; None on SQLite, which has none."""
    indexes: tuple[Index, ...]


_TREE: Final = "pg_partition_tree(CAST(CAST(:table AS text) AS regclass))"
_PARTITIONS: Final = sa.text("""
    SELECT c.relname::text AS name, i.inhrelid IS NOT NULL AND NOT i.inhdetachpending AS attached,
           c.reltuples::float8 AS rows, coalesce(pg_total_relation_size(c.oid), 0) AS bytes
    FROM pg_class p JOIN pg_class c
      ON c.relnamespace = p.relnamespace AND c.relkind = 'r' AND starts_with(c.relname, p.relname || '_')
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid
    WHERE p.oid = CAST(CAST(:table AS text) AS regclass)
    ORDER BY 1 LIMIT 10000
""")
_INDEXES: Final = sa.text("""
    SELECT c.relname::text AS name, pg_get_indexdef(x.indexrelid) AS definition, x.indisunique AS "unique",
           x.indisvalid AS valid, sum(pg_relation_size(leaf.relid))::bigint AS bytes, sum(s.idx_scan)::bigint AS scans
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    CROSS JOIN LATERAL pg_partition_tree(x.indexrelid) leaf
    LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = leaf.relid
    WHERE x.indrelid = CAST(CAST(:table AS text) AS regclass)
    GROUP BY 1, 2, 3, 4 ORDER BY 1 LIMIT 1000
""")
_VACUUM: Final = sa.text(f"""
    SELECT sum(s.n_dead_tup)::bigint AS dead, max(greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed
    FROM {_TREE} leaf JOIN pg_stat_all_tables s ON s.relid = leaf.relid LIMIT 1
""")  # noqa: S608 - a constant
_SQLITE_INDEXES: Final = sa.text("""
    SELECT name, sql AS definition FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL
    ORDER BY name LIMIT 1000
""")
_FREE: Final = sa.text("SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size() LIMIT 1")


async def layout(sessions: Sessions) -> Layout:
    """See ``LogReader.layout``."""
    revision, whole = await _revision(sessions), await size(sessions)
    if sessions.dialect == "clickhouse":
        from dblog.reading.layout_clickhouse import clickhouse_layout  # noqa: PLC0415 - one of three

        return await clickhouse_layout(sessions, revision, whole)
    if sessions.dialect == "sqlite":
        free = int((await sessions.run(_FREE))[0][0])
        found = await sessions.run(_SQLITE_INDEXES, {"table": sessions.names.logs})
        indexes = tuple(_sqlite_index(row) for row in found)
        return Layout(revision, whole, free, None, None, None, indexes)
    named = {"table": sessions.names.qualified(sessions.names.logs)}
    vacuum = (await sessions.run(_VACUUM, named))[0]
    days = re.compile(rf"{re.escape(sessions.names.logs)}_(\d{{4}})(\d\d)(\d\d)")
    partitions = [_partition(row, days) for row in await sessions.run(_PARTITIONS, named)]
    indexes = tuple(_index(row) for row in await sessions.run(_INDEXES, named))
    # What is neither a day nor attached is a table of somebody else's, or one of ours beside the log.
    kept = tuple(each for each in partitions if each.attached or each.day is not None)
    return Layout(revision, whole, None, vacuum.dead, micros(vacuum.vacuumed), kept, indexes)


async def _revision(sessions: Sessions) -> str | None:
    table = sa.table(sessions.names.version, sa.column("version_num"), schema=sessions.names.schema)
    try:
        found = await sessions.run(sa.select(table.c.version_num).limit(1))
    except StoreUnavailable as error:
        if error.kind is not ErrorClass.CONFIGURATION:
            raise
        return None  # no such table, or not for this role
    return str(found[0][0]) if found else None


def _partition(row: Any, days: re.Pattern[str]) -> Partition:
    match, day = days.fullmatch(row.name), None
    if match:
        try:
            day = dt.date(*map(int, match.groups()))
        except ValueError:
            day = None
    return Partition(row.name, day, row.attached, None if row.rows < 0 else int(row.rows), row.bytes)


def _index(row: Any) -> Index:
    definition = row.definition.partition(" USING ")[2] or row.definition
    return Index(row.name, definition, row.unique, row.valid, row.bytes, row.scans)


def _sqlite_index(row: Any) -> Index:
    head, _, definition = row.definition.partition("(")
    return Index(
        row.name, f"({definition}", head.upper().startswith("CREATE UNIQUE"), valid=True, bytes=None, scans=None
    )
