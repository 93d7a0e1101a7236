"""What happens inside of a system under test: its ways out, and faults nobody can cause from outside."""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import logging.config
import math
import os
import random
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.sut import MADE, leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.sut import System

_FLAGS: dict[str, int] = {}
"""How often something happened, counted in places that return nothing."""


def _count(name: str) -> None:
    _FLAGS[name] = _FLAGS.get(name, 0) + 1


def counted(_system: System, name: str) -> int:
    """How often it happened."""
    return _FLAGS.get(name, 0)


# -- ways out -------------------------------------------------------------------------------------------------


def _raise(_system: System) -> None:
    raise LookupError("the program's own trouble")


def _at_exit(system: System) -> None:
    lane = system.lanes[0]

    def log() -> None:
        for _ in range(20):
            system.log(lane)

    atexit.register(log)


WAYS_OUT: dict[str, Callable[[System], None]] = {
    "end": lambda _system: None,
    "sys_exit": lambda _system: sys.exit(3),
    "raise": _raise,
    "at_exit": _at_exit,
    "os._exit": lambda _system: leave(7),
}


# -- threads --------------------------------------------------------------------------------------------------


def strike(_system: System, times: int) -> int:
    """Exceptions out of nowhere in the writer's thread; how often it got up again."""
    (handler,) = MADE
    rng = random.Random(times)
    for _ in range(times):
        thread = handler._writer._thread
        if thread is not None and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(MemoryError))
        threading.Event().wait(rng.random() * 0.01)
    return handler._writer.restarts


def no_threads(_system: System, on: bool) -> int:
    """The system grants dblog no thread; how often it asked."""
    if not on:
        vars(threading)["Thread"].start = _start
        return _FLAGS.get("thread", 0)

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("dblog-"):
            _count("thread")
            raise RuntimeError("can't start new thread")
        _start(thread)

    vars(threading)["Thread"].start = start
    return 0


_start = threading.Thread.start


def reconfigure(system: System, times: int) -> int:
    """``dictConfig`` puts a new handler in the old one's place, again and again."""
    handler = {"class": "tests.faults.sut.Counted", "url": system.order["url"], **system.order["options"]}
    logger = {"handlers": ["db"], "level": "DEBUG", "propagate": False}
    config = {"version": 1, "disable_existing_loggers": False, "handlers": {"db": handler}, "loggers": {"sut": logger}}
    for _ in range(times):
        logging.config.dictConfig(config)
        threading.Event().wait(0.02)
    return len(MADE) - 1


# -- interruptions --------------------------------------------------------------------------------------------


class _Litter:
    """Garbage only the collector finds, which logs when it does."""

    def __init__(self, system: System) -> None:
        self.system, self.loop = system, self

    def __del__(self) -> None:
        _count("litter")
        self.system.odd("from a finaliser")


def collect(system: System, on: bool) -> int:
    """Finalisers log while records are counted and queued: the collector runs at every few allocations."""
    gc.set_threshold(*((3, 50, 1000) if on else (700, 10, 10)))
    system.litter = (lambda: _Litter(system)) if on else None
    return _FLAGS.get("litter", 0)


def signals(system: System, on: bool) -> int:
    """A signal's handler logs, a thousand times a second, while the same thread logs."""

    def log(*_: object) -> None:
        _count("signal")
        system.odd("from a signal handler")

    if on:
        signal.signal(signal.SIGALRM, log)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        system.do_log(300)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return _FLAGS.get("signal", 0)


class _Talking:
    """Logs while it is formatted; so does what it logs."""

    def __init__(self, system: System, depth: int) -> None:
        self.system, self.depth = system, depth

    def __str__(self) -> str:
        if self.depth:
            self.system.emit(logging.INFO, "odd %s", _Talking(self.system, self.depth - 1))
        return f"talking {self.depth}"


def talk(system: System, times: int) -> int:
    """Records whose arguments log."""
    for _ in range(times):
        system.emit(logging.INFO, "odd %s", _Talking(system, 4))
    return times


