"""What a query that can be read is unlikely to mean, seen from the rows that are loaded: a sentence, no mistake.

It is asked all the same: the rows are some of those there are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

__all__ = ["doubt"]

_FEW: Final = 20
"""Rows from which on something can be said of all of them."""
_LEAST: Final = -1e300
"""Every number is more."""
_MOST: Final = 40
"""Characters of a value that are shown."""
_NUMBER: Final = re.compile(r"[\s\d.,+eE-]*")


def doubt(tree: Node, entries: Sequence[LogEntry]) -> str:
    """The first doubt there is; empty where there is none.

    Args:
        tree: of the query.
        entries: the rows that are loaded.
    """
    if len(entries) < _FEW:
        return ""
    return next(filter(None, (_doubt_of(node, entries) for node in _leaves(tree))), "")


def _leaves(node: Node) -> Iterator[Node]:
    from dblog.query.tree import And, Not, Or  # noqa: PLC0415 - loads the grammar, which is behind the first paint

    if isinstance(node, And | Or):
        for part in node.parts:
            yield from _leaves(part)
    elif isinstance(node, Not):
        yield from _leaves(node.part)
    else:
        yield node


def _doubt_of(node: Node, entries: Sequence[LogEntry]) -> str:
    from dblog.query import Query  # noqa: PLC0415 - as above
    from dblog.query.fields import spelled  # noqa: PLC0415 - as above
    from dblog.query.tree import Equal, Has, Kind, Like, Range  # noqa: PLC0415 - as above

    if not isinstance(node, Equal | Like | Range) or node.field.kind not in (Kind.PATH, Kind.TEXT, Kind.KEY):
        return ""
    field, name = node.field, visible(spelled(node.field))
    having = [entry for entry in entries if Query("", Has(field)).predicate()(entry)]
    if not having:
        own = field.kind is Kind.PATH
        return f"none of the {len(entries):,} newest rows here has {name}" if own else ""
    is_number = Query("", Range(field, low=_LEAST)).predicate()
    numbers = sum(map(is_number, having))
    rows = f"{len(having):,} rows here that have it"
    if numbers == len(having) and field.kind is Kind.PATH and (text := _text_in(node)):
        return f"{name} is a number in all {rows}; {visible(text[:_MOST])} is none"
    if not numbers and isinstance(node, Range) and not isinstance(node.low or node.high, str):
        return f"{name} is a number in none of the {rows}"
    return ""


def _text_in(node: Node) -> str:
    """The text a value is compared with, as a whole; empty where there is none, or where it may be a number."""
    from dblog.query.tree import Equal, Like, Range  # noqa: PLC0415 - as above

    value: object
    if isinstance(node, Equal):
        value = node.value
    elif isinstance(node, Range):
        value = node.low if node.low is not None else node.high
    elif isinstance(node, Like) and len(node.pattern) == 1:
        value = node.pattern[0]
    else:
        return ""
    return value if isinstance(value, str) and not _NUMBER.fullmatch(value) else ""
