"""What a trace tells: who took part, which spans were open when, and where nobody said anything; pure functions.

A silence is a stretch in which no service logged, whatever the reader has chosen to see: entries hidden by a level
break it all the same. Spans may be missing, lie in circles, or come from hosts with other clocks.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from dblog.cli.spans import Span, duration_of, walk
from dblog.levels import BANDS, band_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dblog.cli.spans import Step
    from dblog.entry import LogEntry
    from dblog.reading.values import Trace

__all__ = ["Gap", "Lane", "Row", "Story", "rows_of", "story_of"]

_LEAST_GAP: Final = 1_000
"""µs; shorter silences explain nothing."""
_SHARE: Final = 10
"""A silence is a tenth of the trace at least."""
_RHYTHM: Final = 4
"""From so many steps on, a silence has to be twice the usual step: a heartbeat is none."""
_LEAST_SKEW: Final = 1_000
"""µs by which a child has to begin before its parent until clocks are said to differ."""
_REACH: Final = (10, 600_000_000)
"""A span may begin so many times the trace's length, or so many µs, before the first entry; what says more is wrong."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time in which no service logged."""

    start: int
    """µs: the entry before; where the trace begins if there is none."""
    end: int
    """µs: the entry after."""
    before: int
    """Index of the last entry before it; -1: a span was open, and nobody had spoken yet."""
    after: int
    """Index of the first entry after it."""
    longest: bool
    waiting: tuple[str, ...]
    """Services with a span open all through it, the outermost first."""

    @property
    def length(self) -> int:
        """µs."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Lane:
    """One service in a trace."""

    service: str | None
    marks: tuple[tuple[int, int], ...]
    """When it spoke (µs), and the severity band, the oldest first."""
    bars: tuple[tuple[int, int], ...]
    """When its spans began and ended (µs)."""
    skew: int
    """µs by which its clock is behind that of a caller on another host; 0: nothing says so."""

    @property
    def worst(self) -> int:
        """The highest severity band."""
        return max(band for _, band in self.marks)


@dataclass(frozen=True, slots=True)
class Story:
    """A trace, understood."""

    trace_id: str
    entries: tuple[LogEntry, ...]
    truncated: bool
    first: int
    """µs where it begins: the first entry, or a span that began before it."""
    last: int
    gaps: tuple[Gap, ...]
    """The silences worth seeing, the oldest first."""
    longest: int
    """µs of the longest silence, worth seeing or not."""
    lanes: tuple[Lane, ...]
    """In the order in which the services first spoke."""
    steps: tuple[Step, ...]
    """As a tree (``dblog.cli.spans.walk``)."""
    counts: tuple[int, ...]
    """Entries by severity band."""
    has_spans: bool
    """Some entry names one."""

    @property
    def length(self) -> int:
        """µs."""
        return self.last - self.first


class Row(NamedTuple):
    """One line of a trace."""

    item: LogEntry | Gap | Span
    number: int
    """Index of the entry; of a gap or a span -1."""
    depth: int
    """How many spans it lies in, where they are shown."""
    since: int | None
    """µs since the entry above; None where there is none, or it is later."""


_Times: TypeAlias = "Mapping[str, tuple[int, int]]"


def story_of(trace: Trace) -> Story:
    """Understand a trace. One without entries has nothing to tell: its lanes and gaps are empty."""
    entries = trace.entries
    steps = tuple(walk(entries))
    spans = {item.id: item for _, item in steps if isinstance(item, Span)}
    times = {span.id: _times(span) for span in spans.values()}
    counts = [0] * BANDS
    for entry in entries:
        counts[band_of(entry.severity)] += 1
    told = steps, tuple(counts), bool(spans)
    if not entries:
        return Story(trace.trace_id, (), trace.truncated, 0, 0, (), 0, (), *told)
    first, last = _extent(entries, times)
    gaps, longest = _gaps(entries, first, last, spans, times)
    lanes = _lanes(entries, spans, times)
    return Story(trace.trace_id, entries, trace.truncated, first, last, gaps, longest, lanes, *told)


def rows_of(story: Story, *, tree: bool = False, least: int = 0, only: int | None = None) -> list[Row]:
    """The lines of a trace: every entry that is not hidden once, and every gap before what ended it.

    Args:
        story: the trace.
        tree: under the spans they belong to, and not by time.
        least: the least severity band shown.
        only: index of the one lane shown; None is all.
    """
    ends = {gap.after: gap for gap in story.gaps}
    numbers = {id(entry): number for number, entry in enumerate(story.entries)}
    service = None if only is None else story.lanes[only].service
    rows: list[Row] = []
    before: int | None = None
    for depth, item in story.steps if tree else ((0, entry) for entry in story.entries):
        if isinstance(item, Span):
            if only is None or item.service == service:
                rows.append(Row(item, -1, depth, None))
            continue
        number = numbers[id(item)]
        if (gap := ends.get(number)) is not None:
            rows.append(Row(gap, -1, depth, None))
        if band_of(item.severity) < least or (only is not None and (item.service or None) != service):
            continue
        since = None if before is None or item.timestamp < before else item.timestamp - before
        before = item.timestamp
        rows.append(Row(item, number, depth, since))
    return rows


# -- when ---------------------------------------------------------------------------------------------------------


def _times(span: Span) -> tuple[int, int]:
    """From its beginning to its last entry, or as long as one says it took."""
    start = span.start
    known = any(duration_of(entry) is not None for entry in span.entries)
    return start, max(span.entries[-1].timestamp, start + round(span.seconds * 1e6) if known else start)


def _extent(entries: Sequence[LogEntry], times: _Times) -> tuple[int, int]:
    first, last = entries[0].timestamp, entries[-1].timestamp
    floor = first - max(_REACH[0] * (last - first), _REACH[1])
    return min([first, *(start for start, _ in times.values() if start >= floor)]), last


# -- silence ------------------------------------------------------------------------------------------------------


def _gaps(
    entries: Sequence[LogEntry], first: int, last: int, spans: Mapping[str, Span], times: _Times
) -> tuple[tuple[Gap, ...], int]:
    steps = [entry.timestamp - before for entry, before in zip(entries, _before(entries, first), strict=True)]
    longest = max(steps)
    least = max((last - first) / _SHARE, longest / 2, _LEAST_GAP)
    if len(steps) > _RHYTHM:
        least = max(least, 2 * statistics.median_low(steps[1:]))
    found = [number for number, step in enumerate(steps) if step >= least]
    champion = max(found, key=lambda number: steps[number], default=-1)
    ordered = sorted(times.items(), key=lambda item: (item[1][0], -item[1][1]))
    return tuple(
        Gap(
            entries[number].timestamp - steps[number],
            entries[number].timestamp,
            number - 1,
            number,
            number == champion,
            _waiting(entries[number].timestamp - steps[number], entries[number].timestamp, ordered, spans),
        )
        for number in found
    ), longest


def _before(entries: Sequence[LogEntry], first: int) -> Iterator[int]:
    yield first
    for entry in entries[:-1]:
        yield entry.timestamp


def _waiting(
    start: int, end: int, times: Sequence[tuple[str, tuple[int, int]]], spans: Mapping[str, Span]
) -> tuple[str, ...]:
    names = (spans[name].service for name, (began, ended) in times if began <= start and ended >= end)
    return tuple(dict.fromkeys(name for name in names if name))


# -- who ----------------------------------------------------------------------------------------------------------


def _lanes(entries: Sequence[LogEntry], spans: Mapping[str, Span], times: _Times) -> tuple[Lane, ...]:
    marks: dict[str | None, list[tuple[int, int]]] = {}
    for entry in entries:
        marks.setdefault(entry.service or None, []).append((entry.timestamp, band_of(entry.severity)))
    bars: dict[str | None, list[tuple[int, int]]] = {}
    for span in spans.values():
        bars.setdefault(span.service, []).append(times[span.id])
    skews = _skews(spans, times)
    return tuple(
        Lane(service, tuple(spoken), tuple(bars.get(service, ())), skews.get(service, 0))
        for service, spoken in marks.items()
    )


def _skews(spans: Mapping[str, Span], times: _Times) -> dict[str | None, int]:
    """By how much children on other hosts seem to begin before their parents."""
    skews: dict[str | None, int] = {}
    for span in spans.values():
        parent = spans.get(span.parent or "")
        if parent is None or parent is span or not _knows_its_start(parent):
            continue
        here, there = span.entries[0].host, parent.entries[0].host
        ahead = times[parent.id][0] - times[span.id][0]
        if here and there and here != there and ahead >= _LEAST_SKEW:
            skews[span.service] = max(skews.get(span.service, 0), ahead)
    return skews


def _knows_its_start(span: Span) -> bool:
    """One entry at its end, without a duration, does not say when it began."""
    return len(span.entries) > 1 or duration_of(span.entries[0]) is not None
