"""The tables on ClickHouse: types, the order of rows, what may skip granules.

Names and meaning are those of ``dblog.schema``; the types are ClickHouse's own. A
column that may be absent is ``Nullable``, because absent and ``""`` differ; one whose
values repeat is ``LowCardinality``. The revisions of ``dblog_migrations.clickhouse``
are the only author of the tables; this module describes what they have built.

**The order of entries** is ``(timestamp, toUInt128(id))``: ``ORDER_BY``. ClickHouse
compares UUIDs by their low half first, which for entries of one timestamp is another
order than SQLite's and Postgres'. As UInt128 it is the same everywhere, by all bytes
from the first. A million rows in five partitions, ``(timestamp, id)`` against
``(timestamp, toUInt128(id))``, medians in ms of two runs each, with noise of the same
size: insert 1620/1650, newest 200 11.4/10.7, an older page 9.4/10.0, a newer page
10.0/10.0, one trace 7.9/7.2, count 1.6/0.8, count FINAL 13.2/14.3; 21.33 bytes a row
on disk both. So it costs nothing that can be measured. Sort by it literally, or the
table is not read in order; compare in SQL, never ids in Python.

**Duplicates**: a resend is recognised by its token, and within one table and window
only; the backstop is ReplacingMergeTree, whose duplicates stay visible until a merge.
They are equal in every column but ``ingested_at`` and neighbours in ``ORDER_BY``. So a
page need not pay for FINAL (newest 200 over unmerged parts: 11 ms plain, 50 to 130 ms
FINAL): read it plain, leave out what equals its neighbour, and ask on while it is short.
Counts take FINAL, with ``do_not_merge_across_partitions_select_final = 1``: equal keys
have equal timestamps, so they share a partition.

**Granules have 2048 rows**, not the usual 8192, and an index a quarter of the bytes for each. Digits are what is often
looked for, and there are 10,000 runs of four: among 8192 messages each is somewhere, among 2048 one in two. Five
million rows, 8192 with 32 KB, 4096 with 16, 2048 with 8, 1024 with 8: a number of six digits in a message that is not
there 78, 35, 15, 13 ms; newest 200 7.4, 5.7, 5.3, 6.6; one trace 10.3, 8.5, 8.9, 10.6; a regular expression over
everything 163, 159, 158, 166; 40.5, 41.0, 40.9, 47.2 bytes a row with indexes; 6.2 to 6.4 s to insert them all.

**metadata** is JSON text, the truth. ``METADATA_TOKENS`` skips granules by its ASCII
words: ``hasToken(lower(ifNull(metadata, '')), 'word')`` with one run of letters and digits out
of a key or of a string value as ``orjson`` writes it. It covers every depth and arrays.
400,000 rows of eight keys: insert 0.27 s against 0.19 without, 17.4 bytes a row
against 13.6; a materialised Map of the outermost keys with two bloom filters took
0.48 s and 30.8 bytes, and found one row in 10.5 ms against 4.9.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dblog.names import Names

__all__ = [
    "COLUMN_TYPES",
    "COMMENT",
    "METADATA_TOKENS",
    "ORDER_BY",
    "PARTITION_BY",
    "SKIP_INDEXES",
    "add_tables",
]

ORDER_BY: Final = ("timestamp", "toUInt128(id)")
"""The sorting key of ``logs``, to be written just so in an ORDER BY."""
PARTITION_BY: Final = "toDate32(timestamp)"
"""Not ``toDate``, which holds 1970 to 2149: by it the engine left partitions out that have what is asked for."""
METADATA_TOKENS: Final = "lower(ifNull(metadata, ''))"
"""What the index on metadata holds the words of; in lower case, because ``key:value`` asks for either."""

COMMENT: Final = "made by dblog"
"""Of each table: by it an upgrade tells its own, of a run that did not finish, from somebody else's."""

_TIME: Final = "DateTime64(6, 'UTC')"
_TEXT: Final = "Nullable(String)"
_FEW: Final = "LowCardinality(Nullable(String))"

