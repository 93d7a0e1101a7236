"""The log view: a cursor among rows that come and go, and a place that never moves by itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App

from dblog.entry import LogEntry
from dblog_tui.present.look import ASCII, UNICODE, Glyphs, Look
from dblog_tui.widgets.logview import LogView
from dblog_tui.window import Window, key_of
from tests.oracle import examples
from tests.tui.screen import lines_of, wait_for

if TYPE_CHECKING:
    from textual.app import ComposeResult


def _entry(number: int, message: str = "") -> LogEntry:
    return LogEntry(number * 1000, "INFO", 9, "l", message or f"row {number}.", id=UUID(int=number), service="s")


class Table(App[None]):
    """A view of a table of numbers; pages come one turn of the loop after they are asked for, as from a database."""

    CSS: ClassVar[str] = "Screen { layout: vertical; }"

    def __init__(self, count: int, *, capacity: int = 1000, page: int = 150) -> None:
        super().__init__()
        self.entries = [_entry(number) for number in range(1, count + 1)]
        self.shown = Window(capacity)
        self.page_size = page
        self.busy = False
        self.view = LogView(Look(), self.shown)

    def compose(self) -> ComposeResult:
        """The view alone."""
        yield self.view

    def on_mount(self) -> None:
        """The newest page."""
        page = self.entries[-self.page_size :][::-1]
        floor = key_of(page[-1]) if len(self.entries) > self.page_size else None
        self.shown.reset(page, self.shown.fetching(), floor=floor)
        self.view.focus()
        self.view.changed()

    def on_log_view_near(self, message: LogView.Near) -> None:
        """Fetch a page, later."""
        wanted = self.shown.older if message.older else self.shown.newer
        if not self.busy and wanted:
            self.busy = True
            self.run_worker(self._fetch(older=message.older))

    async def _fetch(self, *, older: bool) -> None:
        asked = self.shown.fetching()
        edge = self.shown.first if older else self.shown.last
        assert edge is not None
        await asyncio.sleep(0)
        if older:
            found = [entry for entry in self.entries if key_of(entry) < edge]
            page, more = found[-self.page_size :][::-1], len(found) > self.page_size
            self.shown.add_older(page, asked, floor=key_of(page[-1]) if more else None)
        else:
            found = [entry for entry in self.entries if key_of(entry) > edge]
            page, more = found[: self.page_size][::-1], len(found) > self.page_size
            self.shown.add_newer(page, asked, more=more)
        self.busy = False
        self.view.changed()

    @property
    def number(self) -> int:
        """The row under the cursor."""
        row = self.view.cursor_row
        assert row is not None
        return row.timestamp // 1000


async def test_four_hundred_page_ups_are_four_hundred_pages() -> None:
    """Keys that come faster than pages are fetched are not lost: the cursor is where so many pages up is."""
    app = Table(12_000)
    async with app.run_test(size=(80, 24)) as pilot:
        app.view.following = False
        for _ in range(400):
            app.view.page(-1)
        await wait_for(pilot, lambda: not app.busy and app.view.debt == 0)
        assert app.number == 12_000 - 400 * 23
        for _ in range(100):
            app.view.page(1)
        await wait_for(pilot, lambda: not app.busy and app.view.debt == 0)
        assert app.number == 12_000 - 300 * 23


async def test_rows_that_arrive_move_nothing() -> None:
    """Entries put before, between or behind the rows leave the lines on the screen as they are, where one reads."""
    app = Table(3000)
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.following = False
        app.view.page(-3)
        await wait_for(pilot, lambda: not app.busy)
        before, number = lines_of(app), app.number
        app.shown.arrived([_entry(number) for number in range(3001, 3400)])
        app.shown.arrived([_entry(5000)._replace(timestamp=2_990_500)])
        app.view.changed()
        await pilot.pause()
        assert lines_of(app) == before
        assert app.number == number


async def test_following_keeps_the_newest_in_sight() -> None:
    """Each new row is at the bottom, with the cursor on it; filling pages, it is in sight somewhere."""
    app = Table(100)
    async with app.run_test(size=(60, 10)) as pilot:
        for fill in (False, True):
            app.view.page_fill = fill
            for number in range(200 + 100 * fill, 230 + 100 * fill):
                app.shown.arrived([_entry(number)])
                app.view.changed()
                await pilot.pause()
                assert any(f"row {number}." in line for line in lines_of(app))
                assert app.number == number


async def test_wrapped_rows_show_the_whole_message() -> None:
    """Nothing of a long row is lost when it is wrapped, and the cursor goes by rows."""
    app = Table(50)
    long = " ".join(f"word{number}" for number in range(60))
    app.entries[-2] = _entry(49, long)
    async with app.run_test(size=(40, 24)) as pilot:
        app.view.set_wrap(wrap=True)
        await pilot.pause()
        text = "".join(line.strip() for line in lines_of(app)).replace(" ", "")
        assert long.replace(" ", "") in text
        app.view.move(-2)
        assert app.number == 48


@examples(20)
@given(st.lists(st.tuples(st.sampled_from(["move", "page", "arrive"]), st.integers(-40, 40)), max_size=40))
def test_the_cursor_goes_where_it_is_sent(steps: list[tuple[str, int]]) -> None:
    """Whatever arrives meanwhile, so many rows up or down are so many rows of the table, within its ends."""

    async def run() -> None:
        app = Table(900, capacity=400, page=120)
        async with app.run_test(size=(50, 12)) as pilot:
            app.view.following = False
            place, top = 899, 900
            for what, by in steps:
                if what == "arrive":
                    new = [_entry(number) for number in range(top + 1, top + 1 + abs(by))]
                    top += len(new)
                    app.entries += new
                    app.shown.arrived(new)
                    app.view.changed()
                elif by:
                    app.view.move(by) if what == "move" else app.view.page(by / 10)
                    step = by if what == "move" else (1 if by > 0 else -1) * max(round(abs(by) / 10 * 11), 1)
                    place = min(max(place + step, 0), len(app.entries) - 1)
                await wait_for(pilot, lambda: not app.busy and app.view.debt == 0)
                assert app.number == place + 1

    asyncio.run(run())


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
async def test_a_mark_and_the_cursor_are_seen_side_by_side(glyphs: Glyphs) -> None:
    """Bookmark, late, or ahead of the clock: the mark stays where it is when the cursor comes, scrolled or wrapped."""
    app = Table(40)
    app.view = LogView(Look(glyphs=glyphs), app.shown)
    app.view.marked = lambda entry: entry.message == "row 40."
    app.entries[-2] = app.entries[-2]._replace(timestamp=time.time_ns() // 1000 + 60_000_000)
    app.entries[-2:] = app.entries[:-3:-1]
    async with app.run_test(size=(60, 10)) as pilot:
        app.shown.late.add(37)
        for wrap, left in ((False, 0), (False, 1), (True, 0)):
            app.view.set_wrap(wrap=wrap)
            app.view.sideways(left)
            for number, mark in ((37, glyphs.late), (38, " "), (40, glyphs.bookmark), (39, glyphs.future)):
                app.view.show_row(key_of(next(row for row in app.entries if row.id == UUID(int=number))))
                await wait_for(pilot, lambda: any(line.startswith(">") for line in lines_of(app)))
                (line,) = (line for line in lines_of(app) if line.startswith(">"))
                assert line[1] == mark
                others = {each[1] for each in lines_of(app) if each.startswith(" ")}
                assert others == {" ", glyphs.late, glyphs.bookmark, glyphs.future} - ({mark} - {" "})
