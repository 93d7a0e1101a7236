"""A terminal too small for the application is told so, and loses nothing by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from dblog_tui.room import TooSmall
from tests.administered import entry, fill, now
from tests.tui.driving import Driver, driving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def driver(sqlite_url: str) -> AsyncIterator[Driver]:
    """Forty rows."""
    start = now() - 60_000_000
    made = [entry(number, start + number * 1000, trace_id="4bf92f3577b34da6a3ce929d0e0e4736") for number in range(40)]
    await asyncio.to_thread(fill, sqlite_url, made)
    async with driving(sqlite_url) as driver:
        yield driver


async def _resize(driver: Driver, width: int, height: int) -> None:
    await driver.pilot.resize_terminal(width, height)
    await driver.until(lambda: driver.app.screen.size == (width, height))
    small = width < 40 or height < 10
    await driver.until(lambda: bool(driver.app.screen.query(TooSmall)) == small)
    await driver.until(lambda: driver.app.screen._compositor.size == (width, height))
    await driver.quiet()


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("k", "k", "enter"),
        ("g",),
        ("t",),
        ("f", "s", "e"),
        ("plus",),
        ("question_mark",),
        ("i", "left"),
        ("s",),
        ("ctrl+p",),
    ],
    ids=["live", "detail", "oldest", "trace", "filter", "dialog", "help", "histogram", "fields", "palette"],
)
async def test_a_terminal_that_was_too_small_shows_the_same_again(driver: Driver, keys: tuple[str, ...]) -> None:
    """Wherever one is: the same picture, where rows may have moved up or down, and the focus on the same widget;
    meanwhile one line, whatever was there."""
    await driver.press(*keys)
    await _resize(driver, 60, 12)
    await _resize(driver, 80, 24)
    before, focused = driver.text, driver.app.focused
    for width, height in ((39, 24), (80, 9), (20, 5), (80, 24)):
        await _resize(driver, width, height)
        if (width, height) != (80, 24):
            (line,) = filter(None, driver.lines)
            assert line.strip() in (f"needs 40\u00d710, this is {width}\u00d7{height}", "needs 40\u00d710")
    assert driver.text == before
    assert driver.app.focused is focused


@pytest.mark.parametrize("width", [1, 5, 11, 25, 39])
async def test_the_line_fits_and_is_in_the_middle(driver: Driver, width: int) -> None:
    """However narrow; the present size where there is room for it."""
    await _resize(driver, width, 7)
    assert [bool(line) for line in driver.lines] == [False, False, False, width >= 5, False, False, False]
    assert cell_len(driver.lines[3]) <= width
    left = len(driver.lines[3]) - len(driver.lines[3].strip())
    assert not driver.lines[3] or abs(width - len(driver.lines[3]) - left) <= 1
    assert ("this is" in driver.lines[3]) == (width >= 24)


async def test_a_screen_that_opens_without_room_says_so_as_well(driver: Driver) -> None:
    """Keys still work; what they have opened is there when there is room."""
    await _resize(driver, 30, 8)
    await driver.press("question_mark")
    await driver.until(lambda: bool(driver.app.screen.query(TooSmall)))
    assert "needs 40\u00d710, this is 30\u00d78" in driver.text
    assert len([*filter(None, driver.lines)]) == 1
    await _resize(driver, 80, 24)
    assert "half a page down" in driver.text
    await driver.press("escape")
    assert "order 39" in driver.text
    assert "needs" not in driver.text
    await _resize(driver, 40, 10)
    assert "order 39" in driver.text
