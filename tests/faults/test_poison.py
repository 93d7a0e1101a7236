"""A row the database refuses costs nobody else a place: it is found by halving, kept readable, and counted."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import DatabaseHandler
from dblog.errors import ErrorClass, StoreError
from dblog.observe import observers
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import examples, execute, hold, logging_to, rows, seqs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.sink import Row
    from tests.faults.conftest import Place

_WHEN = "BEFORE INSERT ON logs FOR EACH ROW WHEN (NEW.message LIKE 'poison%') EXECUTE FUNCTION refuse()"
_RAISE = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' {}; END $$"
_ABORT = "BEFORE INSERT ON logs WHEN NEW.message LIKE 'poison%' BEGIN SELECT RAISE(ABORT, 'refused'); END"
REFUSALS = {
    "sqlite": [f"CREATE TRIGGER no_poison {_ABORT}"],
    "check": ["ALTER TABLE logs ADD CONSTRAINT no_poison CHECK (message NOT LIKE 'poison%')"],
    "trigger": [_RAISE.format(""), f"CREATE TRIGGER no_poison {_WHEN}"],
    # What a missing partition raises, raised by somebody who does not mean one.
    "pretender": [
        _RAISE.format("USING ERRCODE = 'check_violation', TABLE = 'logs'"),
        f"CREATE TRIGGER no_poison {_WHEN}",
    ],
}


class Attempts:
    """Counts the data statements of every writer."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, bool]] = []

    def batch(self, handler: str, records: int, seconds: float, lag: float | None, *, stored: bool, **_: Any) -> None:
        self.batches.append((records, stored))

    def tick(self, *_: Any, **__: Any) -> None:
        pass

    retry = bisection = adopted = tick


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    """The data statements of the test."""
    counting = Attempts()
    observers.append(counting)
    yield counting
    observers.remove(counting)


def _refuse(place: Place, how: str) -> None:
    execute(place.owner, *REFUSALS[how if place.postgres else "sqlite"])


def _letters(place: Place) -> list[tuple[int, str, int, dict[str, Any]]]:
    found = rows(place.owner, "SELECT seq, error_class, attempts, payload FROM log_dead_letters ORDER BY seq")
    return [(seq, kind, attempts, json.loads(payload)) for seq, kind, attempts, payload in found]


@pytest.mark.parametrize(("how", "position"), [("check", 1), ("check", 777), ("trigger", 500), ("check", 1000)])
def test_one_poison_row_among_a_thousand(place: Place, attempts: Attempts, how: str, position: int) -> None:
    """999 rows are stored in at most 21 data statements; one dead letter says what the thousandth was."""
    _refuse(place, how)
    with logging_to(place.url, flush_interval=60, flush_level="CRITICAL", batch_size=1000) as (logger, handler):
        hold(handler)
        for number in range(1, 1001):
            logger.info("poison %d" if number == position else "good %d", number)
        assert handler.flush(20)
        stats = handler.stats()
    assert (stats.stored, stats.failed, stats.failed_by) == (999, 1, {"poison": 1})
    assert_conserved(stats)
    assert seqs(place.owner) == [number for number in range(1, 1001) if number != position]
    assert len(attempts.batches) <= 21, attempts.batches
    ((seq, kind, tried, payload),) = _letters(place)
    assert (seq, kind, payload["message"], payload["template"]) == (
        position,
        "poison",
        f"poison {position}",
        "poison %d",
    )
    assert 10 <= tried <= 11


def test_a_check_is_not_a_missing_partition(place: Place, attempts: Attempts) -> None:
    """SQLSTATE 23514 means both: even a trigger that poses as one ends as a dead letter, after a bounded search."""
    _refuse(place, "pretender")
    with logging_to(place.url, flush_interval=60, flush_level="CRITICAL") as (logger, handler):
        hold(handler)
        for number in range(1, 101):
            logger.info("poison" if number == 40 else "good")
        assert handler.flush(20)
        stats = handler.stats()
    assert (stats.stored, stats.failed_by) == (99, {"poison": 1})
    assert len(attempts.batches) <= 2 * math.ceil(math.log2(100)) + 1 + 3
    assert [letter[0] for letter in _letters(place)] == [40]


def test_several_poison_rows(place: Place, attempts: Attempts) -> None:
    """Each is found; every good row is stored exactly once, and a batch of nothing but poison is no trouble."""
    _refuse(place, "check")
    bad = {2, 3, 250, 499, *range(510, 516)}
    with logging_to(place.url, flush_interval=60, flush_level="CRITICAL") as (logger, handler):
        hold(handler)
        for number in range(1, 516):
            logger.info("poison" if number in bad else "good")
        assert handler.flush(20)
        logger.info("poison")
        logger.info("poison")
        assert handler.flush(20)
        logger.info("after")
        assert handler.flush(20)
        stats = handler.stats()
    assert (stats.stored, stats.failed_by) == (518 - 12, {"poison": 12})
    assert_conserved(stats)
    assert seqs(place.owner) == [number for number in range(1, 519) if number not in bad | {516, 517}]
    assert [letter[0] for letter in _letters(place)] == sorted(bad | {516, 517})


def test_a_letter_that_is_refused_as_well_keeps_no_other_back(place: Place) -> None:
    """The dead letters' own table may refuse one: the rest arrive, and the writer does not try it for ever."""
    _refuse(place, "check")
    statement = (
        "ALTER TABLE log_dead_letters ADD CHECK (payload NOT LIKE '%worst%')"
        if place.postgres
        else "CREATE TRIGGER no_worst BEFORE INSERT ON log_dead_letters WHEN NEW.payload LIKE '%worst%'"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    execute(place.owner, statement)
    with logging_to(place.url, flush_interval=60, flush_level="CRITICAL") as (logger, handler):
        hold(handler)
        for message in ("poison", "poison worst", "poison", "good"):
            logger.info(message)
        assert handler.flush(20)
        assert handler.stats().failed_by == {"poison": 3}
    assert [letter[0] for letter in _letters(place)] == [1, 3]


@examples(60)
@given(count=st.integers(1, 200), data=st.data())
def test_every_row_ends_in_exactly_one_place(count: int, data: st.DataObject) -> None:
    """Whatever rows are bad: the good are stored once, the bad dead-lettered once, in few statements each."""
    bad = data.draw(st.sets(st.integers(1, count), max_size=8))
    sink = MemorySink()

    def refuse(batch: Sequence[Row]) -> None:
        if any(seq in bad for seq, _ in batch):
            raise StoreError(ErrorClass.POISON, "22000", "refused")

    sink.fault = refuse
    handler = DatabaseHandler(sink=sink, flush_interval=60.0, flush_level=100)
    hold(handler)
    try:
        for number in range(count):
            handler.handle(logging.makeLogRecord({"msg": f"m{number}", "levelno": 20, "levelname": "INFO"}))
        assert handler.flush(10)
        stats = handler.stats()
    finally:
        handler.close()
    assert sorted(seq for seq, _ in sink.rows if seq) == [seq for seq in range(1, count + 1) if seq not in bad]
    assert sorted(letter.seq or 0 for letter in sink.letters) == sorted(bad)
    assert_conserved(stats)
    assert (stats.stored, stats.failed) == (count - len(bad), len(bad))
    loss_rows = sum(seq is None for seq, _ in sink.rows)
    assert sink.statements - loss_rows <= max(1, len(bad)) * 2 * math.ceil(math.log2(count) if count > 1 else 0) + 1
