"""The window: the rows in memory, a contiguous piece of all that match, in the order of ``(timestamp, id)``.

It has no absolute row numbers, for a keyset has none; a row is named by its key, which stays right whatever is put
before it, between, or taken away. What the tail brings while a page is being fetched is kept aside and joined with the
page, so no row is skipped or doubled however the two overlap. Whoever fetches a page has a ticket, ``Asked``, which
says whether the page still joins on, and what a flood has skipped meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from dblog.entry import LogEntry
from dblog_tui.row import LAST, Key, Mark, Row, behind, key_of, slim

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CAPACITY", "Asked", "Key", "Mark", "Row", "Window", "key_of", "slim"]

CAPACITY: Final = 4000
"""Rows kept at most; the farther end is given up."""
_MARKS: Final = 50
"""Marks kept."""
_NOWHERE: Final[Key] = (-(1 << 63), 0)
"""Before every row."""


class Asked:
    """A page that is being fetched."""

    __slots__ = ("__weakref__", "bound", "epoch")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.bound: Key | None = None
        """Of what the tail brought meanwhile, some that sorts before this place was skipped."""


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
        self.floor: Key | None = None
        """Everything from here on, up to the last row, is here; None: everything before the last row."""
        self.newer = False
        """There may be rows behind the last: what the tail brings does not join on."""
        self.foreign = False
        """The rows are those of another view, until the first page comes."""
        self.doubtful = False
        """Rows may be missing between the first and the last, because a flood was skipped: ``merge`` them."""
        self._waiting = False
        """The next page replaces the rows."""
        self._keys: list[Key] = []
        self._marks: list[Mark] = []
        self._asked: WeakSet[Asked] = WeakSet()
        self._aside: dict[Key, LogEntry] = {}
        """What the tail brought while pages were fetched, and had no place here then."""
        self._epoch = 0
        """Counts beginnings; a page that was asked for before the last one joins on to nothing."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def older(self) -> bool:
        """There may be rows before the first."""
        return self.floor is not None

    @property
    def first(self) -> Key | None:
        """The oldest row's key."""
        return self._keys[0] if self._keys else None

    @property
    def last(self) -> Key | None:
        """The newest row's key."""
        return self._keys[-1] if self._keys else None

    @property
    def newest(self) -> Key | None:
        """The key of the newest row that is an entry."""
        return next((key for key in reversed(self._keys) if key[1] != LAST), None)

    def index(self, key: Key) -> int:
        """Where that row is, or would be: 0 to ``len``."""
        return bisect_left(self._keys, key)

    def __contains__(self, key: Key) -> bool:
        index = self.index(key)
        return index < len(self._keys) and self._keys[index] == key

    # -- pages ------------------------------------------------------------------------------------------------

    def begin(self, *, foreign: bool = False) -> None:
        """Another page will replace the rows; those that are here stay till then.

        Args:
            foreign: they belong to another view: nothing is put among them.
        """
        self._aside.clear()
        self._waiting = True
        self.newer |= foreign
        self.foreign |= foreign
        self._epoch += 1

    def abandon(self, floor: Key) -> None:
        """The page did not come, and the rows belong to another view: there are none, and nothing joins on."""
        self._replace([], floor)
        self.newer = True

    def fetching(self) -> Asked:
        """A page is about to be asked for: from now on what the tail brings, and has no place here, is kept for it."""
        asked = Asked(self._epoch)
        self._asked.add(asked)
        return asked

    def reset(
        self,
        entries: Sequence[LogEntry],
        asked: Asked,
        *,
        floor: Key | None,
        newer: bool = False,
        following: bool = False,
    ) -> None:
        """Begin with a page (the newest first), and with what the tail brought while it was fetched.

        Args:
            entries: the page.
            asked: from ``fetching``.
            floor: where the page ends; None where nothing is older.
            newer: there may be newer entries than these.
            following: where a flood was skipped meanwhile, only what is newer than that is kept.
        """
        bound = asked.bound
        if bound is not None and following:
            entries = [entry for entry in entries if key_of(entry) >= bound]
            floor = bound if floor is None else max(bound, floor)
            bound = None
        self._replace([slim(entry) for entry in reversed(entries)], floor)
        self.doubtful = bound is not None and bool(self._keys)
        self.newer = newer or bound is not None
        self._join(asked)

    def add_older(
        self, entries: Sequence[LogEntry], asked: Asked, *, floor: Key | None, following: bool = False
    ) -> bool:
        """Put a page (the newest first) before the first row; whether it joins on; ``following`` as for ``arrived``."""
        if asked.epoch != self._epoch:
            self._close(asked)
            return False
        new = self._fresh(entries)
        self.rows[:0] = new
        self._keys[:0] = map(key_of, new)
        self.floor = floor
        self._doubt(asked)
        self._join(asked)
        self._shorten(newest=not following)
        return True

    def add_newer(self, entries: Sequence[LogEntry], asked: Asked, *, more: bool) -> bool:
        """Put a page (the newest first) behind the last row; whether it joins on. The oldest may be given up."""
        if asked.epoch != self._epoch:
            self._close(asked)
            return False
        for row in self._fresh(entries):
            self._insert(key_of(row), row)
        self.newer = more or asked.bound is not None
        self._doubt(asked)
        self._join(asked)
        self._shorten()
        return True

    def merge(self, entries: Sequence[LogEntry], asked: Asked, *, more: bool = False, following: bool = False) -> bool:
        """Put what is stored between the first and the last row to the rows; whether it still is about these.

        Args:
            entries: the page, the newest first.
            asked: from ``fetching``; ``doubtful`` is over unless more was skipped since.
            more: there is more, older than these.
            following: see ``arrived``.
        """
        if asked.epoch != self._epoch:
            self._close(asked)
            return False
        self.doubtful = asked.bound is not None
        for entry in entries:
            self._insert(key_of(entry), entry)
        if more:
            self._drop_before(key_of(entries[-1]))
        self._join(asked)
        self._shorten(newest=not following)
        return True

    # -- the tail ---------------------------------------------------------------------------------------------

    def arrived(
        self, entries: Iterable[LogEntry], *, late: Iterable[int] = (), skipped: int = 0, following: bool = True
    ) -> None:
        """What one look of the tail brought, in order; ``skipped`` older ones than these were left out.

        Where it becomes too much, the oldest rows are given up; the newest while nobody is ``following``, for then
        somebody reads the old ones.
        """
        batch = list(entries)
        if skipped:
            bound = key_of(batch[0]) if batch else behind(self._keys[-1] if self._keys else (0, 0))
            self._skip(bound)
            if not self.newer and following:
                # What was skipped sorts before this batch, between the rows that are here or behind them.
                self._drop_before(bound)
            else:
                self.newer, self.doubtful = True, bool(self._keys)
        late = set(late)
        for entry in batch:
            if self._arrive(entry) and entry.id is not None and entry.id.int in late:
                self.late.add(entry.id.int)
        self._shorten(newest=not following)

    def sever(self) -> None:
        """What is stored is not what the rows came from any more: nothing joins on to them."""
        self.floor, self.newer, self.doubtful = None, True, False
        self._epoch += 1

    def mark(self, text: str, at: int) -> None:
        """Draw a line behind the last row, unless newer ones are known of."""
        newest = self.newest
        if newest is None or self.newer:
            return
        self._marks = [*self._marks[1 - _MARKS :], Mark(newest[0], text, at)]
        self._place_marks()

    def _place_marks(self) -> None:
        for mark in self._marks:
            key = mark.key
            if self._keys and self._keys[0] < key and (key < self._keys[-1] or not self.newer):
                self._insert(key, mark)

    def _replace(self, rows: list[Row], floor: Key | None) -> None:
        self._epoch += 1
        self.rows, self._keys = rows, list(map(key_of, rows))
        self.late.clear()
        self.floor = floor
        self._waiting = self.foreign = self.doubtful = False

    def _drop_before(self, key: Key) -> None:
        index = self.index(key)
        self._forget(self.rows[:index])
        del self.rows[:index], self._keys[:index]
        self.floor = key if self.floor is None else max(self.floor, key)
        self._epoch += 1

    def _skip(self, bound: Key) -> None:
        for asked in self._asked:
            asked.bound = bound if asked.bound is None else max(asked.bound, bound)

    def _arrive(self, entry: LogEntry) -> bool:
        key = key_of(entry)
        beyond = (self.floor is not None and key < self.floor) or (self.newer and key > (self.newest or _NOWHERE))
        if (beyond or self._waiting) and self._asked:
            self._aside[key] = entry
            if len(self._aside) > self.capacity:
                gone = next(iter(self._aside))
                del self._aside[gone]
                self._skip(behind(gone))
        placed = not beyond and not self.foreign
        if placed:
            self._insert(key, entry)
        return placed

    def _insert(self, key: Key, row: Row) -> None:
        index = bisect_left(self._keys, key)
        if index == len(self._keys) or self._keys[index] != key:
            self.rows.insert(index, row if isinstance(row, Mark) else slim(row))
            self._keys.insert(index, key)

    def _join(self, asked: Asked) -> None:
        """A page has come: give what was kept aside its place, where it has one now."""
        top = self.newest or _NOWHERE
        for key, entry in list(self._aside.items()):
            if (self.floor is None or key >= self.floor) and (not self.newer or key < top):
                self._insert(key, entry)
                del self._aside[key]
        self._close(asked)
        self._place_marks()

    def _doubt(self, asked: Asked) -> None:
        """What a flood skipped while a page was fetched may belong into it, whatever else was asked for meanwhile."""
        if asked.bound is not None:
            self.doubtful = True
            self._skip(asked.bound)

    def _close(self, asked: Asked) -> None:
        self._asked.discard(asked)
        if not self._asked:
            self._aside.clear()

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
            self.floor = self._keys[0]
        self._epoch += 1

    def _forget(self, rows: Iterable[Row]) -> None:
        if self.late:
            self.late.difference_update(row.id.int for row in rows if isinstance(row, LogEntry) and row.id is not None)
