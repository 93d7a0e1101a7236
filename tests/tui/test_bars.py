"""Counting entries over time in pieces: what is counted is right, what is not counted says so."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog.errors import QuerySyntaxError
from dblog.levels import BANDS, band_of
from dblog_tui.present.counted import Bars
from dblog_tui.source import Source
from dblog_tui.source import bars as counting
from dblog_tui.source import reach as reaching
from dblog_tui.source.bars import bars, columns_of
from dblog_tui.source.reach import reach
from dblog_tui.view import Span, View
from tests.administered import DAY, SECOND, entry, fill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

NOW = 1_795_000_000 * SECOND
SEVERITIES = (1, 5, 9, 9, 9, 13, 17, 21)


def entries(count: int, span: int) -> list[LogEntry]:
    """Entries spread over the ``span`` before ``NOW``, of all levels."""
    return [
        entry(n, NOW - span + span * n // count, severity=SEVERITIES[n % len(SEVERITIES)], message=f"m{n % 3}")
        for n in range(count)
    ]


def counted(each: Iterable[LogEntry], of: Bars) -> tuple[tuple[int, ...], ...]:
    """What the columns of ``of`` should say."""
    columns = [[0] * BANDS for _ in of.counts]
    for one in each:
        if of.since <= one.timestamp < of.until:
            columns[(one.timestamp - of.start) // of.width][band_of(one.severity)] += 1
    return tuple(map(tuple, columns))


def run(url: str, body: Callable[[Source], Awaitable[Any]]) -> Any:
    """The answer of a coroutine that is given a source."""

    async def main() -> Any:
        source = Source(Database(url))
        try:
            return await body(source)
        finally:
            await source.close()

    return asyncio.run(main())


async def every(source: Source, view: View, columns: int = 40, **options: Any) -> list[Bars]:
    """All values of a count."""
    return [each async for each in bars(source, view, NOW, columns, **options)]


@given(st.integers(-(10**15), 10**16), st.integers(1, 10**16), st.integers(1, 400))
def test_columns_cover_the_range_and_are_as_many_as_there_is_room_for(since: int, span: int, room: int) -> None:
    """At most ``room`` columns; they begin at multiples of their width; every moment of the range lies in one."""
    start, width, count = columns_of(since, since + span, room)
    assert 1 <= count <= room
    assert start % width == 0
    assert start + count * width >= since + span > start + (count - 1) * width
    assert start <= since < start + width or count == room


@given(st.integers(0, 10**15), st.integers(60, 90 * 86_400), st.integers(70, 200))
def test_columns_fill_most_of_the_room(since: int, seconds: int, room: int) -> None:
    """Nearly two thirds of the room are used, whatever the range: widths are round, but not coarse."""
    _, _, count = columns_of(since, since + seconds * SECOND, room)
    assert count >= 0.65 * room


def test_every_entry_is_in_its_column_however_the_pieces_fall(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of any size give the numbers of one count; columns are counted from the newest to the oldest."""
    stored = entries(300, 3600 * SECOND)
    fill(database_url, stored)
    monkeypatch.setattr(counting, "_FIRST", 5)
    monkeypatch.setattr(counting, "_PACE", 1e-9)
    for view in (
        View(),
        View(span=Span(last=1200)),
        View(span=Span(since=NOW - 900 * SECOND, until=NOW - 60 * SECOND)),
    ):
        steps = run(database_url, partial(every, view=view))
        assert steps[-1].done
        assert steps[-1].counts == counted(stored, steps[-1])
        assert steps[0].share == 0
        assert len(steps) > 10, "a small piece each"
        for step in steps:
            known = [each is not None for each in step.counts]
            assert known == sorted(known), "the newest first"
            assert all(one in (None, other) for one, other in zip(step.counts, steps[-1].counts, strict=True))


def test_level_and_query_say_what_is_counted(sqlite_url: str) -> None:
    """The view's least level, its text and times in its text limit what is counted, as they limit the rows."""
    stored = entries(300, 3600 * SECOND)
    fill(sqlite_url, stored)
    worse, said, late = (
        run(sqlite_url, partial(every, view=view))[-1] for view in (View(least=3), View("m1"), View("since:10m"))
    )
    assert worse.counts == counted([each for each in stored if each.severity >= 13], worse)
    assert said.counts == counted([each for each in stored if each.message == "m1"], said)
    assert late.since == NOW - 600 * SECOND
    assert late.counts == counted(stored, late)


