"""A record is in the database when the call returns, or the call raises; whatever happens to the database."""

from __future__ import annotations

import contextlib
import gc
import logging
import logging.config
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog import AuditHandler, lifecycle
from dblog.admin import gaps
from dblog.admin.connection import AdminConnection
from dblog.errors import ConfigurationError, ErrorClass, StoreError, StoreUnavailable
from dblog.filters import RateLimit
from dblog.guard import own_thread
from dblog.testing import FaultProxy, MemorySink, assert_conserved, recording
from tests.oracle import examples, execute, rows, seqs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.sink import Row
    from tests.faults.conftest import Place, Served

QUICK: dict[str, Any] = {"retry_initial": 0.01, "retry_max": 0.05, "service": "audit"}
LOGGINGS_LOCK: Any = vars(logging)["_lock"]


@contextlib.contextmanager
def auditing(url: str | None = None, **options: Any) -> Iterator[tuple[logging.Logger, AuditHandler]]:
    """A logger of its own with a handler on it, closed at the end."""
    handler = AuditHandler(url, **{**QUICK, **options})
    logger = logging.Logger(f"audit{id(handler)}")
    logger.addHandler(handler)
    try:
        yield logger, handler
    finally:
        handler.close()


def unexplained(place: Place) -> int:
    """What ``dblog audit`` cannot explain."""
    with AdminConnection(place.owner) as connection:
        return sum(account.unexplained for account in gaps.audit(connection))


# -- it is there ----------------------------------------------------------------------------------------------


def test_each_record_is_committed_when_the_call_returns(place: Place) -> None:
    """Seen from another connection, complete as a row of any handler; the writer's row says how it ended."""
    with auditing(place.url) as (logger, handler):
        for number in range(1, 21):
            logger.info("order %d", number, extra={"cart": {"items": number}, "user_id": "u-1", "password": "hunter2"})
            assert seqs(place.owner) == list(range(1, number + 1))
        try:
            raise ValueError("no card")
        except ValueError:
            logger.exception("failed")
        columns = "message, template, user_id, service, level, exc_type"
        found = rows(place.owner, f"SELECT {columns} FROM logs ORDER BY seq DESC LIMIT 2")
        assert found == [
            ("failed", None, None, "audit", "ERROR", "ValueError"),
            ("order 20", "order %d", "u-1", "audit", "INFO", None),
        ]
        assert "hunter2" not in str(rows(place.owner, "SELECT metadata FROM logs"))
        stats = handler.stats()
        assert (stats.emitted, stats.stored, stats.state, stats.last_error) == (21, 21, "SYNC", None)
    assert rows(place.owner, "SELECT state, emitted, stored FROM log_instances") == [("CLOSED", 21, 21)]
    assert unexplained(place) == 0


def test_threads_take_turns(place: Place) -> None:
    """Eight threads, one connection: each record once, and the numbers without a gap."""
    with auditing(place.url, timeout=30) as (logger, handler), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: logger.info("order %d", number), range(200)))
        assert seqs(place.owner) == list(range(1, 201))
        assert_conserved(handler.stats())


def test_on_sqlite_a_commit_outlives_a_power_cut(sqlite_url: str) -> None:
    """``synchronous`` is ``full``, unless it is said otherwise."""
    for options, expected in (({}, 2), ({"synchronous": "normal"}, 1)):
        with auditing(sqlite_url, **options) as (logger, handler):
            logger.info("x")
            sink: Any = handler._store._sink
            assert sink._link.open().execute("PRAGMA synchronous").fetchone() == (expected,)


