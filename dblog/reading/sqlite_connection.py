"""A connection to SQLite for reading: a statement is one visit to the connection's thread, and can be interrupted."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import aiosqlite

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from dblog.reading.sqlite_place import Rest

__all__ = ["AsyncConnection", "Connection"]


class Connection(sqlite3.Connection):
    """Another thread may close it between two statements."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.using = threading.Lock()
        """Held while SQLite is at work for it."""
        self.at_rest: Rest | None = None
        """The file's state where it is taken to be in use by nobody."""
        self.regex = False
        """REGEXP is there."""
        self.epoch = 0
        """Forks that had closed connections when it was opened."""

    def interrupt(self) -> None:
        """End the statement under way, if there is one."""
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile
            super().interrupt()

    def read(self, sql: str, parameters: Any) -> tuple[Any, list[Any]]:
        """The description of a statement's columns, and all its rows; its transaction has ended."""
        with self.using:
            cursor = self.execute(sql, parameters)
            return cursor.description, cursor.fetchall()


class AsyncConnection(aiosqlite.Connection):
    """Aiosqlite's, with a cursor of our own: theirs goes to the thread and back four times for each statement."""

    stopped: asyncio.Future[Any] | None = None
    """Where its thread is ending: when it has."""

    def stop(self) -> Any:
        """See aiosqlite, which does not wait for this where connecting has failed: the loop may be closed by then."""
        self.stopped = super().stop()
        return self.stopped

    def cursor(self) -> Any:
        """See ``_Cursor``."""
        return _Cursor(self)

    async def visit(self, sql: str, parameters: Any) -> Any:
        """``Connection.read`` in the connection's thread."""
        raw: Any = self._conn
        return await self._execute(raw.read, sql, parameters)  # type: ignore[no-untyped-call]  # aiosqlite's


class _Cursor:
    """As much of ``aiosqlite.Cursor`` as SQLAlchemy uses."""

    description: Any = None
    rowcount = lastrowid = -1
    arraysize = 1

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    def __await__(self) -> Generator[Any, None, Self]:
        """SQLAlchemy 2.0 awaits a cursor, 2.1 enters it."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> Self:
        self.description, self._rows = await self._connection.visit(sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """Nothing is open."""
