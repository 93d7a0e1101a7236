"""One PostgreSQL server, read through asyncpg; nothing is set on a session, and nothing is left in it."""

from __future__ import annotations

import asyncio
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from dblog.errors import ErrorClass, StoreError
from dblog.reading.ending import finished, see_end
from dblog.reading.failures import driver_error, failure, timed_out, unanswered
from dblog.reading.prepared import Prepared
from dblog.store.connect import milliseconds
from dblog.url import safe_url

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["PostgresServer"]

_CANCELLED: Final = "57014"
"""query_canceled: by statement_timeout, unless somebody else did."""
_LEAST: Final = 0.01
"""Seconds to connect in, however long the password took."""
_CLOSING: Final = 2.0
"""Seconds SQLAlchemy gives a connection to close."""


class PostgresServer:
    """Opens connections, and reads through them.

    Args:
        url: mapped to asyncpg.
        connect_timeout: seconds for a connection, and for answers that need no work.
        password: a text, or a callable asked at each connect, in a thread of its own.
        password_file: read at each connect.
    """

    def __init__(
        self,
        url: sa.URL,
        connect_timeout: float,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.place = safe_url(url.set(drivername="postgresql"))
        self._patience = connect_timeout
        self._password = password
        self._password_file = password_file
        dsn = dict(urllib.parse.parse_qsl(str(url.query.get("dsn", "")).partition("?")[2]))
        # A start-up parameter, which a pooler sets for each of its clients.
        self._settings = {} if "application_name" in dsn else {"application_name": "dblog reader"}

    @property
    def arguments(self) -> dict[str, Any]:
        """What SQLAlchemy connects with."""
        return {
            "async_creator_fn": self._open,
            "prepared_statement_cache_size": 0,
            # "", the unnamed statement: a named one would stay behind in the server's session.
            "prepared_statement_name_func": str,
        }

    def changed(self) -> bool:
        """False: what becomes of a connection is known when it is used."""
        return False

    async def run(
        self,
        connection: AsyncConnection,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        *,
        regex: bool,  # noqa: ARG002 - PostgreSQL has its own
        seconds: float,
    ) -> list[Any]:
        """One statement in a transaction of its own."""
        task = asyncio.ensure_future(self._run(connection, statement, parameters, seconds))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Once: asyncpg asks the server to stop, on a connection of its own; disturbed in that, it forgets to.
            task.cancel()
            await see_end(task, at_most=self._patience + _CLOSING)
            raise

    async def _run(
        self,
        connection: AsyncConnection,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        seconds: float,
    ) -> list[Any]:
        driver, watch = _driver(connection), _Watch(_driver(connection))
        try:
            if isinstance(statement, Prepared) and statement.alone:
                with watch.over(self._patience):
                    return await _rows(connection, driver, statement, parameters)
            with watch.over(self._patience):
                await driver.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds(seconds)}")
            with watch.over(seconds + self._patience):
                rows = await _rows(connection, driver, statement, parameters)
            with watch.over(self._patience):
                await driver.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            await self._roll_back(connection)
            raise self._failure(error, watch, seconds) from None
        except BaseException:  # cancelled
            await _drop(connection)
            raise
        else:
            return rows

    async def scalar(self, connection: AsyncConnection, sql: str) -> Any:
        """The first value of a statement that is in no transaction."""
        driver, watch = _driver(connection), _Watch(_driver(connection))
        try:
            with watch.over(self._patience):
                return await driver.fetchval(sql)
        except Exception as error:  # noqa: BLE001 - classified
            raise self._failure(error, watch, self._patience) from None
        except BaseException:  # cancelled
            await _drop(connection)
            raise

    def _failure(self, error: Exception, watch: _Watch, seconds: float) -> Exception:
        if watch.expired:
            return unanswered(self.place)
        if (cause := driver_error(error)) is None:
            return error
        if getattr(cause, "sqlstate", None) == _CANCELLED:
            return timed_out(seconds, f"{_CANCELLED} {type(cause).__name__}")
        return failure(cause, "postgresql", self.place)

    async def _roll_back(self, connection: AsyncConnection) -> None:
        if connection.invalidated:  # by SQLAlchemy, which saw it end, and will not say any more what it was
            return
        driver = _driver(connection)
        try:
            if driver is not None and not driver.is_closed():
                with _Watch(driver).over(self._patience):
                    await driver.execute("ROLLBACK")
                return
        except Exception:  # noqa: BLE001, S110 - then it is of no use, whatever the reason
            pass
        await _drop(connection)

    async def _open(self, **arguments: Any) -> Any:
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        if self._password is not None or self._password_file is not None:
            arguments["password"] = await self._secret()
        left = max(_LEAST, until - clock())
        # Without a cache of statements: a pooler's server processes do not share them.
        connecting = asyncpg.connect(**arguments, timeout=left, statement_cache_size=0, server_settings=self._settings)
        task = asyncio.ensure_future(connecting)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Disturbed in this, asyncpg forgets a future, which asyncio complains of.
            await see_end(task, at_most=_CLOSING)
            if not task.done():
                task.cancel()
                await see_end(task)
            if not task.cancelled() and task.exception() is None:
                await see_end(asyncio.ensure_future(task.result().close(timeout=_CLOSING)))
            raise

    async def _secret(self) -> str:
        limit = asyncio.timeout(self._patience)
        try:
            async with limit:
                return await asyncio.to_thread(self._ask)
        except Exception as error:  # noqa: BLE001 - the user's code, or a file that is not there
            kind, sentence = ErrorClass.CONFIGURATION, "the password cannot be had"
            if limit.expired():
                kind = ErrorClass.WAIT
                sentence = f"the password did not come within {self._patience:g} s: look at what is asked for it"
            raise StoreError(kind, type(error).__name__, sentence) from None

    def _ask(self) -> str:
        if callable(self._password):
            return self._password()
        if self._password is not None or self._password_file is None:
            return self._password or ""
        return Path(self._password_file).read_text(encoding="utf-8").rstrip("\r\n")


class _Watch:
    """Ends a connection that does not answer in time.

    Not by cancelling: asyncpg would ask the same server to stop, and wait for that.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.expired = False

    @contextmanager
    def over(self, seconds: float) -> Iterator[None]:
        """What is awaited in the block fails after so many seconds."""
        timer = asyncio.get_running_loop().call_later(seconds, self._expire)
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        self._driver.terminate()


async def _rows(
    connection: AsyncConnection, driver: Any, statement: sa.Executable | Prepared, parameters: Mapping[str, Any] | None
) -> list[Any]:
    if isinstance(statement, Prepared):
        return list(await driver.fetch(statement.sql, *statement.values(parameters)))
    return list((await connection.execute(statement, parameters)).all())


def _driver(connection: AsyncConnection) -> Any:
    """Asyncpg's connection."""
    synchronous: Any = connection.sync_connection
    return synchronous.connection.driver_connection


async def _drop(connection: AsyncConnection) -> None:
    """Close the connection: the server may still be at the statement."""
    if not connection.invalidated:
        await finished(connection.invalidate())
