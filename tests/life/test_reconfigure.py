"""Logging is configured again, handlers are closed, collected and attached late, while records are on their way."""

from __future__ import annotations

import gc
import logging
import logging.config
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog import DatabaseHandler, LogEntry, diagnostics, lifecycle
from dblog.chores import LOSS_LOGGER
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, rows, until

if TYPE_CHECKING:
    from pathlib import Path

NAME = "life.reconfigure"
log = logging.getLogger(NAME)
LOGGINGS_LOCK: Any = vars(logging)["_lock"]
"""What ``dictConfig`` and ``fileConfig`` hold while they close handlers."""


def configure(**handler: Any) -> DatabaseHandler:
    """Configure logging with one handler; give it back."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"db": {"class": "dblog.DatabaseHandler", **QUICK, **handler}},
            "loggers": {NAME: {"handlers": ["db"], "level": "INFO", "propagate": False}},
        }
    )
    (made,) = log.handlers
    assert isinstance(made, DatabaseHandler)
    return made


def make(sink: MemorySink, **options: Any) -> DatabaseHandler:
    """A handler on a sink in memory."""
    return DatabaseHandler(sink=sink, **{**QUICK, **options})


def record(message: str) -> logging.LogRecord:
    """A record as a logger makes it."""
    return logging.makeLogRecord({"msg": message, "levelno": logging.INFO, "levelname": "INFO"})


def test_what_is_queued_is_stored_by_the_handler_that_queued_it(database_url: str) -> None:
    """``dictConfig`` while records wait: the old handler's and the new one's records are all in the database."""
    for generation in range(3):
        configure(url=database_url, flush_interval=60)
        for number in range(30):
            log.info("record %d", generation * 30 + number)
    logging.shutdown()
    count = "SELECT count(*), count(DISTINCT message), count(DISTINCT instance_id) FROM logs WHERE seq IS NOT NULL"
    until(lambda: rows(database_url, count) == [(90, 90, 3)], say=lambda: rows(database_url, count))


def test_file_config_too(sqlite_url: str, tmp_path: Path) -> None:
    """``fileConfig`` closes handlers under the same lock."""
    file = tmp_path / "logging.ini"
    file.write_text(
        f"[loggers]\nkeys=root,own\n[handlers]\nkeys=db\n[formatters]\nkeys=\n"
        f"[logger_root]\nhandlers=\n[logger_own]\nqualname={NAME}\nhandlers=db\nlevel=INFO\npropagate=0\n"
        f"[handler_db]\nclass=dblog.DatabaseHandler\nargs=('{sqlite_url}',)\nkwargs={{'flush_interval': 60}}\n"
    )
    for generation in range(3):
        logging.config.fileConfig(file, disable_existing_loggers=False)
        log.info("record %d", generation)
    logging.shutdown()
    count = "SELECT count(DISTINCT message) FROM logs WHERE seq IS NOT NULL"
    until(lambda: rows(sqlite_url, count) == [(3,)])


def test_configuring_again_does_not_wait_for_a_sink_that_hangs() -> None:
    """Proven by the sink, not by a clock: when ``dictConfig`` has returned, the old handler's write hangs still."""
    sink = MemorySink()
    with sink.blocked() as hanging:
        old = configure(sink=sink, shutdown_timeout=600)
        log.info("before")
        assert hanging.wait(5)
        for _ in range(3):
            configure(sink=sink, shutdown_timeout=600)
        assert old.stats().in_flight == 1
        assert old.stats().state == "SEALED"
    until(lambda: sink.messages == ["before"])


@pytest.mark.slow
def test_configuring_a_hundred_times_under_load() -> None:
    """Every record that reached a handler is stored once, whatever happened to the handler meanwhile."""
    sink = MemorySink()
    made: list[Counted] = []
    handled: list[None] = []

    class Counted(DatabaseHandler):
        def handle(self, *arguments: Any) -> Any:
            handled.append(None)
            return super().handle(*arguments)

    def factory() -> Counted:
        made.append(Counted(sink=sink, **QUICK))
        return made[-1]

    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"db": {"()": factory}},
        "loggers": {NAME: {"handlers": ["db"], "level": "INFO", "propagate": False}},
    }
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.0005):
            log.info("record")

    log.addHandler(logging.NullHandler())
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        logging.config.dictConfig(config)
    stop.set()
    for thread in threads:
        thread.join()
    until(lambda: len(sink.entries) == len(handled), say=lambda: (len(sink.entries), len(handled)))
    stats = [handler.stats() for handler in made]
    for each in stats:
        assert_conserved(each)
    assert sum(each.emitted for each in stats) == sum(each.stored for each in stats) == len(handled)
    assert len({(entry.instance_id, entry.seq) for entry in sink.entries}) == len(handled)


