"""``Bars``: entries over time as far as they are counted, and what can be said of them without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from dblog.levels import BANDS, band_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.entry import LogEntry

__all__ = ["Bars", "Counts"]

Counts: TypeAlias = "tuple[int, ...]"
"""One per severity band (``dblog.levels.BAND_NAMES``)."""

_ERROR: Final = 4
_AHEAD: Final = 5_000_000
"""µs another machine's clock may be ahead of this one's."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Entries over time, as far as they are counted; immutable."""

    start: int
    """µs where the first column begins: a multiple of ``width``, at or before ``since``."""
    width: int
    """µs of a column."""
    counts: tuple[Counts | None, ...]
    """A column each, the oldest first; None where nothing is counted yet."""
    since: int
    """µs: what the columns are of; included."""
    until: int
    """Excluded."""
    label: str = ""
    """The range in a few words, and why it is not all of what was asked for."""
    whole: bool = True
    """It is all of what was asked for."""
    sliding: int = 0
    """µs: the range is the last so many, and goes on with time; 0 of one that does not."""
    open_ended: bool = False
    """What is logged from now on belongs to it."""
    room: int = 0
    """Columns there may be."""
    about: bool = False
    """Numbers are estimates: a tail has passed entries over."""
    stale: bool = False
    """The range has outgrown the columns: ask again."""

    @property
    def done(self) -> bool:
        """Everything is counted."""
        return None not in self.counts

    @property
    def share(self) -> float:
        """How much of the range is counted, 0 to 1."""
        return sum(each is not None for each in self.counts) / len(self.counts) if self.counts else 1.0

    @property
    def end(self) -> int:
        """µs where the last column ends; excluded."""
        return self.start + len(self.counts) * self.width

    def column(self, moment: int) -> int:
        """The column of a moment (µs); the nearest one of a moment outside."""
        return min(max((moment - self.start) // self.width, 0), max(len(self.counts) - 1, 0))

    def begins(self, column: int) -> int:
        """µs where a column begins."""
        return self.start + column * self.width

    def between(self, first: int, last: int) -> tuple[int, int]:
        """The range (until excluded) of two columns and those between them, without what is outside of the range."""
        low, high = sorted((first, last))
        return max(self.begins(low), self.since), min(self.begins(high + 1), max(self.until, self.begins(high) + 1))

    def total(self, first: int, last: int) -> Counts | None:
        """What is in two columns and those between them; None where one is not counted."""
        low, high = sorted((first, last))
        columns = self.counts[low : high + 1]
        known = [each for each in columns if each is not None]
        return tuple(map(sum, zip(*known, strict=True))) if known and len(known) == len(columns) else None

    def peak(self) -> int | None:
        """The column with most errors; where there are none, with most entries; None where there is nothing."""
        best, most = None, (0, 0)
        for index, counts in enumerate(self.counts):
            if counts is not None and (weight := (sum(counts[_ERROR:]), sum(counts))) > most:
                best, most = index, weight
        return best

    def next_error(self, column: int, by: int) -> int | None:
        """The next column to the right (1) or to the left (-1) with an error."""
        order = range(column + by, len(self.counts) if by > 0 else -1, by)
        return next((index for index in order if (counts := self.counts[index]) and any(counts[_ERROR:])), None)

    def grown(self, entries: Iterable[LogEntry], now: int, *, skipped: int = 0) -> Bars:
        """With entries that a tail has brought, and the time that has passed: a live view need not ask again.

        Entries older than the range, and those of clocks that are far ahead, are not counted.

        Args:
            entries: new ones, in any order.
            now: µs.
            skipped: entries the tail has passed over: they are somewhere in the range, so numbers become estimates.
        """
        if not self.open_ended or not self.counts or self.stale:
            return self
        new = [each for each in entries if self.since <= each.timestamp < now + _AHEAD]
        until = max(self.until, now + 1, *(each.timestamp + 1 for each in new))
        gone = max((until - self.sliding - self.start) // self.width, 0) if self.sliding else 0
        count = (until - 1 - self.start) // self.width + 1
        if count - gone > self.room:
            gone += 1
        if count - len(self.counts) > self.room or count - gone > self.room or (gone and not self.sliding):
            return replace(self, stale=True)
        counts = [*self.counts, *([(0,) * BANDS] * (count - len(self.counts)))]
        for each in new:
            index = (each.timestamp - self.start) // self.width
            if (known := counts[index]) is not None:
                counts[index] = _one_more(known, band_of(each.severity))
        start = self.start + gone * self.width
        return replace(
            self, start=start, counts=tuple(counts[gone:]), since=max(self.since, start), until=until,
            about=self.about or skipped > 0,
        )  # fmt: skip


def _one_more(counts: Counts, band: int) -> Counts:
    return (*counts[:band], counts[band] + 1, *counts[band + 1 :])
