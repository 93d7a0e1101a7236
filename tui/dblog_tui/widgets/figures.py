"""``PatternList`` and ``DifferenceList``: rows to choose from; values come in by ``show``, messages go out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip

from dblog.visible import visible
from dblog_tui.keys import bindings, hints
from dblog_tui.present.compare import Comparison, Difference, comparison_head, difference_said, difference_strip
from dblog_tui.present.patterns import ORDERS, Pattern, Patterns, example_strips, ordered, pattern_head, pattern_strip
from dblog_tui.widgets.listing import Item, Listing

if TYPE_CHECKING:
    from textual.binding import BindingType

    from dblog_tui.present.look import Look

__all__ = ["DifferenceList", "FigureList", "PatternList"]

_TOLD: Final = 3
"""Lines of a sentence above rows."""


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
        self.trouble = ""
        """A sentence about the last question, where it failed."""
        self.looking = False
        """A question is being answered."""

    @property
    def row(self) -> Pattern | Difference | None:
        """The row under the cursor."""
        raise NotImplementedError

    def ask(self) -> None:
        """A question is being asked."""
        self.said, self.trouble, self.looking = f"looking{self.look.glyphs.ellipsis}", "", True
        self.rebuild()

    def fail(self, sentence: str) -> None:
        """It could not be answered: say why; rows that have come stay."""
        self.said, self.trouble, self.looking = sentence, sentence, False
        self.rebuild()

    def came(self, *, rows: bool, done: bool, none: str) -> None:
        """Something has been answered; ``none``: why there are no rows, once all of it is."""
        self.looking = not done
        if not rows and done:
            self.said = none
        self.rebuild()

    def told(self, width: int) -> list[Strip]:
        """Below the head, where there are rows: why there are no more."""
        if not self.trouble or self.row is None:
            return []
        lines = textwrap.wrap(visible(self.trouble), max(width - 2, 10))[:_TOLD]
        return [Strip([Segment(f" {line}", self.look.styles.error)]) for line in lines]

    def empty_for(self, width: int) -> list[Strip]:
        """The sentence, in as many lines as it needs."""
        lines = textwrap.wrap(visible(self.said), max(width - 3, 10))  # a long path is broken, not cut
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
        self.came(rows=bool(found.rows), done=found.done, none="No entries match in this range.")

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
        return [*pattern_head(self.found, self._order, width, self.look, looking=self.looking), *self.told(width)]

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
        none = "Nothing differs by more than chance."
        if not (found.inside and found.outside):
            none = "One of the two sides has no entries, so there is nothing to compare."
        self.came(rows=bool(found.rows), done=found.done, none=none)

    @property
    def row(self) -> Difference | None:
        """The difference under the cursor."""
        return self._rows.get(self.key)

    def items_for(self, width: int) -> list[Item]:
        """A line each."""
        self._rows = {(row.field, row.value): row for row in self.found.rows}
        items: list[Item] = []
        part = ""
        for key, row in self._rows.items():
            before, part = part, row.part
            if part != before:
                rule = self.look.glyphs.rule
                items.append(Item(Strip([Segment(f" {rule * 5} {part} {rule * width}", self.look.styles.dim)])))
            items.append(Item(difference_strip(row, width, self.look), key))
        return items

    def head_for(self, width: int) -> list[Strip]:
        """What is compared."""
        head = comparison_head(self.found, width, self.look, looking=self.looking)
        return [*head[:1], *self.told(width), *head[1:]]

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
