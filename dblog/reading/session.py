"""Reads, one short read-only transaction each, on a small pool of connections made when they are needed.

PostgreSQL: ``BEGIN READ ONLY`` and ``SET LOCAL`` in one round trip, the statement (unnamed), ``COMMIT``. SQLite: one
statement is its own transaction. Nothing is set on a session and nothing left open, so a pooler may stand in between.

What a database or its driver raises leaves as ``StoreUnavailable`` or ``QueryTimeout``. A read that finds its
connection gone is tried once more on a new one, so a server's restart between two calls goes unnoticed.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from dblog.errors import ConfigurationError, ErrorClass, StoreUnavailable
from dblog.names import names_for
from dblog.reading.dialects import DRIVERS
from dblog.reading.ending import finished
from dblog.reading.failures import driver_error, failure
from dblog.schema import metadata_for
from dblog.store.connect import keep_for_ever
from dblog.url import async_url, dialect_of, require_driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import sqlalchemy as sa

    from dblog.reading.postgres_server import PostgresServer
    from dblog.reading.prepared import Prepared
    from dblog.reading.sqlite_file import SQLiteFile

__all__ = ["Session", "Sessions", "Tables"]

_CONNECTIONS: Final = 4


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
    ) -> None:
        for name, seconds in (("statement_timeout", statement_timeout), ("connect_timeout", connect_timeout)):
            if not 0 < seconds < float("inf"):
                msg = f"{name}={seconds!r}: give a positive number of seconds"
                raise ConfigurationError(msg)
        self.dialect = dialect_of(url)
        self.statement_timeout = statement_timeout
        self.connect_timeout = connect_timeout
        self.names = names_for(schema, table, dialect=self.dialect)
        tables = metadata_for(self.dialect, schema=schema, table=table).tables
        prefix = "" if schema is None else f"{schema}."
        self.tables = Tables(*(tables[prefix + name] for name in self.names.tables))
        self._url = async_url(url)
        self._password, self._password_file = password, password_file
        self._open: _Open | None = None
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
        async with self._session() as session:
            try:
                return await session.run(statement, parameters, regex=regex, timeout=timeout)
            except StoreUnavailable as error:
                if error.kind is not ErrorClass.RECONNECT:
                    raise
        await self._renew()
        async with self._session() as session:
            return await session.run(statement, parameters, regex=regex, timeout=timeout)

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Session]:
        """A connection of its own, closed in the end; its statements are not tried again."""
        async with self._session(own=True) as session:
            yield session

    async def aclose(self) -> None:
        """Close the idle connections; the next call opens new ones, in whichever event loop it runs."""
        was, self._open, self._loop = self._open, None, None
        if was is None:
            return
        if self._pid != os.getpid():
            keep_for_ever(was)
        else:
            await finished(was.pooled.dispose())

    # -- connecting -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _session(self, *, own: bool = False) -> AsyncIterator[Session]:
        store, pooled, alone = await self._ready()
        connection = (alone if own else pooled).connect()
        try:
            await connection.start()
        except Exception as error:
            if (cause := driver_error(error)) is None:
                raise
            raise failure(cause, self.dialect, store.place, connecting=True) from None
        try:
            yield Session(store, connection, self.statement_timeout)
        finally:
            await finished(connection.close())

    async def _ready(self) -> _Open:
        if self._open is not None and self._pid != os.getpid():
            # Forked: the connections are the parent's, who goes on using them.
            keep_for_ever(self._open)
            self._open = None
        loop = asyncio.get_running_loop()
        if self._open is None:
            store = self._make_store()
            self._open = _Open(store, self._make_engine(store, pooled=True), self._make_engine(store, pooled=False))
            self._loop, self._pid = loop, os.getpid()
        elif self._loop is not loop:
            msg = "this reader is in use in another event loop: make a reader for each, or call aclose() there first"
            raise ConfigurationError(msg)
        if self._open.store.changed():
            await self._renew()
        return self._open

    async def _renew(self) -> None:
        """Close the idle connections; those in use are closed when they come back."""
        if self._open is not None:
            await finished(self._open.pooled.dispose())

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


class Session:
    """One connection, while somebody has it."""

    def __init__(self, store: PostgresServer | SQLiteFile, connection: AsyncConnection, timeout: float) -> None:
        self._store = store
        self._connection = connection
        self._timeout = timeout

    async def run(
        self,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None = None,
        *,
        regex: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the database's, which ends the statement there
    ) -> list[Any]:
        """See ``Sessions.run``; not tried again."""
        seconds = self._timeout if timeout is None else timeout
        return await self._store.run(self._connection, statement, parameters, regex=regex, seconds=seconds)

    @property
    def place(self) -> str:
        """The file's path, or the URL without its password."""
        return self._store.place

    async def scalar_outside(self, sql: str) -> Any:
        """The first value of a statement without parameters, outside of any transaction: ``PRAGMA data_version``."""
        return await self._store.scalar(self._connection, sql)
