"""Entries in their order: pages, traces, one entry, and its neighbours.

ClickHouse gives them by time alone, and may have a row twice: ``dblog.reading.ties`` makes a page of that.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.reading.order import first, first_up_to, keys, newer, older, place_of
from dblog.reading.prepared import Prepared
from dblog.reading.rows import bound_time, bound_uuid, entries_from, entries_of
from dblog.reading.selection import checked
from dblog.reading.values import Context, Cursor, Page, Trace

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

__all__ = ["context", "get", "newest", "search", "trace"]

_LAST: Final = (1 << 128) - 1
_MS: Final = 1000
_DIGITS: Final = re.compile(r"[0-9a-f]{8,31}")
_UNSTORED: Final = re.compile("[\0\ud800-\udfff]")
"""In no text of either database."""
_Ordered: TypeAlias = "tuple[sa.Select[Any] | Prepared, sa.Select[Any] | Prepared]"
"""What gives a page, and what settles its last time where that did not (``reading.ties``)."""


async def search(
    sessions: Sessions, selection: Selection, *, before: Cursor | None, after: Cursor | None, limit: int
) -> Page:
    """See ``LogReader.search``."""
    checked(limit)
    upwards = after is not None and before is None
    found = await _read(sessions, selection, before=before, after=after, limit=limit + 1, newest_first=not upwards)
    entries, more = found[:limit], len(found) > limit
    if not entries:
        return Page((), _behind(after) if upwards and after else None, after if upwards else _ahead(before))
    if upwards:
        entries = entries[::-1]
    older = Cursor.of(entries[-1]) if more or upwards else None
    return Page(entries, older, Cursor.of(entries[0]))


async def trace(sessions: Sessions, trace_id: Any, *, limit: int) -> Trace:
    """See ``LogReader.trace``."""
    checked(limit)
    if not isinstance(trace_id, str):
        msg = f"trace_id={repr(trace_id)[:80]}: give a text"
        raise ConfigurationError(msg)
    if _UNSTORED.search(trace_id):
        return Trace(trace_id, (), truncated=False)
    spelled = {"typed": trace_id, "lower": trace_id.lower(), "upper": trace_id.upper()}
    statements = _one_trace(sessions.tables.logs, sessions.dialect)
    entries = await _page(sessions, statements, {**spelled, "count": limit + 1}, newest_first=False)
    return Trace(trace_id, entries[:limit], len(entries) > limit)


async def get(sessions: Sessions, entry_id: Any) -> LogEntry | None:
    """See ``LogReader.get``."""
    logs = sessions.tables.logs
    if isinstance(entry_id, str):
        text = entry_id.strip().lower()
        if _DIGITS.fullmatch(text):
            return await _one(sessions, _ends_in(text, logs.c.id, sessions.dialect))
        entry_id = _whole(text)
    if not isinstance(entry_id, UUID):
        msg = f"entry_id={repr(entry_id)[:80]}: give a UUID, or a text"
        raise ConfigurationError(msg)
    same = logs.c.id == bound_uuid(entry_id, sessions.dialect)
    # A UUIDv7 begins with its ms: one index lookup in one partition. Ids made elsewhere may say another time.
    start = (entry_id.int >> 80) * _MS
    low, high = (bound_time(at, sessions.dialect) for at in (start, start + _MS - 1))
    return await _one(sessions, same & logs.c.timestamp.between(low, high)) or await _one(sessions, same)


def _whole(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        msg = f"{text[:80]!r} is not an entry's id: give its UUID, or its last 8 to 31 hexadecimal digits"
        raise ConfigurationError(msg) from None


async def context(sessions: Sessions, selection: Selection, entry: LogEntry, n: int) -> Context:
    """See ``LogReader.context``."""
    checked(n, "n", least=0)
    here = Cursor.of(entry)
    if not n:
        return Context((), entry, ())
    before = await _read(sessions, selection, before=here, limit=n)
    after = await _read(sessions, selection, after=here, limit=n, newest_first=False)
    return Context(before[::-1], entry, after)


async def _read(
    sessions: Sessions,
    selection: Selection,
    *,
    before: Cursor | None = None,
    after: Cursor | None = None,
    limit: int,
    newest_first: bool = True,
) -> tuple[LogEntry, ...]:
    logs, dialect = sessions.tables.logs, sessions.dialect
    parameters: dict[str, Any] = {"count": limit}
    for name, cursor in (("before", before), ("after", after)):
        if cursor is not None:
            parameters |= place_of(name, cursor, dialect)
    shape = before is not None, after is not None
    if selection.clause is None:
        statements: _Ordered = _any_page(logs, dialect, *shape, newest_first)
        return await _page(sessions, statements, parameters, newest_first=newest_first)
    from dblog.reading.indexed import narrowed  # noqa: PLC0415 - who reads everything does without

    selection = await narrowed(sessions, selection, page=True)
    statements = _ordered(selection.of(_between(logs, dialect, *shape)), logs, dialect, newest_first=newest_first)
    return await _page(sessions, statements, parameters, newest_first=newest_first, regex=selection.regex)


async def _page(
    sessions: Sessions,
    statements: _Ordered,
    parameters: dict[str, Any],
    *,
    newest_first: bool,
    regex: bool = False,
) -> tuple[LogEntry, ...]:
    """The first ``count`` entries, in order."""
    statement, up_to = statements

    async def read(asked: sa.Select[Any] | Prepared, others: dict[str, Any]) -> tuple[LogEntry, ...]:
        return entries_of(await sessions.run(asked, parameters | others, regex=regex), sessions.dialect)

    if sessions.dialect != "clickhouse":
        return await read(statement, {})
    from dblog.reading.ties import untied  # noqa: PLC0415 - the others do without

    return await untied(partial(read, statement), partial(read, up_to), parameters["count"], newest_first=newest_first)


@lru_cache(maxsize=64)
def _between(logs: sa.Table, dialect: str, before: bool, after: bool) -> sa.Select[Any]:
    """The entries between two places, which are parameters."""
    statement = entries_from(logs)
    if before:
        statement = statement.where(*older("before", logs, dialect))
    if after:
        statement = statement.where(*newer("after", logs, dialect))
    return statement


def newest(selection: Selection, logs: sa.Table, dialect: str) -> sa.Select[Any]:
    """The first page, its length the parameter ``count``."""
    return first(selection.of(entries_from(logs)), logs, dialect, newest_first=True)


def _ordered(
    statement: sa.Select[Any], logs: sa.Table, dialect: str, *, newest_first: bool
) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """``order.first`` of a statement, and ``first_up_to``, which only ClickHouse's pages need."""
    page = first(statement, logs, dialect, newest_first=newest_first)
    return page, first_up_to(statement, logs, newest_first=newest_first) if dialect == "clickhouse" else page


