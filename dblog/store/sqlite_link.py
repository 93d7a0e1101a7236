"""The one connection of an SQLite sink: opened, looked after, and given up when the file is not the one it was.

It never makes, renames, replaces or deletes a database. What stands in the way is said
as a sentence, of the class that has the writer wait for somebody to act.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dblog.errors import ErrorClass, StoreError
from dblog.mounts import network_of
from dblog.store import filesystem
from dblog.store.connect import keep_for_ever, milliseconds
from dblog.store.distrust import beware
from dblog.store.errors import connect_error, sqlite_error
from dblog.store.sqlite_files import Files, look
from dblog.store.sqlite_turns import LOCK_WAIT, await_others, go_without_log, waiting
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from dblog.options import Options
    from dblog.store.connect import Target
    from dblog.store.sqlite_files import Identity

__all__ = ["Link"]

_CHECKPOINT_PAGES: Final = 10_000
"""WAL pages between automatic checkpoints: 16 % more rows/s than SQLite's 1000."""
_RETAINING: Final = 2_000
"""As above where old rows go: what the log holds must fit into the ballast's room."""
_LOG_BYTES: Final = 64 << 20
"""What is left of a -wal that a reader's long transaction made grow."""
_ALONE: Final = 15.0
"""Seconds to wait until others have let go of a log that was taken away; dblog's writers look every ten."""
_REOPEN: Final = frozenset({ErrorClass.RECONNECT, ErrorClass.CONFIGURATION, ErrorClass.UNKNOWN})
_SHARED_MEMORY: Final = frozenset({"SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK"})
"""The file system cannot do what a write-ahead log needs, whatever its name."""
_ACCESS: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_AUTH")


