"""The connections of the demo's ``payments`` to the bank, of which a deploy leaves too few."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Pool"]

logger = logging.getLogger("payments.pool")


class Pool:
    """Connections to the bank: so many at once, first come, first served."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._used = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return sum(not each.done() for each in self._waiters)

    def resize(self, size: int) -> None:
        """What is in use above the new size is given back in time."""
        self.size = size
        self._wake()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[float]:
        """One of them, and how many seconds it was waited for."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._used >= self.size:
            if loop.time() == began:
                logger.debug("waiting for a bank connection: %d of %d in use, %d wait",
                                                         self._used, self.size, self.waiting)  # fmt: skip
            waiter = loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # somebody else
                raise
            finally:
                self._waiters.remove(waiter)
        self._used += 1
        try:
            yield loop.time() - began
        finally:
            self._used -= 1
            self._wake()

    def _wake(self) -> None:
        free = self.size - self._used
        for waiter in [each for each in self._waiters if not each.done()][: max(0, free)]:
            waiter.set_result(None)
