"""What every entry a query finds must have in its text: what an index that is not exact can look up beforehand.

``message:*timeout*`` finds nothing without ``timeout`` in ``message``. Such a condition is added to the query, never
put in its place: an index by trigrams, or of a folded text, may find more than the query does, and never less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from dblog.query import tree as t
from dblog.query.tree import Kind, Wild
from dblog.query.values import variants

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

__all__ = ["Begins", "Every", "Formula", "Holds", "Some", "folded", "needles"]

_LEAST: Final = 3
"""Characters of a piece that an index by trigrams can look up."""
_MOST: Final = 32
"""Leaves of a formula; a larger one would cost more than it saves."""


@dataclass(frozen=True, slots=True)
class Holds:
    """The column's text has all of these pieces in it, A-Z and a-z being the same."""

    column: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begins:
    """The column's text begins with this one, or is it, once A-Z are a-z; it is so already."""

    column: str
    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the parts holds."""

    parts: tuple[Formula, ...]


Formula: TypeAlias = Holds | Begins | Every | Some


def needles(tree: t.Node, columns: AbstractSet[str]) -> Formula | None:
    """What every entry has that the query finds; None where nothing can be said.

    Args:
        tree: the query.
        columns: those that are indexed: of ``message``, ``metadata`` and ``logger``.
    """
    found = _needles(tree, columns)
    return None if found is None or _leaves(found) > _MOST else found


def folded(text: str) -> str:
    """A to Z as a to z, as every database folds them."""
    return "".join(char.lower() if char.isascii() else char for char in text)


def _leaves(formula: Formula) -> int:
    return sum(map(_leaves, formula.parts)) if isinstance(formula, Every | Some) else 1


def _needles(tree: t.Node, columns: AbstractSet[str]) -> Formula | None:
    match tree:
        case t.And(parts):
            known = [each for each in (_needles(part, columns) for part in parts) if each is not None]
            return _joined(Every, known)
        case t.Or(parts):
            found = [_needles(part, columns) for part in parts]
            return _some(found)
        case t.Like(field, pattern):
            return _some(_of_pattern(field, variant, columns) for variant in variants(pattern))
        case t.Equal(field, str(value), False):
            return _of_pattern(field, (value,) if value else (), columns)
        case _:
            return None


def _some(found: Iterable[Formula | None]) -> Formula | None:
    parts = list(found)
    known = [each for each in parts if each is not None]
    return _joined(Some, known) if len(known) == len(parts) else None


def _joined(kind: type[Every | Some], parts: list[Formula]) -> Formula | None:
    return kind(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def _of_pattern(field: t.Field, pattern: t.Pattern, columns: AbstractSet[str]) -> Formula | None:
    """For a text form that fits a pattern, A-Z and a-z being the same."""
    if field.name not in columns or field.kind not in {Kind.TEXT, Kind.PATH}:
        return None
    pieces = [piece for piece in pattern if not isinstance(piece, Wild)]
    if field.name == "logger":
        first = pattern[0] if pattern else ""
        return None if isinstance(first, Wild) else Begins("logger", folded(first), whole=len(pattern) <= 1)
    if field.kind is Kind.PATH:
        pieces = [_in_json(piece) for piece in pieces]
    long = tuple(piece for piece in pieces if len(piece) >= _LEAST)
    return Holds(field.name, long) if long else None


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FIRST_PLAIN: Final = " "


def _in_json(text: str) -> str:
    """As it stands in a JSON string, where other characters are left as they are."""
    return "".join(_ESCAPES.get(char) or (char if char >= _FIRST_PLAIN else f"\\u{ord(char):04x}") for char in text)
