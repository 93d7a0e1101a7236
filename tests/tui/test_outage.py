"""The database goes away under a live tail, comes back, is replaced, or refuses: the screen says so, and works."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from dblog import migrate
from dblog.backoff import Backoff
from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog_tui.app import DblogTui
from dblog_tui.browser import Mode
from dblog_tui.window import Mark
from tests.administered import SECOND, entry, fill, now
from tests.tui.screen import text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from textual.pilot import Pilot

    from dblog_tui.screens.logs import LogsScreen
    from tests.postgres import Private


class Watching:
    """The application, looking at a database that is filled by hand."""

    def __init__(self, app: DblogTui, pilot: Pilot[None], url: str) -> None:
        self.app, self.pilot, self.url = app, pilot, url
        self.start = now() - 600 * SECOND

    @property
    def logs(self) -> LogsScreen:
        """The log screen."""
        found = self.app.logs
        assert found is not None
        return found

    @property
    def text(self) -> str:
        """What one sees."""
        return text_of(self.app)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the rows that are loaded, in order."""
        return [row.lineno or 0 for row in self.logs.browser.window.rows if isinstance(row, LogEntry)]

    @property
    def number(self) -> int:
        """Of the row under the cursor."""
        found = self.logs.rows.entry
        assert found is not None
        return found.lineno or 0

    async def write(self, numbers: Iterable[int], **fields: object) -> None:
        """Entries, each a second after the one before."""
        made = [entry(n, self.start + n * 100_000, message=f"row {n}.", **fields) for n in numbers]
        await asyncio.to_thread(fill, self.url, made)

    async def until(self, words: str) -> None:
        """These words are on the screen."""
        await wait_for(self.pilot, lambda: words in self.text)

    async def live(self) -> None:
        """The newest rows are there, and followed."""
        browser = self.logs.browser
        await wait_for(self.pilot, lambda: browser.tailing and not browser.busy and "LIVE" in self.text)

    async def all_up(self) -> list[int]:
        """The rows from the newest to the oldest, as somebody finds them who scrolls up."""
        browser = self.logs.browser
        while browser.window.older:
            await self.pilot.press(*["pageup"] * 5)
            await wait_for(self.pilot, lambda: not browser.busy)
        return self.numbers


@asynccontextmanager
async def watching(url: str, before: int = 300) -> AsyncIterator[Watching]:
    """The running application, and so many rows."""
    app = DblogTui(database=Database(url))
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        made = Watching(app, pilot, url)
        await made.write(range(1, before + 1))
        await wait_for(pilot, lambda: app.logs is not None)
        await made.live()
        await made.until(f"row {before}.")
        yield made


class _Patient(Backoff):
    """Two short pauses, then one that only somebody who presses ``r`` ends."""

    def next(self) -> float:
        super().next()
        return 0.05 if self._attempts < 3 else 3600.0


