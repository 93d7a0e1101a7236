"""``Line``: one line of text, a left and a right part; it is painted only when it says something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog_tui.present.look import Look

__all__ = ["Line"]


class Line(Widget):
    """One line.

    Args:
        look: for its blanks.
        keep: where there is no room for both parts the right one stays, and the left one is cut.
    """

    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    def __init__(self, look: Look, *, keep: bool = False, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._look, self._keep = look, keep
        self._left = self._right = Strip([])

    def say(self, left: Iterable[Segment], right: Iterable[Segment] = ()) -> None:
        """Show this from now on; where there is no room for both, ``keep`` says which part goes."""
        new = Strip(list(left)), Strip(list(right))
        if new != (self._left, self._right):
            self._left, self._right = new
            self.refresh()

    @property
    def text(self) -> str:
        """What it says."""
        return f"{self._left.text}  {self._right.text}".rstrip()

    def render_line(self, y: int) -> Strip:
        """The line, as wide as the widget."""
        width, style = self.size.width, self._look.styles.text
        if y:
            return Strip([Segment(" " * width, style)], width)
        room = width - self._left.cell_length - self._right.cell_length
        if room < 1 and self._keep and self._right.cell_length < width:
            cut = self._left.crop(0, width - self._right.cell_length - 1)
            return Strip([*cut, Segment(self._look.glyphs.ellipsis, style), *self._right], width)
        if room < 1 or not self._right.cell_length:
            return self._left.adjust_cell_length(width, style)
        return Strip([*self._left, Segment(" " * room, style), *self._right], width)
