"""The whole application, driven by keys on the data of ``golden_data``, waited for without sleeping."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog_tui.app import DblogTui
from dblog_tui.settings import Settings
from tests.tui.screen import PATIENCE, lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot
    from textual.screen import Screen

    from dblog_tui.browser import Mode
    from dblog_tui.screens.logs import LogsScreen

__all__ = ["Driver", "at_home", "driving"]

_SOON: Final = 0.02
"""Seconds: a timer that is due by then is part of what goes on: the next picture, a resize."""


class Driver:
    """A running application."""

    def __init__(self, app: DblogTui, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def logs(self) -> LogsScreen:
        """The log screen."""
        found = self.app.logs
        assert found is not None
        return found

    @property
    def text(self) -> str:
        """The screen."""
        return text_of(self.app)

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return lines_of(self.app)

    @property
    def line(self) -> str:
        """The line the cursor is on, of the log screen."""
        return next((line for line in self.lines if line.startswith(">")), "")

    @property
    def row(self) -> LogEntry:
        """The entry the cursor is on."""
        found = self.logs.rows.entry
        assert found is not None
        return found

    @property
    def query(self) -> str:
        """The filter that is shown."""
        return self.logs.browser.view.query

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other, and wait until everything they began has ended."""
        for key in keys:
            await self.pilot.press(key)
        await self.quiet()

    async def write(self, text: str) -> None:
        """Type a text."""
        await self.pilot.press(*("space" if char == " " else char for char in text))

    async def command(self, text: str) -> None:
        """Give a command behind ``:``."""
        await self.press("colon")
        await self.write(text)
        await self.press("enter")

    async def filter(self, query: str) -> None:
        """Ask for something."""
        await self.press("f", "ctrl+e", "ctrl+u")
        await self.write(query)
        await self.press("enter")

    def mode(self) -> Mode:
        """LIVE, or not."""
        return self.logs.browser.mode

    def columns(self) -> tuple[str, ...]:
        """Of the rows."""
        return tuple(self.logs.rows.rows.columns)

    def shows(self, screen: type[Screen[Any]]) -> bool:
        """A screen is in front."""
        return isinstance(self.app.screen, screen)

    @property
    def said(self) -> str:
        """What the application said last."""
        return next((each.message for each in reversed([*self.app._notifications])), "")

    @property
    def messages(self) -> list[str]:
        """The messages of the rows that are loaded."""
        return [row.message for row in self.logs.browser.window.rows if isinstance(row, LogEntry)]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something holds."""
        await wait_for(self.pilot, condition)

    async def quiet(self) -> None:
        """Wait until nothing is being asked, and everything that follows from it is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self._busy() or _due():
                assert time.monotonic() < deadline, f"it never rests: {self._busy()}\n{self.text}"
                await asyncio.sleep(0.002)
            await self.pilot.pause()
            if not self._busy() and not _due():
                return

    def _busy(self) -> list[str]:
        logs = self.app.logs
        asked = ["browser"] if logs is not None and logs.browser.down is None and logs.browser.busy else []
        going_on = ("health", "pulse")
        running = [each.group for each in self.app.workers if not each.is_finished and each.group not in going_on]
        return asked + running


def _due() -> bool:
    """Something is to happen in a moment."""
    loop: Any = asyncio.get_running_loop()  # no loop says in public what it waits for
    return any(not each.cancelled() and each.when() < loop.time() + _SOON for each in loop._scheduled)


def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the application writes in a folder, which also is the current one."""
    home.mkdir(exist_ok=True)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(name, str(home))
    for name in ("DBLOG_URL", "DATABASE_URL", "DBLOG_PROFILE", "DBLOG_TUI_CONFIG", "TMUX", "STY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home)


@asynccontextmanager
async def driving(
    url: str | None, *, size: tuple[int, int] = (80, 24), glyphs: str = "unicode", **given: Any
) -> AsyncIterator[Driver]:
    """The application with its first rows on the screen; it looks at a database called ``shop``."""
    settings = Settings(theme="ansi-dark", glyphs=glyphs, timezone="UTC")
    name = None if url is None else "shop"
    database = None if url is None else Database(url)
    app = DblogTui(database=database, settings=settings.checked(), name=name, **given)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        if url is not None:
            await driver.until(
                lambda: app.logs is not None and app.logs.browser.tailing and len(app.logs.browser.window)
            )
        await driver.quiet()
        if url is not None:
            await driver.until(lambda: driver.logs.writers[0])
        yield driver
