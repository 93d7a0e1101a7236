"""One SQLite file, opened to read: never made, never written to, and closed while its process forks."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import urllib.parse
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa

from dblog import lifecycle
from dblog.errors import ErrorClass, StoreUnavailable
from dblog.query.functions import install as install_functions
from dblog.reading.ending import finished, see_end
from dblog.reading.failures import (
    driver_error,
    failure,
    forked,
    timed_out,
    unanswered,
    undecodable,
)
from dblog.reading.prepared import Prepared
from dblog.reading.sqlite_connection import AsyncConnection, Connection
from dblog.reading.sqlite_place import identify, status_of
from dblog.store.connect import milliseconds

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection as Held

__all__ = ["SQLiteFile"]

_T = TypeVar("_T")
_KEPT: Final = ("vfs", "nolock", "immutable", "psow")
"""Parameters of an SQLite URI that are a reader's business, too."""
_NO_ROOM: Final = "SQLITE_READONLY_DIRECTORY"
"""The folder takes no new file."""
_REST: Final = 1.0
"""Seconds a fork waits at most for the statements under way."""
_INTERRUPT: Final = 0.005
"""Seconds between two interrupts of a statement that is to end: the first may come before it has begun."""
# For bytes that are not UTF-8, which no writer of ours stores; sqlite3 has a quick way for `str` itself only.
_REPLACING: Final = partial(str, encoding="utf-8", errors="replace")


