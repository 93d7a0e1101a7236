"""A tail that cannot show everything says how much it left out, is never behind, and leaves what is read alone."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog_tui.app import DblogTui
from tests.administered import entry, fill, now
from tests.oracle import rows
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from textual.pilot import Pilot

    from dblog.reading.values import TailBatch

_WRITER = Path(__file__).with_name("flood.py")
_BEFORE = 300


class Flooded:
    """The application, a writer, and all that the tail has brought."""

    def __init__(self, app: DblogTui, pilot: Pilot[None], writer: asyncio.subprocess.Process, url: str) -> None:
        self.app, self.pilot, self._writer, self._url = app, pilot, writer, url
        assert app.logs is not None
        self.browser, self.rows = app.logs.browser, app.logs.rows
        self.brought: list[int] = []
        self.skipped = self.batches = 0
        told = self.browser._batch

        def tally(batch: TailBatch) -> None:
            self.brought += [row.lineno or 0 for row in batch]
            self.skipped += batch.skipped
            self.batches += bool(batch.entries)
            told(batch)

        self.browser._batch = tally  # type: ignore[method-assign]  # a look at what comes

    @property
    def numbers(self) -> list[int]:
        """Of the rows that are loaded."""
        return [row.lineno or 0 for row in self.browser.window.rows if isinstance(row, LogEntry)]

    def without_a_gap(self) -> None:
        """The rows are numbered in the order they were written."""
        numbers = self.numbers
        assert numbers == list(range(numbers[0], numbers[-1] + 1))

    def counted(self) -> None:
        """Every row up to the newest the tail has brought was brought, or counted as skipped."""
        assert len(self.brought) == len(set(self.brought))
        assert len(self.brought) + self.skipped == self.brought[-1]

    def newest(self) -> int:
        """The number of the newest row that is committed."""
        ((found,),) = rows(self._url, "SELECT max(lineno) FROM logs")
        return int(found)

    async def more(self, batches: int) -> None:
        """Wait until the tail has brought something so many times more."""
        enough = self.batches + batches
        await wait_for(self.pilot, lambda: self.batches >= enough)

    async def in_time(self) -> None:
        """Two batches from now the tail has what is committed now: one of them may have been on its way."""
        newest = await asyncio.to_thread(self.newest)
        await self.more(2)
        assert self.brought[-1] >= newest, "it lags behind"

    def begin(self) -> None:
        """The writer begins."""
        self._tell()

    async def end(self) -> int:
        """It ends; how many rows it wrote."""
        self._tell()
        assert self._writer.stdout is not None
        return int(await self._writer.stdout.readline())

    def _tell(self) -> None:
        assert self._writer.stdin is not None
        self._writer.stdin.write(b"go\n")


@asynccontextmanager
async def flooded(url: str, rate: int) -> AsyncIterator[Flooded]:
    """Some rows from before the flood, numbered up to 0; the application follows them, and the writer is ready."""
    start = now() - 60_000_000
    made = [entry(n, start + n * 1000) for n in range(1 - _BEFORE, 1)]
    await asyncio.to_thread(fill, url, made)
    piped = asyncio.subprocess.PIPE
    writer = await asyncio.create_subprocess_exec(
        sys.executable, str(_WRITER), url, str(rate), stdin=piped, stdout=piped
    )
    try:
        app = DblogTui(database=Database(url))
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: app.logs is not None and app.logs.browser.tailing)
            await wait_for(pilot, lambda: "order 0," in text_of(app))
            assert writer.stdout is not None
            assert await writer.stdout.readline() == b"ready\n"
            yield Flooded(app, pilot, writer, url)
    finally:
        if writer.returncode is None:
            writer.kill()
        await writer.communicate()


async def _flood(url: str, rate: int, batches: int) -> None:
    async with flooded(url, rate) as it:
        browser, pilot = it.browser, it.pilot
        it.begin()
        used, began = time.process_time(), time.monotonic()
        await wait_for(pilot, lambda: browser.skipped > 0)
        await it.more(batches)
        live = (time.process_time() - used) / (time.monotonic() - began)
        assert 0 < browser.skipped <= it.skipped
        assert f"{browser.skipped:,} skipped" in text_of(it.app)
        it.without_a_gap()
        it.counted()
        assert it.numbers[-1] == it.brought[-1]
        await it.in_time()
        await pilot.press("up", "up", "pageup")
        await wait_for(pilot, lambda: not browser.busy)
        skipped, read = browser.skipped, it.rows.cursor_row
        await it.more(1)
        seen = lines_of(it.app)[4:-2]
        used, began = time.process_time(), time.monotonic()
        await it.more(max(batches // 4, 1))
        paused = (time.process_time() - used) / (time.monotonic() - began)
        assert lines_of(it.app)[4:-2] == seen
        assert it.rows.cursor_row == read
        assert browser.skipped == skipped
        for _ in range(5):
            it.rows.page(10)
            await wait_for(pilot, lambda: not browser.busy)
            it.without_a_gap()
        it.counted()
        await pilot.press("F")
        total = await it.end()
        await wait_for(pilot, lambda: not browser.busy and f"row {total}." in text_of(it.app))
        assert it.numbers[-1] == total
        it.without_a_gap()
        assert not browser.window.newer
        print(f"{total} rows: {live:.0%} of a core while following, {paused:.0%} while paused")
        assert live < 0.6


async def test_a_flood_is_followed_at_its_newest(postgres_url: str) -> None:
    """At 5,000 rows a second: the number skipped is exact, no gap, nothing moves while one reads, F shows the end."""
    await _flood(postgres_url, 5000, 2)


@pytest.mark.long
async def test_a_long_flood_is_followed_at_its_newest(database_url: str) -> None:
    """The same for ten seconds, on both databases, with the processor's share."""
    await _flood(database_url, 5000, 20)


async def _trickle(url: str, count: int) -> None:
    async with flooded(url, 20) as it:
        it.begin()
        await wait_for(it.pilot, lambda: len(it.brought) >= count)
        total = await it.end()
        await wait_for(it.pilot, lambda: it.numbers[-1] == total)
        assert it.brought == list(range(1, total + 1))
        assert it.numbers == list(range(1 - 200, total + 1))
        assert it.browser.skipped == it.browser.late == 0


async def test_a_trickle_is_shown_whole(sqlite_url: str) -> None:
    """At 20 rows a second every row comes once."""
    await _trickle(sqlite_url, 12)


@pytest.mark.long
async def test_a_long_trickle_is_shown_whole(database_url: str) -> None:
    """The same for longer, on both databases."""
    await _trickle(database_url, 300)
