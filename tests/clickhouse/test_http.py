"""A server over HTTP that refuses, hangs, dies and comes back: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import base64
import contextlib
import logging
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dblog
from dblog import migrate
from dblog.entry import LogEntry
from dblog.errors import ErrorClass, StoreError
from dblog.opening import new_origin
from dblog.options import Options
from dblog.sink import DeadLetter
from dblog.store import opener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clickhouse.front import Front

PROGRAMS = Path(__file__).parent / "programs"
NOW = time.time_ns() // 1000


@pytest.fixture
def place(front: Front) -> Iterator[Front]:
    """The server, well again, and with empty tables."""
    front.mend()
    ask(front, "TRUNCATE TABLE logs")
    yield front
    front.mend()


def ask(front: Front, sql: str) -> list[tuple[Any, ...]]:
    import clickhouse_connect

    with contextlib.closing(clickhouse_connect.get_client(host="127.0.0.1", port=front.port)) as client:
        if not sql.startswith("SELECT"):
            client.command(sql)
            return []
        return [tuple(row) for row in client.query(sql).result_rows]


@contextlib.contextmanager
def sink_of(front: Front, password: Any = None, **options: Any) -> Iterator[Any]:
    checked = Options.of(**options)
    sink = opener(front.url, checked, password)(new_origin(checked))
    try:
        yield sink
    finally:
        sink.close()


def rows(count: int, first: int = 1) -> list[tuple[int, LogEntry]]:
    return [(seq, LogEntry(NOW + seq, "INFO", 9, "a.b", f"m{seq}")) for seq in range(first, first + count)]


@contextlib.contextmanager
def logging_to(front: Front, **options: Any) -> Iterator[dblog.DatabaseHandler]:
    given = {"flush_interval": 0.05, "retry_initial": 0.05, "retry_max": 0.2} | options
    handler = dblog.DatabaseHandler(url=front.url, **given)
    logger = logging.getLogger("here")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        handler.close()


def test_a_handler_stores_over_http(place: Front) -> None:
    """Records come in, entries are in the table, the writer has its row there, and the ledger says so."""
    with logging_to(place, service="svc") as handler:
        for number in range(1000):
            logging.getLogger("here").info("number %d", number, extra={"number": number})
        assert handler.flush(30)
        assert handler.stats().stored == 1000
    assert ask(place, "SELECT count(), uniqExact(seq), max(message) FROM logs") == [(1000, 1000, "number 999")]
    assert ask(place, "SELECT state, stored FROM log_instances FINAL WHERE service = 'svc'") == [("CLOSED", 1000)]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_an_answer_that_is_lost_is_no_row_twice(place: Front, times: int) -> None:
    """The INSERT was executed: what is sent again is known by its token, without waiting for a merge."""
    with logging_to(place) as handler:
        place.fault("swallow", times)
        for number in range(500):
            logging.getLogger("here").info("number %d", number)
        assert handler.flush(30)
        assert (handler.stats().stored, handler.stats().failed) == (500, 0)
    assert ask(place, "SELECT count(), uniqExact(seq) FROM logs WHERE seq IS NOT NULL") == [(500, 500)]


def test_a_server_that_is_killed_and_comes_back_has_every_row_once(place: Front) -> None:
    """Records are emitted before, while it is away, and after."""
    with logging_to(place) as handler:
        for phase in range(3):
            for number in range(200):
                logging.getLogger("here").info("%d %d", phase, number)
            if phase == 0:
                assert handler.flush(30)
                place.kill()
            if phase == 1:
                assert not handler.flush(0.3) or handler.stats().spooled
                place.again()
        assert handler.flush(30)
        assert handler.stats().emitted == 600
    assert ask(place, "SELECT count(), uniqExact(seq) FROM logs FINAL WHERE logger = 'here'") == [(600, 600)]


@given(faults=st.lists(st.sampled_from(("swallow", "241", "159", "210", "319", "http502", "kill", "")), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=8)
@pytest.mark.timeout(180)
def test_whatever_befalls_the_server_every_record_is_stored_once(place: Front, faults: list[str]) -> None:
    """In any order, and more than one at a time; the ledger says what the table holds."""
    place.mend()
    ask(place, "TRUNCATE TABLE logs")
    with logging_to(place, operation_timeout=5) as handler:
        for number, fault in enumerate(faults):
            if fault == "kill":
                place.kill()
                place.again()
            elif fault:
                place.fault(fault, number % 3 + 1)
            for record in range(50):
                logging.getLogger("here").info("%d %d", number, record)
            if number % 2:
                assert handler.flush(30)
        assert handler.flush(30)
        stats = handler.stats()
        assert (stats.emitted, stats.stored) == (50 * len(faults), 50 * len(faults))
    found = ask(place, "SELECT count(), uniqExact(seq) FROM logs FINAL WHERE logger = 'here'")
    assert found == [(50 * len(faults), 50 * len(faults))]


def test_a_call_that_hangs_is_freed_from_another_thread(place: Front) -> None:
    """It raises at once, its rows may be stored, and the sink is usable again."""
    with sink_of(place) as sink:
        sink.write(rows(5))
        place.fault("hang")
        raised: list[StoreError] = []

        def write() -> None:
            try:
                sink.write(rows(5, 6))
            except StoreError as error:
                raised.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        assert place.hanging() == 1
        since = time.monotonic()
        sink.abort()
        thread.join(10)
        assert time.monotonic() - since < 2
        assert [(error.kind, error.ambiguous) for error in raised] == [(ErrorClass.RECONNECT, True)]
        place.mend()
        sink.write(rows(5, 6), replay=True)
    assert ask(place, "SELECT count() FROM logs") == [(10,)]


def test_a_writer_does_not_hang_with_the_server(place: Front) -> None:
    """``operation_timeout`` is kept from outside; once the server is well, everything is stored, once."""
    with logging_to(place, operation_timeout=0.5) as handler:
        logging.getLogger("here").info("before")
        assert handler.flush(30)
        place.fault("hang", 3)
        for number in range(100):
            logging.getLogger("here").info("number %d", number)
        assert handler.flush(30)
    assert ask(place, "SELECT count(), uniqExact(seq) FROM logs WHERE logger = 'here'") == [(101, 101)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("241", ErrorClass.WAIT),
        ("243", ErrorClass.WAIT),
        ("252", ErrorClass.WAIT),
        ("159", ErrorClass.RESEND),
        ("497", ErrorClass.CONFIGURATION),
        ("516", ErrorClass.CONFIGURATION),
        ("60", ErrorClass.CONFIGURATION),
        ("469", ErrorClass.POISON),
        ("210", ErrorClass.RECONNECT),
        ("319", ErrorClass.RECONNECT),
        ("49", ErrorClass.UNKNOWN),
    ],
)
def test_a_refusal_is_classed_by_its_code_and_its_text_kept_back(place: Front, code: str, kind: ErrorClass) -> None:
    """The text of the server quotes values; ours does not. The next call is a new attempt."""
    with sink_of(place) as sink:
        place.fault(code)
        with pytest.raises(StoreError) as caught:
            sink.write(rows(3))
        assert caught.value.kind is kind
        assert caught.value.code == f"{code} BY_TEST"
        assert "secret" not in str(caught.value)
        assert caught.value.ambiguous is (kind is not ErrorClass.POISON)
        sink.write(rows(3), replay=True)
    assert ask(place, "SELECT count() FROM logs") == [(3,)]


def test_a_proxys_answer_is_no_answer_of_the_servers(place: Front) -> None:
    """Then the rows wait until the server is to be had again."""
    with sink_of(place) as sink:
        place.fault("http503")
        with pytest.raises(StoreError) as caught:
            sink.write(rows(3))
        assert caught.value.kind is ErrorClass.RECONNECT


def test_whether_the_server_is_there_is_seen_without_logging_in(place: Front) -> None:
    """Before the first connection, and while it is away."""
    with sink_of(place) as sink:
        assert sink.reachable()
        place.kill()
        try:
            assert not sink.reachable()
        finally:
            place.again()
        assert sink.reachable()


def test_a_password_is_asked_for_at_each_connect(place: Front) -> None:
    """It may have expired in between."""
    passwords = iter(["first", "second"])
    with sink_of(place, password=lambda: next(passwords)) as sink:
        for password in ("first", "second"):
            sink.write(rows(1))
            login = base64.b64decode(place.seen().removeprefix("Basic ")).decode()
            assert login == f"default:{password}"
            sink.close()


def test_what_has_to_be_written_down_is_or_its_caller_knows(place: Front) -> None:
    """An ``AuditHandler`` returns when the server has said that it is stored, and raises where it has not."""
    handler = dblog.AuditHandler(url=place.url, operation_timeout=0.5)
    logger = logging.getLogger("audit")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        logger.info("stored")
        assert ask(place, "SELECT message FROM logs") == [("stored",)]
        place.fault("241", 1_000_000)
        with pytest.raises(StoreError):
            logger.info("refused")
        place.mend()
        logger.info("again")
    finally:
        logger.removeHandler(handler)
        handler.close()
    found = ask(place, "SELECT message FROM logs FINAL WHERE logger = 'audit' ORDER BY seq")
    assert found == [("stored",), ("again",)]


def test_a_forked_service_stores_what_every_process_of_it_logs(place: Front) -> None:
    """A child neither uses nor closes the connection of its parent."""
    program = [sys.executable, str(PROGRAMS / "forking.py"), place.url]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = ask(place, "SELECT logger, count() FROM logs WHERE service = 'forking' GROUP BY logger ORDER BY logger")
    assert found == [(name, 50) for name in ("after", "before", "forked", "multi", "parent")]
    assert ask(place, "SELECT uniqExact(instance_id) FROM logs WHERE service = 'forking'") == [(3,)]


def test_the_driver_says_nothing_of_our_calls_and_all_of_others(place: Front, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is told once, whichever call meets it; an application that uses the driver itself hears of its own."""
    import clickhouse_connect

    caplog.set_level(logging.DEBUG)
    letter = DeadLetter(uuid.uuid4(), NOW, uuid.uuid4(), None, "poison", "x", 1, "{}")
    calls: list[Callable[[Any], Any]] = [
        lambda sink: sink.write(rows(1, 2)),
        lambda sink: sink.present(1, 2, 0),
        lambda sink: sink.dead_letter([letter]),
    ]
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink_of(place)) for _ in calls]
        theirs = stack.enter_context(contextlib.closing(clickhouse_connect.get_client(port=place.port)))
        caplog.clear()
        for sink in sinks:
            sink.write(rows(1))
        place.kill()
        try:
            for sink, call in zip(sinks, calls, strict=True):
                for _ in range(2):  # connected, and connecting
                    with pytest.raises(StoreError):
                        call(sink)
            assert caplog.records == []
            with pytest.raises(Exception, match="Error"):
                theirs.query("SELECT 1")
            assert caplog.records
        finally:
            place.again()


