"""``QueryLine``: how a query looks, at rest and while it is edited, what lies below it; ``QueryBar`` has the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from textual.geometry import Offset

from dblog.visible import visible
from dblog_tui.draft import Draft
from dblog_tui.present.offers import Frame, lines_below
from dblog_tui.present.query import at_rest, edited, prompt, room_for_text, scrolled
from dblog_tui.widgets.below import Below
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.strip import Strip

    from dblog_tui.present.look import Look

__all__ = ["QueryLine"]

_MOST_OFFERED: Final = 8


class QueryLine(Painted):
    """One line; what is wrong with it and what could follow is shown over the lines below.

    Args:
        look: how it looks.
        zone: of times in a query that are written without one.
    """

    def __init__(self, look: Look, zone: dt.tzinfo | None = None, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.text = ""
        """The query that is shown."""
        self.found = ""
        """What was looked for with ``/``."""
        self.mode = "filter"
        self.editing = False
        self.draft = Draft(zone)
        self._answer = ""
        self._first = 0
        """The first character that is shown."""
        self._below = Below(look)

    def compose(self) -> ComposeResult:
        """What lies over the lines below."""
        yield self._below

    def show(self, text: str, found: str = "") -> None:
        """The query of what is shown, and what is looked for in it."""
        self.text, self.found = text, found
        self.repaint()

    def answer(self, text: str) -> None:
        """A few words on the right: how many, and how long it took."""
        if text != self._answer:
            self._answer = text
            self.repaint()

    def on_focus(self) -> None:
        """Show again what lay below."""
        self._paint()

    def on_blur(self) -> None:
        """What is being written stays; the lines below are uncovered."""
        self._paint()

    def on_resize(self) -> None:
        """What lies below is for another width."""
        self._paint()

    def drawn(self, width: int, height: int) -> Sequence[Strip]:  # noqa: ARG002 - one line it is
        """The line."""
        names, answer = self.draft.known.names, self._answer
        if not self.editing:
            return [at_rest(self.text, self.look, found=self.found, answer=answer, width=width, names=names)]
        line = self.draft.line
        self._first = scrolled(line.text, line.cursor, self._first, room_for_text(self.mode, self.look, width))
        return [
            edited(
                line.text, self.look, mode=self.mode, cursor=line.cursor if self.has_focus else None, first=self._first,
                ghost=self.draft.offer.ghost(line.text, line.cursor), answer=answer if self.has_focus else "not sent",
                width=width, names=names,
            )
        ]  # fmt: skip

    def _frame(self) -> Frame:
        left = cell_len(prompt(self.mode, self.look))
        return Frame(self.look, self.size.width, left, self.draft.text, self._first)

    def _room(self) -> int:
        """Lines for suggestions."""
        return max(min(_MOST_OFFERED, self.screen.size.height // 2 - 2), 3)

    def _paint(self) -> None:
        self.repaint()
        shown = self.editing and self.has_focus and self.size.width > 0
        self._below.show(lines_below(self.draft, self._frame(), self._room()) if shown else [])
        if shown:
            before = cell_len(visible(self.draft.text[self._first : self.draft.line.cursor]))
            self.app.cursor_position = self.region.offset + Offset(self._frame().left + before, 0)