class Link:
    """The connection of one sink to its file.

    Args:
        target: how to connect.
        options: the handler's.
        prepare: looks at the tables of a new connection, and raises where they do not fit.
        alone: has everybody else in this process let go of the file.
    """

    def __init__(
        self,
        target: Target,
        options: Options,
        prepare: Callable[[sqlite3.Connection], None],
        alone: Callable[[], None],
    ) -> None:
        self._target = target
        self._options = options
        self._prepare = prepare
        self._alone = alone
        self.path = str(target.url.database).removeprefix("file:").partition("?")[0]
        self.connection: sqlite3.Connection | None = None
        self._engine: sa.Engine | None = None
        self._held: Any = None
        self._files: Files | None = None
        self._lock = threading.Lock()
        """Between closing a connection and interrupting it from another thread."""
        self._without_log = False
        """The file system was found unfit for a write-ahead log."""
        self._alone_until = 0.0
        """Until then a new connection goes on only when it is the file's only one."""

    def open(self) -> sqlite3.Connection:
        """The connection; another where there is none, or its files are not where they were.

        Raises:
            StoreError: why there is none.
        """
        if self._files is not None and self._files.moved():
            self._leave()
        return self.connection or self._connect()

    def see_stored(self) -> None:
        """After a commit: that it went into the files that are there.

        Raises:
            StoreError: they were taken away before it or since; sent again, the rows are in those that are there now.
        """
        files = self._files
        if files is None:
            return
        if files.moved():
            self._leave()
            raise StoreError(ErrorClass.RECONNECT, "SQLITE_READONLY_DBMOVED", "the file was replaced", ambiguous=True)
        with suppress(sqlite3.Error):
            files.note()

    def interrupt(self) -> None:
        """End the statement under way, from any thread."""
        with self._lock:
            if self.connection is not None:
                self.connection.interrupt()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._files is not None and self._files.moved():
            self._leave()
        else:
            self._let_go()

    def abandon(self) -> None:
        """In a forked child: the parent's connection is kept for ever, unused."""
        keep_for_ever(self._held, self.connection, self._engine)
        self._held = self.connection = self._engine = self._files = None

    def fail(self, error: Exception, *, committing: bool = False) -> NoReturn:
        """Raise the ``StoreError``, with the transaction rolled back, or the connection closed."""
        failure = sqlite_error(error, committing=committing)
        connection = self.connection
        if failure.code in {"SQLITE_ERROR", "SQLITE_CONSTRAINT_NOTNULL"}:
            # "no such table" has no code of its own, NOT NULL names no column: a new connection looks at the table.
            self.close()
            if look(self.path).main is not None:
                self._connect()
        elif failure.kind in _REOPEN or failure.code.startswith("SQLITE_READONLY") or connection is None:
            self.close()  # also read-only: SQLite opens such a file without a word, and stays so when it is mended
        elif connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()
        raise self._told(failure) from None

    # -- connecting -------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """The files are not where they were: save what can be saved, and let go."""
        if self._files is not None and self._files.rescue():
            self._alone_until = time.monotonic() + _ALONE
        self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            held, self._held, self.connection = self._held, None, None
            files, self._files = self._files, None
            if held is not None:
                with suppress(Exception):
                    if files is not None:
                        files.before_close()
                    held.invalidate()

    def _connect(self) -> sqlite3.Connection:
        main = look(self.path).main
        if main is None:
            sentence = f"the file does not exist: run dblog upgrade, or check the path ({visible(self.path)})"
            raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_CANTOPEN", sentence)
        try:
            if self._engine is None:
                self._engine = self._target.engine()
            held = self._engine.raw_connection()
            connection = held.driver_connection
            if not isinstance(connection, sqlite3.Connection):
                raise TypeError("the engine's creator makes no sqlite3 connection")  # noqa: TRY301 - classified
            with self._lock:
                self._held, self.connection = held, connection
            self._set_up(connection, main)
        except StoreError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - classified
            self.close()
            raise self._told(connect_error(sqlite_error(getattr(error, "orig", None) or error))) from None
        return connection

    def _set_up(self, connection: sqlite3.Connection, main: Identity) -> None:
        connection.isolation_level = None
        beware(connection)
        patience = f"PRAGMA busy_timeout = {milliseconds(self._options.connect_timeout)}"
        connection.execute(patience)
        kind = network_of(Path(self.path))
        if self._without_log or kind is not None:
            go_without_log(connection, self.path, kind)
            self._prepare(connection)
            self._tighten()
        else:
            if self._alone_until:
                await_others(connection, self.path, self._alone_until, self._alone)
                self._alone_until = 0.0
                connection.execute(patience)
            self._prepare(connection)  # first: somebody else's database stays as it is
            self._tighten()
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._options.synchronous}")
        retaining = self._options.retention is not None or self._options.max_bytes is not None
        connection.execute(f"PRAGMA wal_autocheckpoint = {_RETAINING if retaining else _CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        connection.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT * 1000)}")
        files = Files(os.path.realpath(self.path), connection, main)
        if files.moved():
            raise StoreError(ErrorClass.RECONNECT, "SQLITE_READONLY_DBMOVED", "the file was replaced meanwhile")
        if files.parted:
            raise waiting(f"the -shm of {visible(self.path)} was taken away, and is in use in this process still")
        self._files = files

    def _tighten(self) -> None:
        """Take away permissions beyond ``file_mode``: the file holds what people logged, and so does its log."""
        base = os.path.realpath(self.path)
        for path in (base, f"{base}-wal", f"{base}-shm"):
            with suppress(OSError):
                status = os.stat(path)  # noqa: PTH116 - as in sqlite_files
                mode = stat.S_IMODE(status.st_mode)
                if mode & ~self._options.file_mode and status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode):
                    os.chmod(path, mode & self._options.file_mode)  # noqa: PTH101 - as above

    # -- sentences --------------------------------------------------------------------------------------------

    def _told(self, failure: StoreError) -> StoreError:
        """The same failure with what can be seen of its cause; where somebody has to act, of the class that says so."""
        code, sentence, shown = failure.code, None, visible(self.path)
        if code in _SHARED_MEMORY:
            self._without_log = True
        elif code in {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}:
            sentence = filesystem.no_room(self.path)
        elif code == "SQLITE_NOTADB":
            sentence = f"{shown} is no SQLite database, and stays as it is: name another, or put one in its place"
        elif code.startswith("SQLITE_CORRUPT"):
            sentence = f"{shown} is damaged, and stays as it is: restore a backup, or sqlite3 FILE .recover"
        elif code.startswith(_ACCESS):
            sentence = filesystem.hindrance(self.path)
            if sentence is None and code.startswith("SQLITE_READONLY"):
                sentence = f"{shown} is read-only to this process"
        if sentence is None:
            return failure
        return StoreError(ErrorClass.CONFIGURATION, code, sentence, ambiguous=failure.ambiguous)
