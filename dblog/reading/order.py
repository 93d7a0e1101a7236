"""The order of entries, ``(timestamp, id)``, as each database compares it, and an entry's place in it.

ClickHouse compares UUIDs by their low half first, and does not find a pair's place in its index. There ids are compared
as numbers, and a place is given by its time as well. It also has a row twice where an insert was resent, until it
merges them: the two are neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa

from dblog.reading.rows import bound_time, bound_uuid, moment_of, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.entry import LogEntry
    from dblog.reading.values import Cursor

__all__ = ["each_once", "first", "first_up_to", "keys", "newer", "number_of", "older", "place_of", "row_once"]

_Statement = TypeVar("_Statement", bound=sa.Executable)
_COUNT: Final = sa.bindparam("count", type_=sa.Integer())


def keys(table: sa.FromClause, dialect: str) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """What entries are sorted by; for ClickHouse as its table is."""
    return table.c.timestamp, number_of(table.c.id, dialect)


def number_of(key: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """An id as it is compared by all its bytes, from the first on."""
    return sa.func.toUInt128(key) if dialect == "clickhouse" else key


def older(name: str, table: sa.FromClause, dialect: str) -> list[sa.ColumnElement[bool]]:
    """What comes before the place ``name`` (``place_of``)."""
    moment, key = keys(table, dialect)
    time, identity = _place(name, table, dialect)
    if dialect == "clickhouse":
        return [moment <= time, (moment < time) | (key < identity)]
    # The comparison of pairs finds the place in the index; that of times, too, which partitions to open.
    return [sa.tuple_(moment, key) < sa.tuple_(time, identity), moment <= time]


def newer(name: str, table: sa.FromClause, dialect: str) -> list[sa.ColumnElement[bool]]:
    """What comes behind the place ``name`` (``place_of``)."""
    moment, key = keys(table, dialect)
    time, identity = _place(name, table, dialect)
    if dialect == "clickhouse":
        return [moment >= time, (moment > time) | (key > identity)]
    return [sa.tuple_(moment, key) > sa.tuple_(time, identity), moment >= time]


def place_of(name: str, cursor: Cursor, dialect: str) -> dict[str, Any]:
    """The parameters that say where ``name`` is."""
    if dialect == "clickhouse":
        return {f"{name}_time": within(cursor.timestamp), f"{name}_id": str(cursor.id)}
    return {f"{name}_time": bound_time(cursor.timestamp, dialect), f"{name}_id": bound_uuid(cursor.id, dialect)}


def _place(name: str, table: sa.FromClause, dialect: str) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    if dialect == "clickhouse":
        identity = sa.func.toUUID(sa.bindparam(f"{name}_id", type_=sa.Text()))
        return moment_of(sa.bindparam(f"{name}_time", type_=sa.BigInteger())), sa.func.toUInt128(identity)
    moment = sa.bindparam(f"{name}_time", type_=table.c.timestamp.type)
    return moment, sa.bindparam(f"{name}_id", type_=table.c.id.type)


def each_once(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Entries in their order, without what is the one before it again."""
    found: list[LogEntry] = []
    for entry in entries:
        if not (found and found[-1].id == entry.id and found[-1].timestamp == entry.timestamp):
            found.append(entry)
    return found


def first(statement: sa.Select[Any], table: sa.FromClause, dialect: str, *, newest_first: bool) -> sa.Select[Any]:
    """The first ``count`` rows of a statement, in order.

    ClickHouse merges days and parts row by row where ids are compared as numbers; by time alone it does not. So there
    they are the first by their times, in no order within one, of whose last there may be others (``reading.ties``).
    """
    if dialect == "clickhouse":
        moment = table.c.timestamp
        return statement.order_by(moment.desc() if newest_first else moment).limit(_COUNT)
    return _first(statement, table, dialect, newest_first)


def first_up_to(statement: sa.Select[Any], table: sa.FromClause, *, newest_first: bool) -> sa.Select[Any]:
    """The first ``count`` rows of a statement in order, on ClickHouse: none is beyond the time ``edge``, in µs."""
    moment, edge = table.c.timestamp, moment_of(sa.bindparam("edge", type_=sa.BigInteger()))
    bounded = statement.where(moment >= edge if newest_first else moment <= edge)
    return _first(bounded, table, "clickhouse", newest_first)


def _first(statement: sa.Select[Any], table: sa.FromClause, dialect: str, newest_first: bool) -> sa.Select[Any]:
    order = keys(table, dialect)
    return statement.order_by(*(key.desc() for key in order) if newest_first else order).limit(_COUNT)


def row_once(statement: _Statement) -> _Statement:
    """The statement, to be sent as it is, over each row of its tables once, whatever the database."""
    return statement.execution_options(dblog_row_once=True)
