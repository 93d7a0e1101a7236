"""The query line of the log screen, and what is said of a query: that it cannot be read, what it costs, why nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dblog.cli.charts import compact
from dblog.cli.lines import attributes_of
from dblog.entry import LogEntry
from dblog.errors import DblogError, QuerySyntaxError
from dblog_tui import header
from dblog_tui.recent import Recent, recent_path
from dblog_tui.widgets.querybar import QueryBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from textual.app import ComposeResult
    from textual.timer import Timer

    from dblog_tui.browser import Browser
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View
    from dblog_tui.widgets.logview import LogView

__all__ = ["Querying"]

_OFFERED = 100
"""Values of a field that are offered."""
_LOOKED_AT = 200
"""Rows in which keys are looked for."""


class Querying:
    """What ``LogsScreen`` does with the query line."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    keep_place: Callable[[View], None]
    show: Callable[..., bool]
    find: Callable[[str], bool]
    say: Callable[..., None]
    query_one: Any
    sought: str
    answer_later: Timer | None = None
    """The answer is not told before this."""

    def compose_query(self) -> ComposeResult:
        """The line."""
        yield QueryBar(
            self.look,
            values=self._values,
            paths=self._seen_paths,
            rows=self._seen_rows,
            recent=Recent(recent_path("queries")),
            finds=Recent(recent_path("finds")),
            zone=self.source.zone,
            id="query",
        )

    @property
    def bar(self) -> QueryBar:
        """The query line."""
        bar: QueryBar = self.query_one("#query", QueryBar)
        return bar

    def _seen_paths(self) -> Iterator[str]:
        """Paths into the metadata of what is loaded; an entry takes some microseconds."""
        from dblog_tui.spelled import paths_of  # noqa: PLC0415 - only while a query is written

        for row in self._seen_rows():
            yield from paths_of(attributes_of(row))

    def _seen_rows(self) -> list[LogEntry]:
        return [row for row in self.browser.window.rows[-_LOOKED_AT:] if isinstance(row, LogEntry)]

    async def _values(self, name: str) -> Sequence[tuple[str, int]]:
        facets = await self.source.facets("", name, limit=_OFFERED)
        return [(each.value, each.count) for each in facets.values]

    def tell_query(self) -> None:
        """The query that is shown, and its answer."""
        self.bar.show(self.browser.view.query, self.sought)
        if self.answer_later is None:
            self.bar.answer(header.answer(self.browser, self.total))

    @property
    def total(self) -> str:
        """How many entries there are, roughly; never fewer than are loaded."""
        extent = self.source.known_extent
        if extent is None:
            return ""
        about = "" if extent.rows.exact else self.look.glyphs.about
        return f"{about}{compact(max(extent.rows.value, len(self.browser.window)))}"

    def mistaken(self, error: DblogError, query: str) -> None:
        """A query could not be read: edit it, and say why. The rows stay."""
        if isinstance(error, QuerySyntaxError) and error.text == query:
            self.bar.mistake(error)
        else:
            self.say(str(error), bad=True)

    def cost_reason(self) -> str:
        """The clause no index answers."""
        from dblog_tui.cost import cost  # noqa: PLC0415 - loaded by now

        query = self.browser.query
        return "" if isinstance(query, str) else cost(query.tree).clause

    # -- what the line says --------------------------------------------------------------------------------------

    def on_query_bar_submitted(self, message: QueryBar.Submitted) -> None:
        """Ask."""
        self.rows.focus()
        if message.mode == "find":
            self.find(message.text)
        else:
            self.keep_place(replace(self.browser.view, query=message.text, at=None))

    def on_query_bar_cancelled(self) -> None:
        """Back to the rows, as they were."""
        self.rows.focus()

    # -- keys ---------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Edit the query."""
        self.bar.edit()

    def action_find(self) -> None:
        """Look for something among the rows."""
        self.bar.edit(mode="find")
