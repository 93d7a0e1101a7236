"""``Listing``: lines with a cursor on those that can be chosen, which scrolls on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.strip import Strip

from dblog_tui.present.strips import picked
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from textual import events

    from dblog_tui.present.look import Look

__all__ = ["Item", "Listing"]


@dataclass(frozen=True, slots=True)
class Item:
    """A line."""

    strip: Strip
    key: Hashable = None
    """What it stands for; None: the cursor passes over it."""


class Listing(Painted, can_focus=True):
    """Lines between a head and a foot that stay.

    Subclasses make the lines in ``items_for``, ``head_for`` and ``foot_for``, and call ``rebuild`` when they change.
    """

    DEFAULT_CSS = "Listing { width: 1fr; height: 1fr; }"

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self._items: list[Item] = []
        self._cursor = 0
        self._top = 0
        self._built_for = -1
        self._moved = False
        """Somebody has put the cursor where it is."""

    # -- what subclasses say --------------------------------------------------------------------------------------

    def items_for(self, width: int) -> list[Item]:
        """All lines."""
        raise NotImplementedError

    def head_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - subclasses know what to do with it
        """Lines above, that stay."""
        return []

    def foot_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - as above
        """Lines below, that stay."""
        return []

    def empty_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - as above
        """Lines where there is nothing."""
        return []

    def on_item(self, strip: Strip) -> Strip:
        """What the line under the cursor looks like, before it is reversed."""
        return strip

    # -- what is under the cursor -----------------------------------------------------------------------------------

    @property
    def key(self) -> Hashable:
        """What the cursor is on; None where there is nothing to be on."""
        return self._items[self._cursor].key if self._cursor < len(self._items) else None

    def rebuild(self) -> None:
        """Make the lines again; a cursor that was moved stays on what it is on, or where it was."""
        self._build(self.size.width)
        self.repaint()

    def _build(self, width: int) -> None:
        key, self._built_for = self.key if self._moved else None, width
        self._items = self.items_for(width)
        found = next((at for at, item in enumerate(self._items) if item.key == key), None) if key is not None else None
        place = self._cursor if self._moved else 0
        self._cursor = self._selectable(place if found is None else found, 1)
        self._scroll()

    def _selectable(self, index: int, direction: int) -> int:
        """The nearest line the cursor can be on, in a direction; else in the other one."""
        if not self._items:
            return 0
        index = min(max(index, 0), len(self._items) - 1)
        ahead = range(index, len(self._items) if direction > 0 else -1, direction)
        behind = range(index, -1 if direction > 0 else len(self._items), -direction)
        return next((at for at in (*ahead, *behind) if self._items[at].key is not None), index)

    def _room(self) -> int:
        width = self.size.width
        return max(self.size.height - len(self.head_for(width)) - len(self.foot_for(width)), 1)

    def _scroll(self) -> None:
        """See that the cursor is in sight, with the lines that head it where it is near the top."""
        room = self._room()
        above = self._cursor
        while above > 0 and self._items[above - 1].key is None and self._cursor - above < room - 1:
            above -= 1
        if above < self._top:
            self._top = above
        elif self._cursor >= self._top + room:
            self._top = self._cursor - room + 1
        self._top = min(max(self._top, 0), max(len(self._items) - room, 0))

    def drawn(self, width: int, height: int) -> Sequence[Strip]:  # noqa: ARG002 - the room goes by it
        """Head, lines, foot."""
        if self._built_for != width:
            self._build(width)
        room = self._room()
        shown = range(self._top, min(self._top + room, len(self._items)))
        lines = [self._line(index, width) for index in shown] or self.empty_for(width)[:room]
        return [*self.head_for(width), *lines, *[Strip([])] * (room - len(lines)), *self.foot_for(width)]

    def _line(self, index: int, width: int) -> Strip:
        item, style = self._items[index], self.look.styles.text
        if index != self._cursor or not self.has_focus or item.key is None:
            return item.strip
        return picked(self.on_item(item.strip.adjust_cell_length(width, style)), self.look)

    # -- moving -----------------------------------------------------------------------------------------------------

    def go(self, index: int, direction: int) -> None:
        """The cursor to a line, or to the next one it can be on."""
        self._cursor, self._moved = self._selectable(index, direction), True
        self._scroll()
        self.repaint()
        self.moved()

    def moved(self) -> None:
        """The cursor has been moved."""

    def action_move(self, by: int) -> None:
        """To the next line that can be chosen."""
        self.go(self._cursor + by, by)

    def action_page(self, by: int) -> None:
        """A page."""
        self.go(self._cursor + by * max(self._room() - 1, 1), by)

    def action_edge(self, side: int) -> None:
        """The first or the last line."""
        self.go(0 if side < 0 else len(self._items) - 1, -side)

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def item_at(self, y: int) -> int | None:
        """The line at a line of the screen."""
        index = self._top + y - len(self.head_for(self.size.width))
        inside = y >= len(self.head_for(self.size.width)) and index < min(self._top + self._room(), len(self._items))
        return index if inside and self._items[index].key is not None else None

    def clicked(self, x: int, *, again: bool) -> None:
        """The line under the cursor was clicked at a cell; ``again``: the cursor was there already."""

    def on_click(self, event: events.Click) -> None:
        """The cursor goes there."""
        if (index := self.item_at(event.y)) is None:
            return
        event.stop()
        again = index == self._cursor and self._moved
        self.go(index, 1)
        self.clicked(event.x, again=again)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines, as terminals do."""
        event.stop()
        self.go(self._cursor - 3, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines."""
        event.stop()
        self.go(self._cursor + 3, 1)
