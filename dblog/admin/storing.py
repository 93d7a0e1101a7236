"""Store entries that were made elsewhere: each once, one that cannot be stored without holding back the others.

Not the writer's sink: that one signs every row as its own writer's, while these keep the writer, the host and
the id they came with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast
from uuid import UUID

from dblog.admin.partitions import CLICKHOUSE_TIMES, Days
from dblog.errors import ErrorClass, StoreError
from dblog.interchange import COLUMNS, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection
    from dblog.entry import LogEntry

__all__ = ["Outcome", "Storing", "made_id", "outside", "parted"]

_ROW = TypeVar("_ROW")
_STORED: Final = tuple(name for name in COLUMNS if name != "ingested_at")
"""When the database took a row is the database's to say."""
_TIMES: Final = ("timestamp", "ingested_at")
_CASTS: Final = (
    dict.fromkeys(_TIMES, "timestamptz")
    | {"id": "uuid", "instance_id": "uuid", "metadata": "jsonb"}
    | {
        "severity": "smallint",
        "lineno": "integer",
        "pid": "integer",
        "seq": "bigint",
    }
)
_HELD: Final = {
    # Not the year 1: how days are named, and how times are written, takes four digits.
    "postgresql": (-30_610_224_000_000_000, LATEST, "here, Postgres holds the years 1000 to 9999"),
    "clickhouse": (*CLICKHOUSE_TIMES, "ClickHouse holds 1900 to 2299"),
}
"""The first and the last µs, and what that is."""
_BISECTED: Final = frozenset({ErrorClass.POISON, ErrorClass.UNKNOWN, ErrorClass.NO_PARTITION})


def made_id(timestamp: int, seed: bytes) -> UUID:
    """A UUIDv7 of a time in µs whose other bits are a digest: the same for the same seed."""
    digest = int.from_bytes(hashlib.sha256(seed).digest()[:10])
    high = (timestamp // 1000 & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | digest >> 62 & 0xFFF
    return UUID(int=high << 64 | 1 << 63 | digest & (1 << 62) - 1)


@dataclass(slots=True)
class Outcome:
    """What became of some entries."""

    stored: int = 0
    present: int = 0
    """They were there already."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Index and reason, which holds nothing of the entry."""


def outside(dialect: str, *moments: object) -> str | None:
    """Why a database cannot hold times, in µs or None; None where it can."""
    if dialect not in _HELD:
        return None
    first, last, sentence = _HELD[dialect]
    fit = all(moment is None or (isinstance(moment, int) and first <= moment <= last) for moment in moments)
    return None if fit else sentence


def parted(rows: list[_ROW], write: Callable[[list[_ROW]], int], refuse: Callable[[_ROW, str], None]) -> int:
    """Write rows at once, or in halves where one of them is refused, down to that one; how many were written.

    Args:
        rows: one at least.
        write: one transaction, or what is closest to it; how many are new.
        refuse: called with a row that the database does not take, and why.

    Raises:
        StoreError: the database cannot be used.
    """
    try:
        return write(rows)
    except StoreError as error:
        if error.kind not in _BISECTED:
            raise
        if len(rows) == 1:
            refuse(rows[0], f"the database refused it: {error}")
            return 0
    middle = len(rows) // 2
    return parted(rows[:middle], write, refuse) + parted(rows[middle:], write, refuse)


class Storing:
    """Stores entries with one connection.

    Args:
        connection: a writer's role is enough for days that have a partition, or may get one from ``dblog_ensure_day``.
        ingested: keep ``ingested_at`` as well, which a writer's role may not.
    """

    def __init__(self, connection: AdminConnection, *, ingested: bool = False) -> None:
        self._connection = connection
        self._columns = COLUMNS if ingested else _STORED
        self.days = Days(connection)
        table, columns = connection.logs, ", ".join(self._columns)
        if connection.postgres:
            # Binary: psycopg would search each text of an array for what to escape.
            arrays = ", ".join(f"%b::{_CASTS.get(name, 'text')}[]" for name in self._columns)
            source = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - constants
        else:
            source = f"VALUES ({', '.join('?' * len(self._columns))})"
        # Without a target, which a writer's role could not name.
        self._insert = f"INSERT INTO {table} ({columns}) {source} ON CONFLICT DO NOTHING"

    def store(self, entries: Sequence[LogEntry]) -> Outcome:
        """Store entries that have an id; those whose id is there already are left as they are.

        Raises:
            StoreError: the database cannot be used; what went before is stored.
        """
        outcome = Outcome()
        fit: list[tuple[int, LogEntry]] = []
        for index, entry in enumerate(entries):
            if reason := self._unfit(entry) or self.days.refusal(entry.timestamp):
                outcome.refused.append((index, reason))
            else:
                fit.append((index, entry))
        if fit:
            early = len(outcome.refused)
            outcome.stored = parted(fit, self._write, lambda row, why: outcome.refused.append((row[0], why)))
            outcome.present = len(fit) - outcome.stored - (len(outcome.refused) - early)
        outcome.refused.sort()
        return outcome

    def _unfit(self, entry: LogEntry) -> str | None:
        taken = entry.ingested_at if "ingested_at" in self._columns else None
        return outside(self._connection.dialect, entry.timestamp, taken)

    def _write(self, rows: list[tuple[int, LogEntry]]) -> int:
        """One transaction, or on ClickHouse one INSERT; how many rows are new."""
        connection, entries = self._connection, [entry for _, entry in rows]
        if connection.dialect == "clickhouse":
            return cast("ClickHouseConnection", connection).store(self._columns, entries)
        values = [self._values(entry) for entry in entries]
        with connection.transaction():
            if connection.postgres:
                return connection.run(self._insert, *map(list, zip(*values, strict=True)))
            return connection.run_many(self._insert, values)

    def _values(self, entry: LogEntry) -> tuple[object, ...]:
        connection = self._connection
        values: list[object] = []
        for name in self._columns:
            value = getattr(entry, name)
            if name in _TIMES:
                value = connection.moment(value)
            elif isinstance(value, UUID):
                value = value.hex if connection.postgres else value.bytes
            values.append(value)
        return tuple(values)
