"""Drop a day of ``logs`` as a whole, so that no writer waits for it.

A partition is detached first, ``CONCURRENTLY``: that takes no lock a writer or a reader
waits for, and hides the day from every query that begins afterwards. What is detached
is a table of its own, which nobody else uses, and is dropped. Each lock is asked for
50 ms at a time. While a transaction is open that has used ``logs``, the day stays
detached halfway; the next turn, or the next run, finishes it (``FINALIZE``).

The wait for a lock is bounded by a session of its own, told so at its start: DETACH …
CONCURRENTLY runs in no transaction, and a SET would stay behind in a pooler. Where such
a session cannot be had, the day is dropped in one transaction, which waits for a
moment without any other.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from dblog.admin.beside import beside
from dblog.admin.rollup import release
from dblog.admin.timescale import drop_chunk
from dblog.backoff import Backoff
from dblog.errors import StoreError
from dblog.store.errors import postgres_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection
    from dblog.admin.partitions import Partition

__all__ = ["Dropping"]

_LOCK_WAIT: Final = 0.05
"""Seconds of one wait for a lock: whoever writes may wait behind us as long."""
_LEAST, _FIRST, _MOST = 0.01, 0.05, 1.0
"""Seconds between two turns."""
_LATER: Final = ("55P03", "40P01", "55006", "57014")
"""What another turn may mend: somebody else had the lock."""
_PREREQUISITE: Final = "55000"
"""A DEFAULT partition is there, or another day is detached halfway."""
_GONE: Final = "42P01"


class Dropping:
    """A context manager that drops days; ask for the oldest first.

    Args:
        connection: as the tables' owner.
        patience: seconds in all that others may be in the way.
        sleep: between two turns.
    """

    def __init__(
        self, connection: AdminConnection, patience: float, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._connection = connection
        self._left = patience
        self._sleep = sleep
        self._session: Any = None
        self._asked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):
                session.close()

    def drop(self, partition: Partition) -> int | None:
        """Drop a day; how many rows went with it, None where others used the table all the time there was.

        Then it is hidden from queries already, unless there was no session of its own to be had.

        Raises:
            StoreError: for another reason than a lock, a missing privilege for example.
        """
        if partition.attached:
            release(self._connection, partition.end)
        pauses = Backoff(_FIRST, _MOST)
        while True:
            try:
                return self._turn(partition)
            except StoreError as error:
                if error.code.startswith(_GONE):
                    return 0  # somebody else was quicker
                if not error.code.startswith(_LATER):
                    raise
            pause = max(_LEAST, pauses.next())
            if self._left < pause:
                self._left = 0.0  # who waits behind one open transaction waits for the other days as well
                return None
            self._left -= pause
            self._sleep(pause)

    def _turn(self, partition: Partition) -> int:
        connection = self._connection
        if partition.begin is not None:
            return self._drop_chunk(partition)
        attached, pending = self._state(partition)
        if pending:
            self._finalize(pending)
        rows = None
        if attached and not self._detach(partition):
            rows = self._count(partition)  # not below: while that lock is held every writer waits
        with connection.transaction(lock_timeout=_LOCK_WAIT):
            rows = self._count(partition) if rows is None else rows
            connection.run(f"DROP TABLE {partition.table}")
        return rows

    def _drop_chunk(self, chunk: Partition) -> int:
        rows = self._count(chunk)
        with self._connection.transaction(lock_timeout=_LOCK_WAIT):
            drop_chunk(self._connection, chunk)
        return rows

    def _state(self, partition: Partition) -> tuple[bool, str]:
        """Whether the day is attached, and the table that is detached halfway, which has to come first."""
        found = self._connection.rows(
            "SELECT c.relname, i.inhdetachpending FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(?) AND (c.relname = ? OR i.inhdetachpending)",
            self._connection.logs,
            partition.name,
        )
        half = [name for name, pending in found if pending]
        return any(name == partition.name and not pending for name, pending in found), half[0] if half else ""

    def _finalize(self, name: str) -> None:
        connection = self._connection
        with connection.transaction(lock_timeout=_LOCK_WAIT):
            connection.run(
                f"ALTER TABLE {connection.logs} DETACH PARTITION {connection.names.qualified(name)} FINALIZE"
            )

    def _detach(self, partition: Partition) -> bool:
        """Detach; False where it has to be done another way."""
        if (session := self._own_session()) is None:
            return False
        try:
            session.execute(f"ALTER TABLE {self._connection.logs} DETACH PARTITION {partition.table} CONCURRENTLY")
        except Exception as error:  # noqa: BLE001 - classified
            known = postgres_error(error)
            if known.code.startswith(_PREREQUISITE):
                return False
            raise known from None
        return True

    def _count(self, partition: Partition) -> int:
        return int(self._connection.value(f"SELECT count(*) FROM {partition.table}"))  # noqa: S608 - our own

    def _own_session(self) -> Any:
        """A session that waits for no lock longer than we do; None where the server, or a pooler, gives none."""
        if self._asked:
            return self._session
        self._asked = True
        wait = f"{int(_LOCK_WAIT * 1000)}ms"
        with suppress(StoreError):
            self._session = beside(self._connection, lock_timeout=wait)
            if self._session.execute("SHOW lock_timeout").fetchone() != (wait,):
                self.__exit__()
        return self._session
