"""Reading a week of logs: ``LogReader`` beside the same SQL sent by its own driver, in turns.

The reference sends what the reader sends on an open connection, and leaves the rows what the driver makes of them: on
PostgreSQL a read-only transaction with a timeout, without statements kept in the session, which a pooler would not
stand. "the SELECT alone" is the driver at its best: prepared once, no transaction, no timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import aiosqlite
import asyncpg
import sqlalchemy as sa

from benchmarks import history
from benchmarks.report import Report
from dblog import DatabaseHandler
from dblog.entry import LogEntry
from dblog.query.tree import All
from dblog.reader import LogReader
from dblog.reading.prepared import Prepared
from dblog.reading.session import Sessions
from dblog.reading.tailing import Tailer
from dblog.reading.values import Cursor
from dblog.schema import metadata_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.databases import Databases

__all__ = ["run"]

ROWS = 5_000_000
_TURNS = 30
_SLOW = "*:nothing-has-this-in-it"


class _Read(NamedTuple):
    """One contest: the reader's call, and the statement it comes to."""

    name: str
    call: Callable[[], Awaitable[Any]]
    text: _Text


def run(databases: Databases, dialect: str, rounds: int, count: int = ROWS) -> list[Report]:
    """One report per kind of read, in µs, and one on cancelling, in ms."""
    with databases.fresh(dialect) as url:
        started = time.perf_counter()
        history.load(url, count)
        note = f"{count:,} rows, {history.DAYS} days, made in {time.perf_counter() - started:.0f} s"
        return asyncio.run(_measure(url, dialect, rounds * _TURNS, note))


async def _measure(url: str, dialect: str, turns: int, note: str) -> list[Report]:
    async with contextlib.aclosing(await _Raw.open(url, dialect)) as raw, LogReader(url) as reader:
        reports = []
        for read in await _reads(reader, dialect):
            report = Report(f"read, {dialect}: {read.name}", "µs", "the driver alone", notes=[note])
            for _ in range(turns):
                report.add("the driver alone", await _timed(raw.read(read.text)))
                report.add("the SELECT alone", await _timed(raw.send(read.text)))
                report.add("LogReader", await _timed(read.call()))
            reports.append(report)
        return [*reports, *await _polls(url, raw, dialect, turns), await _cancel(reader, dialect)]


async def _reads(reader: LogReader, dialect: str) -> list[_Read]:
    logs = metadata_for(dialect).tables["logs"]
    columns = [logs.c[name] for name in LogEntry._fields]
    newest = sa.select(*columns).order_by(logs.c.timestamp.desc(), logs.c.id.desc()).limit(201)
    page = await reader.search(limit=200)
    entries = page.entries
    middle = Cursor(entries[-1].timestamp - history.DAYS * 43_200_000_000, entries[-1].id)  # type: ignore[arg-type]  # stored
    traced = next(entry.trace_id for entry in (await reader.search(before=middle, limit=200)) if entry.trace_id)
    place = sa.tuple_(logs.c.timestamp, logs.c.id) < sa.tuple_(
        sa.literal(_moment(middle.timestamp, dialect), logs.c.timestamp.type),
        sa.literal(middle.id if dialect == "postgresql" else middle.id.bytes, logs.c.id.type),
    )
    trace = sa.select(*columns).where(logs.c.trace_id == traced).order_by(logs.c.timestamp, logs.c.id).limit(10_001)
    reads: dict[str, tuple[Callable[[], Awaitable[Any]], sa.Select[Any]]] = {
        "the newest 200": (lambda: reader.search(limit=200), newest),
        "200 from the middle by keyset": (lambda: reader.search(before=middle, limit=200), newest.where(place)),
        "one trace": (lambda: reader.trace(traced), trace),
    }
    return [_Read(name, call, _Text.of(statement, None, dialect)) for name, (call, statement) in reads.items()]


def _moment(timestamp: int, dialect: str) -> Any:
    import datetime as dt  # noqa: PLC0415 - one line needs it

    epoch = dt.datetime.fromtimestamp(0, dt.UTC)
    return epoch + dt.timedelta(microseconds=timestamp) if dialect == "postgresql" else timestamp


async def _timed(call: Awaitable[Any]) -> float:
    started = time.perf_counter()
    await call
    return (time.perf_counter() - started) * 1e6


class _Text(NamedTuple):
    """A statement as a driver takes it."""

    sql: str
    values: list[Any]
    alone: bool = False
    """It goes without a transaction."""

    @classmethod
    def of(cls, statement: Any, parameters: Mapping[str, Any] | None, dialect: str) -> _Text:
        """What the reader sends."""
        if isinstance(statement, str):
            return cls(statement, [], alone=True)
        made = statement if isinstance(statement, Prepared) else Prepared(statement, dialect)
        return cls(made.sql, made.values(parameters), made.alone)


