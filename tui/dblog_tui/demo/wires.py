"""What lies between the demo's services, and the time they live in: sockets and the clock, or calls and a virtual one.

The past is made by the same services in one process, whose event loop does not wait: it puts its clock forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import json
import logging
import selectors
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Here", "There", "VirtualLoop", "answer", "stamped"]

Message = dict[str, Any]
_CALL: Final = "#"
"""The key of a call's number, which its answer has as well."""
_APART: Final = 40e-6
"""Seconds between two records, as it takes to make one."""


class Peer(Protocol):
    """Another service, as one sees it."""

    async def call(self, message: Message) -> Message:
        """Its answer."""


class Here:
    """A service in this process, which works in a context of its own, as another process would."""

    def __init__(self, handle: Callable[[Message], Awaitable[Message]]) -> None:
        self._handle = handle

    async def call(self, message: Message) -> Message:
        """Its answer."""

        async def work() -> Message:
            return await self._handle(message)

        return await asyncio.get_running_loop().create_task(work(), context=contextvars.Context())


class There:
    """A service at the other end of a stream: a line of JSON for each call, and one for each answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Message]] = {}

    async def call(self, message: Message) -> Message:
        """Its answer.

        Raises:
            ConnectionError: it has ended.
        """
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({_CALL: number, **message}).encode() + b"\n")
        try:
            return await self._waiting[number]
        finally:
            del self._waiting[number]

    async def listen(self) -> None:
        """Take answers until the other end closes."""
        while line := await self._reader.readline():
            answer = json.loads(line)
            future = self._waiting.get(answer.pop(_CALL))
            if future is not None and not future.done():
                future.set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the service at the other end has ended"))


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Callable[[Message], Awaitable[Message]]
) -> None:
    """Answer calls until the other end closes."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(message: Message) -> None:
        number = message.pop(_CALL)
        writer.write(json.dumps({_CALL: number, **await handle(message)}).encode() + b"\n")

    try:
        while line := await reader.readline():
            task = asyncio.get_running_loop().create_task(one(json.loads(line)), context=contextvars.Context())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tuple(tasks):
            task.cancel()
        with contextlib.suppress(OSError):
            writer.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock goes to the next thing to do as soon as there is nothing else.

    Args:
        since: seconds since 1970 UTC at its beginning.
    """

    def __init__(self, since: float) -> None:
        self._now = since
        super().__init__(_Impatient(self))
        # Seconds since 1970 are counted in quarters of a microsecond; finer, what is due now would never be.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds since 1970 UTC, as this loop has it."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Put the clock forward."""
        self._now += seconds


class _Impatient(selectors.SelectSelector):
    """Waits for nothing."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing has arrived; but the time has passed."""
        if timeout:
            self._loop.pass_time(timeout)
        return super().select(0)


@contextlib.contextmanager
def stamped(clock: Callable[[], float]) -> Any:
    """Every record that is made meanwhile is of that clock's time, and a little later than the one before.

    What happens in no time would otherwise have no order.
    """
    before = logging.getLogRecordFactory()
    last = 0.0

    def made(*arguments: Any, **options: Any) -> logging.LogRecord:
        nonlocal last
        record = before(*arguments, **options)
        record.created = last = max(clock(), last + _APART)
        return record

    logging.setLogRecordFactory(made)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)
