"""Which fields there are to count, and their values with counts, one batch of short queries after the other."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from dblog.cli.lines import attributes_of
from dblog.errors import ConfigurationError, QuerySyntaxError, QueryTimeout
from dblog_tui.present.fields import FieldCounts
from dblog_tui.source.reach import reach, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog_tui.source.source import Source
    from dblog_tui.view import View

__all__ = ["COLUMNS", "count_fields", "numbers_of", "paths_in"]

COLUMNS: Final = ("level", "service", "host", "logger", "exc_type")
"""Columns that are always listed."""
_DEEPEST: Final = 3
_LOOKED_AT: Final = 1000
"""Entries in which keys are looked for."""
_MANY: Final = 12
"""A field of numbers with more different values than these is said by where they lie."""
_TOGETHER: Final = 3
"""Queries at a time."""
_BARE: Final = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9_]")


def paths_in(entries: Sequence[LogEntry], most: int = 8) -> list[str]:
    """The paths into ``metadata`` that most of the entries have, as queries name them; the most frequent first."""
    return [name for name, _ in _found(entries).most_common(most)]


def _found(entries: Sequence[LogEntry]) -> Counter[str]:
    from dblog.query.fields import is_name, path, spelled  # noqa: PLC0415 - loads the grammar, behind the first paint

    names: dict[tuple[str, ...], str] = {}
    found: Counter[str] = Counter()
    for entry in entries[-_LOOKED_AT:]:
        for steps, _ in _leaves(attributes_of(entry)):
            if steps not in names:
                name = spelled(path(*_split(steps)))
                names[steps] = name if is_name(name) else ""
            if names[steps]:
                found[names[steps]] += 1
    return found


def _split(steps: tuple[str, ...]) -> Iterator[str]:
    """``http.status`` as one key is found by the path as well, which is how people write it."""
    for step in steps:
        pieces = step.split(".")
        if all(map(_BARE.fullmatch, pieces)):
            yield from pieces
        else:
            yield step


def _leaves(tree: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths to what has a value; dblog's own flags are none of the user's keys."""
    for key, value in tree.items():
        steps = (*before, key)
        if steps[0] == "dblog" or not key:
            continue
        if isinstance(value, dict) and len(steps) < _DEEPEST:
            yield from _leaves(value, steps)
        elif not isinstance(value, (dict, list)) and value is not None:
            yield steps, value


def numbers_of(entries: Sequence[LogEntry]) -> dict[str, str]:
    """Fields that are numbers of many different values → ``p50 640  p95 3,012  (400 rows)``."""
    from dblog.query.fields import path, spelled  # noqa: PLC0415 - as above

    values: dict[tuple[str, ...], list[float]] = {}
    others: set[tuple[str, ...]] = set()
    for entry in entries[-_LOOKED_AT:]:
        for steps, value in _leaves(attributes_of(entry)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                others.add(steps)
            else:
                values.setdefault(steps, []).append(value)
    return {
        spelled(path(*_split(steps))): _quantiles(sorted(numbers))
        for steps, numbers in values.items()
        if steps not in others and len(set(numbers)) > _MANY
    }


def _quantiles(numbers: list[float]) -> str:
    last = len(numbers) - 1
    middle, high = numbers[round(last * 0.5)], numbers[round(last * 0.95)]
    return f"p50 {_short(middle)}  p95 {_short(high)}"


def _short(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"  # noqa: PLR2004 - three digits say enough


async def count_fields(
    source: Source,
    view: View,
    now: int,
    entries: Sequence[LogEntry],
    *,
    limit: int = 20,
    exact: Collection[str] = (),
) -> AsyncIterator[tuple[tuple[FieldCounts, ...], str]]:
    """The fields counted so far, and the range they are counted in, after each batch of queries.

    A field that cannot be counted says why; the others are counted all the same.

    Args:
        source: where.
        view: of what.
        now: µs.
        entries: rows that are at hand: their metadata says which keys there are.
        limit: values of a field.
        exact: fields whose every entry is counted, and not the newest 50,000.

    Raises:
        QuerySyntaxError: the view's text cannot be read.
        StoreUnavailable: the database is away.
    """
    found = await reach(source, view, now)
    query = within(found)
    label = found.label or "the range of the view"
    numbers = numbers_of(entries)
    names = [*COLUMNS, *(name for name in paths_in(entries) if name not in numbers)]
    counted: list[FieldCounts] = []
    last = [FieldCounts(name, numbers=said) for name, said in numbers.items()]
    for batch in _batches(names):
        asked = (_counted(source, query, name, limit, exact=name in exact) for name in batch)
        counted += await asyncio.gather(*asked)
        yield tuple(counted), label
    yield (*counted, *last), label


def _batches(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[at : at + _TOGETHER] for at in range(0, len(names), _TOGETHER))


async def _counted(source: Source, query: Query, name: str, limit: int, *, exact: bool) -> FieldCounts:
    try:
        facets = await source.facets(query, name, limit=limit + 1, **({"sample": None} if exact else {}))
    except (QueryTimeout, ConfigurationError, QuerySyntaxError) as error:
        return FieldCounts(name, wrong=str(error))
    values = tuple((each.value, each.count) for each in facets.values)
    return FieldCounts(name, values[:limit], facets.seen, facets.absent, facets.sampled, more=len(values) > limit)
