"""What users test with: the sink in memory, its faults, and the fixture."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog.errors import ErrorClass
from dblog.testing import MemorySink, Recording, VirtualClock, assert_conserved, recording
from tests.oracle import examples, until

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {"retry_initial": 0.001, "retry_max": 0.01}


def logger_with(*handlers: logging.Handler) -> logging.Logger:
    """A logger outside of the tree: nothing else sees what it logs."""
    logger = logging.Logger("shop", logging.DEBUG)
    for handler in handlers:
        logger.addHandler(handler)
    return logger


def test_an_entry_is_complete_as_a_database_would_give_it_back() -> None:
    """What the writer fills in is there: service, host, process, instance, sequence and id."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, service="shop")
    logger_with(handler).info("hello")
    assert handler.flush(5)
    (entry,) = sink.entries
    assert (entry.service, entry.seq) == ("shop", 1)
    assert entry.host
    assert entry.pid
    assert entry.instance_id is not None
    assert entry.id is not None
    assert entry.id.version == 7
    assert entry.id.int >> 80 == entry.timestamp // 1000


def test_two_handlers_share_one_sink() -> None:
    """Equal entries with equal sequence numbers are two rows when two writers stored them."""
    sink = MemorySink()
    handlers = [dblog.DatabaseHandler(sink=sink) for _ in range(2)]
    logger = logger_with(*handlers)
    for number in range(10):
        logger.info("record %d", number)
    assert all(handler.flush(5) for handler in handlers)
    assert sorted(sink.messages) == sorted([f"record {number}" for number in range(10)] * 2)
    assert len({entry.id for entry in sink.entries}) == 20
    assert [handler.stats().stored for handler in handlers] == [10, 10]


@pytest.mark.parametrize("kind", [ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT, ErrorClass.CONFIGURATION])
def test_it_fails_as_often_as_told_and_loses_nothing(kind: ErrorClass) -> None:
    """Three failures of any kind are three statements more, and the record is stored."""
    sink = MemorySink()
    sink.fail(3, kind)
    handler = dblog.DatabaseHandler(sink=sink, **QUICK)
    logger_with(handler).info("late")
    assert handler.flush(10)
    assert sink.messages == ["late"]
    assert sink.statements == 4
    assert_conserved(handler.stats())


def test_a_lost_reply_stores_once() -> None:
    """The rows were stored, the answer did not come: the resend finds them and stores nothing twice."""
    sink = MemorySink()
    sink.fail(ambiguous=True)
    handler = dblog.DatabaseHandler(sink=sink, **QUICK)
    logger_with(handler).info("once")
    assert handler.flush(10)
    assert sink.messages == ["once"]
    assert sink.statements == 2
    assert handler.stats().stored == 1


def test_a_refused_row_becomes_a_dead_letter_and_the_rest_is_stored() -> None:
    """As in a database: the sink's letters hold the row it refuses, and it counts as poison."""
    sink = MemorySink()
    sink.refuse("bad")
    handler = dblog.DatabaseHandler(sink=sink)
    logger = logger_with(handler)
    for text in ("one", "bad", "two"):
        logger.info(text)
    assert handler.flush(10)
    handler.close()
    assert sink.messages == ["one", "two"]
    assert len(sink.letters) == 1
    assert handler.stats().failed_by == {"poison": 1}


def test_down_and_up_again() -> None:
    """While it is down nothing is stored and ``flush`` says so; once it is up all is."""
    sink = MemorySink()
    sink.down()
    handler = dblog.DatabaseHandler(sink=sink, **QUICK)
    logger_with(handler).info("waits")
    assert not handler.flush(0.05)
    assert sink.entries == []
    sink.up()
    assert handler.flush(10)
    assert sink.messages == ["waits"]


