"""Thirty days of partitions, a writer and a tail that live through it: nothing is lost, doubled, or waited for."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

from dblog.admin.connection import AdminConnection
from dblog.admin.maintaining import maintain
from dblog.admin.pruning import Rule
from dblog.entry import LogEntry
from dblog.options import Options
from dblog.reader import LogReader
from dblog.sink import Origin
from dblog.store import opener
from tests.administered import DAY, entry, fill, now
from tests.oracle import rows, until

if TYPE_CHECKING:
    from dblog.admin.maintaining import Maintained

STALL = 0.1
"""Seconds a writer may wait for us at most."""
_BATCH = 20


class Living:
    """A writer without pause, a tail, and somebody who looks which locks are waited for, until told to stop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._pause = 0.005 if url.startswith("sqlite") else 0.0
        tasks = (self._write, self._follow, self._look)[: 2 if url.startswith("sqlite") else 3]
        self._threads = [threading.Thread(target=each) for each in tasks]
        self.written: list[int] = []
        self.seen: list[int] = []
        self.took: list[float] = []
        """Seconds of each transaction of the writer."""
        self.waited = 0.0
        """The longest a lock was waited for by anybody but us, as far as the database tells."""
        self.looks = 0
        self._following = threading.Event()
        self._last: int | None = None
        """The number after which nothing comes."""

    def _write(self) -> None:
        origin = Origin(uuid.uuid4(), "shop", None, None, host="h", pid=1, started_at=now())
        sink = opener(self._url, Options())(origin)
        self._following.wait(10)
        while self._last is None:
            first = len(self.written) + 1
            if self._stop.is_set():
                self._last = first + _BATCH - 1
            batch = [(number, LogEntry(now(), "INFO", 9, "live", "x")) for number in range(first, first + _BATCH)]
            began = time.perf_counter()
            sink.write(batch)
            self.took.append(time.perf_counter() - began)
            self.written += [number for number, _ in batch]
            # Who never lets go of a file's one lock lets nobody else have it.
            self._stop.wait(self._pause)
        sink.close()

    def _follow(self) -> None:
        async def follow() -> None:
            async with LogReader(self._url) as reader:
                batches: Any = reader.tail("logger=live", poll_interval=0.02, lossless=True)
                async with contextlib.aclosing(batches):
                    async for batch in batches:
                        self._following.set()
                        self.seen += [each.seq for each in batch if each.seq is not None]
                        if self._last in self.seen[-_BATCH:]:
                            return

        asyncio.run(asyncio.wait_for(follow(), 900))

    def _look(self) -> None:
        waiting = (
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float"
            " FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND query LIKE 'COPY%'"
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(0.001):
                found = connection.execute(waiting).fetchone()
                self.waited = max(self.waited, found[0] if found else 0.0)
                self.looks += 1

    def __enter__(self) -> Self:
        gc.disable()  # a collection of what this process holds took 100 ms, which no writer waits for elsewhere
        for each in self._threads:
            each.start()
        try:
            until(lambda: len(self.took) > 5)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(900)
        gc.enable()


def months(url: str, per_day: int) -> None:
    """Thirty days of entries."""
    fill(url, [entry(number, now() - int((1 + number % 30) * DAY)) for number in range(30 * per_day)])


def run(url: str) -> Maintained:
    with AdminConnection(url) as connection:
        return maintain(connection, [Rule(now() - 2 * DAY)], ahead=5, patience=10.0)


@pytest.mark.parametrize("reader", ["nobody reads", "an old transaction reads"])
def test_nothing_is_lost_doubled_or_waited_for(
    postgres_url: str, reader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """28 days go and days are made, while a writer stores and a tail follows: each row is tailed once, and no lock
    keeps a writer waiting longer than 100 ms; also while a transaction is open that has read the table, which sees
    what it saw until its end.
    """
    _holds(postgres_url, 40, reader.startswith("an old"), 0.3, capsys)


@pytest.mark.long
@pytest.mark.parametrize("reader", ["nobody reads", "an old transaction reads"])
def test_at_length(postgres_url: str, reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same with 10,000 entries a day, and the reader open for ten seconds."""
    _holds(postgres_url, 10_000, reader.startswith("an old"), 10.0, capsys)


def test_a_file_lives_through_it(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """28 days of a file go and their pages are given back, while a writer stores and a tail follows."""
    _lives(sqlite_url, 40, capsys)


@pytest.mark.long
def test_a_file_at_length(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same with 3,000 entries a day."""
    _lives(sqlite_url, 3_000, capsys)


def _lives(url: str, per_day: int, capsys: pytest.CaptureFixture[str]) -> None:
    months(url, per_day)
    with Living(url) as living:
        began = time.perf_counter()
        done = run(url)
        took = time.perf_counter() - began
    assert done.pruned.rows >= 27 * per_day
    assert sorted(living.seen) == living.written
    assert rows(url, "SELECT count(*) FROM logs WHERE logger = 'live'") == [(len(living.written),)]
    slow = sorted(living.took)
    with capsys.disabled():
        print(
            f"\n{done.pruned.rows:,} entries of a file and {done.freed:,} bytes in {took:.2f} s: the writer's slowest"
            f" transaction took {slow[-1] * 1000:.0f} ms, one of a hundred {slow[-len(slow) // 100 - 1] * 1000:.0f} ms,"
            f" the median {slow[len(slow) // 2] * 1000:.1f} ms"
        )


def _holds(url: str, per_day: int, reads: bool, held: float, capsys: pytest.CaptureFixture[str]) -> None:
    months(url, per_day)
    with psycopg.connect(url) as old, Living(url) as living:
        before = None
        if reads:
            before = old.execute("SELECT count(*) FROM logs WHERE logger <> 'live'").fetchone()
        end = threading.Timer(held, old.rollback)
        end.start()
        began = time.perf_counter()
        done = run(url)
        took = time.perf_counter() - began
        end.join()
    assert not reads or before == (30 * per_day,)
    assert (len(done.pruned.days), done.pruned.waiting) == (28, [])
    assert sorted(living.seen) == living.written
    assert rows(url, "SELECT count(*) FROM logs WHERE logger = 'live'") == [(len(living.written),)]
    assert living.looks > 10
    assert living.waited <= STALL, living.waited
    with capsys.disabled():
        print(
            f"\n28 days of {per_day:,} entries in {took:.2f} s, reader {'open' if reads else 'none'}: the writer waited"
            f" {living.waited * 1000:.0f} ms for locks, its slowest transaction took {max(living.took) * 1000:.0f} ms"
            f" of {len(living.took)}"
        )
