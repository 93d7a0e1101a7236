"""What tests of the administrator's functions share: databases with known entries in them, read back as a whole."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from dblog.admin.connection import AdminConnection
from dblog.admin.storing import Outcome, Storing, made_id
from dblog.entry import LogEntry
from dblog.reader import LogReader
from tests import embedded_clickhouse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["DAY", "SECOND", "ask", "entry", "everything", "fill", "now"]

SECOND = 1_000_000
DAY = 86_400 * SECOND

T = TypeVar("T")


def now() -> int:
    """µs since 1970 UTC."""
    return time.time_ns() // 1000


def entry(number: int, timestamp: int | None = None, **fields: Any) -> LogEntry:
    """An entry with every kind of field: of an hour ago, but of today, whose partition is there."""
    moment = max(now() - 3600 * SECOND, now() // DAY * DAY) + number if timestamp is None else timestamp
    made: dict[str, Any] = {
        "timestamp": moment,
        "level": "INFO",
        "severity": 9,
        "logger": "shop",
        "message": f"order {number}, “déjà”\n\tline",
        "template": "order %d",
        "metadata": f'{{"order":{number},"nested":{{"a":[1,2.5,null,true]}}}}',
        "user_id": f"u-{number % 5}",
        "lineno": number,
        "service": "shop",
        "host": "h",
        "pid": 17,
        "instance_id": UUID(int=number % 3 + 1),
        "seq": number + 1,
        "id": made_id(moment, str(number).encode()),
    }
    return LogEntry(**(made | fields))


def fill(url: str, entries: Iterable[LogEntry]) -> Outcome:
    """Store entries as an administrator would; nothing is told of those in ClickHouse."""
    if url.startswith("clickhouse"):
        with embedded_clickhouse.Rows(url) as rows:
            rows.insert(entries)
        return Outcome()
    with AdminConnection(url) as connection:
        return Storing(connection).store(list(entries))


def ask(url: str, body: Callable[[LogReader], Awaitable[T]]) -> T:
    """Run a coroutine with a reader of the database."""

    async def run() -> T:
        async with LogReader(url) as reader:
            return await body(reader)

    return asyncio.run(run())


def everything(url: str, query: str = "") -> list[LogEntry]:
    """All that match, the oldest first; without the time they were taken, and with metadata as JSON without blanks."""

    async def read(reader: LogReader) -> list[LogEntry]:
        page = await reader.search(query, limit=5000)
        return [_comparable(each) for each in reversed(page.entries)]

    return ask(url, read)


def _comparable(each: LogEntry) -> LogEntry:
    import orjson

    metadata = None if each.metadata is None else orjson.dumps(each.attributes, option=orjson.OPT_SORT_KEYS).decode()
    return each._replace(ingested_at=None, metadata=metadata)
