"""Searching backwards in pieces, for queries no index answers: hits as they are found, and how far it has come.

A piece is a stretch of time that takes about a quarter of a second to search; it grows and shrinks with what the
last one took. Between two pieces nothing is held in the database, so ending is a matter of not asking again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.reading.values import Cursor
    from dblog_tui.source.source import Source

__all__ = ["Reached", "sweep"]

_FIRST: Final = 100_000
"""Rows the first piece should have; later ones are sized by time."""
_PACE: Final = 0.25
"""Seconds a piece should take."""
_LEAST: Final = 1_000_000
"""µs of the shortest piece."""
_AHEAD: Final = 366 * 86_400_000_000
"""µs a clock may be ahead of this one."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a search has come."""

    entries: tuple[LogEntry, ...]
    """The hits of this piece, the newest first, all older than those of the pieces before."""
    reached: int
    """µs: everything from here on, up to where the search began, has been searched."""
    share: float
    """Of the range, 0 to 1, by time."""
    seconds: float
    """Since this part of the search began."""
    rows_left: int
    """About how many rows are left to be searched."""
    done: bool
    """The limit or the end of the range is reached."""
    older: Cursor | None
    """Give as ``before`` to go on; None where the end of the range is reached."""
    began: int | None = None
    """µs: where the search began; give as ``began`` to go on, so that the share goes on as well."""
    before: float = 0.0
    """The share that had been searched when this part of the search began."""

    @property
    def seconds_left(self) -> float:
        """At the pace so far."""
        searched = self.share - self.before
        return self.seconds * (1 - self.share) / searched if searched > 0 else float("inf")


async def sweep(
    source: Source,
    query: Query | str,
    *,
    before: Cursor | None,
    floor: int | None,
    limit: int,
    began: int | None = None,
) -> AsyncGenerator[Reached]:
    """Search from ``before`` (or the newest) back to ``floor`` (µs; or the oldest), until ``limit`` hits are found.

    Args:
        source: where.
        query: which entries.
        before: where to begin; the newest entry where None.
        floor: where to end; the oldest entry where None.
        limit: hits at most.
        began: µs: where a search began that this one goes on with; at ``before`` where None.
    """
    from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

    beginning = time.monotonic()
    extent = await source.extent()
    if extent.oldest is None or extent.newest is None:
        yield Reached((), floor or 0, 1.0, 0.0, 0, done=True, older=None)
        return
    bottom = extent.oldest if floor is None else max(floor, extent.oldest)
    top = max(extent.newest, round(time.time() * 1e6)) if before is None else before.timestamp
    width = _first_width(extent.rows.value, extent.newest - extent.oldest)
    start = max(top, began or top)
    done_before = _share(start, top, bottom)
    # Never without an upper bound: with the lower one alone a page is the oldest of the piece, not the newest.
    place, high, found = before or Cursor.at(top + _AHEAD), top, 0
    while True:
        low = max(bottom, high - width)
        last = low <= bottom
        started = time.monotonic()
        # The last piece has no lower bound: an entry may be older than what was said to be the oldest.
        page = await source.page(
            query, before=place, after=Cursor.at(low) if not last or floor is not None else None, limit=limit - found
        )
        took = time.monotonic() - started
        found += len(page)
        full = found >= limit
        reached = page.entries[-1].timestamp if full else low
        older = Cursor.of(page.entries[-1]) if full else None if last else Cursor.at(low)
        share = 1.0 if older is None else _share(start, reached, bottom)
        left, seconds = extent.rows_between(bottom, reached), time.monotonic() - beginning
        yield Reached(
            page.entries, reached, share, seconds, left, done=full or last, older=older, began=start, before=done_before
        )
        if full or last:
            return
        place, high = Cursor.at(low), low
        width = max(round(width * min(max(_PACE / max(took, 1e-3), 0.25), 4.0)), _LEAST)


def _share(start: int, reached: int, bottom: int) -> float:
    """Of the range, by time."""
    return min(max((start - reached) / max(start - bottom, 1), 0.0), 1.0)


def _first_width(rows: int, whole: int) -> int:
    return max(round(whole * min(_FIRST / max(rows, 1), 1.0)) + 1, _LEAST)
