"""Snapshots as sets: whatever order transactions begin and end in, each is new exactly once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dblog.reading.snapshot import Snapshot

if TYPE_CHECKING:
    from dblog.reading.snapshot import Difference


def members(difference: Difference) -> set[int]:
    """The transactions of a difference."""
    between = set(range(difference.low, difference.high)) - set(difference.running)
    assert not between & set(difference.singles)
    return between | set(difference.singles)


@st.composite
def histories(draw: st.DrawFn) -> list[Snapshot]:
    """What ``pg_current_snapshot()`` says in the course of time, as numbers are given out and transactions end."""
    end, running, seen = 100, set[int](), []
    for _ in range(draw(st.integers(2, 8))):
        for _ in range(draw(st.integers(0, 6))):
            running.add(end)
            end += 1
        ended = draw(st.sets(st.sampled_from(sorted(running)))) if running else set()
        running -= ended
        seen.append(Snapshot(end, frozenset(running)))
    return seen


def over(snapshot: Snapshot) -> set[int]:
    """The transactions that are over, of those these tests know."""
    return {xid for xid in range(90, snapshot.end) if xid in snapshot}


@given(histories())
def test_a_difference_is_what_is_over_now_and_was_not(history: list[Snapshot]) -> None:
    """``since`` is the set difference; it is empty exactly where nothing ended."""
    for earlier, later in itertools.pairwise(history):
        difference = later.since(earlier)
        assert members(difference) == over(later) - over(earlier)
        assert difference.empty == (over(later) == over(earlier))
        assert earlier.joined(later) == later
        for number in range(95, later.end + 2):
            assert members(difference.below(number)) == {xid for xid in members(difference) if xid < number}
        assert all(xid >= difference.first for xid in members(difference))


@given(histories(), st.data())
def test_reading_may_stop_between_any_two_transactions(history: list[Snapshot], data: st.DataObject) -> None:
    """A place in the middle of a difference holds what is below it, and the rest is new from there: nothing twice."""
    place, read = history[0], over(history[0])
    for later in history[1:]:
        new = sorted(members(later.since(place)))
        last = data.draw(st.sampled_from([None, *new]))
        if last is not None:
            place = place.joined(later, last + 1)
            read |= {xid for xid in new if xid <= last}
        else:
            place = place.joined(later)
            read |= set(new)
        assert over(place) == read
    assert members(history[-1].since(place)) == over(history[-1]) - read


@given(histories(), st.integers(90, 120))
def test_one_transaction_may_be_over_ahead_of_the_others(history: list[Snapshot], number: int) -> None:
    """``over`` adds it, ``also`` adds it to a difference, and nothing else."""
    for earlier, later in itertools.pairwise(history):
        assert over(earlier.over(number)) == over(earlier) | {number}
        new = later.since(earlier)
        if number not in new.running:
            assert members(new.also(number)) == members(new) | {number}


@given(histories())
def test_a_standby_that_lags_takes_nothing_back(history: list[Snapshot]) -> None:
    """Joining an older snapshot, as a standby's is, changes nothing that was over, and gives nothing twice."""
    for earlier, later in itertools.pairwise(history):
        assert over(later.joined(earlier)) == over(later)
        assert not members(earlier.since(later)) & over(later)


@given(histories(), histories())
def test_what_a_database_that_went_back_still_knows(history: list[Snapshot], other: list[Snapshot]) -> None:
    """``met`` is the intersection, also of snapshots of which neither is the later one."""
    for one, another in zip(history, other, strict=False):
        met = one.met(another)
        assert over(met) == over(one) & over(another)
        assert all(xid < met.end for xid in met.running)


@given(histories())
def test_a_snapshot_is_read_as_postgresql_writes_it(history: list[Snapshot]) -> None:
    """``xmin:xmax:xip``; on a standby, which lists nobody, only what is below ``xmin`` is over."""
    for snapshot in history:
        xmin = min(snapshot.running, default=snapshot.end)
        text = f"{xmin}:{snapshot.end}:{','.join(map(str, sorted(snapshot.running)))}"
        assert Snapshot.parse(text) == snapshot
        assert Snapshot.parse(f"{xmin}:{snapshot.end}:", standby=True) == Snapshot(xmin)
