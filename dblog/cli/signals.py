"""Ctrl-C and SIGTERM while a command reads: what is awaited is cancelled, and with it the query in the database.

asyncio does so itself at the first Ctrl-C, and at the second raises in the middle of whatever runs, which leaves
connections half closed, or a task that waits for ever. A second signal may come at once without anybody's wish:
``timeout`` and process managers tell a process and its group.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Signals"]

_AGAIN: Final = 1.0
"""Seconds after which another signal means it."""


class Signals:
    """The first one cancels a task; another, later one ends the process as signals do. A context manager.

    One that is ignored stays so: a shell's job in the background has nothing to do with Ctrl-C.
    """

    def __init__(self) -> None:
        self.number = 0
        """The signal that came."""
        self._at = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._meet)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # Where one has come the program is ending, and whatever Python does in that is not to be interrupted aloud.
            signal.signal(number, signal.SIG_DFL if self.number else handler)

    @contextmanager
    def cancelling(self) -> Iterator[None]:
        """Within, a signal cancels the current task; also one that has come already."""
        self._task = asyncio.current_task()
        if self.number:
            self._cancel()
        try:
            yield
        finally:
            self._task = None

    def end(self) -> NoReturn:
        """As the signal that came ends a program."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        raise typer.Exit(128 + self.number)

    def _meet(self, number: int, _frame: object) -> None:
        if not self.number:
            self.number, self._at = number, time.monotonic()
            self._cancel()
        elif time.monotonic() - self._at > _AGAIN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(RuntimeError):  # the loop has ended
                self._task.get_loop().call_soon_threadsafe(int)  # wakes it up
