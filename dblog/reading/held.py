"""A connection while somebody has it: for one read out of the pool, or dedicated to a tail for as long as it lasts."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from dblog.errors import ErrorClass, StoreUnavailable
from dblog.reading.ending import finished
from dblog.reading.failures import forked
from dblog.spans import untraced
from dblog.store.connect import keep_for_ever

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dblog.reading.postgres_server import PostgresServer
    from dblog.reading.prepared import Prepared
    from dblog.reading.sqlite_file import SQLiteFile

__all__ = ["Dedicated", "Session"]


class Session:
    """One connection, while somebody has it."""

    def __init__(self, store: PostgresServer | SQLiteFile, connection: AsyncConnection, timeout: float) -> None:
        self._store = store
        self._connection = connection
        self._timeout = timeout
        self._pid = os.getpid()
        self._closing: asyncio.Future[None] | None = None

    async def run(
        self,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None = None,
        *,
        regex: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the database's, which ends the statement there
    ) -> list[Any]:
        """See ``Sessions.run``; not tried again."""
        self._check()
        seconds = self._timeout if timeout is None else timeout
        with untraced():
            return await self._store.run(self._connection, statement, parameters, regex=regex, seconds=seconds)

    @property
    def place(self) -> str:
        """The file's path, or the URL without its password."""
        return self._store.place

    async def scalar_outside(self, sql: str) -> Any:
        """The first value of a statement without parameters, outside of any transaction: ``PRAGMA data_version``."""
        self._check()
        with untraced():
            return await self._store.scalar(self._connection, sql)

    async def close(self) -> None:
        """Close the connection, once, however many ask for it; it is closed when this returns."""
        if self._pid != os.getpid():
            keep_for_ever(self._connection)
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._connection.close())
        if not self._closing.done():
            await finished(self._closing)

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise forked(self.place)
        if self._closing is not None:
            raise StoreUnavailable(ErrorClass.RECONNECT, "closed", f"the connection was closed ({self.place})")


class Dedicated(AbstractAsyncContextManager[Session]):
    """See ``Sessions.dedicated``.

    No asynchronous generator: at its end a loop closes those of its own accord, also while others close them.
    """

    def __init__(self, connect: Callable[[], Awaitable[Session]], forget: Callable[[Session], None]) -> None:
        self._connect = connect
        self._forget = forget
        self._session: Session | None = None

    async def __aenter__(self) -> Session:
        self._session = await self._connect()
        return self._session

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._forget(self._session)