@pytest.mark.parametrize("seconds", [0.0, pytest.param(30.0, marks=pytest.mark.long)])
async def test_a_server_that_is_stopped_and_started(
    private_postgres: Private, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state word and the reason; rows stay and move; afterwards every row is there once, with a line between.

    It comes back by ``r``; in the long run by itself.
    """
    if not seconds:
        monkeypatch.setattr("dblog.reading.tailing.Backoff", _Patient)
    async with watching(private_postgres.database_url) as it:
        browser = it.logs.browser
        await it.write([301, 302])
        await it.until("row 302.")
        stopped = time.monotonic()
        await asyncio.to_thread(private_postgres.stop)
        await it.until("DB DOWN")
        assert "tries now" in it.text
        assert "away since" in it.text
        assert "row 302." in it.text
        await it.pilot.press("pageup", "pageup")
        await it.pilot.press("up")
        read = it.number
        assert read < 302 - 30
        assert f"row {read}." in it.text
        await it.pilot.press("enter")
        await it.until("could not be loaded")
        await it.pilot.press("escape")
        await it.pilot.press("pageup", "pagedown", "g")  # the oldest cannot be had
        await wait_for(it.pilot, lambda: not browser.busy)
        await it.pilot.press("F")
        assert it.number == it.numbers[-1] == 302
        assert "DB DOWN" in it.text
        await asyncio.sleep(max(0, stopped + seconds - time.monotonic()))
        await wait_for(it.pilot, lambda: browser.down is not None and browser.down.attempt > 2)
        await asyncio.to_thread(private_postgres.start)
        await it.write(range(303, 320))
        if not seconds:
            assert browser.down is not None
            await it.pilot.press("r")
        await it.until("LIVE")
        await it.until("row 319.")
        assert "DB DOWN" not in it.text
        assert "the database was away for" in it.text
        assert "connection lost here" in it.text
        assert browser.notice.startswith("the database was away for")
        assert browser.notice.endswith("nothing was missed")
        await it.write([320])
        await it.until("row 320.")
        rows = browser.window.rows
        marked = next(index for index, row in enumerate(rows) if isinstance(row, Mark))
        before, after = rows[marked - 1], rows[marked + 1]
        assert isinstance(before, LogEntry)
        assert isinstance(after, LogEntry)
        assert (before.lineno, after.lineno) == (302, 303)
        assert await it.all_up() == list(range(1, 321))
        assert not browser.trouble


async def test_who_reads_during_an_outage_keeps_the_place(private_postgres: Private) -> None:
    """PAUSED before, PAUSED after, on the same row; what came is counted; `r` has the tail look at once."""
    async with watching(private_postgres.database_url) as it:
        browser = it.logs.browser
        await it.pilot.press("pageup", *["up"] * 5)
        read, seen = it.number, it.logs.rows.on_screen
        await asyncio.to_thread(private_postgres.stop, "immediate")
        await it.until("DB DOWN")
        await asyncio.to_thread(private_postgres.start)
        await it.write([301, 302, 303], level="ERROR", severity=17)
        await it.pilot.press("r")
        await it.until("3 new (3 E)")
        assert browser.mode is Mode.PAUSED
        assert it.number == read
        assert it.logs.rows.on_screen == seen[: len(it.logs.rows.on_screen)]
        await it.pilot.press("F")
        await it.until("row 303.")
        assert await it.all_up() == list(range(1, 304))


async def test_a_server_that_is_away_at_the_start(private_postgres: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen says so and tries again by itself; when it is there, so are the rows."""
    monkeypatch.setattr("dblog_tui.screens.logs_talks._PULSE", 0.2)
    monkeypatch.setattr("dblog_tui.asking._AGAIN", 0.1)
    url = private_postgres.database_url
    await asyncio.to_thread(fill, url, [entry(n, now() - 60 * SECOND + n, message=f"row {n}.") for n in range(50)])
    await asyncio.to_thread(private_postgres.stop)
    app = DblogTui(database=Database(url))
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await wait_for(pilot, lambda: app.logs is not None and "DB DOWN" in text_of(app))
        assert app.logs is not None
        browser = app.logs.browser
        await asyncio.to_thread(private_postgres.start)
        await wait_for(pilot, lambda: "row 49." in text_of(app) and "LIVE" in text_of(app))
        assert "DB DOWN" not in text_of(app)
        assert not any(isinstance(row, Mark) for row in browser.window.rows)
        await wait_for(pilot, lambda: "read" in text_of(app).splitlines()[0].lower())


async def test_a_table_that_is_gone_and_a_privilege_that_is_taken(postgres_url: str) -> None:
    """It is said why, the rows stay, and nothing is doubled or missed when it can be read again."""
    async with watching(postgres_url, before=30) as it:
        browser = it.logs.browser
        browser.again = 0.2
        # Not from this thread: the statement waits for a transaction of the application, which this thread runs.
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            await asyncio.to_thread(admin.execute, "ALTER TABLE logs RENAME TO gone")
            await it.until("CANNOT READ")
            assert "cannot be read" in it.text
            assert "row 30." in it.text
            attempt = browser.down.attempt if browser.down else 0
            await wait_for(it.pilot, lambda: browser.down is not None and browser.down.attempt > attempt)
            await it.pilot.press("up", "up")
            assert it.number == 28
            await asyncio.to_thread(admin.execute, "ALTER TABLE gone RENAME TO logs")
        await it.write([31, 32])
        await it.pilot.press("r")
        await it.until("2 new")
        assert it.number == 28
        await it.pilot.press("F")
        assert it.numbers == list(range(1, 33))


def _rest(path: Path) -> None:
    """Nothing of it is left in a write-ahead log."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a_file_that_is_moved_away_and_back(sqlite_url: str) -> None:
    """It is said; what was loaded stays; afterwards nothing is missed. How soon, the tail's own tests say."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    away = path.with_name("away")
    async with watching(sqlite_url, before=30) as it:
        _rest(path)
        os.rename(path, away)  # noqa: PTH104 - the same, and one of pathlib is said to block
        await it.until("DB DOWN")
        assert "SQLITE_CANTOPEN" in it.text
        assert "row 30." in it.text
        os.rename(away, path)  # noqa: PTH104 - as above
        await it.write([31])
        await it.until("row 31.")
        assert it.numbers == list(range(1, 32))
        assert "connection lost here" in it.text
        assert "was away" in it.text


@pytest.mark.parametrize("reading", [False, True])
async def test_a_file_that_is_replaced(sqlite_url: str, tmp_path: Path, reading: bool) -> None:
    """It is said; who follows sees the new one's rows alone, who reads keeps what is read until F."""
    path, other = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "other.db"
    migrate.upgrade(f"sqlite:///{other}")
    async with watching(sqlite_url, before=30) as it:
        made = [entry(n, it.start + n * 100_000, message=f"row {n}.") for n in range(1001, 1021)]
        await asyncio.to_thread(fill, f"sqlite:///{other}", made)
        _rest(other)
        if reading:
            await it.pilot.press("up", "up")
        os.replace(other, path)  # noqa: PTH105 - as another program would
        await it.until("replaced")
        if reading:
            assert it.number == 28
            assert it.numbers == list(range(1, 31))
            await it.pilot.press("F")
        await wait_for(it.pilot, lambda: it.numbers == list(range(1001, 1021)))
        assert "row 1020." in it.text
        await it.write([1021])
        await it.until("row 1021.")
