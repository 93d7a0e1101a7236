"""Which queries ``log_rollup`` can answer: those on time, severity and service."""

from __future__ import annotations

from typing import NamedTuple

from dblog.query.tree import All, And, Equal, Kind, Like, Node, Not, Or, Range, Search

__all__ = ["Asked", "asked", "later"]

_COUNTED: frozenset[str] = frozenset({"level", "severity", "service"})


class Asked(NamedTuple):
    """A query that the rollup can answer."""

    rest: Node
    """On severity and service."""
    since: int | None = None
    """µs, included, as ``until``."""
    until: int | None = None

    def between(self, since: int | None, until: int | None) -> Asked:
        """Within these bounds, too."""
        return Asked(self.rest, later(self.since, since), earlier(self.until, until))


def asked(tree: Node | None) -> Asked | None:
    """The query as the rollup can answer it; None where it cannot."""
    if tree is None:
        return None
    found, rest = Asked(All()), []
    for part in tree.parts if isinstance(tree, And) else (tree,):
        if (bounds := _bounds(part)) is not None:
            found = found.between(*bounds)
        elif _is_counted_by(part):
            rest.append(part)
        else:
            return None
    return found._replace(rest=And(tuple(rest)) if len(rest) > 1 else rest[0] if rest else All())


def _bounds(node: Node) -> tuple[int | None, int | None] | None:
    """The µs, both included, that a condition on ``timestamp`` lets through."""
    match node:
        case Equal(field, int(value), False) if field.name == "timestamp":
            return value, value
        case Range(field, low, high, low_open, high_open) if field.name == "timestamp":
            first = None if low is None else int(low) + low_open
            return first, None if high is None else int(high) - high_open
        case _:
            return None


def _is_counted_by(node: Node) -> bool:
    """Whether severity and service are all that a node asks of an entry."""
    match node:
        case All():
            return True
        case And(parts) | Or(parts):
            return all(map(_is_counted_by, parts))
        case Not(part):
            return _is_counted_by(part)
        case Like(field) | Search(field) if field.kind is Kind.LEVEL:
            return False  # they look at the name
        case _:
            return node.field.name in _COUNTED


def later(one: int | None, other: int | None) -> int | None:
    """The later of two times; None is none."""
    return max((each for each in (one, other) if each is not None), default=None)


def earlier(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
