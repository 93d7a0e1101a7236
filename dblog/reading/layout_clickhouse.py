"""How the table lies on ClickHouse's disk: a partition is a day, in as many parts as inserts have not been merged."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from dblog.reading.clickhouse_system import system_names, typed
from dblog.reading.layout import Index, Layout, Partition

if TYPE_CHECKING:
    from dblog.reading.session import Sessions

__all__ = ["clickhouse_layout"]

_PARTITIONS: Final = typed("""
    SELECT partition AS name, sum(rows) AS rows, sum(bytes_on_disk) AS bytes
    FROM system.parts WHERE active AND OURS GROUP BY partition ORDER BY partition LIMIT 10000
""")
_INDEXES: Final = typed("""
    SELECT name, concat(type_full, ' (', expr, ')') AS definition, data_compressed_bytes + marks_bytes AS bytes
    FROM system.data_skipping_indices WHERE OURS ORDER BY name LIMIT 1000
""")
_ORDER: Final = typed("""
    SELECT sorting_key, primary_key_bytes_in_memory AS bytes
    FROM (
        SELECT sorting_key, table AS ours FROM (SELECT name AS table, database, sorting_key FROM system.tables)
        WHERE OURS AND sorting_key != ''
    ) AS keyed
    LEFT JOIN (
        SELECT table AS ours, sum(primary_key_bytes_in_memory) AS primary_key_bytes_in_memory
        FROM system.parts WHERE active AND OURS GROUP BY table
    ) AS parts USING (ours)
    LIMIT 1
""")


async def clickhouse_layout(sessions: Sessions, revision: str | None, whole: int) -> Layout:
    """See ``LogReader.layout``."""
    names = system_names(sessions.names)
    partitions = tuple(_partition(row) for row in await sessions.run(_PARTITIONS, names))
    keys = [
        Index("primary key", f"({row.sorting_key})", unique=False, valid=True, bytes=row.bytes, scans=None)
        for row in await sessions.run(_ORDER, names)
    ]
    skipping = [
        Index(row.name, row.definition, unique=False, valid=True, bytes=row.bytes, scans=None)
        for row in await sessions.run(_INDEXES, names)
    ]
    return Layout(revision, whole, None, None, None, partitions, (*keys, *skipping))


def _partition(row: Any) -> Partition:
    day = None
    with suppress(ValueError):
        day = dt.date.fromisoformat(row.name)
    return Partition(row.name, day, attached=True, rows=row.rows, bytes=row.bytes)
