"""The window is a contiguous piece of what is stored, whatever comes in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dblog.entry import LogEntry
from dblog_tui.window import Mark, Window, key_of, slim
from tests.oracle import examples

if TYPE_CHECKING:
    from dblog_tui.window import Key


def _entry(timestamp: int, number: int) -> LogEntry:
    return LogEntry(timestamp, "INFO", 9, "l", f"m{number}", id=UUID(int=number), service="s")


class Stored(RuleBasedStateMachine):
    """A table that grows at both ends and in between, a tail that brings what was committed, and pages of it.

    The tail brings each commit once, at any time after it; a flood is skipped to its newest. Pages are read at one
    moment and applied at a later one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[Key, LogEntry] = {}
        self.untold: list[LogEntry] = []
        self.window = Window(capacity=30)
        self.page: tuple[str, list[LogEntry], bool] | None = None
        self.count = 0

    @initialize(before=st.lists(st.integers(0, 100), max_size=60))
    def opened(self, before: list[int]) -> None:
        """Rows that were there; the newest page."""
        for timestamp in before:
            self._insert(timestamp)
        self.untold.clear()
        self._read_newest()
        self.apply()

    def _insert(self, timestamp: int) -> None:
        self.count += 1
        entry = _entry(timestamp, self.count)
        self.table[key_of(entry)] = entry
        self.untold.append(entry)

    @rule(timestamps=st.lists(st.integers(0, 130), min_size=1, max_size=8))
    def commit(self, timestamps: list[int]) -> None:
        """Entries are stored; some of them are older than others that were seen."""
        for timestamp in timestamps:
            self._insert(timestamp)

    @precondition(lambda self: self.untold)
    @rule(limit=st.integers(3, 12), following=st.booleans())
    def look(self, limit: int, following: bool) -> None:
        """The tail looks: the newest ``limit`` of what is new, and how many were skipped."""
        new = sorted(self.untold, key=key_of)
        self.untold.clear()
        self.window.arrived(new[-limit:], skipped=max(len(new) - limit, 0), following=following)

    @precondition(lambda self: self.page is None)
    @rule(older=st.booleans())
    def ask(self, older: bool) -> None:
        """A page is read where there may be more."""
        if self.window.rows and not (self.window.older if older else self.window.newer):
            return
        keys = sorted(self.table)
        first, last = self.window.first, self.window.last
        if first is None or last is None:
            self.window.begin()
            self.window.fetching()
            self._read_newest()
            return
        self.window.fetching()
        if older:
            found = [key for key in keys if key < first]
            self.page = "older", [self.table[key] for key in found[-7:][::-1]], len(found) > 7
        else:
            found = [key for key in keys if key > last]
            self.page = "newer", [self.table[key] for key in found[:7][::-1]], len(found) > 7

    def _read_newest(self) -> None:
        keys = sorted(self.table)
        self.page = "newest", [self.table[key] for key in keys[-10:][::-1]], len(keys) > 10

    @precondition(lambda self: self.page is not None)
    @rule()
    def apply(self) -> None:
        """The page that was read arrives."""
        assert self.page is not None
        (kind, entries, more), self.page = self.page, None
        if kind == "newest":
            self.window.reset(entries, older=more, newer=False)
        elif kind == "older":
            self.window.add_older(entries, more=more)
        else:
            self.window.add_newer(entries, more=more)

    @precondition(lambda self: self.window.doubtful and self.page is None and self.window.rows)
    @rule()
    def look_again(self) -> None:
        """After a flood that was skipped, what lies between is read again."""
        first, last = self.window.first, self.window.last
        assert first is not None
        assert last is not None
        self.window.merge([self.table[key] for key in sorted(self.table) if first <= key <= last])

    @invariant()
    def contiguous(self) -> None:
        """The rows are the table between the first and the last, without what the tail has not brought yet."""
        rows = [key_of(row) for row in self.window.rows]
        assert rows == sorted(set(rows))
        if not rows:
            return
        if self.page is not None or self.window.doubtful:
            return  # while a page is under way, entries may wait for it
        untold = {key_of(entry) for entry in self.untold}
        between = [key for key in sorted(self.table) if rows[0] <= key <= rows[-1]]
        assert [key for key in between if key in rows or key not in untold] == rows
        known = set(self.table) - untold
        if not self.window.newer:
            assert all(key <= rows[-1] for key in known)
        if not self.window.older:
            assert all(key >= rows[0] for key in known)

    @invariant()
    def bounded(self) -> None:
        """Never more rows than the capacity."""
        assert len(self.window) <= self.window.capacity


TestStored = Stored.TestCase
TestStored.settings = settings(examples(60), stateful_step_count=40)


def test_a_mark_stands_behind_what_was_there() -> None:
    """A line that is no entry has a place among the rows, and keeps it when more arrives."""
    window = Window()
    window.reset([_entry(5, 1)], older=False, newer=False)
    window.mark(Mark(7, "away"))
    window.arrived([_entry(9, 2), _entry(6, 3)])
    assert [row.timestamp for row in window.rows] == [5, 6, 7, 9]
    assert window.index((7, 1 << 128)) == 2


def test_rows_keep_little_of_a_large_entry() -> None:
    """Messages and metadata are cut to what a row can show; an ordinary entry is the same object."""
    small = _entry(1, 1)
    assert slim(small) is small
    large = slim(small._replace(message="x" * 10_000, metadata='{"a":"' + "y" * 5000 + '"}', exc_text="t" * 9000))
    assert len(large.message) == 1024
    assert large.metadata is None
    assert large.exc_text is None
