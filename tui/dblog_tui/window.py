"""The window: the rows in memory, a contiguous piece of all that match, in the order of ``(timestamp, id)``.

It has no absolute row numbers, for a keyset has none; a row is named by its key, which stays right whatever is put
before it, between, or taken away. What the tail brings while a page is being fetched is kept aside and joined with the
page, so no row is skipped or doubled however the two overlap.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from dblog.entry import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CAPACITY", "Key", "Mark", "Row", "Window", "key_of", "slim"]

CAPACITY: Final = 4000
"""Rows kept at most; the farther end is given up."""
_LONGEST: Final = 1024
"""Characters of a message, and of metadata, that a row keeps; the rest is loaded with the detail."""
_LAST: Final = 1 << 128

Key: TypeAlias = tuple[int, int]
"""A row's place: its timestamp, and its id as a number."""


class Mark(NamedTuple):
    """A line between entries: the connection was lost here, or the like."""

    timestamp: int
    text: str

    @property
    def key(self) -> Key:
        """Behind every entry of its moment."""
        return self.timestamp, _LAST


Row: TypeAlias = LogEntry | Mark


def key_of(row: Row) -> Key:
    """The place of a row; an entry has been stored."""
    if isinstance(row, Mark):
        return row.key
    return row.timestamp, row.id.int if row.id is not None else 0


def slim(entry: LogEntry) -> LogEntry:
    """The entry as a row needs it: long texts cut, the traceback left out; what is short stays the same object."""
    metadata = entry.metadata
    if entry.exc_text is None and len(entry.message) <= _LONGEST and (metadata is None or len(metadata) <= _LONGEST):
        return entry
    return entry._replace(
        message=entry.message[:_LONGEST],
        metadata=None if metadata is None or len(metadata) > _LONGEST else metadata,
        exc_text=None,
        template=entry.template[:_LONGEST] if entry.template else None,
        exc_message=entry.exc_message[:_LONGEST] if entry.exc_message else None,
    )


