"""``SyncLogReader``: the same methods, without ``async``, wherever one is."""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import dblog
from dblog import ConfigurationError, LogReader, QuerySyntaxError, SyncLogReader
from tests.administered import entry, fill

if TYPE_CHECKING:
    from collections.abc import Callable

ENDLESS = sa.text("""
    WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 2000000000)
    SELECT count(*) FROM counted
""")


def public(kind: type) -> dict[str, Callable[..., Any]]:
    return {name: each for name, each in vars(kind).items() if not name.startswith("_") and callable(each)}


def test_it_has_the_methods_of_the_reader() -> None:
    """Name by name, parameter by parameter; ``aclose`` is called ``close``."""
    theirs, ours = public(LogReader), public(SyncLogReader)
    assert {*theirs, "close"} - {"aclose"} == set(ours)
    for name in set(theirs) & set(ours):
        expected, found = inspect.signature(theirs[name]).parameters, inspect.signature(ours[name]).parameters
        assert list(found.values()) == list(expected.values())
        assert ours[name].__doc__
    assert inspect.signature(LogReader).parameters == inspect.signature(SyncLogReader).parameters


def test_it_answers_and_raises_as_the_reader_does(database_url: str, reading_url: str) -> None:
    """Results and errors are the reader's own; the thread ends with ``close``, and the next call starts another."""
    fill(database_url, [entry(number) for number in range(5)])
    before = threading.active_count()
    with SyncLogReader(reading_url) as reader:
        assert [each.lineno for each in reader.search(limit=2)] == [4, 3]
        with pytest.raises(QuerySyntaxError):
            reader.search("a:(")
        assert reader.count() == (5, True)
    assert threading.active_count() == before
    assert reader.count() == (5, True)
    reader.close()
    reader.close()
    assert threading.active_count() == before


def test_a_tail_that_does_not_follow_ends(database_url: str, reading_url: str) -> None:
    """The loop over it does, with the place for the next."""
    with SyncLogReader(reading_url) as reader:
        *_, last = reader.tail(follow=False)
        fill(database_url, [entry(number) for number in range(5)])
        batches = list(reader.tail(after=last.token, limit=2, lossless=True, follow=False))
        assert [each.lineno for batch in batches for each in batch] == [*range(5)]
        assert not any(batch.entries for batch in reader.tail(after=batches[-1].token, follow=False))


async def test_it_works_where_a_loop_is_running(database_url: str, reading_url: str) -> None:
    """As in a notebook."""
    fill(database_url, [entry(1)])
    with SyncLogReader(reading_url) as reader:
        assert reader.count().value == 1
    assert asyncio.get_running_loop().is_running()


def test_several_threads_may_share_it(database_url: str, reading_url: str) -> None:
    """Each gets its own answer."""
    fill(database_url, [entry(number) for number in range(8)])
    found: list[int | None] = []
    with SyncLogReader(reading_url) as reader:

        def ask(line: int) -> None:
            found.extend(each.lineno for each in reader.search(f"lineno:{line}"))

        threads = [threading.Thread(target=ask, args=(line,)) for line in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, found)) == [str(line) for line in range(8)]


def test_ctrl_c_ends_the_query(reading_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``KeyboardInterrupt`` comes through at once, the statement has ended, and the reader goes on."""
    reader = SyncLogReader(reading_url)
    sessions = reader._reader._sessions
    ended = threading.Event()

    async def count(*_: Any, **__: Any) -> Any:
        try:
            return await sessions.run(ENDLESS)
        finally:
            ended.set()

    monkeypatch.setattr(reader._reader, "_sessions", sessions)
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    interrupt.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        reader._wait(count())
    assert ended.is_set()
    assert time.monotonic() - start < 10
    interrupt.join()
    assert reader.count().value == 0
    reader.close()


def test_a_tail_is_an_iterator(logging_url: str, reading_url: str) -> None:
    """It follows what is logged; leaving the loop ends it, and so does closing the reader."""
    handler = dblog.DatabaseHandler(logging_url)
    with SyncLogReader(reading_url) as reader:
        messages: list[str] = []
        for batch in reader.tail(poll_interval=0.01):
            messages += [each.message for each in batch]
            if messages:
                break
            handler.emit(logging.makeLogRecord({"msg": "hello", "levelno": 20, "levelname": "INFO"}))
            handler.flush()
        assert messages == ["hello"]
        other = reader.tail()
        next(other)
    handler.close()
    other.close()  # type: ignore[attr-defined]  # a generator's


def test_closing_while_others_wait_frees_them(reading_url: str) -> None:
    """A thread that waits for a batch is told, and does not wait for ever."""
    reader = SyncLogReader(reading_url)
    first, freed = threading.Event(), threading.Event()

    def follow() -> None:
        try:
            for _ in reader.tail():
                first.set()
        except asyncio.CancelledError:
            freed.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert first.wait(10)
    reader.close()
    assert freed.wait(10)
    thread.join(10)


def test_a_tail_of_a_closed_reader_says_so(reading_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An idle tail ends in silence with its reader; asked for more it is an error, and starts no thread."""
    reader = SyncLogReader(reading_url)
    closed, left = reader.tail(), reader.tail()
    next(closed)
    next(left)
    reader.close()
    with pytest.raises(ConfigurationError, match=r"reader was closed.*begin a new tail"):
        next(closed)
    left.close()  # type: ignore[attr-defined]  # a generator's
    assert "dblog reader" not in {each.name for each in threading.enumerate()}
    assert caplog.records == []
    again = reader.tail(follow=False)
    assert len([*again]) == 2
    reader.close()
