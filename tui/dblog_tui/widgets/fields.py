"""``FieldsPane``: fields with their most frequent values; a value can be asked for, or not, by key and by click."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip

from dblog_tui.keys import bindings
from dblog_tui.present.fields import field_lines, footing
from dblog_tui.widgets.listing import Item, Listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from dblog_tui.present.fields import FieldCounts
    from dblog_tui.present.look import Look

__all__ = ["FieldsPane"]

_SIGNS = " + - "
"""At the right end of the line under the cursor: what to click on."""


class FieldsPane(Listing):
    """Fields and values.

    Args:
        look: glyphs and styles.
    """

    KEYS: ClassVar = "fields"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("fields")]
    DEFAULT_CSS = "FieldsPane { width: 28; height: 1fr; }"

    class Include(Message):
        """Only entries with this value are wanted; None: those without the field."""

        def __init__(self, field: str, value: str | None) -> None:
            super().__init__()
            self.field, self.value = field, value

    class Exclude(Message):
        """Entries with this value are not wanted; None: those without the field."""

        def __init__(self, field: str, value: str | None) -> None:
            super().__init__()
            self.field, self.value = field, value

    class Exact(Message):
        """Every entry is to be counted for this field."""

        def __init__(self, field: str) -> None:
            super().__init__()
            self.field = field

    class Left(Message):
        """Somebody goes back to the rows."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self.fields: tuple[FieldCounts, ...] = ()
        self._label = ""
        self._unfolded: set[str] = set()

    def show(self, fields: Sequence[FieldCounts], label: str = "") -> None:
        """Show these; ``label`` is the range they are counted in. The cursor stays on its value."""
        self.fields, self._label = tuple(fields), label
        self.rebuild()

    @property
    def current(self) -> tuple[str, str | None] | None:
        """Field and value under the cursor."""
        return self.key if isinstance(self.key, tuple) else None

    # -- lines ------------------------------------------------------------------------------------------------------

    def items_for(self, width: int) -> list[Item]:
        """Headings and values."""
        lines = field_lines(self.fields, width, self.look, unfolded=self._unfolded)
        return [Item(line.strip, (line.field, line.value) if line.selectable else None) for line in lines]

    def empty_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - short enough for any
        """Nothing is counted yet."""
        return [Strip([Segment(f" counting{self.look.glyphs.ellipsis}", self.look.styles.dim)])]

    def foot_for(self, width: int) -> list[Strip]:  # noqa: ARG002 - cut where it is too long
        """What the counts are of."""
        field = self.current[0] if self.current else ""
        return [Strip(segments) for segments in footing(self.fields, field, self._label, self.look)]

    def on_item(self, strip: Strip) -> Strip:
        """With signs to click on."""
        room = max(strip.cell_length - len(_SIGNS), 0)
        return Strip([*strip.crop(0, room), Segment(_SIGNS, self.look.styles.strong)])

    # -- what is asked for --------------------------------------------------------------------------------------------

    def action_include(self) -> None:
        """Only this value."""
        if self.current is not None:
            self.post_message(self.Include(*self.current))

    def action_exclude(self) -> None:
        """Not this value."""
        if self.current is not None:
            self.post_message(self.Exclude(*self.current))

    def action_exact(self) -> None:
        """Count every entry for this field."""
        if self.current is not None:
            self.post_message(self.Exact(self.current[0]))

    def action_more(self) -> None:
        """Show all the values there are, or the first few again."""
        if self.current is not None:
            self._unfolded ^= {self.current[0]}
            self.rebuild()

    def action_leave(self) -> None:
        """Back to the rows."""
        self.post_message(self.Left())

    def clicked(self, x: int, *, again: bool) -> None:
        """On the line the cursor was on already: what the sign says, and elsewhere only this value."""
        if not again:
            return
        if x - (self.size.width - len(_SIGNS)) >= _SIGNS.index("-") - 1:
            self.action_exclude()
        else:
            self.action_include()
