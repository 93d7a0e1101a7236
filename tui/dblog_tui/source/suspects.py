"""The clauses of a view one by one: what may be left out of it, and which value or field may be a typing error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dblog.errors import QuerySyntaxError
from dblog_tui.highlight import Part, Piece, pieces, terms
from dblog_tui.spelled import spelled_value
from dblog_tui.view import LEVELS, View

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from dblog.query.tree import Node

__all__ = ["Clause", "clauses_of", "nearest", "without"]

_UNIQUE: Final = frozenset({
    "message", "template", "trace_id", "span_id", "parent_span_id", "id", "exc_text", "exc_message", "*",
})  # fmt: skip
"""Fields whose values nobody lists."""
_CONTAINED: Final = 3
"""Letters from which on a value that begins or ends so is near."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that has to hold."""

    text: str
    """As it was typed."""
    start: int = 0
    end: int = 0
    """Where in the view's query; nowhere for its least level."""
    field: str = ""
    """The field whose values are worth a look; empty for the others."""
    value: str = ""
    """The text it is compared with; empty where that is no text."""
    named: Piece | None = None
    written: Piece | None = None
    """Where in the view's query field and value stand."""

    def spelled(self, value: str) -> str:
        """The clause with another value."""
        piece = self.written
        assert piece is not None  # noqa: S101 - it has a value
        at = piece.start - self.start
        return f"{self.text[:at]}{spelled_value(value, piece.field)}{self.text[piece.end - self.start :]}"

    def renamed(self, name: str) -> str:
        """The clause with another field."""
        piece = self.named
        assert piece is not None  # noqa: S101 - it has a field
        return f"{self.text[: piece.start - self.start]}{name}{self.text[piece.end - self.start :]}"

    def with_value(self, view: View, value: str) -> View:
        """The view with another value in this clause."""
        return self._replaced(view, self.spelled(value))

    def with_field(self, view: View, name: str) -> View:
        """The view with another field in this clause."""
        return self._replaced(view, self.renamed(name))

    def _replaced(self, view: View, text: str) -> View:
        return replace(view, query=f"{view.query[: self.start]}{text}{view.query[self.end :]}", at=None)


def clauses_of(view: View, now: int, zone: dt.tzinfo | None) -> list[Clause]:
    """What has to hold, in order; the whole query as one where it cannot be taken apart.

    Raises:
        QuerySyntaxError: it cannot be read.
    """
    from dblog.query import parse  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog.query.fields import names  # noqa: PLC0415 - as above

    query, known = view.query, names()
    found: list[Clause] = []
    if query.strip():
        whole = parse(query, now=now / 1e6, timezone=zone).tree
        spans = terms(query, known)
        try:
            joined = parse(" ".join(query[slice(*span)] for span in spans), now=now / 1e6, timezone=zone).tree
            trees = [parse(query[slice(*span)], now=now / 1e6, timezone=zone).tree for span in spans]
        except QuerySyntaxError:
            joined, trees = None, []
        if joined != whole:
            spans, trees = [(0, len(query))], [whole]
        marked = pieces(query, known)
        found = [_clause(query, span, tree, marked) for span, tree in zip(spans, trees, strict=True)]
    if view.least:
        found.append(Clause(f"level>={LEVELS[view.least]}"))
    return found


def _clause(query: str, span: tuple[int, int], tree: Node, marked: list[Piece]) -> Clause:
    from dblog.query.fields import spelled  # noqa: PLC0415 - loaded by now
    from dblog.query.tree import All, And, Equal, Has, Like, Not, Or  # noqa: PLC0415 - as above

    start, end = span
    plain = Clause(query[start:end], start, end)
    inside = [piece for piece in marked if start <= piece.start and piece.end <= end]
    named = [piece for piece in inside if piece.part is Part.FIELD]
    written = [piece for piece in inside if piece.part in (Part.VALUE, Part.STRING) and piece.field]
    if isinstance(tree, (All, And, Or, Not, Has)) or len(named) != 1 or tree.field.name in _UNIQUE:
        return plain
    if tree.field.kind.value not in ("text", "key", "path"):
        return plain
    value = ""
    match tree:
        case Like(_, (str(text),)) | Equal(_, str(text), False) if len(written) == 1:
            value = text
        case _:
            pass
    return replace(plain, field=spelled(tree.field), value=value, named=named[0], written=written[0] if value else None)


def without(view: View, clause: Clause) -> View:
    """The view without one of its clauses."""
    if clause.start == clause.end:
        return replace(view, least=0, at=None)
    from dblog.query.fields import names  # noqa: PLC0415 - loaded by now

    rest = [view.query[slice(*span)] for span in terms(view.query, names()) if span != (clause.start, clause.end)]
    whole = (clause.start, clause.end) == (0, len(view.query))
    return replace(view, query="" if whole else " ".join(rest), at=None)


def nearest(wanted: str, known: Iterable[tuple[str, int]], most: int = 2) -> list[str]:
    """The known texts one may have meant, the nearest and most frequent first.

    Near is what differs in case, in a letter or two, what begins or ends with it, or has it as the last of its steps.
    """
    from dblog.query.fields import distance  # noqa: PLC0415 - loaded by now

    low = wanted.lower()
    allowed = 1 if len(low) < _SHORT else 2 if len(low) < _LONG else 3
    near: list[tuple[int, int, str]] = []
    for text, count in known:
        other = text.lower()
        if text == wanted or not low:
            continue
        far = distance(low, other) if abs(len(other) - len(low)) <= allowed else allowed + 1
        if far > allowed and len(low) >= _CONTAINED and (other.startswith(low) or other.endswith(low)):
            far = allowed
        if far <= allowed and far < len(low):
            near.append((far, -count, text))
    return [text for _, _, text in sorted(near)[:most]]


_SHORT, _LONG = 6, 10
