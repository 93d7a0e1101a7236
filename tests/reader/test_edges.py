"""Entries and arguments at the edge of what can be: times before 1970, last ids, rows made by hand, nonsense."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from dblog import ConfigurationError, LogReader, SyncLogReader
from dblog.reading.values import Cursor, Trace
from tests.administered import DAY, SECOND, entry, fill
from tests.embedded_clickhouse import ENGINES
from tests.oracle import execute
from tests.tail_tools import Writing, ids_of, now

if TYPE_CHECKING:
    from collections.abc import Callable

every_engine = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
START = (now() // DAY + 1) * DAY + 60 * SECOND
"""Of tomorrow: its partition is there, also if tomorrow comes before the test does."""
LAST = UUID(int=(1 << 128) - 1)
FIRST = UUID(int=0)


@every_engine
async def test_entries_before_1970_are_read_like_any_other(database_url: str, reading_url: str) -> None:
    """Tails go on from their tokens, also within a transaction, and pages from their cursors, either way."""
    if database_url.startswith("postgres"):
        execute(database_url, "CREATE TABLE p1969 PARTITION OF logs FOR VALUES FROM ('1969-12-01') TO ('1970-01-02')")
    async with LogReader(reading_url) as reader:
        async with aclosing(reader.tail(lossless=True)) as tail:  # type: ignore[type-var]  # it is a generator
            token = (await anext(tail)).token
        with Writing(database_url) as writing:
            writing.begin()
            places = sorted(writing.insert(-86_400_000_000, -1_500_000, -1, 0))
            writing.execute("COMMIT")
        followed: list[Cursor] = []
        while len(followed) < 4:
            async with aclosing(reader.tail(after=token, lossless=True, limit=1, follow=False)) as tail:  # type: ignore[type-var]  # it is a generator
                await anext(tail)
                batch = await anext(tail)
            followed, token = followed + [Cursor.of(each) for each in batch], batch.token
        assert sorted(followed) == places

        page = await reader.search(limit=1)
        downwards = [*page]
        while page.older is not None:
            page = await reader.search(before=str(page.older), limit=1)
            downwards += page
        assert [Cursor.of(each) for each in downwards] == places[::-1]
        end = await reader.search(before=Cursor(places[0].timestamp, FIRST))
        assert end.newer is not None
        newer = await reader.search(after=str(end.newer))
        assert [Cursor.of(each) for each in newer] == places[::-1]


@every_engine
def test_the_first_and_the_last_id_of_a_moment_are_not_passed_over(database_url: str, reading_url: str) -> None:
    """Where a page is empty, its other cursor begins with the very entry it was asked from."""
    first, last = Cursor(START, FIRST), Cursor(START + 1, LAST)
    fill(database_url, [entry(number, place.timestamp, id=place.id) for number, place in enumerate((first, last))])
    with SyncLogReader(reading_url) as reader:
        below, above = reader.search(before=first), reader.search(after=last)
        assert (below.entries, above.entries) == ((), ())
        assert [Cursor.of(each) for each in reader.search(after=below.newer)] == [last, first]
        assert [Cursor.of(each) for each in reader.search(before=above.older)] == [last, first]


@every_engine
def test_the_last_page_upwards_has_older_ones(database_url: str, reading_url: str) -> None:
    """Though nothing newer is left: it was asked from somewhere."""
    with Writing(database_url) as writing:
        old, middle, new = writing.insert(START, START + 1, START + 2)
    with SyncLogReader(reading_url) as reader:
        page = reader.search(after=middle)
        assert [Cursor.of(each) for each in page] == [new]
        assert page.older == new
        assert [Cursor.of(each) for each in reader.search(before=page.older)] == [middle, old]


@every_engine
def test_a_trace_no_database_can_hold_is_empty(database_url: str, reading_url: str) -> None:
    """A NUL or a lone surrogate is in no row: there is no such trace, and nothing fails."""
    fill(database_url, [entry(1, START, trace_id="a"), entry(2, START, trace_id="ab")])
    with SyncLogReader(reading_url) as reader:
        for trace_id in ("\udcff", "\ud800", "a\0b", "a\0", "\0"):
            assert reader.trace(trace_id) == Trace(trace_id, (), truncated=False)


WRONG: list[tuple[str, Callable[[SyncLogReader, Any], Any], tuple[Any, ...]]] = [
    (
        "bucket",
        lambda reader, value: reader.histogram(bucket=value),
        (math.nan, math.inf, -math.inf, 1e300, "1m", 0, -1, 1e-7, True, 10**400, dt.timedelta.max),
    ),
    ("entry_id", lambda reader, value: reader.get(value), (None, 5, b"\0" * 16)),
    ("trace_id", lambda reader, value: reader.trace(value), (None, 5, FIRST)),
]


@pytest.mark.parametrize(("name", "ask", "values"), WRONG, ids=[name for name, _, _ in WRONG])
def test_an_argument_that_cannot_be_is_named_with_its_value(
    sqlite_url: str, name: str, ask: Callable[[SyncLogReader, Any], Any], values: tuple[Any, ...]
) -> None:
    """A sentence for whoever called, instead of an error from within."""
    with SyncLogReader(sqlite_url) as reader:
        for value in values:
            with pytest.raises(ConfigurationError) as raised:
                ask(reader, value)
            assert str(raised.value).startswith(f"{name}={repr(value)[:80]}")


@pytest.mark.parametrize("bucket", [1e-6, 3_155_760_000, dt.timedelta(days=36_525)])
@every_engine
def test_the_narrowest_and_the_widest_buckets(database_url: str, reading_url: str, bucket: float) -> None:
    """From a µs to a century."""
    fill(database_url, [entry(1, START)])
    with SyncLogReader(reading_url) as reader:
        assert [each.total for each in reader.histogram(bucket=bucket).buckets] == [1]


HAND_MADE = {
    "instance_id": ("x'01'", "x'" + "00" * 17 + "'", "'me'", "5", "1.5"),
    "id": ("x'01'", "x'" + "00" * 17 + "'", "'me'", "5", "1.5", "x''"),
    "timestamp": ("'yesterday'", "''", "x'01'", "1.5", "1e300"),
}


async def test_rows_made_by_hand_do_not_hold_up_the_others(sqlite_url: str) -> None:
    """SQLite takes any value in any column. A writer that is no UUID is None; a row that has no place among the
    others, for its time is no whole number or its id no UUID, is left out.
    """
    async with LogReader(sqlite_url) as reader, aclosing(reader.tail(follow=False)) as tail:  # type: ignore[type-var]  # it is a generator
        await anext(tail)
        with Writing(sqlite_url) as writing:
            places = writing.insert(START)
            for name, values in HAND_MADE.items():
                for value in values:
                    id_ = uuid4()
                    row = {"timestamp": START, "id": f"x'{id_.hex}'", "instance_id": "NULL", "trace_id": "'a'"}
                    fields = row | {name: value}
                    writing.execute(
                        f"INSERT INTO logs (level, severity, logger, message, {', '.join(fields)})"
                        f" VALUES ('INFO', 9, 't', 'm', {', '.join(map(str, fields.values()))})"
                    )
                    places += [Cursor(START, id_)] if name == "instance_id" else []
        batch = await anext(tail)
        assert {each.id for each in batch} == ids_of(places)
        page = await reader.search()
        assert [Cursor.of(each) for each in page] == sorted(places, reverse=True)
        assert {each.instance_id for each in page} == {None}
        assert page.older is None
        assert {each.id for each in await reader.search(after=Cursor.at(0))} == ids_of(places)
        assert {each.id for each in await reader.trace("a")} == ids_of(places[1:])
        assert await reader.get("00" * 8) is None
        (bucket,) = (await reader.histogram(bucket=60)).buckets
        assert bucket.total >= len(places)
        around = await reader.context(page.entries[3], 10)
        assert len(around.before) + len(around.after) == len(places) - 1
        assert (await reader.statistics()).oldest == START
        await reader.facets("", "instance_id")
        await reader.facets("", "timestamp")
        assert len(await reader.search("-instance_id:* OR severity > 8")) == len(places)
