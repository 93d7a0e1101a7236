"""Work beside a screen: an error in it is told, and what it no longer finds while the screen is taken down is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual.app import App
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from dblog_tui.widgets.watched import Watched
from tests.tui.screen import wait_for

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Lingering(Widget):
    """Takes its time to go."""

    async def on_unmount(self) -> None:
        assert isinstance(self.app, Host)
        await self.app.let.wait()


class Working(Watched, Screen[None]):
    """Says something again and again on a widget of its own; ends with an error once there is none."""

    def compose(self) -> ComposeResult:
        yield Static()
        yield Lingering()

    def on_mount(self) -> None:
        self.run_worker(self._work(), exit_on_error=False)

    async def _work(self) -> None:
        assert isinstance(self.app, Host)
        try:
            while True:
                self.query_one(Static).update("working")
                await asyncio.sleep(0)
        except NoMatches:
            self.app.gone.set()
            if self.app.instead is not None:
                raise self.app.instead from None
            raise


class Host(App[None]):
    """Shows one screen, and is told."""

    def __init__(self, instead: Exception | None) -> None:
        super().__init__()
        self.instead = instead
        """Raised in the place of what was not found."""
        self.gone, self.let = asyncio.Event(), asyncio.Event()
        self.told: list[Exception] = []

    def on_mount(self) -> None:
        self.push_screen(Working())

    def unexpected(self, error: Exception) -> None:
        self.told.append(error)


@pytest.mark.parametrize("instead", [None, ValueError("anything else")])
async def test_what_is_not_found_while_the_screen_is_taken_down_is_no_error(instead: Exception | None) -> None:
    """Some of its widgets are gone, and its work goes on: the application is told of nothing, or of another error."""
    app = Host(instead)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: bool(app.workers))
        closing = app.pop_screen()
        await app.gone.wait()
        app.let.set()
        await closing
        await wait_for(pilot, lambda: not app.workers)
    assert app.told == [each for each in (instead,) if each is not None]


async def test_what_is_not_found_on_a_screen_that_stays_is_told() -> None:
    """Somebody has made a mistake."""
    app = Host(None)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: bool(app.workers))
        app.let.set()
        await app.screen.query_one(Static).remove()
        await app.gone.wait()
        await wait_for(pilot, lambda: bool(app.told))
    (error,) = app.told
    assert isinstance(error, NoMatches)
