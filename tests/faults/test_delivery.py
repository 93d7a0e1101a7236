"""Whatever answers a database gives, in whatever order: every row ends in exactly one place, and stored rows once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import DatabaseHandler, LogEntry
from dblog.errors import ErrorClass, StoreError
from dblog.item import expand
from dblog.repair import DAY_US
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import examples, hold, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.item import Item
    from dblog.sink import Row

_PASSING = (ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT, ErrorClass.CONFIGURATION)
_PATIENT: dict[str, Any] = {"retry_initial": 0.001, "retry_max": 0.002, "flush_interval": 60.0, "flush_level": 10**9}
_outcomes = st.lists(
    st.sampled_from([*_PASSING, ErrorClass.UNKNOWN, ErrorClass.NO_PARTITION, None]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.booleans(), st.booleans())
    ),
    max_size=12,
)


class Scripted(MemorySink):
    """Answers as told: ``(class or None for yes, done before it failed, failed while making days)``."""

    def __init__(self, script: list[tuple[ErrorClass | None, bool, bool]]) -> None:
        super().__init__()
        self.script = script
        self.days = 0

    def __call__(self, origin: Any) -> Any:
        return self

    def write(self, rows: Sequence[Row], *, replay: bool = False, origin: Any = None) -> None:
        kind, done, _ = self.script.pop(0) if self.script and rows[0][0] is not None else (None, False, False)
        if kind is None:
            super().write(rows, replay=replay)
            return
        done = done and kind in {ErrorClass.RECONNECT, ErrorClass.UNKNOWN}
        if done:
            super().write(rows, replay=replay)
        raise StoreError(kind, "CODE", "a sentence", ambiguous=done)

    def refused_days(self, rows: Sequence[Row]) -> Sequence[int]:
        self.days += 1
        if self.script and self.script[0][2]:
            raise StoreError(ErrorClass.RESEND, "CODE", "a sentence")
        return ()


def _emit(handler: DatabaseHandler, count: int, **attributes: object) -> None:
    for number in range(count):
        handler.handle(logging.makeLogRecord({"msg": f"m{number}", "levelno": 20, "levelname": "INFO", **attributes}))


@examples(80)
@given(count=st.integers(1, 40), script=_outcomes)
def test_no_answer_loses_a_row(count: int, script: list[tuple[ErrorClass | None, bool, bool]]) -> None:
    """Errors of every class that is not a row's own, before and after the rows were stored: all stored, each once."""
    sink = Scripted([*script[:3], *(entry for entry in script[3:] if entry[0] in _PASSING)])
    handler = DatabaseHandler(sink=sink, **_PATIENT)
    try:
        hold(handler)
        _emit(handler, count)
        assert handler.flush(10), handler.stats()
        stats = handler.stats()
    finally:
        handler.close()
    assert_conserved(stats)
    assert (stats.stored, stats.failed, stats.dropped) == (count, 0, 0)
    assert sorted(seq for seq, _ in sink.rows if seq) == list(range(1, count + 1))
    assert not sink.letters


@pytest.fixture
def memory() -> Iterator[tuple[DatabaseHandler, MemorySink]]:
    """A handler on a sink in memory."""
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink, **_PATIENT)
    hold(handler)
    yield handler, sink
    handler.close()


def test_an_unknown_error_is_met_with_patience_once(memory: tuple[DatabaseHandler, MemorySink]) -> None:
    """Resent three times; then its halves are not as patient again, or a batch would take hours."""
    handler, sink = memory

    def fail(rows: Sequence[Row]) -> None:
        if any(entry.message == "m70" for _, entry in rows):
            raise StoreError(ErrorClass.UNKNOWN, "XX000", "an unexpected error")

    sink.fault = fail
    _emit(handler, 100)
    assert handler.flush(10), handler.stats()
    assert handler.stats().failed_by == {"poison": 1}
    loss_rows = sum(seq is None for seq, _ in sink.rows)
    assert sink.statements - loss_rows <= 3 + 2 * 7 + 1
    until(lambda: sink.letters)
    (letter,) = sink.letters
    assert (letter.seq, letter.error_class) == (71, "unknown")


def test_a_sink_with_a_bug(memory: tuple[DatabaseHandler, MemorySink]) -> None:
    """What is no StoreError is of unknown class, and perhaps stored: resent as a replay."""
    handler, sink = memory
    bugs = [ValueError("bug"), RuntimeError("bug")]

    def fail(_rows: Sequence[Row]) -> None:
        if bugs:
            raise bugs.pop()

    sink.fault = fail
    _emit(handler, 10)
    assert handler.flush(10), handler.stats()
    assert (handler.stats().stored, handler.stats().failed) == (10, 0)


