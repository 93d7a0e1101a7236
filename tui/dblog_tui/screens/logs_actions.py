"""What the keys of the log screen do: moving, asking, jumping."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dblog.entry import LogEntry
from dblog.errors import DblogError
from dblog_tui.browser import Mode
from dblog_tui.present.rows import Moments
from dblog_tui.view import ALL, LEVELS, SPANS, Span
from dblog_tui.window import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query import Query
    from dblog.reading.values import Cursor
    from dblog_tui.browser import Browser
    from dblog_tui.source import Source
    from dblog_tui.view import History, View
    from dblog_tui.widgets.logview import LogView

__all__ = ["Actions"]

_SEVERITIES = {"error": 17, "warning": 13}
_SOUGHT = {"error": ("error", "e"), "warning": ("warning", "w"), "trace": ("row of this trace", "o")}
"""What is jumped to, in words, and the key that looks for newer ones."""


class Actions:
    """Actions of ``LogsScreen`` that ask for other rows, or other places among them."""

    source: Source
    browser: Browser
    history: History
    rows: LogView
    note: str
    show: Callable[..., bool]
    go_to: Callable[[Any], None]
    say: Callable[..., None]
    tell: Callable[[], None]
    answer: Callable[[], None]
    advised: Callable[[str], bool]
    app: Any
    _hops: list[tuple[Query, Callable[[], None], int]] | None = None
    """Jumps that were asked for while one was being looked for; None: none is."""

    # -- moving -----------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Rows."""
        self.answer()
        self.rows.move(by)

    def action_page(self, pages: float) -> None:
        """Pages."""
        self.answer()
        self.rows.page(pages)

    def action_sideways(self, by: int) -> None:
        """Columns."""
        self.rows.sideways(by)

    def action_wrap(self) -> None:
        """Wrap, or cut."""
        self.rows.set_wrap(wrap=not self.rows.wrap)

    def action_oldest(self) -> None:
        """The oldest row of the range, wherever it is."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - loaded by now

        since = self.browser.view.span.bounds(self.browser.shown_at)[0]
        self.browser.pause()
        self.rows.following = False
        if not self.browser.window.older:
            if self.browser.window.first is not None:
                self.rows.show_row(self.browser.window.first)
            return
        self.go_to(Cursor.at(since or 0))

    def action_newest(self) -> None:
        """The newest row, and LIVE again."""
        self.action_follow()

    def action_follow(self) -> None:
        """LIVE."""
        if self.browser.gate is not None:
            self.browser.gate = None
        if self.browser.follow():
            self.rows.to_end()
        else:
            self.rows.following = self.browser.mode is Mode.LIVE
        self.tell()

    def action_pause(self) -> None:
        """Stay here; where one is paused already, follow again."""
        if self.browser.mode is Mode.LIVE:
            self.rows.following = False
            self.browser.pause()
        else:
            self.action_follow()
        self.tell()

    # -- asking -----------------------------------------------------------------------------------------------

    def action_level(self, by: int) -> None:
        """Raise or lower the least level; the row under the cursor stays."""
        least = min(max(self.browser.view.least + by, 0), len(LEVELS) - 1)
        if least == 1:  # there is hardly anything below DEBUG
            least += by
        if least != self.browser.view.least:
            self.keep_place(replace(self.browser.view, least=max(least, 0), at=None))

    def action_span(self, digit: str) -> None:
        """A range up to now; where nothing is shown, what the digit stands for there."""
        if self.advised(digit):
            return
        seconds = SPANS[digit]
        self.show(replace(self.browser.view, span=ALL if seconds is None else Span(last=seconds), at=None))

    def keep_place(self, view: View) -> None:
        """Show another view, at the row under the cursor unless one follows."""
        at = None if self.browser.mode is Mode.LIVE else self.browser.place(self.rows.entry)
        self.show(view, at=at)

    def action_history(self, by: int) -> None:
        """Back, or forward."""
        left_at = None if self.browser.mode is Mode.LIVE else self.browser.place(self.rows.entry)
        view = self.history.step(by, left_at=left_at)
        if view is None:
            self.say("there is no view before this one" if by < 0 else "there is no view after this one")
        else:
            self.show(replace(view, at=None), visit=False, at=view.at)

    def action_rerun(self) -> None:
        """Ask again."""
        self.keep_place(self.browser.view)

    def action_retry(self) -> None:
        """Look at once whether the database is back."""
        if self.browser.down is not None:
            self.browser.retry()
        else:
            self.say("the database is there; ctrl+r asks again")

    def under_cursor(self) -> LogEntry | None:
        """The entry under the cursor; without one, that is said."""
        entry = self.rows.entry
        if entry is None:
            self.say("there is no row under the cursor")
        return entry

    # -- jumping ----------------------------------------------------------------------------------------------

    def action_seek(self, kind: str, direction: int) -> None:
        """The nearest error, warning, row of this trace, or marked row."""
        entry = self.under_cursor()
        if entry is None:
            return
        if kind == "bookmark":
            self.seek_mark(entry, direction)
            return
        if kind == "trace" and not entry.trace_id:
            self.say("this entry belongs to no trace")
            return
        wanted: Callable[[LogEntry], bool]
        if kind == "trace":
            wanted = lambda row: row.trace_id == entry.trace_id  # noqa: E731 - one of two
        else:
            wanted = lambda row: row.severity >= _SEVERITIES[kind]  # noqa: E731 - one of two
        if not self._seek_loaded(entry, kind, wanted, direction):
            self._seek_stored(self._seeking(kind, entry), kind, direction)

    def _seek_loaded(self, entry: LogEntry, kind: str, wanted: Callable[[LogEntry], bool], direction: int) -> bool:
        """Among the rows that are loaded; whether one is there, or none can be elsewhere."""
        window = self.browser.window
        index = window.index(key_of(entry)) + direction
        while 0 <= index < len(window):
            row = window.rows[index]
            if isinstance(row, LogEntry) and wanted(row):
                self.leave_live()
                self.rows.show_row(key_of(row))
                return True
            index += direction
        if not (window.newer if direction > 0 else window.older):
            self.say(_none(kind, direction))
            return True
        return False

    def _seeking(self, kind: str, entry: LogEntry) -> dict[str, Any]:
        return {"trace_id": entry.trace_id} if kind == "trace" else {"least": _SEVERITIES[kind] // 4}

    def _seek_stored(self, wanted: dict[str, Any], kind: str, direction: int) -> None:
        view = self.browser.view
        if "least" in wanted:
            asked = replace(view, least=max(view.least, wanted["least"])).asked(self.browser.shown_at, self.source.zone)
        else:
            asked = self.joined(view, wanted)
        self.seek_query(asked, lambda: self.say(_none(kind, direction)), direction)

    def joined(self, view: View, fields: dict[str, Any]) -> Query:
        """The view's query, with exact values of further fields."""
        from dblog.query import Query, where  # noqa: PLC0415 - loaded by now
        from dblog.query.tree import All, both  # noqa: PLC0415 - as above

        base = view.asked(self.browser.shown_at, self.source.zone).tree
        more = where(fields).tree
        return Query("", more if isinstance(base, All) else both([base, more]))

    def seek_query(self, query: Query, none: Callable[[], None], direction: int) -> None:
        """Go to the nearest entry a query finds, from the cursor on; without any, do what ``none`` does.

        Where one is being looked for already, this is looked for from there on: two keys are two jumps.
        """
        if self._hops is not None and self.browser.busy:
            self._hops.append((query, none, direction))
        elif (start := self.browser.place(self.rows.entry)) is not None:
            self._hops = []
            self._hop(query, none, direction, start)

    def _hop(self, query: Query, none: Callable[[], None], direction: int, start: Cursor) -> None:
        def then(found: LogEntry | None) -> None:
            place, waiting, self._hops = self.browser.place(found), self._hops, None
            if place is None:
                none()
                return
            self.go_to(place)
            if waiting:
                self._hops = waiting[1:]
                self._hop(*waiting[0], place)

        self.browser.seek(query, newer=direction > 0, start=start, then=then)

    def leave_live(self) -> None:
        """A jump is no following."""
        self.rows.following = False
        self.browser.pause()

    # -- how rows look ------------------------------------------------------------------------------------------

    def action_relative(self) -> None:
        """Times of the clock, or distances."""
        moments = self.rows.rows.moments
        self.rows.set_moments(Moments(moments.dated, not moments.relative))

    def goto_time(self, text: str) -> str | None:
        """Go to a time; a sentence where it is none."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - loaded by now
        from dblog_tui.goto import moment  # noqa: PLC0415 - as above

        try:
            found = moment(text, now=time.time_ns() // 1000, zone=self.source.zone)
        except DblogError as error:
            return str(error)
        self.leave_live()
        self.go_to(Cursor.at(found))
        return None

    def seek_mark(self, entry: LogEntry, direction: int) -> None:
        """The next marked row; the panes know them."""
        raise NotImplementedError


def _none(kind: str, direction: int) -> str:
    """Nothing of a kind in one direction: what was looked for, and the key that looks in the other."""
    what, key = _SOUGHT[kind]
    if direction > 0:
        return f"no newer {what}; {key.upper()} looks for older ones"
    return f"no older {what}; {key} looks for newer ones"
