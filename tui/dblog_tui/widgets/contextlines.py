"""``ContextLines``: the entries around one, which has a mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.levels import band_of
from dblog_tui.present.context import ContextSheet
from dblog_tui.present.strips import strip
from dblog_tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

    from dblog.entry import LogEntry
    from dblog.reading.values import Context

__all__ = ["ContextLines"]

_ERROR: Final = 4


class ContextLines(LineList):
    """A context, or what to say instead of one."""

    context: Context | None = None
    entries: Sequence[LogEntry] = ()
    """The oldest first."""
    asked = 0
    """How many on each side were asked for."""
    scope = ""
    _note = ""
    _sheet: ContextSheet | None = None

    def show(self, context: Context, scope: str, asked: int, note: str = "") -> None:
        """Show a context; the cursor stays on its entry where that is still there, and where it is on the screen."""
        keep, y = self.entry, self.cursor - self.top
        self.context, self.scope, self.asked, self._note = context, scope, asked, note
        self.entries = (*context.before, context.entry, *context.after)
        index = next((i for i, each in enumerate(self.entries) if keep is not None and each.id == keep.id), None)
        self.redraw()
        if index is None:
            self.middle()
        else:
            self.top = index - y
            self.put_cursor(index)

    def middle(self) -> None:
        """The cursor on the entry it is about, in the middle of the screen."""
        if self.context is not None:
            index = len(self.context.before)
            self.top = index - self._page // 2
            self.put_cursor(index)

    def say(self, note: str) -> None:
        """Say something below the entries."""
        self._note = note
        self.redraw()

    @property
    def entry(self) -> LogEntry | None:
        """The one under the cursor."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def seek_error(self, direction: int) -> bool:
        """To the next error."""
        return self.seek(direction, lambda index: band_of(self.entries[index].severity) >= _ERROR)

    @property
    def count(self) -> int:
        """Entries."""
        return len(self.entries)

    def draw(self, index: int) -> Strip:
        """An entry."""
        assert self._sheet is not None  # noqa: S101 - the head is drawn first
        return self._sheet.row(self.entries[index])

    def draw_head(self) -> list[Strip]:
        """What this is."""
        if self.context is None:
            return []
        self._sheet = ContextSheet(self.context, self.scope, self.look, self.size.width)
        return [self._sheet.title(self.asked)]

    def draw_foot(self) -> list[Strip]:
        """What is going on."""
        return [strip([(f" {self._note}", self.look.styles.dim)], self.size.width, self.look)] if self._note else []
