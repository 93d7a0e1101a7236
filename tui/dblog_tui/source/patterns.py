"""What entries say, without what differs from one to the next: templates, counted by the database.

``logging`` keeps the message before its arguments are put in, so nothing has to be guessed. Messages that were made
by the program itself have no template; of those, numbers and ids are taken out here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dblog.errors import QueryTimeout
from dblog_tui.present.patterns import Pattern, Patterns
from dblog_tui.source.reach import narrowed, reach, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.query.tree import Node
    from dblog.reading.values import Facets
    from dblog_tui.source.reach import Reach
    from dblog_tui.source.source import Source
    from dblog_tui.view import View

__all__ = ["leaf_of_pattern", "masked", "patterns"]

_DIFFERING: Final = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b0x[0-9a-fA-F]+\b|\b(?=[a-f]*[0-9])[0-9a-f]{10,}\b|(?<![0-9A-Za-z_])[0-9]+(?:[.:,][0-9]+)*"
)
_TEMPLATES: Final = 400
_MESSAGES: Final = 2000
_KNOWN: Final = 2000
"""Templates before the range that are listed."""
_LOOKED_AT: Final = 1000
"""Entries that are read for examples."""
_ONE_BY_ONE: Final = 60
"""Patterns of which an entry is looked for where none was among those."""
_TOGETHER: Final = 4


def masked(message: str) -> tuple[str, ...]:
    """The pieces of a message between what differs; one piece where nothing does."""
    return tuple(_DIFFERING.split(message))


def leaf_of_pattern(row: Pattern) -> Node:
    """The condition that an entry is of this pattern."""
    from dblog.query.fields import COLUMNS  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog.query.tree import Equal, Like, Wild  # noqa: PLC0415 - as above

    field = COLUMNS[row.field]
    if not row.pieces:
        return Equal(field, row.value)
    pattern: list[str | Wild] = []
    for number, piece in enumerate(row.pieces):
        if number and pattern[-1:] != [Wild.ANY]:
            pattern.append(Wild.ANY)
        if piece:
            pattern.append(piece)
    return Like(field, tuple(pattern))


async def patterns(source: Source, view: View, now: int, *, exact: bool = False) -> AsyncIterator[Patterns]:
    """The patterns, as soon as they are counted; then again with levels, times and examples as they are found.

    Args:
        source: where.
        view: of what.
        now: µs.
        exact: count every entry of the range, and not the newest 50,000.

    Raises:
        QuerySyntaxError: the view's text cannot be read.
        StoreUnavailable: the database is away. ``QueryTimeout``.
    """
    from dblog.query.fields import COLUMNS  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog.query.tree import Has, Not  # noqa: PLC0415 - as above

    found = await reach(source, view, now, exact=exact)
    query = within(found)
    sample: dict[str, None] = {"sample": None} if exact else {}
    by_template = await source.facets(query, "template", limit=_TEMPLATES, **sample)
    rows = [Pattern("template", each.value, each.count) for each in by_template.values]
    seen, sampled = by_template.seen, by_template.sampled
    if by_template.absent:
        untold = narrowed(query, Not(Has(COLUMNS["template"])))
        by_message = await source.facets(untold, "message", limit=_MESSAGES, **sample)
        # Of the same newest entries: those without a template are as many of them, the newest first.
        rows += _grouped(by_message, by_template.absent)
    rest = max(seen - sum(row.count for row in rows), 0)
    so_far = Patterns(tuple(rows), seen, sampled, rest, found.label)
    yield so_far
    before, known = await _before(source, found)
    rows = [replace(row, new=bool(before) and row.field == "template" and row.value not in known) for row in rows]
    so_far = replace(so_far, rows=tuple(rows), before=before)
    yield so_far
    page = await source.page(query, limit=_LOOKED_AT)
    so_far = replace(so_far, rows=_explained(rows, page.entries))
    yield so_far
    async for more in _one_by_one(source, query, so_far):
        so_far = more
        yield so_far
    yield replace(so_far, done=True)


async def _before(source: Source, found: Reach) -> tuple[int, frozenset[str]]:
    """How many of the newest entries before the range were looked at, and their templates.

    Whatever they are: a filter may be new, and what it lets through old. 0 where the range is all there is, or where
    there are more templates than can be listed, so that nothing can be said.
    """
    if not found.whole or found.extent.oldest is None or found.since <= found.extent.oldest:
        return 0, frozenset()
    from dblog.query import Query  # noqa: PLC0415 - as above
    from dblog.query.tree import All  # noqa: PLC0415 - as above

    try:
        facets = await source.facets(narrowed(Query("", All()), until=found.since), "template", limit=_KNOWN)
    except QueryTimeout:
        return 0, frozenset()
    if len(facets.values) >= _KNOWN:
        return 0, frozenset()
    return facets.seen, frozenset(each.value for each in facets.values)


def _grouped(facets: Facets, absent: int) -> list[Pattern]:
    """Messages that differ in numbers only are one pattern; counts are brought down to the sample of templates."""
    groups: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for each in facets.values:
        groups.setdefault(masked(each.value), []).append((each.value, each.count))
    scale = min(absent / facets.seen, 1.0) if facets.seen else 1.0
    rows = []
    for pieces, members in groups.items():
        count = max(round(sum(count for _, count in members) * scale), 1)
        if len(members) == 1:
            rows.append(Pattern("message", members[0][0], count))
        else:
            rows.append(Pattern("message", "*".join(pieces), count, pieces))
    return rows


def _explained(rows: Iterable[Pattern], entries: Sequence[LogEntry]) -> tuple[Pattern, ...]:
    """With what is known from entries, the newest first."""
    known: dict[object, list[LogEntry]] = {}
    for entry in entries:
        if entry.template is not None:
            known.setdefault(entry.template, []).append(entry)
        else:
            known.setdefault(masked(entry.message), []).append(entry)
    return tuple(_with(row, known.get(_key(row), ())) for row in rows)


def _key(row: Pattern) -> object:
    return row.value if row.field == "template" else row.pieces or masked(row.value)


def _with(row: Pattern, entries: Sequence[LogEntry]) -> Pattern:
    if not entries:
        return row
    worst = max(entries, key=lambda entry: entry.severity)
    services = dict.fromkeys(entry.service for entry in entries if entry.service)
    return replace(
        row, severity=worst.severity, example=worst.message, newest=entries[0].timestamp, services=tuple(services)
    )


async def _one_by_one(source: Source, query: Query, so_far: Patterns) -> AsyncIterator[Patterns]:
    """Look for an entry of patterns that have none yet, the most frequent first."""
    missing = [row for row in sorted(so_far.rows, key=lambda row: -row.count) if row.severity is None]
    for start in range(0, min(len(missing), _ONE_BY_ONE), _TOGETHER):
        batch = missing[start : start + _TOGETHER]
        pages = await asyncio.gather(
            *(source.page(narrowed(query, leaf_of_pattern(row)), limit=1) for row in batch)
        )  # fmt: skip
        found = {id(row): _with(row, page.entries) for row, page in zip(batch, pages, strict=True)}
        so_far = replace(so_far, rows=tuple(found.get(id(row), row) for row in so_far.rows))
        yield so_far
