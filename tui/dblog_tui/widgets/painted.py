"""``Painted``: a widget that is a list of strips, and paints only the cells that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog_tui.present.look import Look

__all__ = ["Painted", "changed_cells"]


def changed_cells(old: Strip, new: Strip) -> tuple[int, int] | None:
    """The first cell in which two strips differ, and the one behind the last; None where they are equal."""
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    if len(before) != len(after):
        return 0, max(len(before), len(after))
    differing = [x for x, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    return (differing[0], differing[-1] + 1) if differing else None


def _cells(strip: Strip) -> list[tuple[str, object]]:
    """A wide character stands for both of its cells, so that it is painted as a whole."""
    cells: list[tuple[str, object]] = []
    for text, style, _ in strip:
        whole = Segment(text)
        if whole.cell_length == len(text):
            cells += [(char, style) for char in text]
        else:
            cells += [(text, style)] * whole.cell_length
    return cells


class Painted(Widget):
    """Strips from top to bottom.

    Args:
        look: for blanks.
    """

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.look = look
        self._shown: list[Strip] = []

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        """The lines, for this size; fewer are filled with blanks."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again, and paint what has changed."""
        size = self.size
        old, self._shown = self._shown, self._fitted()
        if len(old) != len(self._shown):
            self.refresh()
            return
        for y, (before, after) in enumerate(zip(old, self._shown, strict=True)):
            if (cells := changed_cells(before, after)) is not None:
                first, end = cells
                self.refresh(Region(first, y, min(end, size.width) - first, 1))

    def _fitted(self) -> list[Strip]:
        width, height = self.size
        if not width or not height:
            return []
        strips = [
            strip.adjust_cell_length(width, self.look.styles.text) for strip in self.drawn(width, height)[:height]
        ]
        blank = Strip([Segment(" " * width, self.look.styles.text)], width)
        return strips + [blank] * (height - len(strips))

    def render_line(self, y: int) -> Strip:
        """One line."""
        if len(self._shown) != self.size.height or (self._shown and self._shown[0].cell_length != self.size.width):
            self._shown = self._fitted()
        return self._shown[y] if y < len(self._shown) else Strip.blank(self.size.width)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._shown = self._fitted()
        self.refresh()

    def watch_has_focus(self, value: bool) -> None:
        """A cursor is shown with the focus, and goes with it."""
        super().watch_has_focus(value)
        self.repaint()
