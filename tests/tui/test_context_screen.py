"""The screen of what was logged around an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dblog.errors import ErrorClass, QueryTimeout
from dblog.reading.values import Context, Cursor
from dblog_tui.screens.context import ContextScreen
from dblog_tui.screens.trace import TraceScreen
from tests.administered import entry, fill
from tests.tui.screen import lines_of, text_of, wait_for
from tests.tui.tracing import LOOKS, START, Host, copied_into, source_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from textual.pilot import Pilot

    from dblog.entry import LogEntry
    from dblog_tui.source import Source

_MINUTE = 60_000_000


def _made(number: int, host: str, logger: str, minutes: float = 0.0) -> LogEntry:
    moment = START + number * 1000 + round(minutes * _MINUTE)
    return entry(number, moment, host=host, logger=logger, message=f"m{number}", trace_id="ab" * 16)


MIDDLE = 500
ENTRIES = [_made(number, f"h{number % 2}", f"l{number % 3}") for number in range(MIDDLE - 60, MIDDLE + 60)]
FAR = [_made(900, "h0", "l9", 20), _made(901, "h0", "l9", 60 * 48), _made(100, "h0", "l9", -60 * 30)]


@pytest.fixture
async def source(sqlite_url: str) -> AsyncIterator[Source]:
    """120 entries of two hosts and three loggers, and three that are far away."""
    fill(sqlite_url, [*ENTRIES, *FAR])
    source = source_of(sqlite_url)
    await source.open()
    yield source
    await source.close()


async def _shown(pilot: Pilot[None], screen: ContextScreen, before: int, after: int) -> None:
    def shown() -> bool:
        context = screen.lines.context
        return context is not None and (len(context.before), len(context.after)) == (before, after)

    await wait_for(pilot, shown)


def _screen(source: Source, at: LogEntry = ENTRIES[60], n: int = 20) -> ContextScreen:
    return ContextScreen(source, LOOKS[0], at, n)


def _hosts(screen: ContextScreen) -> set[str | None]:
    return {each.host for each in screen.lines.entries}


async def test_it_shows_the_host_then_the_logger_then_everything(source: Source) -> None:
    """20 on each side, the entry marked and under the cursor, in the middle of the screen; c goes round."""
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        assert _hosts(screen) == {"h0"}
        assert "on host h0" in lines_of(app)[0]
        assert ">▌" in text_of(app)
        assert 8 <= next(y for y, line in enumerate(lines_of(app)) if line.startswith(">▌")) <= 15
        await pilot.press("c")
        await wait_for(pilot, lambda: "by logger l2" in lines_of(app)[0])
        assert {each.logger for each in screen.lines.entries} == {"l2"}
        await pilot.press("c")
        await wait_for(pilot, lambda: "everything" in lines_of(app)[0])
        assert [each.message for each in screen.lines.entries] == [f"m{n}" for n in range(MIDDLE - 20, MIDDLE + 21)]
        await pilot.press("c")
        await wait_for(pilot, lambda: "on host h0" in lines_of(app)[0])


async def test_what_is_far_away_is_found_where_little_is_near(source: Source) -> None:
    """Every entry of the host there is, when there are fewer than were asked for; the title says they are all."""
    screen = _screen(source, _made(MIDDLE, "h0", "l9"), 10)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await _shown(pilot, screen, 1, 2)
        await wait_for(pilot, lambda: "only 1 before  only 2 after" in lines_of(app)[0])


async def test_z_shows_more_and_less_and_keeps_the_cursor(source: Source) -> None:
    """The cursor stays on its entry, and the ends say that they are ends."""
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        await pilot.press("k", "k", "k", "z")
        await _shown(pilot, screen, 31, 31)
        assert screen.entry is not None
        assert screen.entry.message == f"m{MIDDLE - 6}"
        await pilot.press("Z", "Z", "Z")
        await _shown(pilot, screen, 5, 5)
        await pilot.press("Z")
        assert "5 on each side is as few as there can be" in lines_of(app)[-1]
        await pilot.press("g", "full_stop")
        assert screen.entry == ENTRIES[60]._replace(ingested_at=screen.entry.ingested_at)


async def test_enter_leaves_for_the_entry_and_escape_for_nowhere(source: Source) -> None:
    """The screen ends with the place of the entry under the cursor, or with nothing."""
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: app.outcomes == [Cursor.of(ENTRIES[62])])
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        await pilot.press("q")
        await wait_for(pilot, lambda: app.outcomes == [None])


async def test_p_shows_the_whole_entry_and_t_its_trace(source: Source) -> None:
    """The trace over the context, with the cursor on the entry."""
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        await pilot.press("p")
        await wait_for(pilot, lambda: screen.pane.has_focus and screen.pane.entry is screen.entry)
        await pilot.press("escape", "t")
        await wait_for(pilot, lambda: isinstance(app.screen, TraceScreen) and app.screen.entry is not None)
        assert isinstance(app.screen, TraceScreen)
        assert app.screen.entry is not None
        assert app.screen.entry.id == ENTRIES[60].id


async def test_the_line_is_copied(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line shows it, with its date."""
    copied = copied_into(monkeypatch)
    screen = _screen(source)
    app = Host(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await _shown(pilot, screen, 20, 20)
        await pilot.press("y")
        assert "m500" in copied[0]
        assert "2026" in copied[0]


async def test_what_was_found_stays_where_searching_further_takes_too_long() -> None:
    """The sentence is in the last line, and that these may not be all below the entries."""

    class Slow:
        calls = 0

        async def context(self, around: LogEntry, n: int, query: Any) -> Context:
            self.calls += 1
            if self.calls > 1:
                raise QueryTimeout(ErrorClass.UNKNOWN, "57014", "it took more than 30 s")
            return Context((), around, ())

    slow: Any = Slow()
    app = Host(_screen(slow))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "it took more than 30 s" in lines_of(app)[-1])
        assert "these may not be all" in text_of(app)
        assert "m500" in text_of(app)