def test_of_all_time_in_a_large_table_a_part_is_counted_and_it_says_so(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all of it were too much, the newest part is chosen and named; asked for exactly, or by level, it is all."""
    stored = entries(1000, 100 * 3600 * SECOND)
    fill(sqlite_url, stored)
    monkeypatch.setattr(reaching, "_ROWS", 100)

    async def ask(source: Source) -> tuple[Bars, Bars, Bars]:
        part, whole, errors = View(), View(), View(least=4)
        return (
            (await every(source, part))[-1],
            (await every(source, whole, exact=True))[-1],
            (await every(source, errors))[-1],
        )

    part, whole, errors = run(sqlite_url, ask)
    assert not part.whole
    assert "newest 6h" in part.label
    assert part.counts == counted(stored, part)
    assert part.until - part.since == 6 * 3600 * SECOND
    assert whole.whole
    assert sum(map(sum, whole.counts)) == len(stored)
    assert errors.whole, "an index answers it"
    assert sum(map(sum, errors.counts)) == sum(each.severity >= 17 for each in stored)


def test_an_empty_table_has_empty_bars(sqlite_url: str) -> None:
    """Nothing is counted to nothing, of all time and of the last minutes."""
    for view in (View(), View(span=Span(last=60))):
        last = run(sqlite_url, partial(every, view=view))[-1]
        assert last.done
        assert sum(map(sum, last.counts)) == 0


def test_a_query_that_cannot_be_read_is_not_counted(sqlite_url: str) -> None:
    """The mistake comes out as one."""
    with pytest.raises(QuerySyntaxError):
        run(sqlite_url, lambda source: every(source, View("levle:error")))


def test_what_was_known_is_shown_until_it_is_counted_again(sqlite_url: str) -> None:
    """A second count of the same view begins with the numbers of the first, and ends with those of now."""
    stored = entries(100, 3600 * SECOND)
    fill(sqlite_url, stored)

    async def ask(source: Source) -> tuple[Bars, list[Bars]]:
        first = (await every(source, View()))[-1]
        fill(sqlite_url, [entry(1000, NOW - 60 * SECOND)])
        return first, await every(source, View(), known=first)

    first, again = run(sqlite_url, ask)
    assert again[0].counts == first.counts
    assert sum(map(sum, again[-1].counts)) == 101


def test_a_range_of_minutes_ends_now_and_not_with_a_clock_that_is_ahead(sqlite_url: str) -> None:
    """An entry from tomorrow makes the last fifteen minutes no longer; of all time it is the end."""
    fill(sqlite_url, [entry(1, NOW - 60 * SECOND), entry(2, NOW + DAY // 2)])
    last, everything = run(
        sqlite_url,
        lambda source: asyncio.gather(
            reach(source, View(span=Span(last=900)), NOW), reach(source, View(), NOW)
        ),
    )  # fmt: skip
    assert (last.since, last.until) == (NOW - 900 * SECOND, NOW + 1)
    assert everything.until == NOW + DAY // 2 + 1


moments = st.lists(st.tuples(st.integers(-700, 700), st.sampled_from(SEVERITIES)), max_size=30)


@given(moments, st.lists(moments, max_size=5), st.integers(3, 60))
def test_bars_grow_as_a_tail_brings_entries(
    there: list[tuple[int, int]], batches: list[list[tuple[int, int]]], room: int
) -> None:
    """Bars of the last minutes that have grown say what a new count of their range would, or that they are stale."""

    def made(of: Iterable[tuple[int, int]], since: int, now: int) -> list[LogEntry]:
        return [
            LogEntry(now + seconds * SECOND, "x", severity, "", "")
            for seconds, severity in of
            if since <= now + seconds * SECOND <= now
        ]

    since, until = NOW - 600 * SECOND, NOW + 1
    start, width, count = columns_of(since, until, room)
    empty = Bars(
        start, width, ((0,) * BANDS,) * count, since, until, sliding=until - since, open_ended=True, room=room
    )  # fmt: skip
    stored = made(there, since, NOW)
    current = Bars(
        start, width, counted(stored, empty), since, until, sliding=until - since, open_ended=True, room=room
    )  # fmt: skip
    now = NOW
    for batch in batches:
        now += 17 * SECOND
        new = made(batch, current.since, now)
        stored += new
        current = current.grown(new, now)
        if current.stale:
            break
        assert current.counts == counted(stored, current)
        assert current.until == now + 1
        assert len(current.counts) <= room
        # Ten minutes, but for a part of a column: one more at the left, or one less where there is no room for it.
        assert abs(now - 600 * SECOND - current.since) <= width


def test_entries_passed_over_make_numbers_estimates() -> None:
    """``skipped`` entries are somewhere in the range, so every number is about."""
    current = Bars(0, SECOND, ((0,) * BANDS,), 0, SECOND, open_ended=True, room=10)
    assert not current.grown([], 0).about
    assert current.grown([], 0, skipped=3).about


def test_bars_of_a_fixed_range_that_outgrow_their_room_are_stale() -> None:
    """From a moment on, without an end: columns are added while there is room; then it has to be asked again."""
    current = Bars(0, SECOND, ((0,) * BANDS,) * 3, 0, 3 * SECOND, open_ended=True, room=5)
    assert len(current.grown([], 4 * SECOND).counts) == 5
    assert current.grown([], 5 * SECOND).stale
    closed = Bars(0, SECOND, ((0,) * BANDS,) * 3, 0, 3 * SECOND, open_ended=False, room=5)
    assert closed.grown([], 9 * SECOND) is closed
