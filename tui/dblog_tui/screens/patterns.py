"""``PatternsScreen``: what the entries of a view say, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog_tui.present.patterns import Pattern
from dblog_tui.screens.figures import FigureScreen
from dblog_tui.source.patterns import leaf_of_pattern, patterns
from dblog_tui.widgets.figures import FigureList, PatternList

if TYPE_CHECKING:
    from dblog.query.tree import Node

__all__ = ["PatternsScreen"]


class PatternsScreen(FigureScreen):
    """Templates with counts; dismissed with a query for one of them, without it, or None."""

    def listing(self) -> FigureList:
        """Patterns."""
        return PatternList(self.look)

    async def fill(self, listing: FigureList, *, exact: bool) -> None:
        """Show patterns as they are counted, then with what is known of each."""
        assert isinstance(listing, PatternList)  # noqa: S101 - made above
        async for found in patterns(self.source, self.view, self.now, exact=exact):
            listing.show(found)

    def leaf(self, row: object) -> Node:
        """An entry is of this pattern."""
        from dblog_tui.leaves import leaf_of  # noqa: PLC0415 - loads the grammar, which is behind the first paint

        assert isinstance(row, Pattern)  # noqa: S101 - a list of nothing else
        return leaf_of_pattern(row) if row.pieces else leaf_of(row.field, row.value)
