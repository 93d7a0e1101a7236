"""A page where the database gives rows by time alone, and has some twice: ClickHouse.

It finds the newest rows by their times in half the time it takes to find them in full order. Rows of one time are put
in order here. What is open then is which rows of the last time belong to the page: only where that matters, those up to
it are asked for in full order. A row that is there twice makes a page short, which is read again with more of what
follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.reading.order import each_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from dblog.entry import LogEntry

__all__ = ["untied"]


async def untied(
    by_time: Callable[[dict[str, Any]], Awaitable[tuple[LogEntry, ...]]],
    up_to: Callable[[dict[str, Any]], Awaitable[tuple[LogEntry, ...]]],
    wanted: int,
    *,
    newest_first: bool,
) -> tuple[LogEntry, ...]:
    """The first ``wanted`` entries in order, each once.

    Args:
        by_time: given a ``count``, that many entries, the first by their times (``order.first``).
        up_to: given a ``count`` and a time, ``edge``, in µs, the first of all up to it (``order.first_up_to``).
        wanted: entries at most.
        newest_first: the direction of both.
    """
    count = wanted
    while True:
        read = await by_time({"count": count + 1})
        entries = each_once(sorted(read, key=_place, reverse=newest_first))
        edge = read[-1].timestamp if len(read) > count else None
        sure = [entry for entry in entries if entry.timestamp != edge]
        if edge is None or len(sure) >= wanted:
            return tuple(sure[:wanted])
        entries = each_once(await up_to({"count": count, "edge": edge}))
        if len(entries) >= wanted:
            return tuple(entries[:wanted])
        count *= 2


def _place(entry: LogEntry) -> tuple[int, UUID | None]:
    """As ClickHouse's ``(timestamp, toUInt128(id))`` is compared: UUIDs of Python's are numbers."""
    return entry.timestamp, entry.id