def test_a_blocked_write_goes_through_when_released() -> None:
    """A frozen server: the caller is not held, and nothing is lost."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink)
    with sink.blocked() as hanging:
        logger_with(handler).error("stuck")
        assert hanging.wait(10)
        assert handler.stats().in_flight == 1
    assert handler.flush(10)
    assert sink.messages == ["stuck"]


def test_a_blocked_write_can_be_aborted() -> None:
    """``operation_timeout`` frees the writer, which then tries again."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, operation_timeout=0.1, **QUICK)
    tried_again = threading.Event()
    with sink.blocked() as hanging:
        logger_with(handler).error("stuck")
        assert hanging.wait(10)
        hanging.clear()
        assert hanging.wait(10), "the first attempt was not aborted"
        tried_again.set()
    assert handler.flush(10)
    assert sink.messages == ["stuck"]
    assert tried_again.is_set()


def test_assert_conserved_tells_a_broken_ledger() -> None:
    """A record in no cell and a drop without a reason are told apart."""
    handler = dblog.DatabaseHandler(sink=MemorySink())
    stats = handler.stats()
    assert_conserved(stats)
    with pytest.raises(AssertionError, match="1 records emitted, 0 accounted for"):
        assert_conserved(dataclasses.replace(stats, emitted=1))
    with pytest.raises(AssertionError, match="reasons do not add up"):
        assert_conserved(dataclasses.replace(stats, emitted=1, dropped=1))
    with pytest.raises(AssertionError, match="reasons do not add up"):
        assert_conserved(dataclasses.replace(stats, emitted=1, failed=1))


def test_recording_filters_by_fields_and_extras() -> None:
    """``wait`` and ``entries`` select by fields of the entry and by extras."""
    logger = logging.getLogger("shop.cart")
    with recording() as made:
        assert isinstance(made, Recording)
        logger.info("one", extra={"article": 1})
        logger.warning("two", extra={"article": 2})
        assert [entry.message for entry in made.wait(level="WARNING")] == ["two"]
        assert [entry.message for entry in made.entries(article=1)] == ["one"]
        assert made.entries(article=1, level="WARNING") == []
        assert made.entries(nonesuch=None) == []
        assert made.messages == ["one", "two"]


def test_recording_leaves_logging_as_it_was() -> None:
    """The root logger's level and handlers are put back, and the handler is closed."""
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    with recording(level="DEBUG") as made:
        assert made.handler in root.handlers
        assert root.isEnabledFor(logging.DEBUG)
    assert (root.level, root.handlers[:]) == before
    assert made.handler.stats().state == "CLOSED"


def test_waiting_for_what_is_not_stored_fails_with_the_reason() -> None:
    """Not a hang: an assertion that says how long was waited."""
    with recording(**QUICK) as made:
        made.sink.down()
        logging.getLogger("shop").info("never")
        with pytest.raises(AssertionError, match="not stored within"):
            made.wait(0.05)
        made.sink.up()


USER_TESTS = """
import logging

def test_it(dblog_sink):
    logging.getLogger("shop").info("hello %s", "Ada", extra={"cart": 7})
    (entry,) = dblog_sink.wait(cart=7)
    assert entry.message == "hello Ada"

def test_each_test_has_its_own(dblog_sink):
    assert dblog_sink.messages == []

def test_without(caplog):
    import dblog
    assert dblog.stats() == {} or all(each.state == "CLOSED" for each in dblog.stats().values())
"""


