"""What each key of the log screen does, from the key to the screen, on a quarter of an hour of a shop's log."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from dblog.errors import ErrorClass, StoreUnavailable
from dblog_tui import links
from dblog_tui.browser import Mode
from dblog_tui.screens.compare import CompareScreen
from dblog_tui.screens.context import ContextScreen
from dblog_tui.screens.health import HealthScreen
from dblog_tui.screens.help import HelpScreen
from dblog_tui.screens.patterns import PatternsScreen
from dblog_tui.screens.sql import Sql
from dblog_tui.screens.trace import TraceScreen
from dblog_tui.source import Reached
from dblog_tui.view import ALL, Span, View
from tests.administered import SECOND, fill
from tests.tui import golden_data as data
from tests.tui.driving import Driver, at_home, driving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ALL_OF_IT = len(data.entries())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """The shop's database, to be copied."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        data.freeze(patch)
        data.shop(folder / "shop.db", sqlite_template)
    return folder / "shop.db"


@pytest.fixture
def url(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shop's database, a home of one's own, and clocks that stand still."""
    shutil.copyfile(filled, tmp_path / "shop.db")
    at_home(tmp_path / "home", monkeypatch)
    data.freeze(monkeypatch)
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
async def driver(url: str) -> AsyncIterator[Driver]:
    """The application, LIVE."""
    async with driving(url) as made:
        yield made


async def _to(driver: Driver, message: str) -> None:
    """To the newest row with a message."""
    entry = next(each for each in reversed(data.entries()) if each.message == message)
    assert entry.id is not None
    await driver.command(f"entry {entry.id.hex[-12:]}")
    assert driver.row.message == message
    if driver.logs.detail.display:
        await driver.press("escape")


FAILED = "payment of order 7250 failed after 3.0 s"


async def test_rows_are_walked_through(driver: Driver) -> None:
    """Up pauses, down does not follow, pages and halves go as far as they say, g and G to the ends."""
    rows, browser = driver.logs.rows, driver.logs.browser
    newest = driver.row
    await driver.press("k")
    assert driver.mode() is Mode.PAUSED
    assert driver.row.timestamp < newest.timestamp
    await driver.press("j")
    assert driver.row == newest
    assert driver.mode() is Mode.PAUSED
    await driver.press("pageup", "b")
    index = browser.window.index((driver.row.timestamp, driver.row.id.int))  # type: ignore[union-attr]  # stored
    assert index == len(browser.window) - 1 - 2 * (rows.size.height - 1)
    await driver.press("space", "ctrl+d", "ctrl+u", "pagedown")
    assert driver.row == newest
    await driver.press("g")
    assert driver.row.message == data.entries()[0].message
    assert driver.row.timestamp == data.entries()[0].timestamp
    await driver.press("end")
    assert driver.row == newest
    assert driver.mode() is Mode.LIVE
    await driver.press("equals_sign")
    assert driver.mode() is Mode.PAUSED
    await driver.press("equals_sign")
    assert driver.mode() is Mode.LIVE


async def test_the_tail_is_followed_and_paused(driver: Driver) -> None:
    """LIVE the newest row has the cursor; PAUSED rows stay, news are counted by level; F, G and 0 follow again."""
    url = driver.logs.source.database.url
    first, *rest = data.news()
    await asyncio.to_thread(fill, url, [first])
    await driver.until(lambda: driver.row.id == first.id)
    assert driver.mode() is Mode.LIVE
    await driver.press("up")
    before = [line for line in driver.lines if ":" in line[:4]]
    await asyncio.to_thread(fill, url, rest)
    await driver.until(lambda: "4 new (1 C, 1 E, 1 W)" in driver.text)
    assert [line for line in driver.lines if ":" in line[:4]] == before[-len(before) :] or driver.line
    for key in ("F", "G", "0"):
        await driver.press(key)
        assert driver.row.id == rest[-1].id
        assert driver.mode() is Mode.LIVE
        assert "new (" not in driver.text
        await driver.press("up")
    await driver.press("F")
    await asyncio.to_thread(fill, url, [data.late()])
    await driver.until(lambda: "⇠" in driver.text)
    assert "1 late" in driver.lines[0]


async def test_a_filter_is_asked_and_kept(driver: Driver) -> None:
    """Exactly what matches is shown; Up brings an old filter back, Esc leaves all as it was; an empty one is none."""
    await driver.filter("service:payments level>=error")
    assert driver.query == "service:payments level>=error"
    expected = [each.message for each in data.entries() if each.service == "payments" and each.severity >= 17]
    assert driver.messages == expected
    await driver.press("f", "escape")
    assert driver.messages == expected
    await driver.filter("")
    assert len(driver.messages) == min(ALL_OF_IT, 200)
    await driver.press("f", "up")
    assert "service:payments level>=error" in driver.lines[1]
    await driver.press("enter")
    assert driver.messages == expected


async def test_a_mistake_keeps_the_rows_and_tab_repairs_it(driver: Driver) -> None:
    """Nothing is sent; the sentence says what is wrong once; Tab makes it right, Enter asks."""
    before = driver.messages
    await driver.press("f")
    await driver.write("levle:error")
    await driver.press("enter")
    assert driver.messages == before
    assert driver.text.count("there is no field") == 1
    await driver.press("tab", "enter")
    assert driver.query == "level:error"
    assert {each.level for each in driver.logs.browser.window.rows} == {"ERROR"}  # type: ignore[union-attr]  # entries


async def test_f4_asks_for_exactly_the_text(driver: Driver) -> None:
    """What is no query, or another one, can be looked for as it stands."""
    await driver.press("f")
    await driver.write("is <= 3 (")
    await driver.press("f4")
    assert driver.logs.browser.window.rows == []
    await driver.press("f", "ctrl+e", "ctrl+u")
    await driver.write("bank.timeout 30s -> 3s, pool 20")
    await driver.press("f4")
    assert [message[:22] for message in driver.messages] == ["configuration reloaded"]


async def test_find_jumps_and_hides_nothing(driver: Driver) -> None:
    """/ goes to the nearest older hit, n on to older ones, N back; Esc forgets it."""
    hits = [each.timestamp for each in data.entries() if "failed after" in each.message]
    await driver.press("slash")
    await driver.write('"failed after"')
    await driver.press("enter")
    assert driver.row.timestamp == hits[-1]
    await driver.press("n", "n")
    assert driver.row.timestamp == hits[-3]
    await driver.press("N")
    assert driver.row.timestamp == hits[-2]
    assert driver.query == ""
    assert "/" in driver.lines[1]
    await driver.press("escape")
    assert driver.logs.rows.rows.found is None
    assert driver.logs.sought == ""
    await driver.press("n")
    assert "press /" in driver.said


async def test_include_and_exclude_from_the_row(driver: Driver) -> None:
    """+ and a letter keep the row's value, - and a letter drop it; the row stays under the cursor; - turns + around."""
    await _to(driver, FAILED)
    await driver.press("plus", "s")
    assert driver.query == "service:payments"
    assert driver.row.message == FAILED
    await driver.press("minus", "l")
    assert driver.query == "service:payments -level:ERROR"
    assert FAILED not in driver.messages
    await driver.press("plus", "minus", "s")
    assert driver.query.count("service") == 1 or "-service:payments" in driver.query


async def test_levels_are_raised_and_lowered(driver: Driver) -> None:
    """Each > takes the next level away, each < gives it back; the row under the cursor stays; the ends are ends."""
    await _to(driver, FAILED)
    for least in (2, 3, 4, 5, 5):
        await driver.press("greater_than_sign")
        assert driver.logs.browser.view.least == least
        shown = driver.logs.browser.window.rows
        assert all(row.severity > 4 * least for row in shown)  # type: ignore[union-attr]  # entries
        if least <= 4:
            assert driver.row.message == FAILED
    for least in (4, 3, 2, 0, 0):
        await driver.press("less_than_sign")
        assert driver.logs.browser.view.least == least


async def test_digits_are_ranges(driver: Driver) -> None:
    """1 is all of time, 2 to 7 are the last minutes and hours, and the header says which."""
    for digit, text, seconds in (
        ("2", "1m", 60), ("3", "5m", 300), ("4", "15m", 900), ("5", "30m", 1800), ("6", "1h", 3600),
        ("7", "24h", 86_400),
    ):  # fmt: skip
        await driver.press(digit)
        assert driver.logs.browser.view.span == Span(last=seconds)
        assert f" {text} " in driver.lines[0]
        inside = [each for each in data.entries() if each.timestamp >= data.NOW - seconds * SECOND]
        assert len(driver.messages) == min(len(inside), 200)
    await driver.press("1")
    assert driver.logs.browser.view.span == ALL


async def test_a_time_is_gone_to(driver: Driver) -> None:
    """The row at or behind the time has the cursor; what is no time is said where it was typed."""
    await driver.press("at")
    await driver.write("10:38")
    await driver.press("enter")
    first = next(each for each in data.entries() if each.timestamp >= data.NOW - 247 * SECOND)
    assert driver.row.id == first.id
    await driver.press("at")
    await driver.write("yesterdy")
    await driver.press("enter")
    assert "yesterdy" in driver.text
    assert driver.app.screen is not driver.logs
    await driver.press("escape")
    assert driver.app.screen is driver.logs
    await driver.command("goto -5m")
    assert driver.row.timestamp >= data.NOW - 300 * SECOND


async def test_views_are_gone_back_to(driver: Driver) -> None:
    """[ and ] go through the views one had, each at the row one left; before the first there is a sentence."""
    await driver.filter("service:payments")
    await _to(driver, FAILED)
    await driver.press("greater_than_sign")
    await driver.filter("service:gateway")
    await driver.press("left_square_bracket")
    assert driver.query == "service:payments"
    assert driver.row.message == FAILED
    await driver.press("left_square_bracket", "left_square_bracket")
    assert driver.query == ""
    await driver.press("left_square_bracket")
    assert "no view before" in driver.said
    await driver.press("right_square_bracket")
    assert driver.query == "service:payments"
    await driver.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
    assert "no view after" in driver.said
    assert driver.query == "service:gateway"


async def test_errors_warnings_and_rows_of_a_trace_are_jumped_to(driver: Driver) -> None:
    """Each letter goes to the very next one in its direction, hiding nothing, and says when there is none."""
    entries = data.entries()
    await _to(driver, FAILED)
    at = next(number for number, each in enumerate(entries) if each.message == FAILED)

    def of(kind: str) -> list[int]:
        least = {"error": 17, "warning": 13}.get(kind, 0)
        return [
            n
            for n, each in enumerate(entries)
            if each.severity >= least and (least or each.trace_id == data.FAILED_TRACE)
        ]

    for there, back, kind in (("e", "E", "error"), ("w", "W", "warning"), ("o", "O", "trace")):
        await driver.press(there)
        assert driver.row.id == entries[min(n for n in of(kind) if n > at)].id, there
        await driver.press(back)
        assert driver.row.id == entries[at].id
        await driver.press(back)
        assert driver.row.id == entries[max(n for n in of(kind) if n < at)].id, back
        await driver.press(there)
        assert driver.row.id == entries[at].id
    await driver.press("end", "e")
    assert "no newer error" in driver.said
    await driver.press("W")
    assert driver.row.severity >= 13


async def test_rows_are_marked(driver: Driver) -> None:
    """m marks and unmarks, M with a note, u and U go from mark to mark and say the note; a restart knows them."""
    await _to(driver, FAILED)
    await driver.press("m", "pageup", "pageup", "M")
    await driver.write("before it")
    await driver.press("enter")
    noted = driver.row
    assert "▌" in driver.text
    await driver.press("u")
    assert driver.row.message == FAILED
    await driver.press("U")
    assert driver.row.id == noted.id
    assert driver.said == "before it"
    await driver.press("U")
    assert "no older mark" in driver.said
    await driver.press("u", "m", "U")
    async with driving(driver.logs.source.database.url) as again:
        await again.press("U")
        assert again.row.id == noted.id
        await again.press("U")
        assert again.row.id == noted.id


async def test_rows_look_as_one_likes(driver: Driver) -> None:
    """Columns are chosen, times become distances, long rows are wrapped or scrolled to the side."""
    await driver.press("x")
    await driver.write("jjjj")
    await driver.press("space", "enter")
    assert driver.columns() == ("time", "level", "service", "host", "message")
    assert "gat-1" in driver.line
    await driver.press("T")
    assert "+5.0 ms" in driver.line
    await driver.press("T")
    await driver.command("columns time,duration_ms,message")
    assert driver.columns() == ("time", "duration_ms", "message")
    assert " 106 " in driver.line
    await driver.press("backslash")
    assert driver.logs.rows.wrap
    await driver.press("backslash", "right", "l")
    assert driver.logs.rows.left == 32
    await driver.press("h", "left", "left")
    assert driver.logs.rows.left == 0
    await driver.command("tz Asia/Tokyo")
    await driver.until(lambda: "19:41:51" in driver.text)


async def test_a_row_is_copied(driver: Driver) -> None:
    """y the line as one sees it but whole, Y the whole entry as JSON."""
    await _to(driver, FAILED)
    await driver.press("y")
    assert driver.app.clipboard.startswith("10:38:53.021 E payments payment of order 7250 failed")
    assert driver.app.clipboard.endswith("trace=4bf92f35")
    assert "OSC 52" in driver.said or "copied" in driver.said
    await driver.press("Y")
    found = json.loads(driver.app.clipboard)
    assert found["message"] == FAILED
    assert found["exc_text"].startswith("Traceback")


@pytest.mark.parametrize("digit", ["1", "4"])
async def test_a_link_is_the_same_view_at_the_same_row(driver: Driver, digit: str) -> None:
    """What L copies shows the same rows, and the cursor on the same one, in a new program and behind ``:``."""
    await driver.press(digit)
    await driver.filter("service:payments message:*order*")
    await driver.press("greater_than_sign", "greater_than_sign")
    await driver.press("W", "W")
    row, rows = driver.row, driver.messages
    await driver.press("L")
    line = driver.app.clipboard
    link = links.parse(line)
    assert link.view.query == "service:payments message:*order*"
    assert link.view.least == 3
    await driver.press("1")
    await driver.filter("")
    await driver.press("colon")
    driver.app.screen.focused.insert_text_at_cursor(line)  # type: ignore[union-attr]  # the input
    await driver.press("enter")
    assert (driver.row.id, driver.messages) == (row.id, rows)
    async with driving(driver.logs.source.database.url, link=link) as again:
        await again.until(lambda: again.logs.rows.entry is not None and again.row.id == row.id)
        assert again.messages == rows


async def test_patterns_and_comparison_come_back_with_a_query(driver: Driver) -> None:
    """Enter keeps what is like the row, - drops it; q changes nothing."""
    await driver.press("P")
    assert driver.shows(PatternsScreen)
    await driver.press("j", "enter")
    assert driver.query.startswith("template")
    assert len(set(driver.messages)) > 0
    await driver.press("left_square_bracket", "P", "q")
    assert driver.query == ""
    await driver.filter("level>=error")
    await driver.press("D")
    assert driver.shows(CompareScreen)
    await driver.until(lambda: "only here" in driver.text)
    await driver.press("j", "enter")
    assert driver.query.startswith("level>=error ")
    assert driver.messages


async def test_trace_and_context_lead_back_to_a_row(driver: Driver) -> None:
    """t shows the trace at the row, o goes to another of its entries among all rows; c the same for neighbours."""
    await driver.filter("level>=error")
    await _to(driver, FAILED)
    await driver.press("t")
    assert driver.shows(TraceScreen)
    await driver.press("q")
    assert (driver.row.message, driver.query) == (FAILED, "level>=error")
    await driver.filter("")
    await driver.press("t")
    await driver.press("k", "o")
    assert driver.row.message == "no answer from the bank within 1500 ms, retry 1 of 1"
    await driver.press("c")
    assert driver.shows(ContextScreen)
    await driver.press("j", "enter")
    assert driver.row.message == FAILED
    await driver.command("context 3")
    assert "3 before" in driver.text
    await driver.press("q")
    await driver.command(f"trace {data.FAILED_TRACE}")
    assert driver.shows(TraceScreen)
    await driver.press("escape")


async def test_the_entry_s_pane(driver: Driver) -> None:
    """Enter opens it, goes in, fills the screen; fields are included; q goes step by step."""
    await _to(driver, FAILED)
    await driver.press("enter")
    pane = driver.logs.detail
    assert pane.display
    assert not pane.has_focus
    await driver.press("j")
    assert pane.entry is not None
    assert pane.entry.id == driver.row.id
    await driver.press("k", "enter", "j", "j", "j")
    assert pane.has_focus
    await driver.press("plus")
    assert driver.query == "service:payments"
    assert driver.row.message == FAILED
    await driver.press("J")
    assert pane.entry.id == driver.row.id
    await driver.press("K", "P")
    assert "template" in driver.query
    await driver.press("enter")
    assert driver.logs.has_class("-full")
    await driver.press("q")
    assert not driver.logs.has_class("-full")
    await driver.press("q")
    assert driver.logs.rows.has_focus
    assert pane.display
    await driver.press("q")
    assert not pane.display
    await driver.press("p", "p")
    assert not pane.display
    assert driver.app.is_running


async def test_the_histogram_gives_a_range(driver: Driver) -> None:
    """i goes in, Enter takes the bar; z zooms and leaves the rows alone; Esc comes back."""
    await driver.press("i", "E", "enter")
    span = driver.logs.browser.view.span
    assert span.since is not None
    assert span.until is not None
    inside = [each for each in data.entries() if span.since <= each.timestamp < span.until]
    assert driver.messages == [each.message for each in inside]
    assert any(each.severity >= 17 for each in inside)
    assert driver.logs.rows.has_focus
    await driver.press("left_square_bracket")
    rows = driver.messages
    await driver.press("i", "z")
    assert driver.messages == rows
    assert driver.logs.barred() != driver.logs.browser.view
    await driver.press("escape")
    assert driver.logs.rows.has_focus
    assert driver.logs.barred() == driver.logs.browser.view


async def test_the_histogram_hides_again_below_an_open_entry(driver: Driver) -> None:
    """At 80x24 the entry's pane takes its place, also after one has been in it."""
    await driver.press("enter")
    assert not driver.logs.histogram.size
    await driver.press("i")
    assert driver.logs.histogram.has_focus
    assert driver.logs.histogram.size
    await driver.press("escape")
    assert not driver.logs.histogram.size
    await driver.press("escape")
    assert driver.logs.histogram.size


async def test_fields_are_included(driver: Driver) -> None:
    """s shows values with counts, + keeps one, s hides them."""
    await driver.press("s")
    await driver.until(lambda: "exact: 309" in driver.text)
    await driver.press("j", "j")
    assert "ERROR" in next(line for line in driver.lines if "+ -" in line)
    await driver.press("plus")
    assert driver.query == "level:ERROR"
    await driver.press("s")
    assert not driver.logs.fields.display
    assert driver.logs.rows.has_focus


async def test_views_are_saved_and_loaded(driver: Driver) -> None:
    """V saves under a name, v lists and loads, ``:view rm`` forgets; columns and range are part of it."""
    await driver.filter("service:orders")
    await driver.press("4")
    await driver.command("columns time,host,message")
    await driver.press("V")
    await driver.write("orders of now")
    await driver.press("enter")
    assert "orders of now" in driver.said
    await driver.press("1")
    await driver.filter("")
    await driver.command("columns time,level,service,message")
    await driver.press("v")
    assert "orders of now" in driver.text
    await driver.press("enter")
    assert driver.logs.browser.view == View("service:orders", Span(last=900))
    assert driver.columns() == ("time", "host", "message")
    await driver.filter("")
    await driver.command("view orders of now")
    assert driver.query == "service:orders"
    await driver.command("view rm orders of now")
    await driver.press("v")
    assert "no view is saved yet" in driver.text


async def test_an_export_is_written(driver: Driver, tmp_path: Path) -> None:
    """ctrl+s writes what matches into the file that is named, and says where; ``:export`` likewise."""
    await driver.filter("level>=error")
    await driver.press("ctrl+s", "end", "ctrl+u")
    await driver.write("errors.ndjson")
    await driver.press("enter")
    await driver.until(lambda: driver.app.screen is driver.logs)
    expected = [each.message for each in data.entries() if each.severity >= 17]
    path = tmp_path / "home" / "errors.ndjson"
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == expected
    assert f"{len(expected)} entries" in driver.said
    await driver.command("export errors.csv")
    await driver.press("enter")
    await driver.until(lambda: driver.app.screen is driver.logs)
    assert (tmp_path / "home" / "errors.csv").read_text().count("payment of order 7250") == 1


_COMMANDS: Final[tuple[tuple[str, Callable[[Driver], Any]], ...]] = (
        ("filter service:gateway", lambda d: d.query == "service:gateway"),
        ("f", lambda d: d.query == ""),
        ("level warn", lambda d: d.logs.browser.view.least == 3),
        ("range 15m", lambda d: d.logs.browser.view.span == Span(last=900)),
        ("range 10:30 .. 10:35", lambda d: "10:30–10:35" in d.lines[0] and d.mode() is Mode.HISTORY),
        ("range all", lambda d: d.logs.browser.view.span == ALL),
        ("find declined", lambda d: "nowhere" in d.said),
        ("set wrap=on", lambda d: d.logs.rows.wrap),
        ("set relative=on", lambda d: d.logs.rows.rows.moments.relative),
        ("theme nord", lambda d: d.app.theme == "nord"),
        ("note look here", lambda d: d.row.id in d.logs.marks),
        ("sql", lambda d: d.shows(Sql)),
        ("health", lambda d: d.shows(HealthScreen)),
        ("help", lambda d: d.shows(HelpScreen)),
        ("fields", lambda d: d.logs.fields.has_focus),
        ("hist", lambda d: d.logs.histogram.has_focus),
        ("link", lambda d: d.app.clipboard.startswith("dblog-tui ")),
        ("dblog-tui -q level:error --level error", lambda d: d.logs.browser.view == View("level:error", least=4)),
        ("level loud", lambda d: "loud" in d.text and d.app.screen is not d.logs),
        ("nonsense", lambda d: "no command" in d.text),
        ("view load nothing", lambda d: "nothing" in d.said),
        ("theme nothing", lambda d: "no theme" in d.said),
        ("filter (", lambda d: d.logs.bar.editing),
)  # fmt: skip


async def test_commands(driver: Driver) -> None:
    """Each does what it says, and a mistake is said where one sees it."""
    for line, holds in _COMMANDS:
        await driver.command(line)
        assert holds(driver), f"{line}\n{driver.text}"
        while driver.app.screen is not driver.logs:
            await driver.press("escape")
        driver.logs.rows.focus()
    await driver.command("quit")
    assert driver.app._exit


async def test_esc_goes_one_step_back(driver: Driver) -> None:
    """The pane, then the fields, then what was looked for; then nothing more happens."""
    await driver.press("slash")
    await driver.write("paid")
    await driver.press("enter", "s", "left")
    driver.logs.rows.focus()
    await driver.press("p")

    def shown() -> tuple[bool, bool, str]:
        return driver.logs.detail.display, driver.logs.fields.display, driver.logs.sought

    assert shown() == (True, True, "paid")
    await driver.press("escape")
    assert shown() == (False, True, "paid")
    await driver.press("escape")
    assert shown() == (False, False, "paid")
    await driver.press("escape")
    assert shown() == (False, False, "")
    await driver.press("escape")
    assert driver.app.is_running
    assert driver.app.screen is driver.logs


class _Slow:
    """A search without an index that would never end: its pieces, and whether it was given up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended = 0

    async def sweep(self, query: Any, *, before: Any, began: int | None, **_: Any) -> AsyncIterator[Reached]:
        """One piece, and then nothing for a long time."""
        self.asked.append("fresh" if before is None else f"on from {began}")
        try:
            yield Reached((), data.NOW - 7200 * SECOND, 0.1, 3.0, 50_000_000, done=False, older=_cursor(), began=7)
            await asyncio.Event().wait()
        finally:
            self.ended += 1


def _cursor() -> Any:
    from dblog.reading.values import Cursor

    return Cursor.at(data.NOW - 7200 * SECOND)


@pytest.fixture
def slow(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> _Slow:
    """Every search for words is slow from now on."""
    made = _Slow()
    monkeypatch.setattr(driver.logs.source, "sweep", made.sweep)
    monkeypatch.setattr(driver.logs.browser, "_is_slow", lambda: "needle" in driver.logs.browser.view.query)
    return made


async def _ask_slowly(driver: Driver) -> None:
    await driver.pilot.press("f")
    await driver.write("needle")
    await driver.pilot.press("enter")
    await driver.until(lambda: driver.logs.browser.gate is not None)


async def test_a_dear_search_asks_first(driver: Driver, slow: _Slow) -> None:
    """Enter goes on from where it is, and says how far that is; Esc stops, Esc again lets go; n narrows to an hour."""
    await _ask_slowly(driver)
    assert slow.ended == 1
    assert "more rows" in driver.lines[1]
    await driver.pilot.press("enter")
    await driver.until(lambda: driver.logs.browser.reached is not None)
    assert slow.asked == ["fresh", "on from 7"]
    assert "searching" in driver.text
    await driver.pilot.press("escape")
    await driver.until(lambda: slow.ended == 2)
    assert "Enter searches on" in driver.text
    await driver.press("escape")
    assert "Enter searches on" not in driver.text
    await driver.press("1")
    await driver.until(lambda: driver.logs.browser.gate is not None)
    await driver.pilot.press("n")
    await driver.until(lambda: driver.logs.browser.view.span == Span(last=3600))


async def test_ctrl_c_ends_what_runs(driver: Driver, slow: _Slow) -> None:
    """The query in the database ends; where none runs, a sentence says how one leaves, and nobody has left."""
    await driver.press("ctrl+c")
    assert "ctrl+q" in driver.said
    assert driver.app.is_running
    await _ask_slowly(driver)
    await driver.pilot.press("enter")
    await driver.until(lambda: driver.logs.browser.reached is not None)
    await driver.pilot.press("ctrl+c")
    await driver.until(lambda: slow.ended == 2)
    assert not driver.logs.browser.busy


@pytest.mark.parametrize("keys", [("q",), ("ctrl+q",), ("f", "ctrl+q"), ("P", "q", "q"), ("enter", "q", "q")])
async def test_one_leaves(driver: Driver, keys: tuple[str, ...]) -> None:
    """q at the top, ctrl+q anywhere."""
    await driver.pilot.press(*keys[:-1])
    await driver.quiet()
    assert not driver.app._exit
    await driver.pilot.press(keys[-1])
    assert driver.app._exit


async def test_where_nothing_matches_a_key_repairs_it(driver: Driver) -> None:
    """The digit beside a repair does it: another value, a part dropped; without repairs a digit is a range."""
    await driver.filter("service:paymnts level>=warning")
    await driver.until(lambda: "closest known" in driver.text)
    line = next(line for line in driver.lines if "service:payments" in line)
    await driver.press(line.split()[0])
    assert driver.query == "service:payments level>=warning"
    assert driver.messages
    await driver.filter("service:paymnts level>=warning")
    await driver.until(lambda: "drop" in driver.text)
    line = next(line for line in driver.lines if " drop " in line)
    await driver.press(line.split()[0])
    assert driver.query == "level>=warning"
    await driver.press("left_square_bracket", "left_square_bracket")
    await driver.press("8")
    assert "nothing matches" in driver.said


async def test_a_database_that_goes_away(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A banner says so, rows stay and can be walked through; r asks at once, and what came meanwhile is there."""
    browser, source = driver.logs.browser, driver.logs.source
    page, away = source.page, True

    async def gone(*given: Any, **more: Any) -> Any:
        if away:
            raise StoreUnavailable(ErrorClass.RECONNECT, "08006", "the server closed the connection")
        return await page(*given, **more)

    rows = driver.messages
    monkeypatch.setattr(source, "page", gone)
    await driver.pilot.press("ctrl+r")
    await driver.until(lambda: browser.down is not None)
    assert "DB DOWN" in driver.lines[0]
    assert "the server closed the connection" in driver.lines[1]
    away = False
    await driver.pilot.press("r")
    await driver.until(lambda: browser.down is None and not browser.loading)
    assert driver.messages == rows
    await driver.quiet()
    assert "DB DOWN" not in driver.text


async def test_watch_counts_and_rings(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """``:watch`` says in the header how many match what is logged from now on, rings when one does, and ends."""
    rung: list[int] = []
    monkeypatch.setattr(driver.app, "bell", lambda: rung.append(1))
    await driver.command("watch level:critical")
    assert "watching level:critical: 0" in driver.lines[0]
    await asyncio.to_thread(fill, driver.logs.source.database.url, data.news())
    driver.logs._look()
    await driver.until(lambda: "watching level:critical: 1" in driver.lines[0])
    assert rung == [1]
    await driver.command("watch")
    assert "watching" not in driver.text
    await driver.command("watch (")
    assert driver.logs._watching is None
    assert driver.said


async def test_the_plain_terminal_is_not_always_to_be_had(driver: Driver) -> None:
    """Where there is none, ! says so, and all goes on."""
    await driver.press("exclamation_mark")
    assert driver.said
    assert driver.app.is_running


async def test_health_leads_to_a_writer_s_rows(driver: Driver) -> None:
    """Enter on a writer shows what it logged; q leads back to the rows as they were."""
    await driver.press("H")
    await driver.until(lambda: "DOWN" in driver.text and "gat-1" in driver.text)
    await driver.press("q")
    assert driver.query == ""
    await driver.press("H")
    await driver.until(lambda: "pay-1" in driver.text)
    await driver.press("enter")
    assert driver.query
    assert driver.app.screen is driver.logs


async def test_alone_on_the_screen_the_entry_has_no_line_at_its_left(url: str) -> None:
    """Beside the rows there is one between them; it goes with the rows and the fields, and comes back with them."""
    async with driving(url, size=(160, 40)) as wide:
        side = wide.logs.look.glyphs.side
        pane = wide.logs.detail

        def sides() -> list[bool]:
            return [side in line for line in wide.lines[pane.region.y : pane.region.bottom]]

        await wide.press("enter", "enter")
        assert pane.region.x > 0
        assert all(sides())
        await wide.press("enter")
        assert pane.region.x == 0
        assert not any(sides())
        await wide.press("q")
        assert all(sides())
        assert wide.logs.fields.display
        await wide.press("enter", "escape", "escape")
        assert not pane.has_focus


async def test_an_exception_says_how_often_its_type_came(driver: Driver) -> None:
    """Counted among the entries of the view, once for all of them."""
    await _to(driver, FAILED)
    await driver.press("enter", "enter")
    total = sum(each.exc_type == driver.row.exc_type for each in data.entries())
    await driver.press("enter", "G")
    await driver.until(lambda: f"{total} here of this type" in driver.text)


async def test_nothing_works_for_a_screen_that_waits_for_the_end_of_its_queries(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its widgets are gone by then."""
    working: list[bool] = []
    async with driving(url) as driver:
        screen = driver.logs
        worker = screen.run_worker(asyncio.Event().wait(), group="pulse")
        close = screen.browser.close

        async def closing() -> None:
            working.append(worker.is_running and not worker.is_cancelled)
            await close()

        monkeypatch.setattr(screen.browser, "close", closing)
    assert working == [False]
