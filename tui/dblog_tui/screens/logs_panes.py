"""The entry under the cursor of the log screen, below the rows or beside them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import DblogError
from dblog_tui.clipboard import copy
from dblog_tui.screens.logs_figures import Figures
from dblog_tui.widgets.detail import DetailPane
from dblog_tui.window import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from dblog.entry import LogEntry

__all__ = ["Panes"]

_SETTLED: Final = 0.08
"""Seconds the cursor has to stay on a row before the whole entry is loaded."""
_WIDE: Final = 160
"""Cells from which fields are shown without being asked for."""


class Panes(Figures):
    """What ``LogsScreen`` does with its panes."""

    tell: Callable[[], None]
    leave_live: Callable[[], None]
    app: Any
    add_column: Callable[[str], None]
    open_trace: Callable[[str], None]
    open_context: Callable[[LogEntry], None]
    empty_changed: Callable[[], None]
    cancel_running: Callable[[], bool]
    find: Callable[[str], bool]
    sought: str
    toggle_class: Any
    add_class: Any
    has_class: Any
    remove_class: Any
    _wide_asked = False
    _fields_aside = False
    """They come back when the entry is no longer the whole screen."""

    def compose_detail(self) -> ComposeResult:
        """The entry, below or to the right."""
        pane = DetailPane(self.look, id="detail")
        pane.display = False
        yield pane

    @property
    def detail(self) -> DetailPane:
        """The entry's pane."""
        pane: DetailPane = self.query_one("#detail", DetailPane)
        return pane

    # -- detail -------------------------------------------------------------------------------------------------

    def row_changed(self, _message: Any = None) -> None:
        """The cursor is on another row: show what is known of it, load the rest when the cursor rests."""
        pane = self.detail
        if not pane.display:
            return
        entry = self.rows.entry
        known = pane.entry
        if entry is not None and known is not None and known.id == entry.id:
            return
        if entry is None:
            pane.show(None)
        else:
            self._show_entry(entry)

    def _show_entry(self, entry: LogEntry) -> None:
        self.detail.show(entry, loading=True)
        self.run_worker(self._load_entry(entry), group="detail", exclusive=True, exit_on_error=False)

    async def _load_entry(self, entry: LogEntry) -> None:
        await asyncio.sleep(_SETTLED)
        pane = self.detail
        try:
            whole = await self.source.get(entry.id)
        except DblogError as error:
            pane.failed(f"the rest could not be loaded: {error}")
            return
        if whole is None:
            pane.failed("this entry is no longer stored")
            return
        pane.show(whole)
        try:
            if whole.template:
                self._told(self.detail.similar, await self._counts("template"), whole.template)
            if whole.exc_type:
                self._told(self.detail.alike, await self._counts("exc_type"), whole.exc_type)
        except DblogError as error:
            pane.failed(str(error))

    async def _counts(self, field: str) -> tuple[dict[str, int], str]:
        """How many of the newest entries have each value of a field; one look for many entries."""
        if field not in self._similar:
            facets = await self.source.facets(self.browser.query, field, limit=1000)
            where = f"in the newest {facets.seen:,}" if facets.sampled else "here"
            self._similar[field] = {each.value: each.count for each in facets.values}, where
        return self._similar[field]

    def _told(self, tell: Callable[..., None], counted: tuple[dict[str, int], str], value: str) -> None:
        counts, where = counted
        if value in counts:
            tell(counts[value], where=where)

    def action_detail(self) -> None:
        """The entry's pane, then into it; a search that waits goes on."""
        if self.browser.gate is not None:
            self.browser.go_on()
            return
        pane = self.detail
        if pane.display:
            pane.focus()
        elif self.rows.entry is None:
            self.say("there is no row to open here")
        else:
            self.open_pane()

    def open_pane(self, entry: LogEntry | None = None) -> None:
        """Show the entry under the cursor, or one that the cursor is on its way to."""
        self.leave_live()
        self.add_class("-open")
        self.detail.display = True
        self.fit_pane()
        if entry is None:
            self.row_changed()
        else:
            self._show_entry(entry)
        self.tell()

    def action_pane(self) -> None:
        """Show or hide the pane."""
        if self.detail.display:
            self.close_pane()
        else:
            self.action_detail()

    def close_pane(self) -> None:
        """Hide it."""
        self.remove_class("-full", "-open")
        self.detail.display = False
        self.fit_pane()
        self.rows.focus()

    def action_escape(self) -> None:
        """One step back: the entry's pane, the fields that were asked for, the running query, what was looked for."""
        if self.detail.display:
            self.close_pane()
        elif self.fields.display and self.size.width < _WIDE:
            self.fields.display = False
        elif not self.cancel_running() and self.sought:
            self.find("")
            self.tell()

    def fit_pane(self) -> None:
        """Below the rows, or to the right where there is room, with a line between; alone where it is the screen."""
        wide, full = self.has_class("-wide") or self.has_class("-widest"), self.has_class("-full")
        if full and self.fields.display:
            self._fields_aside, self.fields.display = True, False
        elif not full and self._fields_aside:
            self._fields_aside, self.fields.display = False, True
        beside = wide and not full
        if self.detail.beside != beside:
            self.detail.beside = beside
            self.detail.restyle()

    def on_detail_pane_include(self, message: DetailPane.Include) -> None:
        """Only this value."""
        self.include(message.field, message.value)

    def on_detail_pane_exclude(self, message: DetailPane.Exclude) -> None:
        """Not this value."""
        self.exclude(message.field, message.value)

    def on_detail_pane_column(self, message: DetailPane.Column) -> None:
        """Another column."""
        self.add_column(message.name)

    def on_detail_pane_trace_asked(self, message: DetailPane.TraceAsked) -> None:
        """The trace."""
        self.open_trace(message.trace_id)

    def on_detail_pane_context_asked(self, message: DetailPane.ContextAsked) -> None:
        """The context."""
        self.open_context(message.entry)

    def on_detail_pane_pattern_asked(self, message: DetailPane.PatternAsked) -> None:
        """Only entries of its template."""
        self.include("template", message.template)

    def on_detail_pane_full(self) -> None:
        """The whole screen, and back."""
        self.toggle_class("-full")
        self.fit_pane()
        self.detail.focus()

    def on_detail_pane_left(self) -> None:
        """From full screen to the pane, from the pane to the rows."""
        if self.has_class("-full"):
            self.remove_class("-full")
            self.fit_pane()
        else:
            self.rows.focus()

    def on_detail_pane_neighbour(self, message: DetailPane.Neighbour) -> None:
        """The entry of the row below, or above."""
        self.rows.move(message.by)

    def on_detail_pane_copied(self, message: DetailPane.Copied) -> None:
        """Onto the clipboard."""
        self.say(copy(self.app, message.text))

    def on_detail_pane_said(self, message: DetailPane.Said) -> None:
        """Why a key did nothing."""
        self.say(message.sentence)

    # -- all of them --------------------------------------------------------------------------------------------

    def view_shown(self) -> None:
        """Another view: other bars, other counts."""
        self._zoomed, self._exact_bars, self._exact_fields, self._counted = None, False, frozenset(), 0.0
        self._wanted_counts, self._similar = True, {}

    def rows_changed(self) -> None:
        """Rows came; the first of a view begin the counting, so that nothing delays them."""
        if self._wanted_counts and not self.browser.loading:
            self._wanted_counts = False
            self.count_bars()
            if self.fields.display:
                self.count_fields()
            elif self.size.width >= _WIDE and not self._wide_asked:
                self._wide_asked = True
                self.fields.display = True
                self.count_fields()
        self.count_again()
        self.empty_changed()
        if self.detail.display and self.rows.entry is not None and self.detail.entry is not None:
            same = key_of(self.rows.entry) == key_of(self.detail.entry)
            if not same:
                self.row_changed()

    _wanted_counts = False
    _similar: dict[str, tuple[dict[str, int], str]]
    """By field: its values in the newest entries, with counts, and which entries these are."""
