"""Which files an SQLite connection writes to, and whether they still lie where they lay.

The file, its ``-wal`` and its ``-shm`` belong together. Whoever takes one away under a
connection lets its commits succeed into nowhere, and the next one to open the path gets
a log that does not belong to its file. SQLite itself asks about the file only, and
never about a commit (sqlite.org, "How To Corrupt", 1.4 and 2.4).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from typing import Final, NamedTuple

from dblog.diagnostics import complain
from dblog.visible import visible

__all__ = ["Files", "Identity", "Seen", "look"]

_PATIENCE: Final = 1000
"""Milliseconds to wait for readers of an old state while commits are rescued."""
_NO_CHECKPOINT: Final = 1006
"""SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE; Python can set it from 3.12 on."""

Identity = tuple[int, int]


class Seen(NamedTuple):
    """Which files lie at a path."""

    main: Identity | None
    wal: Identity | None = None
    shm: Identity | None = None
    empty: bool = False
    """The first of them has no bytes: as ``copytruncate`` leaves it, or because it is just being made."""


def look(path: str) -> Seen:
    """Which files lie there now: three looks, a few microseconds."""
    status = _status(path)
    wal, shm = _identity(f"{path}-wal"), _identity(f"{path}-shm")
    if status is None:
        return Seen(None, wal, shm)
    return Seen((status.st_dev, status.st_ino), wal, shm, not status.st_size)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - several for each batch
    except OSError:
        return None


def _identity(path: str) -> Identity | None:
    status = _status(path)
    return None if status is None else (status.st_dev, status.st_ino)


class Files:
    """The files of one connection, as they were when it was opened.

    Args:
        path: where they lie, links followed; SQLite names the others after that.
        connection: open, and used once: by then there is a ``-wal`` where there will be one.
        main: which file lay there before it was opened.
    """

    def __init__(self, path: str, connection: sqlite3.Connection, main: Identity | None) -> None:
        self._path = path
        self._connection = connection
        self._version = _version(connection)
        self._opened = look(path)._replace(main=main)
        self._kept = False
        """What the log holds must not reach the file any more."""

    @property
    def parted(self) -> bool:
        """Whether it has a log without an index to be seen: this process has one open still that was removed."""
        return self._opened.wal is not None and self._opened.shm is None

    def moved(self) -> bool:
        """Whether one of them lies there no more, or another lies in its place."""
        now, opened = look(self._path), self._opened
        return (
            now.main != opened.main
            or (now.empty and not opened.empty)
            or (opened.wal is not None and now.wal != opened.wal)
            or (opened.shm is not None and now.shm != opened.shm)
        )

    def note(self) -> None:
        """After a commit: what others commit from now on shows."""
        self._version = _version(self._connection)

    def rescue(self) -> bool:
        """Write what was committed, and lies in a log nobody can find any more, into the file it belongs to.

        Only where that is certain to be right: no stranger has written with our ``-shm``, or to our file without it.
        What cannot be rescued is said. The log left beside a path that holds another file now is taken away: whoever
        opened that file would take the log for its own.

        Returns:
            Whether the path holds the same file still, and only what lies beside it was taken away.
        """
        now = look(self._path)
        same = now.main == self._opened.main and not now.empty
        if self._opened.wal is None:
            return same
        if not self._safe(now) or not self._checkpoint():
            where = visible(self._path)
            complain("rescue", f"{where}: it or its -wal was taken away in use; rows stored last may be lost")
            self._kept = True
        if not same:
            with suppress(OSError):
                self._take_away()
        return same

    def before_close(self) -> None:
        """Right before the connection is closed: where nothing must be written back into the file, see that nothing is.

        An interrupt is forgotten when the next statement begins, and there is none: so SQLite meets it as it is about
        to write back the first page. That is all that can be had before Python 3.12, where the connection can be told.
        """
        if self._kept:
            setting = getattr(self._connection, "setconfig", None)
            with suppress(sqlite3.Error):
                if setting is not None:
                    setting(_NO_CHECKPOINT, True)
                self._connection.interrupt()

    def _take_away(self) -> None:
        """Remove the log that is left without its file; one writer at a time, for the next may have made its own."""
        descriptor = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120 - as above
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for suffix, ours in (("-wal", self._opened.wal), ("-shm", self._opened.shm)):
                if ours is not None and ours == _identity(self._path + suffix):
                    os.unlink(self._path + suffix)  # noqa: PTH108 - as above
        finally:
            os.close(descriptor)

    def _safe(self, now: Seen) -> bool:
        if now.main == self._opened.main:
            if now.empty:
                return False  # it would be filled with the few pages that changed last
            if now.wal is None or (now.wal == self._opened.wal and now.shm is None):
                return True  # whoever opened the file since would have made one, and could not remove it
            return now.shm == self._opened.shm and not self._others_wrote()
        if now.main is None or (now.wal != self._opened.wal and now.shm != self._opened.shm):
            return True  # nobody can have taken our log, or its index, for another file's
        return not self._others_wrote()

    def _others_wrote(self) -> bool:
        """Whether another connection has committed with our log's index since our last commit."""
        try:
            return _version(self._connection) != self._version
        except sqlite3.Error:
            return True

    def _checkpoint(self) -> bool:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
            busy, pages, done = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        except sqlite3.Error:
            return False
        return not busy and pages == done


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
