"""Which stretch of time figures are of: the view's own, or, of a large table's all, as much as is quickly counted.

Histogram, fields, patterns and comparison ask here, so that they speak of the same entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dblog.cli.charts import compact
from dblog_tui.view import duration_text

if TYPE_CHECKING:
    from dblog.query import Query
    from dblog.query.tree import Node
    from dblog_tui.source.source import Extent, Source
    from dblog_tui.view import View

__all__ = ["Reach", "narrowed", "reach", "within"]

_S: Final = 1_000_000
_ROWS: Final = 1_000_000
"""Rows a database should have to look at for a figure nobody asked for by name."""
_CALM: Final = 60 * _S
"""Where the newest entry is not older than this, a range ends now, and not with the entry."""
_AHEAD: Final = 5 * _S
"""How far another machine's clock may be ahead of this one's."""
_NICE: Final = tuple(
    count * unit
    for unit, counts in (
        (1, (1, 2, 5, 10, 15, 30)), (60, (1, 2, 5, 10, 15, 30)), (3600, (1, 2, 3, 6, 12)),
        (86_400, (1, 2, 3, 5, 7, 14, 28, 56, 91, 182, 364)),
    )
    for count in counts
)  # fmt: skip
"""Seconds of a range that was chosen."""
_INDEXED_FROM: Final = 13
"""Severity from which on the table has an index."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A query and the range it is asked for."""

    query: Query
    """Without the range."""
    since: int
    """µs; included."""
    until: int
    """µs; excluded."""
    label: str
    """``15m``, ``all``, ``newest 2h of ≈9.9M rows``."""
    whole: bool
    """It is all of what the view shows."""
    sliding: bool
    open_ended: bool
    extent: Extent


async def reach(source: Source, view: View, now: int, *, exact: bool = False) -> Reach:
    """The range of a view that is shown ``now`` (µs).

    Args:
        source: where.
        view: of what.
        now: µs.
        exact: the whole of it, however large.

    Raises:
        QuerySyntaxError: the view's text cannot be read.
    """
    query = view.asked(now, source.zone, timeless=True)
    extent = await source.extent()
    low, high = _bounds(query.tree)
    since, until = view.span.bounds(now)
    since = low if since is None else max(since, low or since)
    until = high if until is None else min(until, high or until)
    bounded = since is not None
    newest = now if extent.newest is None else extent.newest
    if until is not None:
        end = until
    elif view.span.last is not None:
        end = max(now, newest if newest - now < _AHEAD else now) + 1
    else:
        end = max(newest, now if bounded or now - newest < _CALM else newest) + 1
    begin = since if since is not None else (end - 1 if extent.oldest is None else extent.oldest)
    begin = min(begin, end - 1)
    label = duration_text(view.span.last) if view.span.last else "" if bounded else "all"
    found = Reach(
        query, begin, end, label, whole=True, sliding=view.span.last is not None and since is not None,
        open_ended=until is None, extent=extent,
    )  # fmt: skip
    if exact or bounded or _is_indexed(query.tree) or extent.rows_between(begin, end) <= _ROWS:
        return found
    return _shorter(found)


def _shorter(found: Reach) -> Reach:
    """The newest part that has about as many rows as are quickly counted."""
    extent, end = found.extent, found.until
    fitting = [
        seconds
        for seconds in _NICE
        if end - seconds * _S > found.since and extent.rows_between(end - seconds * _S, end) <= _ROWS
    ]
    seconds = fitting[-1] if fitting else _NICE[0]
    label = f"newest {duration_text(seconds)} of ≈{compact(extent.rows.value)} rows"
    return replace(found, since=end - seconds * _S, label=label, whole=False, sliding=found.open_ended)


def within(found: Reach) -> Query:
    """The query and the range as one."""
    return narrowed(found.query, since=found.since, until=found.until)


def narrowed(query: Query, *parts: Node, since: int | None = None, until: int | None = None) -> Query:
    """A query with further conditions; ``until`` (µs) is excluded."""
    from dblog.query import Query  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog.query.fields import COLUMNS  # noqa: PLC0415 - as above
    from dblog.query.tree import All, Range, both  # noqa: PLC0415 - as above

    wanted = [query.tree, *parts]
    if since is not None or until is not None:
        wanted.append(Range(COLUMNS["timestamp"], low=since, high=until, high_open=until is not None))
    wanted = [part for part in wanted if not isinstance(part, All)]
    return Query(query.text, both(wanted) if wanted else All())


def _parts(tree: Node) -> tuple[Node, ...]:
    from dblog.query.tree import And  # noqa: PLC0415 - behind the first paint

    return tree.parts if isinstance(tree, And) else (tree,)


def _bounds(tree: Node) -> tuple[int | None, int | None]:
    """The times a query's own text allows: since (included) and until (excluded)."""
    from dblog.query.tree import Range  # noqa: PLC0415 - behind the first paint

    low: int | None = None
    high: int | None = None
    for part in _parts(tree):
        if not isinstance(part, Range) or part.field.name != "timestamp":
            continue
        if isinstance(part.low, int):
            begin = part.low + part.low_open
            low = begin if low is None else max(low, begin)
        if isinstance(part.high, int):
            end = part.high + (not part.high_open)
            high = end if high is None else min(high, end)
    return low, high


def _is_indexed(tree: Node) -> bool:
    """An index answers it, so that the range may be as long as it likes."""
    from dblog.query.tree import Equal, Range  # noqa: PLC0415 - behind the first paint

    return any(
        (isinstance(part, Range) and part.field.name in ("level", "severity") and _at_least(part.low))
        or (isinstance(part, Equal) and part.field.name == "trace_id" and not part.negated)
        for part in _parts(tree)
    )


def _at_least(low: object) -> bool:
    return isinstance(low, (int, float)) and low >= _INDEXED_FROM
