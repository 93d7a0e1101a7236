"""Store entries that were made elsewhere: each once, one that cannot be stored without holding back the others.

Not the writer's sink: that one signs every row as its own writer's, while these keep the writer, the host and
the id they came with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from dblog.admin.partitions import Days
from dblog.errors import ErrorClass, StoreError
from dblog.interchange import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection
    from dblog.entry import LogEntry

__all__ = ["Outcome", "Storing", "made_id"]

_STORED: Final = tuple(name for name in COLUMNS if name != "ingested_at")
"""When the database took a row is the database's to say."""
_CASTS: Final = {"timestamp": "timestamptz", "id": "uuid", "instance_id": "uuid", "metadata": "jsonb"} | {
    "severity": "smallint",
    "lineno": "integer",
    "pid": "integer",
    "seq": "bigint",
}
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


class Storing:
    """Stores entries with one connection.

    Args:
        connection: a writer's role is enough for days that have a partition, or may get one from ``dblog_ensure_day``.
    """

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self.days = Days(connection)
        table, columns = connection.logs, ", ".join(_STORED)
        if connection.postgres:
            arrays = ", ".join(f"?::{_CASTS.get(name, 'text')}[]" for name in _STORED)
            source = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - constants
        else:
            source = f"VALUES ({', '.join('?' * len(_STORED))})"
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
            if reason := self.days.refusal(entry.timestamp):
                outcome.refused.append((index, reason))
            else:
                fit.append((index, entry))
        if fit:
            self._store(fit, outcome)
        outcome.refused.sort()
        return outcome

    def _store(self, rows: list[tuple[int, LogEntry]], outcome: Outcome) -> None:
        try:
            stored = self._write([entry for _, entry in rows])
        except StoreError as error:
            if error.kind not in _BISECTED:
                raise
            if len(rows) == 1:
                outcome.refused.append((rows[0][0], f"the database refused it: {error}"))
                return
            middle = len(rows) // 2
            self._store(rows[:middle], outcome)
            self._store(rows[middle:], outcome)
        else:
            outcome.stored += stored
            outcome.present += len(rows) - stored

    def _write(self, entries: list[LogEntry]) -> int:
        """One transaction, or on ClickHouse one INSERT; how many rows are new."""
        connection = self._connection
        if connection.dialect == "clickhouse":
            return cast("ClickHouseConnection", connection).store(_STORED, entries)
        values = [self._values(entry) for entry in entries]
        with connection.transaction():
            if connection.postgres:
                return connection.run(self._insert, *map(list, zip(*values, strict=True)))
            return connection.run_many(self._insert, values)

    def _values(self, entry: LogEntry) -> tuple[object, ...]:
        connection = self._connection
        values: list[object] = []
        for name in _STORED:
            value = getattr(entry, name)
            if name == "timestamp":
                value = connection.moment(value)
            elif isinstance(value, UUID):
                value = value.hex if connection.postgres else value.bytes
            values.append(value)
        return tuple(values)
