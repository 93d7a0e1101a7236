"""``LineList``: rows drawn when they are seen, a cursor among them, and lines above and below that stay.

It draws nothing itself: whoever derives from it says what the lines look like. A key repaints the lines it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from dblog_tui.present.strips import picked

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from dblog_tui.present.look import Look

__all__ = ["LineList"]

_MOST: Final = 4_000
"""Strips kept."""


class LineList(Widget, can_focus=True):
    """Rows between a head and a foot.

    Args:
        look: how things look.
    """

    DEFAULT_CSS = "LineList { width: 1fr; height: 1fr; }"

    class Moved(Message):
        """The cursor is on another row; ``by_user``: a key or the mouse moved it."""

        def __init__(self, *, by_user: bool) -> None:
            super().__init__()
            self.by_user = by_user

    class Opened(Message):
        """A row was double-clicked."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.look = look
        self.cursor = 0
        """Index of a row; 0 where there is none."""
        self.top = 0
        """Index of the first row one sees."""
        self._head: list[Strip] = []
        self._foot: list[Strip] = []
        self._strips: dict[int, Strip] = {}
        self._laid_out = False

    # -- for whoever derives from it ------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many rows there are."""
        return 0

    def may_stop(self, index: int) -> bool:  # noqa: ARG002 - for whoever has rows that are none
        """Whether the cursor may be on this row."""
        return True

    def draw(self, index: int) -> Strip:
        """The row in exactly the widget's width, the first cell left for the cursor."""
        raise NotImplementedError

    def draw_head(self) -> list[Strip]:
        """The lines above."""
        return []

    def draw_foot(self) -> list[Strip]:
        """The lines below."""
        return []

    # -- changing ---------------------------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Something about the looks of everything has changed."""
        self._strips.clear()
        self._laid_out = False
        self.refresh()

    def put_cursor(self, index: int, *, share: float = 0.5) -> None:
        """Put the cursor there (or on the nearest row where it may be) and see that it is in sight.

        ``share``: how far down it is then, if it was not in sight.
        """
        self.cursor = self._nearest(min(max(index, 0), max(self.count - 1, 0)))
        self._lay_out()
        self._into_sight(share)
        self._moved(by_user=False)
        self.refresh()

    def _into_sight(self, share: float) -> None:
        page = self._page
        if not self.top <= self.cursor < self.top + page:
            self.top = self.cursor - round(share * (page - 1))
        self.top = min(max(self.top, 0), max(self.count - page, 0))

    def move(self, by: int) -> None:
        """The cursor so many rows down (negative: up), without those where it may not be."""
        index, step = self.cursor, 1 if by > 0 else -1
        for _ in range(abs(by)):
            if (following := self._next(index, step)) is None:
                break
            index = following
        self._go(index, step)

    def page(self, pages: float) -> None:
        """Whole pages, or parts of one, down (negative: up)."""
        self._lay_out()
        by = round(pages * max(self._page - 1, 1))
        self.top = min(max(self.top + by, 0), max(self.count - self._page, 0))
        self._go(self._nearest(min(max(self.cursor + by, 0), max(self.count - 1, 0))), 1 if by > 0 else -1)
        self._refresh_body()

    def edge(self, direction: int) -> None:
        """To the last row, or (negative) the first."""
        self._go(self._nearest(self.count - 1 if direction > 0 else 0), direction)

    def seek(self, direction: int, wanted: Callable[[int], bool]) -> bool:
        """To the next row (negative: the one before) that is wanted; False where there is none."""
        index = self.cursor + direction
        while 0 <= index < self.count:
            if self.may_stop(index) and wanted(index):
                self._go(index, direction)
                return True
            index += direction
        return False

    def _go(self, index: int, step: int) -> None:
        if not self.count:
            return
        self._lay_out()
        was, self.cursor = self.cursor, index
        page = self._page
        seen = self._surrounded(index, step)
        if self.top <= seen < self.top + page and self.top <= index < self.top + page:
            self._refresh_row(was)
            self._refresh_row(index)
        else:
            # By half a page, which is few bytes per key.
            near = abs(index - was) <= page
            self.top = index - page // 2 if near else index - page // 3
            self.top = min(max(self.top, 0), max(self.count - page, 0))
            self._refresh_body()
        if was != index:
            self._moved(by_user=True)

    def _surrounded(self, index: int, step: int) -> int:
        """The farthest of the rows beside this one where the cursor may not be: they are to be seen with it."""
        while 0 <= index + step < self.count and not self.may_stop(index + step):
            index += step
        return index

    def _next(self, index: int, step: int) -> int | None:
        index += step
        while 0 <= index < self.count:
            if self.may_stop(index):
                return index
            index += step
        return None

    def _nearest(self, index: int) -> int:
        if not self.count or self.may_stop(index):
            return index
        for step in (1, -1):
            if (found := self._next(index, step)) is not None:
                return found
        return index

    def _moved(self, *, by_user: bool) -> None:
        self.post_message(self.Moved(by_user=by_user))

    # -- painting -----------------------------------------------------------------------------------------------------

    @property
    def _page(self) -> int:
        """Rows one sees at once."""
        return max(self.size.height - len(self._head) - len(self._foot), 1)

    def _lay_out(self) -> None:
        if self._laid_out or not self.size.width:
            return
        self._laid_out = True
        self._head, self._foot = self.draw_head(), self.draw_foot()
        self.top = min(max(self.top, 0), max(self.count - self._page, 0))

    def replace_head(self, line: int, strip: Strip) -> None:
        """Draw one line of the head anew, as far as it has changed."""
        if line >= len(self._head) or strip == self._head[line]:
            return
        before, self._head[line] = self._head[line], strip
        first, last = _changed(before, strip)
        self.refresh(Region(first, line, last - first, 1))

    def _refresh_body(self) -> None:
        self.refresh(Region(0, len(self._head), self.size.width, self._page))

    def _refresh_row(self, index: int) -> None:
        y = len(self._head) + index - self.top
        if len(self._head) <= y < self.size.height - len(self._foot):
            self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        self._lay_out()
        height, width = self.size.height, self.size.width
        if y < len(self._head):
            return self._head[y]
        if y >= height - len(self._foot):
            return self._foot[y - height + len(self._foot)]
        index = self.top + y - len(self._head)
        if index >= self.count:
            return Strip([Segment(" " * width, self.look.styles.text)], width)
        if (strip := self._strips.get(index)) is None:
            if len(self._strips) > _MOST:
                self._strips.clear()
            strip = self._strips[index] = self.draw(index)
        if index == self.cursor and self.may_stop(index):
            cursor = Segment(self.look.glyphs.cursor, self.look.styles.strong)
            strip = picked(Strip([cursor, *strip.crop(1, width)], width), self.look)
        return strip

    # -- events -------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Columns as the width allows; the cursor stays in sight."""
        self.redraw()
        self._lay_out()
        self._into_sight(0.5)

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; a double one opens the entry."""
        index = self.top + event.y - len(self._head)
        if len(self._head) <= event.y < self.size.height - len(self._foot) and index < self.count:
            if self.may_stop(index):
                self._go(index, 1)
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


def _changed(before: Strip, after: Strip) -> tuple[int, int]:
    """From which cell to which (excluded) two lines differ; all of them where a glyph is not one cell."""
    width, texts = after.cell_length, (before.text, after.text)
    if any(len(text) != width for text in texts):
        return 0, width
    differ = [index for index, (one, other) in enumerate(zip(*texts, strict=True)) if one != other]
    return (differ[0], differ[-1] + 1) if differ else (0, width)
