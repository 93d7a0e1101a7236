"""A tour through every screen of the application: one run, a picture of each.

A stop is a function that goes somewhere by keys and leaves again; what it yields is the picture's name, and what is on
the screen then is taken. Nothing a picture shows depends on how fast this machine is.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any, Final

from textual._compositor import Compositor

from dblog import __version__
from dblog_tui.browser import Browser
from dblog_tui.source import Down, Reached
from tests.administered import SECOND, fill
from tests.tui import golden_data as data
from tests.tui.driving import Driver, at_home, driving
from tests.tui.screen import strips_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    import pytest

__all__ = ["PICTURES", "VARIANTS", "colours", "tour"]

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "80x24": {"size": (80, 24)},
    "120x40": {"size": (120, 40)},
    "200x60": {"size": (200, 60)},
    "ascii": {"size": (80, 24), "glyphs": "ascii"},
    "nocolour": {"size": (80, 24)},
}
"""By name: how the application is run."""
_COLOURED: Final = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10[0-7])(?:;\d+)*m")


def colours(driver: Driver) -> list[str]:
    """The sequences that would set a colour, of everything on the screen."""
    sent = "".join(strip.render(driver.app.console) for strip in strips_of(driver.app))
    return [match.group() for match in _COLOURED.finditer(sent)]


async def tour(
    url: str, home: Path, variant: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Pictures by name, and the colours each would send."""
    at_home(home, monkeypatch)
    if variant == "nocolour":
        monkeypatch.setenv("NO_COLOR", "1")
    # How long a page took is the one figure that would differ from run to run.
    monkeypatch.setattr(Browser, "took", property(lambda _: 0.023, lambda *_: None), raising=False)
    monkeypatch.setattr(Compositor, "render_update", _unseen)
    pictures: dict[str, str] = {}
    coloured: dict[str, list[str]] = {}
    given: dict[str, Any] = VARIANTS[variant]
    async with driving(url, **given) as driver:
        for stop in _STOPS:
            async for name in stop(driver):
                await driver.quiet()
                driver.logs.answer()  # how many rows were fetched ahead is otherwise said later
                await driver.quiet()
                pictures[name] = _steady(driver.text)
                coloured[name] = colours(driver)
    async with driving(None, **given) as driver:
        await driver.until(lambda: "nearby" in driver.text)
        pictures["start"], coloured["start"] = _steady(driver.text), colours(driver)
    return pictures, coloured


def _unseen(compositor: Compositor, **_: Any) -> None:
    """What is painted between two stops, nobody looks at here."""
    compositor._dirty_regions.clear()


def _steady(picture: str) -> str:
    """Without what differs from machine to machine, and in time: versions, and the pages SQLite takes."""
    picture = re.sub(r"SQLite \d+\.\d+\.\d+", "SQLite 3.x.y", picture)
    picture = re.sub(r"revision \d{4}", "revision 0001", picture)
    picture = re.sub(r"\d+\.\d KiB, \d+ bytes each", "160.0 KiB, 500 bytes each", picture)
    return picture.replace(f"dblog-tui {__version__}", "dblog-tui x.y.z")


async def _logs(driver: Driver) -> AsyncIterator[str]:
    yield "logs live"
    await driver.press("i", "left", "left", "shift+left")
    yield "histogram"
    await driver.press("escape", "escape", "s")
    yield "fields"
    await driver.press("escape")
    await driver.press("backslash")
    await _incident(driver)
    yield "wrapped"
    await driver.press("backslash")


async def _incident(driver: Driver) -> None:
    """To the payment that failed, whose trace has everything."""
    await driver.command(f"entry {_failed().id.hex[-12:]}")
    await driver.until(lambda: driver.row.message.startswith("payment of order 7250"))
    if driver.logs.detail.display:
        await driver.press("escape")


def _failed() -> Any:
    return next(each for each in data.entries() if each.message.startswith("payment of order 7250"))


async def _detail(driver: Driver) -> AsyncIterator[str]:
    await driver.press("enter")
    yield "detail"
    for key in ("enter", "enter", "G"):  # each has its effect on the layout before the next
        await driver.press(key)
    yield "detail full"
    await driver.press("escape", "escape", "escape")
    assert not driver.logs.detail.display


