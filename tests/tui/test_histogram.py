"""The histogram's pane, as somebody uses it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.strip import Strip

from dblog_tui.present.bars import Bars
from dblog_tui.present.look import Look
from dblog_tui.widgets.histogram import HistogramPane
from dblog_tui.widgets.painted import changed_cells
from tests.administered import SECOND
from tests.tui.screen import lines_of, text_of, wait_for

WIDTH = 10 * SECOND
START = 1_795_000_000 * SECOND
LOOK = Look(zone=dt.UTC)


def made(count: int = 30, worst: int = 9) -> Bars:
    """Bars with errors in one column."""
    counts = tuple((0, 0, 10, 0, 3 if column == worst else 0, 0) for column in range(count))
    return Bars(START, WIDTH, counts, START, START + count * WIDTH, "5m", room=78)


class Hosting(App[None]):
    """The pane, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def compose(self) -> ComposeResult:
        yield HistogramPane(LOOK)

    def on_mount(self) -> None:
        pane = self.query_one(HistogramPane)
        pane.show(made())
        pane.focus()

    def on_histogram_pane_range_chosen(self, event: HistogramPane.RangeChosen) -> None:
        self.heard.append(("range", event.since, event.until))

    def on_histogram_pane_zoomed(self, event: HistogramPane.Zoomed) -> None:
        self.heard.append(("zoom", event.since, event.until))

    def on_histogram_pane_compare(self, event: HistogramPane.Compare) -> None:
        self.heard.append(("compare", event.since, event.until))

    def on_histogram_pane_exact(self) -> None:
        self.heard.append("exact")

    def on_histogram_pane_left(self) -> None:
        self.heard.append("left")

    @property
    def pane(self) -> HistogramPane:
        return self.query_one(HistogramPane)


def column(first: int, last: int) -> tuple[int, int]:
    """The range of columns."""
    return START + first * WIDTH, START + (last + 1) * WIDTH


async def test_the_cursor_chooses_a_bar_and_shift_a_range() -> None:
    """Arrows move by a bar from the newest; with Shift they select; Enter says from when to when that is."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("left", "left", "enter")
        await pilot.press("shift+left", "shift+left", "right", "left")
        nothing = app.pane.selection
        await pilot.press("shift+left", "shift+left")
        assert (nothing, app.pane.selection) == (None, column(23, 25))
        await pilot.press("D", "enter")
        assert app.heard == [("range", *column(27, 27)), ("compare", *column(23, 25)), ("range", *column(23, 25))]
        assert (app.pane.selection, app.pane.has_focus) == (None, True)


async def test_zooming_out_leads_back_to_where_one_came_from() -> None:
    """In: to the bars around the cursor. Out: to the range before; where there is none, to three times the range."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("left", "left", "left", "z")
        inner = app.heard[-1]
        assert inner == ("zoom", *column(21, 29))
        app.pane.show(Bars(inner[1], SECOND, ((0,) * 6,) * 90, inner[1], inner[2], room=78))
        await pilot.press("Z")
        assert app.heard[-1] == ("zoom", START, START + 30 * WIDTH)
        app.pane.show(made())
        await pilot.press("Z")
        assert app.heard[-1] == ("zoom", START - 30 * WIDTH, START + 60 * WIDTH)


async def test_errors_edges_and_leaving_have_keys() -> None:
    """e and E go to bars with errors, g and G to the ends, s asks for all; Escape ends a selection, then the visit."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("E")
        assert "3 E" in text_of(app)
        await pilot.press("g", "e", "enter")
        assert app.heard == [("range", *column(9, 9))]
        await pilot.press("G", "shift+left", "escape")
        assert app.heard == [("range", *column(9, 9))]
        await pilot.press("s", "escape")
        assert app.heard[1:] == ["exact", "left"]


async def test_drawing_the_mouse_over_bars_chooses_their_range() -> None:
    """Pressed on one bar and let go on another is the range of both; a click alone only moves the cursor."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = app.pane
        left = 79 - 30
        await pilot.mouse_down(pane, offset=(left + 5, 0))
        await pilot.hover(pane, offset=(left + 8, 0))
        await pilot.mouse_up(pane, offset=(left + 8, 0))
        assert app.heard == [("range", *column(5, 8))]
        await pilot.click(pane, offset=(left + 12, 1))
        assert len(app.heard) == 1
        await pilot.press("enter")
        assert app.heard[-1] == ("range", *column(12, 12))


@pytest.mark.parametrize(("size", "height"), [((80, 24), 2), ((200, 60), 5)])
async def test_it_is_two_lines_high_or_five_in_a_tall_terminal(size: tuple[int, int], height: int) -> None:
    """One line of bars and one of times; four of bars where there are forty lines; and it says how many columns."""
    app = Hosting()
    async with app.run_test(size=size) as pilot:
        assert app.pane.size.height == height
        assert app.pane.columns == size[0] - 2
        app.set_focus(None)
        await wait_for(pilot, lambda: "▲ 3 E" in lines_of(app)[height - 1])


async def test_the_cursor_stays_in_time_when_bars_move() -> None:
    """As a live view goes on, the bar under the cursor is the same stretch of time, in another place."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("left", "left", "left")
        bars = made(40)
        app.pane.show(bars)
        await pilot.press("enter")
        assert app.heard == [("range", *column(26, 26))]


async def test_the_same_bars_again_paint_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not changed is not sent to the terminal; a bar more is as few cells as it is high, and the axis."""
    app = Hosting()
    async with app.run_test(size=(80, 24)) as pilot:
        app.set_focus(None)
        await wait_for(pilot, lambda: "5m" in text_of(app))
        pane, painted = app.pane, list[Any]()
        monkeypatch.setattr(pane, "refresh", lambda *regions, **_: painted.extend(regions))
        pane.show(made())
        assert painted == []
        pane.show(made(worst=11))
        assert {region.y for region in painted} == {0, 1}
        assert all(region.width < 30 for region in painted)


@given(st.text(alphabet="ab漢", max_size=8), st.text(alphabet="ab漢", max_size=8), st.booleans())
def test_changed_cells_hold_every_difference(one: str, other: str, styled: bool) -> None:
    """Painting only these cells of the new strip over the old one gives the new one."""
    plain = Style.parse("red on blue")
    old = Strip([Segment(one, plain)])
    new = Strip([Segment(other, Style.parse("green on blue") if styled else plain)])
    size = max(old.cell_length, new.cell_length)
    old, new = old.adjust_cell_length(size, plain), new.adjust_cell_length(size, plain)
    if (cells := changed_cells(old, new)) is None:
        assert old.text == new.text
        assert not styled or old == new or not size
    else:
        first, end = cells
        assert 0 <= first < end <= size
        assert old.crop(0, first).text + new.crop(first, end).text + old.crop(end).text == new.text