class SQLiteFile:
    """Opens connections to one file, and reads through them.

    Args:
        url: mapped to aiosqlite.
        connect_timeout: seconds to wait for another process's lock.
        tables: what has to be in it, for the sentence that says what is not.
    """

    def __init__(self, url: sa.URL, connect_timeout: float, tables: Iterable[sa.Table]) -> None:
        location, _, inline = str(url.database).removeprefix("file:").partition("?")
        uri = str(url.query.get("uri", "")).lower() in ("true", "1", "yes", "on")
        self.place = urllib.parse.unquote(location) if uri else str(url.database)
        parameters = [*urllib.parse.parse_qsl(inline), *url.query.items()] if uri else []
        self._parameters = {name: value for name, value in parameters if name in _KEPT}
        self._timeout = connect_timeout
        self._tables = tuple(tables)
        self._gate = threading.Lock()
        """Held while a connection is opened, and from ``rest`` to ``wake_up``."""
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._inode: tuple[int, int] | None = None
        self.epoch = 0
        """Counts the forks that closed connections."""
        self._seen = 0
        lifecycle.around_fork(self)

    @property
    def arguments(self) -> dict[str, Any]:
        """What SQLAlchemy connects with."""
        return {"async_creator_fn": self._open}

    def changed(self) -> bool:
        """Whether idle connections are of no use any more: they see a file that was deleted, or a fork closed them.

        Raises:
            StoreUnavailable: there is no file.
        """
        was, self._inode = self._inode, identify(self.place)
        seen, self._seen = self._seen, self.epoch
        return seen != self.epoch or was not in (None, self._inode)

    async def run(
        self,
        connection: Held,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        *,
        regex: bool,
        seconds: float,
    ) -> list[Any]:
        """One statement, which is a transaction of its own."""
        raw = _raw(connection)
        try:
            if regex and not raw.regex:
                install_functions(raw, regex=True)
                raw.regex = True
            try:
                rows = await _finish(raw, _rows(connection, statement, parameters), seconds)
            except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
                if not undecodable(driver_error(error)) or raw.text_factory is _REPLACING:
                    raise
                raw.text_factory = _REPLACING
                rows = await _finish(raw, _rows(connection, statement, parameters), seconds)
        except TimeoutError:
            raise timed_out(seconds, "SQLITE_INTERRUPT") from None
        except Exception as error:  # noqa: BLE001 - classified
            found = self._failure(raw, error)
            raise (await self._lacking(connection, found) or found) from None
        self._see_rest(raw)
        return rows

    async def scalar(self, connection: Held, sql: str) -> Any:
        """The first value of a statement that is in no transaction."""
        raw = _raw(connection)
        try:
            _, rows = await _finish(raw, _driver(connection).visit(sql, ()), self._timeout)
        except TimeoutError:
            raise unanswered(self.place) from None
        except Exception as error:  # noqa: BLE001 - classified
            raise self._failure(raw, error) from None
        self._see_rest(raw)
        return rows[0][0]

    def _failure(self, raw: Connection, error: Exception) -> Exception:
        if (cause := driver_error(error)) is None:
            return error
        self._see_rest(raw)
        if raw.epoch != self.epoch:  # interrupted, or closed already
            return forked(self.place)
        return failure(cause, "sqlite", self.place)

    async def _lacking(self, connection: Held, found: Exception) -> StoreUnavailable | None:
        """What is missing: "no such table" has no code of its own."""
        if getattr(found, "code", None) != "SQLITE_ERROR":
            return None
        for table in self._tables:
            described = await connection.exec_driver_sql(f'PRAGMA table_info("{table.name}")')
            missing = set(table.columns.keys()) - {row.name for row in described}
            if missing:
                whole = len(missing) == len(table.columns)
                what = f"the table {table.name} " + ("is missing" if whole else f"lacks {', '.join(sorted(missing))}")
                sentence = f"{what} ({self.place}): run dblog upgrade"
                return StoreUnavailable(ErrorClass.CONFIGURATION, "SQLITE_ERROR", sentence)
        return None

    async def _open(self, *_: Any, **__: Any) -> AsyncConnection:
        connection = AsyncConnection(self._connect, 64)
        # Not waited for at exit; before aiosqlite 0.22 the connection was the thread.
        thread: Any = getattr(connection, "_thread", connection)
        thread.daemon = True
        try:
            await finished(_opened(connection))
        except BaseException:
            await see_end(asyncio.ensure_future(connection.close()))
            if connection.stopped is not None:
                await see_end(connection.stopped)
            raise
        return connection

    # -- forks ------------------------------------------------------------------------------------------------

    def rest(self) -> bool:
        """Before a fork: close every connection, and open none until ``wake_up``; see ``SQLiteSink.rest``."""
        until = time.monotonic() + _REST
        if not self._gate.acquire(timeout=_REST):
            return False
        self.epoch += 1
        for connection in list(self._connections):
            while not (idle := connection.using.acquire(timeout=_INTERRUPT)) and time.monotonic() < until:
                connection.interrupt()
            if idle:
                connection.close()
                connection.using.release()
        return True

    def wake_up(self) -> None:
        """After the fork, in the parent."""
        self._gate.release()

    # -- opening ----------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        """In the connection's own thread."""
        with self._gate:
            identify(self.place)
            try:
                return self._connect_as(mode="ro")
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                    raise  # it has been waited for
                if (state := self._state_at_rest(error)) is None:
                    # A journal that has to be rolled back, or a write-ahead log in a place that takes no new file.
                    return self._connect_as(mode="rw")
                connection = self._connect_as(mode="ro", immutable="1")
                connection.at_rest = state
                return connection

    def _state_at_rest(self, error: sqlite3.OperationalError) -> tuple[int, int, bool] | None:
        """The file's state where SQLite has no place for the files it would make beside it, and there are none.

        Nobody is writing to the file then.
        """
        folder = os.path.dirname(self.place) or "."  # noqa: PTH120 - as everywhere here
        if getattr(error, "sqlite_errorname", None) != _NO_ROOM and os.access(folder, os.W_OK):
            return None
        state = self._state()
        return None if state[-1] or os.path.exists(f"{self.place}-journal") else state  # noqa: PTH110 - as above

    def _state(self) -> tuple[int, int, bool]:
        """What a writer changes, first of all whether there is a ``-wal``."""
        status = status_of(self.place)
        return status.st_mtime_ns, status.st_size, os.path.exists(f"{self.place}-wal")  # noqa: PTH110 - as above

    def _see_rest(self, raw: Connection) -> None:
        """After a read of a file at rest: whether it was.

        Raises:
            StoreUnavailable: somebody writes to it after all, of which the connection sees nothing, or half.
        """
        if raw.at_rest is not None and raw.at_rest != self._state():
            raise StoreUnavailable(ErrorClass.RECONNECT, _NO_ROOM, f"the file is being written to ({self.place})")

    def _connect_as(self, **how: str) -> Connection:
        query = urllib.parse.urlencode({**self._parameters, **how})
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(self.place)}?{query}", uri=True, isolation_level=None, check_same_thread=False,
            timeout=self._timeout, factory=Connection,
        )  # fmt: skip
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA busy_timeout = {milliseconds(self._timeout)}")
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
            install_functions(connection, regex=False)
        except BaseException:
            connection.close()
            raise
        connection.epoch = self.epoch
        self._connections.add(connection)
        return connection


async def _opened(connection: AsyncConnection) -> None:
    await connection


async def _rows(
    connection: Held, statement: sa.Executable | Prepared, parameters: Mapping[str, Any] | None
) -> list[Any]:
    if isinstance(statement, Prepared):
        _, rows = await _driver(connection).visit(statement.sql, statement.values(parameters))
        return list(rows)
    return list((await connection.execute(statement, parameters)).all())


def _driver(connection: Held) -> Any:
    """The ``AsyncConnection`` of ours."""
    synchronous: Any = connection.sync_connection
    return synchronous.connection.driver_connection


def _raw(connection: Held) -> Any:
    """The ``Connection`` in aiosqlite's."""
    return _driver(connection)._conn  # noqa: SLF001 - what can be interrupted from here


async def _finish(raw: sqlite3.Connection, work: Coroutine[Any, Any, _T], seconds: float) -> _T:
    """Await a statement; when its time is over, or the awaiting task is cancelled, interrupt it and see it end.

    Raises:
        TimeoutError: it took longer than ``seconds``.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await see_end(task, raw.interrupt, _INTERRUPT)
        raise
    if not done:
        await see_end(task, raw.interrupt, _INTERRUPT)
        raise TimeoutError
    return task.result()
