"""A fork copies one thread and everything in memory: the child starts afresh, the parent notices nothing."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dblog import DatabaseHandler, lifecycle
from dblog.testing import MemorySink, assert_conserved
from dblog.watchdog import watchdog
from tests.oracle import QUICK, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

FORKS = 200


@contextlib.contextmanager
def logging_to(url: str, **options: Any) -> Iterator[tuple[logging.Logger, DatabaseHandler]]:
    """A logger with a handler on ``url``."""
    handler = DatabaseHandler(url, **{**QUICK, **options})
    logger = logging.Logger("life")
    logger.addHandler(handler)
    try:
        yield logger, handler
    finally:
        handler.close()


def sink_of(handler: DatabaseHandler) -> Any:
    """Where its writer stores."""
    return handler._writer._sink


def fork(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child that ends as an interpreter does, but for what pytest registered; its pid."""
    child = os.fork()
    if child:
        return child
    signal.alarm(20)
    status = 1
    try:
        work()
        lifecycle._finish_all()
        logging.shutdown()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def told(work: Callable[[], object]) -> Any:
    """What ``work`` returns in a forked child, as JSON makes it."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as answer:
        child = fork(lambda: os.write(writer, json.dumps(work()).encode()))
        os.close(writer)
        text = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(text)


def instances(url: str) -> dict[Any, list[int]]:
    """The ``seq`` of every stored record by writer, in order."""
    found = rows(url, "SELECT instance_id, seq FROM logs WHERE seq IS NOT NULL ORDER BY instance_id, seq")
    return {instance: [seq for _, seq in group] for instance, group in itertools.groupby(found, lambda row: row[0])}


@contextlib.contextmanager
def three_threads(logger: logging.Logger) -> Iterator[Callable[[], int]]:
    """Three threads that log all the time; how many records it were."""
    stop = threading.Event()
    counts = [0, 0, 0]

    def work(index: int) -> None:
        while not stop.wait(0.001):
            for _ in range(5):
                logger.info("parent %d", counts[index])
                counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(counts)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _status(child: int) -> int:
    return os.waitpid(child, 0)[1]


def _exit_code(process: multiprocessing.process.BaseProcess) -> int | None:
    process.join(20)
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("birth", ["os.fork", "multiprocessing"])
def test_a_storm_of_forks(database_url: str, logging_url: str, birth: str) -> None:
    """No child hangs, nobody's record is lost or stored twice, every writer's ``seq`` starts at 1 without a gap."""
    each = 5

    def work(number: int) -> None:
        for index in range(each):
            logger.info("child %d %d", number, index)

    with logging_to(logging_url) as (logger, handler):
        context = multiprocessing.get_context("fork")
        with three_threads(logger) as count:
            born: list[Callable[[], int | None]] = []
            failed = 0
            for number in range(FORKS):
                if birth == "os.fork":
                    born.append(partial(_status, fork(partial(work, number))))
                else:
                    process = context.Process(target=work, args=(number,))
                    process.start()
                    born.append(partial(_exit_code, process))
                if len(born) == 4:
                    failed += born.pop(0)() != 0
            failed += sum(wait() != 0 for wait in born)
        handler.close()
        stats = handler.stats()
    assert not failed
    assert_conserved(stats)
    assert (stats.stored, stats.dropped, stats.failed) == (count(), 0, 0), stats
    assert rows(database_url, "SELECT count(*), count(DISTINCT id) FROM logs") == [(count() + FORKS * each,) * 2]
    found = instances(database_url)
    assert len(found) == 1 + FORKS
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in found.values())


PROGRAM = Path(__file__).parent / "programs" / "hooked.py"


@pytest.mark.parametrize(
    "kind", ["durable", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("memory", "spool", "audit"))]
)
def test_hooks_that_log_before_ours(database_url: str, logging_url: str, tmp_path: Path, kind: str) -> None:
    """Whoever registered a fork hook before dblog was imported may log in it, on both sides, while threads log.

    Each record is stored once, as that of the process it was logged in, and neither process loses or doubles any.
    """
    given = [str(PROGRAM), kind, logging_url, str(tmp_path / "spool")]
    command = [sys.executable, "-W", "error", "-W", "ignore:This process", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(database_url, "SELECT message, pid FROM logs WHERE seq IS NOT NULL")
    assert [(message, pid) for message, pid in found if message.split()[1] != str(pid)] == []
    counts = Counter(message.split()[0] for message, _ in found)
    hooks = ["child"] if kind == "audit" else ["before", "parent", "child"]
    assert counts.pop("thread") > 0
    assert counts == {"first": 1, **dict.fromkeys(hooks, 6), "own": 6, "last": 1}
    writers = instances(database_url)
    assert len(writers) == 7
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in writers.values())
    assert rows(database_url, "SELECT count(*) FROM logs WHERE seq IS NULL") == [(0,)]
    assert [*(tmp_path / "spool").glob("*/*")] == []


def test_the_parents_connection_survives_its_children(postgres_url: str) -> None:
    """The backend that served the parent before its children ended serves it after."""

    def work() -> None:
        logger.info("child")

    def backend() -> Any:
        return sink_of(handler)._connection.info.backend_pid

    with logging_to(postgres_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10)
        before = backend()
        children = [fork(work) for _ in range(5)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 5
        logger.info("after")
        assert handler.flush(10)
        assert backend() == before
        assert handler.stats().last_error is None
    assert len(rows(postgres_url, "SELECT 1 FROM logs WHERE seq IS NOT NULL")) == 7


def test_a_fork_in_the_middle_of_a_transaction(postgres_url: str) -> None:
    """What the parent has begun is not rolled back by a child that ends."""

    def child() -> None:
        gc.collect()
        logger.info("child")

    with logging_to(postgres_url, flush_interval=60) as (logger, handler):
        logger.info("first")
        assert handler.flush(10)
        until(lambda: rows(postgres_url, "SELECT 1 FROM log_instances"))  # the writer's last statement for ten seconds
        until(lambda: handler._writer.buffer.parked)
        sink = sink_of(handler)
        connection = sink._connection
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE begun AS SELECT 1")
        assert os.waitpid(fork(child), 0)[1] == 0
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        connection.execute("COMMIT")
    assert rows(postgres_url, "SELECT * FROM begun") == [(1,)]


def test_sqlite_is_closed_while_its_process_forks(sqlite_url: str) -> None:
    """A child inherits neither a connection nor a lock, also when the fork comes in the middle of a batch."""
    path = sqlite_url.removeprefix("sqlite:///")
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10)
        sink = sink_of(handler)
        assert Path(path + "-wal").exists()
        seen: list[bool] = []
        hook = sink.wake_up

        def look() -> None:
            seen.append(sink._link.connection is None)
            hook()

        sink.wake_up = look
        assert told(lambda: sink_of(handler)._link.connection) is None
        assert seen == [True]
        logger.info("after")
        assert handler.flush(10)
    assert len(rows(sqlite_url, "SELECT 1 FROM logs WHERE seq IS NOT NULL")) == 2


_HOLD_THE_LOCK = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()  # not to the end: the child inherits the other side of the pipe
"""


