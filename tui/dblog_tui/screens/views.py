"""``Views``: what somebody has saved, to look at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from dblog.errors import DblogError
from dblog.visible import visible
from dblog_tui.header import least_text, span_text
from dblog_tui.saved import SavedView
from dblog_tui.screens.picking import Picking

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from dblog_tui.present.look import Look
    from dblog_tui.saved import SavedViews

__all__ = ["Views"]


class Views(Picking[SavedView]):
    """The saved views; hands over the one that is chosen.

    Args:
        look: how things look.
        saved: the file.
    """

    empty = "no view is saved yet: V saves the one you are looking at"

    def __init__(self, look: Look, saved: SavedViews) -> None:
        super().__init__(look, "Saved views", hints=(("Enter", "look"), ("d d", "remove"), ("Esc", "close")))
        self._saved = saved
        self._views: dict[str, SavedView] = {}
        self._doomed = ""

    def fill(self) -> None:
        """Read them."""
        try:
            self._views = {view.name: view for view in self._saved.all()}
        except DblogError as error:
            self.mistake(error)
        super().fill()

    def lines(self) -> Iterator[tuple[Hashable, list[Segment]]]:
        """The name, the range, the least level, the query."""
        styles, look = self.look.styles, self.look
        width = min(max((cell_len(visible(name)) for name in self._views), default=0), 30)
        for name, saved in self._views.items():
            view = saved.view
            ranged = f"{span_text(view.span, look)} {least_text(view.least, look)}".strip()
            yield (
                name,
                [
                    Segment(f" {set_cell_size(visible(name), width)}  ", styles.strong),
                    Segment(set_cell_size(ranged, 14) + "  ", styles.dim),
                    Segment(visible(view.query) or "everything", styles.text if view.query else styles.dim),
                ],
            )

    def action_choose(self) -> None:
        """Look at it."""
        if (found := self._views.get(str(self.choices.key))) is not None:
            self.dismiss(found)

    def action_remove(self) -> None:
        """Forget it; the second time in a row."""
        name = self.choices.key
        if not isinstance(name, str):
            return
        if self._doomed != name:
            self._doomed = name
            self.tell(f"d once more removes the view {name}")
            return
        self._doomed = ""
        self.tell("")
        try:
            self._saved.remove(name)
        except DblogError as error:
            self.mistake(error)
        self.fill()

    def action_cursor_down(self) -> None:
        """Next; nothing is to be removed any more."""
        self._spare()
        super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """Previous; likewise."""
        self._spare()
        super().action_cursor_up()

    def _spare(self) -> None:
        if self._doomed:
            self._doomed = ""
            self.tell("")
