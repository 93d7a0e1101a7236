"""Marked rows of the log screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog_tui.marks import Marks, marks_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from dblog_tui.source import Source
    from dblog_tui.widgets.logview import LogView

__all__ = ["Marking"]


class Marking:
    """What ``LogsScreen`` does with marks."""

    source: Source
    rows: LogView
    go_to: Callable[[Any], None]
    say: Callable[..., None]
    tell: Callable[[], None]
    leave_live: Callable[[], None]
    under_cursor: Callable[[], LogEntry | None]
    _marks: Marks | None = None

    @property
    def marks(self) -> Marks:
        """The marked entries of this database."""
        if self._marks is None:
            database = self.source.database
            self._marks = Marks(marks_path(self.source.safe_url, database.schema, database.table))
        return self._marks

    def is_marked(self, entry: LogEntry) -> bool:
        """For the rows' gutter."""
        return entry.id in self.marks

    def action_bookmark(self) -> None:
        """Mark the row, or take the mark away."""
        entry = self.under_cursor()
        if entry is not None and entry.id is not None:
            self.leave_live()
            self.marks.toggle(entry.timestamp, entry.id)
            if self.marks.trouble:
                self.say(self.marks.trouble, bad=True)
            self.rows.restyle()
            self.tell()

    def seek_mark(self, entry: LogEntry, direction: int) -> None:
        """The next marked row."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - loaded by now

        mark = self.marks.next(entry.timestamp, entry.id, direction) if entry.id is not None else None
        if mark is None:
            none = "no newer mark; U looks for older ones" if direction > 0 else "no older mark; u looks for newer ones"
            self.say(none if len(self.marks) else "no row is marked; m marks the one under the cursor")
            return
        self.leave_live()
        self.go_to(Cursor(mark.timestamp, mark.id))
        if mark.note:
            self.say(mark.note)
