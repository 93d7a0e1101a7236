"""One PostgreSQL server, read through asyncpg; nothing is set on a session, and nothing is left in it."""

from __future__ import annotations

import asyncio
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from dblog.errors import ErrorClass, StoreError
from dblog.reading.ending import finished, see_end
from dblog.reading.failures import driver_error, failure, timed_out, unanswered
from dblog.store.connect import milliseconds
from dblog.url import safe_url

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["PostgresServer"]

_CANCELLED = "57014"
"""query_canceled: by statement_timeout, unless somebody else did."""


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
        statement: sa.Executable,
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
            await see_end(task)
            raise

    async def _run(
        self,
        connection: AsyncConnection,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | None,
        seconds: float,
    ) -> list[Any]:
        driver = _driver(connection)
        try:
            async with asyncio.timeout(self._patience):
                await driver.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds(seconds)}")
            async with asyncio.timeout(seconds + self._patience):
                result = await connection.execute(statement, parameters)
            async with asyncio.timeout(self._patience):
                await driver.execute("COMMIT")
            return list(result.all())
        except TimeoutError:
            await _drop(connection)
            raise unanswered(self.place) from None
        except Exception as error:
            await self._roll_back(connection)
            if (cause := driver_error(error)) is None:
                raise
            if getattr(cause, "sqlstate", None) == _CANCELLED:
                raise timed_out(seconds, f"{_CANCELLED} {type(cause).__name__}") from None
            raise failure(cause, "postgresql", self.place) from None
        except BaseException:  # cancelled
            await _drop(connection)
            raise

    async def scalar(self, connection: AsyncConnection, sql: str) -> Any:
        """The first value of a statement that is in no transaction."""
        try:
            async with asyncio.timeout(self._patience):
                return await _driver(connection).fetchval(sql)
        except TimeoutError:
            await _drop(connection)
            raise unanswered(self.place) from None
        except Exception as error:
            if (cause := driver_error(error)) is None:
                raise
            raise failure(cause, "postgresql", self.place) from None
        except BaseException:  # cancelled
            await _drop(connection)
            raise

    async def _roll_back(self, connection: AsyncConnection) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await _driver(connection).execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - then it is of no use, whatever the reason
            await _drop(connection)

    async def _open(self, **arguments: Any) -> Any:
        if self._password is not None or self._password_file is not None:
            arguments["password"] = await self._secret()
        # Without a cache of statements: a pooler's server processes do not share them.
        return await asyncpg.connect(
            **arguments, timeout=self._patience, statement_cache_size=0, server_settings=self._settings
        )

    async def _secret(self) -> str:
        try:
            return await asyncio.to_thread(self._ask)
        except Exception as error:  # noqa: BLE001 - the user's code, or a file that is not there
            raise StoreError(ErrorClass.CONFIGURATION, type(error).__name__, "the password cannot be had") from None

    def _ask(self) -> str:
        if callable(self._password):
            return self._password()
        if self._password is not None or self._password_file is None:
            return self._password or ""
        return Path(self._password_file).read_text(encoding="utf-8").rstrip("\r\n")


def _driver(connection: AsyncConnection) -> Any:
    """Asyncpg's connection."""
    synchronous: Any = connection.sync_connection
    return synchronous.connection.driver_connection


async def _drop(connection: AsyncConnection) -> None:
    """Close the connection: the server may still be at the statement."""
    if not connection.invalidated:
        await finished(connection.invalidate())
