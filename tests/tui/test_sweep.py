"""Searching backwards in pieces finds what one page would have found."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from dblog.cli.profiles import Database
from dblog_tui.source import Source
from dblog_tui.view import View
from tests.administered import SECOND, entry, fill, now

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog_tui.source import Reached


async def _swept(source: Source, view: View, limit: int) -> list[LogEntry]:
    found: list[LogEntry] = []
    async for each in source.sweep(view.asked(now(), None), before=None, floor=None, limit=limit):
        found += each.entries
    return found


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
async def test_the_newest_hits_come_first(database_url: str, limit: int) -> None:
    """The newest so many, the newest first, however many more there are; one from a clock that is ahead among them."""
    newest = now() - 60 * SECOND
    made = [entry(number, newest - number * SECOND, message=f"row {number}") for number in range(300)]
    made.append(entry(999, now() + 3600 * SECOND, message="row 9 of tomorrow"))
    await asyncio.to_thread(fill, database_url, made)
    source = Source(Database(database_url))
    await source.open()
    view = View("message:*9*")
    found = await _swept(source, view, limit)
    page = await source.page(view.asked(now(), None), limit=limit)
    await source.close()
    assert [each.id for each in found] == [each.id for each in page]
    assert len(found) == min(limit, len([each for each in made if "9" in each.message]))


async def test_a_search_that_is_stopped_goes_on_from_its_share(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after any piece and gone on with, the share never falls, and is that of the search as one; the time left
    goes by what the part that runs has searched itself.
    """
    monkeypatch.setattr("dblog_tui.source.sweep._FIRST", 20)
    monkeypatch.setattr("dblog_tui.source.sweep._PACE", 1e-9)  # no piece grows
    newest = now() - 60 * SECOND
    made = [entry(number, newest - number * 5 * SECOND) for number in range(100)]
    await asyncio.to_thread(fill, sqlite_url, made)
    source = Source(Database(sqlite_url))
    await source.open()
    parts: list[Reached] = []
    while not parts or not parts[-1].done:
        last = parts[-1] if parts else None
        pieces = source.sweep(
            "", before=last.older if last else None, floor=None, limit=1000, began=last.began if last else None
        )
        async with aclosing(pieces):
            parts.append(await anext(pieces))
        if last is not None:
            assert last.share <= parts[-1].share
            assert parts[-1].before == pytest.approx(last.share, abs=1e-6)
        searched = parts[-1].share - parts[-1].before
        assert parts[-1].seconds_left == pytest.approx(parts[-1].seconds / searched * (1 - parts[-1].share))
    await source.close()
    assert len(parts) > 3
    assert len({part.began for part in parts}) == 1
    assert sum(len(part.entries) for part in parts) == 100
