"""One SQLite file, opened to read: never made, never written to, and closed while its process forks."""

from __future__ import annotations

import asyncio
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
    stirred,
    timed_out,
    unanswered,
    undecodable,
)
from dblog.reading.prepared import Prepared
from dblog.reading.sqlite_connection import AsyncConnection, Connection
from dblog.reading.sqlite_opening import Opening
from dblog.reading.sqlite_place import lying, rest_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection as Held

    from dblog.reading.sqlite_place import Lying

__all__ = ["SQLiteFile"]

_T = TypeVar("_T")
_KEPT: Final = ("vfs", "nolock", "immutable", "psow")
"""Parameters of an SQLite URI that are a reader's business, too."""
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
        given = [*urllib.parse.parse_qsl(inline), *url.query.items()] if uri else []
        parameters = {name: str(value) for name, value in given if name in _KEPT}
        self._opening = Opening(self.place, connect_timeout, parameters, Connection)
        self._timeout = connect_timeout
        self._tables = tuple(tables)
        self._gate = threading.Lock()
        """Held while a connection is opened, and from ``rest`` to ``wake_up``."""
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lying: Lying | None = None
        """The files that the newest connection has open."""
        self._moves = 0
        """Counts the times that older ones were found to have others open."""
        self.epoch = 0
        """Counts the forks that closed connections."""
        self._known = (self.epoch, self._moves)
        lifecycle.around_fork(self)

    @property
    def arguments(self) -> dict[str, Any]:
        """What SQLAlchemy connects with."""
        return {"async_creator_fn": self._open}

    def changed(self) -> bool:
        """Whether idle connections are of no use any more: they see files that were taken away, or a fork closed them.

        Raises:
            StoreUnavailable: there is no file.
        """
        now = lying(self.place)
        was, self._lying = self._lying or now, now
        known, self._known = self._known, (self.epoch, self._moves)
        return was.moved(now) or known != self._known

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
            try:
                _, described = await _driver(connection).visit(f'PRAGMA table_info("{table.name}")', ())
            except sqlite3.Error:
                sentence = (
                    f"the schema cannot be read ({self.place}): it is damaged, or calls what a reader does not call"
                )
                return StoreUnavailable(ErrorClass.CONFIGURATION, "SQLITE_ERROR", sentence)
            missing = set(table.columns.keys()) - {name for _, name, *_ in described}
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
            before = lying(self.place)
            opened = self._opening.open()
            connection: Connection = opened.connection
            connection.at_rest = opened.rest
            install_functions(connection, regex=False)
            connection.epoch = self.epoch
            self._connections.add(connection)
            self._note(before)
            return connection

    def _note(self, before: Lying) -> None:
        """Which files lie there now that a connection is open, and whether it, or one before it, has others open."""
        now = lying(self.place)
        known = self._lying or before
        # Within a process connections share the index of a log, also one that was removed.
        self._moves += known.moved(now) or before.moved(now) or now.parted
        self._lying = now

    def _see_rest(self, raw: Connection) -> None:
        """After a read of a file at rest: whether it was.

        Raises:
            StoreUnavailable: somebody writes to it after all, of which the connection sees nothing, or half.
        """
        if raw.at_rest is not None and raw.at_rest != rest_of(self.place):
            raise stirred(self.place)


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
