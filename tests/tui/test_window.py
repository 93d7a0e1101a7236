"""The window is a contiguous piece of what is stored, whatever comes in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dblog.entry import LogEntry
from dblog_tui.window import Window, key_of, slim
from tests.oracle import examples

if TYPE_CHECKING:
    from dblog_tui.window import Asked, Key


def _entry(timestamp: int, number: int) -> LogEntry:
    return LogEntry(timestamp, "INFO", 9, "l", f"m{number}", id=UUID(int=number), service="s")


class Stored(RuleBasedStateMachine):
    """A table that grows at both ends and in between, a tail that brings what was committed, and pages of it.

    The tail brings each commit once, at any time after it; a flood is skipped to its newest. Pages are read at one
    moment and applied at a later one; one at each end, and one of what lies between, may be under way together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[Key, LogEntry] = {}
        self.untold: list[LogEntry] = []
        self.window = Window(capacity=30)
        self.pages: dict[str, tuple[Asked, list[LogEntry], bool]] = {}
        self.count = 0

    @initialize(before=st.lists(st.integers(0, 100), max_size=60))
    def opened(self, before: list[int]) -> None:
        """Rows that were there; the newest page."""
        for timestamp in before:
            self._insert(timestamp)
        self.untold.clear()
        self._read("newest")
        self._apply("newest")

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

    @rule(kind=st.sampled_from(["older", "newer", "between"]))
    def ask(self, kind: str) -> None:
        """A page is read where there may be more."""
        wanted = {"older": self.window.older, "newer": self.window.newer, "between": self.window.doubtful}[kind]
        if wanted and kind not in self.pages and self.window.rows and not {"newest", "around"} & self.pages.keys():
            self._read(kind)

    @rule(kind=st.sampled_from(["newest", "around"]), foreign=st.booleans())
    def begin(self, kind: str, foreign: bool) -> None:
        """Other rows are to replace these; what was asked for before may still come."""
        self.pages.pop("newest" if kind == "around" else "around", None)
        self.window.begin(foreign=foreign)
        self._read(kind)

    def _read(self, kind: str) -> None:
        asked = self.window.fetching()
        floor, newest, last = self.window.floor, self.window.newest, self.window.last
        keys = sorted(self.table)
        if kind == "newest":
            found, more = keys[-10:], len(keys) > 10
        elif kind == "around":
            found, more = (
                [*[key for key in keys if key < (60, 0)][-5:], *[key for key in keys if key > (60, 0)][:5]],
                True,
            )
        elif kind == "older":
            assert floor is not None
            found = [key for key in keys if key < floor]
            found, more = found[-7:], len(found) > 7
        elif kind == "newer":
            found = [key for key in keys if newest is None or key > newest]
            found, more = found[:7], len(found) > 7
        else:
            assert last is not None
            found = [key for key in keys if (floor is None or key > floor) and key < last]
            found, more = found[-30:], len(found) > 30
        self.pages[kind] = asked, [self.table[key] for key in reversed(found)], more

    @precondition(lambda self: self.pages)
    @rule(data=st.data())
    def apply(self, data: st.DataObject) -> None:
        """A page that was read arrives."""
        self._apply(data.draw(st.sampled_from(sorted(self.pages))))

    def _apply(self, kind: str) -> None:
        asked, entries, more = self.pages.pop(kind)
        floor = key_of(entries[-1]) if more and entries else None
        if kind == "newest":
            self.window.reset(entries, asked, floor=floor, following=True)
        elif kind == "around":
            newer = len([entry for entry in entries if key_of(entry) > (60, 0)]) == 5
            low = [entry for entry in entries if key_of(entry) < (60, 0)]
            self.window.reset(entries, asked, floor=key_of(low[-1]) if len(low) == 5 else None, newer=newer)
        elif kind == "older":
            self.window.add_older(entries, asked, floor=floor)
        elif kind == "newer":
            self.window.add_newer(entries, asked, more=more)
        else:
            self.window.merge(entries, asked, more=more)

    @invariant()
    def contiguous(self) -> None:
        """The rows are the table from the floor to the last, without what the tail has not brought yet."""
        rows = [key_of(row) for row in self.window.rows]
        assert rows == sorted(set(rows))
        assert set(rows) <= set(self.table)
        if self.window.foreign or self.window.doubtful:
            return
        waiting = set(self.window._aside) if self.pages else set()
        known = set(self.table) - {key_of(entry) for entry in self.untold} - waiting
        floor = self.window.floor
        low = rows[0] if rows and self.window.newer and floor is None else floor
        high = None if not self.window.newer else rows[-1] if rows else (-1, 0)
        should = [key for key in sorted(known) if (low is None or key >= low) and (high is None or key <= high)]
        assert [key for key in rows if key in known] == should

    @invariant()
    def bounded(self) -> None:
        """Never more rows than the capacity; nothing is kept for pages that are not under way."""
        assert len(self.window) <= self.window.capacity
        if not self.pages:
            assert not self.window._aside


TestStored = Stored.TestCase
TestStored.settings = settings(examples(60), stateful_step_count=40)


def test_a_mark_stands_behind_what_was_there() -> None:
    """A line that is no entry has a place among the rows, and keeps it: when more comes, and when pages come and go."""
    window = Window()
    window.reset([_entry(7, 5), _entry(5, 1)], window.fetching(), floor=(5, 1))
    window.mark("away", 1000)
    window.arrived([_entry(9, 2), _entry(6, 3)])
    assert [row.timestamp for row in window.rows] == [5, 6, 7, 7, 9]
    assert window.index((7, 1 << 128)) == 3
    window.arrived([_entry(20, 6)], skipped=3)
    assert len(window) == 1
    window.add_older([_entry(9, 2), _entry(7, 5), _entry(6, 3)], window.fetching(), floor=(6, 3))
    assert [getattr(row, "text", row.timestamp) for row in window.rows] == [6, 7, "away", 9, 20]
    window.reset([_entry(5, 1)], window.fetching(), floor=None, newer=True)
    window.mark("not here", 2000)
    assert len(window) == 1
    window.add_newer([_entry(9, 2), _entry(7, 5), _entry(6, 3)], window.fetching(), more=True)
    assert [getattr(row, "text", row.timestamp) for row in window.rows] == [5, 6, 7, "away", 9]


def test_rows_keep_little_of_a_large_entry() -> None:
    """Messages and metadata are cut to what a row can show; an ordinary entry is the same object."""
    small = _entry(1, 1)
    assert slim(small) is small
    large = slim(small._replace(message="x" * 10_000, metadata='{"a":"' + "y" * 5000 + '"}', exc_text="t" * 9000))
    assert len(large.message) == 1024
    assert large.metadata is None
    assert large.exc_text is None
