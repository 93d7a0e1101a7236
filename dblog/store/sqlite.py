"""SQLite: ``BEGIN IMMEDIATE``, one transaction per batch, retention without cron.

The file must have been migrated: the writer creates none, because a mistyped path
would otherwise swallow a service's logs. How the file is opened, and how it is noticed
that it is not there any more, is ``dblog.store.sqlite_link``'s business.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

from dblog import lifecycle
from dblog.errors import ErrorClass, StoreError
from dblog.store import side_tables
from dblog.store.ballast import Ballast
from dblog.store.retention import Retention
from dblog.store.rows import COLUMNS, flat, values
from dblog.store.sqlite_link import Link
from dblog.store.sqlite_turns import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.entry import LogEntry
    from dblog.names import Names
    from dblog.options import Options
    from dblog.sink import DeadLetter, Origin, Row, Status
    from dblog.store.connect import Target

__all__ = ["SQLiteSink"]

_T = TypeVar("_T")
_AT_ONCE: Final = (1000, 50, 1)
"""Rows per statement, largest first: while one runs, the application has the GIL."""
_TOLERANT: Final = " ON CONFLICT DO NOTHING"
_REST: Final = 1.0
"""Seconds a fork waits at most for the call under way."""
_HEALING: Final = 0.5
"""Seconds to make room in while the disk is full."""
_FEW: Final = 50
"""Rows of one deletion then."""


class SQLiteSink:
    """Stores batches in one SQLite file; see ``dblog.sink.Sink``."""

    def __init__(self, target: Target, names: Names, options: Options, origin: Origin) -> None:
        self._names = names
        self._options = options
        self._origin = origin
        self._retention = Retention(names, options, self._insert_own)
        self._link = Link(target, options, self._read_columns, lambda: lifecycle.rest_others(self))
        self._ballast = Ballast(self._link.path) if self._retention.wanted else None
        self._busy = threading.Lock()
        """Held during every call that uses the file."""
        self._wanted = False
        """Somebody waits for ``_busy``."""
        self._inserts: list[tuple[int, str]] = []
        """How many rows at once, and the statement, the largest first."""
        self._width = len(COLUMNS)
        self._pick: Callable[[tuple[object, ...]], tuple[object, ...]] | None = None
        lifecycle.around_fork(self)

    def turn_to(self, origin: Origin) -> None:
        """From now on the rows are another writer's."""
        self._origin = origin

    # -- the protocol -----------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """One transaction."""
        with self._busy:
            try:
                self._write(rows, _TOLERANT if replay else "")
            except StoreError as error:
                if error.code == "SQLITE_FULL":
                    self._make_room()
                raise

    def _write(self, rows: Sequence[Row], clause: str) -> None:
        connection = self._link.open()
        committing = False
        try:
            fields = self._fields(rows)
            begin(connection, self._options.connect_timeout, self._hurried)
            self._insert_all(connection, fields, clause)
            committing = True
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._link.fail(error, committing=committing)
        self._link.see_stored()

    def _hurried(self) -> bool:
        return self._wanted

    def _fields(self, rows: Sequence[Row]) -> list[object]:
        if self._pick is None:
            return flat(rows, self._origin)
        return list(chain.from_iterable(map(self._pick, values(rows, self._origin))))

    def _insert_all(self, connection: sqlite3.Connection, fields: list[object], clause: str) -> None:
        """Many rows per statement: ``executemany`` lets go of the GIL and waits for it again at every row.

        Beside an application that is busy logging, that wait is what a batch spends its time with.
        """
        start = 0
        for count, sql in self._inserts:
            taken = count * self._width
            while len(fields) - start >= taken:
                connection.execute(sql + clause, fields[start : start + taken])
                start += taken

    def _insert_own(self, connection: sqlite3.Connection, entry: LogEntry) -> None:
        self._insert_all(connection, self._fields([(None, entry)]), "")

    def refused_days(self, _rows: Sequence[Row]) -> Sequence[int]:
        """None: there are no partitions."""
        return ()

    def present(self, first: int, last: int, since: int) -> set[int]:
        """Which of the writer's numbers between two are stored, from a time on (µs)."""
        table = self._names.qualified(self._names.logs)
        sql = f"SELECT seq FROM {table} WHERE timestamp >= ? AND instance_id = ? AND seq BETWEEN ? AND ?"  # noqa: S608 - a checked name
        with self._busy:
            connection = self._link.open()
            try:
                return {seq for (seq,) in connection.execute(sql, (since, self._origin.instance_id.bytes, first, last))}
            except sqlite3.Error as error:
                self._link.fail(error)

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Insert the letters; one that is there already stays as it is."""
        sql = side_tables.insert_letter(self._names.qualified(self._names.dead_letters), "?")
        rows = [(letter[0].bytes, letter[1], letter[2].bytes, *letter[3:]) for letter in letters]
        with self._busy:
            self._transaction(lambda connection: connection.executemany(sql, rows))

    def report(self, status: Status) -> None:
        """Update the writer's row by its key; insert it where it is not there, or not any more."""
        table = self._names.qualified(self._names.instances)
        row = side_tables.values(status, moment=int, document=json.dumps)
        row["instance_id"] = status.origin.instance_id.bytes

        def refresh(connection: sqlite3.Connection) -> None:
            changes = side_tables.update(table, "?", row, posthumous=status.posthumous)
            if not connection.execute(*changes).rowcount:
                connection.execute(side_tables.insert(table, "?"), list(row.values()))

        with self._busy:
            self._transaction(refresh)

    def prune(self, budget: float) -> int:
        """Delete expired rows, the oldest first, in short transactions for about ``budget`` seconds."""
        until = time.monotonic() + budget
        gone = 0
        if self._ballast is not None:
            self._ballast.keep()
        while time.monotonic() < until:
            with self._busy:
                count = self._prune_some()
            gone += count
            if not count:
                break
        return gone

    def reachable(self) -> bool:
        """Whether the file is there."""
        return os.path.exists(self._link.path)  # noqa: PTH110 - the hot path of an outage

    def abort(self) -> None:
        """Interrupt the statement under way."""
        self._link.interrupt()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._link.close()

    def rest(self) -> bool:
        """Before a fork: close the connection, and begin no call until ``wake_up``.

        SQLite keeps its locks on a file, and the mutexes of its calls, in the memory of the process. A child that
        inherited them would wait for ever for a lock that its parent's writer held, or believe it holds one that it
        does not and lose its write-ahead log to the parent's closing (sqlite.org, "How To Corrupt", 2.6).
        """
        self._wanted = True
        rested = self._busy.acquire(timeout=_REST)
        self._wanted = False
        if not rested:
            return False
        self.close()
        return True

    def wake_up(self) -> None:
        """After the fork, in the parent."""
        self._busy.release()

    def abandon(self) -> None:
        """In a forked child: where the parent could not ``rest``, keep its connection for ever, unused."""
        self._link.abandon()

    # -- statements -------------------------------------------------------------------------------------------

    def _read_columns(self, connection: sqlite3.Connection) -> None:
        table = self._names.qualified(self._names.logs)
        described = connection.execute(f"PRAGMA table_info({table})").fetchall()
        there = {name for _, name, *_ in described}
        if sentence := side_tables.lacking(there):
            raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_ERROR", sentence)
        columns = side_tables.columns_of(there)
        self._retention.tells = {"severity", "logger", "seq", "metadata"} <= there
        foreign = [name for _, name, _, full, default, key in described if full and default is None and not key]
        if unfilled := set(foreign) - set(COLUMNS):
            sentence = f"dblog does not fill the column {min(unfilled)}, which must not be null"
            raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_CONSTRAINT_NOTNULL", sentence)
        self._width = len(columns)
        marks = f"({', '.join('?' * len(columns))})"
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}"  # noqa: S608 - a checked name
        # 32,766 parameters at most; 999 before SQLite 3.32.
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(columns)
        self._inserts = [(count, insert + f", {marks}" * (count - 1)) for count in _AT_ONCE if count <= most]
        indices = [COLUMNS.index(column) for column in columns]
        self._pick = None if len(columns) == len(COLUMNS) else lambda row: tuple(row[index] for index in indices)

    def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._link.open()
        committing = False
        try:
            begin(connection, self._options.connect_timeout, self._hurried)
            result = work(connection)
            committing = True
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._link.fail(error, committing=committing)
        self._link.see_stored()
        return result

    def _prune_some(self, most: int | None = None) -> int:
        connection = self._link.open()
        try:
            if not self._retention.due(connection):
                return 0
        except sqlite3.Error as error:
            self._link.fail(error)
        return self._transaction(lambda connection: self._retention.step(connection, most))

    def _make_room(self) -> None:
        """The disk is full: what must go anyway goes now. Deleting takes room as well, so the ballast goes first."""
        if self._ballast is None or self._link.connection is None:
            return
        self._ballast.drop()
        until = time.monotonic() + _HEALING
        with suppress(StoreError, sqlite3.Error):
            # Written back into the file, the log has room for what is deleted.
            self._link.open().execute("PRAGMA wal_checkpoint(RESTART)")
            while self._prune_some(_FEW) and time.monotonic() < until:
                pass