def test_the_fixture_in_a_user_s_project(tmp_path: Path) -> None:
    """``pytest_plugins = ["dblog.testing"]`` is all it takes, with warnings as errors."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["dblog.testing"]\n')
    (tmp_path / "test_shop.py").write_text(USER_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # not ours, where the temporary folder lies in the checkout
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "asyncio")]
    command = [sys.executable, "-m", "pytest", "-q", "-Werror", *without, str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 passed" in result.stdout


def test_it_is_of_use_without_pytest() -> None:
    """The fixture is for who has pytest; the rest does not need it."""
    code = "import sys; sys.modules['pytest'] = None; from dblog import testing as t; print(hasattr(t, 'dblog_sink'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


# -- failures by code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "state"),
    [("53100", "RETRY"), ("SQLITE_FULL", "RETRY"), ("SQLITE_IOERR_WRITE", "RETRY"), ("42501", "BLOCKED")],
)
def test_it_fails_by_code_as_a_database_would(code: str, state: str) -> None:
    """The code says what is done about it; the record waits, and the fault is counted."""
    sink = MemorySink()
    sink.down(code)
    handler = dblog.DatabaseHandler(sink=sink, **QUICK)
    logger_with(handler).info("waits")
    until(lambda: handler.stats().state == state, say=handler.stats)
    assert str(handler.stats().last_error).startswith(code)
    sink.up()
    assert handler.flush(10)
    assert sink.messages == ["waits"]
    assert sink.fired == sink.statements - 1 >= 1


def test_a_code_that_is_none_is_refused() -> None:
    """A slip of the pen is no unknown failure."""
    sink = MemorySink()
    for tell in (sink.down, lambda kind: sink.fail(1, kind), lambda kind: sink.refuse("text", kind)):
        with pytest.raises(dblog.ConfigurationError, match="'disk full' is no SQLSTATE and no sqlite_errorname"):
            tell("disk full")
    assert sink.fault is None


# -- the clock ------------------------------------------------------------------------------------------------


@given(st.floats(10.0, 500_000.0))
@examples(15)
def test_a_backoff_of_any_length_takes_no_time(seconds: float) -> None:
    """However long the next attempt would have been away, it is made once the clock is there."""
    with VirtualClock() as clock, pytest.MonkeyPatch.context() as monkeypatch:
        sink = MemorySink()
        sink.down(ErrorClass.WAIT)
        handler = dblog.DatabaseHandler(sink=sink, retry_initial=seconds, retry_max=seconds)
        logger_with(handler).error("late")
        waiting = threading.Event()
        chores: Any = handler._writer._chores
        monkeypatch.setattr(chores, "between_attempts", waiting.set)
        assert waiting.wait(10), handler.stats()  # the writer has read the clock, and looks at it now and then
        began = time.monotonic()
        sink.up()
        clock.advance(seconds)
        assert handler.flush(5), handler.stats()
        assert time.monotonic() - began < 4
        assert clock.monotonic() - began > seconds
        handler.close()


def test_an_operation_times_out_by_the_clock() -> None:
    """The watchdog looks at the same clock."""
    with VirtualClock() as clock:
        sink = MemorySink()
        handler = dblog.DatabaseHandler(sink=sink, operation_timeout=3600, **QUICK)
        with sink.blocked() as hanging:
            logger_with(handler).error("stuck")
            assert hanging.wait(10)
            hanging.clear()
            clock.advance(3600)
            assert hanging.wait(10), "the first attempt was not aborted"
        assert handler.flush(10)
        assert sink.messages == ["stuck"]
        handler.close()


def test_the_clock_leaves_time_as_it_was() -> None:
    """No module of dblog keeps it, rows have the time of day all along, and it does not go back."""
    from dblog import rounds

    sink = MemorySink()
    with VirtualClock() as clock:
        clock.advance(86_400)
        handler = dblog.DatabaseHandler(sink=sink)
        logger_with(handler).info("today")
        assert handler.flush(5)
        with pytest.raises(ValueError, match="seconds=-1 is not allowed"):
            clock.advance(-1)
        handler.close()
    assert abs(sink.entries[0].timestamp / 1e6 - time.time()) < 60
    assert vars(rounds)["time"] is time


def test_a_handler_outside_of_the_clock_is_refused() -> None:
    """A writer at work would see the time jump back: said by name, at either end of the block."""
    handler = dblog.DatabaseHandler(sink=MemorySink())
    clock = VirtualClock()
    clock.__enter__()
    logger_with(handler).info("at work")
    assert handler.flush(5)
    with pytest.raises(AssertionError, match=r"close these in the block: <DatabaseHandler"):
        clock.__exit__(None)
    with pytest.raises(AssertionError, match="close these before the clock is entered"):
        clock.__enter__()
    handler.close()
