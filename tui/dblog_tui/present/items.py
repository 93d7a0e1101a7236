"""``Item``: what the cursor of a pane stands on, a field or a frame or a heading, in one line or many; pure values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson
from rich.cells import cell_len
from rich.segment import Segment

from dblog.visible import visible
from dblog_tui.present.flow import Stretch, break_lines, segments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dblog_tui.present.flow import Piece
    from dblog_tui.present.look import Look

__all__ = ["Field", "Folds", "Item", "Key", "Laid", "beginning", "draw", "lay", "shown", "text_of"]

Key: TypeAlias = "tuple[str | int, ...]"
"""What an item is, in any entry: ``("attrs", "cart", "total")``."""
Folds: TypeAlias = "Mapping[Key, bool]"
"""What somebody has unfolded (True) or folded; the rest is as it is at first."""

_PREFIX: Final = 2
"""Cells before an item's text: the cursor, and the mark of what can be unfolded."""
_LONGEST: Final = 1000
"""Characters of a value that can be asked for in a query."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value of an entry as queries name it: a column, or a path into ``metadata``."""

    column: str = ""
    path: Key = ()
    value: Any = ...
    """As JSON knows it; ``...`` where nobody would ask for this very value."""

    @property
    def filterable(self) -> bool:
        """A query can ask for it: the value is short; of an object, a list or null, whether there is one."""
        return self.value is not ... and not (isinstance(self.value, str) and len(self.value) > _LONGEST)

    @property
    def name(self) -> str:
        """As a query spells it; empty where none can: a key with a backquote, or one that lies too deep."""
        if self.column:
            return self.column
        # Loads the grammar, and is asked for at a key only.
        from dblog.query.fields import is_name, path, spelled  # noqa: PLC0415 - as said
        from dblog.query.tree import MOST_STEPS  # noqa: PLC0415 - as said

        name = spelled(path(*self.path))
        return name if is_name(name) and len(self.path) < MOST_STEPS else ""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a pane."""

    key: Key
    pieces: tuple[Piece, ...]
    """Visible text, without tabs; may have line feeds."""
    indent: int = 0
    hard: int = 0
    """Cells lines behind a line feed are further indented."""
    soft: int = 0
    """Cells lines that go on with one too long are further indented."""
    label: int = 0
    """Characters at the beginning that show the cursor; 0 is the whole first line."""
    unfolded: bool | None = None
    """None: there is nothing to fold."""
    folds: Key = ()
    """What unfolding unfolds; the item's own key where empty."""
    right: tuple[Piece, ...] = ()
    """At the right end of the first line, where there is room."""
    field: Field | None = None
    raw: Any = None
    """What is copied: text as it is stored, or a value that JSON knows."""
    what: str = ""
    """What a sentence calls it."""
    keys: str = ""
    """Keys that do something with it, for the hint beside it."""

    @property
    def fold_key(self) -> Key:
        """What unfolding unfolds."""
        return self.folds or self.key


@dataclass(frozen=True, slots=True)
class Laid:
    """An item at a width."""

    item: Item
    stretches: list[Stretch] = field(repr=False)
    below: bool = False
    """What should stand at the right end has no room there, and a line of its own at the end."""

    @property
    def height(self) -> int:
        """Lines."""
        return len(self.stretches) + self.below


def lay(item: Item, width: int) -> Laid:
    """Break an item's text into lines."""
    text = "".join([piece[0] for piece in item.pieces])
    room = width - _PREFIX - item.indent
    if "\n" not in text and text.isascii() and len(text) <= room:
        stretches = [Stretch(0, len(text), soft=False)]
    else:
        stretches = break_lines(text, room, room - item.hard, room - item.soft)
    if not item.right:
        return Laid(item, stretches)
    needed = cell_len(text[: stretches[0].end]) + sum(cell_len(part) for part, _ in item.right)
    return Laid(item, stretches, needed + 4 > room)


def draw(laid: Laid, index: int, width: int, look: Look, *, cursor: bool) -> list[Segment]:
    """One line of it, at most ``width`` cells."""
    item, styles = laid.item, look.styles
    if index == len(laid.stretches):
        margin = Segment(" " * (_PREFIX + item.indent + max(item.soft, 2)), styles.text)
        return [margin, *(Segment(*piece) for piece in item.right)]
    stretch = laid.stretches[index]
    body = segments(item.pieces, stretch.start, stretch.end)
    if index:
        further = item.soft if stretch.soft else item.hard
        return [Segment(" " * (_PREFIX + item.indent + further), styles.text), *body]
    mark = " " if item.unfolded is None else look.glyphs.unfolded if item.unfolded else look.glyphs.folded
    front = f"{look.glyphs.cursor if cursor else ' '}{' ' * item.indent}"
    if cursor:
        body = _pointed(body, item.label, look)
    right = _right(item if not laid.below else replace(item, right=()), look, cursor=cursor)
    used = len(front) + 1 + sum(cell_len(segment.text) for segment in body)
    needed = sum(cell_len(text) for text, _ in right)
    if right and used + needed < width:
        right = (Segment(" " * (width - used - needed), styles.text), *(Segment(*piece) for piece in right))
        body = [*body, *right]
    return [Segment(front, styles.accent), Segment(mark, styles.accent), *body]


def _right(item: Item, look: Look, *, cursor: bool) -> tuple[Any, ...]:
    keys = item.keys
    if cursor:
        can = [*("+-x" if item.field and item.field.filterable else "x" if item.field else "")]
        can += ["o"] if item.unfolded is not None else []
        keys = " ".join([*can, *(key for key in keys.split() if key not in can)])
    words = f"{'' if not item.right else '  '}{keys} " if keys else " " if item.right else ""
    return (*item.right, (words, look.styles.dim)) if words else item.right


def _pointed(body: list[Segment], label: int, look: Look) -> list[Segment]:
    """The label, or the whole line, as the cursor shows it."""
    chosen = look.styles.selected
    left = label or sum(len(segment.text) for segment in body)
    found: list[Segment] = []
    for segment in body:
        text, style = segment.text, segment.style or look.styles.text
        if left > 0:
            found.append(Segment(text[:left], style + chosen))
        if len(text) > left:
            found.append(Segment(text[max(left, 0) :], style))
        left -= len(text)
    return found


# -- text of a database ------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """Text of many lines as it may be shown: line feeds stay, tabs become blanks."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    if "\t" in text:
        text = text.expandtabs(4)
    if "\n" not in text:
        return visible(text)
    return "\n".join([line if line.isprintable() else visible(line) for line in text.split("\n")])


def beginning(text: str, lines: int, *, whole: bool) -> tuple[str, int]:
    """What is shown of a long text, and how many characters are not; little is never left out."""
    if whole:
        return shown(text), 0
    most = lines * 80
    end = min(len(text), most)
    at = -1
    for _ in range(lines):
        at = text.find("\n", at + 1, end)
        if at < 0:
            break
    else:
        end = at
    if len(text) - end <= most // 4 and text.count("\n", end) <= 1 + lines // 4:
        end = len(text)
    return shown(text[:end]), len(text) - end


def text_of(value: Any) -> str:
    """A value as JSON writes it; text as it is."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, ValueError):  # orjson reads what lies deeper than it writes
        import json  # noqa: PLC0415 - hardly ever

        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            return "..."
