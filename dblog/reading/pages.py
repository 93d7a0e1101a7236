"""Entries in their order: pages, traces, one entry, and its neighbours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.reading.rows import bound_time, bound_uuid, entries_from, entries_of
from dblog.reading.selection import checked
from dblog.reading.values import Context, Cursor, Page, Trace

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

__all__ = ["context", "get", "search", "trace"]

_LAST: Final = (1 << 128) - 1
_MS: Final = 1000
_DIGITS: Final = re.compile(r"[0-9a-f]{8,31}")


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


async def trace(sessions: Sessions, trace_id: str, *, limit: int) -> Trace:
    """See ``LogReader.trace``."""
    checked(limit)
    logs = sessions.tables.logs
    spelled = dict.fromkeys((trace_id, trace_id.lower(), trace_id.upper()))
    statement = entries_from(logs).where(logs.c.trace_id.in_(list(spelled)), logs.c.trace_id.is_not(None))
    statement = statement.order_by(logs.c.timestamp, logs.c.id).limit(limit + 1)
    entries = entries_of(await sessions.run(statement), sessions.dialect)
    return Trace(trace_id, entries[:limit], len(entries) > limit)


async def get(sessions: Sessions, entry_id: UUID | str) -> LogEntry | None:
    """See ``LogReader.get``."""
    logs = sessions.tables.logs
    if isinstance(entry_id, str):
        text = entry_id.strip().lower()
        if _DIGITS.fullmatch(text):
            return await _one(sessions, _ends_in(text, logs.c.id, sessions.dialect))
        entry_id = _whole(text)
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
    logs = sessions.tables.logs
    moment, key = logs.c.timestamp, logs.c.id
    statement = selection.of(entries_from(logs))
    # The comparison of pairs finds the place in the index; that of times, too, which partitions to open.
    if before is not None:
        place = _place(before, sessions)
        statement = statement.where(sa.tuple_(moment, key) < sa.tuple_(*place), moment <= place[0])
    if after is not None:
        place = _place(after, sessions)
        statement = statement.where(sa.tuple_(moment, key) > sa.tuple_(*place), moment >= place[0])
    order = (moment.desc(), key.desc()) if newest_first else (moment, key)
    rows = await sessions.run(statement.order_by(*order).limit(limit), regex=selection.regex)
    return entries_of(rows, sessions.dialect)


def _place(cursor: Cursor, sessions: Sessions) -> tuple[sa.BindParameter[Any], sa.BindParameter[Any]]:
    logs = sessions.tables.logs
    moment = sa.bindparam(None, bound_time(cursor.timestamp, sessions.dialect), type_=logs.c.timestamp.type)
    return moment, sa.bindparam(None, bound_uuid(cursor.id, sessions.dialect), type_=logs.c.id.type)


def _behind(cursor: Cursor) -> Cursor:
    """The next place: ``before`` it is everything up to ``cursor`` and itself."""
    if cursor.id.int == _LAST:
        return Cursor.at(cursor.timestamp + 1)
    return Cursor(cursor.timestamp, UUID(int=cursor.id.int + 1))


def _ahead(cursor: Cursor | None) -> Cursor | None:
    """The place before: ``after`` it come ``cursor`` itself and what is newer."""
    if cursor is None or cursor.id.int:
        return cursor and Cursor(cursor.timestamp, UUID(int=cursor.id.int - 1))
    return Cursor(max(0, cursor.timestamp - 1), UUID(int=_LAST))


def _ends_in(digits: str, key: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[bool]:
    if dialect == "sqlite":
        return sa.func.substr(sa.func.hex(key), -len(digits)) == digits.upper()
    # As the UUID is written: 8-4-4-4-12.
    text = str(UUID(digits.zfill(32)))
    dashes = sum(len(digits) > after for after in (12, 16, 20, 24))
    ending = text[-len(digits) - dashes :]
    return sa.func.right(sa.cast(key, sa.Text), len(ending)) == ending


async def _one(sessions: Sessions, condition: sa.ColumnElement[bool]) -> LogEntry | None:
    logs = sessions.tables.logs
    statement = entries_from(logs).where(condition).order_by(logs.c.timestamp.desc(), logs.c.id.desc()).limit(1)
    found = entries_of(await sessions.run(statement), sessions.dialect)
    return found[0] if found else None
