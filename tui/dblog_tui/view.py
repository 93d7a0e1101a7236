"""What somebody looks at: a query, a range of time, a least level; and the way back to what they looked at before.

Values without a database and without a screen. A view's text is the user's own; ``asked`` makes one query of it all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    import datetime as dt

    from dblog.query import Query
    from dblog.reading.values import Cursor

__all__ = ["ALL", "LEVELS", "SPANS", "History", "Span", "View", "duration_text", "seconds_of"]

LEVELS: Final = ("trace", "debug", "info", "warning", "error", "critical")
"""A least level is an index into these; 0 means no limit. As ``dblog.levels.BAND_NAMES``."""

_S: Final = 1_000_000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d{1,6}) ?([smhdw])")


def seconds_of(text: str) -> int:
    """The seconds of ``15m``, ``24h``, ``7d``.

    Raises:
        ConfigurationError: it is no duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ConfigurationError(f"{text[:80]!r} is not a range of time: write 15m, 1h, 24h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(seconds: int) -> str:
    """The shortest spelling ``seconds_of`` reads back: ``15m``; 24 hours stay hours."""
    for unit in ("w", "d", "h", "m"):
        if seconds % _UNITS[unit] == 0 and (seconds > _UNITS[unit] or unit not in ("d", "w")):
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time: the last so many seconds, or between two moments (µs since 1970 UTC), or everything."""

    last: int | None = None
    """Seconds before the moment the view is shown; the range goes on with time."""
    since: int | None = None
    """Included."""
    until: int | None = None
    """Excluded."""

    def bounds(self, now: int) -> tuple[int | None, int | None]:
        """Since (included) and until (excluded) in µs, for a view shown ``now``."""
        return (self.since, self.until) if self.last is None else (now - self.last * _S, None)

    @property
    def open_ended(self) -> bool:
        """What is logged from now on is in it."""
        return self.until is None


ALL: Final = Span()
SPANS: Final = {"1": None, "2": 60, "3": 300, "4": 900, "5": 1800, "6": 3600, "7": 86_400}
"""Digits → seconds of ``Span.last``; None is everything."""


@dataclass(frozen=True, slots=True)
class View:
    """One thing to look at."""

    query: str = ""
    """As typed; not checked before ``asked``."""
    span: Span = ALL
    least: int = 0
    """Index into ``LEVELS``."""
    at: Cursor | None = None
    """Where the cursor was when the view was left; None is the newest."""

    def asked(self, now: int, zone: dt.tzinfo | None = None, *, timeless: bool = False) -> Query:
        """Query, level and range as one query.

        Args:
            now: µs; what relative times count from.
            zone: of times written without one.
            timeless: without the range of ``span``.

        Raises:
            QuerySyntaxError: the text cannot be read.
        """
        from dblog.query import Query, parse  # noqa: PLC0415 - loads the grammar, which is behind the first paint
        from dblog.query.fields import COLUMNS  # noqa: PLC0415 - as above
        from dblog.query.tree import All, Node, Range, both  # noqa: PLC0415 - as above

        parts: list[Node] = []
        if self.query.strip():
            parts.append(parse(self.query, now=now / _S, timezone=zone).tree)
        if self.least:
            parts.append(Range(COLUMNS["level"], low=4 * self.least + 1))
        since, until = (None, None) if timeless else self.span.bounds(now)
        if since is not None or until is not None:
            parts.append(Range(COLUMNS["timestamp"], low=since, high=until, high_open=until is not None))
        parts = [part for part in parts if not isinstance(part, All)]
        return Query(self.query, both(parts) if parts else All())

    @property
    def plain(self) -> bool:
        """Every entry is in it."""
        return not self.query.strip() and not self.least and self.span == ALL


@dataclass(slots=True)
class History:
    """Views one has come through, as a web browser keeps pages."""

    views: list[View] = field(default_factory=lambda: [View()])
    index: int = 0

    @property
    def view(self) -> View:
        """The one that is shown."""
        return self.views[self.index]

    def visit(self, view: View, *, left_at: Cursor | None = None) -> View:
        """Go to a new view; what was ahead is forgotten, at most a hundred are kept."""
        self.leave(left_at)
        if view != replace(self.view, at=view.at):
            del self.views[self.index + 1 :]
            self.views.append(view)
            del self.views[:-_MOST]
            self.index = len(self.views) - 1
        return self.view

    def step(self, by: int, *, left_at: Cursor | None = None) -> View | None:
        """Back (-1) or forward (1); None where there is nothing."""
        if not 0 <= self.index + by < len(self.views):
            return None
        self.leave(left_at)
        self.index += by
        return self.view

    def leave(self, at: Cursor | None) -> None:
        """Remember where the cursor is."""
        self.views[self.index] = replace(self.view, at=at)


_MOST: Final = 100
