"""The tail: polls at a steady pace, batches with a token, and patience with a database that is away.

A ``Tailer`` is one tail; its ``poll()`` never sleeps. ``tail()`` paces it. What is new is the business of
``tail_postgres``, ``tail_sqlite`` and ``tail_clickhouse``; here entries are put in order, marked late, given a token.
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from dblog.backoff import Backoff
from dblog.errors import ConfigurationError, ErrorClass, StoreUnavailable
from dblog.reading.values import Cursor, TailBatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from dblog.entry import LogEntry
    from dblog.query.tree import Node
    from dblog.reading.session import Sessions
    from dblog.reading.tail_source import Found, TailSource

__all__ = ["Tailer", "paced", "tail"]

_TOKEN: Final = re.compile(r"(postgresql|sqlite|clickhouse)([0-9]{1,3})\.([^.]+)\.(-?\d{1,19}-[0-9a-f]{32})?")
_PLACE: Final[Callable[[LogEntry], tuple[int, UUID]]] = attrgetter(*Cursor._fields)
"""As ``Cursor.of``, which takes five times as long."""
_VERSION: Final = "1"
_MOST: Final = 100_000

_PASSING: Final = frozenset({ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT})
_MISSING: Final = frozenset({"3D000", "57P04", "SQLITE_CANTOPEN"})
"""A database or file that is not there: it may be about to be restored."""


def tail(
    sessions: Sessions,
    tree: Node,
    *,
    after: str | None = None,
    poll_interval: float = 0.25,
    limit: int = 500,
    lossless: bool = False,
    follow: bool = True,
    away: Callable[[StoreUnavailable, float], asyncio.Future[Any] | None] | None = None,
) -> AsyncIterator[TailBatch]:
    """See ``LogReader.tail``.

    Args:
        sessions: the reader's.
        tree: which entries.
        after: a batch's token.
        poll_interval: seconds from the beginning of one poll to that of the next.
        limit: entries of a batch at most, 1 to 100,000.
        lossless: every entry, in several batches where there are more.
        follow: go on for ever; else to the end of what is there, and wait for no database.
        away: called at each look that failed, with the error and the seconds to the next, which comes sooner where a
            future it returned is done; the first look that does not fail brings a batch then, be it an empty one.

    Raises:
        ConfigurationError: ``poll_interval`` or ``limit`` cannot be, ``after`` is not a token of this kind of database.
            While tailing: ``StoreUnavailable`` for what does not heal by itself (a table or a privilege is missing), or
            for anything before the first batch; ``QueryTimeout``.
    """
    if not 0 < poll_interval < float("inf"):
        raise ConfigurationError(f"poll_interval={poll_interval!r}: give a positive number of seconds")
    tailer = Tailer(sessions, tree, after=after, limit=limit, lossless=lossless, follow=follow, away=away)
    return paced(tailer, poll_interval)


async def paced(tailer: Tailer, interval: float) -> AsyncIterator[TailBatch]:
    """The batches of a tail, polled at a steady pace; it gives back what it holds when it is closed."""
    clock = asyncio.get_running_loop().time
    try:
        yield await tailer.begin()
        while True:
            began = clock()
            if (batch := await tailer.poll()) is not None:
                yield batch
            if not (tailer.more or tailer.follow):
                return
            if not tailer.more:
                seconds = max(0.0, began + (tailer.pause or interval) - clock())
                if tailer.sooner is not None:
                    await asyncio.wait({tailer.sooner}, timeout=seconds)
                else:
                    await asyncio.sleep(seconds)
    finally:
        await tailer.aclose()


class Tailer:
    """One tail, poll by poll.

    Args:
        sessions: see ``tail``.
        tree: see ``tail``.
        after: see ``tail``.
        limit: see ``tail``.
        lossless: see ``tail``.
        follow: see ``tail``.
        away: see ``tail``.
        clock: seconds, for how long the database was away.

    Raises:
        ConfigurationError: see ``tail``.
    """

    def __init__(
        self,
        sessions: Sessions,
        tree: Node,
        *,
        after: str | None = None,
        limit: int = 500,
        lossless: bool = False,
        follow: bool = True,
        away: Callable[[StoreUnavailable, float], asyncio.Future[Any] | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= limit <= _MOST:
            raise ConfigurationError(f"limit={limit!r}: give 1 to {_MOST:,}")
        self.follow = follow
        self.more = False
        """The next poll has entries that were there already: ask at once."""
        self.pause = 0.0
        """Seconds to wait before the next poll, because the database is away; 0 while it is not."""
        self.sooner: asyncio.Future[Any] | None = None
        """Ends that wait."""
        self._limit, self._lossless = limit, lossless
        self._dialect = sessions.dialect
        self._after = after
        self._greatest: Cursor | None = None
        """The greatest place of an entry yielded so far."""
        place = None
        if after is not None:
            place, self._greatest = _read_token(after, self._dialect)
        self._source = _source(sessions, tree, place)
        self._clock = clock
        self._away = away
        self._away_since: float | None = None
        self._unsaid = away is not None and after is not None
        """Somebody waits to hear that the database is there."""
        self._locked_only = True
        """It was away for a lock and nothing worse."""
        self._backoff = Backoff(0.25, 5.0)

    async def begin(self) -> TailBatch:
        """The empty batch whose token is the place where the tail begins; with ``after`` the database is not asked.

        Raises:
            StoreUnavailable: the database cannot be had.
        """
        if self._after is None:
            await self._source.poll(self._limit, lossless=self._lossless)
        return TailBatch((), frozenset(), 0, self._token())

    async def poll(self) -> TailBatch | None:
        """Look once; None where there is nothing to say, or the database is away.

        The last batch of a tail that does not follow comes even where it is empty: for its token.

        Raises:
            StoreUnavailable: it will not come back by itself.
            QueryTimeout: the query took too long.
        """
        try:
            found = await self._source.poll(self._limit, lossless=self._lossless)
        except StoreUnavailable as error:
            self._wait_for(error)
            return None
        notice = " ".join(filter(None, (self._back(found), found.notice))) or None
        self.more = found.more
        unsaid, self._unsaid, self.sooner = self._unsaid, False, None
        last = not (self.follow or found.more)
        if not (found.entries or found.skipped or notice or last or unsaid):
            return None
        return self._batch(found, notice)

    async def aclose(self) -> None:
        """Give back what it holds of the database."""
        await self._source.aclose()

    def _batch(self, found: Found, notice: str | None) -> TailBatch:
        entries = tuple(sorted(found.entries, key=_PLACE))
        late: frozenset[UUID] = frozenset()
        if entries:
            before, last = self._greatest, Cursor.of(entries[-1])
            if before is not None:
                behind = bisect_left([_PLACE(entry) for entry in entries], before)
                late = frozenset(entry.id for entry in entries[:behind] if entry.id is not None)
            self._greatest = last if before is None else max(before, last)
        return TailBatch(entries, late, found.skipped, self._token(), notice, found.anew)

    def _token(self) -> str:
        return f"{self._dialect}{_VERSION}.{self._source.place()}.{self._greatest or ''}"

    # -- the database is away ---------------------------------------------------------------------------------

    def _wait_for(self, error: StoreUnavailable) -> None:
        passing = error.kind in _PASSING or error.code.partition(" ")[0] in _MISSING
        if not (passing and self.follow):
            raise error
        if self._away_since is None:
            self._away_since, self._locked_only = self._clock(), True
        self._locked_only &= error.kind is ErrorClass.RESEND
        self._source.lost()
        self.more = False
        self.pause = max(_LEAST_PAUSE, self._backoff.next())
        if self._away is not None:
            self._unsaid = True
            self.sooner = self._away(error, self.pause)

    def _back(self, found: Found) -> str | None:
        """The sentence for a database that is back; a lock that has passed is not worth one."""
        if self._away_since is None:
            return None
        seconds, self._away_since, self.pause = self._clock() - self._away_since, None, 0.0
        self._backoff.reset()
        if self._locked_only and seconds < 1:
            return None
        said = f"the database was away for {seconds:.0f} s" if seconds >= 1 else "the database was away for a moment"
        return f"{said}{';' if found.notice else '; nothing was missed'}"


_LEAST_PAUSE: Final = 0.01


def _source(sessions: Sessions, tree: Node, place: str | None) -> TailSource:
    if sessions.dialect == "sqlite":
        from dblog.reading.tail_sqlite import SQLiteTail  # noqa: PLC0415 - one of three

        return SQLiteTail(sessions, tree, place)
    if sessions.dialect == "clickhouse":
        from dblog.reading.tail_clickhouse import ClickHouseTail  # noqa: PLC0415 - one of three

        return ClickHouseTail(sessions, tree, sessions.tail_overlap, place)
    from dblog.reading.tail_postgres import PostgresTail  # noqa: PLC0415 - one of three

    return PostgresTail(sessions, tree, place)


def _read_token(token: str, dialect: str) -> tuple[str, Cursor | None]:
    """The place, and the greatest entry yielded."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ConfigurationError(f"{token[:80]!r} is not a tail's token: give one that a batch of a tail has named")
    kind, version, place, greatest = match.groups()
    if kind != dialect:
        raise ConfigurationError(f"{token[:80]!r} is a token of a tail on {kind}, and this database is {dialect}")
    if version != _VERSION:
        raise ConfigurationError(f"{token[:80]!r} is a token of another version of dblog: begin a new tail")
    return place, Cursor.parse(greatest) if greatest else None