def test_a_record_beside_the_birth_of_a_short_lived_thread_is_stored() -> None:
    """A thread may have ended before its starter lets go of the start lock; who came meanwhile is not forgotten."""
    sink = MemorySink()
    handler = make(sink)
    handler.handle(record("before"))
    with LOGGINGS_LOCK:
        handler.close()
    writer = handler._writer
    until(lambda: writer._thread is None)
    lock = writer._start_lock

    class Slow:
        """Lets go only after the thread has come and gone and another record was turned away."""

        acquire = staticmethod(lock.acquire)

        def release(self) -> None:
            until(lambda: writer._thread is None)
            if "second" not in said:
                said.append("second")
                other = threading.Thread(target=handler.handle, args=(record("second"),))
                other.start()
                other.join()
            lock.release()

    said: list[str] = []
    writer._start_lock = Slow()  # type: ignore[assignment]  # all that is asked of a lock
    handler.handle(record("first"))
    until(lambda: sink.messages == ["before", "first", "second"], say=handler.stats)


def test_a_record_after_the_handover_is_stored() -> None:
    """``dictConfig`` closes old handlers first and takes them off their loggers later: nobody is turned away."""
    sink = MemorySink()
    handler = make(sink)
    handler.handle(record("before"))
    with LOGGINGS_LOCK:
        handler.close()
        handler.handle(record("at once"))
    until(lambda: len(sink.entries) == 2)
    until(lambda: handler.stats().state == "CLOSED")
    handler.handle(record("much later"))
    until(lambda: len(sink.entries) == 3)
    assert_conserved(handler.stats())


def test_closing_under_loggings_lock_waits_for_nobody() -> None:
    """The writer may need that very lock, in its driver's ``logger.debug``: ``flush`` and ``close`` only hand over."""
    sink = MemorySink()
    handler = make(sink, shutdown_timeout=600)
    with sink.blocked() as hanging:
        handler.handle(record("waits"))
        assert hanging.wait(5)
        with LOGGINGS_LOCK:
            assert not handler.flush()
            handler.close()
            assert handler.stats().in_flight == 1
    until(lambda: sink.messages == ["waits"])


def test_flush_under_loggings_lock_knows_what_is_settled() -> None:
    """Where nothing has to be waited for it says so."""
    handler = make(MemorySink())
    handler.handle(record("settled"))
    assert handler.flush(5)
    with LOGGINGS_LOCK:
        assert handler.flush()
    handler.close()


def test_closed_is_closed() -> None:
    """Twice is once; ``flush`` has nothing to wait for; a record is counted as dropped{closed}."""
    sink = MemorySink()
    handler = make(sink)
    handler.handle(record("stored"))
    handler.close()
    handler.close()
    assert handler.flush(0)
    handler.handle(record("late"))
    handler.enqueue(LogEntry.now("late too", level="INFO"))
    stats = handler.stats()
    assert (stats.stored, stats.dropped_by, stats.state) == (1, {"closed": 2}, "CLOSED")
    assert_conserved(stats)
    assert sink.messages == ["stored"]


def test_close_counts_what_the_deadline_cut_off() -> None:
    """A sink that hangs for ever costs ``shutdown_timeout``; every record is accounted for all the same."""
    sink = MemorySink()
    sink.abort = lambda: None  # type: ignore[method-assign]  # as a connect that nothing frees
    handler = make(sink, shutdown_timeout=0.1, batch_size=1, durability="memory")
    with sink.blocked() as hanging:
        for number in range(10):
            handler.handle(record(str(number)))
        assert hanging.wait(5)
        handler.close()
        stats = handler.stats()
        assert (stats.in_flight, stats.dropped_by, stats.state) == (1, {"deadline": 9}, "CLOSED")
        assert_conserved(stats)
        assert not handler.flush(0), "one record is still in doubt"
    assert handler.flush(5)
    assert handler.stats().stored == 1


