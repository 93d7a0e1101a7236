"""What a query costs, read newest first: whether an index answers it, and else which clause is in the way.

``(timestamp, id)``, ``trace_id`` and ``severity >= 13`` have indexes. Everything else is a look at each entry of the
range, from the newest on: quick where hits are many, long where they are rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query.tree import Node

    Rows = Callable[[int | None, int | None], int]

__all__ = ["NARROW", "Cost", "cost", "indexed", "reason", "span"]

NARROW: Final = 200_000
"""Entries that are looked at one by one in the blink of an eye."""
_WARNING: Final = 13
_PACES: Final = {"column": 2_500_000, "metadata": 800_000, "regex": 600_000}
"""Entries looked at in a second, by what is compared; of the order of what was measured on both databases."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What is known about it beforehand."""

    indexed: bool
    """The first page is there at once."""
    clause: str
    """Which clause no index answers, in canonical text; empty where one does."""
    rows: int | None
    """About how many entries have to be looked at; None where nobody has counted."""
    seconds: float | None
    """About how long that takes if nothing is found."""


def cost(tree: Node, rows: Rows | None = None) -> Cost:
    """What the newest page of a query costs.

    Args:
        tree: of the query, its range and its least level, as ``View.asked`` makes it.
        rows: how many entries lie between two times (``Extent.rows_between``); without it no range counts as narrow.
    """
    from dblog.query.canonical import canonical  # noqa: PLC0415 - behind the first paint

    slow = _slow(tree)
    if slow is None:
        return Cost(indexed=True, clause="", rows=None, seconds=None)
    seen = rows(*span(tree)) if rows else None
    seconds = None if seen is None else seen / _pace(tree)
    if seen is not None and seen <= NARROW:
        return Cost(indexed=True, clause="", rows=seen, seconds=seconds)
    return Cost(indexed=False, clause=canonical(slow), rows=seen, seconds=seconds)


def indexed(tree: Node, rows: Rows | None = None) -> bool:
    """Whether the newest page of a query is there at once."""
    return cost(tree, rows).indexed


def reason(tree: Node, rows: Rows | None = None) -> str | None:
    """Why it is not, in one line: ``no index for message~x: about 9.9M rows, 4 s``; None where it is."""
    found = cost(tree, rows)
    if found.indexed:
        return None
    known = found.rows is not None and found.seconds is not None
    looked = f": ~{_short(found.rows or 0)} rows, up to {_said(found.seconds or 0)}" if known else ""
    return f"no index for {found.clause}{looked}"


def span(tree: Node) -> tuple[int | None, int | None]:
    """The range of time outside of which nothing matches: since and until in µs, both included; None is no bound."""
    from dblog.query.tree import And, Equal, Or, Range  # noqa: PLC0415 - as above

    match tree:
        case Range(field) if field.name == "timestamp":
            low = None if not isinstance(tree.low, int) else tree.low + tree.low_open
            high = None if not isinstance(tree.high, int) else tree.high - tree.high_open
            return low, high
        case Equal(field, int(value), False) if field.name == "timestamp":
            return value, value
        case And(parts):
            lows, highs = zip(*map(span, parts), strict=True)
            return (
                max((low for low in lows if low is not None), default=None),
                min((high for high in highs if high is not None), default=None),
            )
        case Or(parts):
            lows, highs = zip(*map(span, parts), strict=True)
            return None if None in lows else min(lows), None if None in highs else max(highs)
        case _:
            return None, None


def _slow(tree: Node) -> Node | None:
    """The first clause no index answers; None where an index answers the whole."""
    from dblog.query.tree import And, Or  # noqa: PLC0415 - as above

    if isinstance(tree, And):
        slow = [part for part in tree.parts if _slow(part) is not None]
        # The rest of the clauses is compared for the few entries a selective index gives.
        return slow[0] if slow and not any(map(_selective, tree.parts)) else None
    if isinstance(tree, Or):
        if all(map(_selective, tree.parts)):
            return None
        # Several levels, or ranges, are answered from one end as well as one is.
        slow = [part for part in tree.parts if _selective(part) or _slow(part) is not None]
        return slow[0] if slow else None
    return None if _selective(tree) or _ordered(tree) else tree


def _selective(tree: Node) -> bool:
    """An index finds the entries themselves, and they are few."""
    from dblog.query.tree import And, Equal, Like, Or, Wild  # noqa: PLC0415 - as above

    match tree:
        case Like(field, pattern):
            return field.name == "trace_id" and not any(isinstance(piece, Wild) for piece in pattern)
        case Equal(field, _, negated):
            return field.name == "trace_id" and not negated
        case And(parts):
            return any(map(_selective, parts))
        case Or(parts):
            return all(map(_selective, parts))
        case _:
            return False


def _ordered(tree: Node) -> bool:
    """An index has just these entries, newest first."""
    from dblog.query.tree import All, Equal, Field, Has, Range  # noqa: PLC0415 - as above

    def warned(field: Field, low: object) -> bool:
        return field.name in ("level", "severity") and isinstance(low, (int, float)) and low >= _WARNING

    match tree:
        case All():
            return True
        case Has(field):
            return field.name in ("timestamp", "id", "level", "severity", "message", "logger")
        case Range(field, low):
            return field.name == "timestamp" or warned(field, low)
        case Equal(field, value, False):
            return field.name == "timestamp" or warned(field, value)
        case _:
            return False


def _pace(tree: Node) -> int:
    from dblog.query.tree import And, Kind, Not, Or, has_regex  # noqa: PLC0415 - as above

    def deep(node: Node) -> bool:
        match node:
            case And(parts) | Or(parts):
                return any(map(deep, parts))
            case Not(part):
                return deep(part)
            case _:
                field = getattr(node, "field", None)
                return field is not None and field.kind in (Kind.PATH, Kind.ANY, Kind.METADATA)

    return _PACES["regex" if has_regex(tree) else "metadata" if deep(tree) else "column"]


def _short(rows: int) -> str:
    for least, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if rows >= least:
            return f"{rows / least:.1f}".removesuffix(".0") + unit
    return str(rows)


def _said(seconds: float) -> str:
    if seconds < 1:
        return "1 s"
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


_MINUTE: Final = 90
