"""The figures beside the rows of the log screen: the histogram above, the fields to the left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dblog.entry import LogEntry
from dblog.errors import DblogError, StoreUnavailable
from dblog_tui.browser import Mode
from dblog_tui.view import Span
from dblog_tui.widgets.fields import FieldsPane
from dblog_tui.widgets.histogram import HistogramPane

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from dblog_tui.browser import Browser
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View
    from dblog_tui.widgets.logview import LogView

__all__ = ["Figures"]

_AGAIN: Final = 10.0
"""Seconds after which a histogram of what goes on is counted anew, at the earliest."""
_PATIENCE: Final = 30
"""It takes a thirtieth of the database's time at most."""
_WIDE: Final = 160
"""Cells from which fields are shown without being asked for."""


class Figures:
    """What ``LogsScreen`` does with its figures."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    show: Callable[..., bool]
    say: Callable[..., None]
    query_one: Any
    run_worker: Any
    size: Any
    detail: Any
    remove_class: Any
    set_class: Any
    include: Callable[[str, Any], None]
    exclude: Callable[[str, Any], None]
    _is_empty: Callable[[], bool]
    action_setup: Callable[[], None]
    _exact_bars = False
    _exact_fields: frozenset[str] = frozenset()
    _zoomed: tuple[int, int] | None = None
    _counted = 0.0
    _count_took = 0.0
    _wanted_counts: bool
    """The next rows begin the counting."""
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

    # -- histogram ----------------------------------------------------------------------------------------------

    def count_bars(self) -> None:
        """Count the view's bars, in a task of its own, which ends the one before."""
        self.run_worker(self._count_bars(self.histogram), group="histogram", exclusive=True, exit_on_error=False)

    async def _count_bars(self, pane: HistogramPane) -> None:
        # The pane is given: while the screen is taken down, nobody finds it any more.
        from dblog_tui.source.bars import bars  # noqa: PLC0415 - loads the grammar

        view, now = self.barred(), time.time_ns() // 1000
        known = pane.bars if view == self._bars_of else None
        self._bars_of = view
        began = time.monotonic()
        counting = bars(self.source, view, now, pane.columns, exact=self._exact_bars, known=known)
        try:
            async for each in counting:
                pane.show(each)
        except StoreUnavailable:
            self._wanted_counts = True  # the rows say what is wrong; when they come again, so do the bars
        except DblogError:
            return  # as above
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
        self._leave_histogram()
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
        self._leave_histogram()
        if self._zoomed is not None:
            self._zoomed = None
            self.count_bars()

    def action_histogram(self) -> None:
        """Into the histogram; of an empty table, which has none, the lines that fill it."""
        if self._is_empty():
            self.action_setup()
            return
        self.remove_class("-open")  # where an entry's pane has taken its place
        self.histogram.focus()

    def _leave_histogram(self) -> None:
        self.set_class(self.detail.display, "-open")
        self.rows.focus()

    # -- fields -------------------------------------------------------------------------------------------------

    def count_fields(self) -> None:
        """Count values, in a task of its own."""
        self.run_worker(self._count_fields(self.fields), group="fields", exclusive=True, exit_on_error=False)

    async def _count_fields(self, pane: FieldsPane) -> None:
        from dblog_tui.source.fields import count_fields  # noqa: PLC0415 - loads the grammar

        entries = [row for row in self.browser.window.rows[-500:] if isinstance(row, LogEntry)]
        now = time.time_ns() // 1000
        try:
            counting = count_fields(self.source, self.browser.view, now, entries, exact=self._exact_fields)
            async for fields, label in counting:
                pane.show(fields, label)
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
