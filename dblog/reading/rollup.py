"""What ``log_rollup`` can say instead of the entries, exactly: how many there are by time, severity and service.

The answer is one statement, so all of it is of one moment: the counts, the entries that are not counted yet, and those
at both ends that lie within a minute. Where there is no such table, or this role may not read it, ``logs`` is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from dblog.errors import ErrorClass, StoreUnavailable
from dblog.query.tree import All
from dblog.reading import rollup_state as state
from dblog.reading.rollup_query import Asked, asked, later
from dblog.reading.rows import bound_time, sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

    Group: TypeAlias = Callable[
        [sa.ColumnElement[Any], sa.ColumnElement[Any]], tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]
    ]

__all__ = ["Asked", "asked", "counted", "grouped"]

_MINUTE: Final = 60_000_000
_HOUR: Final = 60 * _MINUTE
_TRIES: Final = 3
_NO_TABLE: Final = "SQLITE_ERROR"
"""SQLite has no code of its own for it."""
_READ: Final = ("ingest_seq", "timestamp", "severity", "service")


async def grouped(
    sessions: Sessions, selection: Selection, query: Asked, group: Group, *, width: int, limit: int
) -> list[tuple[Any, Any, int]] | None:
    """Bucket, band and number of entries; None where the rollup cannot say.

    Args:
        sessions: the connections.
        selection: the same query, of entries.
        query: with both bounds.
        group: bucket and band, of a time and a severity.
        width: of a bucket, in µs.
        limit: rows at most.
    """
    if width % _MINUTE or sessions.dialect == "clickhouse":
        return None
    grain = _HOUR if width % _HOUR == 0 else _MINUTE
    rows = await _answer(sessions, selection, query, group, grain=grain, limit=limit)
    return None if rows is None else [(row[0], row[1], int(row[2])) for row in rows if not row[3]]


async def counted(sessions: Sessions, selection: Selection) -> int | None:
    """How many entries there are; None where the rollup cannot say."""
    if sessions.dialect == "clickhouse" or (query := asked(selection.tree)) is None:
        return None
    one: sa.ColumnElement[Any] = sa.literal_column("1")
    rows = await _answer(sessions, selection, query, lambda *_: (one, one), grain=_HOUR, limit=2)
    return None if rows is None else sum(int(row[2]) for row in rows)


async def _answer(
    sessions: Sessions, selection: Selection, query: Asked, group: Group, *, grain: int, limit: int
) -> list[Any] | None:
    """Rows of a group, of its entries, and of whether it is the mark that the state is the same."""
    try:
        for _ in range(_TRIES):
            if (look := await state.look(sessions, query)) is None:
                return None
            parts = _Parts(sessions, query, look, group, grain)
            if parts.nothing:
                return None
            rows = await sessions.run(parts.statement(limit + 1), regex=selection.regex)
            if any(row[3] for row in rows):
                return rows
    except StoreUnavailable as error:
        if error.kind is not ErrorClass.CONFIGURATION and error.code != _NO_TABLE:
            raise
        state.forget(sessions)
    return None


class _Parts:
    """The statement, of parts that have no entry in common and every one among them."""

    def __init__(self, sessions: Sessions, query: Asked, look: state.Look, group: Group, grain: int) -> None:
        self._sessions, self._look, self._group, self._grain = sessions, look, group, grain
        self._rollup, self._state = state.tables(sessions.names, sessions.dialect)
        self._rest, self._since, self._until = query
        first = None if self._since is None else _up(self._since, _MINUTE)
        self._first = later(first, look.floor)
        self._last = None if self._until is None else _down(self._until + 1, _MINUTE)
        bounded = self._first is not None and self._last is not None
        untimed = look.untimed and (self._first, self._last) != (None, None)
        self.nothing = untimed or (bounded and self._first >= self._last)  # type: ignore[operator]  # as it says
        """The rollup has no part in it."""

    def statement(self, limit: int) -> sa.Select[Any]:
        """All of it."""
        parts = sa.union_all(*self._counts(), self._mark(), *self._entries()).subquery()
        bucket, band, number, same = parts.c
        grouped = sa.select(bucket, band, sa.func.sum(number), sa.func.max(same)).group_by(sa.text("1"), sa.text("2"))
        return grouped.limit(limit)

    def _counts(self) -> Iterator[sa.Select[Any]]:
        """Hours where they will do, and minutes at both ends."""
        first, last = self._first, self._last
        if self._grain == _HOUR:
            begin, end = (None if first is None else _up(first, _HOUR)), (None if last is None else _down(last, _HOUR))
            if begin is None or end is None or begin < end:
                yield self._counted(_HOUR, begin, end)
                if first is not None and first != begin:
                    yield self._counted(_MINUTE, first, begin)
                if last is not None and last != end:
                    yield self._counted(_MINUTE, end, last)
                return
        yield self._counted(_MINUTE, first, last)

    def _counted(self, width: int, first: int | None, last: int | None) -> sa.Select[Any]:
        counts = self._rollup.c
        moment = counts.start
        service = sa.case((counts.has_service == sa.literal_column("1"), counts.service))
        rows = sa.select(moment, counts.severity, service.label("service"), counts.entries)
        rows = rows.where(
            counts.width == sa.literal_column(str(width // 1_000_000)), *self._within(moment, first, last)
        )
        named = rows.subquery()
        return self._part(named, named.c.start, named.c.entries)

    def _entries(self) -> Iterator[sa.Select[Any]]:
        """Those that are not counted yet, and those before and behind the rollup."""
        logs = self._sessions.tables.logs
        yield self._new()
        if self._first is not None and self._since != self._first:
            yield self._entry(logs, *self._within(logs.c.timestamp, self._since, self._first))
        if self._last is not None and self._until is not None and self._until >= self._last:
            yield self._entry(logs, *self._within(logs.c.timestamp, self._last, self._until + 1))

    def _entry(self, logs: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        # Also what has no time, where all are counted.
        timed = [] if (self._since, self._until) == (None, None) else sound(logs.c.timestamp)
        return self._part(logs, logs.c.timestamp, sa.literal_column("1")).where(*conditions, *timed)

    def _part(self, table: sa.FromClause, moment: Any, number: Any) -> sa.Select[Any]:
        group = self._group(moment, table.c.severity)
        chosen = sa.select(*(each.label(name) for each, name in zip(group, "ab", strict=True)), number.label("number"))
        chosen = chosen.add_columns(sa.literal_column("0").label("same")).select_from(table)
        if isinstance(self._rest, All):
            return chosen
        from dblog.query.sql import condition  # noqa: PLC0415 - who reads everything does without

        return chosen.where(condition(self._rest, table, self._sessions.dialect))

    def _mark(self) -> sa.Select[Any]:
        same = self._state.c.generation == self._look.generation
        nothing: sa.ColumnElement[Any] = sa.null()
        mark = sa.select(nothing, nothing, sa.literal_column("0"), sa.literal_column("1"))
        return mark.where(self._state.c.id == sa.literal_column("1"), same)

    def _new(self) -> sa.Select[Any]:
        """What is not counted yet."""
        names, logs = self._sessions.names, self._sessions.tables.logs
        token = f"(SELECT token FROM {names.qualified(names.rollup_state)} WHERE id = 1)"  # noqa: S608 - a checked name
        if self._sessions.dialect == "sqlite":
            # By its number and nothing else, whatever indexes there are: those are the last rows of the table.
            number, *columns = (sa.column(each, logs.c[each].type) for each in _READ)
            newest = sa.select(*columns).select_from(sa.text(f'"{names.logs}" NOT INDEXED'))
            counted = sa.literal_column(token, sa.Integer())
            new = newest.where(number > self._look.seen, number > counted).subquery()
            return self._entry(new, *self._within(new.c.timestamp, self._first, self._last))
        from dblog.reading.new_rows import xid8  # noqa: PLC0415 - one of two

        # The first for the index, and true of all the second is true of: a token only ever grows.
        since, xid = xid8(self._look.seen), logs.c.xid
        after = ~sa.func.pg_visible_in_snapshot(xid, sa.literal_column(f"CAST({token} AS pg_snapshot)"))
        return self._entry(logs, xid >= since, after, *self._within(logs.c.timestamp, self._first, self._last))

    def _within(self, moment: Any, first: int | None, last: int | None) -> Iterator[sa.ColumnElement[bool]]:
        """From the one time up to the other, itself excluded."""
        dialect, kind = self._sessions.dialect, self._sessions.tables.logs.c.timestamp.type
        if first is not None:
            yield moment >= sa.literal(bound_time(first, dialect), kind)
        if last is not None:
            yield moment <= sa.literal(bound_time(last - 1, dialect), kind)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _down(value: int, step: int) -> int:
    return value // step * step