def test_upgrades_of_several_processes_at_once(place: Front) -> None:
    """Every replica of a service may start with ``dblog upgrade``."""
    program = [sys.executable, "-m", "dblog", "upgrade", "--url", place.url, "--table", "together"]
    running = [subprocess.Popen(program, stdout=-1, stderr=-1, text=True) for _ in range(3)]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in running] == [("", 0)] * 3
    assert migrate.check(place.url, table="together").ok
    migrate.downgrade(place.url, table="together")
    assert migrate.current(place.url, table="together") is None


def test_a_process_that_ends_at_once_stores_what_it_logged(place: Front) -> None:
    """Its first batch is sent while it exits; the driver would load pandas for that, which is too late then."""
    program = (
        "import atexit, logging, sys\n"
        "heavy = {'pandas', 'pyarrow', 'polars'}\n"
        "atexit.register(lambda: print(*sorted(heavy & set(sys.modules))))\n"  # the last thing that is done
        "import dblog\n"
        "logging.getLogger().addHandler(dblog.DatabaseHandler(url=sys.argv[1], shutdown_timeout=30))\n"
        "for number in range(20): logging.warning('number %d', number)\n"
    )
    run = [sys.executable, "-c", program, place.url]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")
    assert ask(place, "SELECT count() FROM logs") == [(20,)]
