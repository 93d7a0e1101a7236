"""The screen of a trace: what it asks, what it shows when there is nothing, and what its keys do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dblog.cli.profiles import Database
from dblog.errors import ErrorClass, StoreUnavailable
from dblog.reading.values import Cursor, Trace
from dblog_tui.present.story import Gap
from dblog_tui.screens.context import ContextScreen
from dblog_tui.screens.trace import TraceScreen
from dblog_tui.widgets.detail import DetailPane
from tests.administered import fill
from tests.tui.screen import lines_of, text_of, wait_for
from tests.tui.tracing import LOOKS, TRACE_ID, Host, copied_into, incident, source_of, spoken, story_trace

if TYPE_CHECKING:
    from textual.geometry import Region
    from textual.pilot import Pilot

    from dblog.entry import LogEntry


class _Later:
    """A source whose answer comes when it is let."""

    name = safe_url = "later"

    def __init__(self, answer: Trace | Exception) -> None:
        self.answer, self.asked, self.let = answer, asyncio.Event(), asyncio.Event()

    async def trace(self, trace_id: str) -> Trace:
        self.asked.set()
        await self.let.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class _Told:
    """A source that answers what it was told to; an exception is raised."""

    name = safe_url = "told"

    def __init__(self, *answers: Trace | Exception) -> None:
        self.answers = list(answers)

    async def trace(self, trace_id: str) -> Trace:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _screen(*answers: Trace | Exception, **further: Any) -> TraceScreen:
    told: Any = _Told(*answers or [story_trace(incident())])
    return TraceScreen(told, LOOKS[0], TRACE_ID, **further)


async def _shown(pilot: Pilot[None], screen: TraceScreen) -> None:
    await wait_for(pilot, lambda: screen.lines.story is not None and "offset" in text_of(pilot.app))


def _message(screen: TraceScreen) -> str:
    return screen.entry.message if screen.entry is not None else ""


async def test_at_80_by_24_one_look_shows_the_silence_and_who_spoke_around_it(database_url: str) -> None:
    """Read from a database: the words, the lanes, the line between the rows; the filter is said not to apply."""
    fill(database_url, [*incident(), spoken(5, "INFO", "other", "another trace", trace_id="f" * 32)])
    source = source_of(database_url)
    await source.open()
    screen = TraceScreen(source, LOOKS[0], TRACE_ID, filter_text="level>=warn")
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        lines = lines_of(app)
        assert TRACE_ID in lines[0]
        assert "silent 2.29 s  last payments" in lines[1]
        assert any("no entry in any service" in line for line in lines)
        assert sum("payment 48113 failed" in line and line.startswith(">") for line in lines) == 1
        assert "filter level>=warn NOT applied" in text_of(app)
        assert "another trace" not in text_of(app)
    await source.close()


async def test_the_cursor_is_on_the_entry_one_came_from() -> None:
    """Else on the first error; where there is none, on the first entry."""
    entry = incident()[10]
    screen = _screen(at=entry.id)
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        assert screen.entry == entry
    screen = _screen(story_trace([spoken(0, "INFO", "a", "x"), spoken(1, "INFO", "a", "y")]))
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        assert _message(screen) == "x"


async def test_an_unknown_id_is_said_to_be_unknown_with_what_to_do(sqlite_url: str) -> None:
    """And what was stored meanwhile is shown when one asks again."""
    source = source_of(sqlite_url)
    await source.open()
    screen = TraceScreen(source, LOOKS[0], TRACE_ID)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: f"No entry has the trace id {TRACE_ID}" in text_of(app))
        assert "ctrl+r asks again, q goes back" in text_of(app)
        assert "another database" in text_of(app)
        await pilot.press("j", "e", "enter", "s", "x", "right_square_bracket", "c", "pagedown", "G")
        fill(sqlite_url, incident())
        await pilot.press("ctrl+r")
        await _shown(pilot, screen)
    await source.close()


async def test_the_beginning_of_an_id_shows_its_trace_or_a_choice(sqlite_url: str) -> None:
    """One that begins so is shown; of several, Enter shows the one under the cursor."""
    other = spoken(9000, "ERROR", "other", "elsewhere", trace_id="4bf9" + "0" * 28)
    fill(sqlite_url, [*incident(), other])
    source = source_of(sqlite_url)
    await source.open()
    screen = TraceScreen(source, LOOKS[0], "4bf92f")
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        assert screen.trace_id == TRACE_ID
    screen = TraceScreen(source, LOOKS[0], "4bf9")
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "2 traces begin with 4bf9" in text_of(app))
        await pilot.press("j", "enter")
        await _shown(pilot, screen)
        assert _message(screen) == "elsewhere"
    await source.close()


async def test_a_database_that_is_away_is_said_to_be_and_what_is_shown_stays() -> None:
    """At first instead of the trace; later in the last line, below it."""
    away = StoreUnavailable(ErrorClass.RECONNECT, "08006", "the server does not answer")
    screen = _screen(away, story_trace(incident()), away)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "the server does not answer" in text_of(app))
        await pilot.press("f5")
        await _shown(pilot, screen)
        await pilot.press("f5")
        await wait_for(pilot, lambda: "the server does not answer" in lines_of(app)[-1])
        assert "no entry in any service" in text_of(app)


async def test_levels_services_and_spans_keep_the_cursor_on_its_entry() -> None:
    """Each is said below the rows; where the entry is hidden, the cursor goes to the one before."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("s")
        assert _message(screen) == "payment 48113 failed"
        assert any("span d1" in line for line in lines_of(app))
        await pilot.press("s", *["greater_than_sign"] * 3)
        assert _message(screen) == "payment 48113 failed"
        assert "6 below WARNING hidden" in text_of(app)
        await pilot.press(*["less_than_sign"] * 3, "x")
        assert "only payments" in text_of(app)
        assert {row.item.service for row in screen.lines.rows if row.number >= 0} == {"payments"}  # type: ignore[union-attr]  # rows with a number are entries
        assert sum(isinstance(row.item, Gap) for row in screen.lines.rows) == 1
        await pilot.press(*["x"] * 4)
        assert "only" in text_of(app)
        await pilot.press("x")
        assert "only" not in text_of(app)


