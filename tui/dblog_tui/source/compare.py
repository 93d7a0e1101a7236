"""What differs: how often the values of each field are in some entries, and how often in the others.

The two sides are a range of time and the rest of the view's, or what a filter lets through and what it does not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dblog.errors import ConfigurationError, QuerySyntaxError, QueryTimeout
from dblog_tui.present.compare import Comparison, Difference
from dblog_tui.source.fields import COLUMNS, numbers_of, paths_in
from dblog_tui.source.reach import narrowed, reach, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.query.tree import Node
    from dblog.reading.values import Facets
    from dblog_tui.source.reach import Reach
    from dblog_tui.source.source import Source
    from dblog_tui.view import View

__all__ = ["compare", "differences"]

_FIELDS: Final = (*COLUMNS, "template", "user_id", "function")
_PATHS: Final = 12
_VALUES: Final = 100
"""Of a field, on each side."""
_SURE: Final = 3.0
"""Standard errors a difference has to be to be more than chance: many are looked at."""
_IDENTIFIERS: Final = 3
"""Values of an identifier that are worth a line: the others say the same."""
_NOTICED: Final = 0.002
"""The least difference of two shares that is worth a line."""


async def compare(
    source: Source,
    view: View,
    now: int,
    entries: Sequence[LogEntry],
    *,
    selection: tuple[int, int] | None = None,
    exact: bool = False,
) -> AsyncIterator[Comparison]:
    """What is found so far, after each field, in the order of ``Difference.rank``.

    Args:
        source: where.
        view: of what.
        now: µs.
        entries: rows that are at hand: their metadata says which keys there are.
        selection: a range (µs; until excluded), which is compared with the rest of the view's; where None, what the
            view's filter lets through is compared with what it does not.
        exact: look at every entry, and not the newest 50,000 of each side.

    Raises:
        ConfigurationError: there are no two sides.
        QuerySyntaxError: the view's text cannot be read.
        StoreUnavailable: the database is away.
    """
    found = await reach(source, view, now)
    inside, outside, filtered = _sides(found, selection)
    numbers = numbers_of(entries)
    names = [name for name in (*_FIELDS, *paths_in(entries, _PATHS)) if name not in numbers and name not in filtered]
    so_far = Comparison(by_filter=selection is None, selection=selection or (found.since, found.until))
    rows: list[Difference] = []
    for name in dict.fromkeys(names):
        try:
            facets = await asyncio.gather(*(_facets(source, query, name, exact=exact) for query in (inside, *outside)))
        except (QueryTimeout, ConfigurationError, QuerySyntaxError):
            continue  # a field that cannot be counted differs in nothing that could be said
        here, there = facets[0], facets[1:]
        rows += differences(name, here, there, _VALUES)
        rows.sort(key=lambda row: (*row.rank, row.field, row.value or ""))
        so_far = Comparison(
            tuple(rows), here.seen, sum(each.seen for each in there), any(each.sampled for each in facets),
            so_far.by_filter, so_far.selection, found.label, tuple(sorted(filtered)),
        )  # fmt: skip
        yield so_far
    yield so_far.finished()


async def _facets(source: Source, query: Query, name: str, *, exact: bool) -> Facets:
    sample: dict[str, None] = {"sample": None} if exact else {}
    return await source.facets(query, name, limit=_VALUES, **sample)


def _sides(found: Reach, selection: tuple[int, int] | None) -> tuple[Query, list[Query], frozenset[str]]:
    """One query for this side, one or two for the other, and the fields of which the filter itself speaks."""
    if selection is not None:
        since, until = selection
        parts = [(found.since, min(since, found.until)), (max(until, found.since), found.until)]
        rest = [narrowed(found.query, since=low, until=high) for low, high in parts if low < high]
        if not rest:
            raise ConfigurationError("all of the range is selected, so there is no rest to compare it with")
        return narrowed(found.query, since=since, until=until), rest, frozenset()
    from dblog.query import Query  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog.query.tree import All, And, Range, both, negated  # noqa: PLC0415 - as above

    tree = found.query.tree
    parts_of = tree.parts if isinstance(tree, And) else (tree,)
    told = [
        part
        for part in parts_of
        if not isinstance(part, All) and not (isinstance(part, Range) and part.field.name == "timestamp")
    ]
    if not told:
        raise ConfigurationError(
            "nothing is filtered or selected, so there are no two sides to compare: filter (f), or select bars in the"
            " histogram (i, then Shift with an arrow) and press D there"
        )
    others = Query("", negated(both(told)))
    return within(found), [narrowed(others, since=found.since, until=found.until)], frozenset(_fields_in(told))


def _fields_in(nodes: Iterable[Node]) -> Iterator[str]:
    from dblog.query.fields import spelled  # noqa: PLC0415 - as above
    from dblog.query.tree import All, And, Not, Or  # noqa: PLC0415 - as above

    for node in nodes:
        if isinstance(node, And | Or):
            yield from _fields_in(node.parts)
        elif isinstance(node, Not):
            yield from _fields_in((node.part,))
        elif not isinstance(node, All):
            yield "level" if node.field.name == "severity" else spelled(node.field)


def differences(field: str, here: Facets, there: Sequence[Facets], limit: int) -> list[Difference]:
    """The values of a field whose shares differ by more than chance.

    A value that is not among the ``limit`` most frequent of a side is taken to be as frequent there as the last of
    them, so a difference is rather said too small.
    """
    seen, seen_there = here.seen, sum(each.seen for each in there)
    if not seen or not seen_there:
        return []
    inside = {each.value: each.count for each in here.values}
    values: dict[str | None, None] = dict.fromkeys(inside)
    values |= dict.fromkeys(each.value for facets in there for each in facets.values)
    distinct = _distinct((here, *there))
    least, leasts = _least(here, limit), [_least(each, limit) for each in there]
    counts = [{each.value: each.count for each in facets.values} for facets in there]
    rows = [
        Difference(
            field,
            value,
            inside.get(str(value), least),
            sum(own.get(str(value), at_most) for own, at_most in zip(counts, leasts, strict=True)),
            seen,
            seen_there,
            distinct,
        )
        for value in values
    ]
    rows.append(Difference(field, None, here.absent, sum(each.absent for each in there), seen, seen_there))
    told = [row for row in rows if abs(row.gap) >= _NOTICED and row.sureness >= _SURE and row.least > 0]
    kept = sorted((row for row in told if row.identifying), key=lambda row: row.rank)[:_IDENTIFIERS]
    return [row for row in told if not row.identifying or row in kept]


def _least(facets: Facets, limit: int) -> int:
    """How frequent a value that is not listed can be."""
    return facets.values[-1].count if len(facets.values) >= limit else 0


def _distinct(sides: Sequence[Facets]) -> float:
    """How many values a field has per entry that has it: 0 where all have the same one, 1 where each has its own.

    Values that are not listed are at most as frequent as the last that is, so they are taken to be as few as that.
    """
    present = sum(each.seen - each.absent for each in sides)
    listed = len({value.value for each in sides for value in each.values})
    others = 0
    for each in sides:
        rest = each.seen - each.absent - sum(value.count for value in each.values)
        if rest > 0 and each.values:
            others += -(-rest // each.values[-1].count)
    return min((listed + others - 1) / (present - 1), 1.0) if present > 1 else 0.0
