"""A week of ten services, as many rows as wanted: what the read side is measured on.

The same rows on every database, spread evenly over the seven days before now: 4 % WARNING and above,
a trace of 25 entries across three services for every second row, metadata on four of five.
"""

from __future__ import annotations

import random
import sqlite3
import struct
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COLUMNS", "SERVICES", "load"]

SERVICES = ("api", "auth", "billing", "cart", "catalog", "mail", "orders", "search", "stock", "web")
COLUMNS = (
    "timestamp", "id", "level", "severity", "logger", "message", "template", "metadata", "trace_id", "span_id",
    "service", "host", "pid", "lineno", "function", "instance_id", "seq",
)  # fmt: skip
DAYS = 7
_DAY_US = 86_400_000_000
_LEVELS = (("DEBUG", 5), ("INFO", 9), ("WARNING", 13), ("ERROR", 17), ("CRITICAL", 21))
_WEIGHTS = (10, 86, 3, 0.95, 0.05)
_TEMPLATES = (
    "GET /api/v1/items/%d took %d ms",
    "order %d paid, %d items",
    "cache miss for key item:%d after %d ms",
    "connection reset by peer %d, retry %d",
    "user %d signed in from session %d",
    "job %d finished in %d ms",
)
_METADATA = '{"duration_ms":%d,"order_id":"o-%d","http":{"status":%d}}'
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Scatters trace ids."""
_words = struct.Struct(">QQ")


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """``count`` rows in order of time; times in µs, ids as 16 bytes."""
    chance = random.Random(7)
    end = time.time_ns() // 1000
    start, step = end - DAYS * _DAY_US, DAYS * _DAY_US / count
    instances = [uuid.UUID(int=chance.getrandbits(128)).bytes for _ in SERVICES]
    levels = chance.choices(_LEVELS, _WEIGHTS, k=65_536)
    draws = [chance.getrandbits(30) for _ in range(65_521)]
    seqs = [0] * len(SERVICES)
    for number in range(count):
        draw = draws[number % 65_521] ^ number
        moment = start + int(number * step)
        traced = number % 2 == 0
        trace = number // 50
        which = (trace + number // 20) % 10 if traced else draw % 10
        seqs[which] += 1
        level, severity = levels[(draw >> 3) & 0xFFFF]
        template = _TEMPLATES[draw % 6]
        item, length = draw % 1_000_003, draw % 997
        low = (seqs[which] & 0xF_FFFF) << 42 | int.from_bytes(instances[which][8:]) & (1 << 42) - 1
        yield (
            moment,
            _words.pack((moment // 1000) << 16 | 0x7000 | seqs[which] >> 20 & 0xFFF, 1 << 63 | low),
            level, severity, f"{SERVICES[which]}.{('http', 'db', 'cache', 'jobs')[draw >> 7 & 3]}",
            template % (item, length), template,
            _METADATA % (length, item, 200 + draw % 5 * 100) if draw % 5 else None,
            f"{(trace + 1) * _ODD % (1 << 128):032x}" if traced else None,
            f"{draw:016x}" if traced else None,
            SERVICES[which], f"host-{which}", 1000 + which, draw % 500, "handle", instances[which], seqs[which],
        )  # fmt: skip


def load(url: str, count: int) -> None:
    """Fill a migrated, empty database, then let it look at what it has (ANALYZE)."""
    if url.startswith("sqlite"):
        _load_sqlite(url.removeprefix("sqlite:///"), count)
    else:
        _load_postgres(url.replace("postgresql+psycopg", "postgresql"), count)


def _load_sqlite(path: str, count: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    marks = ", ".join("?" * len(COLUMNS))
    connection.executemany(f"INSERT INTO logs ({', '.join(COLUMNS)}) VALUES ({marks})", rows(count))
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _load_postgres(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT dblog_ensure_day(current_date - n) FROM generate_series(-1, {DAYS + 1}) AS n")
        copy_in = f"COPY logs ({', '.join(COLUMNS)}) FROM STDIN"
        with connection.cursor().copy(copy_in.encode()) as copy:
            made = rows(count)
            while lines := "".join(map(_copy_line, islice(made, 5000))):
                copy.write(lines)
        connection.execute("VACUUM (ANALYZE) logs")


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _copy_line(row: tuple[Any, ...]) -> str:
    """One row as COPY's text format has it: nothing here holds a tab, a newline or a backslash."""
    fields = (
        f"{_second(row[0] // 1_000_000)}.{row[0] % 1_000_000:06d}+00", row[1].hex(), *row[2:15], row[15].hex(), row[16],
    )  # fmt: skip
    return "\t".join(r"\N" if field is None else str(field) for field in fields) + "\n"
