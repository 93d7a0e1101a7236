"""A week of logs in ClickHouse: what ``LogReader`` takes for each kind of read, and what a row takes on the disk.

The engine is chdb in this process, so nothing of this is the network's. Its cache of conditions is emptied before each
turn of a search by a condition: it is on by default, and would answer the second turn from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from benchmarks import history
from benchmarks.report import Report
from dblog.reader import LogReader
from dblog.reading.values import Cursor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["embedded", "load", "run"]

ROWS = 5_000_000
_BLOCK = 100_000
_TURNS = 3
_DAY: Final = 86_400_000_000
_TWELVE: Final = (
    "timestamp", "id", "ingested_at", "severity", "logger", "service", "host", "trace_id", "span_id", "message",
    "exc_text", "metadata",
)  # fmt: skip
"""What comparisons of engines have been made with."""


def run(rounds: int, count: int = ROWS, keep: Path | None = None) -> list[Report]:
    """One report per kind of read, in µs, and two on bytes; ``keep`` is a folder where the rows may be already."""
    with embedded(keep) as (url, client):
        started = time.perf_counter()
        if not client.query("SELECT count() FROM logs").result_rows[0][0]:
            load(client, count)
        note = f"{count:,} rows, {history.DAYS} days, made in {time.perf_counter() - started:.0f} s"
        reports = [_bytes(client, "as it was inserted", note)]
        client.command("OPTIMIZE TABLE logs FINAL")
        reports.append(_bytes(client, "merged", note))
        return [*reports, *asyncio.run(_reads(url, client, rounds * _TURNS, note))]


@contextlib.contextmanager
def embedded(keep: Path | None) -> Iterator[tuple[str, Any]]:
    """The URL of a migrated database, and a client of it; in a folder that stays where one is given."""
    import clickhouse_connect  # noqa: PLC0415 - an extra

    from dblog import migrate  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="dblog-benchmark-", ignore_cleanup_errors=True) as folder:
        path = str(keep or folder)
        url = f"clickhousedb:///default?interface=chdb&path={path}"
        migrate.upgrade(url)
        with contextlib.closing(clickhouse_connect.get_client(interface="chdb", path=path)) as client:
            yield url, client


def load(client: Any, count: int) -> None:
    """Fill it with history."""
    made = history.rows(count)
    while block := list(islice(made, _BLOCK)):
        columns: list[list[Any]] = [list(column) for column in zip(*block, strict=True)]
        for name in ("id", "instance_id"):
            place = history.COLUMNS.index(name)
            columns[place] = [UUID(bytes=each) for each in columns[place]]
        client.insert("logs", columns, column_names=history.COLUMNS, column_oriented=True)


def _bytes(client: Any, when: str, note: str) -> Report:
    report = Report(f"clickhouse: bytes a row, {when}", "B", "every column", notes=[note])
    twelve = ", ".join(f"'{name}'" for name in _TWELVE)
    columns = (
        "SELECT sum(column_bytes_on_disk) / (SELECT sum(rows) FROM system.parts WHERE active AND table = 'logs')"
        " FROM system.parts_columns WHERE active AND table = 'logs'"
    )
    whole = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'logs'"
    for name, sql in (
        ("every column", columns),
        ("twelve columns", f"{columns} AND column IN ({twelve})"),
        ("all, with indexes", whole),
    ):
        report.add(name, client.query(sql).result_rows[0][0])
    return report


async def _reads(url: str, client: Any, turns: int, note: str) -> list[Report]:
    async with LogReader(url) as reader:
        newest = await reader.search(limit=200)
        last = newest.entries[0].timestamp
        middle = Cursor.at(last - history.DAYS * _DAY // 2)
        old = await reader.search(before=middle, limit=200)
        traced = next(each.trace_id for each in old if each.trace_id)
        order = next(each.attributes["order_id"] for each in old if each.metadata)
        reads: dict[str, Callable[[], Awaitable[Any]]] = {
            "the newest 200": lambda: reader.search(limit=200),
            "200 from the middle by keyset": lambda: reader.search(before=middle, limit=200),
            "one trace": lambda: reader.trace(traced or ""),
            "a substring that is nowhere": lambda: reader.search("'nothing has this in it'"),
            "a substring across words, 1 in 2 million": lambda: reader.search("'tem:471123 afte'"),
            "a value in metadata": lambda: reader.search(f"order_id:{order}", limit=10),
            "errors of a service": lambda: reader.search("level>=error service:cart"),
            "a regex on messages": lambda: reader.search("message:/peer 47[0-9]{3}1, retry 99/"),
            "count of everything": reader.count,
            "histogram of everything": reader.histogram,
            "histogram of an hour": lambda: reader.histogram(since=last - 3_600_000_000, until=last),
            "services of the newest 50,000": lambda: reader.facets("", "service"),
        }
        return [await _measured(name, call, client, turns, note) for name, call in reads.items()]


async def _measured(name: str, call: Callable[[], Awaitable[Any]], client: Any, turns: int, note: str) -> Report:
    report = Report(f"read, clickhouse: {name}", "µs", "LogReader", notes=[note])
    for _ in range(turns):
        client.command("SYSTEM DROP QUERY CONDITION CACHE")
        started, worked = time.perf_counter(), time.process_time()
        await call()
        report.add("LogReader", (time.perf_counter() - started) * 1e6)
        report.add("processors' time, of all threads", (time.process_time() - worked) * 1e6)
    return report


if __name__ == "__main__":
    for each in run(3, keep=Path(sys.argv[1]) if sys.argv[1:] else None):
        each.show()
