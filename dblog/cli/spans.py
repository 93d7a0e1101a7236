"""A trace as a tree: which span lies in which, and which entries in it; pure functions.

Spans are nowhere stored: they are what entries with the same ``span_id`` have in common. So anything may be missing
or wrong (parents nobody logged, circles), and every entry is in the tree exactly once all the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dblog.cli.lines import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry

__all__ = ["Span", "Step", "duration_of", "walk"]

_LONGEST = 1e12
"""ms that may be a duration: thirty years."""


@dataclass(slots=True, eq=False)
class Span:
    """The entries that name one span, the oldest first."""

    id: str
    parent: str | None = None
    entries: list[LogEntry] = field(default_factory=list)
    children: list[Span] = field(default_factory=list)

    @property
    def service(self) -> str | None:
        """The first named."""
        return next((entry.service for entry in self.entries if entry.service), None)

    @property
    def seconds(self) -> float:
        """What an entry says in ``metadata.duration_ms`` (the last to say so), or from the first entry to the last."""
        known = [seconds for entry in self.entries if (seconds := duration_of(entry)) is not None]
        return known[-1] if known else (self.entries[-1].timestamp - self.entries[0].timestamp) / 1e6

    @property
    def start(self) -> int:
        """µs since 1970 UTC: its first entry, or earlier where one says how long it took."""
        starts = [
            entry.timestamp - round(seconds * 1e6)
            for entry in self.entries
            if (seconds := duration_of(entry)) is not None
        ]
        return min([self.entries[0].timestamp, *starts[-1:]])


Step: TypeAlias = "tuple[int, Span | LogEntry]"
"""A depth, and what begins there: a span, which is followed by what is in it, or an entry."""


def duration_of(entry: LogEntry) -> float | None:
    """Seconds, of an entry that closes a span."""
    if not entry.metadata or "duration_ms" not in entry.metadata:
        return None
    value = attributes_of(entry).get("duration_ms")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value / 1000 if 0 <= value < _LONGEST else None


def walk(entries: Sequence[LogEntry]) -> Iterator[Step]:
    """The tree from its roots, everything in the order of its beginning."""
    spans = _spans(entries)
    loose = [entry for entry in entries if not entry.span_id]
    roots = _roots(spans)
    # A stack, not a recursion: spans may lie in each other as deep as a trace has entries.
    stack = [(0, iter(_ordered(loose, roots)))]
    while stack:
        depth, rest = stack[-1]
        if (item := next(rest, None)) is None:
            stack.pop()
            continue
        yield depth, item
        if isinstance(item, Span):
            stack.append((depth + 1, iter(_ordered(item.entries, item.children))))


def _spans(entries: Sequence[LogEntry]) -> dict[str, Span]:
    spans: dict[str, Span] = {}
    for entry in entries:
        if entry.span_id:
            span = spans.setdefault(entry.span_id, Span(entry.span_id))
            span.parent = span.parent or entry.parent_span_id
            span.entries.append(entry)
    return spans


def _roots(spans: dict[str, Span]) -> list[Span]:
    """Put every span into its parent; what is left has none, or would be its own ancestor."""
    roots, settled = [], set[str]()
    for span in spans.values():
        path, passed = [span], {span.id}
        while path[-1].id not in settled and (up := spans.get(path[-1].parent or "")) and up.id not in passed:
            path.append(up)
            passed.add(up.id)
        for child, parent in itertools.pairwise(path):
            if child.id not in settled:
                parent.children.append(child)
        if path[-1].id not in settled:
            roots.append(path[-1])
        settled |= passed
    return roots


def _ordered(entries: Sequence[LogEntry], spans: Sequence[Span]) -> list[LogEntry | Span]:
    """Entries and spans by when they begin; a span goes before an entry of the same moment."""
    items: list[LogEntry | Span] = [*spans, *entries]
    return sorted(items, key=lambda item: item.start if isinstance(item, Span) else item.timestamp)
