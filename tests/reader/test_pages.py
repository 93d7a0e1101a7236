"""Pages, neighbours and single entries: every entry once, in order, whichever way one walks."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog import ConfigurationError, SyncLogReader
from dblog.reading.values import Cursor
from tests.administered import DAY, SECOND, entry, fill
from tests.embedded_clickhouse import ENGINES
from tests.tail_tools import Writing, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.entry import LogEntry
    from dblog.reading.values import Page

pytestmark = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
START = (now() // DAY + 1) * DAY + 60 * SECOND
"""Of tomorrow: its partition is there, also if tomorrow comes before the test does."""
# Few µs, so that many entries share one.
MOMENTS = st.lists(st.integers(0, 6), max_size=24)
slow = settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Table:
    """An emptied table, a writer and a reader of it."""

    def __init__(self, url: str, reading_url: str, stack: ExitStack) -> None:
        self.writing = stack.enter_context(Writing(url))
        self.reader = stack.enter_context(SyncLogReader(reading_url))

    def holding(self, moments: list[int]) -> list[Cursor]:
        """Make these entries its content; their places, the newest first."""
        self.writing.begin()
        self.writing.execute("DELETE FROM logs")
        places = self.add(moments)
        self.writing.execute("COMMIT")
        return places

    def add(self, moments: list[int]) -> list[Cursor]:
        return sorted(self.writing.insert(*(START + moment for moment in moments)), reverse=True)


@pytest.fixture
def table(database_url: str, reading_url: str) -> Iterator[Table]:
    with ExitStack() as stack:
        yield Table(database_url, reading_url, stack)


def places(page: Page) -> list[Cursor]:
    return [Cursor.of(each) for each in page]


@slow
@given(moments=MOMENTS, limit=st.integers(1, 10))
def test_pages_together_are_one_sorted_read(table: Table, moments: list[int], limit: int) -> None:
    """Older pages from the newest, and newer pages from the oldest, hold every entry once and in order."""
    expected = table.holding(moments)
    page = table.reader.search(limit=limit)
    downwards = places(page)
    while page.older is not None:
        page = table.reader.search(before=page.older, limit=limit)
        assert len(page) > 0
        downwards += places(page)
    assert downwards == expected

    upwards: list[Cursor] = []
    page = table.reader.search(after=Cursor.at(START - 1), limit=limit)
    while len(page):
        upwards = places(page) + upwards
        page = table.reader.search(after=str(page.newer), limit=limit)
    assert upwards == expected


@slow
@given(moments=MOMENTS, further=st.lists(MOMENTS, max_size=6), limit=st.integers(1, 6))
def test_what_is_inserted_between_pages_disturbs_none(
    table: Table, moments: list[int], further: list[list[int]], limit: int
) -> None:
    """Entries that come before or behind while one pages: those that were there come once, and in order."""
    expected = table.holding(moments)
    page = table.reader.search(limit=limit)
    seen = places(page)
    insertions = iter(further)
    while page.older is not None:
        table.add(next(insertions, []))
        page = table.reader.search(before=page.older, limit=limit)
        seen += places(page)
    assert seen == sorted(set(seen), reverse=True)
    assert [place for place in seen if place in set(expected)] == expected


@slow
@given(moments=MOMENTS, ends=st.tuples(st.integers(-1, 7), st.integers(-1, 7), st.booleans()), limit=st.integers(1, 24))
def test_a_page_between_two_cursors(table: Table, moments: list[int], ends: tuple[int, int, bool], limit: int) -> None:
    """``after`` and ``before`` are excluded, need not exist, and the newest between them are the page."""
    expected = table.holding(moments)
    low, high, exact = ends
    after, before = Cursor.at(START + low), Cursor.at(START + high)
    if exact and expected:
        after, before = expected[low % len(expected)], expected[high % len(expected)]
    between = [place for place in expected if after < place < before]
    page = table.reader.search(after=after, before=before, limit=limit)
    assert places(page) == between[:limit]
    assert page.older == (between[limit - 1] if len(between) > limit else None)


@slow
@given(moments=MOMENTS, at=st.integers(0, 30), limit=st.integers(1, 5))
def test_an_end_can_be_turned_back_from(table: Table, moments: list[int], at: int, limit: int) -> None:
    """Every page but the empty one of an empty table names where newer entries begin, without gap or repetition."""
    expected = table.holding(moments)
    known = bool(expected) and at < len(expected)
    place = expected[at] if known else Cursor(START + at, uuid4())
    older, newer = table.reader.search(before=place, limit=limit), table.reader.search(after=place, limit=limit)
    assert older.newer is not None
    assert newer.older is not None
    first = [each for each in expected if each < place][:limit]
    newer_still = [each for each in expected if each > (first[0] if first else place) or (not first and each == place)]
    assert places(table.reader.search(after=older.newer, limit=100)) == newer_still
    last = [each for each in expected if each > place][-limit:]
    older_still = [each for each in expected if each < (last[-1] if last else place) or (not last and each == place)]
    assert places(table.reader.search(before=newer.older, limit=100)) == older_still


def test_an_empty_table_has_no_places(table: Table) -> None:
    """Nothing is older, and nothing is known to be newer."""
    page = table.reader.search()
    assert (page.entries, page.older, page.newer) == ((), None, None)


def test_places_beyond_all_times_are_places(table: Table) -> None:
    """A cursor of a time that no database holds is before, or behind, everything."""
    expected = table.holding([1, 2])
    assert places(table.reader.search(before=Cursor(10**18, UUID(int=0)))) == expected
    assert places(table.reader.search(after=Cursor(0, UUID(int=0)))) == expected
    assert len(table.reader.search(after="9999999999999999999-" + "f" * 32)) == 0


@pytest.fixture
def stored(database_url: str) -> list[LogEntry]:
    """Forty entries, the oldest first, in several traces."""
    entries = [entry(number, START + number // 3, trace_id="aBcD" if number % 4 else "0") for number in range(40)]
    fill(database_url, entries)
    return sorted(entries, key=Cursor.of)


def test_an_entry_comes_back_as_it_was(stored: list[LogEntry], reading_url: str) -> None:
    """Every field with its type; ``metadata`` is JSON text, ``ingested_at`` in µs."""
    with SyncLogReader(reading_url) as reader:
        found = reader.search(limit=100).entries[::-1]
    assert [each._replace(metadata=None, ingested_at=None) for each in found] == [
        each._replace(metadata=None) for each in stored
    ]
    assert [each.attributes for each in found] == [each.attributes for each in stored]
    assert all(isinstance(each.metadata, str) and type(each.timestamp) is int for each in found)
    assert all(each.ingested_at is not None and abs(each.ingested_at - now()) < 60_000_000 for each in found)


def test_one_entry_is_found_by_its_id(stored: list[LogEntry], reading_url: str) -> None:
    """By the UUID, its text, or the digits it ends in; None where there is none."""
    with SyncLogReader(reading_url) as reader:
        for each in stored[::9]:
            assert each.id is not None
            for spelled in (each.id, str(each.id), each.id.hex.upper(), f" {each.id} "):
                found = reader.get(spelled)
                assert found is not None
                assert found.id == each.id
            for digits in (16, 17, 20, 21, 25, 31):
                found = reader.get(each.id.hex[-digits:].upper())
                assert found is not None
                assert found.id == each.id
        assert reader.get(uuid4()) is None
        assert reader.get("f" * 31) is None
        for wrong in ("1234567", "g" * 16, "", "%" * 9):
            with pytest.raises(ConfigurationError, match="is not an entry's id"):
                reader.get(wrong)


def test_an_id_that_tells_another_time_is_found_all_the_same(database_url: str, reading_url: str) -> None:
    """Ids made elsewhere need not be UUIDv7."""
    foreign = uuid4()
    fill(database_url, [entry(1, START, id=foreign)])
    with SyncLogReader(reading_url) as reader:
        found = reader.get(foreign)
    assert found is not None
    assert found.id == foreign


def test_a_short_ending_means_the_newest_entry(database_url: str, reading_url: str) -> None:
    """Where several ids end alike, the newest entry is meant."""
    ids = [UUID(f"01890a5d-ac96-774b-bcc{number}-b302099a8057") for number in range(3)]
    fill(database_url, [entry(number, START + number, id=each) for number, each in enumerate(ids)])
    with SyncLogReader(reading_url) as reader:
        found = reader.get("b302099a8057")
    assert found is not None
    assert found.id == ids[2]


def test_a_trace_is_found_however_its_id_is_written(database_url: str, reading_url: str) -> None:
    """As typed, in lower and in upper case; the oldest first, and truncated says that there are more."""
    spellings = {"aBcD": "aBcD", "abcd1": "ABcd1", "ABCD2": "abCD2"}
    fill(
        database_url,
        [
            entry(10 * place + number, START - number, trace_id=stored)
            for place, stored in enumerate(spellings)
            for number in range(5)
        ],
    )
    with SyncLogReader(reading_url) as reader:
        for asked in spellings.values():
            whole, part = reader.trace(asked), reader.trace(asked, limit=4)
            assert [each.timestamp for each in whole] == [START - 4, START - 3, START - 2, START - 1, START]
            assert (whole.trace_id, whole.truncated) == (asked, False)
            assert (part.entries, part.truncated) == (whole.entries[:4], True)
        assert reader.trace("nothing").entries == ()


def test_the_neighbours_of_an_entry(stored: list[LogEntry], reading_url: str) -> None:
    """``n`` on each side, fewer at an end, of those that match the query."""
    with SyncLogReader(reading_url) as reader:
        every = reader.search(limit=100).entries[::-1]
        for at in (0, 1, 17, 39):
            around = reader.context(every[at], 5)
            assert [*around.before, around.entry, *around.after] == list(every[max(0, at - 5) : at + 6])
        of_trace = reader.context(every[17], 2, query="trace_id:0")
        traced = [each for each in every if each.trace_id == "0"]
        assert list(of_trace.before) == [each for each in traced if Cursor.of(each) < Cursor.of(every[17])][-2:]
        assert list(of_trace.after) == [each for each in traced if Cursor.of(each) > Cursor.of(every[17])][:2]
        assert reader.context(every[3], 0).before == ()
        with pytest.raises(ConfigurationError, match="not read from a database"):
            reader.context(every[3]._replace(id=None))


def test_a_limit_is_a_number_from_1_to_10000(reading_url: str) -> None:
    """Anything else is refused before anything is asked."""
    limits: tuple[Any, ...] = (0, -1, 10_001, True, 2.5, "5")
    with SyncLogReader(reading_url) as reader:
        for ask, limit in itertools.product((reader.search, reader.instances, reader.dead_letters), limits):
            with pytest.raises(ConfigurationError, match=r"give a number from 1 to 10,000"):
                ask(limit=limit)
        with pytest.raises(ConfigurationError, match="not a cursor"):
            reader.search(before="yesterday")
