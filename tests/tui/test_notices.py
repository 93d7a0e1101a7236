"""What is said in passing, and the lines above and below the rows: they cover no row, and fit; the key is named."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from textual.app import App

from dblog.cli.profiles import Database
from dblog_tui import header
from dblog_tui.app import DblogTui
from dblog_tui.keys import GROUPS, hints
from dblog_tui.present.look import Look
from dblog_tui.settings import Settings
from dblog_tui.source import Down, Reached
from dblog_tui.widgets.line import Line
from tests.administered import entry, fill
from tests.tui.driving import at_home
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from dblog_tui.screens.logs import LogsScreen

_WIDTH = 80


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path / "home", monkeypatch)


@asynccontextmanager
async def _logs(url: str, *, rows: int) -> AsyncIterator[tuple[Pilot[None], Any]]:
    fill(url, [entry(number, service="few" if number > 20 else "many") for number in range(rows)])
    app = DblogTui(database=Database(url), settings=Settings(theme="ansi-dark", timezone="UTC"), name="shop")
    async with app.run_test(size=(_WIDTH, 24), notifications=True) as pilot:
        await wait_for(pilot, lambda: _there(app).browser.tailing and len(_there(app).browser.window) == rows)
        yield pilot, app


def _there(app: DblogTui) -> LogsScreen:
    found = app.logs
    assert found is not None
    return found


def _line(app: DblogTui) -> int | None:
    """The number of the row under the cursor."""
    entry = _there(app).rows.entry
    return None if entry is None else entry.lineno


async def test_what_is_said_in_passing_takes_the_line_of_keys_and_goes_with_the_next_key(sqlite_url: str) -> None:
    """No row is covered, and the keys are there again."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        before = lines_of(app)
        await pilot.press("e")
        await wait_for(pilot, lambda: "no newer error; E looks for older ones" in lines_of(app)[-1])
        assert lines_of(app)[4:-1] == before[4:-1]
        await pilot.press("E")
        await wait_for(pilot, lambda: "no older error; e looks for newer ones" in lines_of(app)[-1])
        await pilot.press("k")
        await wait_for(pilot, lambda: "f filter" in lines_of(app)[-1])


async def test_a_dialog_leaves_what_it_is_about_in_sight(sqlite_url: str) -> None:
    """The rows above it stay on the screen."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        before = lines_of(app)
        await pilot.press("V")
        await wait_for(pilot, lambda: "Save this view" in text_of(app))
        assert lines_of(app)[5:12] == before[5:12]


async def test_rows_fill_the_screen_from_the_bottom_up_wherever_the_cursor_is(sqlite_url: str) -> None:
    """Where a filter leaves few rows, all that fit are shown, though the cursor's would be in the middle."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        await pilot.press("k", "plus", "s")
        await wait_for(pilot, lambda: len(_there(app).browser.window) == 19 and not _there(app).browser.loading)
        await wait_for(pilot, lambda: sum(" few " in line for line in lines_of(app)[4:-1]) == 19)


async def test_a_hit_in_the_other_direction_is_found_and_the_sentence_names_the_key(sqlite_url: str) -> None:
    """``/`` from the oldest row finds what is newer; ``n`` then says that only ``N`` can find more."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        await pilot.press("g", "slash", *"order", "space", *"17", "enter")
        await wait_for(pilot, lambda: _line(app) == 17)
        await pilot.press("n")
        await wait_for(pilot, lambda: "no older hit of 'order 17'; N looks for newer ones" in lines_of(app)[-1])
        await pilot.press("slash", "ctrl+u", *"nowhere", "enter")
        await wait_for(pilot, lambda: "'nowhere' is nowhere in this view" in lines_of(app)[-1])


async def test_without_a_row_there_is_nothing_to_open(sqlite_url: str) -> None:
    """No pane with nothing in it takes the screen's half."""
    async with _logs(sqlite_url, rows=0) as (pilot, app):
        for key in ("enter", "p"):
            await pilot.press(key)
            await wait_for(pilot, lambda: "no row to open" in lines_of(app)[-1])
            assert not _there(app).detail.display


