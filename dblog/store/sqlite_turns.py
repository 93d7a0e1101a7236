"""Whose turn it is in an SQLite file: the write lock, and the moments in which one must be alone with its log."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from dblog.diagnostics import complain
from dblog.errors import ErrorClass, StoreError
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOCK_WAIT", "await_others", "begin", "go_without_log", "waiting"]

LOCK_WAIT: Final = 0.1
"""Seconds of one wait for another process's write lock; after each the writer looks whether it should rest."""


def begin(connection: sqlite3.Connection, seconds: float, hurried: Callable[[], bool]) -> None:
    """Start a transaction, waiting so long at most for another process's; not at all when somebody is in a hurry."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or hurried() or time.monotonic() >= deadline:
                raise
        else:
            return


def go_without_log(connection: sqlite3.Connection, path: str, kind: str | None) -> None:
    """Give the file a rollback journal.

    Args:
        connection: before anything was read.
        path: the file's.
        kind: of the network file system it is on; None where it is another one, that cannot share memory.

    Raises:
        StoreError: others have its write-ahead log in use.
    """
    place = f"on a network file system ({kind})" if kind else "on a file system without shared memory"
    what = f"{visible(path)} is {place}, where a write-ahead log is not safe"
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # so that not even the old log needs shared memory
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise
        mode = "wal"
    if mode != "delete":
        sentence = f"{what}, and others use it with one: end them, or move the file to a local disk"
        raise StoreError(ErrorClass.CONFIGURATION, "SQLITE_PROTOCOL", sentence)
    connection.execute("PRAGMA locking_mode = NORMAL")
    complain(f"journal {path}", f"{what}: journal_mode is DELETE, which is slower; use a local disk")


def await_others(connection: sqlite3.Connection, path: str, until: float, ask: Callable[[], None]) -> None:
    """The log was taken away: whoever has it open yet must not meet a new one.

    Args:
        connection: before anything was read.
        path: the file's.
        until: monotonic time after which nobody is waited for any more.
        ask: has everybody else in this process let go of the file.

    Raises:
        StoreError: others have it in use.
    """
    connection.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT * 1000)}")
    if not _is_alone(connection):
        ask()
        if not _is_alone(connection) and time.monotonic() < until:
            raise waiting(f"the -wal or -shm of {visible(path)} was taken away, and others use it still")


def waiting(what: str) -> StoreError:
    """Two logs of one file would damage it."""
    return StoreError(ErrorClass.CONFIGURATION, "SQLITE_BUSY_RECOVERY", f"{what}: waiting")


def _is_alone(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = DELETE")  # only the file's only connection may
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise
        return False
    return True


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
