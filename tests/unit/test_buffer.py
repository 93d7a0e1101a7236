"""The queue: bounds, policies, order. What comes out against a model in plain lists."""

from __future__ import annotations

import sys
import threading
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.buffer import Buffer
from dblog.entry import LogEntry
from dblog.item import compact
from dblog.ledger import BYTES, QUEUED, REASON, Ledger
from dblog.levels import BAND

SEVERITIES = [1, 5, 9, 13, 17, 21]


def made(size: int = 4, size_bytes: int = 10**9, overflow: str = "drop_lowest", **options: Any) -> Buffer:
    return Buffer(
        Ledger(), size=size, size_bytes=size_bytes, overflow=overflow, block_timeout=0.0, high_water=10**6, **options
    )


def item(severity: int, text: str = "m") -> list[Any]:
    return compact(LogEntry(0, "X", severity, "log", text))


def model(severities: list[int], size: int, overflow: str) -> tuple[list[int], int, int]:
    """The seqs that wait in the end, how many newcomers were refused, how many were evicted."""
    waiting: list[tuple[int, int]] = []
    refused = evicted = 0
    for seq, severity in enumerate(severities, 1):
        band = BAND[severity]
        if len(waiting) < size:
            waiting.append((seq, band))
            continue
        lowest = min(other for _, other in waiting)
        if overflow == "drop_newest" or (overflow == "drop_lowest" and band <= lowest):
            refused += 1
            continue
        victim = next(one for one in waiting if overflow == "drop_oldest" or one[1] == lowest)
        waiting.remove(victim)
        evicted += 1
        waiting.append((seq, band))
    return [seq for seq, _ in waiting], refused, evicted


@given(
    severities=st.lists(st.sampled_from(SEVERITIES), max_size=60),
    size=st.integers(1, 8),
    overflow=st.sampled_from(["drop_lowest", "drop_newest", "drop_oldest"]),
)
def test_policies_are_what_they_say(severities: list[int], size: int, overflow: str) -> None:
    """Whatever comes: the same records stay, go and are counted as in a model of ten lines; batches are in order."""
    buffer = made(size, overflow=overflow)
    for severity in severities:
        buffer.put(item(severity))
    stay, refused, evicted = model(severities, size, overflow)
    stats = buffer.ledger.stats(state="")
    assert (stats.emitted, stats.queued) == (len(severities), len(stay))
    assert stats.dropped_by.get("queue_full", 0) == refused
    assert stats.dropped_by.get("evicted", 0) == evicted
    taken: list[int] = []
    while batch := buffer.take(3, 10**9):
        taken += [one[0] for one in batch]
    assert taken == stay
    assert buffer.ledger.cells[BYTES] == 0


@given(texts=st.lists(st.integers(0, 3000), max_size=40), bound=st.integers(1000, 8000), limit=st.integers(1, 6000))
def test_bytes_are_bounded_in_the_queue_and_in_a_batch(texts: list[int], bound: int, limit: int) -> None:
    """The queue never holds more bytes than allowed, a batch no more than asked for, except one record alone."""
    buffer = made(10**6, bound, "drop_oldest")
    for length in texts:
        buffer.put(item(9, "x" * length))
        assert buffer.ledger.cells[BYTES] <= bound
    held = buffer.ledger.cells[BYTES]
    while batch := buffer.take(1000, limit):
        assert len(batch) == 1 or sum(one[-1] for one in batch) <= limit
        held -= sum(one[-1] for one in batch)
        assert buffer.ledger.cells[BYTES] == held
    assert held == 0


def test_an_error_is_never_lost_to_a_debug_record() -> None:
    """Full of DEBUG: every ERROR gets in; full of ERROR: no DEBUG does."""
    buffer = made(3)
    for severity in (5, 5, 5, 17, 17, 17, 5):
        buffer.put(item(severity))
    assert [one[2][1] for one in buffer.take(10, 10**9)] == [17, 17, 17]


def test_block_waits_for_room_and_no_longer_than_it_may() -> None:
    """A caller waits until a batch is taken; one that may not wait, or waits too long, has its record dropped."""
    buffer = Buffer(
        Ledger(), size=1, size_bytes=10**9, overflow="block", block_timeout=30.0, high_water=10, urgent_from=25
    )
    buffer.put(item(9))
    worker = threading.Thread(target=buffer.put, args=(item(9),))
    worker.start()
    assert buffer.wait(10)  # the waiting caller wakes the writer
    assert len(buffer.take(1, 10**9)) == 1
    worker.join(10)
    assert len(buffer) == 1
    buffer.put(item(9), False)
    assert buffer.ledger.stats(state="").dropped_by == {"queue_full": 1}


