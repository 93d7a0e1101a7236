"""A trace as text: what it was, then its entries by time, or under the spans they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.cli.cells import Piece, cells, line, pad
from dblog.cli.lines import BAND_STYLES, DIM, level_of, said, service_style
from dblog.cli.moments import duration, moment
from dblog.cli.spans import Span, walk
from dblog.levels import BAND_NAMES, band_of
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.cli.lines import Look
    from dblog.entry import LogEntry
    from dblog.reading.values import Trace

__all__ = ["trace_lines"]

_ERROR: Final = BAND_NAMES.index("error")
_LEAST_GAP: Final = 100_000
"""µs; shorter silences are not worth a line in any trace."""
_GAP_SHARE: Final = 5
"""A silence of a fifth of the trace is shown."""
_MOST_GUIDES: Final = 12


def trace_lines(trace: Trace, look: Look, *, flat: bool = False) -> Iterator[str]:
    """The trace's summary, then its entries; ``flat``: by time only, and not as a tree even where there are spans."""
    yield from _summary(trace, look)
    if not trace.entries:
        return
    start = trace.entries[0].timestamp
    least = max((trace.entries[-1].timestamp - start) // _GAP_SHARE, _LEAST_GAP)
    steps = [(0, entry) for entry in trace.entries] if flat else list(walk(trace.entries))
    first = min([start, *(item.start for _, item in steps if isinstance(item, Span))])
    level = min(max(5, *(cells(level_of(entry)) for entry in trace.entries)), 8)
    service = min(max(cells(visible(entry.service or "")) for entry in trace.entries), 16)
    before, services = first, [""]
    for depth, item in steps:
        time = item.start if isinstance(item, Span) else item.timestamp
        if time - before >= least:
            yield line(((f"{'':>10}  ── {duration((time - before) / 1e6)} ──", DIM),), look.width, colour=look.colour)
        before = max(before, time)
        pieces: list[Piece] = [(f"{'+' + duration((time - first) / 1e6):>10}  ", DIM), (_guides(depth), DIM)]
        if isinstance(item, Span):
            services[depth + 1 :] = [item.service or ""]
            pieces += _span(item)
        else:
            # In a span, the service is said above.
            known = depth > 0 and services[min(depth, len(services) - 1)] == (item.service or "")
            pieces += _entry(item, level, 0 if known else service, look)
        yield line(pieces, look.width, colour=look.colour)


def _summary(trace: Trace, look: Look) -> Iterator[str]:
    entries = trace.entries
    yield line((("trace ", DIM), (visible(trace.trace_id), "1")), look.width, colour=look.colour)
    if not entries:
        return
    pieces: list[Piece] = []
    for name in dict.fromkeys(entry.service for entry in entries if entry.service):
        pieces += [(visible(name), service_style(name)), ("  ", "")]
    if pieces:
        yield line(pieces, look.width, colour=look.colour)
    errors = sum(band_of(entry.severity) >= _ERROR for entry in entries)
    more = ", and more than these" if trace.truncated else ""
    counted = f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}{more}"
    took = duration((entries[-1].timestamp - entries[0].timestamp) / 1e6)
    yield line(
        (
            (f"{moment(entries[0].timestamp, look.zone)}  {took}  {counted}", DIM),
            (f"  {errors:,} {'error' if errors == 1 else 'errors'}" if errors else "", BAND_STYLES[_ERROR]),
        ),
        look.width,
        colour=look.colour,
    )
    yield ""


def _guides(depth: int) -> str:
    """A rule for every span around; of very deep trees, how deep."""
    return "│ " * depth if depth <= _MOST_GUIDES else f"{'│ ' * (_MOST_GUIDES - 1)}{depth} │ "


def _span(span: Span) -> list[Piece]:
    bad = max(band_of(entry.severity) for entry in span.entries) >= _ERROR
    return [
        ("┌ ", DIM),
        (visible(span.service or "span"), service_style(span.service)),
        (f"  {duration(span.seconds)}", BAND_STYLES[_ERROR] if bad else "1"),
        (f"  {visible(span.id)}", DIM),
    ]


def _entry(entry: LogEntry, level: int, service: int, look: Look) -> Iterator[Piece]:
    yield pad(level_of(entry), level), BAND_STYLES[band_of(entry.severity)]
    yield " ", ""
    if service:
        yield pad(visible(entry.service or ""), service), service_style(entry.service)
        yield " ", ""
    yield from said(entry._replace(trace_id=None), look)  # it is said above
