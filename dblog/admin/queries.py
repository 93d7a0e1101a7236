"""What a query says before it is run, as ``erase`` has to know: that everything matches, or that something may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dblog.admin.deleting import AUDIT_LOGGER
from dblog.query.fields import COLUMNS
from dblog.query.tree import All, And, Equal, Field, Has, Kind, Like, Node, Not, Or, Range, Wild
from dblog.schema import COLUMNS as STORED

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dblog.query import Query

__all__ = ["fields_of", "matches_everything", "spare_audit", "supposing"]

_REQUIRED: Final = frozenset(column.name for column in STORED if column.required)
_LEAST: Final = {"level": 1, "severity": 1, "timestamp": 0}
_MOST: Final = {"level": 24, "severity": 24}


def fields_of(tree: Node) -> list[str]:
    """The fields a query names, sorted; paths with ``metadata.`` before them."""
    found: set[str] = set()
    waiting: list[Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, And | Or):
            waiting += node.parts
        elif isinstance(node, Not):
            waiting.append(node.part)
        elif not isinstance(node, All):
            found.add(_shown(node.field))
    return sorted(found)


def _shown(field: Field) -> str:
    return ".".join(["metadata", *map(str, field.path)]) if field.kind is Kind.PATH else field.name


def matches_everything(node: Node) -> bool:  # noqa: PLR0911 - one per kind
    """Whether the query is true of every row whatever is in it, as ``*`` and ``has(message)`` are."""
    match node:
        case All():
            return True
        case And(parts):
            return all(map(matches_everything, parts))
        case Or(parts):
            return any(map(matches_everything, parts)) or _contrary(parts)
        case Not(part):
            return _matches_nothing(part)
        case Has(field):
            return field.name in _REQUIRED
        case Like(field, pattern):
            return pattern == (Wild.ANY,) and (field.name in _REQUIRED or field.kind is Kind.ANY)
        case Range():
            return _unbounded(node)
        case _:
            return False


def _matches_nothing(node: Node) -> bool:
    match node:
        case And(parts):
            return any(map(_matches_nothing, parts)) or _contrary(parts)
        case Or(parts):
            return all(map(_matches_nothing, parts))
        case Not(part):
            return matches_everything(part)
        case _:
            return False


def _contrary(parts: tuple[Node, ...]) -> bool:
    """One of the parts is the negation of another."""
    return any(isinstance(part, Not) and part.part in parts for part in parts)


def _unbounded(node: Range) -> bool:
    """The range holds whatever a column that is never NULL can hold."""
    name, low, high = node.field.name, node.low, node.high
    if name not in _LEAST or isinstance(low, str) or isinstance(high, str):
        return False
    below = low is None or (isinstance(low, int | float) and low <= _LEAST[name] - node.low_open)
    above = high is None or (isinstance(high, int | float) and name in _MOST and high >= _MOST[name] + node.high_open)
    return below and above


def spare_audit(query: Query) -> Query:
    """The query without the rows of ``dblog.audit``, unless it names that logger."""
    if _names_audit(query.tree):
        return query
    parts = query.tree.parts if isinstance(query.tree, And) else (query.tree,)
    return replace(query, tree=And((*parts, Not(Equal(COLUMNS["logger"], AUDIT_LOGGER)))))


def _names_audit(node: Node) -> bool:
    match node:
        case And(parts) | Or(parts):
            return any(map(_names_audit, parts))
        case Equal(field, value, negated):
            return field.name == "logger" and value == AUDIT_LOGGER and not negated
        case Like(field, (str(text),)):
            return field.name == "logger" and text.lower() == AUDIT_LOGGER
        case _:
            return False


def supposing(node: Node, unknown: AbstractSet[str], *, most: bool) -> Node:  # noqa: PLR0911 - one per kind
    """The query of entries of which some columns are not known.

    Args:
        node: the query.
        unknown: names of columns.
        most: whatever can be true of them is; else whatever can be false is.
    """
    match node:
        case And(parts):
            return And(tuple(supposing(part, unknown, most=most) for part in parts))
        case Or(parts):
            return Or(tuple(supposing(part, unknown, most=most) for part in parts))
        case Not(part):
            return Not(supposing(part, unknown, most=not most))
        case All():
            return node
        case _ if node.field.name in unknown:
            return All() if most else Not(All())
        case _ if node.field.kind is Kind.ANY and unknown and most:
            return All()
        case _:
            return node
