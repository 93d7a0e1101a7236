"""A clock that is put forward, so that a test of a backoff of thirty seconds takes none.

It goes on by itself as well: nothing hangs because a test forgot to move it. Only
the monotonic clock is moved, by which dblog measures deadlines, intervals, backoffs;
the time of day, which stands in rows, is never touched.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from dblog import lifecycle
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["VirtualClock"]


class _Time:
    """What dblog's modules find under the name ``time`` meanwhile."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class VirtualClock:
    """While the block runs, dblog waits by this clock: ``with VirtualClock() as clock: … clock.advance(30)``.

    Make the handlers of the test in the block and close them there: a writer that outlived it would see the time go
    back, which its waits are not made for. It is the whole process's clock, so one block at a time.
    """

    def __init__(self) -> None:
        self._time = _Time()
        self._modules: list[ModuleType] = []

    def __enter__(self) -> Self:
        _nobody_at_work("before the clock is entered")
        self._modules = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("dblog.") and not name.startswith("dblog.testing") and vars(module).get("time") is time
        ]
        for module in self._modules:
            vars(module)["time"] = self._time
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for module in self._modules:
            vars(module)["time"] = time
        self._modules = []
        if kind is None:
            _nobody_at_work("in the block")

    def monotonic(self) -> float:
        """What dblog takes ``time.monotonic()`` to be."""
        return self._time.monotonic()

    def advance(self, seconds: float) -> None:
        """Put the clock forward; whoever waits for a moment that has come so is woken.

        A call that waits in the operating system notices nothing: ``flush(timeout)`` and ``close()`` look at least
        twice a second, a driver's own timeouts take their time.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds={seconds!r} is not allowed: a monotonic clock does not go back")
        self._time.ahead += seconds
        for handler in lifecycle.handlers():
            handler._writer.buffer.notify()  # noqa: SLF001 - no application moves a clock: there is no call for it
        with suppress(RuntimeError):  # woken already
            watchdog._wake.release()  # noqa: SLF001 - as above


def _nobody_at_work(when: str) -> None:
    working = [handler for handler in lifecycle.handlers() if handler._writer._alive()]  # noqa: SLF001 - as above
    assert not working, f"close these {when}: {', '.join(map(repr, working))}"  # noqa: S101 - it speaks to a test
