"""What the log screen opens: traces, contexts, patterns, health; and what it takes away: copies, links, marks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dblog.entry import LogEntry
from dblog.errors import DblogError
from dblog_tui.clipboard import copy
from dblog_tui.screens.logs_marks import Marking
from dblog_tui.view import Span, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog_tui.browser import Browser
    from dblog_tui.links import Link
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.widgets.logview import LogView

__all__ = ["Talks"]

_PULSE: Final = 5.0
"""Seconds between two looks at the writers."""
_SOON: Final = 0.5
"""The same, while none is known yet and somebody has just logged."""


class Talks(Marking):
    """What ``LogsScreen`` opens, and copies."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    settings: Any
    admin_url: str | None
    show: Callable[..., bool]
    go_to: Callable[[Any], None]
    keep_place: Callable[[View], None]
    say: Callable[..., None]
    tell: Callable[[], None]
    leave_live: Callable[[], None]
    under_cursor: Callable[[], LogEntry | None]
    empty_changed: Callable[[], None]
    run_worker: Any
    set_interval: Any
    set_timer: Any
    post_message: Any
    app: Any
    histogram: Any
    barred: Callable[[], View]
    detail: Any
    fields: Any
    cancel_bar: Any
    close_pane: Callable[[], None]
    open_pane: Callable[..., None]
    proof: str
    sought: str
    writers: tuple[str, bool] = ("", False)

    # -- include and exclude ------------------------------------------------------------------------------------

    def include(self, field: str, value: Any) -> None:
        """Only entries with a value."""
        self._clause("include", field, value)

    def exclude(self, field: str, value: Any) -> None:
        """No entries with a value."""
        self._clause("exclude", field, value)

    def _clause(self, how: str, field: str, value: Any) -> None:
        from dblog_tui import clauses  # noqa: PLC0415 - loads the grammar

        change = clauses.include if how == "include" else clauses.exclude
        try:
            query = change(self.browser.view.query, field, value, zone=self.source.zone)
        except DblogError as error:
            self.say(str(error), bad=True)
            return
        self.keep_place(replace(self.browser.view, query=query, at=None))

    # -- other screens ------------------------------------------------------------------------------------------

    def action_trace(self) -> None:
        """The trace of the row under the cursor."""
        entry = self.under_cursor()
        if entry is not None and entry.trace_id:
            self.open_trace(entry.trace_id)
        elif entry is not None:
            self.say("this entry belongs to no trace")

    def open_trace(self, trace_id: str) -> None:
        """A whole trace, whatever the filter says."""
        from dblog_tui.screens.trace import TraceScreen  # noqa: PLC0415 - only where it is asked for

        entry = self.rows.entry
        at = entry.id if entry is not None and entry.trace_id == trace_id else None
        filter_text = self.browser.view.query
        screen = TraceScreen(self.source, self.look, trace_id, at, filter_text=filter_text, find=self.rows.rows.found)
        self.app.push_screen(screen, self.come_back)

    def action_context(self) -> None:
        """What was logged around the row under the cursor."""
        if (entry := self.under_cursor()) is not None:
            self.open_context(entry)

    def open_context(self, entry: LogEntry) -> None:
        """What was logged around an entry, whatever the filter says."""
        from dblog_tui.screens.context import ContextScreen  # noqa: PLC0415 - only where it is asked for

        self.app.push_screen(ContextScreen(self.source, self.look, entry), self.come_back)

    def come_back(self, outcome: Any) -> None:
        """Another screen has ended with a place, with a view, with a query, or with what its detail pane was asked."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - loaded by now

        if isinstance(outcome, (View, str)) and self.histogram.has_focus:
            self.rows.focus()  # the bars were compared; now it is about rows
        if isinstance(outcome, Cursor):
            self.go_to(outcome)
        elif isinstance(outcome, View):
            self.show(outcome)
        elif isinstance(outcome, str):
            self.show(replace(self.browser.view, query=outcome, at=None))
        elif outcome is not None:
            self.post_message(outcome)

    def action_patterns(self) -> None:
        """Templates, with counts."""
        from dblog_tui.screens.patterns import PatternsScreen  # noqa: PLC0415 - only where it is asked for

        self.app.push_screen(PatternsScreen(self.source, self.look, self.browser.view), self.come_back)

    def action_compare(self) -> None:
        """What differs in the selection, or in what the query asks for, from the rest."""
        self._compare(self.histogram.selection)

    def on_histogram_pane_compare(self, message: Any) -> None:
        """What differs in this range."""
        self._compare((message.since, message.until))

    def _compare(self, selection: tuple[int, int] | None) -> None:
        from dblog_tui.screens.compare import CompareScreen  # noqa: PLC0415 - only where it is asked for

        entries = [row for row in self.browser.window.rows[-500:] if isinstance(row, LogEntry)]
        screen = CompareScreen(self.source, self.look, self.barred(), entries=entries, selection=selection)
        self.app.push_screen(screen, self.come_back)

    def action_health(self) -> None:
        """Writers, dead letters, the table."""
        from dblog_tui.screens.health import HealthScreen  # noqa: PLC0415 - only where it is asked for

        self.app.push_screen(HealthScreen(self.source, self.look, self.admin_url), self.come_back)

    def follow_link(self, link: Link) -> None:
        """What a command line named beside a view."""
        if link.trace:
            self.open_trace(link.trace)
        elif link.entry:
            self.run_worker(self._open_entry(link.entry), group="entry", exit_on_error=False)
        elif link.at is not None:
            self.go_to(link.at)

    async def _open_entry(self, digits: str) -> None:
        try:
            entry = await self.source.get(digits)
        except DblogError as error:
            self.say(str(error), bad=True)
            return
        place = self.browser.place(entry)
        if place is None:
            self.say(f"there is no entry whose id ends in {digits[:40]}", bad=True)
            return
        self.go_to(place)
        self.open_pane(entry)

    # -- taking away --------------------------------------------------------------------------------------------

    def action_copy_line(self) -> None:
        """The row, as one sees it but whole."""
        row = self.rows.cursor_row
        if row is not None:
            self.say(copy(self.app, self.rows.rows.of(row, None).text.strip()))

    def action_copy_json(self) -> None:
        """The whole entry as JSON."""
        self.run_worker(self._copy_json(), group="copy", exclusive=True, exit_on_error=False)

    async def _copy_json(self) -> None:
        from dblog.interchange import to_json  # noqa: PLC0415 - only where it is asked for

        entry = self.under_cursor()
        try:
            whole = await self.source.get(entry.id) if entry is not None else None
        except DblogError as error:
            self.say(str(error), bad=True)
            return
        if whole is not None:
            self.say(copy(self.app, to_json(whole).decode()))

    def action_link(self) -> None:
        """This view and row, as a command line."""
        self.say(copy(self.app, self.command_line()))

    def command_line(self) -> str:
        """This view, and the row where one is not following, as a command line."""
        from dblog_tui.arguments import placed  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.links import Link, command_line  # noqa: PLC0415 - as above

        at = None if self.rows.following else self.browser.place(self.rows.entry)
        return command_line(Link.of(self._fixed(), at=at, zone=self.settings.timezone or None, **placed(self.source)))

    def _fixed(self) -> View:
        """The view, its range as it was when it was shown: who opens the link later sees the same."""
        view = self.browser.view
        if view.span.last is None or self.rows.following:
            return view
        since, until = view.span.bounds(self.browser.shown_at)
        return replace(view, span=Span(since=since, until=until))

    def action_plain(self) -> None:
        """The rows on the plain terminal, where its own selection works, until Enter is pressed."""
        from textual.app import SuspendNotSupported  # noqa: PLC0415 - only here

        lines = [self.rows.rows.of(row, None).text.rstrip() for row in self.rows.on_screen]
        try:
            with self.app.suspend():
                print("\n".join(lines))  # noqa: T201 - the plain terminal is meant
                with suppress(EOFError, KeyboardInterrupt):
                    input("Enter goes back ")
        except SuspendNotSupported:
            self.say("there is no plain terminal to go to here")

    # -- the writers, and whether one could write -----------------------------------------------------------------

    def begin_panes(self) -> None:
        """Look after the writers from now on, and once at what one may do."""
        self.run_worker(self._look_around(), group="pulse", exit_on_error=False)
        self.set_interval(_PULSE, self._look_after)

    def _look_after(self) -> None:
        if self.browser.down is None:
            look = self._pulse if self.proof else self._look_around
            self.run_worker(look(), group="pulse", exclusive=True, exit_on_error=False)

    async def _look_around(self) -> None:
        try:
            access = await self.source.access()
            await self.source.extent()
        except DblogError:
            return  # the rows say what is wrong
        self.proof = "read-only" if access.read_only else "NOT READ-ONLY"
        self.tell()
        await self._pulse()

    async def _pulse(self) -> None:
        from dblog_tui.source.health import pulse  # noqa: PLC0415 - behind the first rows

        try:
            found = await pulse(self.source)
        except DblogError:
            return
        if found.beginning:
            self.set_timer(_SOON, self._look_after)
        self.writers = (self.look.glyphs.ellipsis if found.beginning else str(found), found.bad)
        self.tell()

    # -- leaving ------------------------------------------------------------------------------------------------

    def cancel_running(self) -> bool:
        """End the running query; whether there was one."""
        was = self.browser.cancel()
        self.empty_changed()
        return was

    def action_leave(self) -> None:
        """Back, and at the top: quit."""
        if self.fields.has_focus or self.histogram.has_focus or self.detail.has_focus:
            self.rows.focus()
        elif self.detail.display:
            self.close_pane()
        else:
            self.app.exit()