def test_a_fork_while_another_process_holds_the_file(sqlite_url: str) -> None:
    """A writer that waits for the lock gives way to the fork; nobody's record is lost."""
    path = sqlite_url.removeprefix("sqlite:///")
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10)
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD_THE_LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            logger.info("waits for the lock")
            until(sink_of(handler)._busy.locked)
            child = fork(lambda: logger.info("child"))
            other.communicate("\n")
        assert handler.flush(10)
        assert os.waitpid(child, 0)[1] == 0
    found = {message for (message,) in rows(sqlite_url, "SELECT message FROM logs WHERE seq IS NOT NULL")}
    assert found == {"before", "waits for the lock", "child"}


def test_inherited_records_belong_to_the_parent(database_url: str) -> None:
    """What waits at the fork is stored by the parent, once; the child has a name, a ``seq`` and counters of its own."""
    with logging_to(database_url, flush_interval=60) as (logger, handler):
        handler._writer._last_flush = float("inf")
        for number in range(10):
            logger.info("parent %d", number)
        before = handler._writer.origin.instance_id

        def child() -> dict[str, Any]:
            stats = handler.stats()
            fresh = [stats.emitted, stats.queued, stats.stored, stats.dropped, len(handler._writer.buffer)]
            logger.info("child")
            assert handler.flush(10)
            return {"fresh": fresh, "name": str(handler._writer.origin.instance_id), "pid": handler._writer.origin.pid}

        answer = told(child)
        assert answer["fresh"] == [0] * 5
        assert answer["name"] != str(before)
        assert answer["pid"] != os.getpid()
        assert handler.stats().queued == 10
        assert handler.flush(10)
    found = rows(database_url, "SELECT message, seq, pid FROM logs WHERE seq IS NOT NULL")
    assert sorted(found) == sorted(
        [("child", 1, answer["pid"]), *((f"parent {n}", n + 1, os.getpid()) for n in range(10))]
    )


