"""The ledger's identity under any sequence of events, against a count of our own.

A sampler thread snapshots every handler all the while: the identity has to hold at
every moment, not only between the steps.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import logging.config
import tempfile
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import dblog
from dblog import spooling
from dblog.errors import ErrorClass
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import examples

LEVELS = [5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]


class Counting(dblog.DatabaseHandler):
    """Counts the calls of ``handle`` on its own."""

    def __init__(self, **options: Any) -> None:
        self.calls = 0
        super().__init__(**options)

    def handle(self, record: logging.LogRecord, filtered: bool = False) -> bool:
        """One call of handle."""
        self.calls += 1
        return super().handle(record, filtered)


class Sampler(threading.Thread):
    """Checks the identity of every handler without pause."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.handlers: list[Counting] = []
        self.broken: list[Any] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        while not self.stopped.wait(0.0002):
            for handler in self.handlers:
                stats = handler.stats()
                try:
                    assert_conserved(stats)
                except AssertionError:
                    self.broken.append(stats)


class Machine(RuleBasedStateMachine):
    """{emit, flush, db up, db down, slow, poison, lost reply, kill writer, close, dictConfig again, attach}."""

    @initialize(
        overflow=st.sampled_from(["drop_lowest", "drop_newest", "drop_oldest", "block"]),
        attached=st.booleans(),
        durability=st.sampled_from(["memory", "spool", "durable"]),
    )
    def start(self, overflow: str, attached: bool, durability: str) -> None:
        """A handler, attached or not, and the sampler."""
        gc.callbacks.clear()  # Hypothesis's own, where an exception thrown into a thread would be nobody's
        self.folder = tempfile.TemporaryDirectory(prefix="dblog-machine-")
        self.options = {"overflow": overflow, "durability": durability}
        self.sampler = Sampler()
        self.sinks: list[MemorySink] = []
        self.handlers: list[Counting] = self.sampler.handlers
        self.closed: set[Counting] = set()
        self.log = logging.getLogger("dblog.tests.machine")
        self.log.setLevel(1)
        self.log.propagate = False
        self._configure(attached=attached)
        self.sampler.start()

    def _configure(self, *, attached: bool) -> None:
        sink = MemorySink()
        options: dict[str, Any] = {"sink": sink} if attached else {}
        handler = Counting(
            **options,
            **self.options,
            spool_dir=f"{self.folder.name}/{len(self.handlers)}",
            queue_size=50,
            batch_size=7,
            flush_interval=0.01,
            block_timeout=0.01,
            retry_initial=0.001,
            retry_max=0.01,
            shutdown_timeout=0.2,
        )
        self.sinks.append(sink)
        self.handlers.append(handler)
        self.log.handlers[:] = [handler]

    @property
    def handler(self) -> Counting:
        """The one in use."""
        return self.handlers[-1]

    @property
    def sink(self) -> MemorySink:
        """Its sink."""
        return self.sinks[-1]

    @rule(levels=st.lists(st.sampled_from(LEVELS), min_size=1, max_size=80), threads=st.integers(1, 3))
    def emit(self, levels: list[int], threads: int) -> None:
        """Records of mixed levels, from several threads at once."""

        def work() -> None:
            for number, level in enumerate(levels):
                self.log.log(level, "record %d", number)

        workers = [threading.Thread(target=work) for _ in range(threads - 1)]
        for worker in workers:
            worker.start()
        work()
        for worker in workers:
            worker.join()

    @rule(poison=st.integers(0, 3))
    def emit_poison(self, poison: int) -> None:
        """Records the database refuses, once poison is on."""
        for _ in range(poison):
            self.log.info("poison")

    @rule()
    def flush(self) -> None:
        """flush is True only if nothing emitted before waits any more, but on disk."""
        if self.handler.flush(0.05):
            stats = self.handler.stats()
            assert stats.queued == 0
            assert stats.in_flight == 0 or self.options["durability"] != "memory"  # else read back from disk

    @rule(kind=st.sampled_from([kind for kind in ErrorClass if kind is not ErrorClass.POISON]))
    def db_down(self, kind: ErrorClass) -> None:
        """The database fails in some way."""
        self.sink.down(kind)

    @rule()
    def db_up(self) -> None:
        """It works again."""
        self.sink.up()

    @rule(times=st.integers(1, 3), ambiguous=st.booleans())
    def db_fails(self, times: int, ambiguous: bool) -> None:
        """A few writes fail, or only their replies are lost."""
        self.sink.fail(times, ambiguous=ambiguous)

    @rule()
    def poison(self) -> None:
        """Some records are refused from now on."""
        self.sink.refuse("poison")

    @rule()
    def slow(self) -> None:
        """Writes hang for a while, and records come meanwhile."""
        with self.sink.blocked() as hanging:
            self.log.error("wakes the writer")
            hanging.wait(0.05)
            self.emit([logging.INFO] * 60, 1)

    @rule()
    def kill_writer(self) -> None:
        """An exception is thrown into the writer's thread from outside."""
        thread = self.handler._writer._thread
        if thread is not None and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))

    @precondition(lambda self: len(self.handlers) < 6)
    @rule(attached=st.booleans())
    def reconfigure(self, attached: bool) -> None:
        """dictConfig again: the old handler is closed under logging's lock, a new one takes over."""
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        self.closed.update(self.handlers)
        self._configure(attached=attached)

    @rule()
    def close(self) -> None:
        """Closed; what comes later is counted."""
        self.handler.close()
        self.closed.add(self.handler)

    @precondition(lambda self: self.handler.stats().state == "DETACHED")
    @rule()
    def attach(self) -> None:
        """A late database."""
        self.handler.attach(self.sink)

    @invariant()
    def every_record_is_in_one_place(self) -> None:
        """The identity, and ``emitted`` against our own count."""
        for handler in getattr(self, "handlers", ()):
            stats = handler.stats()
            assert_conserved(stats)
            assert stats.emitted == handler.calls
        assert not getattr(self, "sampler", None) or not self.sampler.broken

    def teardown(self) -> None:
        """In the end: everything settled, and stored exactly once what counts as stored."""
        if not hasattr(self, "sampler"):
            return
        for sink, handler in zip(self.sinks, self.handlers, strict=True):
            sink.up()
            handler.close()
        for handler in self.handlers:
            handler._writer.flush(5.0)
        self.sampler.stopped.set()
        self.sampler.join()
        assert not self.sampler.broken
        self.log.handlers.clear()
        self.folder.cleanup()
        for sink, handler in zip(self.sinks, self.handlers, strict=True):
            stats = handler.stats()
            assert_conserved(stats)
            assert stats.emitted == handler.calls
            assert stats.queued == stats.in_flight == 0
            seqs = [seq for seq, _ in sink.rows if seq is not None]
            assert len(seqs) == len(set(seqs))
            # A row whose reply was lost may be there and count as dropped{deadline} or as spooled, at the very end, or
            # as failed, where the sink refuses from then on what it has taken.
            doubtful = stats.dropped_by.get("deadline", 0) + stats.spooled + stats.failed
            assert stats.stored <= len(seqs) <= stats.stored + doubtful
            assert self.options["durability"] != "memory" or not stats.spooled
            assert len(sink.letters) <= stats.failed


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away for this long is trouble."""
    monkeypatch.setattr(spooling, "_TROUBLE", 0.02)


# An exception thrown in from outside can land where nobody has it, such as the callback of a weak reference.
TestMachine = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(Machine.TestCase)
TestMachine.settings = settings(
    examples(25), stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