def test_closing_lets_waiting_callers_go() -> None:
    """A caller blocked at the moment of close is counted as dropped{closed}, at once."""
    buffer = Buffer(Ledger(), size=1, size_bytes=10**9, overflow="block", block_timeout=60.0, high_water=10)
    buffer.put(item(9))
    worker = threading.Thread(target=buffer.put, args=(item(9),))
    worker.start()
    assert buffer.wait(10)
    buffer.close()
    worker.join(10)
    assert not worker.is_alive()
    assert buffer.ledger.stats(state="").dropped_by == {"closed": 1}


@pytest.mark.parametrize("threads", [4])
def test_order_and_count_from_many_threads(threads: int) -> None:
    """Concurrent callers: seqs are 1..n without a gap, and come out in order, each once."""
    buffer = made(10**6)
    each = 2000

    def work() -> None:
        for number in range(each):
            buffer.put(item(SEVERITIES[number % 6]))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    taken: list[int] = []
    while len(taken) < threads * each:
        batch = [one[0] for one in buffer.take(100, 10**9)]
        assert batch == sorted(batch)
        taken += batch
    assert sorted(taken) == list(range(1, threads * each + 1))


def test_an_urgent_record_is_flagged() -> None:
    """Only a record of the given severity or above sets the flag."""
    buffer = made(urgent_from=17)
    buffer.put(item(13))
    assert not buffer.urgent
    buffer.put(item(17))
    assert buffer.urgent


class Interruption:
    """Logs at one moment of a block, in its thread, as a signal handler or a finaliser does.

    Moments are counted at calls, where CPython looks at signals.
    """

    def __init__(self, moment: int, log: Any) -> None:
        self.left, self.log = moment, log

    def __enter__(self) -> Self:
        sys.setprofile(self)
        return self

    def __exit__(self, *_exc: object) -> None:
        sys.setprofile(None)

    def __call__(self, _frame: object, event: str, _argument: object) -> None:
        """One event of the interpreter."""
        if event in {"call", "c_return"}:
            self.left -= 1
            if not self.left:
                sys.setprofile(None)
                self.log()


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_lowest", "drop_newest", "block"])
@pytest.mark.parametrize("waiting", [[9], [9, 13], [17, 9]])
def test_logging_in_the_middle_of_a_put_or_a_discard_is_harmless(overflow: str, waiting: list[int]) -> None:
    """Whenever a signal handler logs while a record is queued or the queue is emptied: all are counted, none raises."""
    moment, reached = 0, True
    while reached:
        moment += 1
        buffer = made(len(waiting), overflow=overflow)
        for severity in waiting:
            buffer.put(item(severity))

        def log(buffer: Buffer = buffer) -> None:
            for severity in (21, 17, 21):
                buffer.put(item(severity), False)

        with Interruption(moment, log) as interruption:
            buffer.put(item(13))
            buffer.discard(REASON["closed"])
        reached = interruption.left <= 0
        stats = buffer.ledger.stats(state="")
        assert stats.emitted == len(waiting) + 1 + 3 * reached
        assert stats.emitted == stats.dropped + stats.queued
        left = buffer.take(100, 10**9)
        assert len(left) == stats.queued
        assert (buffer.ledger.cells[QUEUED], buffer.ledger.cells[BYTES]) == (0, 0)
    assert moment > 10


def test_callers_that_waited_in_vain_leave_nothing_behind() -> None:
    """However many callers found the queue full: the row of those who wait is empty again."""
    buffer = made(1, overflow="block")
    for _ in range(100):
        buffer.put(item(9))
    assert buffer.ledger.stats(state="").dropped_by == {"queue_full": 99}
    assert not buffer._waiters


def test_only_a_record_that_waits_is_urgent() -> None:
    """The flag is set with the record, not before: one that was dropped sets none, and no round can miss one."""
    buffer = made(1, overflow="drop_newest", urgent_from=17)
    buffer.put(item(9))
    buffer.put(item(17))
    assert not buffer.urgent
    buffer.take(1, 10**9)
    buffer.put(item(17))
    assert buffer.urgent
