"""Reads on ClickHouse: one statement each, on a handful of clients that are made when they are needed.

There is no transaction and no session: a statement is read-only by a setting sent with it, and nothing is left behind.
The rest is as in ``dblog.reading.session``.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dblog.errors import ConfigurationError, ErrorClass, QueryTimeout, StoreUnavailable
from dblog.reading.failures import failure
from dblog.reading.session import Sessions
from dblog.store.connect import keep_for_ever
from dblog.url import async_url, require_driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import sqlalchemy as sa

    from dblog.reading.clickhouse_client import Client
    from dblog.reading.clickhouse_server import ClickHouseServer
    from dblog.reading.prepared import Prepared

__all__ = ["ClickHouseSessions"]

_CLIENTS: Final = 4


class ClickHouseSessions(Sessions):
    """See ``Sessions``; ``schema`` is a database.

    Args:
        url: see ``Sessions``.
        options: see ``Sessions``.
    """

    def __init__(self, url: str | sa.URL, **options: Any) -> None:
        require_driver(async_url(url))  # its types are those of the tables
        super().__init__(url, **options)
        self._server: ClickHouseServer | None = None
        self._idle: list[Client] = []
        self._turns = asyncio.Semaphore(_CLIENTS)
        self._generation = 0
        """Counts the times that all clients were given up."""

    async def aclose(self) -> None:
        """Close the clients that are idle; those in use are closed when they come back."""
        idle, self._idle = self._idle, []
        self._generation += 1
        self._server = self._loop = None
        if self._pid != os.getpid():
            keep_for_ever(*idle)
            return
        for client in idle:
            client.close()

    def dedicated(self) -> AbstractAsyncContextManager[Any]:
        """Nobody needs one: a statement knows nothing of the one before.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    async def _run(
        self,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        *,
        regex: bool,  # noqa: ARG002 - ClickHouse has its own
        timeout: float | None,  # noqa: ASYNC109 - the database's, which ends the statement there
    ) -> list[Any]:
        seconds = self.statement_timeout if timeout is None else timeout
        again = True
        while True:
            server = self._known()
            try:
                async with self._client(server) as client:
                    return await server.run(client, statement, parameters, seconds)
            except StoreUnavailable as error:
                if not (again and error.kind is ErrorClass.RECONNECT):
                    raise
            again = False
            self._give_up()

    def _known(self) -> ClickHouseServer:
        if self._server is not None and self._pid != os.getpid():
            # Forked: the connections are the parent's, who goes on using them.
            keep_for_ever(self._server, *self._idle)
            self._server, self._idle = None, []
        loop = asyncio.get_running_loop()
        if self._server is None:
            from dblog.reading.clickhouse_server import ClickHouseServer  # noqa: PLC0415 - an optional extra

            self._server = ClickHouseServer(
                self._url, self.connect_timeout, self.statement_timeout, self._password, self._password_file
            )
            self._turns = asyncio.Semaphore(_CLIENTS)
            self._loop, self._pid = loop, os.getpid()
        elif self._loop is not loop:
            msg = "this reader is in use in another event loop: make a reader for each, or call aclose() there first"
            raise ConfigurationError(msg)
        return self._server

    @asynccontextmanager
    async def _client(self, server: ClickHouseServer) -> AsyncIterator[Client]:
        """A client that nobody else has meanwhile; it is kept where the statement was answered, be it by a refusal."""
        turns = self._turns
        try:
            # Not wait_for: in Python 3.11 it forgets that it was cancelled where what it waits for has just come.
            async with asyncio.timeout(self.statement_timeout + self.connect_timeout):
                await turns.acquire()
        except TimeoutError:
            raise failure(PoolTimeoutError(), self.dialect, server.place) from None
        generation, client, keep = self._generation, None, False
        try:
            client = self._idle.pop() if self._idle else await server.open()
            yield client
            keep = True
        except (StoreUnavailable, QueryTimeout) as error:
            keep = error.kind not in {ErrorClass.RECONNECT, ErrorClass.WAIT}
            raise
        finally:
            turns.release()
            if client is not None:
                if keep and generation == self._generation:
                    self._idle.append(client)
                else:
                    server.dismiss(client)

    def _give_up(self) -> None:
        """The idle ones have been closed by the server, too."""
        idle, self._idle = self._idle, []
        for client in idle:
            client.close()