KILLED = """
import logging, os, sys
from dblog import AuditHandler
logger = logging.Logger("audit")
logger.addHandler(AuditHandler(sys.argv[1]))
number = 0
while True:
    number += 1
    logger.info("order %d", number)
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_sigkill_takes_nothing_that_was_acknowledged(place: Place, kills: int) -> None:
    """A process killed between any two instructions: all it was told of is there, at most one more, and none twice."""
    for kill in range(kills):
        before = len(seqs(place.owner))
        with subprocess.Popen([sys.executable, "-c", KILLED, place.url], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(20 + kill):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            acknowledged = 20 + kill + len(process.stdout.read().splitlines())
        found = rows(place.owner, "SELECT seq, instance_id FROM logs WHERE seq IS NOT NULL")
        assert len(set(found)) == len(found)
        assert acknowledged <= len(found) - before <= acknowledged + 1


# -- or it raises ---------------------------------------------------------------------------------------------

FAULTS = st.sampled_from(["none", "passing", "reply", "down", "reply, then down", "configuration", "poison"])


@examples(50)
@given(st.lists(FAULTS, max_size=8))
def test_whatever_the_database_does(faults: list[str]) -> None:
    """Returned: stored once. Raised: not stored, or ``ambiguous`` says that it may be. The ledger adds up."""
    sink = MemorySink()
    with auditing(sink=sink, retry_initial=0.001, retry_max=0.002) as (logger, handler):
        stored, doubtful = [], []
        for number, fault in enumerate(faults):
            message = f"order {number}"
            _break(sink, fault, message)
            # Where it is to succeed it has all the time that a busy machine takes.
            succeeds = fault in {"none", "passing", "reply"}
            handler.timeout = 10.0 if succeeds else 0.03
            if succeeds:
                logger.info(message)
                stored.append(message)
            else:
                with pytest.raises(StoreError) as raised:
                    logger.info(message)
                assert isinstance(raised.value, StoreUnavailable) is (fault != "poison")
                assert raised.value.ambiguous is (fault == "reply, then down")
                assert message not in str(raised.value)
                doubtful += [message] if raised.value.ambiguous else []
            sink.up()
        handler.timeout = 10.0
        logger.info("last")
        assert [each for each in sink.messages if each not in doubtful] == [*stored, "last"]
        assert len(set(sink.messages)) == len(sink.messages)
        stats = handler.stats()
        assert_conserved(stats)
        assert stats.stored == len(stored) + 1
        assert (stats.queued, stats.in_flight, stats.failed) == (0, 0, faults.count("poison"))
    told = sum(loss["count"] for seq, entry in sink.rows if seq is None for loss in entry.attributes["dblog"]["loss"])
    assert told == stats.dropped + stats.failed
    assert len(sink.letters) == faults.count("poison")


def _break(sink: MemorySink, fault: str, message: str) -> None:
    if fault == "passing":
        sink.fail(2)
    elif fault == "reply":
        sink.fail(1, ambiguous=True)
    elif fault == "down":
        sink.down()
    elif fault == "configuration":
        sink.down(ErrorClass.CONFIGURATION)
    elif fault == "poison":
        sink.refuse(message)
    elif fault == "reply, then down":
        sink.fail(1, ambiguous=True)
        once = sink.fault
        assert once is not None

        def then_down(batch: Sequence[Row]) -> None:
            once(batch)
            sink.down()

        sink.fault = then_down


def test_a_reply_that_was_cut_is_asked_for_again(served: Served) -> None:
    """The server has committed and says so to nobody: the row is sent again, is stored once, and the call returns."""
    with FaultProxy(served.url) as proxy, auditing(proxy.url) as (logger, handler):
        logger.info("first")
        for number in range(3):
            proxy.cut_after(b"COMMIT")
            logger.info("order %d", number)
            assert proxy.fired
        assert seqs(served.owner) == [1, 2, 3, 4]
        assert handler.stats().stored == 4


def test_a_server_that_is_frozen_or_gone(served: Served) -> None:
    """The call raises about when its time is over, and the next one is stored as soon as the server is back."""
    with auditing(served.url, timeout=0.5) as (logger, handler):
        logger.info("first")
        served.server.freeze()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            logger.info("frozen")
        assert time.monotonic() - began < 4
        served.server.thaw()
        handler.timeout = 20
        logger.info("second")
        served.server.kill()
        handler.timeout = 0.3
        with pytest.raises(StoreUnavailable, match="it is not stored") as raised:
            logger.info("gone")
        assert not raised.value.ambiguous
        served.server.start()
        handler.timeout = 20
        logger.info("third")
        assert_conserved(handler.stats())
    found = [
        message for (message,) in rows(served.owner, "SELECT message FROM logs WHERE seq IS NOT NULL ORDER BY seq")
    ]
    assert [message for message in found if message != "frozen"] == ["first", "second", "third"]


def test_what_somebody_has_to_mend_is_not_waited_for(place: Place) -> None:
    """A table that is not there: the call raises at once, and the next one is stored when it is."""
    execute(place.owner, "ALTER TABLE logs RENAME TO moved")
    with auditing(place.url, timeout=30) as (logger, handler):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"missing: run dblog upgrade: it is not stored") as raised:
            logger.info("x")
        assert raised.value.kind is ErrorClass.CONFIGURATION
        assert time.monotonic() - began < 5
        execute(place.owner, "ALTER TABLE moved RENAME TO logs")
        logger.info("y")
        assert seqs(place.owner) == [2]
        assert handler.stats().dropped_by == {"deadline": 1}
    assert unexplained(place) == 0


def test_a_refused_record_is_kept_and_told(place: Place) -> None:
    """Content the database does not take: the call raises, a dead letter has the row, the next record is stored."""
    if place.postgres:
        execute(place.owner, "ALTER TABLE logs ADD CHECK (message <> 'poison')")
    else:
        refuse = "SELECT RAISE(ABORT, 'refused')"
        execute(place.owner, f"CREATE TRIGGER p BEFORE INSERT ON logs WHEN NEW.message = 'poison' BEGIN {refuse}; END")
    with auditing(place.url) as (logger, handler):
        logger.info("first")
        with pytest.raises(StoreError, match="dead-letters") as raised:
            logger.info("poison")
        assert raised.value.kind is ErrorClass.POISON
        assert not isinstance(raised.value, StoreUnavailable)
        logger.info("second")
        assert seqs(place.owner) == [1, 3]
        assert rows(place.owner, "SELECT seq FROM log_dead_letters") == [(2,)]
        assert handler.stats().failed_by == {"poison": 1}
    assert unexplained(place) == 0


def test_who_waits_for_others_too_long() -> None:
    """A thread's record hangs; another's raises when its own time is over, and neither is stored."""
    sink = MemorySink()
    with auditing(sink=sink, timeout=0.2) as (logger, handler), ThreadPoolExecutor(1) as pool:
        with sink.blocked() as hanging:
            handler.timeout = 20
            first = pool.submit(logger.info, "hangs")
            assert hanging.wait(10)
            handler.timeout = 0.05
            with pytest.raises(StoreUnavailable, match="other threads' records"):
                logger.info("waits")
        first.result(10)
        assert sink.messages == ["hangs"]
        assert handler.stats().dropped_by == {"deadline": 1}


def test_ctrl_c_in_the_middle_loses_nothing() -> None:
    """The call is interrupted at an unknown place; the next one stores both, once, and counts are right meanwhile."""
    sink = MemorySink()
    with auditing(sink=sink) as (logger, handler):

        def interrupted(_rows: Sequence[Row]) -> None:
            sink.up()
            raise KeyboardInterrupt

        sink.fault = interrupted
        with pytest.raises(KeyboardInterrupt):
            logger.info("first")
        assert_conserved(handler.stats())
        assert (handler.stats().in_flight, sink.messages) == (1, [])
        logger.info("second")
        assert sink.messages == ["first", "second"]
        sink.fault = interrupted
        with pytest.raises(KeyboardInterrupt):
            logger.info("third")
    assert sink.messages == ["first", "second", "third"], "close() stores it"
    assert_conserved(handler.stats())


# -- where it may be called -----------------------------------------------------------------------------------


def test_under_logging_s_lock_it_raises() -> None:
    """While logging is configured no thread may wait for a database; ``close`` there returns at once."""
    sink = MemorySink()
    with auditing(sink=sink, timeout=30) as (logger, handler), ThreadPoolExecutor(1) as pool:
        with LOGGINGS_LOCK, pytest.raises(StoreError, match="module lock"):
            logger.info("x")
        with sink.blocked() as hanging:
            stuck = pool.submit(logger.info, "stuck")
            assert hanging.wait(10)
            began = time.monotonic()
            with LOGGINGS_LOCK:
                handler.close()
            assert time.monotonic() - began < 1
        stuck.result(10)
        assert (sink.messages, repr(handler).split()[-1]) == (["stuck"], "CLOSED>")


def test_dblog_s_own_work_is_not_audited(place: Place) -> None:
    """On the root logger with everything at DEBUG: one record in, one row out; what others log within it raises."""
    root = logging.getLogger()
    with auditing(place.url) as (_, handler):
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        logging.getLogger("shop").info("order")
        assert rows(place.owner, "SELECT message FROM logs WHERE seq IS NOT NULL") == [("order",)]
        with own_thread():
            logging.getLogger("psycopg.pool").warning("discarding")
            with pytest.raises(StoreError, match="dblog's own work"):
                logging.getLogger("shop").info("from a password callable")
        root.removeHandler(handler)
        stats = handler.stats()
        assert stats.stored == 1
        assert set(stats.dropped_by) == {"self"}


def test_a_record_logged_while_one_is_captured() -> None:
    """From a ``__str__`` it is stored first; one logged by the logging of itself raises there, and no further."""
    sink = MemorySink()
    with auditing(sink=sink) as (logger, handler):

        class Once:
            def __str__(self) -> str:
                logger.info("inner")
                return "outer"

        logger.info("%s", Once())
        assert sink.messages == ["inner", "outer"]

        class Always:
            def __str__(self) -> str:
                logger.info("%s", self)
                return "never"

        logger.info("%s", Always())
        assert len(sink.messages) <= 4
        assert_conserved(handler.stats())


def test_a_forked_child_is_a_writer_of_its_own(place: Place) -> None:
    """While other threads of the parent store: the child's record is committed, by another instance, from 1 on."""
    with auditing(place.url, timeout=30) as (logger, handler):
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.001):
                logger.info("parent")

        threads = [threading.Thread(target=work) for _ in range(2)]
        logger.info("first")
        for thread in threads:
            thread.start()
        statuses = []
        for number in range(5):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: forking beside threads
                child = os.fork()
            if not child:
                _in_child(logger, number)
            statuses.append(os.waitpid(child, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 5
        emitted = handler.stats().emitted
        assert handler.stats().stored == emitted
    found = rows(place.owner, "SELECT message, count(*), min(seq) FROM logs GROUP BY message, instance_id")
    children = [row for row in found if row[0].startswith("child")]
    assert sorted(children) == [(f"child {number}", 1, 1) for number in range(5)]
    assert sum(count for message, count, _ in found if message in {"first", "parent"}) == emitted


def _in_child(logger: logging.Logger, number: int) -> None:
    signal.alarm(20)
    try:
        logger.info("child %d", number)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _calls(logger: logging.Logger, sink: MemorySink, faults: Sequence[str]) -> int:
    """One call for each fault, and how many there were."""
    for fault in faults:
        if fault == "down":
            sink.down()
        with contextlib.suppress(StoreError):
            logger.info("refused" if fault == "refused" else "stored")
        sink.up()
    return len(faults)


@given(
    calls=st.lists(st.lists(st.sampled_from(["well", "refused", "down"]), max_size=4), min_size=2, max_size=3),
    named=st.booleans(),
)
@examples(15)
def test_dblog_stats_has_it(calls: list[list[str]], named: bool) -> None:
    """Beside the handlers with a queue, each by a name of its own: what was asked of it, with nothing waiting."""
    with contextlib.ExitStack() as stack:
        queued = dblog.DatabaseHandler(sink=MemorySink())
        stack.callback(queued.close)
        handlers = []
        emitted = []
        for number, faults in enumerate(calls):
            sink = MemorySink()
            sink.refuse("refused", ErrorClass.POISON)
            logger, handler = stack.enter_context(auditing(sink=sink, timeout=0.001))
            if named:
                handler.set_name(f"audit {number}")
            handlers.append(handler)
            emitted.append(_calls(logger, sink, faults))
        found = dblog.stats()
        mine = [found[handler._store.name] for handler in handlers]
        assert found[queued._writer.name].emitted == 0
        assert [stats.emitted for stats in mine] == emitted
        for stats in mine:
            assert_conserved(stats)
            assert (stats.queued, stats.in_flight, stats.spooled, stats.state) == (0, 0, 0, "SYNC")
    assert [dblog.stats()[handler._store.name].state for handler in handlers] == ["CLOSED"] * len(calls)


# -- its edges ------------------------------------------------------------------------------------------------


def test_after_close_it_raises() -> None:
    """Any number of times; the process's end is a close, too."""
    sink = MemorySink()
    with auditing(sink=sink) as (logger, handler):
        logger.info("x")
        handler.close()
        handler.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            logger.info("y")
        assert handler.stats().dropped_by == {"closed": 1}
    assert [status.stats.state for status in sink.statuses] == ["SYNC", "CLOSED"]


def test_filters_decide_before_it_does() -> None:
    """What they hold back does not raise; a limit's is counted; a filter that raises is the caller's to hear of."""
    sink, now = MemorySink(), [0.0]
    with auditing(sink=sink) as (logger, handler):
        handler.addFilter(RateLimit(1, 10, clock=lambda: now[0]))
        for _ in range(3):
            logger.info("slow")
        now[0] = 20.0
        logger.info("slow")
        assert [entry.attributes for entry in sink.entries] == [
            {},
            {"dblog": {"suppressed": 2, "suppressed_seconds": 20.0}},
        ]
        assert handler.stats().dropped_by == {"rate_limited": 2}
        handler.filters[:] = [lambda record: record.levelno > 20]
        logger.info("below")
        handler.emit(logging.makeLogRecord({"msg": "emitted", "levelno": 10, "levelname": "DEBUG"}))
        assert sink.messages[2:] == ["emitted"]

        def broken(record: logging.LogRecord) -> bool:
            raise ZeroDivisionError

        handler.filters[:] = [broken]
        with pytest.raises(ZeroDivisionError):
            logger.info("x")


def test_configured_by_a_dictionary(sqlite_url: str) -> None:
    """As any handler, by its lazily exported name; beside another handler, which stores in its own time."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"audit": {"class": "dblog.AuditHandler", "url": sqlite_url, "level": "WARNING", "timeout": 9}},
            "loggers": {"bank.audit": {"handlers": ["audit"], "level": "INFO"}},
        }
    )
    logger = logging.getLogger("bank.audit")
    (handler,) = logger.handlers
    assert isinstance(handler, AuditHandler)
    assert repr(handler) == "<AuditHandler audit (WARNING) SYNC>"
    with recording() as record:
        logger.info("below")
        logger.warning("paid out")
        assert rows(sqlite_url, "SELECT message FROM logs WHERE seq IS NOT NULL") == [("paid out",)]
        assert record.messages == ["below", "paid out"]
    assert handler not in lifecycle.handlers()
    handler.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no queue"),
        ({"url": "sqlite:///x.db", "sink": 1}, "exclude each other"),
        ({"url": "nonsense"}, "not a database URL"),
        ({"url": "sqlite:///x.db", "queue_size": 5}, "'queue_size' is not an option of AuditHandler"),
        ({"url": "sqlite:///x.db", "durability": "spool"}, "'durability' is not an option of AuditHandler"),
        ({"url": "sqlite:///x.db", "retension": 5}, "'retension' is not an option"),
        ({"url": "sqlite:///x.db", "timeout": 0}, "timeout=0 is not allowed"),
        ({"url": "sqlite:///x.db", "timeout": True}, "timeout=True is not allowed"),
        ({"url": "sqlite:///x.db", "timeout": float("nan")}, "timeout=nan is not allowed"),
        ({"url": "sqlite:///x.db", "level": "LOUD"}, "LOUD"),
        ({"url": "sqlite:///x.db", "password": 5}, "password is a int"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    """The sentence names the option and the value; no handler is half made."""
    with pytest.raises(ConfigurationError, match=message):
        AuditHandler(**options)


def test_a_handler_nobody_closed_lets_go(place: Place) -> None:
    """Collected, its connection is closed without a warning."""
    handler = dblog.AuditHandler(place.url)
    handler.handle(logging.makeLogRecord({"msg": "x", "levelno": 20, "levelname": "INFO"}))
    del handler
    gc.collect()
    assert seqs(place.owner) == [1]


END = """
import atexit, logging, sys
from dblog import AuditHandler
logger = logging.Logger("audit")
logger.addHandler(AuditHandler(sys.argv[1]))
atexit.register(logger.info, "at exit")
logger.info("first")
"""


def test_at_the_end_of_a_program(place: Place) -> None:
    """An exit function's record is stored like any other, and the writer's row ends as CLOSED."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", END, place.url], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert seqs(place.owner) == [1, 2]
    assert rows(place.owner, "SELECT state FROM log_instances") == [("CLOSED",)]
