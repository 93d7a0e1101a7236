"""``LogView``: the rows of a window, one line each (or wrapped), a cursor, and a place that never moves by itself.

Rows are named by their keys, so what is put before or between them moves nothing on the screen. A movement that reaches
the end of what is loaded is remembered (``debt``) and paid when more arrives: 400 PageUps are 400 pages.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from textual.message import Message

from dblog.entry import LogEntry
from dblog_tui.present.rows import Moments
from dblog_tui.widgets.rowlines import RowLines

if TYPE_CHECKING:
    from textual import events

    from dblog_tui.window import Key, Row

__all__ = ["LogView"]

_NEAR: Final = 150
"""Rows from an end at which more are asked for."""
_SIDESTEP: Final = 16
_COMPACT: Final = 60
"""Cells below which the service goes, and the milliseconds."""


class LogView(RowLines):
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
            self._cursor = self.window.newest or self._key(len(self.window) - 1)
            self._settle_bottom()
            self._changed_place(by_user=False, up=False)
        elif self.window.rows:
            if self._cursor is None:
                self._cursor = self._key(len(self.window) - 1)
                self._settle_bottom()
            self._pay()
        self._dated()
        self.redraw_changed()
        self._ask()

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
        """The last row of which every line is in sight; the first there is where none is."""
        first, last = self._owners[0], self._owners[-1]
        whole = first == last or self._owners.count(last) == len(self._lines(last))
        return last if whole else last - 1

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
        at_end = self._cursor is None or self._cursor >= (self.window.newest or self._cursor)
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
            index = min(self.window.index(self._cursor), len(self.window) - 1)
            self._lay_out()
            if self._owners and index > self._last_whole():  # a line above has come: as little as possible moves
                self._top = self._key(self._above(index))
            elif self._owners and index < self._owners[0]:
                self._top = self._key(index)
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
