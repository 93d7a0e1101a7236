"""SQLite: WAL, ``BEGIN IMMEDIATE``, one transaction per batch, retention without cron.

The file must have been migrated: the writer creates none, because a mistyped path
would otherwise swallow a service's logs. It is looked at before every batch: a file
that was deleted or replaced would accept inserts into nowhere.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from dblog import lifecycle
from dblog.errors import ErrorClass, StoreError
from dblog.store import side_tables
from dblog.store.connect import keep_for_ever, milliseconds
from dblog.store.errors import connect_error, sqlite_error
from dblog.store.retention import Retention
from dblog.store.rows import COLUMNS, flat, values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    from dblog.names import Names
    from dblog.options import Options
    from dblog.sink import DeadLetter, Origin, Row, Status
    from dblog.store.connect import Target

__all__ = ["SQLiteSink"]

_T = TypeVar("_T")
_AT_ONCE: Final = (1000, 50, 1)
"""Rows per statement, largest first: while one runs, the application has the GIL."""
_TOLERANT: Final = " ON CONFLICT DO NOTHING"
_CHECKPOINT_PAGES: Final = 10_000
"""WAL pages between automatic checkpoints: 16 % more rows/s than SQLite's 1000."""
_LOCK_WAIT: Final = 0.1
"""Seconds of one wait for another process's write lock; after each the writer looks whether it should rest."""
_REST: Final = 1.0
"""Seconds a fork waits at most for the call under way."""
_REOPEN: Final = frozenset({ErrorClass.RECONNECT, ErrorClass.CONFIGURATION, ErrorClass.UNKNOWN})


class SQLiteSink:
    """Stores batches in one SQLite file; see ``dblog.sink.Sink``."""

    def __init__(self, target: Target, names: Names, options: Options, origin: Origin) -> None:
        self._target = target
        self._names = names
        self._options = options
        self._origin = origin
        self._retention = Retention(names, options)
        self._path = str(target.url.database).removeprefix("file:").partition("?")[0]
        self._engine: sa.Engine | None = None
        self._held: Any = None
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        """Between closing a connection and interrupting it from another thread."""
        self._busy = threading.Lock()
        """Held during every call that uses the file."""
        self._wanted = False
        """Somebody waits for ``_busy``."""
        self._inode: tuple[int, int] | None = None
        self._inserts: list[tuple[int, str]] = []
        """How many rows at once, and the statement, the largest first."""
        self._width = len(COLUMNS)
        self._pick: Callable[[tuple[object, ...]], tuple[object, ...]] | None = None
        lifecycle.around_fork(self)

    # -- the protocol -----------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """One transaction."""
        with self._busy:
            self._write(rows, replay=replay)

    def _write(self, rows: Sequence[Row], *, replay: bool) -> None:
        connection = self._open()
        committing = False
        try:
            fields = flat(rows, self._origin)
            if self._pick is not None:
                fields = list(chain.from_iterable(map(self._pick, values(rows, self._origin))))
            self._begin(connection)
            self._insert_all(connection, fields, _TOLERANT if replay else "")
            committing = True
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, committing=committing)
        if self._identify() != self._inode:
            # Deleted or replaced before the commit or after it: resent, the rows are in the file that is there now.
            self.close()
            raise StoreError(ErrorClass.RECONNECT, "SQLITE_READONLY_DBMOVED", "the file was replaced", ambiguous=True)

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

    def refused_days(self, _rows: Sequence[Row]) -> Sequence[int]:
        """None: there are no partitions."""
        return ()

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
            if not connection.execute(side_tables.update(table, "?"), side_tables.update_values(row)).rowcount:
                connection.execute(side_tables.insert(table, "?"), list(row.values()))

        with self._busy:
            self._transaction(refresh)

    def prune(self, budget: float) -> int:
        """Delete expired rows, the oldest first, in short transactions for about ``budget`` seconds."""
        until = time.monotonic() + budget
        gone = 0
        while time.monotonic() < until:
            with self._busy:
                count = self._prune_some()
            gone += count
            if not count:
                break
        return gone

    def reachable(self) -> bool:
        """Whether the file is there."""
        return os.path.exists(self._path)  # noqa: PTH110 - the hot path of an outage

    def abort(self) -> None:
        """Interrupt the statement under way."""
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            held, self._held, self._connection = self._held, None, None
            if held is not None:
                with suppress(Exception):
                    held.invalidate()

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
        keep_for_ever(self._held, self._connection, self._engine)
        self._held = self._connection = self._engine = None

    # -- connecting -------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._identify() != self._inode:
            self.close()
        return self._connection or self._connect()

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - once per batch
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        inode = self._identify()
        if inode is None:
            raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_CANTOPEN", "the file does not exist: run dblog upgrade")
        try:
            self._tighten()
            if self._engine is None:
                self._engine = self._target.engine()
            held = self._engine.raw_connection()
            connection = held.driver_connection
            if not isinstance(connection, sqlite3.Connection):
                raise TypeError("the engine's creator makes no sqlite3 connection")  # noqa: TRY301 - classified
            with self._lock:
                self._held, self._connection, self._inode = held, connection, inode
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout = {milliseconds(self._options.connect_timeout)}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._options.synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._read_columns(connection)
            connection.execute(f"PRAGMA busy_timeout = {int(_LOCK_WAIT * 1000)}")
        except StoreError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - classified
            self.close()
            raise connect_error(sqlite_error(getattr(error, "orig", None) or error)) from None
        return connection

    def _tighten(self) -> None:
        """Take away permissions beyond ``file_mode``: the file holds what people logged."""
        status = os.stat(self._path)  # noqa: PTH116 - as above
        mode = stat.S_IMODE(status.st_mode)
        if mode & ~self._options.file_mode and status.st_uid == os.geteuid():
            with suppress(OSError):
                os.chmod(self._path, mode & self._options.file_mode)  # noqa: PTH101 - as above

    def _read_columns(self, connection: sqlite3.Connection) -> None:
        table = self._names.qualified(self._names.logs)
        described = connection.execute(f"PRAGMA table_info({table})").fetchall()
        there = {name for _, name, *_ in described}
        if sentence := side_tables.lacking(there):
            raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_ERROR", sentence)
        columns = side_tables.columns_of(there)
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

    # -- other transactions -----------------------------------------------------------------------------------

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Start a transaction, waiting ``connect_timeout`` at most for another process's."""
        deadline = time.monotonic() + self._options.connect_timeout
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
                if not busy or self._wanted or time.monotonic() >= deadline:
                    raise
            else:
                return

    def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._open()
        committing = False
        try:
            self._begin(connection)
            result = work(connection)
            committing = True
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, committing=committing)
        return result

    def _prune_some(self) -> int:
        connection = self._open()
        try:
            if not self._retention.due(connection):
                return 0
        except sqlite3.Error as error:
            self._fail(error)
        return self._transaction(self._retention.step)

    def _fail(self, error: Exception, *, committing: bool = False) -> NoReturn:
        """Raise the ``StoreError``, with the transaction rolled back, or the connection closed."""
        failure = sqlite_error(error, committing=committing)
        connection = self._connection
        if failure.code in {"SQLITE_ERROR", "SQLITE_CONSTRAINT_NOTNULL"}:
            # "no such table" has no code of its own, NOT NULL names no column: a new connection looks at the table.
            self.close()
            if self._identify() is not None:
                self._connect()
        elif failure.kind in _REOPEN or failure.code.startswith("SQLITE_READONLY") or connection is None:
            self.close()  # also read-only: SQLite opens such a file without a word, and stays so when it is mended
        elif connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()
        raise failure from None
