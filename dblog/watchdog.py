"""Deadlines enforced from outside the driver.

A frozen server or a black hole in the network ignores ``statement_timeout``: the
driver waits in a read that nothing ends. One daemon thread per process looks at the
operations under way and aborts those past their deadline. It costs a dict store per
operation, wakes at most once a second while there is work, and sleeps otherwise.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watchdog", "watchdog"]

_LOOK = 1.0
_PARK_AFTER = 5.0


class Watchdog:
    """Aborts operations that outlive their deadline: ``with watchdog.limit(seconds, abort): …``."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Start afresh: a forked child has neither the thread nor the operations."""
        self._armed: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wake = allocate_lock()
        self._wake.acquire()
        self._parked = True
        self._thread: threading.Thread | None = None
        self._retired = False

    def limit(self, seconds: float, abort: Callable[[], None]) -> _Limit:
        """A context manager: ``abort`` is called, from another thread, once the block has run for ``seconds``."""
        return _Limit(self, seconds, abort)

    def arm(self, key: object, seconds: float, abort: Callable[[], None]) -> None:
        """Start the clock of one operation."""
        self._armed[key] = (time.monotonic() + seconds, abort)
        if self._parked:
            self._start()

    def disarm(self, key: object) -> None:
        """The operation ended."""
        self._armed.pop(key, None)

    def retire(self) -> None:
        """End the thread as soon as there is nothing to watch: the process lives only as long as its threads."""
        self._retired = True
        with suppress(RuntimeError):
            self._wake.release()

    def _start(self) -> None:
        self._parked = False
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="dblog-watchdog", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had: the driver's own timeouts remain
                self._parked = True
                return
            self._thread = thread
        else:
            with suppress(RuntimeError):  # already woken
                self._wake.release()

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            now = time.monotonic()
            if self._armed:
                idle_since = now
            due = self._abort_due(now)
            if self._retired and not self._armed:
                self._parked = True
                return
            if now - idle_since >= _PARK_AFTER:
                self._parked = True
                if not self._armed:
                    self._wake.acquire()
                self._parked = False
                idle_since = time.monotonic()
            else:
                self._wake.acquire(timeout=min(_LOOK, max(0.01, due - now)))

    def _abort_due(self, now: float) -> float:
        """Abort what is late, again and again until it ends; when the next one will be.

        Once is not enough: an abort between two calls, such as connecting and asking, frees nothing.
        """
        nearest = now + _LOOK
        for deadline, abort in list(self._armed.copy().values()):
            if deadline <= now:
                with suppress(Exception):  # the operation may just have ended; its own error is reported
                    abort()
            else:
                nearest = min(nearest, deadline)
        return nearest


class _Limit:
    __slots__ = ("_abort", "_dog", "_seconds")

    def __init__(self, dog: Watchdog, seconds: float, abort: Callable[[], None]) -> None:
        self._dog, self._seconds, self._abort = dog, seconds, abort

    def __enter__(self) -> None:
        self._dog.arm(self, self._seconds, self._abort)

    def __exit__(self, *_exc: object) -> None:
        self._dog.disarm(self)


watchdog = Watchdog()
