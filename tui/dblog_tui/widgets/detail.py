"""``DetailPane``: one whole entry, with a cursor on its fields. Values in, messages out.

What is unfolded stays unfolded from one entry to the next; the cursor stays where the next one has the same field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.message import Message

from dblog_tui.keys import bindings
from dblog_tui.present.detail import Similar, Whole, document, head
from dblog_tui.present.items import text_of
from dblog_tui.widgets.itemview import ItemView

if TYPE_CHECKING:
    from textual.binding import BindingType

    from dblog.entry import LogEntry
    from dblog_tui.present.items import Item, Key
    from dblog_tui.present.look import Look

__all__ = ["DetailPane"]

_LASTING: Final = frozenset({"attrs", "exception", "stack", "record"})
"""Sections whose folds hold for the next entry as well."""


class DetailPane(ItemView):
    """The whole entry.

    Args:
        look: how it looks.
    """

    KEYS: ClassVar = "detail"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("detail")]
    DEFAULT_CSS = "DetailPane { width: 1fr; height: 1fr; }"

    class _Filter(Message):
        def __init__(self, field: str, value: Any) -> None:
            super().__init__()
            self.field, self.value = field, value
            """A name as queries spell it, and the value as JSON knows it (see ``dblog_tui.clauses.include``)."""

    class Include(_Filter):
        """Only entries with this value are wanted."""

    class Exclude(_Filter):
        """No entries with this value are wanted."""

    class Column(Message):
        """The field is wanted as a column of the rows."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class TraceAsked(Message):
        """The whole trace is wanted."""

        def __init__(self, trace_id: str) -> None:
            super().__init__()
            self.trace_id = trace_id

    class ContextAsked(Message):
        """What was logged around the entry is wanted."""

        def __init__(self, entry: LogEntry) -> None:
            super().__init__()
            self.entry = entry

    class PatternAsked(Message):
        """Only entries of this template are wanted."""

        def __init__(self, template: str) -> None:
            super().__init__()
            self.template = template

    class Full(Message):
        """The whole screen is wanted, or no longer."""

    class Left(Message):
        """Back to the rows."""

    class Neighbour(Message):
        """The entry of the next row (1) or the one before (-1) is wanted."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Copied(Message):
        """This is to be copied."""

        def __init__(self, text: str, what: str) -> None:
            super().__init__()
            self.text, self.what = text, what

    class Said(Message):
        """A sentence for people: why a key did nothing."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self._whole: Whole | None = None

    # -- what is shown ----------------------------------------------------------------------------------------

    @property
    def entry(self) -> LogEntry | None:
        """The entry one sees."""
        return self._whole.entry if self._whole is not None else None

    def show(self, entry: LogEntry | None, *, loading: bool = False) -> None:
        """Show an entry, or that there is none; ``loading``: it is what is known so far, the rest is on its way."""
        before = self._whole
        same = before is not None and entry is not None and entry.id is not None and before.entry.id == entry.id
        if same and before is not None and (before.entry, before.loading, before.trouble) == (entry, loading, ""):
            return
        if not same:
            self.top = 0
            self._cursor = self._cursor if _is_field(self._cursor) else ()
            self.folds = {key: fold for key, fold in self.folds.items() if key[0] in _LASTING and _lasts(key)}
        similar, alike = (before.similar, before.alike) if same and before is not None else (None, None)
        self._whole = None if entry is None else Whole(entry, loading=loading, similar=similar, alike=alike)
        self.changed()
        self._into_sight()

    def failed(self, sentence: str) -> None:
        """Say why the rest of the entry did not come; what is shown stays."""
        if self._whole is not None:
            self._whole.loading, self._whole.trouble = False, sentence
            self.changed()

    def similar(self, count: int, *, exact: bool = True, where: str = "in range") -> None:
        """Say how many entries have the template of this one."""
        if self._whole is not None:
            self._whole.similar = Similar(count, exact, where)
            self.changed()

    def alike(self, count: int, *, exact: bool = True, where: str = "in range") -> None:
        """Say how many entries have an exception of the type of this one's."""
        if self._whole is not None:
            self._whole.alike = Similar(count, exact, where)
            self.changed()

    # -- as it looks --------------------------------------------------------------------------------------------

    def make_items(self, *, tall: bool) -> list[Item]:
        """The whole entry."""
        return document(self._whole, self.look, self.folds, tall=tall) if self._whole is not None else []

    def make_head(self, width: int) -> list[Segment]:
        """Level, logger, time and place; in a rule, where it stands below the rows."""
        dim, rule, where = self.look.styles.dim, self.look.glyphs.rule, self.progress
        margin = 0 if self.beside else 3
        room = width - len(where) - margin - 1
        pieces = head(self._whole, self.look, room) if self._whole is not None else ()
        left = room - sum(cell_len(text) for text, _ in pieces)
        fill = f" {rule * left if margin else ' ' * left}"
        front = (f"{rule * 2} " if pieces else rule * 3) if margin else ""
        parts = (
            (front, dim),
            *pieces,
            (fill if pieces else fill.replace(" ", rule) if margin else fill, dim),
            (where, dim),
        )
        return [Segment(text, style) for text, style in parts if text]

    def make_empty(self) -> list[Segment]:
        """Where there is no entry."""
        return [Segment("  no entry here: put the cursor on a row", self.look.styles.dim)]

    # -- what others do -----------------------------------------------------------------------------------------

    def action_include(self) -> None:
        """Ask for entries with this value."""
        if (asked := self._asked()) is not None:
            self.post_message(self.Include(*asked))

    def action_exclude(self) -> None:
        """Ask for entries without this value."""
        if (asked := self._asked()) is not None:
            self.post_message(self.Exclude(*asked))

    def _asked(self) -> tuple[str, Any] | None:
        """The name and the value under the cursor, where a query can have them."""
        field = item.field if (item := self.item) is not None else None
        if field is None or field.value is ...:
            self._say("there is no value here to filter by")
        elif not field.filterable:
            self._say("the value is too long for a query")
        elif not (name := field.name):
            self._say("a query cannot name this key")
        else:
            return name, field.value
        return None

    def _say(self, sentence: str) -> None:
        self.post_message(self.Said(sentence))

    def action_column(self) -> None:
        """Ask for a column of this field."""
        field = item.field if (item := self.item) is not None else None
        if field is not None and (name := field.name):
            self.post_message(self.Column(name))
        else:
            self._say("this is no field that could be a column")

    def action_copy_field(self) -> None:
        """Copy what the cursor is on, as it is stored."""
        item = self.item
        if item is not None and item.raw is not None:
            self.post_message(self.Copied(text_of(item.raw), item.what))
        elif item is not None:
            self._say("there is nothing to copy here; Y copies the whole entry")

    def action_copy_json(self) -> None:
        """Copy the whole entry as JSON."""
        if self.entry is not None:
            from dblog.interchange import to_json  # noqa: PLC0415 - behind the first paint

            self.post_message(self.Copied(to_json(self.entry).decode(), "the entry as JSON"))

    def action_trace(self) -> None:
        """Ask for the whole trace."""
        if self.entry is not None and self.entry.trace_id:
            self.post_message(self.TraceAsked(self.entry.trace_id))
        elif self.entry is not None:
            self._say("this entry has no trace id")

    def action_context(self) -> None:
        """Ask for what was logged around it."""
        if self.entry is not None:
            self.post_message(self.ContextAsked(self.entry))

    def action_pattern(self) -> None:
        """Ask for entries of this template."""
        if self.entry is not None and self.entry.template:
            self.post_message(self.PatternAsked(self.entry.template))
        elif self.entry is not None:
            self._say("this entry has no template: it was logged without arguments")

    def action_neighbour(self, by: int) -> None:
        """Ask for the entry of the next row, or of the one before."""
        self.post_message(self.Neighbour(by))

    def action_full(self) -> None:
        """Ask for the whole screen."""
        self.post_message(self.Full())

    def action_leave(self) -> None:
        """Ask to go back to the rows."""
        self.post_message(self.Left())


def _is_field(key: Key) -> bool:
    """What people compare from one entry to the next; from any other place the next one begins at its top."""
    return key[:1] != ("message",) and (
        key[:1] not in [(name,) for name in _LASTING] or (key[0] == "attrs" and len(key) > 1)
    )


def _lasts(key: Key) -> bool:
    """A fold that means the same in another entry: sections, and places in attributes."""
    return len(key) == 1 or (key[0] == "attrs" and -1 not in key)
