"""Give an SQLite file's empty pages back to its disk, and empty its write-ahead log, in steps nobody waits for.

Pages can be given back singly where the file keeps book of them (``auto_vacuum``), as
those made by ``dblog upgrade`` do, and those ``dblog prune --vacuum`` has written anew.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.errors import ErrorClass, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection

__all__ = ["Shrunk", "shrink"]

_KEPT: Final = 0.1
"""The share of a file that stays empty for new entries: giving back what is taken again at once helps nobody."""
_STEP: Final = 0.02
"""Seconds of one transaction; every writer waits for it."""
_PAUSE: Final = 0.02
_FEWEST: Final = 256
"""Empty pages that are not worth it."""
_INCREMENTAL: Final = 2
_EMPTYING: Final = 2.0
"""Seconds to try to empty the write-ahead log: who writes all the time empties it itself."""
_LONG: Final = 64 << 20
"""Bytes of a write-ahead log that nobody can empty: somebody reads from it in one long transaction."""


@dataclass(slots=True)
class Shrunk:
    """What became of a file."""

    freed: int = 0
    """Bytes given back."""
    free: int = 0
    """Bytes that are empty still."""
    able: bool = True
    """Whether the file can give pages back singly."""
    log: int = 0
    """Bytes of a write-ahead log that is too long and could not be emptied; else 0."""


def surplus(connection: AdminConnection) -> int:
    """Empty pages beyond those that are kept."""
    free, pages = (int(connection.value(f"PRAGMA {name}")) for name in ("freelist_count", "page_count"))
    return max(0, free - max(_FEWEST, int(pages * _KEPT)))


def able(connection: AdminConnection) -> bool:
    """Whether the file keeps book of its pages."""
    return bool(connection.value("PRAGMA auto_vacuum") == _INCREMENTAL)


def shrink(connection: AdminConnection, budget: float, *, sleep: Callable[[float], None] = time.sleep) -> Shrunk:
    """Give back what is empty beyond a tenth, as far as there is time.

    Args:
        connection: to an SQLite file.
        budget: seconds.
        sleep: between two steps, so that writers get their turn.

    Raises:
        StoreError: the file cannot be used.
    """
    until = time.monotonic() + budget
    size = int(connection.value("PRAGMA page_size"))
    before = int(connection.value("PRAGMA page_count"))
    done = Shrunk(able=able(connection))
    while done.able and (pages := surplus(connection)) and time.monotonic() < until:
        try:
            _step(connection, pages)
        except StoreError as error:
            if error.kind is not ErrorClass.RESEND:  # a writer had its turn
                raise
        sleep(_PAUSE)
    if not connection.checkpoint(min(_EMPTYING, max(0.0, until - time.monotonic()))):
        size_of_log = _log_size(connection)
        done.log = size_of_log if size_of_log > _LONG else 0
    done.freed = max(0, before - int(connection.value("PRAGMA page_count"))) * size
    done.free = int(connection.value("PRAGMA freelist_count")) * size
    return done


def _log_size(connection: AdminConnection) -> int:
    with suppress(OSError):
        return connection.file.with_name(f"{connection.file.name}-wal").stat().st_size
    return 0


def _step(connection: AdminConnection, pages: int) -> None:
    with connection.transaction():
        end = time.perf_counter() + _STEP
        while pages and time.perf_counter() < end:
            # One at a time: Python's sqlite3 takes the first page of any number for the end of the statement.
            connection.run("PRAGMA incremental_vacuum(1)")
            pages -= 1
