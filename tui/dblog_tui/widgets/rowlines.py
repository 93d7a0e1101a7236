"""``RowLines``: the rows of a window as lines: where each stands, how it looks; it moves nothing by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from dblog.entry import LogEntry
from dblog_tui.present.rows import GUTTER, Rows
from dblog_tui.present.strips import picked
from dblog_tui.window import Window, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog_tui.present.look import Look
    from dblog_tui.window import Key, Row

__all__ = ["RowLines"]

_FUTURE: Final = 2_000_000
"""µs a row may be ahead of this machine's clock without a mark."""


class RowLines(Widget, can_focus=True):
    """Rows, from a place on.

    Args:
        look: how they look.
        window: whose rows.
    """

    def __init__(self, look: Look, window: Window | None = None, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.rows = Rows(look)
        self.window = window if window is not None else Window()
        self.following = True
        """The newest row stays in sight, and the cursor on it."""
        self.wrap = False
        self.page_fill = False
        """Following, new rows fill the page before it is turned: fewer bytes on a slow line."""
        self.marked: Callable[[LogEntry], bool] = lambda _: False
        self.instead: Callable[[int], list[Strip]] | None = None
        """What is shown, for a width, where there are no rows."""
        self.left = 0
        """Cells scrolled to the right."""
        self.debt = 0
        """Rows still to go (negative: up), when more are loaded."""
        self._top: Key | None = None
        self._cursor: Key | None = None
        self._strips: list[Strip] = []
        self._owners: list[int] = []
        """Index of the row of each line on the screen."""
        self._clean = False
        self._painted: dict[int, Strip] = {}
        """Lines as they were rendered last."""

    def redraw(self) -> None:
        """Paint everything anew."""
        self._clean = False
        self.refresh()

    def restyle(self) -> None:
        """Something about the looks of rows has changed."""
        self.rows.clear()
        self.redraw()

    @property
    def on_screen(self) -> list[Row]:
        """The rows one sees."""
        self._lay_out()
        return [self.window.rows[index] for index in dict.fromkeys(self._owners) if index >= 0]

    @property
    def cursor_lines(self) -> tuple[int, int] | None:
        """The first and the last line of the terminal of the row under the cursor, where it is in sight."""
        self._lay_out()
        index = self.window.index(self._cursor) if self._cursor is not None else -1
        lines = [self.region.y + y for y, owner in enumerate(self._owners) if owner == index >= 0]
        return (lines[0], lines[-1]) if lines else None

    # -- layout -----------------------------------------------------------------------------------------------

    @property
    def _height(self) -> int:
        return max(self.size.height, 1)

    def _key(self, index: int) -> Key:
        return key_of(self.window.rows[index])

    def _settle_bottom(self) -> None:
        """The newest row at the bottom; where pages are filled, only when it would be out of sight."""
        last = len(self.window) - 1
        if self.page_fill and self._top is not None and not self.wrap:
            top = self.window.index(self._top)
            if top <= last < top + self._height:
                return
            self._top = self._key(max(last - self._height // 3, 0))
            return
        self._top = self._key(self._above(last))

    def _above(self, last: int) -> int:
        """The row at the top where this one is the last."""
        room, index = self._height, last
        while index > 0 and room > 0:
            room -= len(self._lines(index))
            if room < 0:
                index += 1
                break
            index -= 1 if room else 0
        return max(index, 0)

    def _lay_out(self) -> None:
        if self._clean:
            return
        self._strips, self._owners = [], []
        rows = self.window.rows
        if not rows and self.instead is not None:
            self._strips = self.instead(self.size.width)[: self._height]
            self._owners = [-1] * len(self._strips)
        index = min(self.window.index(self._top), len(rows)) if self._top is not None else 0
        while index < len(rows) and len(self._strips) < self._height:
            lines = self._lines(index)
            self._strips += lines
            self._owners += [index] * len(lines)
            index += 1
        del self._strips[self._height :], self._owners[self._height :]
        if not (self.page_fill and self.following):
            self._fill_up()
        self._clean = True

    def _fill_up(self) -> None:
        """No blank lines at the bottom while there are rows above the top one."""
        index = self._owners[0] if self._owners else 0
        while index > 0 and len(self._strips) < self._height:
            lines = self._lines(index - 1)
            if len(self._strips) + len(lines) > self._height:
                return
            index -= 1
            self._strips[:0], self._owners[:0] = lines, [index] * len(lines)
            self._top = self._key(index)

    def _lines(self, index: int) -> list[Strip]:
        row, before = self.window.rows[index], self.window.rows[index - 1] if index else None
        strip = self.rows.of(row, before, marks=self._marks(row))
        width = self.size.width
        if self.wrap:
            return self.rows.wrapped(strip, width)
        if self.left:
            head = strip.crop(0, GUTTER)
            return [Strip([*head, *strip.crop(GUTTER + self.left, self.left + width)])]
        return [strip]

    def _marks(self, row: Row) -> tuple[bool, bool, bool]:
        if not isinstance(row, LogEntry) or row.id is None:
            return False, False, False
        future = row.timestamp > time.time() * 1e6 + _FUTURE
        return self.marked(row), row.id.int in self.window.late, future

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        self._painted[y] = strip = self._line(y)
        return strip

    def redraw_changed(self) -> None:
        """Lay out again, and paint the lines that look otherwise now."""
        self._clean = False
        changed = [y for y in range(self._height) if self._painted.get(y) != self._line(y)]
        if len(changed) * 2 > self._height:
            self.refresh()
            return
        for y in changed:
            self.refresh(Region(0, y, self.size.width, 1))

    def _line(self, y: int) -> Strip:
        self._lay_out()
        style, width = self.rows.look.styles.text, self.size.width
        if y >= len(self._strips):
            return Strip([Segment(" " * width, style)], width)
        strip = self._strips[y].adjust_cell_length(width, style)
        row = self._owners[y]
        if row >= 0 and self._cursor is not None and row == self.window.index(self._cursor):
            if not y or self._owners[y - 1] != row:
                strip = Strip([Segment(self.rows.look.glyphs.cursor, style), *strip.crop(1, width)], width)
            strip = picked(strip, self.rows.look)
        return strip

    def _refresh_row(self, index: int) -> None:
        for y, owner in enumerate(self._owners):
            if owner == index:
                self.refresh(Region(0, y, self.size.width, 1))
