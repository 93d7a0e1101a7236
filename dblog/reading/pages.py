"""Entries in their order: pages, traces, one entry, and its neighbours.

ClickHouse may have a row twice (``dblog.reading.order``): what is read there and found to hold one twice is read again,
with more of what follows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.reading.order import each_once, keys, newer, not_beyond, older, place_of
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
_COUNT: Final = sa.bindparam("count", type_=sa.Integer())
_DIGITS: Final = re.compile(r"[0-9a-f]{8,31}")
_UNSTORED: Final = re.compile("[\0\ud800-\udfff]")
"""In no text of either database."""


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
    statement = _one_trace(sessions.tables.logs, sessions.dialect)
    entries = await _entries(sessions, statement, {**spelled, "count": limit + 1})
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
        return await _entries(sessions, _any_page(logs, dialect, *shape, newest_first), parameters)
    from dblog.reading.indexed import narrowed  # noqa: PLC0415 - who reads everything does without

    selection = await narrowed(sessions, selection, page=True)
    matching = selection.of(_between(logs, dialect, *shape))
    statement = not_beyond(matching, logs, dialect, newest_first=newest_first)
    return await _entries(sessions, statement, parameters, regex=selection.regex)


async def _entries(
    sessions: Sessions, statement: sa.Select[Any] | Prepared, parameters: dict[str, Any], *, regex: bool = False
) -> tuple[LogEntry, ...]:
    """The first ``count`` entries of a statement that gives them in order, each once."""
    dialect, wanted = sessions.dialect, parameters["count"]
    while True:
        entries = entries_of(await sessions.run(statement, parameters, regex=regex), dialect)
        if dialect != "clickhouse":
            return entries
        once, read = each_once(entries), len(entries)
        if len(once) >= wanted or read < parameters["count"]:
            return tuple(once[:wanted])
        parameters = parameters | {"count": 2 * read}


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
    return not_beyond(selection.of(entries_from(logs)), logs, dialect, newest_first=True)


@lru_cache(maxsize=64)
def _any_page(logs: sa.Table, dialect: str, before: bool, after: bool, newest_first: bool) -> Prepared:
    between = _between(logs, dialect, before, after)
    return Prepared(not_beyond(between, logs, dialect, newest_first=newest_first), dialect)


@lru_cache(maxsize=8)
def _one_trace(logs: sa.Table, dialect: str) -> Prepared:
    spelled = [sa.bindparam(name, type_=sa.Text()) for name in ("typed", "lower", "upper")]
    statement = entries_from(logs).where(logs.c.trace_id.in_(spelled), logs.c.trace_id.is_not(None))
    return Prepared(statement.order_by(*keys(logs, dialect)).limit(_COUNT), dialect)


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