async def test_keys_go_to_errors_and_silences_and_say_where_there_are_no_more() -> None:
    """The cursor never stops on a gap."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("g", "right_square_bracket")
        assert _message(screen) == "payment 48113 failed"
        await pilot.press("k")
        assert _message(screen).startswith("retry 2")
        await pilot.press("j", "e", "e", "e")
        assert _message(screen) == "<- POST /v1/pay 502"
        assert "no error below" in lines_of(app)[-1]
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert "no silence above" in lines_of(app)[-1]
        await pilot.press("n")
        assert "nothing is being looked for" in lines_of(app)[-1]


async def test_hits_of_what_is_looked_for_are_found() -> None:
    """n and N go from hit to hit."""
    screen = _screen(find=lambda text: [(0, 5)] if text.startswith("retry") else [])
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("g", "n", "n", "n")
        assert _message(screen).startswith("retry 2")
        await pilot.press("N")
        assert _message(screen).startswith("retry 1")


async def test_enter_shows_the_whole_entry_and_escape_goes_back_step_by_step() -> None:
    """Pane, full screen, half, rows, and back to where one was."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        pane = screen.query_one(DetailPane)
        await pilot.press("enter")
        await wait_for(pilot, lambda: pane.has_focus and pane.entry == screen.entry)
        await pilot.press("J")
        await wait_for(pilot, lambda: pane.entry == screen.entry and _message(screen) == "order 48113 not paid")
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.lines.size.height == 0 or not screen.lines.display)
        for _ in range(2):
            await pilot.press("escape")
        await wait_for(pilot, lambda: screen.lines.has_focus and not pane.display)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.outcomes == [None])


async def test_the_pane_stands_beside_the_rows_where_there_is_room() -> None:
    """From 120 cells on; and goes below them when the terminal becomes narrower."""
    screen = _screen()
    async with Host(screen).run_test(size=(160, 40)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.pane.region.x > 0)
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: screen.pane.region.x == 0 and screen.pane.region.y > 0)


async def test_o_leaves_for_the_entry_among_all_rows_and_a_filter_goes_with_it() -> None:
    """The screen ends with the place, or with what the pane was asked for."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        entry = screen.entry
        await pilot.press("o")
        await wait_for(pilot, lambda: bool(app.outcomes))
        assert entry is not None
        assert app.outcomes == [Cursor.of(entry)]
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("enter")
        screen.pane.post_message(DetailPane.Include("service", "payments"))
        await wait_for(pilot, lambda: bool(app.outcomes))
        assert isinstance(app.outcomes[0], DetailPane.Include)


async def test_the_id_and_the_trace_as_a_command_line_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line says so."""
    copied = copied_into(monkeypatch)
    told: Any = _Told(story_trace(incident()))
    told.name = told.address = "production"
    told.database = Database("sqlite:///production.db")
    screen = TraceScreen(told, LOOKS[0], TRACE_ID)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("y")
        assert "trace id: copied" in lines_of(app)[-1]
        await pilot.press("L")
        assert copied == [TRACE_ID, f"dblog-tui production --trace {TRACE_ID}"]


