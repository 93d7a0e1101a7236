"""Searching backwards in pieces finds what one page would have found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dblog.cli.profiles import Database
from dblog_tui.source import Source
from dblog_tui.view import View
from tests.administered import SECOND, entry, fill, now

if TYPE_CHECKING:
    from dblog.entry import LogEntry


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
