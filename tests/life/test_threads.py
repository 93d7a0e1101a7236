"""Threads that cannot start, that die, and code that logs where nobody expects it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from dblog import DatabaseHandler, diagnostics
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, exactly_once, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from dblog.sink import Row


@pytest.fixture(autouse=True)
def _uncalled_by_the_collector() -> Iterator[None]:
    """Hypothesis has the collector call it, where an exception thrown into a thread would be nobody's."""
    before = gc.callbacks.copy()
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = before


@pytest.fixture
def sink() -> MemorySink:
    """Where the handler of the test stores."""
    return MemorySink()


@pytest.fixture
def handler(sink: MemorySink, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseHandler]:
    """A handler on ``sink`` that is closed at the end, with everything accounted for."""
    kept = {"durability": getattr(request, "param", "memory"), "spool_dir": str(tmp_path / "spool")}
    made = DatabaseHandler(sink=sink, **QUICK, **kept)
    yield made
    made.close()
    assert_conserved(made.stats())


@pytest.fixture
def log(handler: DatabaseHandler) -> logging.Logger:
    """A logger on ``handler``."""
    logger = logging.Logger("life")
    logger.addHandler(handler)
    return logger


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No thread can be started, as under a limit of processes, until ``undo()``."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(diagnostics, "_last", {})
    monkeypatch.setattr(threading.Thread, "start", refuse)
    return monkeypatch


def all_stored(handler: DatabaseHandler, sink: MemorySink, count: int) -> None:
    """``count`` records are stored, each once, and counted so."""
    assert handler.flush(10), handler.stats()
    stats = handler.stats()
    assert_conserved(stats)
    assert (stats.emitted, stats.stored) == (count, count), stats
    assert sorted(entry.seq or 0 for entry in sink.entries) == list(range(1, count + 1))


def test_a_small_queue_is_emptied_in_time(sink: MemorySink) -> None:
    """A queue smaller than a batch does not wait for ``flush_interval`` when it is half full: nothing is dropped."""
    handler = DatabaseHandler(sink=sink, queue_size=10, flush_interval=3600)
    handler.handle(logging.makeLogRecord({"msg": "first"}))
    assert handler.flush(10)
    for number in range(5):
        handler.handle(logging.makeLogRecord({"msg": str(number)}))
    until(lambda: len(sink.entries) == 6)
    handler.close()


# -- no thread to be had ----------------------------------------------------------------------------------------------


