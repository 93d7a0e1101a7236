"""``Source``: one database, as the screens see it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dblog_tui.source.sweep import sweep

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from dblog.cli.profiles import Database
    from dblog.entry import LogEntry
    from dblog.errors import StoreUnavailable
    from dblog.query import Query
    from dblog.reader import LogReader
    from dblog.reading.values import (
        Access,
        Context,
        Count,
        Cursor,
        DeadLetterRow,
        Facets,
        Histogram,
        Instance,
        Page,
        Statement,
        Statistics,
        TailBatch,
        Trace,
    )
    from dblog_tui.source.sweep import Reached

__all__ = ["Down", "Extent", "Source"]

_EXTENT_SECONDS = 30.0
"""How long an extent is believed."""


@dataclass(frozen=True, slots=True)
class Down:
    """The database is away."""

    since: float
    """``time.monotonic()`` of the first failure."""
    attempt: int
    """Counted from 1."""
    pause: float
    """Seconds until the next attempt."""
    why: str
    """A sentence for people."""
    refused: bool = False
    """It is there, and cannot be read."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is, roughly; what costs and shares are estimated from."""

    rows: Count
    oldest: int | None
    """µs since 1970 UTC; None of an empty table."""
    newest: int | None

    def rows_between(self, since: int | None, until: int | None) -> int:
        """An estimate that takes entries to be spread evenly."""
        if self.oldest is None or self.newest is None:
            return 0
        low, high = max(since or self.oldest, self.oldest), min(until or self.newest + 1, self.newest + 1)
        whole = max(self.newest - self.oldest, 1)
        return min(max(round(self.rows.value * (high - low) / whole), 0), self.rows.value)


class Source:
    """Everything the screens ask of one database.

    Each method may raise ``StoreUnavailable``, ``QueryTimeout`` and ``ConfigurationError`` (``dblog.errors``), each
    with a sentence for people. Cancelling the task that waits ends the query in the database.

    Args:
        database: which one.
        zone: of times in queries that are written without one.
        name: what the header calls it; the URL without its password where None.
        profile: by which a command line names it; the URL without its password where None.
    """

    def __init__(
        self,
        database: Database,
        *,
        zone: dt.tzinfo | None = None,
        name: str | None = None,
        profile: str | None = None,
    ) -> None:
        self.database = database
        self.zone = zone
        self._name, self._profile = name, profile
        self._reader: LogReader | None = None
        self._extent: tuple[float, Extent] | None = None

    @property
    def name(self) -> str:
        """What people call it; never with a password."""
        return self._name or self.safe_url

    @property
    def safe_url(self) -> str:
        """The URL as it may be shown."""
        from dblog.safe_url import safe_url  # noqa: PLC0415 - behind the first paint

        return safe_url(self.database.url)

    @property
    def address(self) -> str:
        """How a command line names it: the profile, or the URL without a password."""
        from dblog_tui.links import public_url  # noqa: PLC0415 - behind the first paint

        return self._profile or public_url(self.database.url) or self.safe_url

    @property
    def postgres(self) -> bool:
        """PostgreSQL, and not SQLite."""
        return self.database.url.startswith("postgres")

    @property
    def reader(self) -> LogReader:
        """The reader; ``open`` has made it."""
        if self._reader is None:
            self._load()
        assert self._reader is not None  # noqa: S101 - made a line ago
        return self._reader

    async def open(self) -> None:
        """Load what reads, SQLAlchemy and one driver, in a thread: the screen stays alive. It connects to nothing.

        Raises:
            ConfigurationError: the URL is wrong, or its driver not installed.
        """
        if self._reader is None:
            await asyncio.to_thread(self._load)

    def _load(self) -> None:
        from dblog.reader import LogReader  # noqa: PLC0415 - a third of a second, behind the first paint

        database = self.database
        self._reader = LogReader(
            database.url,
            schema=database.schema,
            table=database.table,
            statement_timeout=database.statement_timeout,
            password_file=database.password_file,
            tail_overlap=database.tail_overlap,
            timezone=self.zone,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._reader is not None:
            await self._reader.aclose()

    # -- rows -------------------------------------------------------------------------------------------------

    async def page(
        self, query: Query | str, *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 200
    ) -> Page:
        """One page, the newest first whichever way; see ``LogReader.search``."""
        return await self.reader.search(query, before=before, after=after, limit=limit)

    def sweep(
        self,
        query: Query | str,
        *,
        before: Cursor | None,
        floor: int | None,
        limit: int = 200,
        began: int | None = None,
    ) -> AsyncGenerator[Reached]:
        """The newest ``limit`` matches before a place, searched for backwards in pieces; see ``sweep``."""
        return sweep(self, query, before=before, floor=floor, limit=limit, began=began)

    def tail(
        self,
        query: Query | str,
        *,
        after: str | None = None,
        limit: int = 500,
        poll_interval: float = 0.25,
        away: Callable[[StoreUnavailable, float], asyncio.Future[Any] | None] | None = None,
    ) -> AsyncIterator[TailBatch]:
        """Follow; ``away`` is called at each look that failed, with the seconds to the next; its future ends them."""
        return self.reader.tail(query, after=after, limit=limit, poll_interval=poll_interval, away=away)

    async def get(self, entry_id: Any) -> LogEntry | None:
        """The whole entry, by its UUID or the last digits of it."""
        return await self.reader.get(entry_id)

    async def trace(self, trace_id: str) -> Trace:
        """Every entry of a trace, the oldest first."""
        return await self.reader.trace(trace_id)

    async def context(self, entry: LogEntry, n: int, query: Query | str = "") -> Context:
        """The neighbours of an entry among those that match."""
        return await self.reader.context(entry, n, query=query)

    # -- figures ----------------------------------------------------------------------------------------------

    @property
    def known_extent(self) -> Extent | None:
        """What ``extent`` said last, however long ago."""
        return self._extent[1] if self._extent is not None else None

    async def extent(self) -> Extent:
        """How much there is; asked anew every half minute at most."""
        now = time.monotonic()
        if self._extent is None or now - self._extent[0] > _EXTENT_SECONDS:
            rows = await self.reader.count(exact=False)
            oldest, newest = await self.reader.bounds()
            self._extent = now, Extent(rows, oldest, newest)
        return self._extent[1]

    async def count(self, query: Query | str, *, exact: bool = True) -> Count:
        """How many match."""
        return await self.reader.count(query, exact=exact)

    async def histogram(self, query: Query | str, *, bucket: float, since: int, until: int) -> Histogram:
        """One piece of a histogram; both bounds (µs) included, ``bucket`` in seconds."""
        return await self.reader.histogram(query, bucket=bucket, since=since, until=until)

    async def facets(self, query: Query | str, name: str, *, limit: int = 20, sample: int | None = 50_000) -> Facets:
        """The most frequent values of a field."""
        return await self.reader.facets(query, name, limit=limit, sample=sample)

    # -- the administrator's side -------------------------------------------------------------------------------

    async def access(self) -> Access:
        """Who reads, where, and the proof that nothing can be written."""
        return await self.reader.access()

    async def instances(self) -> tuple[Instance, ...]:
        """Every writer."""
        return await self.reader.instances()

    async def dead_letters(self) -> tuple[DeadLetterRow, ...]:
        """Rows that were refused."""
        return await self.reader.dead_letters()

    async def statistics(self) -> Statistics:
        """Rows, levels, services, size."""
        return await self.reader.statistics()

    def statement(self, query: Query | str, *, limit: int = 200) -> Statement:
        """The SQL of a page, and its parameters."""
        return self.reader.statement(query, limit=limit)
