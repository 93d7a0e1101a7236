"""Births and deaths of processes: exit, fork, multiprocessing, and who holds ``logging``'s lock.

At the end of a process every writer gets one shared deadline to store what waits;
records logged after that are stored by their caller. A forked child starts afresh:
new queue, new ids, new counters, and the parent's connection left alone.

Nothing here runs at import but three registrations; nothing starts a thread.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing.process
import multiprocessing.util
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from dblog.writer import Writer

__all__ = ["Forkable", "exit_deadline", "exiting", "handlers", "holds_logging_lock", "register", "remember", "forget"]


class Forkable(Protocol):
    """Starts afresh in a forked child; only assignments, no logging, no locks, no threads."""

    def after_fork(self) -> None: ...  # noqa: D102 - the class says it


class _Process:
    """What is true of this process; replaced whole in a forked child."""

    def __init__(self) -> None:
        self.writers: set[Writer] = set()
        self.lock = threading.Lock()
        self.deadline: float | None = None
        """Monotonic time by which an exiting process stops waiting for its databases."""


_process = _Process()
_forkables: weakref.WeakSet[Any] = weakref.WeakSet()


def register(handler: Forkable) -> None:
    """``handler.after_fork()`` will be called in every forked child."""
    _forkables.add(handler)
    if multiprocessing.process.parent_process() is not None:
        _finalize_child()


def handlers() -> list[Any]:
    """The handlers alive in this process."""
    return list(_forkables)


def remember(writer: Writer) -> None:
    """This writer has something to finish at exit."""
    with _process.lock:
        _process.writers.add(writer)


def forget(writer: Writer) -> None:
    """This writer has finished."""
    with _process.lock:
        _process.writers.discard(writer)


def exiting() -> bool:
    """Whether the process is on its way out: no more threads, callers store their own records."""
    return _process.deadline is not None


def exit_deadline(timeout: float) -> float:
    """The monotonic time by which to finish: ``timeout`` from now, or the process's own deadline when exiting."""
    mine = time.monotonic() + timeout
    return mine if _process.deadline is None else min(mine, _process.deadline)


def holds_logging_lock() -> bool:
    """Whether this thread holds ``logging``'s module lock, as ``dictConfig`` does while it closes handlers.

    Waiting for the writer then can wait for ever: the writer may be inside a driver's own ``logger.debug``,
    which needs that lock.
    """
    owned = getattr(getattr(logging, "_lock", None), "_is_owned", None)
    return bool(owned is not None and owned())


def _finish_all() -> None:
    """At exit: every writer stores what it has, under one deadline."""
    writers = list(_process.writers)
    if not writers and _process.deadline is not None:
        return
    if _process.deadline is None:
        longest = max((writer.options.shutdown_timeout for writer in writers), default=5.0)
        _process.deadline = time.monotonic() + longest
    for writer in writers:
        writer.finish(_process.deadline)


def _in_child() -> None:
    global _process  # noqa: PLW0603 - the one assignment that forgets the parent
    _process = _Process()
    watchdog.after_fork()
    for handler in list(_forkables):
        handler.after_fork()


def _finalize_child(_token: object = None) -> None:
    """multiprocessing's children end with ``os._exit`` and run no atexit; they run finalizers."""
    multiprocessing.util.Finalize(None, _finish_all, exitpriority=-1000)


atexit.register(_finish_all)
os.register_at_fork(after_in_child=_in_child)
# A child clears the finalizers it inherits and then runs these, so they are registered anew in each.
multiprocessing.util.register_after_fork(_forkables, _finalize_child)
