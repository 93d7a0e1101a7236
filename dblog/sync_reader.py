"""``SyncLogReader``: ``LogReader`` for scripts, shells and notebooks, without ``async``.

An event loop runs in a thread of its own, so it also works where a loop is running already, as in a notebook.
Interrupting a call (Ctrl-C) cancels the query in the database.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from dblog.reader import LogReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from sqlalchemy import URL

    from dblog.query import Query
    from dblog.reading.values import TailBatch

__all__ = ["SyncLogReader"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _waiting(
    method: Callable[Concatenate[LogReader, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[SyncLogReader, _P], _T]:
    """The same method, returning its result."""

    def call(self: SyncLogReader, /, *args: _P.args, **keywords: _P.kwargs) -> _T:
        return self._wait(method(self._reader, *args, **keywords))

    update_wrapper(call, method)
    return call


class SyncLogReader:
    """Reads one database's logs; a context manager, safe for several threads at once.

    It has the methods of ``LogReader`` with the same arguments, and ``close``; ``tail`` is a plain iterator.

    Args:
        url: any spelling ``DatabaseHandler`` takes. Nothing is opened before the first call.
        schema: the Postgres schema; None is the first of the search path.
        table: the log table; the other names follow from it.
        statement_timeout: seconds a query may take.
        connect_timeout: seconds to wait for a connection.
        password: a text, or a callable asked at each connect.
        password_file: read at each connect.
        timezone: of times in queries that are written without one; the machine's where None.

    Raises:
        ConfigurationError: the URL or a name is wrong.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        schema: str | None = None,
        table: str = "logs",
        statement_timeout: float = 30.0,
        connect_timeout: float = 5.0,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
        timezone: dt.tzinfo | None = None,
    ) -> None:
        self._reader = LogReader(
            url,
            schema=schema,
            table=table,
            statement_timeout=statement_timeout,
            connect_timeout=connect_timeout,
            password=password,
            password_file=password_file,
            timezone=timezone,
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    search = _waiting(LogReader.search)
    trace = _waiting(LogReader.trace)
    get = _waiting(LogReader.get)
    context = _waiting(LogReader.context)
    histogram = _waiting(LogReader.histogram)
    facets = _waiting(LogReader.facets)
    count = _waiting(LogReader.count)
    instances = _waiting(LogReader.instances)
    dead_letters = _waiting(LogReader.dead_letters)
    statistics = _waiting(LogReader.statistics)

    def tail(
        self,
        query: str | Query = "",
        *,
        where: Mapping[str, Any] | None = None,
        after: str | None = None,
        poll_interval: float = 0.25,
        limit: int = 500,
        lossless: bool = False,
    ) -> Iterator[TailBatch]:
        """See ``LogReader.tail``; leave the loop over it to end it."""
        live: Any = self._reader.tail(
            query, where=where, after=after, poll_interval=poll_interval, limit=limit, lossless=lossless
        )

        async def following() -> TailBatch:
            batch: TailBatch = await anext(live)
            return batch

        try:
            while True:
                yield self._wait(following())
        finally:
            if self._loop is not None:
                self._wait(live.aclose())

    def close(self) -> None:
        """Close every connection and end the thread; the reader can be used again, and starts another."""
        if self._loop is None or self._pid != os.getpid():
            return
        self._wait(self._end())
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _end(self) -> None:
        """What other threads wait for is cancelled, their tails end."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()
        await self._reader.aclose()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run it in the loop's thread; when this thread is interrupted, cancel it and see it end."""
        loop, outcome = self._running(), Future[_T]()
        begun: list[asyncio.Task[_T]] = []

        def begin() -> None:
            begun.append(loop.create_task(work))
            begun[0].add_done_callback(lambda task: _hand_over(task, outcome))

        loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        except BaseException:
            if not outcome.done():
                loop.call_soon_threadsafe(lambda: begun[0].cancel())  # noqa: PLW0108 - not begun yet, perhaps
                with suppress(Exception, asyncio.CancelledError):
                    outcome.result()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():  # a forked child has no such thread
                self._pid, self._loop = os.getpid(), asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="dblog reader", daemon=True)
                self._thread.start()
            return self._loop


def _hand_over(task: asyncio.Task[_T], outcome: Future[_T]) -> None:
    if task.cancelled():
        outcome.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
