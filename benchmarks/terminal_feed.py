"""Somebody who logs while others look: numbered rows at a rate, and when each was committed.

Run as a program: ``python -m benchmarks.terminal_feed URL RATE ROWS EACH`` stores so many rows, ``EACH`` in a
transaction, and prints what it committed when (``CLOCK_MONOTONIC``).
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Feed"]

_HOST = "feed.bench"
_COLUMNS = ("timestamp", "id", "level", "severity", "logger", "message", "service", "host", "instance_id", "seq")
_INSTANCE = uuid.UUID(int=0xFEED)


def _rows(first: int, count: int, *, postgres: bool) -> Iterator[tuple[Any, ...]]:
    for number in range(first, first + count):
        now = time.time_ns() // 1000
        low = 1 << 63 | number & (1 << 62) - 1
        made = uuid.UUID(int=((now // 1000) << 80) | 0x7000 << 64 | low)
        moment: Any = datetime.fromtimestamp(now / 1e6, UTC) if postgres else now
        yield (
            moment, made if postgres else made.bytes, "INFO", 9, "bench.feed", f"feed {number:08} of the benchmark",
            "feed", _HOST, _INSTANCE if postgres else _INSTANCE.bytes, number,
        )  # fmt: skip


def feed(url: str, rate: float, count: int, each: int) -> None:
    """Store rows at a rate; a line for each commit: the number of its last row, and when."""
    postgres = url.startswith("postgres")
    place = "%s" if postgres else "?"
    insert = f"INSERT INTO logs ({', '.join(_COLUMNS)}) VALUES ({', '.join([place] * len(_COLUMNS))})"
    connection: Any = psycopg.connect(url) if postgres else sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
    with closing(connection):
        began = time.monotonic()
        for first in range(0, count, each):
            time.sleep(max(began + first / rate - time.monotonic(), 0.0))
            with closing(connection.cursor()) as cursor:
                cursor.executemany(insert, _rows(first, min(each, count - first), postgres=postgres))
            connection.commit()
            print(min(first + each, count) - 1, time.monotonic(), flush=True)


class Feed:
    """The somebody, running; its rows are taken away again in the end, so that a database can be kept."""

    def __init__(self, url: str, rate: float, count: int, each: int) -> None:
        self._url = url
        self.count = count
        words = [sys.executable, "-m", "benchmarks.terminal_feed", url, str(rate), str(count), str(each)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        remove(self._url)

    @property
    def runs(self) -> bool:
        """It has not stored everything yet."""
        return self._process.poll() is None

    def commits(self) -> dict[int, float]:
        """What was committed when; it has ended."""
        out, _ = self._process.communicate()
        return {int(number): float(moment) for number, moment in map(str.split, out.splitlines())}


def remove(url: str) -> None:
    """Take the rows of feeds away."""
    statement = f"DELETE FROM logs WHERE host = '{_HOST}' AND timestamp > "
    if url.startswith("postgres"):
        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute(f"{statement} now() - interval '1 day'".encode())
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as file, file:
            file.execute(f"{statement} ?", (time.time_ns() // 1000 - 86_400_000_000,))


if __name__ == "__main__":
    feed(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
