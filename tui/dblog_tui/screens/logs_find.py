"""Find on the log screen: jumps to what a query matches, and hides nothing."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dblog.errors import QuerySyntaxError
from dblog_tui.view import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query import Query
    from dblog_tui.browser import Browser
    from dblog_tui.source import Source
    from dblog_tui.widgets.logview import LogView

__all__ = ["Finding"]

_HOUR: Final = 3_600_000_000
"""µs."""


class Finding:
    """What ``LogsScreen`` does with ``/``, ``n`` and ``N``."""

    source: Source
    browser: Browser
    rows: LogView
    show: Callable[..., bool]
    say: Callable[..., None]
    leave_live: Callable[[], None]
    seek_query: Callable[[Query, Callable[[], None], int], None]
    sought = ""
    """What is looked for, as typed."""
    _finding: Query | None = None

    def find(self, text: str) -> bool:
        """Look for a query without hiding anything; the nearest older hit first, else the nearest newer one.

        Returns:
            False where it cannot be read.
        """
        from dblog.query import parse  # noqa: PLC0415 - loaded by now

        self.sought = text.strip()
        if not self.sought:
            self._finding, self.rows.rows.found = None, None
            self.rows.restyle()
            return True
        try:
            self._finding = parse(self.sought, timezone=self.source.zone)
        except QuerySyntaxError:
            return False
        self.rows.rows.found = _found(self.sought)
        self.rows.restyle()
        self._find_from_here(-1, lambda: self._find_from_here(1, self._found_none))
        return True

    def _found_none(self) -> None:
        self.say(f"{self.sought!r} is nowhere in this view")

    def action_find_next(self, direction: int) -> None:
        """The next hit of what was looked for; while a search waits for an answer, ``n`` narrows it."""
        if self.browser.gate is not None:
            # The last hour in which anything was logged: where nobody logs any more, the last one is empty.
            extent = self.source.known_extent
            newest = extent.newest if extent is not None else None
            old = newest is not None and newest < time.time_ns() // 1000 - _HOUR
            span = Span(since=newest - _HOUR) if newest is not None and old else Span(last=3600)
            self.show(replace(self.browser.view, span=span))
            return
        if self._finding is None:
            self.say("nothing to find yet: press /")
            return
        which, other = ("older", "N looks for newer") if direction < 0 else ("newer", "n looks for older")
        none = f"no {which} hit of {self.sought!r}; {other} ones"
        self._find_from_here(direction, lambda: self.say(none))

    def _find_from_here(self, direction: int, none: Callable[[], None]) -> None:
        from dblog.query import Query  # noqa: PLC0415 - loaded by now
        from dblog.query.tree import All, both  # noqa: PLC0415 - as above

        if self._finding is None:
            return
        base = self.browser.view.asked(self.browser.shown_at, self.source.zone).tree
        tree = self._finding.tree if isinstance(base, All) else both([base, self._finding.tree])
        self.leave_live()
        self.seek_query(Query("", tree), none, direction)


def _found(text: str) -> Callable[[str], list[tuple[int, int]]]:
    """Where plain words of a query stand in a message, without regard to the case of ASCII letters."""
    words = [word.strip("\"'") for word in re.findall(r"\"[^\"]+\"|'[^']+'|[^\s():]+", text)]
    kept = [re.escape(word) for word in words if word and word not in ("AND", "OR", "NOT") and not word.startswith("-")]
    pattern = re.compile("|".join(kept) or "(?!)", re.IGNORECASE | re.ASCII)
    return lambda message: [match.span() for match in pattern.finditer(message) if match.end() > match.start()]
