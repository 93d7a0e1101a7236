"""``Choices``: lines of which one is chosen, as high as they need, and as the screen allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip

from dblog_tui.widgets.listing import Item, Listing

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from dblog_tui.present.look import Look

__all__ = ["Choices"]


class Choices(Listing):
    """Lines.

    Args:
        look: how things look.
        most: lines one sees at most; fewer where the screen is low.
        empty: the sentence where there is nothing to choose.
    """

    DEFAULT_CSS = "Choices { height: 1; }"

    class Chosen(Message):
        """A line was clicked twice."""

    def __init__(self, look: Look, *, most: int = 16, empty: str = "", id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self._most, self._empty = most, empty
        self._rows: list[Item] = []

    def fill(self, rows: Sequence[tuple[Hashable, Sequence[Segment]]]) -> None:
        """Show these from now on; the cursor stays on what it is on."""
        self._rows = [Item(Strip([*segments]), key) for key, segments in rows]
        self.fit()
        self.rebuild()

    def put_cursor(self, key: Hashable) -> None:
        """The cursor to a line."""
        self.go(next((at for at, item in enumerate(self._rows) if item.key == key), 0), 1)

    def fit(self) -> None:
        """As high as it needs, and as there is room for: what is above and below a list is five lines."""
        room = getattr(self.screen, "room", self.app.size.height) - 5
        self.styles.height = max(min(len(self._rows), self._most, room), 1)

    def items_for(self, width: int) -> list[Item]:
        """All lines."""
        style = self.look.styles.text
        return [Item(item.strip.adjust_cell_length(width, style), item.key) for item in self._rows]

    def empty_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - it is cut where it is painted
        """There is nothing."""
        return [Strip([Segment(f" {self._empty}", self.look.styles.dim)])]

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 - the whole line is meant
        """The second click chooses."""
        if again:
            self.post_message(self.Chosen())

    def on_resize(self) -> None:
        """As the screen allows now; the lines are drawn anew by who is derived from."""
        self.fit()
