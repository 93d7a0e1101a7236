"""The panes of the log screen: histogram, fields, and the entry under the cursor."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dblog.entry import LogEntry
from dblog.errors import DblogError
from dblog_tui.browser import Mode
from dblog_tui.clipboard import copy
from dblog_tui.view import Span
from dblog_tui.widgets.detail import DetailPane
from dblog_tui.widgets.fields import FieldsPane
from dblog_tui.widgets.histogram import HistogramPane
from dblog_tui.window import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from dblog_tui.browser import Browser
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View
    from dblog_tui.widgets.logview import LogView

__all__ = ["Panes"]

_SETTLED: Final = 0.08
"""Seconds the cursor has to stay on a row before the whole entry is loaded."""
_AGAIN: Final = 10.0
"""Seconds after which a histogram of what goes on is counted anew, at the earliest."""
_PATIENCE: Final = 30
"""It takes a thirtieth of the database's time at most."""
_WIDE: Final = 160
"""Cells from which fields are shown without being asked for."""


class Panes:
    """What ``LogsScreen`` does with its panes."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    show: Callable[..., bool]
    say: Callable[..., None]
    tell: Callable[[], None]
    leave_live: Callable[[], None]
    query_one: Any
    run_worker: Any
    app: Any
    size: Any
    add_column: Callable[[str], None]
    include: Callable[[str, Any], None]
    exclude: Callable[[str, Any], None]
    open_trace: Callable[[str], None]
    open_context: Callable[[LogEntry], None]
    empty_changed: Callable[[], None]
    toggle_class: Any
    add_class: Any
    has_class: Any
    remove_class: Any
    _exact_bars = False
    _exact_fields: frozenset[str] = frozenset()
    _zoomed: tuple[int, int] | None = None
    _counted = 0.0
    _count_took = 0.0
    _wide_asked = False
    _bars_of: View | None = None
    """The view the bars were counted for."""

    def compose_histogram(self) -> ComposeResult:
        """Bars over time."""
        yield HistogramPane(self.look, id="histogram")

    def compose_fields(self) -> ComposeResult:
        """Fields to the left."""
        pane = FieldsPane(self.look, id="fields")
        pane.display = False
        yield pane

    def compose_detail(self) -> ComposeResult:
        """The entry, below or to the right."""
        pane = DetailPane(self.look, id="detail")
        pane.display = False
        yield pane

    @property
    def histogram(self) -> HistogramPane:
        """The bars."""
        pane: HistogramPane = self.query_one("#histogram", HistogramPane)
        return pane

    @property
    def fields(self) -> FieldsPane:
        """The fields."""
        pane: FieldsPane = self.query_one("#fields", FieldsPane)
        return pane

    @property
    def detail(self) -> DetailPane:
        """The entry's pane."""
        pane: DetailPane = self.query_one("#detail", DetailPane)
        return pane

    # -- histogram ----------------------------------------------------------------------------------------------

    def count_bars(self) -> None:
        """Count the view's bars, in a task of its own, which ends the one before."""
        self.run_worker(self._count_bars(), group="histogram", exclusive=True, exit_on_error=False)

    async def _count_bars(self) -> None:
        from dblog_tui.source.bars import bars  # noqa: PLC0415 - loads the grammar

        view, now = self.barred(), time.time_ns() // 1000
        known = self.histogram.bars if view == self._bars_of else None
        self._bars_of = view
        began = time.monotonic()
        counting = bars(self.source, view, now, self.histogram.columns, exact=self._exact_bars, known=known)
        try:
            async for each in counting:
                self.histogram.show(each)
        except DblogError:
            return  # the rows say what is wrong
        finally:
            self._counted, self._count_took = time.monotonic(), time.monotonic() - began

    def grow_bars(self) -> None:
        """What the tail brought is in the bars at once, without a query."""
        batch, known = self.browser.batch, self.histogram.bars
        if batch is not None and known is not None and self._zoomed is None:
            now = time.time_ns() // 1000
            self.histogram.show(known.grown(batch.entries, now, skipped=batch.skipped))

    def barred(self) -> View:
        """The view, in the range of the bars."""
        view = self.browser.view
        return view if self._zoomed is None else replace(view, span=Span(since=self._zoomed[0], until=self._zoomed[1]))

    def count_again(self) -> None:
        """Where rows go on coming, count again, but not too often."""
        since = time.monotonic() - self._counted
        bars = self.histogram.bars
        old = bars is not None and bars.stale and since > max(_AGAIN, _PATIENCE * self._count_took)
        if self._counted and old and self.browser.mode is Mode.LIVE:
            self._counted = 0.0
            self.count_bars()
            if self.fields.display:
                self.count_fields()

    def on_histogram_pane_roomy(self) -> None:
        """Another width: other columns."""
        if not self.browser.loading and self.browser.shown_at:
            self.count_bars()

    def on_histogram_pane_range_chosen(self, message: HistogramPane.RangeChosen) -> None:
        """Look at the rows of a range."""
        self._zoomed = None
        self.rows.focus()
        self.show(replace(self.browser.view, span=Span(since=message.since, until=message.until), at=None))

    def on_histogram_pane_zoomed(self, message: HistogramPane.Zoomed) -> None:
        """Bars of another range; the rows stay."""
        self._zoomed = (message.since, message.until)
        self.count_bars()

    def on_histogram_pane_exact(self) -> None:
        """Count all of it."""
        self._exact_bars = True
        self.count_bars()

    def on_histogram_pane_left(self) -> None:
        """Back to the rows; and to the bars of the view."""
        self.rows.focus()
        if self._zoomed is not None:
            self._zoomed = None
            self.count_bars()

    def action_histogram(self) -> None:
        """Into the histogram."""
        self.histogram.display = True
        self.histogram.focus()

    # -- fields -------------------------------------------------------------------------------------------------

    def count_fields(self) -> None:
        """Count values, in a task of its own."""
        self.run_worker(self._count_fields(), group="fields", exclusive=True, exit_on_error=False)

    async def _count_fields(self) -> None:
        from dblog_tui.source.fields import count_fields  # noqa: PLC0415 - loads the grammar

        entries = [row for row in self.browser.window.rows[-500:] if isinstance(row, LogEntry)]
        now = time.time_ns() // 1000
        try:
            counting = count_fields(self.source, self.browser.view, now, entries, exact=self._exact_fields)
            async for fields, label in counting:
                self.fields.show(fields, label)
        except DblogError as error:
            self.say(str(error), bad=True)

    def action_fields(self) -> None:
        """Show the fields, go into them, hide them."""
        pane = self.fields
        if pane.display and pane.has_focus:
            pane.display = False
            self.rows.focus()
            return
        if not pane.display:
            pane.display = True
            self.count_fields()
        pane.focus()

    def on_fields_pane_include(self, message: FieldsPane.Include) -> None:
        """Only this value."""
        self.include(message.field, message.value)

    def on_fields_pane_exclude(self, message: FieldsPane.Exclude) -> None:
        """Not this value."""
        self.exclude(message.field, message.value)

    def on_fields_pane_exact(self, message: FieldsPane.Exact) -> None:
        """Count all of it."""
        self._exact_fields |= {message.field}
        self.count_fields()

    def on_fields_pane_left(self) -> None:
        """Back to the rows; where it was not there by itself, it goes."""
        if self.size.width < _WIDE:
            self.fields.display = False
        self.rows.focus()

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
        pane.show(entry, loading=entry is not None)
        if entry is not None:
            self.run_worker(self._load_entry(entry), group="detail", exclusive=True, exit_on_error=False)

    async def _load_entry(self, entry: LogEntry) -> None:
        await asyncio.sleep(_SETTLED)
        pane = self.detail
        try:
            whole = await self.source.get(entry.id)
            if whole is None:
                pane.failed("this entry is no longer stored")
                return
            pane.show(whole)
            if whole.template:
                await self._count_similar(whole.template)
        except DblogError as error:
            pane.failed(str(error))

    async def _count_similar(self, template: str) -> None:
        """How many of the newest entries have the template; one look for many entries."""
        if self._templates is None:
            facets = await self.source.facets(self.browser.query, "template", limit=1000)
            where = f"in the newest {facets.seen:,}" if facets.sampled else "here"
            self._templates = {each.value: each.count for each in facets.values}, where
        counts, where = self._templates
        if template in counts:
            self.detail.similar(counts[template], where=where)

    def action_detail(self) -> None:
        """The entry's pane, then into it; a search that waits goes on."""
        if self.browser.gate is not None:
            self.browser.go_on()
            return
        pane = self.detail
        if pane.display:
            pane.focus()
            return
        self.open_pane()

    def open_pane(self) -> None:
        """Show the entry under the cursor."""
        self.leave_live()
        self.add_class("-open")
        self.detail.display = True
        self.fit_pane()
        self.row_changed()
        self.tell()

    def action_pane(self) -> None:
        """Show or hide the pane."""
        if self.detail.display:
            self.close_pane()
        else:
            self.open_pane()

    def close_pane(self) -> None:
        """Hide it."""
        self.remove_class("-full", "-open")
        self.detail.display = False
        self.rows.focus()

    def fit_pane(self) -> None:
        """Below the rows, or to the right where there is room."""
        wide = self.has_class("-wide") or self.has_class("-widest")
        if self.detail.beside != wide:
            self.detail.beside = wide
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
        self.detail.focus()

    def on_detail_pane_left(self) -> None:
        """From full screen to the pane, from the pane to the rows."""
        if self.has_class("-full"):
            self.remove_class("-full")
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
        self._wanted_counts, self._templates = True, None

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
    _templates: tuple[dict[str, int], str] | None = None
    """Templates of the newest entries, with counts, and which entries these are."""