def _prepared(
    statement: sa.Select[Any], logs: sa.Table, dialect: str, *, newest_first: bool
) -> tuple[Prepared, Prepared]:
    page, up_to = _ordered(statement, logs, dialect, newest_first=newest_first)
    made = Prepared(page, dialect)
    return made, made if up_to is page else Prepared(up_to, dialect)


@lru_cache(maxsize=64)
def _any_page(logs: sa.Table, dialect: str, before: bool, after: bool, newest_first: bool) -> tuple[Prepared, Prepared]:
    return _prepared(_between(logs, dialect, before, after), logs, dialect, newest_first=newest_first)


@lru_cache(maxsize=8)
def _one_trace(logs: sa.Table, dialect: str) -> tuple[Prepared, Prepared]:
    spelled = [sa.bindparam(name, type_=sa.Text()) for name in ("typed", "lower", "upper")]
    statement = entries_from(logs).where(logs.c.trace_id.in_(spelled))
    if dialect != "clickhouse":  # the others have an index of the rows with a trace only
        statement = statement.where(logs.c.trace_id.is_not(None))
    return _prepared(statement, logs, dialect, newest_first=False)


def _behind(cursor: Cursor) -> Cursor:
    """The next place: ``before`` it is everything up to ``cursor`` and itself."""
    if cursor.id.int == _LAST:
        return Cursor.at(cursor.timestamp + 1)
    return Cursor(cursor.timestamp, UUID(int=cursor.id.int + 1))


def _ahead(cursor: Cursor | None) -> Cursor | None:
    """The place before: ``after`` it come ``cursor`` itself and what is newer."""
    if cursor is None or cursor.id.int:
        return cursor and Cursor(cursor.timestamp, UUID(int=cursor.id.int - 1))
    return Cursor(cursor.timestamp - 1, UUID(int=_LAST))


def _ends_in(digits: str, key: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[bool]:
    if dialect == "sqlite":
        return sa.func.substr(sa.func.hex(key), -len(digits)) == digits.upper()
    # As the UUID is written: 8-4-4-4-12.
    text = str(UUID(digits.zfill(32)))
    dashes = sum(len(digits) > after for after in (12, 16, 20, 24))
    ending = text[-len(digits) - dashes :]
    if dialect == "clickhouse":
        return sa.func.endsWith(sa.func.toString(key), ending) == sa.literal_column("1")
    return sa.func.right(sa.cast(key, sa.Text), len(ending)) == ending


async def _one(sessions: Sessions, condition: sa.ColumnElement[bool]) -> LogEntry | None:
    logs = sessions.tables.logs
    moment, key = keys(logs, sessions.dialect)
    statement = entries_from(logs).where(condition).order_by(moment.desc(), key.desc()).limit(1)
    found = entries_of(await sessions.run(statement), sessions.dialect)
    return found[0] if found else None
