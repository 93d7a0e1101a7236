"""Nothing that dblog does on the way to the database comes back as a record of its own."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from typing import TYPE_CHECKING, Any

import aiosqlite
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dblog import DatabaseHandler, diagnostics
from dblog.errors import ErrorClass
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, rows, until

if TYPE_CHECKING:
    from collections.abc import Iterator

CHATTY = ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "psycopg", "psycopg.pool", "asyncio", "aiosqlite")
STORED = "SELECT logger, message FROM logs WHERE seq IS NOT NULL ORDER BY timestamp, seq"


@pytest.fixture
def everything_at_debug() -> Iterator[logging.Logger]:
    """The root logger, with every logger that a driver has at DEBUG and nothing else on it."""
    root = logging.getLogger()
    handlers, root.handlers[:] = root.handlers[:], []
    root.setLevel(logging.DEBUG)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield root
    root.handlers[:] = handlers


def settled(handler: DatabaseHandler) -> None:
    """The writer has stored everything."""
    assert handler.flush(10), handler.stats()
    assert_conserved(handler.stats())


def test_one_record_in_one_row_out(database_url: str, logging_url: str, everything_at_debug: logging.Logger) -> None:
    """With the root logger and the drivers' own at DEBUG; what they say in the writer's thread is dropped{self}."""
    handler = DatabaseHandler(logging_url, **QUICK)
    everything_at_debug.addHandler(handler)
    logging.getLogger("app").info("one")
    settled(handler)
    logging.getLogger("app").info("two")
    settled(handler)
    handler.close()
    everything_at_debug.removeHandler(handler)
    assert rows(database_url, STORED) == [("app", "one"), ("app", "two")]
    stats = handler.stats()
    assert (stats.stored, stats.failed) == (2, 0)
    assert stats.dropped == stats.dropped_by.get("self", 0) == stats.emitted - 2
    if database_url.startswith("postgresql"):
        assert stats.dropped, "psycopg tells of its connections: it has to be seen and dropped"


def test_the_writers_own_words_are_no_loss(postgres_url: str, everything_at_debug: logging.Logger) -> None:
    """They are counted, but make no loss row, which would be written every second for ever."""
    handler = DatabaseHandler(postgres_url, **QUICK)
    everything_at_debug.addHandler(handler)
    logging.getLogger("app").info("one")
    settled(handler)
    handler.close()
    assert handler.stats().dropped_by["self"]
    assert rows(postgres_url, "SELECT message FROM logs WHERE seq IS NULL") == []


def test_handlers_do_not_feed_each_other(
    sqlite_url: str, postgres_url: str, everything_at_debug: logging.Logger
) -> None:
    """What one writer's driver says is nobody's record."""
    handlers = [DatabaseHandler(url, **QUICK) for url in (sqlite_url, postgres_url)]
    for handler in handlers:
        everything_at_debug.addHandler(handler)
    for number in range(5):
        logging.getLogger("app").info("record %d", number)
        for handler in handlers:
            settled(handler)
    for handler in handlers:
        handler.close()
    expected = [("app", f"record {number}") for number in range(5)]
    assert rows(sqlite_url, STORED) == expected
    assert rows(postgres_url, STORED) == expected


async def test_the_applications_own_drivers_are_heard(sqlite_url: str, everything_at_debug: logging.Logger) -> None:
    """asyncio, aiosqlite and SQLAlchemy in the application's threads are its records: each one in, one row out."""
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **QUICK)
    stored = DatabaseHandler(sqlite_url, **QUICK)
    everything_at_debug.addHandler(handler)
    everything_at_debug.addHandler(stored)
    async with aiosqlite.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        await connection.execute("SELECT 1")
    engine = sa.create_engine("sqlite://", echo="debug")
    with engine.connect() as session:
        session.execute(sa.text("SELECT 'app'"))
    engine.dispose()
    await asyncio.to_thread(settled, handler)
    await asyncio.to_thread(settled, stored)
    everything_at_debug.removeHandler(handler)
    everything_at_debug.removeHandler(stored)
    handler.close()
    stored.close()
    assert {"aiosqlite", "asyncio"} & {entry.logger for entry in sink.entries}
    assert any("SELECT 'app'" in message for message in sink.messages)
    assert rows(sqlite_url, "SELECT count(*) FROM logs WHERE seq IS NOT NULL") == [(len(sink.entries),)]
    stats = handler.stats()
    assert stats.emitted - stats.dropped_by.get("self", 0) == len(sink.entries)  # the other writer's, that is


class Talks:
    """Logs while it is formatted, so many levels deep."""

    def __init__(self, log: logging.Logger, depth: int) -> None:
        self._log, self._depth = log, depth

    def __str__(self) -> str:
        if self._depth:
            self._log.info("depth %d %s", self._depth, Talks(self._log, self._depth - 1))
        return "talked"


@given(depth=st.integers(0, 6), times=st.integers(1, 4))
def test_a_str_that_logs(depth: int, times: int) -> None:
    """Its record is stored; what is logged while *that* is formatted is counted as dropped{reentrant}."""
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **QUICK)
    log = logging.Logger("life")
    log.addHandler(handler)
    for _ in range(times):
        log.info("outer %s", Talks(log, depth))
    handler.close()
    stats = handler.stats()
    assert_conserved(stats)
    inner = min(depth, 1)
    refused = 1 if depth > 1 else 0
    assert stats.emitted == times * (1 + inner + refused)
    assert stats.stored == len(sink.entries) == times * (1 + inner)
    assert stats.dropped_by == ({"reentrant": times} if refused else {})
    assert sink.messages.count("outer talked") == times


class IntoLogging(io.TextIOBase):
    """What programs put in the place of ``sys.stderr`` to have everything in their log."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def write(self, text: str) -> int:
        if text.strip():
            self._log.warning("%s", text.strip())
        return len(text)


def test_our_own_lines_do_not_go_through_logging(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They go to the process's own stderr, also where ``sys.stderr`` is a logger: no loop, no row."""
    monkeypatch.setattr(diagnostics, "_last", {})
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **QUICK)
    log = logging.Logger("life")
    log.addHandler(handler)
    monkeypatch.setattr(sys, "stderr", IntoLogging(log))
    sink.down(ErrorClass.CONFIGURATION)
    log.info("one")
    until(lambda: handler.stats().state == "BLOCKED")
    print("two", file=sys.stderr)
    sink.up()
    assert handler.flush(10)
    monkeypatch.undo()
    handler.close()
    assert sink.messages == ["one", "two"]
    assert handler.stats().emitted == 2
    assert capfd.readouterr().err.count("dblog: ") == 1


@pytest.mark.parametrize("stderr", ["none", "closed", "raises"])
def test_a_stderr_of_no_use_harms_nobody(monkeypatch: pytest.MonkeyPatch, stderr: str) -> None:
    """No stderr (``pythonw``, daemons), a closed one, one that raises: the line is lost, nothing else."""

    class Raises(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    useless: dict[str, Any] = {"none": None, "closed": closed, "raises": Raises()}
    monkeypatch.setattr(diagnostics, "_last", {})
    monkeypatch.setattr(sys, "__stderr__", useless[stderr])
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **QUICK)
    sink.down()
    handler.handle(logging.makeLogRecord({"msg": "one"}))
    until(lambda: handler.stats().state == "RETRY")
    sink.up()
    assert handler.flush(10)
    handler.close()
    assert sink.messages == ["one"]
