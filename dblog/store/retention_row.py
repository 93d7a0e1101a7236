"""The row that tells what retention deleted: ``dblog audit`` explains numbers by it, as by that of ``dblog prune``.

One a day and file, whoever deletes. It grows in its place, so that a tail shows it once, and moves on in time with the
last deletion: it goes when nothing is left that was there beside what it tells of.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from dblog.entry import LogEntry
from dblog.interchange import iso
from dblog.store.rows import id_words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from dblog.names import Names

__all__ = ["AUDIT_LOGGER", "RetentionRow", "who"]

AUDIT_LOGGER: Final = "dblog.audit"
"""The ``logger`` of rows that tell who deleted."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY: Final = 86_400_000_000
_SEVERITY: Final = 13
_ALL: Final = {"lowest": 1, "highest": 24}


class RetentionRow:
    """Writes it, within the transactions that delete.

    Args:
        names: the tables.
        insert: stores a row of dblog's own.
    """

    def __init__(self, names: Names, insert: Callable[[sqlite3.Connection, LogEntry], None]) -> None:
        self._table = names.qualified(names.logs)
        self._insert = insert

    def tell(self, connection: sqlite3.Connection, now: int, count: int, before: int, by: str) -> None:
        """Note a deletion.

        Args:
            connection: in the transaction that deletes.
            now: µs since 1970 UTC.
            count: how many entries went.
            before: all of them were older.
            by: the option that had them deleted.
        """
        row = self._of_today(connection, now)
        if row is not None:
            count += row[1]
            before = max(before, row[2])
        rule = {"before": iso(before), **_ALL}
        facts: dict[str, Any] = {**who(), "action": "prune", "by": by, "count": count, "rules": [rule]}
        message, metadata = f"retention deleted {count} entries", json.dumps(facts)
        identity = _id(now)
        if row is None:
            entry = LogEntry.now(message, level="WARNING", logger=AUDIT_LOGGER, service="dblog")
            self._insert(connection, entry._replace(timestamp=now, id=identity, metadata=metadata))
            return
        connection.execute(
            f"UPDATE {self._table} SET timestamp = ?, id = ?, message = ?, metadata = ? WHERE ingest_seq = ?",  # noqa: S608 - a checked name
            (now, identity.bytes, message, metadata, row[0]),
        )

    def _of_today(self, connection: sqlite3.Connection, now: int) -> tuple[int, int, int] | None:
        """The number of today's row, its count, and before when that was; None where there is none yet."""
        found = connection.execute(
            # By the index of what is at least a warning.
            f"SELECT ingest_seq, metadata FROM {self._table} WHERE severity >= {_SEVERITY} AND timestamp >= ?"  # noqa: S608 - as above
            " AND logger = ? AND seq IS NULL AND message LIKE 'retention deleted %' ORDER BY timestamp DESC LIMIT 1",
            (now // _DAY * _DAY, AUDIT_LOGGER),
        ).fetchone()
        if found is None:
            return None
        try:
            facts = json.loads(found[1])
            before = dt.datetime.fromisoformat(facts["rules"][0]["before"])
            return found[0], int(facts["count"]), (before - _EPOCH) // dt.timedelta(microseconds=1)
        except (ValueError, TypeError, LookupError):  # somebody has edited it: it stays, and another is made
            return None


def who() -> dict[str, str]:
    """The operating system's user and host: of whoever deletes."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname()}


def _id(now: int) -> UUID:
    """A UUIDv7 of this time, by which the row is found."""
    random = os.urandom(10)
    high, low = id_words(now, int.from_bytes(random[:4]), 1 << 63 | int.from_bytes(random[4:]) & (1 << 42) - 1)
    return UUID(int=high << 64 | low)
