"""What tests of the write path ask: a condition with a deadline, and whether every record is there exactly once."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import psycopg
from hypothesis import settings

from dblog import DatabaseHandler
from dblog.testing import assert_conserved
from tests import embedded_clickhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUICK: dict[str, Any] = {"flush_interval": 0.02, "retry_initial": 0.02, "retry_max": 0.2, "service": "faults"}
"""Options under which a fault costs a test no more time than it has to."""


def examples(count: int) -> settings:
    """So many examples of a costly property, of a hundred that others get; the long profile's in proportion."""
    return settings(max_examples=settings().max_examples * count // 100)


def until(condition: Callable[[], object], seconds: float = 10.0, say: Callable[[], object] = lambda: "") -> None:
    """Wait for a condition; fail with ``say()`` when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, say()
        time.sleep(0.005)


@contextlib.contextmanager
def logging_to(url: str | None, /, **options: Any) -> Iterator[tuple[logging.Logger, DatabaseHandler]]:
    """A logger of its own with a handler on it, closed at the end."""
    handler = DatabaseHandler(url, **{**QUICK, **options})
    logger = logging.Logger(f"t{id(handler)}")
    logger.addHandler(handler)
    try:
        yield logger, handler
    finally:
        handler.close()


class Load:
    """Records from a thread of its own until told to stop."""

    def __init__(self, logger: logging.Logger, pause: float = 0.0005) -> None:
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(logger, pause), daemon=True)

    def _run(self, logger: logging.Logger, pause: float) -> None:
        while not self._stop.wait(pause):
            self.count += 1
            logger.info("record %d", self.count)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


def hold(handler: DatabaseHandler) -> None:
    """With a long ``flush_interval``: the writer waits for ``flush()``, also with its very first batch."""
    handler._writer._last_flush = time.monotonic()


def execute(url: str, *statements: str) -> None:
    """Run statements on a connection of its own, as the database's owner would."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            for statement in statements:
                file.execute(statement)
        return
    if url.startswith("clickhouse"):
        with embedded_clickhouse.Rows(url) as there:
            for statement in statements:
                there.client.command(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, asked on a connection of its own."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    if url.startswith("clickhouse"):
        with embedded_clickhouse.Rows(url) as there:
            return [tuple(row) for row in there.client.query(query).result_rows]
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def seqs(url: str) -> list[int]:
    """The ``seq`` of every record that is stored, in order."""
    return [seq for (seq,) in rows(url, "SELECT seq FROM logs WHERE seq IS NOT NULL ORDER BY seq")]


def exactly_once(url: str, handler: DatabaseHandler) -> None:
    """Every emitted record is stored, once, and the ledger says so."""
    stats = handler.stats()
    assert_conserved(stats)
    assert (stats.stored, stats.dropped, stats.failed) == (stats.emitted, 0, 0), stats
    found = seqs(url)
    assert len(found) == len(set(found)), "stored twice"
    assert found == list(range(1, stats.emitted + 1)), f"{stats.emitted - len(found)} missing"
