"""A connection to one SQLite file to read it: the file is not trusted, nothing is made beside it, no lock is dropped.

Whoever may only read a file with a write-ahead log makes a ``-wal`` and a ``-shm`` beside it where there are none, and
cannot take them away again; where they belong to another user, they bar the file to its own writers. So a file that
nobody has in use is opened as one that does not change (``immutable``), and looked at again after each read.
"""

from __future__ import annotations

import os
import sqlite3
import time
import urllib.parse
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from dblog.reading.barred import may
from dblog.reading.failures import emptied_file
from dblog.reading.sqlite_place import has_log, rest_of, status_of
from dblog.store.connect import milliseconds
from dblog.store.distrust import distrust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dblog.reading.sqlite_place import Rest

__all__ = ["NO_ROOM", "Opened", "Opening", "engine_to_read"]

NO_ROOM: Final = "SQLITE_READONLY_DIRECTORY"
"""The folder takes no new file."""
_SETTLED: Final = 20_000_000
"""ns after a change in which another might have the same time: the kernel's clock for files ticks more often."""


def engine_to_read(url: sa.URL, seconds: float) -> sa.Engine:
    """An engine that keeps no pool, and whose connections can only read; for a short while each.

    Args:
        url: a file's, without parameters.
        seconds: to wait for another process's lock.
    """
    opening = Opening(str(url.database), seconds)
    return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, creator=lambda: opening.open().connection)


class Opened(NamedTuple):
    """A connection, and what it counts on."""

    connection: Any
    """Of the factory's kind."""
    rest: Rest | None
    """The state that the file has to be in still; None where SQLite sees to that."""


class Opening:
    """Opens connections to one file.

    Args:
        place: its path.
        seconds: to wait for another process's lock.
        parameters: of an SQLite URI; who gives any has the file opened so, and in no other way.
        factory: of the connections.
    """

    def __init__(
        self,
        place: str,
        seconds: float,
        parameters: Mapping[str, str] | None = None,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self._place = place
        self._seconds = seconds
        self._parameters = dict(parameters or {})
        self._factory = factory

    def open(self, *, mend: bool = True) -> Opened:
        """A connection that can be read from.

        Args:
            mend: whether SQLite may roll back what a killed writer left half done; it can be read by nobody before.

        Raises:
            StoreUnavailable: there is no file, or it was emptied.
            sqlite3.Error: SQLite's own reason.
        """
        if not status_of(self._place).st_size and has_log(self._place):
            raise emptied_file(self._place)  # SQLite would take the log away
        rest = None if self._parameters else self._at_rest()
        if rest is not None and self._is_logged():
            with suppress(sqlite3.OperationalError):
                return Opened(self._connect(mode="ro", immutable="1"), rest)
        # What belongs to another user gets no index from us, which he might not open.
        ours = may(self._place, os.W_OK) or self._parameters
        try:
            return Opened(self._connect(mode="ro", **({} if ours else {"readonly_shm": "1"})), None)
        except sqlite3.OperationalError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_BUSY"):
                raise  # it has been waited for
            if (name == NO_ROOM or not self._has_room()) and (rest := rest_of(self._place)) is not None:
                # SQLite has no place for the files it would make beside it; without them nobody is writing.
                return Opened(self._connect(mode="ro", immutable="1"), rest)
            if not (mend and ours):
                raise
            # A journal that has to be rolled back, or a write-ahead log in a place that takes no new file.
            return Opened(self._connect(mode="rw"), None)

    def _at_rest(self) -> Rest | None:
        """The file's state where nobody has it in use; where it has just changed, as soon as another change shows."""
        while (rest := rest_of(self._place)) is not None and 0 <= time.time_ns() - rest.changed < _SETTLED:
            time.sleep(_SETTLED / 10e9)
        return rest

    def _has_room(self) -> bool:
        """Whether its folder takes new files."""
        return may(os.path.dirname(os.path.realpath(self._place)), os.W_OK)  # noqa: PTH120 - as everywhere here

    def _is_logged(self) -> bool:
        """Whether its format is that of a file with a write-ahead log: without locks SQLite opens no such one."""
        try:
            self._connect(mode="ro", nolock="1").close()
        except sqlite3.Error as error:
            return getattr(error, "sqlite_errorname", None) == "SQLITE_CANTOPEN"
        return False

    def _connect(self, **how: str) -> sqlite3.Connection:
        query = urllib.parse.urlencode({**self._parameters, **how})
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(self._place)}?{query}", uri=True, isolation_level=None,
            check_same_thread=False, timeout=self._seconds, factory=self._factory,
        )  # fmt: skip
        try:
            connection.execute("PRAGMA query_only = ON")
            distrust(connection)
            connection.execute(f"PRAGMA busy_timeout = {milliseconds(self._seconds)}")
            _look_at_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _look_at_schema(connection: sqlite3.Connection) -> None:
    """Have it read: a damaged one is told of by a sentence with a name from it, which may be no text."""
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except UnicodeDecodeError:
        damaged = sqlite3.DatabaseError("malformed database schema")
        damaged.sqlite_errorcode, damaged.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
        raise damaged from None
