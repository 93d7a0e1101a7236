"""A histogram counted in pieces, from the newest column to the oldest: each piece is one short query.

Between two pieces nothing is held in the database, so ending is a matter of not asking again; cancelling the task
that waits ends the piece under way. Columns that are not counted yet are None, and never 0.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dblog.levels import BANDS
from dblog_tui.present.bars import Bars, Counts
from dblog_tui.source.reach import reach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dblog.reading.values import Histogram
    from dblog_tui.source.reach import Reach
    from dblog_tui.source.source import Source
    from dblog_tui.view import View

__all__ = ["bars", "columns_of"]

_S: Final = 1_000_000
_DAY: Final = 86_400 * _S
_SIXTIETHS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30, 36, 40, 45, 48)
_WIDTHS: Final = tuple(
    int(count * unit)
    for unit, counts in (
        (1, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (1000, (1, 2, 5, 10, 20, 25, 40, 50, 80, 100, 125, 200, 250, 400, 500, 600, 750)),
        (_S, (1, 1.25, 1.5, 2, 2.5, *_SIXTIETHS[2:], 50, 60, 75, 80, 90, 100)), (60 * _S, (2, 2.5, *_SIXTIETHS[2:])),
        (1800 * _S, (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 30, 36, 40, 48, 60, 72)),
        (_DAY, (2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 100, 150, 200, 300, 500, 1000, 36_500)),
    )
    for count in counts
)  # fmt: skip
"""µs a column may be wide. None is a multiple of a week: the reader begins those on Mondays, not at multiples."""
_FIRST: Final = 50_000
"""Rows the first piece should have; later ones are sized by time."""
_PACE: Final = 0.15
"""Seconds a piece should take."""


def columns_of(since: int, until: int, columns: int) -> tuple[int, int, int]:
    """Where the first column begins, how wide a column is (both µs), and how many there are: at most ``columns``.

    Columns begin at multiples of their width, so the same moments fall into the same column as time goes on. A range
    longer than the widest columns can hold loses its beginning.

    Args:
        since: µs; included.
        until: µs, after ``since``; excluded.
        columns: how many at most, 1 or more.
    """
    for width in _WIDTHS:
        start = since - since % width
        count = (until - 1 - start) // width + 1
        if count <= columns:
            return start, width, count
    width = _WIDTHS[-1]
    last = until - 1 - (until - 1) % width
    return last - (columns - 1) * width, width, columns


async def bars(
    source: Source, view: View, now: int, columns: int, *, exact: bool = False, known: Bars | None = None
) -> AsyncIterator[Bars]:
    """Count what a view shows ``now`` (µs); the first value comes before anything is counted, the last is ``done``.

    Args:
        source: where.
        view: of what.
        now: µs.
        columns: how many there is room for.
        exact: count all of it, however large.
        known: bars of the same view, a while ago: what they say is shown until it is counted again.

    Raises:
        QuerySyntaxError: the view's text cannot be read.
        StoreUnavailable: the database is away. ``QueryTimeout``: one piece took too long.
    """
    found = await reach(source, view, now, exact=exact)
    room = max(columns, 1)
    start, width, count = columns_of(found.since, found.until, room)
    sliding = found.until - found.since if found.sliding else 0
    counts = [_known(known, start + column * width, width) for column in range(count)]

    def so_far() -> Bars:
        return Bars(
            start, width, tuple(counts), max(found.since, start), found.until, found.label, found.whole,
            sliding, found.open_ended, room,
        )  # fmt: skip

    yield so_far()
    high, piece = count, _first_piece(found, start, width, count)
    while high > 0:
        low = max(high - piece, 0)
        began = time.monotonic()
        histogram = await source.histogram(
            found.query,
            bucket=width / _S,
            since=max(found.since, start + low * width),
            until=min(found.until, start + high * width) - 1,
        )
        _fill(counts, histogram, start, width, range(low, high))
        took = time.monotonic() - began
        high = low
        yield so_far()
        piece = max(round(piece * min(max(_PACE / max(took, 1e-3), 0.25), 4.0)), 1)


def _known(known: Bars | None, begin: int, width: int) -> Counts | None:
    """What was counted before for the column that begins there."""
    if known is None or known.width != width or not known.start <= begin < known.end:
        return None
    return known.counts[known.column(begin)]


def _fill(counts: list[Counts | None], histogram: Histogram, start: int, width: int, columns: range) -> None:
    for column in columns:
        counts[column] = (0,) * BANDS
    for bucket in histogram.buckets:
        if (column := (bucket.start - start) // width) in columns:
            counts[column] = bucket.counts


def _first_piece(found: Reach, start: int, width: int, count: int) -> int:
    """Columns whose rows are quickly counted, going by where the newest entries are."""
    per_column = found.extent.rows_between(max(found.until - count * width, start), found.until) / count
    return min(max(int(_FIRST / per_column), 1), count) if per_column > _FIRST / count else count
