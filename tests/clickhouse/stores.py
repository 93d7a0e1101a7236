"""A database of ClickHouse for one test: sinks for it, and its rows as entries."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from sqlalchemy import make_url

from dblog.entry import LogEntry
from dblog.names import names_for
from dblog.opening import new_origin
from dblog.options import Options
from dblog.store import opener
from tests import hostile
from tests.embedded_clickhouse import client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from dblog.sink import Sink

__all__ = ["NOW", "Store", "entries", "fresh", "made"]

NOW: Final = time.time_ns() // 1000
EARLIEST: Final = -2_208_988_800_000_000
LATEST: Final = 10_413_791_999_999_999
"""What a DateTime64(6) holds: 1900 to 2299, in µs."""
_numbers = itertools.count(1)
_texts = hostile.texts.map(lambda text: text.encode("utf-8", "replace").decode())
_optional = st.none() | st.just("") | _texts
_OPTIONAL: Final = (
    "template", "module", "function", "pathname", "thread", "async_task", "exc_type", "exc_message", "exc_text",
    "user_id", "session_id", "task_id", "trace_id", "span_id", "parent_span_id", "context_id", "client_id", "service",
    "host",
)  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """Any entry a writer may send."""
    fields: Any = {name: draw(_optional) for name in draw(st.sets(st.sampled_from(_OPTIONAL), max_size=6))}
    days = st.integers(NOW - 31 * 86_400_000_000, NOW)
    return LogEntry(
        draw(st.one_of(days, st.sampled_from((EARLIEST, -1, 0, LATEST)), st.just(NOW))),
        draw(st.sampled_from(("INFO", "WARNING")) | _texts),
        draw(st.integers(0, 255)),
        draw(_texts),
        draw(_texts),
        metadata=draw(st.none() | st.sampled_from(("", '{"a":{"b":[1,2.5,null]},"c":"d e"}', '{"k":"漢\\u0000"}'))),
        lineno=draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
        pid=draw(st.none() | st.integers(0, 2**31 - 1)),
        **fields,
    )


@contextlib.contextmanager
def fresh() -> Iterator[str]:
    """The name of a new, empty database."""
    name = f"w{next(_numbers)}"
    with contextlib.closing(client()) as made:
        made.command(f"CREATE DATABASE {name}")
        yield name
        made.command(f"DROP DATABASE {name}")


@dataclass
class Store:
    """One database with dblog's tables."""

    url: str
    client: Any
    _sinks: list[Sink] = field(default_factory=list)

    @classmethod
    def at(cls, url: str) -> Store:
        """Connect."""
        return cls(url, client(str(make_url(url).database)))

    def sink(self, **options: Any) -> Any:
        """A sink of a writer of its own."""
        checked = Options.of(**options)
        sink = opener(self.url, checked)(new_origin(checked))
        self._sinks.append(sink)
        return sink

    def one_sink(self) -> Any:
        """The same sink at each call."""
        if not self._sinks:
            self.sink()
        return self._sinks[0]

    def close(self) -> None:
        """Close what was opened."""
        for sink in self._sinks:
            sink.close()
        self.client.close()

    def clear(self) -> None:
        """Empty the tables, between tests and between examples of a property."""
        for table in ("logs", "log_instances", "log_dead_letters"):
            self.client.command(f"TRUNCATE TABLE {table}")

    def count(self, what: str = "logs") -> int:
        """How many rows there are; of ``logs FINAL`` how many there are for good."""
        return int(self.client.query(f"SELECT count() FROM {what}").result_rows[0][0])

    def rows(self, order: str = "seq") -> list[LogEntry]:
        """The entries as they are stored, each once."""
        columns = ", ".join(f'"{name}"' for name in LogEntry._fields)
        table = names_for(dialect="clickhouse").logs
        found = self.client.query(
            f"SELECT {columns} FROM {table} FINAL ORDER BY {order}", query_formats={"DateTime64": "int"}
        )
        return [LogEntry(*row) for row in found.result_rows]


def made(row: tuple[int, LogEntry], origin: Any, entry_id: UUID) -> LogEntry:
    """What a row has to be once it is stored."""
    seq, entry = row
    return entry._replace(
        service=entry.service or origin.service,
        host=entry.host or origin.host,
        pid=entry.pid or origin.pid,
        instance_id=origin.instance_id,
        seq=seq,
        id=entry.id or entry_id,
    )
