"""``LogView``: the rows of a window, one line each (or wrapped), a cursor, and a place that never moves by itself.

Rows are named by their keys, so what is put before or between them moves nothing on the screen. A movement that reaches
the end of what is loaded is remembered (``debt``) and paid when more arrives: 400 PageUps are 400 pages.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from dblog.entry import LogEntry
from dblog_tui.present.rows import Moments, Rows
from dblog_tui.window import Window, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from dblog_tui.present.look import Look
    from dblog_tui.window import Key, Row

__all__ = ["LogView"]

_NEAR: Final = 150
"""Rows from an end at which more are asked for."""
_FUTURE: Final = 2_000_000
"""µs a row may be ahead of this machine's clock without a mark."""
_SIDESTEP: Final = 16
_COMPACT: Final = 60
"""Cells below which the service goes, and the milliseconds."""


class LogView(Widget, can_focus=True):
    """Rows of a window.

    Args:
        look: how they look.
        window: whose rows; the screen fills it and calls ``changed``.
    """

    DEFAULT_CSS = "LogView { width: 1fr; height: 1fr; }"

    class Near(Message):
        """An end of the window comes near, or was wanted: fetch more there."""

        def __init__(self, *, older: bool) -> None:
            super().__init__()
            self.older = older

    class Moved(Message):
        """The cursor is on another row.

        ``by_user``: a key or the mouse moved it; ``at_end``: it is the newest row of the window.
        """

        def __init__(self, row: Row | None, *, by_user: bool, up: bool, at_end: bool) -> None:
            super().__init__()
            self.row, self.by_user, self.up, self.at_end = row, by_user, up, at_end

    class Opened(Message):
        """A row was double-clicked."""

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

    # -- where ------------------------------------------------------------------------------------------------

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor."""
        if self._cursor is None or not self.window.rows:
            return None
        index = min(self.window.index(self._cursor), len(self.window) - 1)
        return self.window.rows[index]

    @property
    def entry(self) -> LogEntry | None:
        """The entry under the cursor."""
        row = self.cursor_row
        return row if isinstance(row, LogEntry) else None

    @property
    def on_screen(self) -> list[Row]:
        """The rows one sees."""
        self._lay_out()
        return [self.window.rows[index] for index in dict.fromkeys(self._owners) if index >= 0]

    def show_row(self, key: Key, *, middle: bool = True) -> None:
        """Put the cursor on the row (or the next one) and see that it is in sight."""
        self.debt = 0
        index = min(self.window.index(key), len(self.window) - 1)
        if index < 0:
            return
        self._cursor = self._key(index)
        self._lay_out()
        if index not in self._owners or self._owners.count(index) == len(self._owners):
            offset = self._height // 2 if middle else 0
            self._top = self._key(max(index - offset, 0))
        self._changed_place(by_user=False, up=False)
        self.redraw()

    def to_end(self) -> None:
        """Follow: the cursor on the newest row, which is at the bottom."""
        self.following, self.debt = True, 0
        self.changed()

    def changed(self) -> None:
        """The window has changed: pay debts, keep the place, ask for more where an end is near."""
        if self.following and self.window.rows:
            self._cursor = self._key(len(self.window) - 1)
            self._settle_bottom()
            self._changed_place(by_user=False, up=False)
        elif self.window.rows:
            if self._cursor is None:
                self._cursor = self._key(len(self.window) - 1)
                self._settle_bottom()
            self._pay()
        self._dated()
        self.redraw()
        self._ask()

    def redraw(self) -> None:
        """Paint everything anew."""
        self._clean = False
        self.refresh()

    # -- moving -----------------------------------------------------------------------------------------------

    def move(self, by: int) -> None:
        """The cursor ``by`` rows down (negative: up)."""
        if not self.window.rows or self._cursor is None or not by:
            return
        index = self.window.index(self._cursor) + self.debt
        self.debt = 0
        self._go(index + by, up=by < 0)

    def page(self, pages: float) -> None:
        """Whole pages, or parts of one, down (negative: up)."""
        step = max(round(abs(pages) * (self._height - 1)), 1)
        if self.debt and (self.debt < 0) == (pages < 0):
            self.debt += step if pages > 0 else -step
            self._ask()
            return
        if not self.window.rows or self._cursor is None:
            return
        by = step if pages > 0 else -step
        top = self.window.index(self._top) if self._top is not None else 0
        index = self.window.index(self._cursor)
        last = max(len(self.window) - self._height, 0)
        if top + by >= 0:
            self._top = self._key(min(max(top + by, 0), last) if not self.wrap else min(top + by, len(self.window) - 1))
        else:
            self._top = self._key(0)
        self._clean = False
        self._go(index + by, up=by < 0)

    def _go(self, index: int, *, up: bool) -> None:
        inside = min(max(index, 0), len(self.window) - 1)
        if index != inside and (self.window.older if index < 0 else self.window.newer):
            self.debt = index - inside
        self._put_cursor(inside, up=up)
        self._ask()

    def _pay(self) -> None:
        """Go on where a movement ended for want of rows."""
        if not self.debt or self._cursor is None:
            return
        debt, self.debt = self.debt, 0
        index = self.window.index(self._cursor) + debt
        if self._top is not None:
            top = self.window.index(self._top) + debt
            self._top = self._key(min(max(top, 0), max(len(self.window) - self._height, 0)))
        self._clean = False
        self._go(index, up=debt < 0)

    def _put_cursor(self, index: int, *, up: bool) -> None:
        was = self.window.index(self._cursor) if self._cursor is not None else -1
        key = self._key(index)
        if key != self._cursor or not self._clean:
            self._cursor = key
            if self._bring_into_sight(index):
                self.redraw()
            else:
                self._refresh_row(was)
                self._refresh_row(index)
        self._changed_place(by_user=True, up=up)

    def _bring_into_sight(self, index: int) -> bool:
        """Bring a row into sight by half a page, which is few bytes per key; whether anything was scrolled."""
        clean = self._clean
        self._lay_out()
        if not self._owners or self._owners[0] <= index <= self._last_whole():
            return not clean
        half = max(self._height // 2, 1)
        if index < self._owners[0]:
            self._top = self._key(max(index - half, 0) if self._owners[0] - index <= self._height else index)
        else:
            self._top = self._key(max(index - half, 0))
            if not self.wrap:
                self._top = self._key(min(max(index - half, 0), max(len(self.window) - self._height, 0)))
            elif index == len(self.window) - 1:
                self._settle_bottom()
        return True

    def _last_whole(self) -> int:
        """The last row of which every line is in sight."""
        last = self._owners[-1]
        if not self.wrap or last == len(self.window) - 1:
            return last
        return last if len(self._owners) < self._height or self._owners[0] == last else last - 1

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
        room, index = self._height, last
        while index > 0 and room > 0:
            room -= len(self._lines(index))
            if room < 0:
                index += 1
                break
            index -= 1 if room else 0
        self._top = self._key(max(index, 0))

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
        self._clean = True

    def _lines(self, index: int) -> list[Strip]:
        row, before = self.window.rows[index], self.window.rows[index - 1] if index else None
        strip = self.rows.of(row, before, marks=self._marks(row))
        width = self.size.width
        if self.wrap:
            return self.rows.wrapped(strip, width)
        if self.left:
            head = strip.crop(0, 1)
            return [Strip([*head, *strip.crop(1 + self.left, self.left + width)])]
        return [strip]

    def _marks(self, row: Row) -> tuple[bool, bool, bool]:
        if not isinstance(row, LogEntry) or row.id is None:
            return False, False, False
        future = row.timestamp > time.time() * 1e6 + _FUTURE
        return self.marked(row), row.id.int in self.window.late, future

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        self._lay_out()
        style, width = self.rows.look.styles.text, self.size.width
        if y >= len(self._strips):
            return Strip([Segment(" " * width, style)], width)
        strip = self._strips[y].adjust_cell_length(width, style)
        row = self._owners[y]
        if row >= 0 and self._cursor is not None and row == self.window.index(self._cursor):
            strip = strip.apply_style(self.rows.look.styles.selected)
            if not y or self._owners[y - 1] != row:
                gutter = next(iter(strip), None)
                if gutter is not None and gutter.text == " ":
                    strip = Strip([Segment(self.rows.look.glyphs.cursor, gutter.style), *strip.crop(1, width)], width)
        return strip

    def _refresh_row(self, index: int) -> None:
        for y, owner in enumerate(self._owners):
            if owner == index:
                self.refresh(Region(0, y, self.size.width, 1))

    # -- events -----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Have more fetched before the end is reached."""
        if not self.window.rows or self._cursor is None:
            return
        index = self.window.index(self._cursor)
        if self.window.older and (index < _NEAR or self.debt < 0):
            self.post_message(self.Near(older=True))
        elif self.window.newer and (index >= len(self.window) - _NEAR or self.debt > 0):
            self.post_message(self.Near(older=False))

    def _changed_place(self, *, by_user: bool, up: bool) -> None:
        index = self.window.index(self._cursor) if self._cursor is not None else 0
        at_end = index >= len(self.window) - 1
        self.post_message(self.Moved(self.cursor_row, by_user=by_user, up=up, at_end=at_end))

    def _dated(self) -> None:
        """Times with their day where the rows are not all of today."""
        from dblog.cli.moments import at  # noqa: PLC0415 - cheap, and only here

        ends = [self.window.rows[0].timestamp, self.window.rows[-1].timestamp] if self.window.rows else []
        zone = self.rows.look.zone
        today = at(round(time.time() * 1e6), zone)
        dated = any((moment := at(end, zone)) is None or today is None or moment.date() != today.date() for end in ends)
        self.set_moments(Moments(dated, self.rows.moments.relative))

    def set_moments(self, moments: Moments) -> None:
        """Show times otherwise."""
        if moments != self.rows.moments:
            self.rows.moments = moments
            self.restyle()

    def restyle(self) -> None:
        """Something about the looks of rows has changed."""
        self.rows.clear()
        self.redraw()

    def on_resize(self) -> None:
        """Keep the place; columns as the width allows."""
        compact = self.size.width < _COMPACT
        if compact != self.rows.compact:
            self.rows.compact = compact
            self.rows.clear()
        self._clean = False
        if self.following and self.window.rows:
            self._settle_bottom()
        elif self._cursor is not None and self.window.rows:
            self._bring_into_sight(min(self.window.index(self._cursor), len(self.window) - 1))
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; a double one opens the entry."""
        self._lay_out()
        if event.y < len(self._owners) and self._owners[event.y] >= 0:
            self._put_cursor(self._owners[event.y], up=True)
            if event.chain == 2:  # noqa: PLR2004 - a double click
                self.post_message(self.Opened())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows, as terminals do."""
        event.stop()
        self.move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows."""
        event.stop()
        self.move(3)

    # -- to the side --------------------------------------------------------------------------------------------

    def sideways(self, by: int) -> None:
        """Scroll to the side."""
        self.left = max(self.left + by * _SIDESTEP, 0)
        self.redraw()

    def set_wrap(self, *, wrap: bool) -> None:
        """Wrap long rows, or cut them."""
        self.wrap, self.left, self._clean = wrap, 0, False
        if self._cursor is not None and self.window.rows:
            self._bring_into_sight(min(self.window.index(self._cursor), len(self.window) - 1))
        if self.following and self.window.rows:
            self._settle_bottom()
        self.redraw()
