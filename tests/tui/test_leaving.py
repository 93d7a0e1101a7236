"""Leaving at any moment: no error, nothing that was begun and is never waited for, nothing left open.

Warnings are errors: what is told of a coroutine or a connection when it is collected fails these tests.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import examples
from tests.tui import golden_data as data
from tests.tui.driving import at_home, driving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEYS = (
    "t", "c", "P", "D", "H", "enter", "s", "f", "slash", "colon", "at", "v", "V", "x", "M", "plus", "i", "ctrl+s",
    "semicolon", "question_mark", "ctrl+p", "1", "4", "greater_than_sign", "e", "W", "G", "g", "pageup", "Y", "L", "y",
    "m", "u", "T", "F", "ctrl+r", "left_square_bracket", "z", "o", "n",
)  # fmt: skip
"""Each begins something."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[str]:
    """The shop's database, and a home of one's own."""
    folder = tmp_path_factory.mktemp("leaving")
    with pytest.MonkeyPatch.context() as patch:
        at_home(folder / "home", patch)
        data.freeze(patch)
        yield data.shop(folder / "shop.db", sqlite_template)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", [0, 2, 8, 21, 34, 55])
async def test_one_may_leave_while_a_screen_begins(url: str, turns: int) -> None:
    """After so many turns of the loop; it may not have its widgets yet."""
    async with driving(url) as driver:
        driver.app.set_zone(dt.UTC, "UTC")
        await _turns(turns)
        driver.app.exit()
    gc.collect()


@examples(5)
@given(st.lists(st.tuples(st.sampled_from(_KEYS), st.integers(0, 40)), max_size=4), st.booleans(), st.booleans())
def test_one_may_leave_whatever_goes_on(url: str, keys: list[tuple[str, int]], wide: bool, asked: bool) -> None:
    """Behind any keys, each so many turns of the loop after the one before; by a key's way or by the terminal's end."""

    async def run() -> None:
        async with driving(url, size=(160 if wide else 80, 24)) as driver:
            for key, turns in keys:
                await driver.pilot.press(key)
                await _turns(turns)
            if asked:
                driver.app.exit()
        gc.collect()

    asyncio.run(run())