class Days(MemorySink):
    """Has no day at first; making one fails eight times, and only the youngest is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 8
        self.made: set[int] = set()
        self.fault = self._check

    def _check(self, rows: Sequence[Row]) -> None:
        if any(entry.timestamp // DAY_US not in self.made for seq, entry in rows if seq):
            raise StoreError(ErrorClass.NO_PARTITION, "23514", "no partition")

    def refused_days(self, rows: Sequence[Row]) -> Sequence[int]:
        if self.failures:
            self.failures -= 1
            raise StoreError(ErrorClass.CONFIGURATION, "42501", "a privilege is missing")
        self.made.add(max(entry.timestamp for _, entry in rows) // DAY_US)
        return [index for index, (_, entry) in enumerate(rows) if entry.timestamp // DAY_US not in self.made]


def test_what_cannot_make_days_is_waited_for() -> None:
    """However often making days fails, no row is blamed; when it works, rows of refused days move to now."""
    sink = Days()
    handler = DatabaseHandler(sink=sink, **_PATIENT)
    try:
        hold(handler)
        _emit(handler, 3)
        _emit(handler, 2, created=time.time() - 3 * 86_400)
        assert handler.flush(10), handler.stats()
        assert (handler.stats().stored, handler.stats().failed) == (5, 0)
    finally:
        handler.close()
    assert [entry.attributes.get("dblog", {}).get("flags") for entry in sink.entries] == [None] * 3 + [["clock"]] * 2


def test_a_record_that_makes_no_row(
    memory: tuple[DatabaseHandler, MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that raises while it is expanded or clamped is counted as failed, once; its neighbours are stored."""
    handler, sink = memory

    def expand_but_one(item: Item) -> LogEntry:
        entry = expand(item)
        if entry.message == "m2":
            raise RecursionError
        return entry

    monkeypatch.setattr("dblog.delivery.expand", expand_but_one)
    _emit(handler, 5)
    assert handler.flush(10), handler.stats()
    stats = handler.stats()
    assert_conserved(stats)
    assert (stats.stored, stats.failed_by) == (4, {"poison": 1})
    assert sink.messages == ["m0", "m1", "m3", "m4"]


def test_a_batch_of_nothing_but_such_records(
    memory: tuple[DatabaseHandler, MemorySink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted, no empty batch is sent, and the writer goes on."""
    handler, sink = memory

    def broken(*_: object) -> NoReturn:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr("dblog.delivery.expand", broken)
        _emit(handler, 3)
        assert handler.flush(10), handler.stats()
        assert not sink.entries
    _emit(handler, 1)
    assert handler.flush(10), handler.stats()
    assert (handler.stats().stored, handler.stats().failed_by) == (1, {"poison": 3})
    assert_conserved(handler.stats())


@pytest.mark.parametrize("code", ["57014 QueryCanceled", "SQLITE_INTERRUPT"])
def test_a_batch_that_is_always_too_slow(memory: tuple[DatabaseHandler, MemorySink], code: str) -> None:
    """A database that stores seven rows in time and no more: all are stored in halves, and it is not tried for ever."""
    handler, sink = memory
    late: list[int] = []

    def slow(rows: Sequence[Row]) -> None:
        if len(rows) > 7:
            late.append(len(rows))
            raise StoreError(ErrorClass.RESEND, code, "the statement took too long")

    sink.fault = slow
    _emit(handler, 100)
    assert handler.flush(10), handler.stats()
    assert (handler.stats().stored, handler.stats().failed) == (100, 0)
    assert [entry.message for entry in sink.entries] == [f"m{number}" for number in range(100)]
    assert late[:8] == [100, 100, 50, 50, 25, 25, 12, 12]
    assert len(late) < 20
    sink.fault = None
    statements = sink.statements
    for _ in range(8):
        _emit(handler, 100)
        assert handler.flush(10), handler.stats()
    assert handler.stats().stored == 900
    assert sink.statements - statements < 80, "larger again, step by step"


@pytest.mark.parametrize("kind", [ErrorClass.RECONNECT, ErrorClass.UNKNOWN])
def test_a_batch_that_is_always_aborted(kind: ErrorClass, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the watchdog ends goes on in halves as well, whatever the driver says of it; no row is blamed."""
    monkeypatch.setattr("dblog.watchdog._LOOK", 0.02)
    sink = MemorySink()
    single = [5]

    def slow(rows: Sequence[Row]) -> None:
        if rows[0][0] is not None and (len(rows) > 2 or single[0]):
            single[0] -= len(rows) == 1
            assert sink._aborted.wait(5)
            sink._aborted.clear()
            raise StoreError(kind, "08006", "the connection was lost", ambiguous=True)

    sink.fault = slow
    handler = DatabaseHandler(sink=sink, **{**_PATIENT, "operation_timeout": 0.1})
    try:
        hold(handler)
        _emit(handler, 4)
        assert handler.flush(10), handler.stats()
        assert (handler.stats().stored, handler.stats().failed) == (4, 0)
        assert not sink.letters
    finally:
        handler.close()