COLUMN_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "logs": {
        "timestamp": _TIME,
        "id": "UUID",
        "ingested_at": _TIME,
        "level": "LowCardinality(String)",
        "severity": "UInt8",
        "logger": "LowCardinality(String)",
        "module": _FEW,
        "function": _FEW,
        "pathname": _FEW,
        "lineno": "Nullable(Int32)",
        "message": "String",
        "template": _FEW,
        "metadata": _TEXT,
        "user_id": _TEXT,
        "session_id": _TEXT,
        "task_id": _TEXT,
        "trace_id": _TEXT,
        "span_id": _TEXT,
        "parent_span_id": _TEXT,
        "context_id": _TEXT,
        "client_id": _TEXT,
        "exc_type": _FEW,
        "exc_message": _TEXT,
        "exc_text": _TEXT,
        "service": _FEW,
        "host": _FEW,
        "pid": "Nullable(Int32)",
        "thread": _FEW,
        "async_task": _TEXT,
        "instance_id": "Nullable(UUID)",
        "seq": "Nullable(Int64)",
    },
    "instances": {
        "instance_id": "UUID",
        "service": _TEXT,
        "service_version": _TEXT,
        "environment": _TEXT,
        "host": _TEXT,
        "pid": "Nullable(Int32)",
        "container": _TEXT,
        "started_at": _TIME,
        "last_seen": _TIME,
        "state": "String",
        "emitted": "Int64",
        "stored": "Int64",
        "dropped": "Int64",
        "failed": "Int64",
        "queued": "Int64",
        "in_flight": "Int64",
        "spooled": "Int64",
        "dropped_by": _TEXT,
        "failed_by": _TEXT,
        "lag": "Nullable(Float64)",
        "last_success": f"Nullable({_TIME})",
        "last_error": _TEXT,
        "dblog_version": _TEXT,
    },
    "dead_letters": {
        "id": "UUID",
        "failed_at": _TIME,
        "instance_id": "UUID",
        "seq": "Nullable(Int64)",
        "error_class": "String",
        "code": "String",
        "attempts": "Int32",
        "payload": "String",
    },
}
"""Table → column → type, as ``system.columns`` spells it."""

SKIP_INDEXES: Final[Mapping[str, tuple[str, str]]] = {
    "trace": ("trace_id", "bloom_filter(0.001)"),
    "ingested": ("ingested_at", "minmax"),
    "message": ("lower(message)", "ngrambf_v1(4, 8192, 3, 0)"),
    "metadata": (METADATA_TOKENS, "tokenbf_v1(8192, 3, 0)"),
}
"""Index of ``logs`` → what it is on, and its type; ``ILIKE`` never uses the one on messages, lower(x) LIKE does."""

_DEFAULTS: Final = {"ingested_at": "now64(6)"} | dict.fromkeys(
    ("emitted", "stored", "dropped", "failed", "queued", "in_flight", "spooled"), "0"
)


@cache
def _type(name: str) -> Any:
    from clickhouse_connect.cc_sqlalchemy.datatypes.base import sqla_type_from_name  # noqa: PLC0415 - an optional extra

    return sqla_type_from_name(name)


def add_tables(metadata: sa.MetaData, names: Names) -> None:
    """Add ``logs``, ``log_instances`` and ``log_dead_letters`` as they are at head, under these names."""
    from clickhouse_connect.cc_sqlalchemy.ddl.tableengine import ReplacingMergeTree  # noqa: PLC0415 - as above

    engines = {
        "logs": ReplacingMergeTree(order_by=list(ORDER_BY), partition_by=PARTITION_BY),
        "instances": ReplacingMergeTree(ver="last_seen", order_by="instance_id"),
        "dead_letters": ReplacingMergeTree(order_by="id"),
    }
    for (kind, columns), name in zip(COLUMN_TYPES.items(), names.tables, strict=True):
        sa.Table(
            name,
            metadata,
            *(sa.Column(column, _type(spelt), server_default=_default(column)) for column, spelt in columns.items()),
            engines[kind],
            schema=names.schema,
            comment=COMMENT,
        )


def _default(column: str) -> Any:
    return None if column not in _DEFAULTS else sa.text(_DEFAULTS[column])