def test_without_a_thread_callers_store(
    handler: DatabaseHandler,
    sink: MemorySink,
    log: logging.Logger,
    no_threads: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """State SYNC, one line on stderr; with threads again the writer takes over."""
    for number in range(10):
        log.info("record %d", number)
        assert len(sink.entries) == number + 1
    assert handler.stats().state == "SYNC"
    all_stored(handler, sink, 10)
    assert capfd.readouterr().err == "dblog: no thread can be started: records are stored by their callers\n"
    no_threads.undo()
    handler._writer._no_thread_until = 0
    log.info("record 10")
    all_stored(handler, sink, 11)
    assert handler.stats().state == "RUNNING"


def test_without_a_thread_a_database_that_is_down_holds_up_nobody(
    handler: DatabaseHandler, sink: MemorySink, log: logging.Logger, no_threads: pytest.MonkeyPatch
) -> None:
    """A caller tries once and goes on; its record waits for a caller after the backoff, and nothing is lost."""
    sink.down()
    handler._writer._backoff._initial = handler._writer._backoff._maximum = 3600
    for number in range(100):
        log.info("record %d", number)
    stats = handler.stats()
    assert (stats.queued + stats.in_flight, stats.state) == (100, "RETRY")
    assert sink.statements == 1
    assert not handler.flush(0.01)
    sink.up()
    handler._writer._not_before = 0
    log.info("record 100")
    all_stored(handler, sink, 101)
    assert handler.stats().state == "SYNC"


def test_without_a_thread_closing_stores(
    handler: DatabaseHandler, sink: MemorySink, log: logging.Logger, no_threads: pytest.MonkeyPatch
) -> None:
    """``close`` does the thread's work, with its deadline."""
    sink.down()
    log.info("record")
    sink.up()
    handler.close()
    assert sink.messages == ["record"]


def test_without_a_thread_many_callers_share_the_work(
    handler: DatabaseHandler, sink: MemorySink, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds another at it leaves his record to that one: no batch is stored by two."""

    def many() -> None:
        for _ in range(200):
            log.info("record")

    monkeypatch.setattr(handler._writer, "_start", lambda: False)
    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    all_stored(handler, sink, 800)


# -- a thread that dies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_a_sink_that_throws_the_thread_out(kind: type[BaseException], when: str) -> None:
    """The batch in hand is resent, whether it was stored already or not; what is no Exception is a restart."""

    class Throws(MemorySink):
        thrown = 0

        def write(self, rows: Sequence[Row], **keywords: Any) -> None:
            if when == "after":
                super().write(rows, **keywords)
            if self.thrown < 3:
                self.thrown += 1
                raise kind
            if when == "before":
                super().write(rows, **keywords)

    sink = Throws()
    handler = DatabaseHandler(sink=sink, **QUICK)
    for number in range(20):
        handler.handle(logging.makeLogRecord({"msg": str(number)}))
    all_stored(handler, sink, 20)
    assert handler._writer.restarts == (0 if issubclass(kind, Exception) else 3)
    handler.close()


def test_exceptions_thrown_into_the_thread(database_url: str) -> None:
    """Fifty of them, wherever they strike: everything is stored once, the identity holds all the time."""
    handler = DatabaseHandler(database_url, **{**QUICK, "flush_interval": 0.001})
    logger = logging.Logger("life")
    logger.addHandler(handler)
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    for number in range(50):
        for _ in range(20):
            logger.info("record")
        thread = handler._writer._thread
        assert thread is not None
        restarts = handler._writer.restarts
        throw(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))
        handler._writer.buffer.notify()
        assert_conserved(handler.stats())
        handler._writer.restarts = min(restarts, 2)  # the tests have no time for the pause after many
        assert handler.flush(10), (number, handler.stats())
    handler.close()
    exactly_once(database_url, handler)


class Strikes:
    """A profile function that throws once, at the ``at``-th place in the writer's code where the interpreter could.

    Exceptions thrown in from outside (``PyThreadState_SetAsyncExc``) arrive when a function begins and after a call,
    not between two moves of dblog's straight-line code, which rests on that.
    """

    def __init__(self, at: int) -> None:
        self.left = at
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event not in {"call", "c_return"} or not code.co_filename.endswith(_STRUCK):
            return
        self.left -= 1
        if self.left == 0:
            self.where = f"{code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {code.co_name}"
            raise KeyboardInterrupt


_STRUCK = (
    "dblog/writer.py",
    "dblog/concluding.py",
    "dblog/rounds.py",
    "dblog/settling.py",
    "dblog/buffer.py",
    "dblog/taking.py",
    "dblog/delivery.py",
    "dblog/letters.py",
    "dblog/chores.py",
    "dblog/ledger.py",
)


def strike(at: int) -> tuple[str, list[str]]:
    """Where the writer was struck, "" when it ended before, and what is wrong afterwards."""
    strikes = Strikes(at)
    sink = MemorySink()
    with contextlib.ExitStack() as stack:
        stack.callback(threading.setprofile, threading.getprofile())
        threading.setprofile(strikes)
        handler = DatabaseHandler(sink=sink, **{**QUICK, "batch_size": 4, "flush_interval": 0})
        with handler._writer.buffer._lock:  # the writer finds them all
            for number in range(6):
                handler.handle(logging.makeLogRecord({"msg": str(number), "levelno": 20 + 10 * (number % 3)}))
        settled = handler.flush(2)
        handler.close()
    stats = handler.stats()
    wrong = []
    if not settled:
        wrong.append("flush did not come back")
    if stats.stored != 6 or sorted(entry.seq or 0 for entry in sink.entries) != list(range(1, 7)):
        wrong.append(str(stats))
    return strikes.where, wrong


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # struck in its first or last breath
def test_struck_anywhere_the_writer_loses_nothing() -> None:
    """At every place of a writer's whole life, one after the other: each record is stored, and stored once."""
    for at in range(1, 5000):
        where, wrong = strike(at)
        assert not wrong, f"struck at {where}: {wrong}"
        if not where:
            break
    assert at > 200, "the fault has to fire"


# -- code that logs where nobody expects it ---------------------------------------------------------------------------


class Logs:
    """Logs when it is collected."""

    def __init__(self, log: logging.Logger, tally: list[str]) -> None:
        self._log, self._tally = log, tally
        self.itself = self  # only the collector can free it

    def __del__(self) -> None:
        self._tally.append("finaliser")
        self._log.info("from a finaliser")


def test_finalisers_that_log(handler: DatabaseHandler, sink: MemorySink, log: logging.Logger) -> None:
    """``__del__`` and weakref callbacks run at any allocation, here at nearly each: no deadlock, nothing uncounted."""
    tally: list[str] = []

    def gone(_reference: object) -> None:
        tally.append("callback")
        log.info("from a callback")

    references = []
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(500):
            references.append(weakref.ref(Logs(log, tally), gone))
            log.info("record %d", number, extra={"a": [number]})
            tally.append("record")
    finally:
        gc.set_threshold(*before)

    def all_gone() -> bool:
        gc.collect()  # does nothing while a collection of the writer's thread is still under way
        return handler.stats().emitted == len(tally) == 1500

    until(all_gone, say=lambda: (len(tally), handler.stats()))
    assert handler.flush(10)
    stats = handler.stats()
    assert_conserved(stats)
    assert stats.stored + stats.dropped == 1500, stats
    assert set(stats.dropped_by) <= {"reentrant", "self"}, "too deep in a capture, or collected by the writer's thread"
    assert len({entry.seq for entry in sink.entries}) == stats.stored


class Interrupted:
    """The ledger's lock, with somebody who logs as soon as it is taken: the worst moment for a finaliser to run."""

    def __init__(self, lock: Any, log: logging.Logger) -> None:
        self._lock, self._log = lock, log
        self._depth = threading.local()
        self.fired = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        if not getattr(self._depth, "inside", False):
            self._depth.inside = True
            self.fired += 1
            self._log.info("in the critical section")
            self._depth.inside = False

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()


def test_logging_inside_the_critical_section(handler: DatabaseHandler, sink: MemorySink, log: logging.Logger) -> None:
    """The lock is re-entrant and the sections straight-line: the inner record is counted, queued and stored."""
    buffer = handler._writer.buffer
    interrupted = Interrupted(buffer._lock, log)
    buffer._lock = interrupted  # type: ignore[assignment]  # it stands in for an RLock
    for number in range(100):
        log.info("record %d", number)
    buffer._lock = interrupted._lock
    assert handler.flush(10)
    stats = handler.stats()
    assert interrupted.fired >= 100
    assert_conserved(stats)
    assert stats.emitted == 100 + interrupted.fired
    assert stats.stored + stats.dropped_by.get("self", 0) == stats.emitted  # the writer takes that lock too
    assert len({entry.seq for entry in sink.entries}) == stats.stored
    assert set(sink.messages) >= {f"record {number}" for number in range(100)}


@pytest.mark.timeout(60, method="thread")  # the other method's signal is the one used here
@pytest.mark.parametrize("handler", ["memory", "spool", "durable"], indirect=True)
def test_a_signal_handler_that_logs(handler: DatabaseHandler, sink: MemorySink, log: logging.Logger) -> None:
    """Two thousand times a second, in the middle of whatever the main thread does, logging mostly: nothing is lost."""
    signals, records, depth = 0, 0, 0

    def on_alarm(_number: int, _frame: object) -> None:
        nonlocal signals, depth
        if depth:  # in a signal's handler, which is the reentrancy of another test; or late
            return
        depth += 1
        signals += 1
        log.info("signal %d", signals)
        assert_conserved(handler.stats())
        depth -= 1

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while signals < 1000:
            records += 1
            log.info("record %d", records)
            if records % 100 == 0:
                assert handler.flush(10)
        signal.setitimer(signal.ITIMER_REAL, 0)
        depth = 1  # one that another thread was given may still be on its way
        all_stored(handler, sink, signals + records)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert {f"signal {number}" for number in range(1, signals + 1)} <= set(sink.messages)


def test_the_very_first_record_comes_from_a_signal_handler(
    handler: DatabaseHandler, sink: MemorySink, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the writer's thread is being started by the record the signal interrupted."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        log.info("signal before")
        start(thread)
        log.info("signal after")

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    log.info("record")
    monkeypatch.undo()
    all_stored(handler, sink, 3)
