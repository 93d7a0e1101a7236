"""``LogReader``: ask for entries, follow them, and count them, without ever being in a writer's way.

A read is one short read-only transaction with a statement timeout and a LIMIT; it ends before the call returns, and
nothing is set on the session, so it is safe behind a transaction pooler. Cancelling the task that awaits a call
cancels the query in the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from dblog.reading import pages, side
from dblog.reading.histogram import bounds, histogram
from dblog.reading.opened import sessions_for
from dblog.reading.selection import Selection, cursor_of, select_matching, tree_of

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    import os
    from collections.abc import AsyncIterator, Callable, Mapping
    from uuid import UUID

    from sqlalchemy import URL

    from dblog.entry import LogEntry
    from dblog.errors import StoreUnavailable
    from dblog.query import Query
    from dblog.reading.layout import Layout
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

__all__ = ["LogReader"]


class LogReader:
    """Reads one database's logs; an asynchronous context manager, safe for several tasks at once.

    Every method takes a query as text (``docs/query-language.md``) or as a ``Query``, and ``where``: further
    fields with exact values, which need no quoting (``dblog.query.where``).

    Args:
        url: any spelling ``DatabaseHandler`` takes. Nothing is opened before the first call.
        schema: the Postgres schema, None is the first of the search path; on ClickHouse a database.
        table: the log table; the other names follow from it.
        statement_timeout: seconds a query may take.
        connect_timeout: seconds to wait for a connection.
        password: a text, or a callable asked at each connect.
        password_file: read at each connect.
        timezone: of times in queries that are written without one; the machine's where None.
        tail_overlap: seconds for which a row of ClickHouse may stay unseen after it was taken, by a slow INSERT or a
            replica that lags behind; a tail looks so far back at each poll.

    Raises:
        ConfigurationError: the URL or a name is wrong. Every method: ``QuerySyntaxError`` for a query that
            cannot be read, ``StoreUnavailable`` when the database or its tables cannot be had, ``QueryTimeout``.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        schema: str | None = None,
        table: str = "logs",
        statement_timeout: float = 30.0,
        connect_timeout: float = 5.0,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
        timezone: dt.tzinfo | None = None,
        tail_overlap: float = 10.0,
    ) -> None:
        self._sessions = sessions_for(
            url,
            schema=schema,
            table=table,
            statement_timeout=statement_timeout,
            connect_timeout=connect_timeout,
            password=password,
            password_file=password_file,
            tail_overlap=tail_overlap,
        )
        self._timezone = timezone

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the reader can be used again, and opens new ones."""
        await self._sessions.aclose()

    async def search(
        self,
        query: str | Query = "",
        *,
        where: Mapping[str, Any] | None = None,
        before: Cursor | str | None = None,
        after: Cursor | str | None = None,
        limit: int = 200,
    ) -> Page:
        """The newest ``limit`` entries, or the page next to a cursor.

        ``before``: the newest that are older; ``after``: the oldest that are newer; with both, those between, the
        newest. Pages put together equal one sorted read, also while rows are being inserted before or behind them.
        """
        selection = self._matching(query, where)
        return await pages.search(
            self._sessions, selection, before=cursor_of(before), after=cursor_of(after), limit=limit
        )

    def tail(
        self,
        query: str | Query = "",
        *,
        where: Mapping[str, Any] | None = None,
        after: str | None = None,
        poll_interval: float = 0.25,
        limit: int = 500,
        lossless: bool = False,
        follow: bool = True,
        away: Callable[[StoreUnavailable, float], asyncio.Future[Any] | None] | None = None,
    ) -> AsyncIterator[TailBatch]:
        """Follow what is committed from now on, or from ``after`` (a batch's token): each entry once, none missed.

        The first batch comes at once and is empty: its token is the place where the tail begins. Then a batch comes
        only when there is something to say. A poll that finds more than ``limit`` yields the newest and the number
        skipped; ``lossless`` yields them all, in several batches.
        It never ends by itself; a database that is away is waited for, and the first batch afterwards says so.
        Meanwhile ``away`` is called at each look that failed, with the error and the seconds to the next look; a
        future it returns has that come sooner. Who gave it gets a batch, be it empty, at the first look that does not
        fail, and at the first one behind ``after``.
        Without ``follow`` it ends where there is no more, with a batch that may be empty, and waits for no database.
        """
        from dblog.reading.tailing import tail  # noqa: PLC0415 - for those who follow

        tree = tree_of(query, where, self._timezone)
        return tail(
            self._sessions,
            tree,
            after=after,
            poll_interval=poll_interval,
            limit=limit,
            lossless=lossless,
            follow=follow,
            away=away,
        )

    async def trace(self, trace_id: str, *, limit: int = 10_000) -> Trace:
        """Every entry of a trace, across services, the oldest first."""
        return await pages.trace(self._sessions, trace_id, limit=limit)

    async def get(self, entry_id: UUID | str) -> LogEntry | None:
        """One entry by its id; None where there is none.

        A text of 8 to 31 hexadecimal digits finds the newest entry whose id ends in them, as `dblog` shows ids.
        """
        return await pages.get(self._sessions, entry_id)

    async def context(self, entry: LogEntry, n: int = 20, *, query: str | Query = "") -> Context:
        """The ``n`` entries before and after one, of those that match the query."""
        return await pages.context(self._sessions, self._matching(query), entry, n)

    async def histogram(
        self,
        query: str | Query = "",
        *,
        where: Mapping[str, Any] | None = None,
        bucket: float | dt.timedelta | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Histogram:
        """Entries over time, per severity band.

        Args:
            query: and ``where``: which entries.
            where: see above.
            bucket: seconds, or a timedelta; None chooses a round width that gives about sixty buckets.
            since: µs, included; the first matching entry where None.
            until: µs, included; the last matching entry where None.

        Buckets begin at multiples of their width in UTC, weeks on Mondays.

        Raises:
            ConfigurationError: the range would take more than 10,000 buckets.
        """
        selection = self._matching(query, where)
        return await histogram(self._sessions, selection, bucket=bucket, since=since, until=until)

    async def facets(
        self,
        query: str | Query = "",
        field: str = "service",
        *,
        where: Mapping[str, Any] | None = None,
        limit: int = 20,
        sample: int | None = 50_000,
    ) -> Facets:
        """The most frequent values of a field (a column, an alias or a path) among the newest ``sample`` matches.

        ``sample=None`` looks at all of them.
        """
        from dblog.reading import figures  # noqa: PLC0415 - for those who count

        named = figures.field_of(field)
        return await figures.facets(self._sessions, self._matching(query, where), named, limit=limit, sample=sample)

    async def count(
        self, query: str | Query = "", *, where: Mapping[str, Any] | None = None, exact: bool = True
    ) -> Count:
        """How many entries match; not ``exact`` asks the planner instead where the database has one that answers."""
        from dblog.reading import figures  # noqa: PLC0415 - for those who count

        return await figures.count(self._sessions, self._matching(query, where), exact=exact)

    async def bounds(
        self, query: str | Query = "", *, where: Mapping[str, Any] | None = None
    ) -> tuple[int | None, int | None]:
        """The times of the first and the last matching entry, in µs; None where there is none."""
        return await bounds(self._sessions, self._matching(query, where))

    async def access(self) -> Access:
        """Who reads, and the database's own word that this reader can write nothing."""
        from dblog.reading import access  # noqa: PLC0415 - for those who ask

        return await access.access(self._sessions)

    def statement(
        self, query: str | Query = "", *, where: Mapping[str, Any] | None = None, limit: int = 200
    ) -> Statement:
        """The SQL of ``search``, with the values of its parameters; nothing is sent."""
        from dblog.reading import access  # noqa: PLC0415 - for those who ask

        return access.statement(self._sessions, self._matching(query, where), limit)

    async def instances(self, *, limit: int = 1000) -> tuple[Instance, ...]:
        """The writers that have said something, the last seen first."""
        return await side.instances(self._sessions, limit=limit)

    async def dead_letters(self, *, limit: int = 200) -> tuple[DeadLetterRow, ...]:
        """Rows the database refused, the newest first."""
        return await side.dead_letters(self._sessions, limit=limit)

    async def layout(self) -> Layout:
        """How the table lies on the disk: partitions, indexes, the schema's revision; as any role may read it."""
        from dblog.reading import layout  # noqa: PLC0415 - for administrators

        return await layout.layout(self._sessions)

    async def statistics(self) -> Statistics:
        """Rows, levels, services, loggers, range and size; sampled where the table is large."""
        from dblog.reading import figures  # noqa: PLC0415 - for those who count

        return await figures.statistics(self._sessions)

    def _matching(self, query: str | Query, where: Mapping[str, Any] | None = None) -> Selection:
        return select_matching(self._sessions, tree_of(query, where, self._timezone))