def test_a_child_that_never_logs_has_nothing_to_end(database_url: str) -> None:
    """It starts no thread, opens no connection and leaves no row."""
    with logging_to(database_url) as (logger, handler):
        logger.info("parent")
        assert handler.flush(10)

        def child() -> list[Any]:
            names = [thread.name for thread in threading.enumerate() if thread.name.startswith("dblog")]
            sink = sink_of(handler)
            return [names, sink._link.connection if hasattr(sink, "_link") else sink._connection]

        assert told(child) == [[], None]
    assert len(rows(database_url, "SELECT 1 FROM log_instances")) == 1


LOCKS: dict[str, Callable[[DatabaseHandler], Any]] = {
    "the ledger's": lambda handler: handler._writer.ledger.lock,
    "the one of starting": lambda handler: handler._writer._start_lock,
    "the one of delivering": lambda handler: handler._writer._working,
    "the handler's": lambda handler: handler.lock,
    "logging's": lambda _: vars(logging)["_lock"],
    "the watchdog's": lambda _: watchdog._wake,
}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_fork_while_another_thread_holds_a_lock(sqlite_url: str, lock: str) -> None:
    """The child's locks are its own: it logs, stores and ends."""
    held, release = threading.Event(), threading.Event()

    with logging_to(sqlite_url) as (logger, handler):

        def hold() -> None:
            one = LOCKS[lock](handler)
            with one if not hasattr(one, "locked") or not one.locked() else contextlib.nullcontext():
                held.set()
                release.wait(1 if lock == "logging's" else 20)

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            assert held.wait(5)
            child = fork(lambda: logger.info("child"))
            assert os.waitpid(child, 0)[1] == 0
        finally:
            release.set()
            thread.join()
    assert rows(sqlite_url, "SELECT message, seq FROM logs WHERE seq IS NOT NULL") == [("child", 1)]


def test_a_fork_while_the_writer_is_stuck() -> None:
    """A batch that hangs in the parent's driver is the parent's trouble."""
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **QUICK)
    logger = logging.Logger("life")
    logger.addHandler(handler)
    with sink.blocked() as hanging:
        logger.info("parent")
        assert hanging.wait(5)

        def child() -> list[Any]:
            sink.fault = None
            logger.info("child")
            return [handler.flush(10), sink.messages, handler.stats().stored]

        assert told(child) == [True, ["child"], 1]
    assert handler.flush(10)
    assert sink.messages == ["parent"]
    handler.close()


def test_closed_stays_closed_in_a_child() -> None:
    """A handler closed before the fork is closed after it."""
    handler = DatabaseHandler(sink=MemorySink())
    handler.close()

    def child() -> Any:
        handler.handle(logging.makeLogRecord({"msg": "late"}))
        return handler.stats().dropped_by

    assert told(child) == {"closed": 1}


def test_handlers_made_in_a_child_are_its_own(database_url: str) -> None:
    """A child may configure logging afresh."""

    def child() -> None:
        own = DatabaseHandler(database_url, **QUICK)
        logger = logging.Logger("child")
        logger.addHandler(own)
        logger.info("of its own")

    with logging_to(database_url) as (logger, _):
        logger.info("parent")
        assert os.waitpid(fork(child), 0)[1] == 0
    assert {message for (message,) in rows(database_url, "SELECT message FROM logs WHERE seq IS NOT NULL")} == {
        "parent",
        "of its own",
    }


def test_the_writer_imports_nothing(database_url: str) -> None:
    """A fork during an import would leave that module locked in the child: all is loaded with the handler."""
    code = (
        "import logging, sys, dblog\n"
        "handler = dblog.DatabaseHandler(sys.argv[1])\n"
        "before = set(sys.modules)\n"
        "handler.handle(logging.makeLogRecord({'msg': 'x'}))\n"
        "assert handler.flush(10)\n"
        "handler.close()\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_forked_child_collects_nothing_of_its_parents() -> None:
    """A finaliser set for the parent's writer does not seal it in the child."""
    handler = DatabaseHandler(sink=MemorySink(), flush_interval=60)
    parents = handler._writer

    def child() -> Any:
        nonlocal handler
        del handler
        gc.collect()
        return parents.state

    assert told(child) == "NEW"
    handler.close()
