"""One ClickHouse server, read through clients in threads; a cancelled statement ends on the server, too."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from dblog.errors import ErrorClass, StoreError
from dblog.reading.clickhouse_client import Client
from dblog.reading.dialects import compiler
from dblog.reading.ending import see_end
from dblog.reading.failures import unanswered
from dblog.reading.failures_clickhouse import clickhouse_failure
from dblog.reading.prepared import Prepared
from dblog.safe_url import safe_url
from dblog.store.clickhouse_line import Line

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa

__all__ = ["ClickHouseServer", "sql_of"]

_T = TypeVar("_T")
_CLOSING: Final = 2.0
"""Seconds a thread is given to come back once its call was ended."""


class ClickHouseServer:
    """Opens clients, and reads through them.

    Args:
        url: mapped to clickhouse-connect.
        connect_timeout: seconds for a client, and for answers that need no work.
        statement_timeout: the longest statement, in seconds.
        password: a text, or a callable asked at each connect.
        password_file: read at each connect.
    """

    def __init__(
        self,
        url: sa.URL,
        connect_timeout: float,
        statement_timeout: float,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.place = safe_url(url.set(drivername="clickhouse"))
        self._url = url
        self._patience = connect_timeout
        self._longest = statement_timeout
        self._password = password
        self._password_file = password_file

    async def open(self) -> Client:
        """A new client."""
        line = Line()
        task = _in_thread(lambda: self._open(line))
        try:
            await self._ended(task, line.cut, self._patience)
        except asyncio.CancelledError:
            task.add_done_callback(_close_late)
            raise
        except TimeoutError:
            task.add_done_callback(_close_late)
            raise unanswered(self.place) from None
        except Exception as error:  # noqa: BLE001 - classified
            raise self._failure(error, self._patience, connecting=True) from None
        return task.result()

    async def run(
        self,
        client: Client,
        statement: sa.Executable | Prepared,
        parameters: Mapping[str, Any] | None,
        seconds: float,
    ) -> list[Any]:
        """One statement. The client is of no more use where this is cancelled, or the server does not answer."""
        sql, values = sql_of(statement, parameters)
        task = _in_thread(lambda: client.read(sql, values, seconds))
        try:
            await self._ended(task, client.abort, seconds + self._patience)
        except TimeoutError:
            raise unanswered(self.place) from None
        except Exception as error:  # noqa: BLE001 - classified
            raise self._failure(error, seconds) from None
        names, rows = task.result()
        return list(IteratorResult(SimpleResultMetaData(names), iter(rows)).all())

    def dismiss(self, client: Client) -> None:
        """Close a client; not waited for, because the engine in this process may still be at its statement."""
        _in_thread(client.close)

    async def _ended(self, task: asyncio.Future[Any], abort: Callable[[], None], seconds: float) -> None:
        """Wait for a call; when its time is over, or the awaiting task is cancelled, have it end and see that it has.

        Raises:
            TimeoutError: its time was over.
        """
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            await self._end(task, abort)
            raise
        if not done:
            await self._end(task, abort)
            raise TimeoutError
        task.result()

    async def _end(self, task: asyncio.Future[Any], abort: Callable[[], None]) -> None:
        await see_end(_in_thread(abort), at_most=_CLOSING)
        await see_end(task, at_most=_CLOSING)

    def _failure(self, error: Exception, seconds: float, *, connecting: bool = False) -> Exception:
        return clickhouse_failure(error, self.place, seconds, connecting=connecting) or error

    def _open(self, line: Line) -> Client:
        return Client(self._url, line, self._patience, self._longest + self._patience, self._secret())

    def _secret(self) -> str | None:
        if self._password is None and self._password_file is None:
            return None
        try:
            if callable(self._password):
                return self._password()
            if self._password is not None or self._password_file is None:
                return self._password
            return Path(self._password_file).read_text(encoding="utf-8").rstrip("\r\n")
        except Exception as error:  # noqa: BLE001 - the user's code, or a file that is not there
            raise StoreError(ErrorClass.CONFIGURATION, type(error).__name__, "the password cannot be had") from None


def sql_of(statement: sa.Executable | Prepared, parameters: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """A statement as it is sent, and the values of its parameters by name."""
    if isinstance(statement, Prepared):
        return statement.sql, statement.named(parameters)
    compiled = statement.compile(dialect=compiler("clickhouse"))  # type: ignore[attr-defined]  # every Executable has it
    return str(compiled), {**compiled.params, **(parameters or {})}


def _in_thread(work: Callable[[], _T]) -> asyncio.Future[_T]:
    """The result of a blocking call, in a thread nobody waits for at exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def hand_over(result: _T | None, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]  # None is what such a call returns
            else:
                future.set_exception(error)

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed over
            failed = error
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(hand_over, result, failed)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="dblog reader", daemon=True).start()
    return future


def _close_late(task: asyncio.Future[Client]) -> None:
    """A client that came when nobody wanted it any more."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
