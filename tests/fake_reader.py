"""A reader of entries in memory, for tests of what is done with them: every method of ``LogReader``, no database."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from dblog.entry import LogEntry
from dblog.levels import band_of
from dblog.reading.values import (
    Bucket,
    Context,
    Count,
    Cursor,
    Facets,
    FacetValue,
    Histogram,
    Instance,
    Page,
    Statistics,
    TailBatch,
    Trace,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

START = 1_763_632_924_777_123
"""µs: 2025-11-20 10:02:04.777123 UTC."""


def entry(
    number: int = 1, message: str = "hello", *, level: str = "INFO", severity: int = 9, **fields: Any
) -> LogEntry:
    """The ``number``-th entry of a log with one per ms."""
    made = LogEntry(START + number * 1000, level, severity, fields.pop("logger", "shop.cart"), message, **fields)
    return made if made.id else made._replace(id=UUID(int=(0x019AA04F << 96) + number))


class FakeReader:
    """Made with the entries to read; ``batches`` is what a tail brings after its first, empty batch."""

    def __init__(self, entries: Iterable[LogEntry] = (), batches: Iterable[Iterable[LogEntry]] = ()) -> None:
        self.entries = sorted(entries, key=Cursor.of)
        self.batches = [tuple(batch) for batch in batches]
        self.asked: list[tuple[str, Any]] = []
        self.error: Exception | None = None
        self.endless = False
        """A tail waits at its end, as a real one does; else it ends, and with it the command."""
        self.all_instances: tuple[Instance, ...] = ()

    def __call__(self, *_: Any, **options: Any) -> Self:
        self.asked.append(("LogReader", options))
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.asked.append(("aclose", None))

    def _matching(self, query: Any) -> list[LogEntry]:
        if self.error:
            raise self.error
        self.asked.append(("query", query))
        return self.entries

    async def search(self, query: Any = "", *, before: Any = None, after: Any = None, limit: int = 200) -> Page:
        entries = self._matching(query)
        if before is not None:
            entries = [each for each in entries if Cursor.of(each) < Cursor.parse(str(before))]
        if after is not None:
            entries = [each for each in entries if Cursor.of(each) > Cursor.parse(str(after))][:limit]
        page = entries[-limit:][::-1]
        older = Cursor.of(page[-1]) if page and page[-1] is not self.entries[0] else None
        return Page(tuple(page), older, Cursor.of(page[0]) if page else None)

    async def tail(self, query: Any = "", **options: Any) -> AsyncGenerator[TailBatch]:
        self._matching(query)
        self.asked.append(("tail", options))
        yield TailBatch((), frozenset(), 0, "token-0")
        for number, batch in enumerate(self.batches, 1):
            await asyncio.sleep(0)
            self.entries = sorted({*self.entries, *batch}, key=Cursor.of)
            yield TailBatch(batch, frozenset(), 0, f"token-{number}")
        if self.endless:
            await asyncio.Event().wait()

    async def trace(self, trace_id: str, *, limit: int = 10_000) -> Trace:
        found = [each for each in self._matching(trace_id) if each.trace_id == trace_id]
        return Trace(trace_id, tuple(found[:limit]), len(found) > limit)

    async def get(self, entry_id: UUID | str) -> LogEntry | None:
        wanted = str(entry_id).replace("-", "")
        return next((each for each in self._matching(wanted)[::-1] if each.id and each.id.hex.endswith(wanted)), None)

    async def context(self, entry: LogEntry, n: int = 20) -> Context:
        place = self.entries.index(entry)
        return Context(tuple(self.entries[max(place - n, 0) : place]), entry, tuple(self.entries[place + 1 :][:n]))

    async def histogram(self, query: Any = "", **options: Any) -> Histogram:
        self.asked.append(("histogram", options))
        width = int((options["bucket"] or 1) * 1e6)
        buckets: dict[int, list[int]] = {}
        for each in self._matching(query):
            counts = buckets.setdefault(each.timestamp // width * width, [0] * 6)
            counts[band_of(each.severity)] += 1
        return Histogram(tuple(Bucket(start, tuple(counts)) for start, counts in sorted(buckets.items())), width)

    async def facets(self, query: Any = "", field: str = "service", **options: Any) -> Facets:
        self.asked.append(("facets", options))
        values = sorted(str(value) for each in self._matching(query) if (value := getattr(each, field)) is not None)
        found = [FacetValue(value, len([*group])) for value, group in itertools.groupby(values)]
        found.sort(key=lambda each: -each.count)
        absent = len(self.entries) - len(values)
        return Facets(tuple(found[: options.get("limit", 20)]), len(self.entries), absent, sampled=False)

    async def count(self, query: Any = "", *, exact: bool = True) -> Count:
        return Count(len(self._matching(query)), exact)

    async def instances(self, *, limit: int = 1000) -> tuple[Instance, ...]:
        return self.all_instances[:limit]

    async def statistics(self) -> Statistics:
        levels = (await self.facets("", "level")).values
        oldest, newest = self.entries[0].timestamp, self.entries[-1].timestamp
        return Statistics(Count(len(self.entries), exact=True), levels, (), (), False, oldest, newest, 4096)
