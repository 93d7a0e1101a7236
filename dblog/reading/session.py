"""Reads, one short read-only transaction each, on a small pool of connections made when they are needed.

PostgreSQL: ``BEGIN READ ONLY`` and ``SET LOCAL`` in one round trip, the statement (unnamed), ``COMMIT``. SQLite: one
statement is its own transaction. Nothing is set on a session and nothing left open, so a pooler may stand in between.

What a database or its driver raises leaves as ``StoreUnavailable`` or ``QueryTimeout``. A read that finds its
connection gone is tried once more on a new one, so a server's restart between two calls goes unnoticed; so is one that
lost a deadlock. What a fork of this process ended, or a writer who came to an SQLite file at rest, is tried until its
time is over.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from dblog.errors import ConfigurationError, ErrorClass, StoreUnavailable
from dblog.names import names_for
from dblog.reading.dialects import DRIVERS
from dblog.reading.ending import finished
from dblog.reading.failures import PASSING, driver_error, failure
from dblog.reading.held import Dedicated, Session
from dblog.schema import metadata_for
from dblog.spans import untraced
from dblog.store.connect import keep_for_ever
from dblog.url import async_url, dialect_of, require_driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    import sqlalchemy as sa

    from dblog.reading.postgres_server import PostgresServer
    from dblog.reading.prepared import Prepared
    from dblog.reading.sqlite_file import SQLiteFile

__all__ = ["TAIL_OVERLAP", "Session", "Sessions", "Tables"]

_CONNECTIONS: Final = 4
TAIL_OVERLAP: Final = 10.0
_DEADLOCK: Final = "40P01"
"""Somebody drops partitions."""


class Tables(NamedTuple):
    """The tables of ``dblog.schema.metadata_for``."""

    logs: sa.Table
    instances: sa.Table
    dead_letters: sa.Table


class Sessions:
    """The connections of one reader.

    Args:
        url: any spelling ``dblog.url.async_url`` takes.
        schema: the Postgres schema; None is the first of the search path.
        table: the log table.
        statement_timeout: seconds a statement may take.
        connect_timeout: seconds to wait for a connection, and for answers that need no work.
        password: a text, or a callable asked at each connect.
        password_file: read at each connect.
        tail_overlap: seconds that a tail of ClickHouse reads again.

    Raises:
        ConfigurationError: the URL, a name or a timeout is wrong.
    """

    def __init__(
        self,
        url: str | sa.URL,
        *,
        schema: str | None = None,
        table: str = "logs",
        statement_timeout: float = 30.0,
        connect_timeout: float = 5.0,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
        tail_overlap: float = TAIL_OVERLAP,
    ) -> None:
        given = (
            ("statement_timeout", statement_timeout),
            ("connect_timeout", connect_timeout),
            ("tail_overlap", tail_overlap),
        )
        for name, seconds in given:
            if not 0 < seconds < float("inf"):
                msg = f"{name}={seconds!r}: give a positive number of seconds"
                raise ConfigurationError(msg)
        self.dialect = dialect_of(url)
        self.statement_timeout = statement_timeout
        self.connect_timeout = connect_timeout
        self.tail_overlap = tail_overlap
        self.names = names_for(schema, table, dialect=self.dialect)
        tables = metadata_for(self.dialect, schema=schema, table=table).tables
        prefix = "" if schema is None else f"{schema}."
        self.tables = Tables(*(tables[prefix + name] for name in self.names.tables))
        self._url = async_url(url)
        self._password, self._password_file = password, password_file
        self._open: _Open | None = None
        self._dedicated: set[Session] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    async def run(
        self,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None = None,
        *,
        regex: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the database's, which ends the statement there
    ) -> list[Any]:
        """One statement in a read-only transaction of its own, which has ended when this returns.

        Args:
            statement: a SELECT.
            parameters: values of its bound parameters that have none yet.
            regex: the statement holds a regular expression.
            timeout: seconds; ``statement_timeout`` where None.

        Raises:
            StoreUnavailable: the database cannot be had, or not read.
            QueryTimeout: it took longer.
            MissingExtraError: a driver, or for ``regex`` google-re2, is not installed.
            ConfigurationError: the reader is in use in another event loop.
        """
        with untraced():
            return await self._run(statement, parameters, regex=regex, timeout=timeout)

    async def _run(
        self,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        *,
        regex: bool,
        timeout: float | None,  # noqa: ASYNC109 - as above
    ) -> list[Any]:
        clock = asyncio.get_running_loop().time
        until = clock() + (self.statement_timeout if timeout is None else timeout)
        again = True
        while True:
            store, pooled, *_ = await self._ready()
            try:
                async with self._pooled(store, pooled) as session:
                    return await session.run(statement, parameters, regex=regex, timeout=timeout)
            except StoreUnavailable as error:
                passing = error.code in PASSING and clock() < until
                lost = error.kind is ErrorClass.RECONNECT
                if not (passing or (again and (lost or error.code.startswith(_DEADLOCK)))):
                    raise
                again = again and passing
            if lost:
                await self._renew(pooled)

    def dedicated(self) -> AbstractAsyncContextManager[Session]:
        """A connection of its own, closed in the end, or by ``aclose``; its statements are not tried again."""
        return Dedicated(self._connect_alone, self._dedicated.discard)

    async def tidy(self) -> None:
        """Close the idle connections that are of no use any more, now: somebody waits for that."""
        await self._ready()

    async def aclose(self) -> None:
        """Close the connections that are idle or dedicated; those in use are closed when they come back.

        The next call opens new ones, in whichever event loop it runs.
        """
        was, self._open, self._loop = self._open, None, None
        dedicated = list(self._dedicated)
        self._dedicated.clear()
        if self._pid != os.getpid():
            keep_for_ever(was, *dedicated)
        else:
            await finished(_all_closed(was, dedicated))

    # -- connecting -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _pooled(self, store: PostgresServer | SQLiteFile, engine: AsyncEngine) -> AsyncIterator[Session]:
        connection = await self._connect(store, engine)
        try:
            yield Session(store, connection, self.statement_timeout)
        finally:
            if self._open is not None and self._open.pooled is engine:
                await connection.close()  # into the pool, which nobody waits for, so it cannot be cancelled
            else:
                await finished(_discard(connection))

    async def _connect_alone(self) -> Session:
        with untraced():
            store, _, alone, _ = await self._ready()
            session = Session(store, await self._connect(store, alone), self.statement_timeout)
        self._dedicated.add(session)
        return session

    async def _connect(self, store: PostgresServer | SQLiteFile, engine: AsyncEngine) -> AsyncConnection:
        connection = engine.connect()
        try:
            await connection.start()
        except Exception as error:
            if (cause := driver_error(error)) is None:
                raise
            raise failure(cause, self.dialect, store.place, connecting=True) from None
        return connection

    async def _ready(self) -> _Open:
        if self._open is not None and self._pid != os.getpid():
            # Forked: the connections are the parent's, who goes on using them.
            keep_for_ever(self._open, *self._dedicated)
            self._open = None
            self._dedicated.clear()
        loop = asyncio.get_running_loop()
        if self._open is None:
            store = self._make_store()
            pooled, alone = (self._make_engine(store, pooled=pooled) for pooled in (True, False))
            self._open = _Open(store, pooled, alone, asyncio.Lock())
            self._loop, self._pid = loop, os.getpid()
        elif self._loop is not loop:
            msg = "this reader is in use in another event loop: make a reader for each, or call aclose() there first"
            raise ConfigurationError(msg)
        opened = self._open
        async with opened.turn:
            if self._open is opened and not opened.store.changed():
                return opened
            if self._open is opened:
                await self._renew(opened.pooled)
        return await self._ready()  # somebody may have closed it meanwhile

    async def _renew(self, stale: AsyncEngine) -> None:
        """Close its idle connections, unless somebody else has; those in use are closed when they come back."""
        if self._open is not None and self._open.pooled is stale:
            self._open = self._open._replace(pooled=self._make_engine(self._open.store, pooled=True))
            await finished(stale.dispose())

    def _make_store(self) -> PostgresServer | SQLiteFile:
        require_driver(self._url)
        if self.dialect == "sqlite":
            from dblog.reading.sqlite_file import SQLiteFile  # noqa: PLC0415 - one of two

            return SQLiteFile(self._url, self.connect_timeout, self.tables)
        from dblog.reading.postgres_server import PostgresServer  # noqa: PLC0415 - an optional extra

        return PostgresServer(self._url, self.connect_timeout, self._password, self._password_file)

    def _make_engine(self, store: PostgresServer | SQLiteFile, *, pooled: bool) -> AsyncEngine:
        pool: dict[str, Any] = {
            "poolclass": AsyncAdaptedQueuePool,
            "pool_size": _CONNECTIONS,
            "max_overflow": 0,
            "pool_timeout": self.statement_timeout + self.connect_timeout,
            "pool_use_lifo": True,
            "pool_reset_on_return": None,
        }
        return create_async_engine(
            self._url.set(drivername=DRIVERS[self.dialect]),
            connect_args=store.arguments,
            hide_parameters=True,
            # SQLite is so already; telling it would be another visit to its thread.
            isolation_level="AUTOCOMMIT" if self.dialect == "postgresql" else None,
            **(pool if pooled else {"poolclass": NullPool}),
        )


class _Open(NamedTuple):
    """What a reader has in use."""

    store: PostgresServer | SQLiteFile
    pooled: AsyncEngine
    alone: AsyncEngine
    """For ``dedicated``: a connection that is detached from its pool would not be closed where it is invalidated."""
    turn: asyncio.Lock
    """Nobody opens a connection while those that are of no use any more are being closed."""


async def _discard(connection: AsyncConnection) -> None:
    """Close a connection whose pool was disposed of meanwhile: nobody would close it there."""
    if not connection.invalidated:
        await connection.invalidate()
    await connection.close()


async def _all_closed(was: _Open | None, dedicated: Iterable[Session]) -> None:
    for session in dedicated:
        await session.close()
    if was is not None:
        await was.pooled.dispose()
