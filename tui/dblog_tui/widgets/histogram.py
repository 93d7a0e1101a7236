"""``HistogramPane``: bars over time, a cursor and a selection in it; says which range somebody wants to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.message import Message

from dblog_tui.keys import bindings, hints
from dblog_tui.present.bars import axis_strip, bar_strips, readout_strip
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.geometry import Size
    from textual.strip import Strip

    from dblog_tui.present.counted import Bars
    from dblog_tui.present.look import Look

__all__ = ["HistogramPane"]

_TALL_FROM: Final = 40
"""Lines of a terminal from which on the bars are four lines high."""
_LOW: Final = 2
_TALL: Final = 5
_AROUND: Final = 5
"""Of a bar that is zoomed in on, the columns to each side that come along."""
_OUT: Final = 3
_SHORTEST: Final = 100
"""µs."""


class HistogramPane(Painted, can_focus=True):
    """A line of bars and one of times; five lines in a tall terminal.

    Args:
        look: glyphs, styles, zone.
    """

    KEYS: ClassVar = "histogram"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("histogram")]
    DEFAULT_CSS = "HistogramPane { width: 1fr; height: auto; }"

    class RangeChosen(Message):
        """Somebody wants to see the rows of this range (µs; until excluded)."""

        def __init__(self, since: int, until: int) -> None:
            super().__init__()
            self.since, self.until = since, until

    class Zoomed(Message):
        """Somebody wants a histogram of this range (µs; until excluded), and stays in it."""

        def __init__(self, since: int, until: int) -> None:
            super().__init__()
            self.since, self.until = since, until

    class Compare(Message):
        """Somebody wants to know what differs in this range (µs; until excluded) from the rest."""

        def __init__(self, since: int, until: int) -> None:
            super().__init__()
            self.since, self.until = since, until

    class Exact(Message):
        """Somebody wants all of it counted."""

    class Left(Message):
        """Somebody goes back to the rows."""

    class Roomy(Message):
        """There is room for another number of columns: count for as many."""

        def __init__(self, columns: int) -> None:
            super().__init__()
            self.columns = columns

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.bars: Bars | None = None
        self._cursor: int | None = None
        """µs: the cursor's bar is the one this moment lies in, whatever is counted meanwhile."""
        self._anchor: int | None = None
        """µs: the other end of the selection."""
        self._outer: list[tuple[int, int]] = []
        """Ranges zoomed in from."""
        self._dragging = False
        self._columns = 0

    # -- what is shown ------------------------------------------------------------------------------------------

    @property
    def columns(self) -> int:
        """How many bars there is room for."""
        return max(self.size.width - 2, 1)

    @property
    def selection(self) -> tuple[int, int] | None:
        """The range selected (µs; until excluded); None where only the cursor is somewhere."""
        if self.bars is None or self._anchor is None or self._cursor is None or not self.bars.counts:
            return None
        return self.bars.between(*self._marked(self.bars))

    def show(self, bars: Bars | None) -> None:
        """Show these bars; None: nothing is known yet. The cursor stays where it is in time."""
        self.bars = bars
        self.repaint()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's face
        """Two lines, or five in a tall terminal."""
        return _TALL if viewport.height >= _TALL_FROM else _LOW

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        """Bars and axis; with the focus, what the cursor is on instead of the axis."""
        bars = self.bars
        if bars is None or not bars.counts or height < 1:
            return []
        marked = self._marked(bars) if self.has_focus or self._anchor is not None else None
        strips = bar_strips(bars, width, max(height - 1, 1), self.look, marked=marked)
        if marked is not None and self.has_focus:
            keys = "  ".join(f"{key} {word}" for key, word in hints("histogram"))
            if not bars.whole:
                keys = f"s all  {keys}"
            return [*strips, readout_strip(bars, marked, width, self.look, keys)]
        return [*strips, axis_strip(bars, width, self.look)]

    def _marked(self, bars: Bars) -> tuple[int, int]:
        """First and last column under the cursor or in the selection."""
        cursor = bars.end if self._cursor is None else self._cursor
        anchor = cursor if self._anchor is None else self._anchor
        low, high = sorted((bars.column(cursor), bars.column(anchor)))
        return low, high

    # -- the cursor ---------------------------------------------------------------------------------------------

    def _put(self, column: int, *, selecting: bool = False) -> None:
        bars = self.bars
        if bars is None or not bars.counts:
            return
        here = bars.column(bars.end if self._cursor is None else self._cursor)
        if not selecting:
            self._anchor = None
        elif self._anchor is None:
            self._anchor = bars.begins(here)
        self._cursor = bars.begins(min(max(column, 0), len(bars.counts) - 1))
        self.repaint()

    def _here(self) -> int:
        if self.bars is None:
            return 0
        return self.bars.column(self.bars.end if self._cursor is None else self._cursor)

    def action_bar(self, by: int) -> None:
        """Move the cursor."""
        self._put(self._here() + by)

    def action_select(self, by: int) -> None:
        """Move the cursor, and select what it comes past."""
        self._put(self._here() + by, selecting=True)

    def action_edge(self, side: int) -> None:
        """The oldest or the newest bar."""
        if self.bars is not None:
            self._put(0 if side < 0 else len(self.bars.counts) - 1)

    def action_error(self, by: int) -> None:
        """The next bar with an error, as far as bars are counted."""
        if self.bars is None:
            return
        if (column := self.bars.next_error(self._here(), by)) is None:
            self.app.bell()
        else:
            self._put(column)

    # -- what is asked for ------------------------------------------------------------------------------------------

    def _range(self) -> tuple[int, int] | None:
        bars = self.bars
        return bars.between(*self._marked(bars)) if bars is not None and bars.counts else None

    def action_zoom(self, by: int) -> None:
        """In: to the selection, or to the bars around the cursor. Out: to where one came from, or thrice as far."""
        bars = self.bars
        if bars is None or not bars.counts:
            return
        if by < 0:
            since, until = self._outer.pop() if self._outer else _wider(bars)
        else:
            first, last = self._marked(bars)
            if first == last:
                first, last = max(first - _AROUND, 0), min(last + _AROUND, len(bars.counts) - 1)
            since, until = bars.between(first, last)
            if until - since < _SHORTEST or (first, last) == (0, len(bars.counts) - 1):
                self.app.bell()
                return
            self._outer.append((bars.since, bars.until))
        self._anchor = None
        self.post_message(self.Zoomed(since, until))

    def action_range(self) -> None:
        """Look at the rows."""
        if (chosen := self._range()) is not None:
            self._anchor = None
            self._outer.clear()
            self.post_message(self.RangeChosen(*chosen))

    def action_compare(self) -> None:
        """Compare with the rest."""
        if (chosen := self._range()) is not None:
            self.post_message(self.Compare(*chosen))

    def action_exact(self) -> None:
        """Count all of it."""
        self.post_message(self.Exact())

    def action_leave(self) -> None:
        """Back to the rows; first out of a selection."""
        if self._anchor is not None:
            self._anchor = None
            self.repaint()
            return
        self._outer.clear()
        self.post_message(self.Left())

    # -- events -----------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Draw for the new size, and say how many columns it has."""
        super().on_resize()
        if self.columns != self._columns:
            self._columns = self.columns
            self.post_message(self.Roomy(self.columns))

    def _at(self, x: int) -> int | None:
        """The column at a cell."""
        bars = self.bars
        if bars is None or not bars.counts:
            return None
        return min(max(x - (self.size.width - 1 - len(bars.counts)), 0), len(bars.counts) - 1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """The cursor goes there; a selection may begin."""
        if event.button == 1 and (column := self._at(event.x)) is not None:
            event.stop()
            self._put(column)
            self._dragging = True
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select what the mouse is drawn over."""
        if self._dragging and (column := self._at(event.x)) is not None and column != self._here():
            self._put(column, selecting=True)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """What was selected with the mouse is what one wants to look at."""
        if self._dragging:
            event.stop()
            self._dragging = False
            self.release_mouse()
            if self._anchor is not None:
                self.action_range()


def _wider(bars: Bars) -> tuple[int, int]:
    """The range with as much again on each side."""
    more = (bars.until - bars.since) * (_OUT - 1) // 2
    return bars.since - more, bars.until + more
