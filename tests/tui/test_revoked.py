"""Who may not read any more, while reading: the screen says so, keeps what it has, and goes on once it may again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog_tui.app import DblogTui
from dblog_tui.browser import Mode
from dblog_tui.window import Mark
from tests.administered import SECOND, entry, fill, now
from tests.tui.driving import at_home, driving
from tests.tui.screen import text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.tui.driving import Driver

_SENTENCE = "a privilege is missing: see dblog grants"
_TRACE = "0af7651916cd43dd8448eb211c80319c"


class Reader:
    """A role that may read, until it may not."""

    def __init__(self, admin: psycopg.Connection[object], url: str, owner_url: str) -> None:
        self.url = url
        self._admin, self._owner_url = admin, owner_url
        self._name = urlsplit(url).username or ""
        self._start = now() - 600 * SECOND

    def revoke(self, what: str) -> None:
        """Take a privilege."""
        self._admin.execute(f"REVOKE SELECT ON {what} FROM {self._name}".encode())

    def grant(self, what: str) -> None:
        """Give it back."""
        self._admin.execute(f"GRANT SELECT ON {what} TO {self._name}".encode())

    def write(self, numbers: Iterable[int]) -> None:
        """Somebody logs."""
        each = (entry(n, self._start + n * 100_000, message=f"row {n}.", trace_id=_TRACE) for n in numbers)
        fill(self._owner_url, each)


@pytest.fixture
def reader(
    postgres_url: str, reader_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """The role, and forty rows."""
    at_home(tmp_path / "home", monkeypatch)
    with contextlib.closing(psycopg.connect(postgres_url, autocommit=True)) as admin:
        made = Reader(admin, reader_postgres_url, postgres_url)
        made.write(range(1, 41))
        yield made


def numbers(it: Driver) -> list[int]:
    """Of the rows that are loaded."""
    return [row.lineno or 0 for row in it.logs.browser.window.rows if isinstance(row, LogEntry)]


async def revoked(it: Driver, reader: Reader, what: str) -> None:
    """The privilege is taken, and the screen says so."""
    it.logs.browser.again = 0.1
    reader.revoke(what)
    await it.until(lambda: "CANNOT READ" in it.text)
    assert "cannot be read" in it.lines[1]
    assert _SENTENCE in it.lines[1]


@pytest.mark.parametrize("what", ["logs", "ALL TABLES IN SCHEMA public"])
async def test_who_follows_is_told_and_follows_again(reader: Reader, what: str) -> None:
    """Nobody presses a key: the reason, the rows, and what came meanwhile, once, behind a line that says why."""
    async with driving(reader.url, size=(120, 24)) as it:
        await revoked(it, reader, what)
        assert "row 40." in it.text
        attempt = it.logs.browser.down.attempt if it.logs.browser.down else 0
        await it.until(lambda: it.logs.browser.down and it.logs.browser.down.attempt > attempt)
        reader.write([41, 42])
        reader.grant(what)
        await it.until(lambda: "LIVE" in it.text and "row 42." in it.text)
        assert it.mode() is Mode.LIVE
        assert _SENTENCE not in it.text
        assert not it.logs.browser.trouble
        assert numbers(it) == list(range(1, 43))
        (mark,) = (row for row in it.logs.browser.window.rows if isinstance(row, Mark))
        assert mark.text == "reading was refused here; the tail goes on from this place"
        reader.write([43])
        await it.until(lambda: "row 43." in it.text)


async def test_what_was_loaded_can_be_used_meanwhile(reader: Reader) -> None:
    """Rows move and open; what would have to be read says the sentence in its place, and is there afterwards."""
    async with driving(reader.url, size=(120, 24)) as it:
        await revoked(it, reader, "logs")
        await it.press("up", "up")
        assert it.row.lineno == 38
        await it.press("enter")
        assert "the rest could not be loaded: 42501" in it.text
        assert _SENTENCE in it.text
        assert "row 38." in it.text
        await it.press("escape", "t")
        assert "The trace could not be read." in it.text
        assert _SENTENCE in it.text
        await it.press("q")
        await it.press("pageup", "home")
        assert it.row.lineno == 1
        await it.filter("lineno:7")
        assert _SENTENCE in it.text
        assert "tried again and again" in it.text
        reader.grant("logs")
        await it.until(lambda: it.messages == ["row 7."])
        await it.until(lambda: it.logs.browser.down is None and it.logs.histogram.bars.done)
        await it.filter("")
        assert numbers(it) == list(range(1, 41))


async def test_who_may_not_read_at_the_start_waits(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence stands where the rows will be, until they are there."""
    monkeypatch.setattr("dblog_tui.screens.logs_talks._PULSE", 0.2)
    reader.revoke("logs")
    app = DblogTui(database=Database(reader.url))
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_for(pilot, lambda: app.logs is not None and text_of(app).count(_SENTENCE) == 2)
        assert "CANNOT READ" in text_of(app)
        assert app.logs is not None
        app.logs.browser.again = 0.1
        reader.grant("logs")
        await pilot.press("r")
        await wait_for(pilot, lambda: "row 40." in text_of(app) and "LIVE" in text_of(app))
        assert not any(isinstance(row, Mark) for row in app.logs.browser.window.rows)
