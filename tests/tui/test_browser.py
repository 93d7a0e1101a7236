"""The browser keeps its window filled: with pages, with the tail, through floods and while the database is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog.errors import QuerySyntaxError
from dblog.reading.values import Cursor
from dblog_tui.browser import Browser, Mode
from dblog_tui.source import Source
from dblog_tui.view import Span, View
from tests.administered import SECOND, entry, fill, now
from tests.tui.screen import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Looking:
    """A browser, and what it said."""

    def __init__(self, url: str) -> None:
        self.source = Source(Database(url))
        self.said: list[str] = []
        self.browser = Browser(self.source, self.said.append)

    @property
    def numbers(self) -> list[int | None]:
        """The rows, by the number their entry was made of."""
        return [row.lineno for row in self.browser.window.rows if isinstance(row, LogEntry)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let it work until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (self.numbers[-5:], self.browser.trouble, self.browser.mode)
            await asyncio.sleep(0.005)


@pytest.fixture
async def looking(database_url: str) -> AsyncIterator[Looking]:
    """A browser of an empty, migrated database."""
    made = Looking(database_url)
    await made.source.open()
    yield made
    await made.browser.close()
    await made.source.close()


def _url(looking: Looking) -> str:
    return looking.source.database.url


async def _filled(looking: Looking, count: int, **fields: Any) -> int:
    """So many entries of the last minutes, one a millisecond; µs of the first."""
    start = now() - 600 * SECOND
    made = [entry(number, start + number * 1000, **fields) for number in range(count)]
    await asyncio.to_thread(fill, _url(looking), made)
    return start


async def test_it_shows_the_newest_and_follows(looking: Looking) -> None:
    """The newest page, the oldest first; then every entry that is stored, in its place, late ones marked."""
    start = await _filled(looking, 500)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and not looking.browser.loading)
    assert looking.numbers == list(range(300, 500))
    assert looking.browser.mode is Mode.LIVE
    both = [entry(1001, start + 3_000_000), entry(1002, start + 7_000_000)]
    await asyncio.to_thread(fill, _url(looking), both)
    await looking.until(lambda: 1002 in looking.numbers)
    assert looking.browser.late == 0, "nothing newer than the first of them had been seen"
    await asyncio.to_thread(fill, _url(looking), [entry(1000, start + 490_500)])
    await looking.until(lambda: 1000 in looking.numbers)
    assert looking.numbers[-13:] == [490, 1000, *range(491, 500), 1001, 1002]
    assert looking.browser.late == 1


async def test_pages_in_both_directions_are_the_table(looking: Looking) -> None:
    """Up to the oldest, and down again to the newest: no entry is skipped or doubled, also with rows arriving."""
    start = await _filled(looking, 1500)
    looking.browser.show(View())
    await looking.until(lambda: len(looking.browser.window) > 0 and looking.browser.tailing)
    looking.browser.pause()
    looking.browser.window.capacity = 700
    new = 0
    while looking.browser.window.older:
        looking.browser.need(older=True)
        new += 1
        await asyncio.to_thread(fill, _url(looking), [entry(2000 + new, start + 1_600_000 + new)])
        await looking.until(lambda: not looking.browser.busy)
        assert looking.numbers == sorted(looking.numbers)  # type: ignore[type-var]  # every entry has one
    assert looking.numbers == list(range(700))
    while looking.browser.window.newer:
        looking.browser.need(older=False)
        await looking.until(lambda: not looking.browser.busy)
    await looking.until(lambda: looking.numbers[-1] == 2000 + new)
    assert looking.numbers == [*range(1500), *range(2001, 2001 + new)][-700:]


async def test_pausing_counts_by_level_and_following_catches_up(looking: Looking) -> None:
    """What comes while one reads is counted, not shown elsewhere; following shows it."""
    start = await _filled(looking, 10)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and len(looking.browser.window) == 10)
    looking.browser.pause()
    bad = [entry(100 + n, start + 20_000 + n, level="ERROR", severity=17) for n in range(3)]
    await asyncio.to_thread(fill, _url(looking), [*bad, entry(200, start + 30_000)])
    await looking.until(lambda: looking.browser.news.total == 4)
    assert looking.browser.news.bands[4] == 3
    assert looking.browser.mode is Mode.PAUSED
    assert looking.browser.follow()
    assert looking.browser.news.total == 0
    assert looking.numbers[-1] == 200


async def test_a_flood_shows_its_newest_and_counts_the_rest(looking: Looking) -> None:
    """More than fit at one look: the window is the newest piece, without a hole, and the number skipped is exact."""
    start = await _filled(looking, 10)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and len(looking.browser.window) == 10)
    flood = [entry(1000 + n, start + 50_000 + n) for n in range(1000)]
    await asyncio.to_thread(fill, _url(looking), flood)
    await looking.until(lambda: looking.numbers[-1:] == [1999])
    rows = looking.numbers
    assert rows == list(range(2000 - len(rows), 2000))
    assert looking.browser.skipped == 1000 - len(rows)
    assert looking.browser.window.older


async def test_what_one_page_has_is_not_skipped(looking: Looking) -> None:
    """More than one look brings, and less than a page: all of it is there a moment later, and what was there before."""
    start = await _filled(looking, 10)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and len(looking.browser.window) == 10)
    new = [entry(1000 + n, start + 50_000 + n) for n in range(390)]
    await asyncio.to_thread(fill, _url(looking), new)
    await looking.until(lambda: looking.numbers[-390:] == [*range(1000, 1390)] and not looking.browser.busy)
    assert looking.browser.skipped == 0
    assert looking.browser.mode is Mode.LIVE
    assert looking.said[-1] != "ahead", "the header says so at once"
    await looking.until(lambda: looking.numbers[0] == 0)


async def test_what_is_loaded_is_skipped_no_more(looking: Looking) -> None:
    """Page by page the number goes down to nothing; what the tail brings meanwhile changes nothing in it."""
    start = await _filled(looking, 10)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and len(looking.browser.window) == 10)
    flood = [entry(1000 + n, start + 50_000 + n) for n in range(1100)]
    await asyncio.to_thread(fill, _url(looking), flood)
    await looking.until(lambda: looking.numbers[-1:] == [2099])
    told = [looking.browser.skipped]
    for number in range(3):
        await asyncio.to_thread(fill, _url(looking), [entry(3000 + number, start + 60_000_000 + number)])
        await looking.until(lambda: looking.numbers[-1] == 3000 + number)  # noqa: B023 - called in this turn
        looking.browser.need(older=True)
        await looking.until(lambda: not looking.browser.busy)
        told.append(looking.browser.skipped)
    assert told == [900, 500, 100, 0]
    assert looking.numbers[:11] == [*range(10), 1000]


async def test_a_search_without_an_index_goes_backwards_in_pieces(looking: Looking) -> None:
    """A rare word is found wherever it is, and the search says how far it has come."""
    start = await _filled(looking, 800)
    await asyncio.to_thread(fill, _url(looking), [entry(5000, start - 300 * SECOND, message="a needle")])
    looking.browser.show(View("needle"))
    await looking.until(lambda: looking.numbers == [5000])
    await looking.until(lambda: not looking.browser.busy)
    assert not looking.browser.window.older
    assert looking.browser.reached is None


async def test_a_jump_shows_what_is_around_a_place(looking: Looking) -> None:
    """Both sides are loaded; it is HISTORY, and following leads back to the newest."""
    start = await _filled(looking, 900)
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing)
    looking.browser.jump(Cursor.at(start + 300_000))
    await looking.until(lambda: "around" in looking.said)
    assert looking.browser.mode is Mode.HISTORY
    assert looking.numbers == list(range(200, 400))
    assert looking.browser.window.newer
    assert not looking.browser.follow()
    await looking.until(lambda: looking.numbers[-1:] == [899] and looking.browser.mode is Mode.LIVE)


async def test_a_closed_range_follows_nothing(looking: Looking) -> None:
    """A range with an end is HISTORY: only its entries, and no tail."""
    start = await _filled(looking, 100)
    looking.browser.show(View(span=Span(since=start + 10_000, until=start + 20_000)))
    await looking.until(lambda: len(looking.browser.window) > 0)
    assert looking.numbers == list(range(10, 20))
    assert looking.browser.mode is Mode.HISTORY
    assert not looking.browser.tailing


async def test_a_query_that_cannot_be_read_changes_nothing(looking: Looking) -> None:
    """The error has the place; view and rows stay as they were."""
    await _filled(looking, 5)
    looking.browser.show(View())
    await looking.until(lambda: len(looking.browser.window) == 5)
    with pytest.raises(QuerySyntaxError):
        looking.browser.show(View("service:(a"))
    assert looking.browser.view == View()
    assert len(looking.browser.window) == 5


async def test_seeking_finds_the_nearest_match(looking: Looking) -> None:
    """In either direction, wherever it is stored."""
    start = await _filled(looking, 600)
    await asyncio.to_thread(fill, _url(looking), [entry(7000, start + 50_500, level="ERROR", severity=17)])
    looking.browser.show(View())
    await looking.until(lambda: looking.browser.tailing and not looking.browser.loading)
    found: list[LogEntry | None] = []
    query = View(least=4).asked(now())
    looking.browser.seek(query, newer=False, start=Cursor.at(start + 590_000), then=found.append)
    await looking.until(lambda: bool(found))
    assert found[0] is not None
    assert found[0].lineno == 7000
    looking.browser.seek(query, newer=True, start=Cursor.at(start + 60_000), then=found.append)
    await looking.until(lambda: len(found) == 2)
    assert found[1] is None