async def test_a_place_whose_newest_row_is_in_reach_is_a_pause(sqlite_url: str) -> None:
    """A filter that keeps the row under the cursor does not make the present history."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        await pilot.press("k", "greater_than_sign")
        await wait_for(pilot, lambda: "INFO" in lines_of(app)[0] and not _there(app).browser.loading)
        await wait_for(pilot, lambda: "PAUSED" in lines_of(app)[0])


async def test_another_time_zone_keeps_place_columns_and_history(sqlite_url: str) -> None:
    """``:tz`` changes how times are written, and nothing else."""
    async with _logs(sqlite_url, rows=40) as (pilot, app):
        await pilot.press("greater_than_sign", "k", "k")
        await wait_for(pilot, lambda: len(_there(app).browser.window) == 40 and _line(app) == 37)
        _there(app).add_column("host")
        app.set_zone(ZoneInfo("Asia/Tokyo"), "Asia/Tokyo")
        await wait_for(pilot, lambda: "Asia/Tokyo" in lines_of(app)[0] and _there(app).rows.entry is not None)
        await wait_for(pilot, lambda: _line(app) == 37)
        assert "PAUSED" in lines_of(app)[0]
        assert "host" in _there(app).rows.rows.columns
        await pilot.press("left_square_bracket")
        await wait_for(pilot, lambda: "INFO" not in lines_of(app)[0])


async def test_a_key_about_a_row_says_so_where_there_is_none(sqlite_url: str) -> None:
    """No key does nothing and says nothing."""
    async with _logs(sqlite_url, rows=0) as (pilot, app):
        for key in ("e", "plus", "t", "c", "m", "Y", "M"):
            await pilot.press("k", key)
            await wait_for(pilot, lambda: "there is no row under the cursor" in lines_of(app)[-1])


async def test_why_a_database_cannot_be_had_is_readable_where_it_never_was_there() -> None:
    """In whole, for the line above the rows has no room for it."""
    url = "postgresql://nobody@127.0.0.1:1/app"
    app = DblogTui(database=Database(url), settings=Settings(theme="ansi-dark", timezone="UTC"))
    async with app.run_test(size=(_WIDTH, 24)) as pilot:
        await wait_for(pilot, lambda: "DB DOWN" in lines_of(app)[0])
        await wait_for(pilot, lambda: "is it running, and is this its address?" in " ".join(text_of(app).split()))
        assert "r tries now" in lines_of(app)[1]
        assert "connection lost here" not in text_of(app)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_hint_is_cut_and_the_help_is_always_there(width: int) -> None:
    """Hints for which there is no room are left out."""
    for where in GROUPS:
        text = "".join(segment.text for segment in header.hint_line(where, Look(), width)).rstrip()
        assert len(text) <= width
        assert text.endswith("F1 help" if where in ("query", "lists") else "? help")


@pytest.mark.parametrize("where", [each for each in GROUPS if each not in ("everywhere", "start", "help", "lists")])
def test_the_common_terminal_has_room_for_every_hint(where: str) -> None:
    """80 columns show all of what is not for wide terminals only."""
    text = "".join(segment.text for segment in header.hint_line(where, Look(), _WIDTH))
    assert all(f" {key} {word}" in text for key, word in hints(where))


class _One(App[None]):
    """An application that is one line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def compose(self) -> Iterator[Line]:
        """It."""
        yield self.line


async def test_what_a_search_costs_and_the_keys_that_decide_fit_a_narrow_terminal() -> None:
    """However long the clause, and the reason why a database is away, are."""
    look = Look()
    gate = Reached((), 0, 0.5, 4.6, 9_946_049, done=False, older=None)
    app = _One(Line(look, keep=True))
    async with app.run_test(size=(_WIDTH, 24)) as pilot:
        for said, words in (
            (header.gate_line(gate, "message like " + "z" * 90, look), ("≈9.95M more rows", "≈5 s", "Enter", "Esc")),
            (header.down_line(Down(0.0, 3, 1.0, "gone " * 30), 5.0, look, _WIDTH), ("away: gone gone", "r tries now")),
        ):
            app.line.say(*said)
            await wait_for(pilot, lambda: all(word in lines_of(app)[0] for word in words))  # noqa: B023 - awaited here
