"""What the screens of patterns and of differences share: a list that fills while the database is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.screen import Screen

from dblog.errors import DblogError
from dblog_tui.screens.once import Once
from dblog_tui.widgets.figures import FigureList
from dblog_tui.widgets.watched import Watched

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from dblog.query.tree import Node
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View

__all__ = ["FigureScreen"]

_GROUP = "figures"


class FigureScreen(Once, Watched, Screen["str | None"]):
    """A list; it is dismissed with the text of the query somebody wants now, or None.

    Args:
        source: where.
        look: glyphs, styles, zone.
        view: of what.
        now: µs: when the view is shown; the present where None.
    """

    CSS = "FigureScreen { layout: vertical; }"

    def __init__(self, source: Source, look: Look, view: View, *, now: int | None = None) -> None:
        super().__init__()
        self.source, self.look, self.view = source, look, view
        self._now = now
        self._exact = False

    @property
    def now(self) -> int:
        """µs: when the view is shown."""
        return time.time_ns() // 1000 if self._now is None else self._now

    def listing(self) -> FigureList:
        """A new list, empty."""
        raise NotImplementedError

    async def fill(self, listing: FigureList, *, exact: bool) -> None:
        """Ask, and show what comes."""
        raise NotImplementedError

    def leaf(self, row: object) -> Node:
        """The condition that an entry is like a row."""
        raise NotImplementedError

    # -- what happens --------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The list is all there is."""
        yield self.listing()

    def on_mount(self) -> None:
        """Ask."""
        self.query_one(FigureList).focus()
        self._ask()

    def _ask(self) -> None:
        self.query_one(FigureList).ask()
        self.run_worker(self._filled(), group=_GROUP, exclusive=True, exit_on_error=False)

    async def _filled(self) -> None:
        listing = self.query_one(FigureList)
        try:
            await self.fill(listing, exact=self._exact)
        except DblogError as error:
            listing.fail(str(error))

    def on_figure_list_chosen(self, event: FigureList.Chosen) -> None:
        """Go back to the rows with a query that has the row in it, or that it is not in."""
        from dblog_tui.edits import Edit  # noqa: PLC0415 - loads the grammar, which is behind the first paint

        event.stop()
        try:
            edit = Edit(self.view.query, self.now / 1e6, self.source.zone)
            leaf = self.leaf(event.row)
            if event.exclude:
                edit.exclude(leaf)
            else:
                edit.include(leaf)
        except DblogError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        self.dismiss(edit.text)

    def on_figure_list_exact(self, event: FigureList.Exact) -> None:
        """Look at every entry."""
        event.stop()
        self._exact = True
        self._ask()

    def on_figure_list_rerun(self, event: FigureList.Rerun) -> None:
        """Ask again."""
        event.stop()
        self._ask()

    def on_figure_list_left(self, event: FigureList.Left) -> None:
        """Back to the rows, with the query as it was."""
        event.stop()
        self.dismiss(None)