async def test_c_shows_what_was_around_the_entry() -> None:
    """As a screen of its own, over the trace."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("c")
        await wait_for(pilot, lambda: isinstance(app.screen, ContextScreen))


async def test_ten_thousand_entries_are_drawn_as_they_are_seen() -> None:
    """Only rows that were on the screen have been drawn, wherever one goes; the end is where 10,000 say it is."""
    many: list[LogEntry] = [spoken(number, "INFO", f"s{number % 9}", f"m{number}") for number in range(10_000)]
    screen = _screen(Trace(TRACE_ID, tuple(many), truncated=True))
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        assert "the oldest 10,000 entries, there are more" in text_of(app)
        await pilot.press("G")
        assert _message(screen) == "m9999"
        assert len(screen.lines._strips) < 100
        await pilot.press("pageup")
        assert 9960 < int(_message(screen)[1:]) < 9999


async def test_a_row_key_repaints_two_rows_and_a_piece_of_the_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else, so that it is a few bytes on a slow line."""
    screen = _screen()
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen)
        regions: list[Region] = []
        monkeypatch.setattr(screen.lines, "refresh", lambda *given: regions.extend(given))
        await pilot.press("k")
        await pilot.pause()
        assert [region.height for region in regions] == [1, 1, 1]
        assert regions[2].width < 60


async def test_the_smallest_terminals_show_the_entries() -> None:
    """At 40 by 10 the lanes go, the rows stay."""
    screen = _screen()
    app = Host(screen)
    async with app.run_test(size=(40, 10)) as pilot:
        await wait_for(pilot, lambda: screen.lines.story is not None)
        await wait_for(pilot, lambda: any(line.startswith(">") for line in lines_of(app)))
        assert any("gap 2.29 s" in line for line in lines_of(app))


@pytest.mark.parametrize(
    "keys",
    [("G",), ("end", "k"), ("g", "j", "j"), ("home", "e", "e"), ("g", "right_square_bracket"), ("pagedown", "E"),
     ("greater_than_sign", "G"), ("x", "j"), ("G", "enter")],
)  # fmt: skip
async def test_keys_typed_before_the_trace_is_there_do_what_they_do_when_it_is(keys: tuple[str, ...]) -> None:
    """The cursor, the level, the service, the pane: all as if one had waited."""
    waited = _screen()
    async with Host(waited).run_test(size=(80, 24)) as pilot:
        await _shown(pilot, waited)
        await pilot.press(*keys)
        wanted = waited.entry, waited.lines.choice, waited.has_class("open")
    later: Any = _Later(story_trace(incident()))
    screen = TraceScreen(later, LOOKS[0], TRACE_ID)
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await later.asked.wait()
        await pilot.press(*keys)
        assert screen.entry is None
        later.let.set()
        await wait_for(pilot, lambda: (screen.entry, screen.lines.choice, screen.has_class("open")) == wanted)


async def test_keys_behind_one_that_leads_elsewhere_are_not_held() -> None:
    """They would have been meant for the pane; where the trace cannot be read, nothing is held; Esc leaves at once."""
    later: Any = _Later(story_trace(incident()))
    screen = TraceScreen(later, LOOKS[0], TRACE_ID)
    async with Host(screen).run_test(size=(80, 24)) as pilot:
        await later.asked.wait()
        await pilot.press("g", "enter", "G")
        later.let.set()
        await wait_for(pilot, lambda: screen.lines.story is not None)
        assert screen.lines.cursor == 0
        assert screen.has_class("open")
    later = _Later(StoreUnavailable(ErrorClass.RECONNECT, "08006", "gone"))
    screen = TraceScreen(later, LOOKS[0], TRACE_ID)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await later.asked.wait()
        await pilot.press("G", "enter")
        later.let.set()
        await wait_for(pilot, lambda: "could not be read" in text_of(app))
        later.answer = story_trace(incident())
        await pilot.press("ctrl+r")
        await _shown(pilot, screen)
        assert not screen.has_class("open")
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.outcomes == [None])
    later = _Later(story_trace(incident()))
    app = Host(TraceScreen(later, LOOKS[0], TRACE_ID))
    async with app.run_test(size=(80, 24)) as pilot:
        await later.asked.wait()
        await pilot.press("G", "escape")
        await wait_for(pilot, lambda: app.outcomes == [None])


async def test_alone_on_the_screen_the_pane_has_no_line_at_its_left() -> None:
    """Beside the rows there is one between them; it goes with the rows, and comes back with them."""
    screen = _screen()
    app = Host(screen)
    side = LOOKS[0].glyphs.side
    async with app.run_test(size=(160, 40)) as pilot:
        await _shown(pilot, screen)
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.pane.region.x > 0)
        await wait_for(pilot, lambda: lines_of(app)[5][screen.pane.region.x :].startswith(side))
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.pane.region.x == 0)
        await wait_for(pilot, lambda: not any(line.startswith(side) for line in lines_of(app)))
        await pilot.press("escape")
        await wait_for(pilot, lambda: screen.pane.region.x > 0)
        await wait_for(pilot, lambda: lines_of(app)[5][screen.pane.region.x :].startswith(side))
