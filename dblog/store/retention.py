"""What an SQLite file must let go: what is too old, and what is too much. A file has no other janitor."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from dblog.diagnostics import complain
from dblog.store.retention_row import RetentionRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from dblog.names import Names
    from dblog.options import Options

__all__ = ["Retention"]

_ROWS: Final = 500
"""Rows of one table in one transaction."""
_LETTERS: Final = 50
"""Dead letters in one transaction where only bytes matter: they can be large, and no more shall go than must."""
_LONG_DEAD: Final = 86_400.0
"""Seconds after which the row of a writer that is gone may go for its bytes."""
_EVER: Final = 1 << 62
_SAMPLE: Final = 50
_OVERHEAD: Final = 100
"""Bytes of a row beside its fields, in the table and its indexes."""
_DOUBT: Final = 2.0
"""How far the estimate may be wrong before rows are kept that could make room."""


class Retention:
    """Deletes in steps, each for one short transaction of its caller's.

    Args:
        names: the tables.
        options: ``retention`` and ``max_bytes``.
        insert: stores a row of dblog's own.
    """

    def __init__(self, names: Names, options: Options, insert: Callable[[sqlite3.Connection, LogEntry], None]) -> None:
        self._kept, self._allowed = options.retention, options.max_bytes
        self._own = (*names.tables, *names.rollups, names.version)
        self._logs = (names.qualified(names.logs), "ingest_seq", "timestamp")
        self._letters = (names.qualified(names.dead_letters), "id", "failed_at")
        self._instances = (names.qualified(names.instances), "instance_id", "last_seen")
        self._row = RetentionRow(names, insert)
        self.tells = True
        """The table has the columns for a row that tells what was deleted."""

    @property
    def wanted(self) -> bool:
        """Whether anything is ever to go."""
        return self._kept is not None or self._allowed is not None

    def due(self, connection: sqlite3.Connection) -> bool:
        """Whether a step is worth a transaction."""
        return self._kept is not None or self._surplus(connection) > 0

    def step(self, connection: sqlite3.Connection, most: int | None = None) -> int:
        """Delete some rows, the oldest first; how many. 0 when nothing must go, or nothing that goes would help.

        Args:
            connection: in a transaction.
            most: rows of one table at most, where a transaction must be smaller than usual.
        """
        rows = most or _ROWS
        if self._kept is not None:
            before = _ago(self._kept)
            tables = (self._letters, self._instances)
            gone = self._delete_logs(connection, before, rows, "retention")
            if gone := gone + sum(_delete(connection, table, before, rows) for table in tables):
                return gone
        if self._surplus(connection) <= 0:
            return 0
        gone = _delete(connection, self._instances, _ago(_LONG_DEAD), rows)
        gone += _delete(connection, self._letters, _EVER, _LETTERS)
        return gone or self._delete_logs(connection, _EVER, min(rows, self._surplus_logs(connection)), "max_bytes")

    def _delete_logs(self, connection: sqlite3.Connection, before: int, count: int, why: str) -> int:
        gone = _delete(connection, self._logs, before, count)
        if gone and self.tells:
            if before == _EVER:
                table, _, moment = self._logs
                oldest = connection.execute(f"SELECT min({moment}) FROM {table}").fetchone()[0]  # noqa: S608 - checked names
                before = _ago(0) if oldest is None else oldest + 1
            self._row.tell(connection, _ago(0), gone, before, why)
        return gone

    def _surplus(self, connection: sqlite3.Connection) -> int:
        """Bytes in use beyond ``max_bytes``."""
        return 0 if self._allowed is None else _used(connection) - self._allowed

    def _surplus_logs(self, connection: sqlite3.Connection) -> int:
        """How many rows of logs go now; none while what others keep in the file is too much already."""
        table, key, _ = self._logs
        # Two lookups at the ends of the table; min and max in one SELECT would read it all.
        span = f"SELECT (SELECT max({key}) FROM {table}) - (SELECT min({key}) FROM {table}) + 1"  # noqa: S608 - checked names
        rows = connection.execute(span).fetchone()[0] or 0
        surplus = self._surplus(connection)
        if self._shared(connection) and surplus > _DOUBT * rows * self._row_bytes(connection):
            complain("max_bytes", "other tables in the file hold more than max_bytes: deleting logs would not help")
            return 0
        return min(math.ceil(rows * surplus / max(1, _used(connection))), _ROWS)

    def _shared(self, connection: sqlite3.Connection) -> bool:
        """Whether somebody else keeps tables in the file."""
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return any(name not in self._own and not name.startswith("sqlite_") for (name,) in found)

    def _row_bytes(self, connection: sqlite3.Connection) -> float:
        """About what one row of logs holds, by some at both ends of the table."""
        table, key, _ = self._logs
        sizes = [
            _OVERHEAD + sum(_size(field) for field in row)
            for order in ("ASC", "DESC")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key} {order} LIMIT {_SAMPLE}")  # noqa: S608 - as above
        ]
        return sum(sizes) / max(1, len(sizes))


def _delete(connection: sqlite3.Connection, table: tuple[str, str, str], before: int, count: int) -> int:
    name, key, moment = table
    oldest = f"SELECT {key} FROM {name} WHERE {moment} < ? ORDER BY {moment} LIMIT ?"  # noqa: S608 - checked names
    return connection.execute(f"DELETE FROM {name} WHERE {key} IN ({oldest})", (before, count)).rowcount  # noqa: S608 - as above


def _ago(seconds: float) -> int:
    """µs since 1970 UTC, so long ago."""
    return time.time_ns() // 1000 - int(seconds * 1e6)


def _used(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    page, pages, free = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in ("page_size", "page_count", "freelist_count")
    )
    return int(page * (pages - free))


def _size(field: object) -> int:
    if isinstance(field, str):
        return len(field.encode())
    return len(field) if isinstance(field, bytes) else 4
