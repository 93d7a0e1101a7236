"""Births and deaths of processes: exit, fork, multiprocessing, and who holds ``logging``'s lock.

At the end of a process every writer gets one shared deadline to store what waits;
records logged after that are stored by their caller. A forked child starts afresh:
new queue, new ids, new counters, and the parent's connection left alone.

A process that is about to fork closes what must not be inherited open (``around_fork``). Other libraries have hooks
of their own, and may log in them: those registered before ours come first in the child, where every lock may be held
by a thread that is not there. So whoever logs there settles us in first (``beside_fork``).

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
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from dblog.guard import FORKING, here
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dblog.options import Options

__all__ = [
    "Finishing",
    "Forkable",
    "Resting",
    "around_fork",
    "beside_fork",
    "can_be_orphaned",
    "exit_deadline",
    "exiting",
    "finish",
    "forget",
    "handlers",
    "holds_logging_lock",
    "orphaned",
    "register",
    "remember",
    "rest_others",
    "settle_in",
    "synchronous",
]

_ABORT_GRACE = 0.5
"""Seconds a writer gets to return after its blocked call was aborted."""


class Finishing(Protocol):
    """Has something to store before its process ends: a writer."""

    @property
    def options(self) -> Options: ...  # noqa: D102 - the class says it

    def end(self, deadline: float) -> None:
        """Announce the end; returns at once."""

    def join(self, until: float) -> bool:
        """Wait for it until this monotonic time; False when it has not come."""
        ...

    def abort(self) -> None:
        """Free it from a call that hangs; never raises."""

    def secure(self) -> None:
        """It hangs for good: keep what it has where that outlives the process; never raises."""


class Forkable(Protocol):
    """Starts afresh in a forked child; only assignments, no logging, no locks, no threads."""

    def after_fork(self) -> None: ...  # noqa: D102 - the class says it


class Resting(Protocol):
    """Rests while its process forks; both are called in the thread that forks, ``wake_up`` in the parent only."""

    def rest(self) -> bool: ...  # noqa: D102 - the class says it

    def wake_up(self) -> None: ...  # noqa: D102 - the class says it


class _Process:
    """What is true of this process; replaced whole in a forked child."""

    def __init__(self, parent: _Process | None = None) -> None:
        self.pid = os.getpid()
        # Built-in sets change in one step: a lock here would be taken again by a finaliser or a signal handler that
        # interrupts its holder.
        self.writers: set[Finishing] = set()
        self.deadline: float | None = None
        """Monotonic time by which an exiting process stops waiting for its databases."""
        self.watched = False
        """A multiprocessing finalizer will finish this process."""
        self.main = threading.main_thread()
        self.of_thread: bool = parent is not None and (parent.of_thread or parent.main is not self.main)
        """Forked in a thread: it ends with that thread's function, and without atexit."""


_process = _Process()
_handlers: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_synchronous: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_resting: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_fork = threading.local()
"""``asleep``: what rests for the fork under way in this thread."""


def _alive(registry: weakref.WeakValueDictionary[int, Any]) -> list[Any]:
    # valuerefs() copies in one step; iterating would stumble over a handler another thread makes.
    return [each for reference in registry.valuerefs() if (each := reference()) is not None]


def register(handler: Forkable, *, queues: bool = True) -> None:
    """``handler.after_fork()`` will be called in every forked child.

    Args:
        handler: a handler of ours.
        queues: it has a queue and a writer; else its callers wait for the database.
    """
    if not queues:
        _synchronous[id(handler)] = handler
        return
    _handlers[id(handler)] = handler
    if multiprocessing.process.parent_process() is not None:
        _finalize_child()


def around_fork(resting: Resting) -> None:
    """``resting.rest()`` will be called before every fork; where it says True, ``wake_up()`` after it in the parent."""
    _resting[id(resting)] = resting


def rest_others(but: Resting) -> None:
    """Whoever else rests around a fork does so for a moment, and has let go of what it had open."""
    for each in _alive(_resting):
        if each is not but and each.rest():
            each.wake_up()


def handlers() -> list[Any]:
    """The handlers with a queue that are alive in this process, the oldest first."""
    return _alive(_handlers)


def synchronous() -> list[Any]:
    """Those without one, the oldest first."""
    return _alive(_synchronous)


def remember(writer: Finishing) -> None:
    """This writer has something to finish at exit."""
    _process.writers.add(writer)


def forget(writer: Finishing) -> None:
    """This writer has finished."""
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


def can_be_orphaned() -> bool:
    """Whether this process was forked in a thread.

    It ends when the last of its threads does, and runs no exit functions: a writer that waited for more records would
    keep it alive for ever.
    """
    return _process.of_thread


def orphaned() -> bool:
    """Whether this process was forked in a thread whose function has returned."""
    with suppress(RuntimeError):  # a thread that threading did not start: when it ends cannot be told
        return _process.of_thread and not _process.main.is_alive()
    return False


def finish(writers: Iterable[Finishing], deadline: float) -> None:
    """See these writers to their end: all of them at once, by one deadline (monotonic)."""
    writers = list(writers)
    for writer in writers:
        writer.end(deadline)
    late = [writer for writer in writers if not writer.join(deadline)]
    for writer in late:
        writer.abort()
    for writer in late:
        if not writer.join(deadline + _ABORT_GRACE):
            writer.secure()


def _finish_all() -> None:
    """At exit: every writer stores what it has, under one deadline."""
    writers = list(_process.writers)
    if _process.deadline is None:
        longest = max((writer.options.shutdown_timeout for writer in writers), default=5.0)
        _process.deadline = time.monotonic() + longest
    finish(writers, _process.deadline)


@contextmanager
def beside_fork() -> Iterator[None]:
    """For a record that is logged while its thread forks: all is as usual in the block, on either side."""
    if settle_in():
        yield
        return
    here.depth += FORKING
    try:
        yield
    finally:
        here.depth -= FORKING


def settle_in() -> bool:
    """In a child in which our hook has not run yet, do now what it does; False in any other process."""
    if here.depth >= 0 or _process.pid == os.getpid():
        return False
    _begin_anew()
    _fork.settled = True
    return True


def _before_fork() -> None:
    _fork.asleep = [each for each in _alive(_resting) if each.rest()]
    here.depth -= FORKING


def _in_parent() -> None:
    if here.depth < 0:  # else dblog was loaded by a hook of this very fork
        here.depth += FORKING
    for each in _fork.__dict__.pop("asleep", ()):
        each.wake_up()


def _in_child() -> None:
    if not _fork.__dict__.pop("settled", False):
        _begin_anew()


def _begin_anew() -> None:
    global _process  # noqa: PLW0603 - the one assignment that forgets the parent
    _process = _Process(_process)
    if here.depth < 0:  # as above
        here.depth += FORKING
    _fork.__dict__.clear()
    _resting.clear()
    watchdog.after_fork()
    for handler in (*handlers(), *synchronous()):
        handler.after_fork()
    if multiprocessing.process.parent_process() is not None:
        _finalize_child()


def _finalize_child() -> None:
    """Multiprocessing's children end with ``os._exit`` and run no atexit; they run finalizers."""
    if not _process.watched:
        _process.watched = True
        multiprocessing.util.Finalize(None, _finish_all, exitpriority=-1000)


def _in_bootstrap(_token: object) -> None:
    """A child of multiprocessing has just cleared the finalizers it inherited, and ours with them."""
    _process.watched = False
    _finalize_child()


atexit.register(_finish_all)
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
multiprocessing.util.register_after_fork(_handlers, _in_bootstrap)
