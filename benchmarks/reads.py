"""Reading a week of logs: ``LogReader`` beside the same SQL sent by its own driver, in turns.

The reference sends what the reader sends on an open connection, and leaves the rows what the driver makes of them: on
PostgreSQL a read-only transaction with a timeout, without statements kept in the session, which a pooler would not
stand. "the SELECT alone" is the driver at its best: prepared once, no transaction, no timeout.
"""

from __future__ import annotations

import asyncio
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
from dblog.reading.dialects import compiler
from dblog.reading.session import Sessions
from dblog.reading.tailing import Tailer
from dblog.reading.values import Cursor
from dblog.schema import metadata_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.databases import Databases

__all__ = ["run"]

ROWS = 5_000_000
_TURNS = 30
_SLOW = "*:nothing-has-this-in-it"


class _Read(NamedTuple):
    """One contest: the reader's call, and the statement it comes to."""

    name: str
    call: Callable[[], Awaitable[Any]]
    statement: sa.Select[Any]


def run(databases: Databases, dialect: str, rounds: int, count: int = ROWS) -> list[Report]:
    """One report per kind of read, in µs, and one on cancelling, in ms."""
    with databases.fresh(dialect) as url:
        started = time.perf_counter()
        history.load(url, count)
        note = f"{count:,} rows, {history.DAYS} days, made in {time.perf_counter() - started:.0f} s"
        return asyncio.run(_measure(url, dialect, rounds * _TURNS, note))


async def _measure(url: str, dialect: str, turns: int, note: str) -> list[Report]:
    raw = await _Raw.open(url, dialect)
    async with LogReader(url) as reader:
        reports = []
        for read in await _reads(reader, dialect):
            report = Report(f"read, {dialect}: {read.name}", "µs", "the driver alone", notes=[note])
            for _ in range(turns):
                report.add("the driver alone", await _timed(raw.read(read.statement)))
                report.add("the SELECT alone", await _timed(raw.send(read.statement)))
                report.add("LogReader", await _timed(read.call()))
            reports.append(report)
        reports += [*await _idle(url, raw, dialect, turns), await _cancel(reader, dialect)]
    await raw.close()
    return reports


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
    return [
        _Read("the newest 200", lambda: reader.search(limit=200), newest),
        _Read("200 from the middle by keyset", lambda: reader.search(before=middle, limit=200), newest.where(place)),
        _Read("one trace", lambda: reader.trace(traced), trace),
    ]


def _moment(timestamp: int, dialect: str) -> Any:
    import datetime as dt  # noqa: PLC0415 - one line needs it

    epoch = dt.datetime.fromtimestamp(0, dt.UTC)
    return epoch + dt.timedelta(microseconds=timestamp) if dialect == "postgresql" else timestamp


async def _timed(call: Awaitable[Any]) -> float:
    started = time.perf_counter()
    await call
    return (time.perf_counter() - started) * 1e6


class _Raw:
    """One open connection of the driver the reader uses, and SQL compiled beforehand."""

    def __init__(self, connection: Any, dialect: str, plain: Any = None) -> None:
        self._connection = connection
        self._plain = plain
        """A connection that keeps no statements; PostgreSQL only."""
        self._dialect = compiler(dialect)
        self._compiled: dict[sa.Executable, tuple[str, list[Any]]] = {}

    @classmethod
    async def open(cls, url: str, dialect: str) -> _Raw:
        if dialect == "sqlite":
            return cls(await aiosqlite.connect(url.removeprefix("sqlite:///")), dialect)
        dsn = url.replace("postgresql+psycopg", "postgresql")
        return cls(await asyncpg.connect(dsn), dialect, await asyncpg.connect(dsn, statement_cache_size=0))

    async def read(self, statement: sa.Executable) -> list[Any]:
        """As the reader does it."""
        if self._plain is None:
            return await self.send(statement)
        sql, values = self._compiled.get(statement) or self._compile(statement)
        await self._plain.execute("BEGIN READ ONLY; SET LOCAL statement_timeout = 30000")
        rows = list(await self._plain.fetch(sql, *values))
        await self._plain.execute("COMMIT")
        return rows

    async def send(self, statement: sa.Executable) -> list[Any]:
        sql, values = self._compiled.get(statement) or self._compile(statement)
        if isinstance(self._connection, aiosqlite.Connection):
            return list(await self._connection.execute_fetchall(sql, values))
        return list(await self._connection.fetch(sql, *values))

    def _compile(self, statement: Any) -> tuple[str, list[Any]]:
        compiled = statement.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        names = compiled.positiontup or []
        made = str(compiled), [compiled.params[name] for name in names]
        self._compiled[statement] = made
        return made

    async def close(self) -> None:
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


async def _idle(url: str, raw: _Raw, dialect: str, turns: int) -> list[Report]:
    """A tail's poll that finds nothing, and one that finds 200 rows."""
    idle = Report(f"read, {dialect}: a poll without news", "µs", "the driver alone")
    busy = Report(f"read, {dialect}: a poll that brings 200", "µs", "the driver alone")
    sessions = Sessions(url)
    tailer = Tailer(sessions, All())
    await tailer.begin()
    logs = sessions.tables.logs
    columns = [logs.c[name] for name in LogEntry._fields]
    writer = DatabaseHandler(url, flush_interval=0.01)
    record = logging.makeLogRecord({"msg": "poll", "levelno": 20, "levelname": "INFO"})
    for _ in range(turns):
        idle.add("the driver alone", await _timed(raw.read(_LOOK[dialect])))
        idle.add("the SELECT alone", await _timed(raw.send(_LOOK[dialect])))
        idle.add("Tailer.poll", await _timed(tailer.poll()))
    for _ in range(max(10, turns // 10)):
        xid = (await raw.send(_MARK[dialect]))[0][0]
        for _ in range(200):
            writer.handle(record)
        await asyncio.to_thread(writer.flush, 5.0)
        new = logs.c.ingest_seq > xid if dialect == "sqlite" else sa.text(f"xid >= '{int(xid)}'::xid8")
        news = sa.select(*columns).where(new).with_hint(logs, "NOT INDEXED", "sqlite")
        news = news.order_by(logs.c.timestamp.desc(), logs.c.id.desc()).limit(501)
        await raw.send(news)  # made text, and prepared
        busy.add("the driver alone", await _timed(raw.read(news)))
        busy.add("the SELECT alone", await _timed(raw.send(news)))
        busy.add("Tailer.poll", await _timed(tailer.poll()))
    writer.close()
    await tailer.aclose()
    await sessions.aclose()
    return [idle, busy]


_LOOK: dict[str, sa.Executable] = {
    "sqlite": sa.text("PRAGMA data_version"),
    "postgresql": sa.text("SELECT pg_current_snapshot()::text"),
}
_MARK: dict[str, sa.Executable] = {
    "sqlite": sa.text("SELECT max(ingest_seq) FROM logs"),
    "postgresql": sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"),
}
