"""What tests of the tail share: writers without dblog, what is stored, and a tail asked until a condition holds."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

import psycopg

from dblog.entry import LogEntry
from dblog.reading.values import Cursor
from tests import embedded_clickhouse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dblog.reading.tailing import Tailer
    from dblog.reading.values import TailBatch

_COLUMNS = "timestamp, id, level, severity, logger, message"


class Writing:
    """One connection of a writer that is not ours, in transactions of its own making.

    ClickHouse has none: what is inserted in one is sent when it commits, as if it had been taken when it began.
    """

    def __new__(cls, url: str) -> Self:
        """The one that goes with the URL."""
        return super().__new__(_Sending if url.startswith("clickhouse") else cls)  # type: ignore[return-value]  # a kind

    def __init__(self, url: str) -> None:
        self.lite = url.startswith("sqlite")
        self.connection: Any
        if self.lite:
            self.connection = sqlite3.connect(
                url.removeprefix("sqlite:///"), isolation_level=None, timeout=30, check_same_thread=False
            )
        else:
            self.connection = psycopg.connect(url, autocommit=True)

    def begin(self) -> None:
        """Begin; on SQLite with the write lock."""
        self.execute("BEGIN IMMEDIATE" if self.lite else "BEGIN")

    def execute(self, statement: str) -> None:
        """Run a statement."""
        self.connection.execute(statement)

    def insert(self, *timestamps: int, severity: int = 9) -> list[Cursor]:
        """Insert a row for each time (µs); their places."""
        places = [Cursor(timestamp, uuid4()) for timestamp in timestamps]
        for timestamp, id_ in places:
            if self.lite:
                values = (timestamp, id_.bytes, severity)
                self.connection.execute(f"INSERT INTO logs ({_COLUMNS}) VALUES (?, ?, 'INFO', ?, 't', 'm')", values)
            else:
                statement = f"INSERT INTO logs ({_COLUMNS}) VALUES (%s, %s, 'INFO', %s, 't', 'm')"
                at = time_of(timestamp)
                self.connection.execute(statement, (at, id_, severity))
        return places

    def close(self) -> None:
        """Close; what was not committed is rolled back."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sending(Writing):
    """See ``Writing``."""

    def __init__(self, url: str) -> None:
        self.lite = False
        self.rows = embedded_clickhouse.Rows(url)
        self._parts: list[list[LogEntry]] | None = None
        self._taken: int | None = None

    def begin(self) -> None:
        self._parts, self._taken = [[]], None

    def execute(self, statement: str) -> None:
        parts = self._parts
        if parts is None:
            self.rows.client.command(statement.replace("DELETE FROM", "TRUNCATE TABLE"))
        elif statement in {"COMMIT", "ROLLBACK"}:
            if statement == "COMMIT":
                self.rows.insert([entry for part in parts for entry in part], self._taken)
            self._parts = None
        elif statement.startswith("SAVEPOINT"):
            parts.append([])
        elif statement.startswith("ROLLBACK TO"):
            parts.pop()
        else:
            self.rows.client.command(statement.replace("DELETE FROM", "TRUNCATE TABLE"))

    def insert(self, *timestamps: int, severity: int = 9) -> list[Cursor]:
        entries = [LogEntry(timestamp, "INFO", severity, "t", "m", id=uuid4()) for timestamp in timestamps]
        if self._parts is None:
            self.rows.insert(entries)
        else:
            self._taken = self._taken or now()
            self._parts[-1] += entries
        return [Cursor.of(entry) for entry in entries]

    def close(self) -> None:
        self.rows.client.close()


def time_of(micros: int) -> str:
    """A time as PostgreSQL reads it, exactly."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(micros // 1_000_000))}.{micros % 1_000_000:06d}+00"


def now() -> int:
    """µs since 1970 UTC."""
    return time.time_ns() // 1000


def stored(url: str) -> set[UUID]:
    """The ids of all that is committed."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return {UUID(bytes=id_) for (id_,) in connection.execute("SELECT id FROM logs")}
    if url.startswith("clickhouse"):
        with embedded_clickhouse.Rows(url) as rows:
            return {id_ for (id_,) in rows.client.query("SELECT id FROM logs").result_rows}
    with psycopg.connect(url) as connection:
        return {id_ for (id_,) in connection.execute("SELECT id FROM logs")}


class Followed:
    """Batches of a tail, looked at as they come: nothing twice, in order, late ones marked."""

    def __init__(self) -> None:
        self.ids: set[UUID] = set()
        self.seen: list[UUID] = []
        self.late: set[UUID] = set()
        self.skipped = 0
        self.notices: list[str] = []
        self.token = ""
        self.batches = self.anew = 0
        self._greatest: Cursor | None = None

    def take(self, batch: TailBatch | None) -> None:
        """Check a batch and keep what it says."""
        if batch is None:
            return
        places = [Cursor.of(entry) for entry in batch]
        assert places == sorted(places)
        ids = {place.id for place in places}
        assert len(ids) == len(places)
        assert not ids & self.ids, "yielded twice"
        greatest = self._greatest
        assert batch.late == ({place.id for place in places if place < greatest} if greatest else set())
        self._greatest = max([*places, *([greatest] if greatest else [])], default=None)
        self.ids |= ids
        self.seen += [place.id for place in places]
        self.late |= batch.late
        self.skipped += batch.skipped
        self.notices += [batch.notice] if batch.notice else []
        self.token = batch.token
        self.batches += 1
        self.anew += batch.anew


async def drained(tailer: Tailer, followed: Followed | None = None) -> Followed:
    """Poll until all that is there has been read."""
    followed = followed or Followed()
    followed.take(await tailer.poll())
    while tailer.more:
        followed.take(await tailer.poll())
    return followed


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """Ask again and again until the answer is true; it."""
    async with asyncio.timeout(seconds):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0)
        return answer


def ids_of(places: Iterable[Cursor]) -> set[UUID]:
    """Their ids."""
    return {place.id for place in places}
