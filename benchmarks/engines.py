"""The same week of logs in every database, asked the same by ``LogReader``: side by side, with what a row takes.

``python -m benchmarks.engines [folder]``; the folder keeps the databases for the next time. What is shown is for
choosing between kinds of database (docs/scale.md), on one machine, with ClickHouse's engine in this process: no
network, and no more than one shard. ``dblog maintain``'s counts are there, as they would be.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from benchmarks import clickhouse, history
from benchmarks.databases import Databases
from benchmarks.report import Report
from dblog.admin import rollup
from dblog.admin.connection import AdminConnection
from dblog.reader import LogReader
from dblog.reading.values import Cursor
from dblog.url import sync_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["run"]

ROWS: Final = 5_000_000
_TURNS: Final = 9
_DAY: Final = 86_400_000_000
_SIZE: Final = {
    "sqlite": "SELECT CAST(page_count * page_size AS REAL) FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'logs'::regclass",
}


def run(count: int = ROWS, keep: Path | None = None) -> list[Report]:
    """One report per question, in ms, and one on bytes a row."""
    with Databases(keep) as databases, clickhouse.embedded(None if keep is None else keep / "clickhouse") as made:
        url, client = made
        if not client.query("SELECT count() FROM logs").result_rows[0][0]:
            clickhouse.load(client, count)
        with databases.filled("sqlite", count) as lite, databases.filled("postgresql", count) as server:
            for each in (lite, server):
                with AdminConnection(each) as connection:
                    rollup.refresh(connection, budget=600.0)
            urls = {"sqlite": lite, "postgresql": server, "clickhouse": url}
            sizes = {name: _bytes(urls[name], sql) for name, sql in _SIZE.items()}
            whole = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'logs'"
            sizes["clickhouse"] = float(client.query(whole).result_rows[0][0])
            report = Report("bytes a row, indexes included", "B", "postgresql", notes=[f"{count:,} rows"])
            for name, size in sizes.items():
                report.add(name, size / count)
            forget = lambda: client.command("SYSTEM DROP QUERY CONDITION CACHE")  # noqa: E731 - passed on once
            return [report, *asyncio.run(_compared(urls, forget))]


def _bytes(url: str, sql: str) -> float:
    engine = sa.create_engine(sync_url(url))
    with engine.connect() as connection:
        size = float(connection.execute(sa.text(sql)).scalar_one())
    engine.dispose()
    return size


async def _compared(urls: Mapping[str, str], forget: Callable[[], Any]) -> list[Report]:
    readers = {name: LogReader(url) for name, url in urls.items()}
    questions = {name: await _questions(reader) for name, reader in readers.items()}
    reports = []
    for question in questions["sqlite"]:
        report = Report(question, "ms", "postgresql")
        for _ in range(_TURNS):
            for name in readers:
                forget()
                started = time.perf_counter()
                await questions[name][question]()
                report.add(name, (time.perf_counter() - started) * 1e3)
        reports.append(report)
    for reader in readers.values():
        await reader.aclose()
    return reports


async def _questions(reader: LogReader) -> dict[str, Callable[[], Awaitable[Any]]]:
    last = (await reader.search(limit=1)).entries[0].timestamp
    middle = Cursor.at(last - history.DAYS * _DAY // 2)
    traced = next(each.trace_id for each in await reader.search(before=middle, limit=200) if each.trace_id)
    return {
        "the newest 200": lambda: reader.search(limit=200),
        "200 from the middle": lambda: reader.search(before=middle, limit=200),
        "one trace": lambda: reader.trace(traced or ""),
        "errors of a service, the newest 200": lambda: reader.search("level>=error service:cart"),
        "a substring that is nowhere, within an hour": lambda: reader.search(
            "'nothing has this in it'", after=Cursor.at(last - _DAY // 24)
        ),
        "a substring that is nowhere, in seven days": lambda: reader.search("'nothing has this in it'"),
        "a number that is once in two million, in seven days": lambda: reader.search("'tem:471123 afte'"),
        "histogram of seven days": lambda: reader.histogram(since=last - 7 * _DAY, until=last),
    }


if __name__ == "__main__":
    for shown in run(keep=Path(sys.argv[1]) if sys.argv[1:] else None):
        shown.show()
