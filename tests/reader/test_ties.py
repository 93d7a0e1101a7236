"""A page made of rows that come by time alone, some of them twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import given

from dblog.entry import LogEntry
from dblog.reading.ties import untied

if TYPE_CHECKING:
    import random


def _place(entry: LogEntry) -> tuple[int, UUID | None]:
    return entry.timestamp, entry.id


def _entries(numbers: list[tuple[int, int]]) -> list[LogEntry]:
    return [LogEntry(moment, "INFO", 9, "a", "m", id=UUID(int=key)) for moment, key in numbers]


@given(
    stored=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=40),
    wanted=st.integers(1, 12),
    newest_first=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_a_page_is_the_first_of_all_in_full_order(
    stored: list[tuple[int, int]], wanted: int, newest_first: bool, chance: random.Random
) -> None:
    """However rows of one time come, and however often a row is there, each is given once and none is left out."""
    entries = _entries(stored)

    async def by_time(asked: dict[str, Any]) -> tuple[LogEntry, ...]:
        chance.shuffle(entries)
        return tuple(sorted(entries, key=lambda each: each.timestamp, reverse=newest_first)[: asked["count"]])

    async def up_to(asked: dict[str, Any]) -> tuple[LogEntry, ...]:
        edge = asked["edge"]
        within = [each for each in entries if (each.timestamp >= edge if newest_first else each.timestamp <= edge)]
        return tuple(sorted(within, key=_place, reverse=newest_first)[: asked["count"]])

    found = asyncio.run(untied(by_time, up_to, wanted, newest_first=newest_first))
    assert list(found) == sorted(_entries(list(set(stored))), key=_place, reverse=newest_first)[:wanted]


def test_what_goes_while_it_is_read_makes_no_page_short() -> None:
    """Rows that are deleted between the two questions are asked for no more; others take their places."""
    entries = _entries([(0, key) for key in range(4)] + [(9, key) for key in range(9)])
    counts: list[int] = []

    async def by_time(asked: dict[str, Any]) -> tuple[LogEntry, ...]:
        counts.append(asked["count"])
        return tuple(sorted(entries, key=_place)[: asked["count"]])

    async def up_to(asked: dict[str, Any]) -> tuple[LogEntry, ...]:
        entries[:] = entries[-10:]
        return tuple(each for each in sorted(entries, key=_place) if each.timestamp <= asked["edge"])[: asked["count"]]

    found = asyncio.run(untied(by_time, up_to, 2, newest_first=False))
    assert counts == [3, 5]
    assert [each.timestamp for each in found] == [0, 9]
