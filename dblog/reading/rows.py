"""Rows → ``LogEntry``, and the values of every database: times in µs, ids as ``UUID``, JSON as text."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from dblog.entry import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "bound_time",
    "bound_uuid",
    "columns",
    "entries_from",
    "entries_of",
    "entry_of",
    "micros",
    "moment_of",
    "sound",
    "uuid_of",
    "within",
]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US: Final = 1_000_000
_DAY: Final = 86_400
_UUID: Final = 16
_FIRST: Final = (dt.datetime.min.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)
_LAST: Final = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)
_WIDTH: Final = len(LogEntry._fields)
_TIMESTAMP, _WRITER, _ID, _INGESTED = map(LogEntry._fields.index, ("timestamp", "instance_id", "id", "ingested_at"))


@lru_cache(maxsize=64)
def columns(table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """The columns of ``logs`` in the order of ``LogEntry``'s fields."""
    # Without their types: SQLAlchemy would pass each BLOB through a function of its own.
    return [sa.type_coerce(table.c[name], sa.types.NULLTYPE).label(name) for name in LogEntry._fields]


@lru_cache(maxsize=8)
def entries_from(table: sa.Table) -> sa.Select[Any]:
    """``SELECT columns FROM table``, made once, of the rows that have a place in the order of all."""
    return sa.select(*columns(table)).where(*sound(table.c.timestamp, table.c.id))


def sound(*places: sa.ColumnElement[Any]) -> list[sa.ColumnElement[bool]]:
    """That times are numbers and ids are UUIDs: an SQLite file may have had anything put in by hand.

    A row without has no place in the order of all, and is left out. The other databases need no condition.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    for column in places:
        kind = sa.func.typeof(column)
        if isinstance(column.type, sa.Integer):
            conditions.append(kind == sa.literal_column("'integer'"))
        elif isinstance(column.type, sa.LargeBinary):
            conditions += [kind == sa.literal_column("'blob'"), sa.func.length(column) == sa.literal_column("16")]
    return conditions


def entries_of(rows: Iterable[Sequence[Any]], dialect: str) -> tuple[LogEntry, ...]:
    """The entries of rows that begin with ``columns``; what a row has behind them is left out."""
    if dialect == "sqlite":
        writers: dict[bytes, UUID] = {}
        return tuple([_from_sqlite(row, writers) for row in rows])
    if dialect == "clickhouse":
        return tuple([LogEntry._make(row[:_WIDTH]) for row in rows])
    return tuple([_from_postgres(row) for row in rows])


def entry_of(row: Sequence[Any], dialect: str) -> LogEntry:
    """The entry of one row that begins with ``columns``."""
    return entries_of((row,), dialect)[0]


def _from_sqlite(row: Sequence[Any], writers: dict[bytes, UUID]) -> LogEntry:
    fields = list(row[:_WIDTH])
    writer = fields[_WRITER]
    if writer is not None:
        fields[_WRITER] = writers.get(writer) or _writer(writer, writers)
    fields[_ID] = UUID(int=int.from_bytes(fields[_ID], "big"))
    return LogEntry._make(fields)


def _writer(value: Any, writers: dict[bytes, UUID]) -> UUID | None:
    """None for what is no UUID, put in by hand."""
    if not (isinstance(value, bytes) and len(value) == _UUID):
        return None
    return writers.setdefault(value, UUID(bytes=value))


def _from_postgres(row: Sequence[Any]) -> LogEntry:
    fields = list(row[:_WIDTH])
    fields[_TIMESTAMP] = micros(fields[_TIMESTAMP])
    fields[_INGESTED] = micros(fields[_INGESTED])
    return LogEntry._make(fields)


def micros(value: Any) -> Any:
    """A time as µs since 1970 UTC, exactly; SQLite and ClickHouse have it so already, and None stays None."""
    if isinstance(value, dt.datetime):
        since = value - _EPOCH
        return (since.days * _DAY + since.seconds) * _US + since.microseconds
    return value


def uuid_of(value: Any) -> UUID:
    """An id of any database."""
    return value if isinstance(value, UUID) else UUID(bytes=value)


def bound_time(value: int, dialect: str) -> Any:
    """µs since 1970 UTC, as the database takes it; what no datetime holds is the first or the last that one does."""
    value = within(value)
    if dialect == "clickhouse":
        return moment_of(sa.literal(value, sa.BigInteger()))
    return value if dialect == "sqlite" else _EPOCH + dt.timedelta(microseconds=value)


def within(value: int) -> int:
    """µs since 1970 UTC that a datetime holds."""
    return min(max(value, _FIRST), _LAST)


def moment_of(micros: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A time of ClickHouse."""
    return sa.func.fromUnixTimestamp64Micro(micros, sa.literal_column("'UTC'"))


def bound_uuid(value: UUID, dialect: str) -> Any:
    """An id, as the database takes it."""
    if dialect == "clickhouse":
        return sa.func.toUUID(sa.literal(str(value), sa.Text()))
    return value.bytes if dialect == "sqlite" else value
