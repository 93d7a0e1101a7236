"""What is new in PostgreSQL: the difference of two snapshots, so nothing is missed and nothing comes twice.

A poll asks for the present snapshot, a function call, and where a transaction has ended since the last one reads the
rows of those that have. It looks them up by number in the index on ``xid``: a transaction that stays open for hours
costs one look-up per poll at most, and nobody waits for it.

A crash of the server gives numbers of transactions again that ended, but of which its log on disk knows nothing:
aborted ones, mostly. So the tail remembers the last place that no crash can take back, and what it yielded since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa

from dblog.errors import StoreError
from dblog.query.sql import condition
from dblog.query.tree import All, has_regex
from dblog.reading.new_rows import NewRows, array, values_of, xid8
from dblog.reading.postgres_place import Place, Within, parse_place, text_of_place
from dblog.reading.prepared import Prepared
from dblog.reading.rows import bound_time, entries_of
from dblog.reading.snapshot import Snapshot
from dblog.reading.tail_source import Found
from dblog.reading.values import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from dblog.entry import LogEntry
    from dblog.query.tree import Node
    from dblog.reading.session import Sessions
    from dblog.reading.snapshot import Difference

    _Conditions: TypeAlias = tuple[sa.ColumnElement[bool], ...]

__all__ = ["PostgresTail"]

_DAY: Final = 86_400_000_000
_LEAST_STRIDE, _WIDER, _WIDEST = 64, 4, 2**40
_OLDER: Final = (
    "the database has gone back to an older state, or is another one: the tail goes on with what is new in it, "
    "and entries may be missing"
)

# The statement's snapshot is older than the positions it reads: all that is over in it was written before them.
# After a crash of a backend the server recovers under the same postmaster. From 15 on it then throws its statistics
# away. Asking for them is dear in 14; there it is the last checkpoint, which each recovery ends with.
_LOOK: Final = Prepared(
    sa.text(
        "SELECT pg_current_snapshot()::text AS snapshot, pg_is_in_recovery() AS standby,"
        " concat(pg_postmaster_start_time(), ' ', CASE WHEN current_setting('server_version_num')::int >= 150000"
        " THEN pg_stat_get_bgwriter_stat_reset_time()::text"
        " ELSE (SELECT checkpoint_lsn::text FROM pg_control_checkpoint()) END) AS life,"
        " CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_insert_lsn() - '0/0'::pg_lsn END AS written,"
        " CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_flush_lsn() - '0/0'::pg_lsn END AS flushed,"
        " (extract(epoch FROM now()) * 1000000)::bigint AS now"
    ),
    "postgresql",
    alone=True,
)


class _Look(NamedTuple):
    """The server, at the beginning of a poll."""

    snapshot: str
    standby: bool
    life: str
    """Changes with each start of the server and each recovery from a crash; seldom without."""
    written: int
    """Bytes of its log; 0 on a standby."""
    flushed: int
    """On disk."""
    now: int
    """µs since 1970 UTC."""


class _Durable:
    """The last place that no crash of the server can take back, and the ids yielded behind it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.yielded: set[UUID] = set()
        self._next: tuple[Place, int] | None = None
        self._behind_next: set[UUID] = set()

    def note(self, place: Place, look: _Look, entries: Iterable[LogEntry]) -> None:
        """After a poll: it came to ``place``, before which the server had written and flushed so much of its log."""
        if look.flushed >= look.written:
            self.place, self.yielded = place, set()
            self._next, self._behind_next = None, set()
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

    def crashed(self, place: Place) -> None:
        """Positions in the server's log mean nothing any more, and what is not over at ``place`` is to come."""
        self.place = self.place._replace(snapshot=self.place.snapshot.met(place.snapshot))
        self._next, self._behind_next = None, set()


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
        self._new = NewRows(self._logs, None if isinstance(tree, All) else condition(tree, self._logs, "postgresql"))
        self._regex = has_regex(tree)
        self._place = Place(Snapshot(0))
        self._begun = 0
        """When the tail began, in µs by the server's clock; 0 before that."""
        if place is not None:
            self._place, self._begun = parse_place(place)
        self._durable = _Durable(self._place)
        self._stride = _LEAST_STRIDE
        """Transactions to look at for one page of a lossless tail."""
        self._life = ""
        """The server's, as it was; "" where it may have crashed since it said so."""

    def place(self) -> str:
        """See ``TailSource``."""
        return text_of_place(self._place, self._begun)

    def lost(self) -> None:
        """See ``TailSource``."""
        self._life = ""

    async def aclose(self) -> None:
        """See ``TailSource``."""

    async def poll(self, limit: int, *, lossless: bool) -> Found:
        """See ``TailSource``."""
        look = _Look(*(await self._sessions.run(_LOOK))[0])
        now = Snapshot.parse(look.snapshot, standby=look.standby)
        if not self._begun:
            self._begun, self._life = look.now, look.life
            self._place, self._durable = Place(now), _Durable(Place(now))
            return Found()
        place, notice = self._known(look, now)
        if place.within is not None and place.within.xid not in now:
            if look.standby:  # it lags behind what has been read
                return Found()
            place = place._replace(within=None)  # the number is given again
        recovered = look.life != self._life
        if recovered and (again := await self._given_again(place, now, limit, lossless=lossless)).entries:
            found = again
        elif now.since(place.snapshot).empty:
            found, place = Found(), place._replace(snapshot=place.snapshot.joined(now))
        elif lossless:
            found, place = await self._oldest(place, now, limit)
        else:
            found, place = await self._newest(place, now, limit)
        if recovered:
            self._life = look.life
            self._durable.crashed(place)
        self._move(place, look, found)
        return found._replace(notice=notice, anew=notice is not None)

    def _move(self, place: Place, look: _Look, found: Found) -> None:
        self._place = place
        self._durable.note(place, look, found.entries)

    def _known(self, look: _Look, now: Snapshot) -> tuple[Place, str | None]:
        """The place, as far as the server has got: what it has not, it will give again after a crash.

        With the sentence to say where that is more than a crash takes back. A standby that lags behind catches up.
        """
        snapshot, within = self._place
        known = snapshot.met(now)
        if look.standby or known == snapshot:
            return self._place, None
        return Place(known, within), None if now.end >= self._durable.place.snapshot.end else _OLDER

    # -- reading ----------------------------------------------------------------------------------------------

    async def _given_again(self, place: Place, now: Snapshot, limit: int, *, lossless: bool) -> Found:
        """After a crash: the rows of transactions whose numbers others had, which seemed to be over."""
        durable = self._durable.place
        suspects = place.snapshot.since(durable.snapshot)
        if suspects.empty:
            return Found()
        unknown = self._logs.c.id != sa.all_(array(self._durable.yielded, sa.Uuid()))
        found = await self._newest_of(suspects, (unknown, *self._behind(durable)), None if lossless else limit)
        return found._replace(more=bool(found.entries) and (await self._oldest(place, now, 0))[0].more)

    async def _newest(self, place: Place, now: Snapshot, limit: int) -> tuple[Found, Place]:
        """The newest that are new at ``now``."""
        found = await self._newest_of(now.since(place.snapshot), self._behind(place), limit)
        return found, Place(place.snapshot.joined(now))

    async def _newest_of(self, which: Difference, others: _Conditions, limit: int | None) -> Found:
        """The newest of their rows, and the number of the others; all of them where the limit is None."""
        if limit is None:
            return Found(entries_of(await self._run(self._new.every(which, *others), which), "postgresql"))
        rows = await self._run(self._new.newest(which, *others), which, limit + 1)
        if len(rows) <= limit:
            return Found(entries_of(rows, "postgresql"))
        ((matching,),) = await self._run(self._new.counted(which, *others), which)
        # Retention may have deleted some in between.
        return Found(entries_of(rows[:limit], "postgresql"), max(0, matching - limit))

    async def _oldest(self, place: Place, now: Snapshot, limit: int) -> tuple[Found, Place]:
        """The first that are new at ``now``, in order of their transactions' numbers, and whether there are others.

        A stride after the other is looked at, until one has more than is wanted, were it nothing, or all is read.
        """
        entries: list[LogEntry] = []
        while not now.since(place.snapshot).empty:
            try:
                found, place = await self._stride_of(place, now, limit - len(entries))
            except StoreError:
                if not entries:
                    raise
                return Found(entries, more=True), place  # and the next poll says what is the matter
            entries += found.entries
            if found.more:
                return Found(entries, more=True), place
        return Found(entries), place

    async def _stride_of(self, place: Place, now: Snapshot, limit: int) -> tuple[Found, Place]:
        """The first of a stride's; ``more`` where it has others.

        In this order the place between two transactions is a snapshot again, and a page costs no more for what is
        behind it. One that has been read in part is read to its end before any other, whatever its number.
        """
        before, within = place
        after = before if within is None else before.over(within.xid)
        new = now.since(after)
        border = min(now.end, new.first + self._stride)
        which, first = new.below(border), None
        if within is not None:
            # First of all, so that there is never more than one that has been read in part.
            which, first = which.also(within.xid), within.xid
        rows = await self._run(self._new.oldest(which, *self._behind(place), first=first), which, limit + 1)
        entries = entries_of(rows[:limit], "postgresql")
        if len(rows) <= limit:
            self._stride = min(_WIDEST, self._stride * _WIDER)
            return Found(entries), Place(after.joined(now, border))
        if not limit:
            return Found(more=True), place
        last, following = int(rows[limit - 1][-1]), int(rows[limit][-1])
        self._stride = max(_LEAST_STRIDE, 2 * (last - new.first))
        left = Within(last, *Cursor.of(entries[-1])) if last == following else None
        if last == first:
            return Found(entries, more=True), Place(after if left is None else before, left)
        return Found(entries, more=True), Place(after.joined(now, last if left else last + 1), left)

    async def _run(self, statement: sa.Select[Any] | Prepared, which: Difference, count: int = 0) -> list[Any]:
        return await self._sessions.run(statement, values_of(which, self._begun - _DAY, count), regex=self._regex)

    def _behind(self, place: Place) -> _Conditions:
        """What the transaction that has been read in part still has."""
        if (within := place.within) is None:
            return ()
        logs = self._logs.c
        reached = sa.tuple_(
            sa.literal(bound_time(within.timestamp, "postgresql"), logs.timestamp.type),
            sa.literal(within.id, sa.Uuid()),
        )
        return ((logs.xid != xid8(within.xid)) | (sa.tuple_(logs.timestamp, logs.id) > reached),)
