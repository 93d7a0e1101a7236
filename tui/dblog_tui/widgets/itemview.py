"""``ItemView``: items one below the other, a cursor on one of them, and a place in lines. Values in, pictures out.

An item may have thousands of lines, of which only those on the screen are made. The place is kept in lines, the cursor
as a key, so what is folded or comes new moves neither.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from dblog_tui.present.items import draw, lay

if TYPE_CHECKING:
    from textual import events

    from dblog_tui.present.items import Item, Key, Laid
    from dblog_tui.present.look import Look

__all__ = ["ItemView"]

_TALL: Final = 32
"""Lines from which more is unfolded at first."""
_WHEEL: Final = 3


class ItemView(Widget, can_focus=True):
    """Items, below one line that stays.

    Args:
        look: how they look.
    """

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.look = look
        self.beside = False
        """It stands to the right of something: it draws the line between."""
        self.folds: dict[Key, bool] = {}
        self.top = 0
        """The first line in sight."""
        self._cursor: Key = ()
        self._items: list[Item] = []
        self._places: dict[Key, int] = {}
        """The index of each item."""
        self._laid: list[Laid] = []
        self._starts: list[int] = []
        """The line each item begins in, and at the end how many there are."""
        self._made_for: tuple[int, bool] | None = None
        self._painted: dict[int, Strip] = {}
        """What was drawn last of each line of the screen."""

    def make_items(self, *, tall: bool) -> list[Item]:
        """The items, as they are folded now."""
        raise NotImplementedError

    def make_head(self, width: int) -> list[Segment]:
        """The line that stays."""
        raise NotImplementedError

    def make_empty(self) -> list[Segment]:
        """The line below it where there are no items."""
        return []

    @property
    def item(self) -> Item | None:
        """What the cursor is on."""
        self._lay_out()
        return self._items[self._index] if self._items else None

    def restyle(self, look: Look | None = None) -> None:
        """Something about the looks has changed."""
        self.look = look or self.look
        self.changed()

    def changed(self) -> None:
        """There are other items; only lines that are others than before are painted."""
        self._made_for = None
        self._repaint()

    def _repaint(self) -> None:
        if len(self._painted) < self.size.height or not self.size.height:
            self.refresh()
            return
        self._lay_out()
        for y in range(self.size.height):
            if self._painted.get(y) != self._strip(y):
                self.refresh(Region(0, y, self.size.width, 1))

    # -- layout -----------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        """Lines below the head."""
        return max(self.size.height - 1, 1)

    @property
    def _width(self) -> int:
        return max(self.size.width - (2 if self.beside else 0), 4)

    @property
    def _total(self) -> int:
        return self._starts[-1] if self._starts else 0

    @property
    def _index(self) -> int:
        return self._places.get(self._cursor, 0)

    def _lay_out(self) -> None:
        made_for = (self._width, self.size.height >= _TALL)
        if self._made_for == made_for:
            return
        self._made_for = made_for
        self._items = self.make_items(tall=made_for[1])
        self._places = {item.key: index for index, item in enumerate(self._items)}
        self._laid = [lay(item, self._width - 1) for item in self._items]
        self._starts = [0, *accumulate(laid.height for laid in self._laid)]
        self.top = max(min(self.top, self._total - self._room), 0)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        self._lay_out()
        self._painted[y] = strip = self._strip(y)
        return strip

    def _strip(self, y: int) -> Strip:
        front = [Segment(f"{self.look.glyphs.side} ", self.look.styles.dim)] if self.beside else []
        body = self._line(self.top + y - 1) if y else self.make_head(self._width)
        return Strip([*front, *body]).adjust_cell_length(self.size.width, self.look.styles.text)

    def _line(self, line: int) -> list[Segment]:
        if line >= self._total:
            return self.make_empty() if not line else []
        index = bisect_right(self._starts, line) - 1
        pointed = self.has_focus and index == self._index
        return draw(self._laid[index], line - self._starts[index], self._width - 1, self.look, cursor=pointed)

    @property
    def progress(self) -> str:
        """How far one has come, where not everything fits."""
        if self._total <= self._room:
            return ""
        return f" {min(self.top + self._room, self._total):,}/{self._total:,} "

    # -- moving -----------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """To the next field; through one that is longer than the pane by halves of it."""
        self._lay_out()
        if not self._items:
            return
        index = self._index
        begin, end = self._starts[index], self._starts[index + 1]
        half = max(self._room // 2, 1)
        if by > 0 and end > self.top + self._room and begin <= self.top + self._room:
            self._scroll(min(self.top + half, end - 1))
        elif by < 0 and begin < self.top < end:
            self._scroll(max(self.top - half, begin))
        else:
            self._put(min(max(index + by, 0), len(self._items) - 1))

    def action_page(self, pages: int) -> None:
        """A page down or up; the cursor comes along."""
        self._lay_out()
        if not self._items:
            return
        was = self.top
        self._scroll(self.top + pages * max(self._room - 1, 1))
        if self.top == was:
            self._put(len(self._items) - 1 if pages > 0 else 0)
        else:
            self._follow(down=pages > 0)

    def action_edge(self, way: int) -> None:
        """To the first or the last line."""
        self._lay_out()
        if self._items:
            self._scroll(0 if way < 0 else self._total)
            self._put(0 if way < 0 else len(self._items) - 1, scroll=False)

    def _scroll(self, top: int) -> None:
        top = max(min(top, self._total - self._room), 0)
        if top != self.top:
            self.top = top
            self._repaint()

    def _follow(self, *, down: bool) -> None:
        """The cursor onto an item in sight, where it is on none."""
        index = self._index
        in_sight = self._starts[index] < self.top + self._room and self._starts[index + 1] > self.top
        if in_sight and (not down or self._starts[index] >= self.top):
            return
        first = bisect_right(self._starts, self.top) - 1
        if self._starts[first] < self.top and self._starts[first + 1] < self.top + self._room:
            first += 1
        self._put(min(first, len(self._items) - 1), scroll=False)

    def _put(self, index: int, *, scroll: bool = True) -> None:
        was = self._index
        self._cursor = self._items[index].key
        if scroll and self._into_sight():
            return
        self._refresh_item(was)
        self._refresh_item(index)

    def _into_sight(self) -> bool:
        """Scroll so far that the item under the cursor is seen; whether that was necessary."""
        self._lay_out()
        if not self._items:
            return False
        index, was, half = self._index, self.top, self._room // 2
        begin, end = self._starts[index], self._starts[index + 1]
        if begin < self.top:
            self._scroll(max(begin - half, end - self._room))
        elif end > self.top + self._room:
            self._scroll(min(begin, end - self._room + half))
        return self.top != was

    def _refresh_item(self, index: int) -> None:
        """Paint the one line that shows the cursor."""
        y = self._starts[index] - self.top
        if 0 <= y < self._room:
            self.refresh(Region(0, 1 + y, self.size.width, 1))

    # -- folding ----------------------------------------------------------------------------------------------

    def action_unfold(self) -> None:
        """Unfold what the cursor is on; fold it where it is unfolded."""
        item = self.item
        if item is not None and (item.unfolded is not None or item.folds):
            self._fold(item.fold_key, unfold=not item.unfolded and not item.folds)

    def action_fold(self) -> None:
        """Fold what the cursor is on; where it is folded already, go to what it lies in."""
        item = self.item
        if item is None:
            return
        if item.unfolded or item.folds:
            self._fold(item.fold_key, unfold=False)
            return
        for length in range(len(item.key) - 1, 0, -1):
            if (index := self._places.get(item.key[:length])) is not None:
                self._put(index)
                return

    def _fold(self, key: Key, *, unfold: bool) -> None:
        self.folds[key] = unfold
        self._made_for = None
        self._lay_out()
        if key in self._places:
            self._cursor = key
        self._into_sight()
        self._repaint()

    # -- events -----------------------------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Show the cursor."""
        self._lay_out()
        if self._items:
            self._refresh_item(self._index)

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.on_focus()

    def on_resize(self) -> None:
        """Keep the cursor in sight, and no blank lines below where there are lines above."""
        self._painted.clear()
        self._lay_out()
        self._scroll(self.top)
        self._into_sight()

    def on_click(self, event: events.Click) -> None:
        """The cursor to where it was clicked; on a mark, fold or unfold."""
        self._lay_out()
        line = self.top + event.y - 1
        if event.y < 1 or line >= self._total:
            return
        index = bisect_right(self._starts, line) - 1
        item = self._items[index]
        self._put(index, scroll=False)
        left = event.x - (2 if self.beside else 0)
        if item.unfolded is not None and line == self._starts[index] and (left <= 1 + item.indent or event.chain > 1):
            self.action_unfold()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines, as terminals do."""
        event.stop()
        self._wheel(-_WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines."""
        event.stop()
        self._wheel(_WHEEL)

    def _wheel(self, by: int) -> None:
        self._lay_out()
        if self._items:
            self._scroll(self.top + by)
            self._follow(down=by > 0)
