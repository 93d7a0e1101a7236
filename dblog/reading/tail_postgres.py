"""What is new in PostgreSQL: the difference of two snapshots, so nothing is missed and nothing comes twice.

A poll asks for the present snapshot, a function call, and where a transaction has ended since the last one reads the
rows of those that have. It looks them up by number in the index on ``xid``: a transaction that stays open for hours
costs one look-up per poll at most, and nobody waits for it.

A crash of the server gives numbers of transactions again that ended, but of which its log on disk knows nothing:
aborted ones, mostly. So the tail remembers the last place that no crash can take back, and what it yielded since.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dblog.errors import ConfigurationError
from dblog.query.sql import condition
from dblog.query.tree import All
from dblog.reading.rows import bound_time, columns, entries_of
from dblog.reading.snapshot import Snapshot
from dblog.reading.tail_source import Found, has_regex
from dblog.schema import XID8

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.entry import LogEntry
    from dblog.query.tree import Node
    from dblog.reading.session import Sessions

__all__ = ["PostgresTail"]

_PLACE: Final = re.compile(r"(\d{1,20})((?:-\d{1,20})*)_(\d{1,18})(?:_(\d{1,20})_(\d{1,18})_([0-9a-f]{32}))?")
_DAY: Final = 86_400_000_000
_OLDER: Final = (
    "the database has gone back to an older state, or is another one: the tail goes on with what is new in it, "
    "and entries may be missing"
)

# The statement's snapshot is older than the positions it reads: all that is over in it was written before them.
_LOOK: Final = sa.text(
    "SELECT pg_current_snapshot()::text AS snapshot, pg_is_in_recovery() AS standby,"
    " pg_postmaster_start_time()::text AS started,"
    " CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_insert_lsn() - '0/0'::pg_lsn END AS written,"
    " CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_flush_lsn() - '0/0'::pg_lsn END AS flushed,"
    " (extract(epoch FROM now()) * 1000000)::bigint AS now"
)


class _Within(NamedTuple):
    """A transaction that has been read in part, in order of ``(timestamp, id)``, up to here."""

    xid: int
    timestamp: int
    id: UUID


class _Place(NamedTuple):
    snapshot: Snapshot
    within: _Within | None = None


class _Durable:
    """The last place that no crash of the server can take back, and the ids yielded behind it."""

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.yielded: set[UUID] = set()
        self._next: tuple[_Place, int] | None = None
        self._behind_next: set[UUID] = set()

    def note(self, place: _Place, look: Any, entries: Iterable[LogEntry]) -> None:
        """After a poll: it came to ``place``, and before that the server had written and flushed so much of its log."""
        if look.flushed >= look.written:
            self.__init__(place)  # type: ignore[misc]  # begins anew
            return
        if self._next is not None and look.flushed >= self._next[1]:
            self.place, self.yielded = self._next[0], self._behind_next
            self._next, self._behind_next = None, set()
        ids = {entry.id for entry in entries if entry.id is not None}
        self.yielded |= ids
        if self._next is None:
            self._next = place, look.written
        else:
            self._behind_next |= ids


class PostgresTail:
    """Follows one table; a ``TailSource``.

    Args:
        sessions: its connections; a poll takes one for a moment.
        tree: which entries.
        place: what an earlier tail's ``place()`` gave; None begins with what is committed from the first poll on.

    Raises:
        ConfigurationError: ``place`` is not such a text.
    """

    def __init__(self, sessions: Sessions, tree: Node, place: str | None = None) -> None:
        self._sessions = sessions
        self._logs = sessions.tables.logs
        self._condition = None if isinstance(tree, All) else condition(tree, self._logs, "postgresql")
        self._regex = has_regex(tree)
        self._place = _Place(Snapshot(0))
        self._begun = 0
        """When the tail began, in µs by the server's clock; 0 before that."""
        if place is not None:
            self._place, self._begun = _parse(place)
        self._durable = _Durable(self._place)
        self._server = ""
        """When the server was started, as it says."""
        self._again: frozenset[UUID] = frozenset()
        """Yielded already, of what is to be read again."""

    def place(self) -> str:
        """See ``TailSource``."""
        (end, running), within = self._place
        text = "-".join([str(end), *(str(end - xid) for xid in sorted(running))])
        parts = [text, str(self._begun)]
        if within is not None:
            parts += [str(within.xid), str(within.timestamp), within.id.hex]
        return "_".join(parts)

    def lost(self) -> None:
        """See ``TailSource``."""
        self._server = ""

    async def aclose(self) -> None:
        """See ``TailSource``."""

    async def poll(self, limit: int, *, lossless: bool) -> Found:
        """See ``TailSource``."""
        (look,) = await self._sessions.run(_LOOK)
        now = Snapshot.parse(look.snapshot, standby=look.standby)
        if not self._begun:
            self._begun, self._server = look.now, look.started
            self._move(_Place(now), look, Found())
            return Found()
        notice = self._check(look, now)
        if now.since(self._place.snapshot).empty:
            found, place = Found(), _Place(self._place.snapshot.joined(now), self._place.within)
        elif lossless:
            found, place = await self._oldest(now, limit)
        else:
            found, place = await self._newest(now, limit), _Place(self._place.snapshot.joined(now))
        self._move(place, look, found)
        return found._replace(notice=notice)

    def _move(self, place: _Place, look: Any, found: Found) -> None:
        self._place = place
        if not found.more:
            self._again = frozenset()
        self._durable.note(place, look, found.entries)

    def _check(self, look: Any, now: Snapshot) -> str | None:
        """Go back to the durable place after a restart, and to what there is in a database that went back itself."""
        if look.started != self._server:
            self._server = look.started
            self._place, self._again = self._durable.place, frozenset(self._durable.yielded)
        if look.standby or now.end >= self._place.snapshot.end:
            return None  # a standby that lags behind catches up
        self._place = _Place(self._place.snapshot.cut(now.end))
        self._durable = _Durable(self._place)
        return _OLDER

    # -- reading ----------------------------------------------------------------------------------------------

    async def _newest(self, now: Snapshot, limit: int) -> Found:
        """The newest that are new at ``now``."""
        new = self._new(now, columns(self._logs)).subquery()
        # No index has this expression. By the index on (timestamp, id) the planner would hope for an early end, and
        # go through the whole table for a handful of rows.
        newest = (new.c.timestamp + sa.text("interval '0'")).desc(), new.c.id.desc()
        rows = await self._run(sa.select(new).order_by(*newest).limit(limit + 1))
        entries = entries_of(rows, "postgresql")
        if len(rows) <= limit:
            return Found(entries)
        counted = self._new(now, [self._logs.c.xid]).subquery()
        ((matching,),) = await self._run(sa.select(sa.func.count()).select_from(counted))
        # Retention may have deleted some in between.
        return Found(entries[:limit], max(0, matching - limit))

    async def _oldest(self, now: Snapshot, limit: int) -> tuple[Found, _Place]:
        """The first that are new at ``now``, in order of their transactions' numbers; and the place behind them.

        In this order the index gives any page at the cost of a page, however much is behind it, and the place
        between two transactions is a snapshot again.
        """
        new = self._new(now, [*columns(self._logs), self._logs.c.xid]).subquery()
        number = sa.cast(new.c.xid, sa.Text).label("number")
        statement = sa.select(new, number).order_by(new.c.xid, new.c.timestamp, new.c.id)
        rows = await self._run(statement.limit(limit + 1))
        entries = entries_of(rows[:limit], "postgresql")
        before = self._place.snapshot
        if len(rows) <= limit:
            return Found(entries), _Place(before.joined(now))
        last, following = int(rows[limit - 1].number), int(rows[limit].number)
        if last == following:
            within = _Within(last, entries[-1].timestamp, rows[limit - 1].id)
            return Found(entries, more=True), _Place(before.joined(now, last), within)
        return Found(entries, more=True), _Place(before.joined(now, last + 1))

    async def _run(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        return await self._sessions.run(statement, regex=self._regex)

    def _new(self, now: Snapshot, columns: list[sa.ColumnElement[Any]]) -> sa.Select[Any] | sa.CompoundSelect[Any]:
        """The rows of the transactions that are over at ``now`` and were not at the place."""
        singles, low, high, running = now.since(self._place.snapshot)
        xid = self._logs.c.xid
        rest = self._rest()
        # Rows restored from a dump can have any number: those to come are kept out by `high`, others by their age.
        ranged = sa.select(*columns).where(xid >= _xid(low), xid < _xid(high), *rest)
        if running:
            ranged = ranged.where(xid != sa.all_(_array(map(str, running), XID8())))
        if not singles:
            return ranged
        # Not with OR: each half can give its rows in order by the index.
        single = sa.select(*columns).where(xid == sa.any_(_array(map(str, singles), XID8())), *rest)
        return sa.union_all(single, ranged)

    def _rest(self) -> list[sa.ColumnElement[bool]]:
        """What a row has to be besides new."""
        logs = self._logs.c
        conditions = [logs.ingested_at >= _time(self._begun - _DAY)]
        if self._condition is not None:
            conditions.append(self._condition)
        if self._again:
            conditions.append(logs.id != sa.all_(_array(map(str, self._again), sa.Uuid())))
        if (within := self._place.within) is not None:
            reached = sa.tuple_(sa.literal(_time(within.timestamp)), sa.literal(within.id, sa.Uuid()))
            conditions.append((logs.xid != _xid(within.xid)) | (sa.tuple_(logs.timestamp, logs.id) > reached))
        return conditions


def _xid(number: int) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(str(number), sa.Text), XID8)


def _array(texts: Iterable[str], type_: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(list(texts), ARRAY(sa.Text)), ARRAY(type_))


def _time(micros: int) -> Any:
    return bound_time(micros, "postgresql")


def _parse(text: str) -> tuple[_Place, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            "the token names no place in a PostgreSQL database: give one that a batch of a tail has named"
        )
    end, running, begun, xid, timestamp, id_ = match.groups()
    xids = frozenset(int(end) - int(offset) for offset in running.split("-")[1:])
    within = None if xid is None else _Within(int(xid), int(timestamp), UUID(id_))
    return _Place(Snapshot(int(end), xids), within), int(begun)
