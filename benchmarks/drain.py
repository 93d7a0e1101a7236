"""From a list of ``LogEntry`` to commit: dblog's sinks beside the physical limit and the usual ways.

The limit gets its bytes or tuples made beforehand; everybody else starts from the
same list and makes them itself.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import sqlalchemy as sa

from benchmarks.databases import count_rows
from benchmarks.report import Report
from benchmarks.workload import entries
from dblog.options import Options
from dblog.schema import metadata_for
from dblog.sink import Origin
from dblog.store import opener
from dblog.store.copytext import CopyText
from dblog.store.rows import COLUMNS, values
from dblog.url import sync_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.databases import Databases
    from dblog.entry import LogEntry

__all__ = ["run"]

BATCH = 1000
Batches = "list[list[tuple[int | None, LogEntry]]]"


def _origin() -> Origin:
    return Origin(uuid.uuid4(), "bench", "1", "test", "host-1", 4242, 0)


def run(databases: Databases, dialect: str, rounds: int, records: int = 50_000) -> list[Report]:
    """One report: rows per second, ratio to the limit."""
    ways = _POSTGRES if dialect == "postgresql" else _SQLITE
    limit = next(iter(ways))
    report = Report(f"drain, {dialect}, batches of {BATCH:,}", "rows/s", limit, more_is_better=True)
    made = entries(records)
    numbered: list[tuple[int | None, LogEntry]] = [(seq, entry) for seq, entry in enumerate(made, 1)]
    batches = [numbered[start : start + BATCH] for start in range(0, records, BATCH)]
    for _ in range(rounds):
        for name, way in ways.items():
            with databases.fresh(dialect) as url:
                seconds = way(url, batches)
                stored = count_rows(url)
                if stored != records:
                    raise RuntimeError(f"{name}: {stored} of {records} rows stored")
            report.add(name, records / seconds)
    return [report]


def _dblog(url: str, batches: list[Any]) -> float:
    sink = opener(url, Options())(_origin())
    sink.write(batches[0][:1], replay=True)  # connected, the day is there
    started = time.perf_counter()
    for number, batch in enumerate(batches):
        sink.write(batch, replay=number == 0)
    elapsed = time.perf_counter() - started
    sink.close()
    return elapsed


def _copy_limit(url: str, batches: list[Any]) -> float:
    """COPY of bytes made beforehand, one transaction per batch."""
    columns = ", ".join(COLUMNS)
    text = CopyText(_origin(), COLUMNS)
    data = [b"".join(text.pieces(batch)) for batch in batches]
    sql = f"COPY logs ({columns}) FROM STDIN WITH ({CopyText.FORMAT})"
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute("SELECT dblog_ensure_day(current_date)")
        started = time.perf_counter()
        for encoded in data:
            with connection.transaction(), connection.cursor().copy(sql.encode()) as copy:
                copy.write(encoded)
        return time.perf_counter() - started


def _sqlite_limit(url: str, batches: list[Any]) -> float:
    """``executemany`` of tuples made beforehand, one transaction per batch."""
    sql = f"INSERT INTO logs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    data = [values(batch, _origin()) for batch in batches]
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 10000"):
        connection.execute(f"PRAGMA {pragma}")
    started = time.perf_counter()
    for tuples in data:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, tuples)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - started
    connection.close()
    return elapsed


def _core(url: str, batches: list[Any]) -> float:
    """SQLAlchemy Core ``insert()`` with a list of dicts."""
    engine = sa.create_engine(sync_url(url))
    dialect = engine.dialect.name
    insert = metadata_for(dialect).tables["logs"].insert()
    names = [column for column in COLUMNS if column not in {"timestamp", "id", "instance_id", "seq", "metadata"}]
    started = time.perf_counter()
    for batch in batches:
        rows = [_row(entry, dialect, names) for _, entry in batch]
        with engine.begin() as connection:
            connection.execute(insert, rows)
    elapsed = time.perf_counter() - started
    engine.dispose()
    return elapsed


def _row(entry: LogEntry, dialect: str, names: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(entry, name) for name in names}
    identity = uuid.uuid4()
    metadata = entry.metadata or "{}"
    if dialect == "postgresql":
        moment: Any = datetime.fromtimestamp(entry.timestamp / 1e6, UTC)
        return {**row, "timestamp": moment, "id": identity, "metadata": orjson.loads(metadata)}
    return {**row, "timestamp": entry.timestamp, "id": identity.bytes, "metadata": metadata}


_POSTGRES: dict[str, Callable[[str, list[Any]], float]] = {
    "limit: COPY of bytes made beforehand": _copy_limit,
    "dblog": _dblog,
    "SQLAlchemy Core insert(), list of dicts": _core,
}
_SQLITE: dict[str, Callable[[str, list[Any]], float]] = {
    "limit: executemany of tuples made beforehand": _sqlite_limit,
    "dblog": _dblog,
    "SQLAlchemy Core insert(), list of dicts": _core,
}