@pytest.mark.parametrize("durability", ["spool", "durable"])
def test_close_leaves_on_disk_what_the_deadline_cut_off(
    durability: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above with a spool: nothing is dropped, what hangs is on disk as well, and the next writer stores the rest."""
    monkeypatch.setattr(diagnostics, "_last", {})
    sink = MemorySink()
    sink.abort = lambda: None  # type: ignore[method-assign]  # as a connect that nothing frees
    handler = make(sink, shutdown_timeout=0.1, batch_size=1, durability=durability)
    thread = None
    with sink.blocked() as hanging:
        for number in range(10):
            handler.handle(record(str(number)))
        assert hanging.wait(5)
        thread = handler._writer._thread
        handler.close()
        stats = handler.stats()
        assert (stats.in_flight, stats.spooled, stats.dropped, stats.state) == (1, 9, 0, "CLOSED")
        assert_conserved(stats)
        assert ": 10 records are kept on disk: " in capfd.readouterr().err
    assert thread is not None
    thread.join(5)
    assert handler.stats().stored == 1
    heir = make(sink, durability=durability)
    heir.handle(record("heir"))
    until(lambda: len(sink.messages) == 11, say=lambda: sink.messages)
    heir.close()
    assert sorted(sink.messages) == sorted([*map(str, range(10)), "heir"])


def test_close_takes_back_what_is_on_disk_while_there_is_time() -> None:
    """A burst larger than the queue, into a database that is well: at the end nothing is left for anybody."""
    sink = MemorySink()
    handler = make(sink, queue_size=20, batch_size=5, durability="spool")
    with sink.blocked() as hanging:
        for number in range(200):
            handler.handle(record(str(number)))
        assert hanging.wait(5)
    handler.close()
    stats = handler.stats()
    assert (stats.stored, stats.spooled, stats.dropped) == (200, 0, 0)
    assert sorted(map(int, sink.messages)) == list(range(200))


def test_flush_waits_for_what_is_on_disk_while_the_database_takes_it() -> None:
    """A burst larger than the queue: when it returns, all of it is stored."""
    sink = MemorySink()
    handler = make(sink, queue_size=20, batch_size=5, durability="spool")
    with sink.blocked() as hanging:
        for number in range(200):
            handler.handle(record(str(number)))
        assert hanging.wait(5)
        assert handler.stats().spooled > 0
    assert handler.flush(10)
    assert handler.stats().stored == 200
    handler.close()


def test_past_its_end_a_writer_begins_nothing_more() -> None:
    """What it gave up and put on disk it does not read back, to hang in the database once more."""
    sink = MemorySink()
    handler = make(sink, shutdown_timeout=0.01, durability="spool")
    with sink.blocked() as hanging:
        handler.handle(record("hangs"))
        assert hanging.wait(5)
        statements = sink.statements
        handler.close()
        assert not handler._writer._alive()
        assert (sink.statements, handler.stats().spooled) == (statements, 1)


def test_a_handler_without_a_database_says_what_it_dropped() -> None:
    """Closing one that was never attached counts its records as dropped{closed}, under logging's lock or not."""
    for locked in (False, True):
        handler = DatabaseHandler()
        handler.handle(record("nowhere to go"))
        if locked:
            with LOGGINGS_LOCK:
                handler.close()
        else:
            handler.close()
        assert handler.stats().dropped_by == {"closed": 1}
        assert handler.stats().state == "CLOSED"


def test_the_end_of_a_handler_without_a_database_is_not_silent(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line on stderr says how many records went nowhere; none does when there were none."""
    monkeypatch.setattr(diagnostics, "_last", {})
    DatabaseHandler().close()
    assert not capfd.readouterr().err
    handler = DatabaseHandler()
    handler.handle(record("nowhere to go"))
    handler.close()
    line = f"dblog: {handler._writer.name}: 1 records are not known to be stored: no database was ever attached\n"
    assert capfd.readouterr().err == line


def test_what_is_closed_takes_no_database() -> None:
    """``attach`` after ``close`` says so, and the handler stays closed."""
    handler = DatabaseHandler()
    handler.close()
    with pytest.raises(dblog.ConfigurationError, match="closed"):
        handler.attach(MemorySink())
    assert handler.stats().state == "CLOSED"


def test_the_deadline_s_losses_are_a_row_where_the_database_is_well() -> None:
    """Records dropped at the end because the database was slow: it is told, once it has taken the last batch."""
    sink = MemorySink()
    sink.abort = lambda: None  # type: ignore[method-assign]  # slow, not hanging
    handler = make(sink, shutdown_timeout=0.01, batch_size=1, durability="memory")
    handler.handle(record("first"))
    assert handler.flush(5)
    assert handler._writer._chores is not None
    handler._writer._chores._next_loss = float("inf")  # not with a batch: at the very end
    with sink.blocked() as hanging:
        for number in range(10):
            handler.handle(record(str(number)))
        assert hanging.wait(5)
        thread = handler._writer._thread
        handler.close()
        assert handler.stats().dropped_by == {"deadline": 9}
    assert thread is not None
    thread.join(5)
    (row,) = [entry for _, entry in sink.rows if entry.logger == LOSS_LOGGER]
    assert row.message == "9 records lost (deadline: 9)"


def test_a_sink_that_cannot_even_be_aborted_keeps_nobody_from_the_end() -> None:
    """``abort`` raises: ``close`` does not, and the next writer that is late is aborted all the same."""

    def fail() -> None:
        raise ZeroDivisionError

    sinks = [MemorySink(), MemorySink()]
    sinks[0].abort = fail  # type: ignore[method-assign]  # a test's double
    handlers = [make(sink, shutdown_timeout=0.01) for sink in sinks]
    with sinks[0].blocked() as first, sinks[1].blocked() as second:
        for handler in handlers:
            handler.handle(record("hangs"))
        assert first.wait(5)
        assert second.wait(5)
        lifecycle.finish([handler._writer for handler in handlers], time.monotonic())
        assert not handlers[1]._writer._alive(), "aborted"
        handlers[0].close()
    for handler in handlers:
        handler.close()
        assert_conserved(handler.stats())


@pytest.mark.parametrize("method", ["close", "report", "prune", "dead_letter"])
def test_a_sink_with_a_bug_does_not_keep_the_writer_alive(method: str) -> None:
    """Whatever side work raises, once the records are stored the thread ends, and at the first attempt."""

    def fail(*_arguments: object) -> int:
        raise ZeroDivisionError

    sink = MemorySink()
    setattr(sink, method, fail)
    sink.refuse("bad")
    handler = make(sink)
    handler.handle(record("good"))
    handler.handle(record("bad"))
    assert handler.flush(5)
    handler.close()
    stats = handler.stats()
    assert (stats.stored, stats.failed, stats.state) == (1, 1, "CLOSED")
    assert not handler._writer._alive()
    assert handler._writer.restarts == 0


def test_flushes_in_vain_leave_nothing_behind() -> None:
    """However often ``flush`` gave up during an outage: the row of those who wait is empty again."""
    sink = MemorySink()
    handler = make(sink, shutdown_timeout=0.01)
    sink.down()
    handler.handle(record("waits"))
    for _ in range(10):
        assert not handler.flush(0.001)
    assert not handler._writer._settling._gates
    sink.up()
    assert handler.flush(5)
    handler.close()


def test_several_handlers_of_one_logger(sqlite_url: str, postgres_url: str) -> None:
    """Each has its own database, identity and ``seq``; each record is in both."""
    logger = logging.Logger("life")
    handlers = [DatabaseHandler(url, **QUICK) for url in (sqlite_url, postgres_url, sqlite_url)]
    for handler in handlers:
        logger.addHandler(handler)
    for number in range(50):
        logger.info("record %d", number)
    for handler in handlers:
        handler.close()
    per_writer = "SELECT count(*), count(DISTINCT message), min(seq), max(seq) FROM logs GROUP BY instance_id"
    assert rows(sqlite_url, per_writer) == [(50, 50, 1, 50)] * 2
    assert rows(postgres_url, per_writer) == [(50, 50, 1, 50)]


def test_a_handler_nobody_closed_is_collected() -> None:
    """Its records are stored, its thread ends, and nothing of dblog remembers it."""
    sink = MemorySink()
    handler = make(sink, flush_interval=60)
    handler._writer._last_flush = time.monotonic()
    for number in range(10):
        handler.handle(record(str(number)))
    reference, thread = weakref.ref(handler), handler._writer._thread
    assert thread is not None
    writer = weakref.ref(handler._writer)
    del handler
    gc.collect()
    assert reference() is None
    thread.join(10)
    assert not thread.is_alive()
    assert len(sink.entries) == 10
    until(lambda: gc.collect() >= 0 and writer() is None)


def test_attached_late(database_url: str) -> None:
    """What was logged before there was a database is stored, with the time it was logged at."""
    handler = DatabaseHandler(**QUICK)
    handler.handle(record("early"))
    before = time.time()
    assert handler.stats().state == "DETACHED"
    assert not handler.flush(0)
    handler.attach(database_url)
    handler.handle(record("late"))
    assert handler.flush(10)
    with pytest.raises(dblog.ConfigurationError, match="has a database already"):
        handler.attach(database_url)
    handler.close()
    assert [message for (message,) in rows(database_url, "SELECT message FROM logs ORDER BY seq")] == ["early", "late"]
    assert before >= 0


def test_attached_in_a_child_of_a_detached_parent() -> None:
    """``attach`` after a fork, as web servers do it: the child's records go there."""
    sink = MemorySink()
    handler = DatabaseHandler(**QUICK)
    handler.handle(record("parent"))
    handler.after_fork()
    handler._open = sink
    handler._writer.attach(sink(handler._writer.origin))
    handler.handle(record("child"))
    assert handler.flush(5)
    assert sink.messages == ["child"]
    handler.close()


def test_enqueue_goes_to_every_handler_whose_level_admits_it() -> None:
    """``dblog.enqueue`` says how many those were; a closed one counts it as dropped."""
    known = len(lifecycle.handlers())
    low, high = MemorySink(), MemorySink()
    handlers = [make(low, level=logging.INFO), make(high, level=logging.ERROR)]
    others = dblog.enqueue(LogEntry.now("info", level="INFO")) - 1
    assert others <= known
    assert dblog.enqueue(LogEntry.now("error", level="ERROR")) - others == 2
    for handler in handlers:
        handler.close()
    assert (low.messages, high.messages) == (["info", "error"], ["error"])


def test_handlers_may_come_and_go_while_others_look() -> None:
    """``dblog.stats()`` and ``dblog.enqueue`` stand handlers being made in other threads."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            DatabaseHandler().close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2000):
            dblog.stats()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# -- flush ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["emit", "flush", "down", "up", "look"]), max_size=30))
def test_flush_is_true_iff_everything_before_it_is_settled(steps: list[str]) -> None:
    """Whatever happened before: True means that nothing emitted before the call waits, False that something does."""
    sink = MemorySink()
    handler = make(sink, retry_initial=0.001, retry_max=0.002)
    emitted, down = 0, False
    for step in steps:
        if step == "emit":
            emitted += 1
            handler.handle(record(str(emitted)))
        elif step == "flush":
            settled = handler.flush(0.01 if down else 10)
            if settled:
                assert handler.stats().stored == emitted
            else:
                assert down
                assert handler.stats().stored < emitted
        elif step == "look":
            if handler.flush(0):
                assert handler.stats().stored == emitted
        else:
            down = step == "down"
            if down:
                sink.down()
            else:
                sink.up()
        assert_conserved(handler.stats())
    sink.up()
    handler.close()
    assert handler.stats().stored == emitted


def test_flush_gives_up_at_its_deadline() -> None:
    """A sink that hangs does not hold it."""
    sink = MemorySink()
    handler = make(sink)
    with sink.blocked() as hanging:
        handler.handle(record("stuck"))
        assert hanging.wait(5)
        started = time.monotonic()
        assert not handler.flush(0.2)
        assert 0.2 <= time.monotonic() - started < 2
    assert handler.flush(5)
    handler.close()


def test_flush_does_not_wait_for_what_comes_after_it() -> None:
    """Four threads that never stop logging cannot keep it for ever."""
    sink = MemorySink()
    handler = make(sink, batch_size=10)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.0001):
            handler.handle(record("noise"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            handler.handle(record(f"mine {number}"))
            assert handler.flush(10)
            assert f"mine {number}" in sink.messages
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        handler.close()


def test_many_threads_flush_at_once() -> None:
    """Each is told the truth about its own record."""
    sink = MemorySink()
    handler = make(sink, flush_interval=60)
    missing: list[str] = []

    def work(name: str) -> None:
        for number in range(20):
            handler.handle(record(f"{name} {number}"))
            if not handler.flush(10) or f"{name} {number}" not in sink.messages:
                missing.append(name)

    threads = [threading.Thread(target=work, args=(str(index),)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    assert not missing


def test_flush_in_the_writers_own_thread_does_not_wait() -> None:
    """From a driver's callback or an observer: False at once; ``close`` there hands over."""
    sink = MemorySink()
    answers: list[bool] = []

    def fault(_rows: object) -> None:
        sink.fault = None
        answers.append(handler.flush(60))
        handler.close()

    sink.fault = fault
    handler = make(sink)
    handler.handle(record("one"))
    until(lambda: handler.stats().state == "CLOSED")
    assert answers == [False]
    assert sink.messages == ["one"]


def test_flush_within_a_capture() -> None:
    """A ``__str__`` that flushes: the records before are stored, this one is not waited for."""
    sink = MemorySink()
    handler = make(sink, flush_interval=60)
    seen: list[tuple[bool, list[str]]] = []

    class Flushes:
        def __str__(self) -> str:
            seen.append((handler.flush(10), sink.messages))
            return "flushed"

    handler.handle(record("before"))
    logger = logging.Logger("life")
    logger.addHandler(handler)
    logger.info("%s", Flushes())
    assert handler.flush(10)
    assert seen == [(True, ["before"])]
    assert sink.messages == ["before", "flushed"]
    handler.close()
