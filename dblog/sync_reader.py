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

from dblog.errors import ConfigurationError
from dblog.reader import LogReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from sqlalchemy import URL

    from dblog.errors import StoreUnavailable
    from dblog.query import Query
    from dblog.reading.values import Statement, TailBatch

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
        tail_overlap: seconds for which a row of ClickHouse may stay unseen after it was taken, by a slow INSERT or a
            replica that lags behind; a tail looks so far back at each poll.

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
        tail_overlap: float = 10.0,
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
            tail_overlap=tail_overlap,
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closed = 0
        """How often: what was begun before has ended."""
        self._begun: set[asyncio.Task[Any]] = set()
        """What runs in the loop for a caller."""

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
    layout = _waiting(LogReader.layout)
    bounds = _waiting(LogReader.bounds)
    access = _waiting(LogReader.access)

    def tail(
        self,
        query: str | Query = "",
        *,
        where: Mapping[str, Any] | None = None,
        after: str | None = None,
        poll_interval: float = 0.25,
        limit: int = 500,
        lossless: bool = False,
        follow: bool = True,
        away: Callable[[StoreUnavailable, float], asyncio.Future[Any] | None] | None = None,
    ) -> Iterator[TailBatch]:
        """See ``LogReader.tail``; leave the loop over it, or close the reader, to end it.

        Raises:
            ConfigurationError: the reader was closed since the tail began.
        """
        live: Any = self._reader.tail(
            query,
            where=where,
            after=after,
            poll_interval=poll_interval,
            limit=limit,
            lossless=lossless,
            follow=follow,
            away=away,
        )

        async def following() -> TailBatch | None:
            batch: TailBatch | None = await anext(live, None)
            return batch

        closed = self._closed
        try:
            while (batch := self._wait(following())) is not None:
                yield batch
                if closed != self._closed:
                    msg = "the reader was closed: begin a new tail, after the token of this one's last batch"
                    raise ConfigurationError(msg)
        finally:
            with self._lock:
                ended = self._loop is None or closed != self._closed
                ending = None if ended else self._begin(live.aclose())
            if ending is not None:
                ending.result()

    def statement(
        self, query: str | Query = "", *, where: Mapping[str, Any] | None = None, limit: int = 200
    ) -> Statement:
        """See ``LogReader.statement``."""
        return self._reader.statement(query, where=where, limit=limit)

    def close(self) -> None:
        """Close every connection and end the thread; the reader can be used again, and starts another.

        What other threads wait for is cancelled.
        """
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                return
            loop, thread, ending = self._loop, self._thread, self._begin(self._end())
            self._loop = self._thread = None
            self._closed += 1
        ending.result()
        loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join()
        loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run it in the loop's thread; when this thread is interrupted, cancel it and see it end."""
        with self._lock:
            outcome = self._begin(work)
        try:
            return outcome.result()
        except BaseException:
            if not outcome.done():
                outcome.interrupt()
                with suppress(Exception, asyncio.CancelledError):
                    outcome.result()
            raise

    def _begin(self, work: Coroutine[Any, Any, _T]) -> _Outcome[_T]:
        """Start it; the caller holds the lock, so that what is begun is begun before the loop's end."""
        if self._loop is None or self._pid != os.getpid():  # a forked child has no such thread
            self._pid, self._loop, self._begun = os.getpid(), asyncio.new_event_loop(), set()
            self._thread = threading.Thread(target=self._loop.run_forever, name="dblog reader", daemon=True)
            self._thread.start()
        return _Outcome(self._loop, work, self._begun)

    async def _end(self) -> None:
        others = self._begun - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()
        await self._reader.aclose()


class _Outcome(Future[_T]):
    """The result of a coroutine that another thread's loop runs.

    Args:
        loop: the loop.
        work: the coroutine.
        begun: the loop's own set of tasks, where this one is from its beginning to its end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T], begun: set[Any]) -> None:
        super().__init__()
        self._loop = loop
        self._begun = begun
        self._task: asyncio.Task[_T] | None = None
        loop.call_soon_threadsafe(self._start, work)

    def interrupt(self) -> None:
        """Cancel the coroutine."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _start(self, work: Coroutine[Any, Any, _T]) -> None:
        self._task = self._loop.create_task(work)
        self._begun.add(self._task)
        self._task.add_done_callback(self._hand_over)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _hand_over(self, task: asyncio.Task[_T]) -> None:
        self._begun.discard(task)
        if task.cancelled():
            self.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())
