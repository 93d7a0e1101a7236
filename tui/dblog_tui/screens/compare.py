"""``CompareScreen``: what differs between some entries and the others, the greatest difference first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog_tui.present.compare import Difference
from dblog_tui.screens.figures import FigureScreen
from dblog_tui.source.compare import compare
from dblog_tui.widgets.figures import DifferenceList, FigureList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.entry import LogEntry
    from dblog.query.tree import Node
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View

__all__ = ["CompareScreen"]


class CompareScreen(FigureScreen):
    """Ranked differences; dismissed with a query for a value, without it, or None.

    Args:
        source: where.
        look: glyphs, styles, zone.
        view: of what.
        entries: rows that are at hand: their metadata says which keys there are.
        selection: a range (µs; until excluded) that is compared with the rest of the view's; where None, what the
            view's filter lets through is compared with what it does not.
        now: µs: when the view is shown; the present where None.
    """

    def __init__(
        self,
        source: Source,
        look: Look,
        view: View,
        *,
        entries: Sequence[LogEntry] = (),
        selection: tuple[int, int] | None = None,
        now: int | None = None,
    ) -> None:
        super().__init__(source, look, view, now=now)
        self._entries, self._selection = entries, selection

    def listing(self) -> FigureList:
        """Differences."""
        return DifferenceList(self.look)

    async def fill(self, listing: FigureList, *, exact: bool) -> None:
        """Show differences as fields are counted."""
        assert isinstance(listing, DifferenceList)  # noqa: S101 - made above
        found = compare(
            self.source, self.view, self.now, self._entries, selection=self._selection, exact=exact
        )  # fmt: skip
        async for so_far in found:
            listing.show(so_far)

    def leaf(self, row: object) -> Node:
        """An entry has this value."""
        from dblog_tui.leaves import leaf_of  # noqa: PLC0415 - loads the grammar, which is behind the first paint

        assert isinstance(row, Difference)  # noqa: S101 - a list of nothing else
        return leaf_of(row.field, row.value)