async def _query(driver: Driver) -> AsyncIterator[str]:
    await driver.press("f")
    await driver.write("level>=warning service:")
    await driver.until(lambda: "payments" in driver.lines[3])
    yield "query suggestions"
    await driver.press("escape")
    await driver.press("f")
    await driver.write("service:payments AND levle:error")
    await driver.until(lambda: "did you mean" in driver.text)
    yield "query mistake"
    await driver.press("escape")
    await driver.press("slash")
    await driver.write("failed")
    yield "find"
    await driver.press("enter")
    yield "found"
    await driver.press("escape")
    await driver.filter("service:paymnts level>=warning")
    await driver.until(lambda: "alive" in driver.text or "DOWN" in driver.lines[-3])
    yield "nothing matches"
    await driver.press("left_square_bracket")


async def _banners(driver: Driver) -> AsyncIterator[str]:
    browser = driver.logs.browser
    shown = browser.query
    from dblog.query import parse

    browser.query = parse('message:"*timed out*"')
    browser.reached = Reached((), data.NOW - 7200 * SECOND, 0.42, 1.7, 5_700_000, done=False, older=None)
    driver.logs.tell()
    yield "searching"
    browser.reached, browser.gate = None, browser.reached
    driver.logs.tell()
    yield "gate"
    browser.gate, browser.query = None, shown
    browser.down = Down(time.monotonic() - 79.0, 6, 8.0, "08006: the server closed the connection unexpectedly")
    driver.logs.tell()
    yield "database down"
    browser.down = None
    driver.logs.tell()


async def _trace(driver: Driver) -> AsyncIterator[str]:
    await _incident(driver)
    await driver.press("t")
    yield "trace"
    await driver.press("s")
    yield "trace as spans"
    await driver.press("q")
    await driver.press("c")
    yield "context"
    await driver.press("q")


async def _figures(driver: Driver) -> AsyncIterator[str]:
    await driver.press("P")
    yield "patterns"
    await driver.press("q")
    await driver.filter("level>=error")
    await driver.press("D")
    yield "compare"
    await driver.press("q", "left_square_bracket", "H")
    await driver.until(lambda: "revision" in driver.text)
    yield "health"
    await driver.press("q")


async def _dialogs(driver: Driver) -> AsyncIterator[str]:
    await driver.press("v")
    yield "views, none yet"
    await driver.press("escape")
    for name, query in (("failed payments", "service:payments level>=error"), ("slow", "duration_ms>=300")):
        await driver.filter(query)
        await driver.command(f"view save {name}")
    await driver.press("left_square_bracket", "left_square_bracket")
    driver.app.clear_notifications()
    for key, name in (
        ("v", "views"), ("x", "columns"), ("plus", "pick field"), ("at", "goto"), ("ctrl+s", "export"),
        ("semicolon", "sql"), ("M", "note"),
    ):  # fmt: skip
        await driver.press(key)
        if name == "goto":
            await driver.write("10:38")
        yield name
        await driver.press("escape")
    await driver.press("colon")
    await driver.write("vi")
    yield "command line"
    await driver.press("escape")
    await driver.press("question_mark")
    yield "help"
    await driver.press("G")
    yield "help end"
    await driver.press("escape")
    await driver.press("ctrl+p")
    await driver.write("trace")
    await driver.until(lambda: "whole trace" in driver.text)
    yield "palette"
    await driver.press("escape")


async def _news(driver: Driver) -> AsyncIterator[str]:
    await driver.press("F")
    await driver.press("up", "up", "m")
    url = driver.logs.source.database.url
    await asyncio.to_thread(fill, url, [*data.news(), data.late()])
    await driver.until(lambda: "6 new" in driver.text)
    await driver.until(lambda: data.LATE in driver.text)
    yield "paused with news"
    await driver.press("greater_than_sign", "greater_than_sign", "greater_than_sign")
    yield "warnings only"
    await driver.press("F")


_STOPS: Final[Sequence[Callable[[Driver], AsyncIterator[str]]]] = (
    _logs, _detail, _query, _banners, _trace, _figures, _dialogs, _news,
)  # fmt: skip
PICTURES: Final = (
    "logs live", "histogram", "fields", "wrapped", "detail", "detail full", "query suggestions", "query mistake",
    "find", "found", "nothing matches", "searching", "gate", "database down", "trace", "trace as spans", "context",
    "patterns", "compare", "health", "views, none yet", "views", "columns", "pick field", "goto", "export", "sql",
    "note", "command line", "help", "help end", "palette", "paused with news", "warnings only", "start",
)  # fmt: skip
"""Every picture there is."""
