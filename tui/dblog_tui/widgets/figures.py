"""``PatternList`` and ``DifferenceList``: rows to choose from; values come in by ``show``, messages go out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip

from dblog_tui.keys import bindings, hints
from dblog_tui.present.compare import Comparison, Difference, comparison_head, difference_said, difference_strip
from dblog_tui.present.patterns import ORDERS, Pattern, Patterns, example_strips, ordered, pattern_head, pattern_strip
from dblog_tui.widgets.listing import Item, Listing

if TYPE_CHECKING:
    from textual.binding import BindingType

    from dblog_tui.present.look import Look

__all__ = ["DifferenceList", "FigureList", "PatternList"]


class FigureList(Listing):
    """What both have in common.

    Args:
        look: glyphs, styles, zone.
    """

    KEYS: ClassVar = "figures"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("figures")]
    DEFAULT_CSS = "FigureList { width: 1fr; height: 1fr; }"

    class Chosen(Message):
        """Only entries like this row are wanted; ``exclude``: none of them."""

        def __init__(self, row: Pattern | Difference, *, exclude: bool) -> None:
            super().__init__()
            self.row, self.exclude = row, exclude

    class Exact(Message):
        """Every entry is to be looked at."""

    class Rerun(Message):
        """Ask again."""

    class Left(Message):
        """Somebody goes back to the rows."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.said = ""
        """A sentence where there are no rows: why, or that they are being looked for."""

    @property
    def row(self) -> Pattern | Difference | None:
        """The row under the cursor."""
        raise NotImplementedError

    def say(self, sentence: str) -> None:
        """Show a sentence where there are no rows."""
        self.said = sentence
        self.rebuild()

    def empty_for(self, width: int) -> list[Strip]:
        """The sentence, in as many lines as it needs."""
        lines = textwrap.wrap(self.said, max(width - 3, 10))  # a long path is broken, not cut
        return [Strip([]), *(Strip([Segment(f"  {line}", self.look.styles.text)]) for line in lines)]

    def moved(self) -> None:
        """The foot tells of the row under the cursor."""
        self.repaint()

    def action_include(self) -> None:
        """Only entries like this."""
        if self.row is not None:
            self.post_message(self.Chosen(self.row, exclude=False))

    def action_exclude(self) -> None:
        """None like this."""
        if self.row is not None:
            self.post_message(self.Chosen(self.row, exclude=True))

    def action_sort(self) -> None:
        """In another order, where there is one."""

    def action_exact(self) -> None:
        """Look at every entry."""
        self.post_message(self.Exact())

    def action_rerun(self) -> None:
        """Ask again."""
        self.post_message(self.Rerun())

    def action_leave(self) -> None:
        """Back to the rows."""
        self.post_message(self.Left())

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 - anywhere on the line
        """A second click chooses."""
        if again:
            self.action_include()


class PatternList(FigureList):
    """Patterns."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.found = Patterns()
        self._order = 0
        self._rows: dict[object, Pattern] = {}

    def show(self, found: Patterns) -> None:
        """Show these; the cursor stays on its pattern."""
        self.found = found
        if not found.rows:
            self.said = "No entries match in this range." if found.done else f"looking{self.look.glyphs.ellipsis}"
        self.rebuild()

    @property
    def row(self) -> Pattern | None:
        """The pattern under the cursor."""
        return self._rows.get(self.key)

    def items_for(self, width: int) -> list[Item]:
        """A line each."""
        rows = ordered(self.found.rows, self._order)
        most = max((row.count for row in rows), default=0)
        self._rows = {(row.field, row.value): row for row in rows}
        return [Item(pattern_strip(row, most, width, self.look), key) for key, row in self._rows.items()]

    def head_for(self, width: int) -> list[Strip]:
        """What is listed."""
        return pattern_head(self.found, self._order, width, self.look)

    def foot_for(self, width: int) -> list[Strip]:
        """An example, and keys."""
        return example_strips(self.row, self.found, _hints(), width, self.look)

    def action_sort(self) -> None:
        """In the next order, from the top."""
        self._order = (self._order + 1) % len(ORDERS)
        self.rebuild()
        self.action_edge(-1)


class DifferenceList(FigureList):
    """Differences."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.found = Comparison()
        self._rows: dict[object, Difference] = {}

    def show(self, found: Comparison) -> None:
        """Show these; the cursor stays on its value, or on the greatest difference until it is moved."""
        self.found = found
        if not found.rows:
            self.said = "Nothing differs by more than chance." if found.done else f"looking{self.look.glyphs.ellipsis}"
            if found.done and not (found.inside and found.outside):
                self.said = "One of the two sides has no entries, so there is nothing to compare."
        self.rebuild()

    @property
    def row(self) -> Difference | None:
        """The difference under the cursor."""
        return self._rows.get(self.key)

    def items_for(self, width: int) -> list[Item]:
        """A line each."""
        self._rows = {(row.field, row.value): row for row in self.found.rows}
        items = [Item(difference_strip(row, width, self.look), key) for key, row in self._rows.items()]
        more = sum(row.gap > 0 for row in self.found.rows)
        if 0 < more < len(items):
            heading = f" {self.look.glyphs.rule * 5} less frequent here {self.look.glyphs.rule * width}"
            items.insert(more, Item(Strip([Segment(heading, self.look.styles.dim)])))
        return items

    def head_for(self, width: int) -> list[Strip]:
        """What is compared."""
        return comparison_head(self.found, width, self.look)

    def foot_for(self, width: int) -> list[Strip]:
        """The value, whole, and keys."""
        rule = Strip([Segment(self.look.glyphs.rule * width, self.look.styles.dim)])
        return [
            rule,
            difference_said(self.row, width, self.look),
            Strip([Segment(f" {_hints(without='order')}", self.look.styles.dim)]),
        ]


def _hints(without: str = "") -> str:
    return "  ".join(f"{key} {word}" for key, word in hints("figures") if word != without)
