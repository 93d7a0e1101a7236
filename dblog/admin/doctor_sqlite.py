"""What can be wrong with an SQLite file, before it is opened and after."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from typing import TYPE_CHECKING, Final

from dblog.admin.findings import fail, ok, warn
from dblog.mounts import network_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.admin.connection import AdminConnection
    from dblog.admin.findings import Check, Finding

__all__ = ["CHECKS", "FILE_CHECKS"]

_MENDED: Final = (3, 51, 3)
"""The first without a rare damage when the write-ahead log is reset (SQLite 3.51.3, release notes)."""
_BOUND: Final = 5.0
"""Seconds the integrity check may take."""
_STEPS: Final = 10_000
_MODE: Final = 0o600
_LOG: Final = 128 << 20
"""Bytes of a write-ahead log that a writer would have written back long ago, were it not for a reader."""
_LOW, _EMPTY = 1 << 30, 1 << 26
"""Bytes of free disk to warn at, and to fail at."""


def _file(connection: AdminConnection) -> Iterator[Finding]:
    path = connection.file
    if not path.exists():
        yield fail(f"the file {path} does not exist", "check the path, or run dblog upgrade")
        return
    every = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in every if each.exists()}
    wide = [f"{name} {mode:04o}" for name, mode in modes.items() if mode & ~_MODE]
    if wide:
        yield warn(f"others may read what was logged: {', '.join(wide)}", f"chmod 600 {path}*")
    else:
        yield ok("only the owner may read the file")
    if not os.access(path, os.W_OK):
        yield fail("this user may not write to the file", f"check the owner of {path}")


def _folder(connection: AdminConnection) -> Iterator[Finding]:
    folder = connection.file.parent
    if not folder.is_dir():
        yield fail(f"the folder {folder} does not exist", "check the path")
        return
    if os.access(folder, os.W_OK | os.X_OK):
        yield ok("the folder can be written to, as the write-ahead log needs")
    else:
        yield fail(f"the folder {folder} cannot be written to", "SQLite keeps its write-ahead log there: mend its mode")
    kind = network_of(folder)
    if kind is not None:
        yield warn(f"the file is on a network filesystem ({kind})", "locks are not reliable there: use a local disk")
    free = shutil.disk_usage(folder).free
    what = f"{free / (1 << 30):,.1f} GiB of the disk are free"
    if free < _EMPTY:
        yield fail(what, "make room, or dblog prune --vacuum")
    else:
        yield ok(what) if free >= _LOW else warn(what, "make room, or set retention or max_bytes")


def _version(_connection: AdminConnection) -> Iterator[Finding]:
    what = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _MENDED:
        yield warn(
            f"{what} can, very rarely, damage a file when two processes reset its write-ahead log at once",
            "3.51.3 or newer has it mended; keep a backup",
        )
    else:
        yield ok(what)


def _journal(connection: AdminConnection) -> Iterator[Finding]:
    mode = connection.value("PRAGMA journal_mode")
    if mode == "wal":
        yield ok("journal_mode is WAL")
    else:
        yield warn(f"journal_mode is {mode}: readers and writers wait for each other", "the first writer turns WAL on")
    log = connection.file.with_name(f"{connection.file.name}-wal")
    if mode == "wal" and log.exists() and (size := log.stat().st_size) > _LOG:
        yield warn(
            f"the write-ahead log has {size / (1 << 20):,.0f} MiB: somebody reads in one long transaction",
            "end that; the writer gives the room back",
        )


def _integrity(connection: AdminConnection) -> Iterator[Finding]:
    until = time.monotonic() + _BOUND
    driver = connection.driver
    driver.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    try:
        found = [str(row[0]) for row in driver.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError:
        if time.monotonic() <= until:
            raise
        yield warn(f"the file is too large to be checked in {_BOUND:g} s", "PRAGMA quick_check in a quiet hour")
        return
    finally:
        driver.set_progress_handler(None, 0)
    if found == ["ok"]:
        yield ok("the file is sound")
    else:
        yield fail("the file is damaged (PRAGMA quick_check)", "restore a backup, or sqlite3 FILE .recover")


FILE_CHECKS: Final[tuple[Check, ...]] = (_file, _folder)
"""Before it is opened."""
CHECKS: Final[tuple[Check, ...]] = (_version, _journal, _integrity)