def chatter(system: System, on: bool) -> int:
    """A driver that logs each of its calls at DEBUG, in the writer's own thread."""
    sink: Any = MADE[0]._writer._sink
    if on:
        original = sink.write

        def write(*arguments: Any, **keywords: Any) -> None:
            for _ in range(3):
                _count("chatter")
                system.odd("from the driver", logging.DEBUG)
            original(*arguments, **keywords)

        sink.write = write
    elif "write" in vars(sink):
        del sink.write
    return _FLAGS.get("chatter", 0)


def forks(system: System, times: int, first: int = 0) -> int:
    """Children log and end in every way, beside threads that log; how many ended as they should."""
    rng, ended = random.Random(system.seed), 0
    for number in range(first, first + times):
        how = ("end", "os._exit", "kill")[number % 3]
        child = os.fork()
        if not child:
            signal.alarm(20)
            try:
                _be_a_child(system, system.lane_of_child(number), how)
            finally:
                os._exit(99)
        if rng.random() < 0.5:
            system.do_log(3)
        _, status = os.waitpid(child, 0)
        ended += os.waitstatus_to_exitcode(status) == {"end": 0, "os._exit": 7, "kill": -9}[how]
    return ended


def _be_a_child(system: System, lane: int, how: str) -> None:
    system.after_fork(lane)
    system.do_log(5)
    if not system.at_once_or_flushed(10):
        os._exit(98)
    system.do_log(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "end":
        atexit._run_exitfuncs()
        os._exit(0)
    leave(7)


# -- records --------------------------------------------------------------------------------------------------


class _Unprintable:
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


def _loop() -> list[Any]:
    loop: list[Any] = [1]
    loop.append(loop)
    return loop


def _deep() -> Any:
    tree: Any = "bottom"
    for _ in range(3000):
        tree = [tree]
    return tree


def hostile(system: System) -> int:
    """Whatever an application may log; how many records that was."""
    before = system.do_stats()["calls"]
    for text in ("nul \0 here", "surrogate \ud800", "x" * 400_000, "\x1b[31m\u202e", "%d %d"):
        system.odd(text)
        system.odd(text, extra={"kept": text})
    values: tuple[Any, ...] = (
        *(math.nan, math.inf, 10**5000, 2**63, b"\xff\0"),
        *(_loop(), _deep(), _Unprintable(), {_Unprintable(): 1}, {"a\0": "\ud800"}),
    )
    for value in values:
        system.odd("extra", extra={"kept": value})
        system.emit(logging.INFO, "odd %s", value)
        system.emit(logging.INFO, "odd %d", value)
    for level in (10**30, -5, 0):
        system.odd("level", level)
    for created in (math.nan, 1e20, -1.0, 0.0):
        record = system.logger.makeRecord("sut", logging.INFO, "f", 2**70, "odd clock", (), None)
        record.created = created
        system.logger.handle(record)
    try:
        raise ExceptionGroup("group", [ValueError("\ud800\0"), KeyError(_Unprintable())])
    except ExceptionGroup:
        system.odd("failed", logging.ERROR, exc_info=True)
    return int(system.do_stats()["calls"]) - int(before)


def poison(system: System, count: int) -> int:
    """Records the database refuses, among others it takes."""
    for number in range(count):
        system.do_log(7)
        system.odd(f"poison {number}")
    return count


def heavy(system: System, count: int, size: int) -> int:
    """Long messages."""
    text = "y" * size
    for number in range(count):
        system.odd(f"{number} {text}")
        if not number % 4:
            memory(system)
    return count


def memory(_system: System) -> int:
    """The most memory of its own this process was seen with, in bytes; mapped files are the page cache's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    _FLAGS["memory"] = max(own, _FLAGS.get("memory", 0))
    return _FLAGS["memory"]


def read_only(_system: System, on: bool) -> None:
    """SQLite opens its file as on a volume mounted read-only."""

    def connect(path: str, **keywords: Any) -> Any:
        return _connect(f"file:{path}?mode=ro", **{**keywords, "uri": True})

    for module in (sqlite3, sqlite3.dbapi2):
        vars(module)["connect"] = connect if on else _connect


_connect: Any = sqlite3.connect
