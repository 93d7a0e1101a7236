"""Queries with a mark for every value, and whether one is left in the text of their SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from dblog.query import regex
from dblog.query import tree as t
from dblog.query.fields import path
from tests.querystores import COMPILERS, select

if TYPE_CHECKING:
    from dblog.query.tree import Field, Node

_CANARY = "cAnArY'\"%s:x;--"
_NUMBER = 8642013579
_IDENTITY = UUID(int=_NUMBER)


def assert_bound(tree: Node) -> None:
    """No value of the tree, no key and no regex, is in the text of its SQL, whichever compiler makes it."""
    for name, compiler in COMPILERS.items():
        text = str(select(_marked(tree), compiler.name).compile(dialect=compiler))
        for trace in ("canary", str(_NUMBER), _IDENTITY.hex, f"{_NUMBER:x}"):
            assert trace not in text.lower(), (name, text)


def _marked(node: Node) -> Node:  # noqa: PLR0911 - one per kind
    """The same tree, with a canary for every value, every key and every regex."""
    match node:
        case t.All():
            return node
        case t.And(parts):
            return t.And(tuple(map(_marked, parts)))
        case t.Or(parts):
            return t.Or(tuple(map(_marked, parts)))
        case t.Not(part):
            return t.Not(_marked(part))
        case t.Has(field):
            return t.Has(_marked_field(field))
        case t.Equal(field, value, negated):
            return t.Equal(_marked_field(field), _marked_value(value), negated)
        case t.Range(field, low, high, low_open, high_open):
            low, high = (None if bound is None else _marked_value(bound) for bound in (low, high))
            return t.Range(_marked_field(field), low, high, low_open, high_open)
        case t.Like(field, pattern):
            pieces = tuple(piece + _CANARY if isinstance(piece, str) else piece for piece in pattern)
            return t.Like(_marked_field(field), pieces)
        case t.Search(field, _):
            return t.Search(_marked_field(field), regex.parse("canary" + _CANARY.replace("'", "")))


def _marked_field(field: Field) -> Field:
    steps = (step + "canary'%s:x" if isinstance(step, str) else _NUMBER for step in field.path)
    return path(*steps) if field.path else field


def _marked_value(value: t.Value) -> t.Value:
    if isinstance(value, str):
        return value + _CANARY
    if isinstance(value, bool):
        return value
    return _IDENTITY if isinstance(value, UUID) else _NUMBER