class Window:
    """Rows between two places, without a hole.

    Args:
        capacity: rows kept at most.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.rows: list[Row] = []
        """The oldest first."""
        self.late: set[int] = set()
        """Ids (as numbers) of entries that came after newer ones had been seen."""
        self.older = False
        """There may be rows before the first."""
        self.newer = False
        """There may be rows behind the last: what the tail brings does not join on."""
        self._keys: list[Key] = []
        self._aside: dict[Key, LogEntry] = {}
        """What the tail brought while pages were fetched, and had no place here then."""
        self._hole_aside = False
        """Some of what it brought since the last page was asked for was skipped."""
        self.doubtful = False
        """Rows may be missing between the first and the last, because a flood was skipped: ``merge`` them."""
        self._epoch = self._asked = 0
        """Counts beginnings; a page that was asked for before the last one joins on to nothing."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def first(self) -> Key | None:
        """The oldest row's key."""
        return self._keys[0] if self._keys else None

    @property
    def last(self) -> Key | None:
        """The newest row's key."""
        return self._keys[-1] if self._keys else None

    def index(self, key: Key) -> int:
        """Where that row is, or would be: 0 to ``len``."""
        return bisect_left(self._keys, key)

    def __contains__(self, key: Key) -> bool:
        index = self.index(key)
        return index < len(self._keys) and self._keys[index] == key

    # -- pages ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Other rows from now on: what the tail brings waits for the first page. Those that are here stay till then."""
        self._aside.clear()
        self._hole_aside = self.doubtful = False
        self.newer = True
        self._epoch += 1

    def fetching(self) -> None:
        """A page is about to be asked for: from now on what the tail brings, and has no place here, is kept."""
        self._hole_aside = False
        self._asked = self._epoch

    def reset(self, entries: Sequence[LogEntry], *, older: bool, newer: bool) -> None:
        """Begin with a page (the newest first), and with what the tail brought while it was fetched."""
        self._epoch += 1
        self.rows = [slim(entry) for entry in reversed(entries)]
        self._keys = list(map(key_of, self.rows))
        self.late.clear()
        # What was skipped meanwhile may be anywhere.
        self.doubtful = self._hole_aside
        self.older, self.newer = older or self._hole_aside, newer or self._hole_aside
        self._join(attached=not self.newer)

    def merge(self, entries: Iterable[LogEntry]) -> None:
        """Put what is stored between the first and the last row to the rows; ``doubtful`` is over."""
        self.doubtful = False
        for entry in entries:
            self._insert(key_of(entry), entry)
        self._shorten()

    def add_older(self, entries: Sequence[LogEntry], *, more: bool) -> int:
        """Put a page (the newest first) before the first row; how many rows are new. The newest may be given up."""
        if self._asked != self._epoch:
            return 0
        new = self._fresh(entries)
        self.rows[:0] = new
        self._keys[:0] = map(key_of, new)
        self.older = more
        self._join(attached=False)
        self._shorten(newest=True)
        return len(new)

    def add_newer(self, entries: Sequence[LogEntry], *, more: bool) -> int:
        """Put a page (the newest first) behind the last row; how many rows are new. The oldest may be given up."""
        if self._asked != self._epoch:
            return 0
        new = self._fresh(entries)
        self.rows += new
        self._keys += map(key_of, new)
        self.newer = more or self._hole_aside
        self._join(attached=not self.newer)
        self._shorten()
        return len(new)

    # -- the tail ---------------------------------------------------------------------------------------------

    def arrived(
        self, entries: Iterable[LogEntry], *, late: Iterable[int] = (), skipped: int = 0, following: bool = True
    ) -> None:
        """What one look of the tail brought, in order; ``skipped`` older ones than these were left out.

        Where it becomes too much, the oldest rows are given up; the newest while nobody is ``following``, for then
        somebody reads the old ones.
        """
        batch = list(entries)
        self.late.update(late)
        if skipped and not self.newer:
            # What was skipped sorts before this batch, between the rows that are here or behind them.
            self._drop_before(key_of(batch[0]) if batch else (_LAST, _LAST))
        elif skipped:
            self._hole_aside = self.doubtful = True
        for entry in batch:
            self._arrive(entry)
        self._shorten(newest=not following)

    def mark(self, mark: Mark) -> None:
        """Draw a line behind the last row."""
        if not self._keys or mark.key > self._keys[-1]:
            self.rows.append(mark)
            self._keys.append(mark.key)

    def _drop_before(self, key: Key) -> None:
        index = self.index(key)
        self._forget(self.rows[:index])
        del self.rows[:index], self._keys[:index]
        self.older = True
        self._epoch += 1

    def _arrive(self, entry: LogEntry) -> None:
        key = key_of(entry)
        beyond = self.newer if not self._keys or key > self._keys[-1] else key < self._keys[0] and self.older
        if beyond:
            self._aside[key] = entry
            if len(self._aside) > self.capacity:
                self._aside.pop(next(iter(self._aside)))
                self._hole_aside = True
            return
        self._insert(key, entry)

    def _insert(self, key: Key, entry: LogEntry) -> None:
        index = bisect_left(self._keys, key)
        if index == len(self._keys) or self._keys[index] != key:
            self.rows.insert(index, slim(entry))
            self._keys.insert(index, key)

    def _join(self, *, attached: bool) -> None:
        """Give what was kept aside its place, where it has one now."""
        for key, entry in list(self._aside.items()):
            inside = bool(self._keys) and (not self.older or self._keys[0] < key)
            if (inside and (attached or key < self._keys[-1])) or (attached and not self._keys):
                self._insert(key, entry)
                del self._aside[key]

    def _fresh(self, entries: Sequence[LogEntry]) -> list[Row]:
        """The page in order, without rows that are here already."""
        return [slim(entry) for entry in reversed(entries) if key_of(entry) not in self]

    def _shorten(self, *, newest: bool = False) -> None:
        """Give up the oldest rows, or the newest; a page that was asked for at that end joins on no more."""
        if (beyond := len(self.rows) - self.capacity) <= 0:
            return
        gone = slice(-beyond, None) if newest else slice(0, beyond)
        self._forget(self.rows[gone])
        del self.rows[gone], self._keys[gone]
        if newest:
            self.newer = True
        else:
            self.older = True
        self._epoch += 1

    def _forget(self, rows: Iterable[Row]) -> None:
        if self.late:
            self.late.difference_update(row.id.int for row in rows if isinstance(row, LogEntry) and row.id is not None)
