"""A program that logs so many rows a second, in order: ``python flood.py URL RATE``.

It begins when it is told to by a line on its standard input, ends with the next one, and says how many rows there were.
"""

from __future__ import annotations

import select
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLUMNS = "timestamp, id, level, severity, logger, message, service, lineno"
_TICKS = 40
"""Commits a second."""


class _Postgres:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)

    def store(self, rows: Iterable[tuple[int, int]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY logs ({_COLUMNS}) FROM STDIN") as copy:
            for number, at in rows:
                moment = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at // 1_000_000))}.{at % 1_000_000:06d}+00"
                copy.write_row((moment, _id(number, at), *_rest(number)))
        self._connection.commit()


class _SQLite:
    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)

    def store(self, rows: Iterable[tuple[int, int]]) -> None:
        made = [(at, _id(number, at).bytes, *_rest(number)) for number, at in rows]
        self._connection.executemany(f"INSERT INTO logs ({_COLUMNS}) VALUES ({', '.join('?' * 8)})", made)
        self._connection.commit()


def _id(number: int, at: int) -> UUID:
    return UUID(int=(at // 1000 << 80) | (7 << 76) | (2 << 62) | number)


def _rest(number: int) -> tuple[Any, ...]:
    return "INFO", 9, "shop.cart", f"row {number}. of a flood", "shop", number


def main(url: str, rate: int) -> None:
    """Log."""
    store = (_SQLite if url.startswith("sqlite") else _Postgres)(url).store
    print("ready", flush=True)
    sys.stdin.readline()
    began, number = time.monotonic(), 0
    ended = False
    while not ended:
        elapsed = time.monotonic() - began
        due = int(elapsed * rate) + 1
        at = time.time_ns() // 1000
        # Apart from each other, and not in the future.
        new = [(n, at - (due - n)) for n in range(number + 1, due + 1)]
        if new:
            store(new)
            number = due
        rest = began + (int(elapsed * _TICKS) + 1) / _TICKS - time.monotonic()
        ended = bool(select.select([sys.stdin], [], [], max(0.0, rest))[0])
    print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
