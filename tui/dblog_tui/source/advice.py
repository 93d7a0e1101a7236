"""Why nothing matches, and what would: each clause left out, the nearest known value, a longer range, the newest entry.

Every piece of advice is counted before it is given, in the time somebody is willing to look at an empty screen.
"""

from __future__ import annotations

import asyncio
import enum
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dblog.errors import DblogError, QuerySyntaxError, QueryTimeout
from dblog_tui import cost
from dblog_tui.source.suspects import Clause, clauses_of, nearest, without
from dblog_tui.spelled import paths_of
from dblog_tui.view import ALL, SPANS, Span, View, duration_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator

    from dblog.reading.values import Facets
    from dblog_tui.source.source import Source

T = TypeVar("T")

__all__ = ["REPAIR_KEYS", "Advice", "Counted", "Deed", "advise"]

REPAIR_KEYS: Final = "234589"
"""Digits for repairs: those left over by the ranges one widens to, which keep the keys they always have."""
_PATIENCE: Final = 2.0
"""Seconds one count may take."""
_COUNTED: Final = 300_000
"""Entries of a range up to which matches are counted; beyond, it is seen whether there are ``_ENOUGH``."""
_ENOUGH: Final = 100
_SAMPLE: Final = 50_000
_VALUES: Final = 500
_CLAUSES: Final = 5
_FEW: Final = 8
"""Values of a field that are told by name."""


class Deed(enum.Enum):
    """What is advised."""

    DROP = "drop"
    TRY = "try"
    WIDEN = "widen to"
    SAY = "say"
    """Nothing to do: a fact."""
    NOTHING = "nothing"
    """Likewise, and the only one: the table is empty."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many entries match."""

    value: int
    exact: bool
    """False: at least so many."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One line of it."""

    deed: Deed
    what: str
    """``service:biling``, ``24h``, or a sentence."""
    count: Counted | None = None
    """What one would see; None where it takes too long to know."""
    key: str = ""
    view: View | None = None
    """To look at instead."""
    note: str = ""
    newest: int | None = None
    """Of the sentence about the newest entry: when that was, in µs."""
    fine: bool = True
    """Of a sentence: it is good news."""


async def advise(source: Source, view: View, now: int) -> AsyncGenerator[Advice]:
    """Find out, line by line.

    Args:
        source: where.
        view: what shows nothing.
        now: µs.

    Raises:
        DblogError: the database cannot be asked.
    """
    newest = (await source.reader.bounds())[1]  # what is known of the extent may be half a minute old
    yield await _newest(source, newest, now)
    if newest is None:
        return
    visit = _Visit(source, view, now)
    for part in (visit.drops(), visit.tries(), visit.wider()):
        async with aclosing(part):
            async for advice in part:
                yield advice


class _Visit:
    """One look at one view."""

    def __init__(self, source: Source, view: View, now: int) -> None:
        self.source, self.view, self.now = source, view, now
        self.clauses = clauses_of(view, now, source.zone)
        self._keys = list(reversed(REPAIR_KEYS))

    async def _advice(self, deed: Deed, what: str, view: View, *, note: str = "", zero: bool = True) -> list[Advice]:
        """One line with its count and its key; none where the keys are used up, or nothing is gained."""
        count = await self._count(view)
        if not self._keys or (count is not None and not count.value and not zero):
            return []
        return [Advice(deed, what, count, self._keys.pop(), view, note=note)]

    async def drops(self) -> AsyncGenerator[Advice]:
        """Each clause left out."""
        for clause in self.clauses[:_CLAUSES]:
            for advice in await self._advice(Deed.DROP, clause.text, without(self.view, clause), zero=False):
                yield advice

    async def tries(self) -> AsyncGenerator[Advice]:
        """For each clause that names a value nobody has: one that somebody has."""
        for clause in self.clauses:
            facets = await self._facets(clause.field) if clause.field else None
            if facets is None or any(each.value == clause.value for each in facets.values):
                continue
            if not facets.values and facets.seen:
                async for advice in self._renamed(clause, facets):
                    yield advice
                continue
            close = nearest(clause.value, [(each.value, each.count) for each in facets.values])
            for index, value in enumerate(close):
                note = "" if index else "the closest known value"
                other = clause.with_value(self.view, value)
                for advice in await self._advice(Deed.TRY, clause.spelled(value), other, note=note):
                    yield advice
            if clause.value and not close and len(facets.values) <= _FEW and not facets.sampled:
                yield Advice(Deed.SAY, f"{clause.field} is one of: {', '.join(each.value for each in facets.values)}.")

    async def _renamed(self, clause: Clause, facets: Facets) -> AsyncIterator[Advice]:
        """No entry has the field: say so, and which one may have been meant."""
        looked = f"the newest {facets.seen:,} entries" if facets.sampled else f"all {facets.seen:,} entries"
        yield Advice(Deed.SAY, f"None of {looked} has the field {clause.field}.", fine=False)
        page = await self.source.page("", limit=200)
        paths = dict.fromkeys(path for entry in page.entries for path in paths_of(entry.attributes))
        for name in nearest(clause.field, [(path, 1) for path in paths], 1):
            other, note = clause.with_field(self.view, name), "the closest known field"
            for advice in await self._advice(Deed.TRY, clause.renamed(name), other, note=note):
                yield advice

    async def wider(self) -> AsyncGenerator[Advice]:
        """Longer ranges, with the keys they always have."""
        for key, span in _wider(self.view.span):
            view = replace(self.view, span=span, at=None)
            text = duration_text(span.last) if span.last else "everything"
            yield Advice(Deed.WIDEN, text, await self._count(view), key, view)

    async def _count(self, view: View) -> Counted | None:
        """How many match; None where that takes too long or cannot be asked."""

        async def count() -> Counted:
            query = view.asked(self.now, self.source.zone)
            if (await self.source.extent()).rows_between(*cost.span(query.tree)) <= _COUNTED:
                return Counted((await self.source.count(query)).value, exact=True)
            seen = len((await self.source.page(query, limit=_ENOUGH)).entries)
            return Counted(seen, exact=seen < _ENOUGH)

        return await _in_time(count())

    async def _facets(self, field: str) -> Facets | None:
        return await _in_time(self.source.facets("", field, limit=_VALUES, sample=_SAMPLE))


def _wider(span: Span) -> Iterator[tuple[str, Span]]:
    for key, seconds in SPANS.items():
        if seconds is not None and seconds >= _HOUR and span.last is not None and seconds > span.last:
            yield key, Span(last=seconds)
    if span != ALL:
        yield "1", ALL


_HOUR: Final = 3600


async def _in_time(asked: Coroutine[Any, Any, T]) -> T | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await asked
    except (TimeoutError, QuerySyntaxError, QueryTimeout):
        return None


async def _newest(source: Source, newest: int | None, now: int) -> Advice:
    """When something was logged last, and whether a writer is alive."""
    try:
        instances = await source.instances()
    except DblogError:  # the table of writers may not be ours to read
        instances = ()
    seen = max((each.last_seen for each in instances), default=None)
    alive = [each for each in instances if each.state not in ("CLOSED", "DOWN")]
    if newest is None:
        return Advice(Deed.NOTHING, "No entry was ever stored in this database.", fine=False)
    if alive:
        said = "The writer is alive." if len(alive) == 1 else f"{len(alive)} writers are alive."
    elif seen is None:
        said = "No writer has said anything about itself."
    else:
        said = f"No writer has been heard of for {duration_text(max((now - seen) // 1_000_000, 1))}."
    return Advice(Deed.SAY, said, newest=newest, fine=bool(alive))