class _Raw:
    """One open connection of the driver the reader uses."""

    def __init__(self, connection: Any, plain: Any = None) -> None:
        self._connection = connection
        self._plain = plain
        """A connection that keeps no statements; PostgreSQL only."""

    @classmethod
    async def open(cls, url: str, dialect: str) -> _Raw:
        if dialect == "sqlite":
            return cls(await aiosqlite.connect(url.removeprefix("sqlite:///")))
        dsn = url.replace("postgresql+psycopg", "postgresql")
        return cls(await asyncpg.connect(dsn), await asyncpg.connect(dsn, statement_cache_size=0))

    async def poll(self, texts: list[_Text], *, alone: bool = False) -> None:
        """All that a tail sends in one poll; ``alone`` without transactions and timeouts."""
        for text in texts:
            await (self.send(text) if alone else self.read(text))

    async def read(self, text: _Text) -> list[Any]:
        """As the reader does it."""
        if self._plain is None:
            return await self.send(text)
        if text.alone:
            return list(await self._plain.fetch(text.sql, *text.values))
        await self._plain.execute("BEGIN READ ONLY; SET LOCAL statement_timeout = 30000")
        rows = list(await self._plain.fetch(text.sql, *text.values))
        await self._plain.execute("COMMIT")
        return rows

    async def send(self, text: _Text) -> list[Any]:
        """At its best."""
        if isinstance(self._connection, aiosqlite.Connection):
            return list(await self._connection.execute_fetchall(text.sql, text.values))
        return list(await self._connection.fetch(text.sql, *text.values))

    async def aclose(self) -> None:
        await self._connection.close()
        if self._plain is not None:
            await self._plain.close()


async def _cancel(reader: LogReader, dialect: str, times: int = 10) -> Report:
    """How long a cancelled search takes to be gone, and the next query to answer."""
    report = Report(f"read, {dialect}: a slow search is cancelled", "µs", "cancel to end of the call")
    for _ in range(times):
        search = asyncio.create_task(reader.search(_SLOW))
        await asyncio.sleep(0.3)
        if search.done():
            raise RuntimeError("the search that is to be cancelled was not slow")
        search.cancel()
        started = time.perf_counter()
        await asyncio.wait([search])
        report.add("cancel to end of the call", (time.perf_counter() - started) * 1e6)
        report.add("the next query", await _timed(reader.search(limit=1)))
    return report


async def _polls(url: str, raw: _Raw, dialect: str, turns: int) -> list[Report]:
    """A tail's poll that finds nothing, and one that finds 200 rows, beside the statements a tail like it has sent."""
    telling, sessions = _Telling(url), Sessions(url)
    scout, tailer = Tailer(telling, All()), Tailer(sessions, All())
    writer = DatabaseHandler(url, flush_interval=0.01)
    record = logging.makeLogRecord({"msg": "poll", "levelno": 20, "levelname": "INFO"})
    await scout.begin()
    await tailer.begin()
    reports = []
    for name, count, times in (("without news", 0, turns), ("that brings 200", 200, max(10, turns // 10))):
        report = Report(f"read, {dialect}: a poll {name}", "µs", "the driver alone")
        for turn in range(times):
            if count:
                for _ in range(count):
                    writer.handle(record)
                await asyncio.to_thread(writer.flush, 5.0)
            if count or not turn:  # else the statements are the same, and nobody's thread is to be warmer than others'
                telling.sent.clear()
                await scout.poll()
                await raw.poll(telling.sent)  # what they read is in memory, …
                await raw.poll(telling.sent, alone=True)  # … and they are prepared
            report.add("the driver alone", await _timed(raw.poll(telling.sent)))
            report.add("the statements alone", await _timed(raw.poll(telling.sent, alone=True)))
            report.add("Tailer.poll", await _timed(tailer.poll()))
        reports.append(report)
    writer.close()
    for each in (scout, tailer, telling, sessions):
        await each.aclose()
    return reports


class _Telling(Sessions):
    """Connections that tell what a tail sends."""

    sent: list[_Text]

    def _make_store(self) -> Any:
        store: Any = super()._make_store()
        self.sent = []
        for name in ("run", "scalar"):
            setattr(store, name, self._told(getattr(store, name)))
        return store

    def _told(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        def call(connection: Any, statement: Any, parameters: Any = None, **options: Any) -> Awaitable[Any]:
            self.sent.append(_Text.of(statement, parameters, self.dialect))
            return method(connection, statement, *([] if isinstance(statement, str) else [parameters]), **options)

        return call
