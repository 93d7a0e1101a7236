"""``Tasks``: work by name, one of each name at a time; all of it is seen to its end.

What was stopped may take a while to end, for its query ends in the database first. It has no say any more: only what
is running under its name now reports how it went.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Tasks"]


class Tasks:
    """Runs coroutines in the running event loop.

    Args:
        ended: called when something has come to its end without being stopped, with its name and what it raised.
        astray: called with what was raised by something that had been stopped.
    """

    def __init__(self, ended: Callable[[str, Exception | None], None], astray: Callable[[Exception], None]) -> None:
        self._ended, self._astray = ended, astray
        self._named: dict[str, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()
        self._closed = False

    def run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin; what runs under this name is stopped. After ``close`` nothing begins."""
        self.stop(name)
        if self._closed:
            return
        task = asyncio.create_task(self._work(name, work), name=f"browser {name}")
        self._named[name] = task
        self._all.add(task)
        task.add_done_callback(self._all.discard)

    def running(self, *names: str) -> bool:
        """Whether one of these is at work."""
        return any(name in self._named for name in names)

    @property
    def names(self) -> frozenset[str]:
        """What is at work."""
        return frozenset(self._named)

    def stop(self, *names: str) -> None:
        """Stop these; all of them where none is named. What stops itself goes on to its end."""
        here = asyncio.current_task() if self._named else None
        for name in names or tuple(self._named):
            task = self._named.pop(name, None)
            if task is not None and task is not here:
                task.cancel()

    async def close(self) -> None:
        """Stop everything, and wait for its end."""
        self._closed = True
        self.stop()
        while left := self._all - {asyncio.current_task()}:
            await asyncio.gather(*left, return_exceptions=True)

    async def _work(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        error: Exception | None = None
        try:
            await work()
        except Exception as raised:  # noqa: BLE001 - reported
            error = raised
        if self._named.get(name) is asyncio.current_task():
            del self._named[name]
            self._ended(name, error)
        elif error is not None:
            self._astray(error)
