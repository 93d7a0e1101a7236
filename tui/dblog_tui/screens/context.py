"""``ContextScreen``: what was logged around an entry: on its host, by its logger, or by everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from dblog.errors import DblogError
from dblog_tui.keys import bindings
from dblog_tui.present.context import scope_words, scopes_of
from dblog_tui.screens.entries import EntriesScreen
from dblog_tui.screens.holding import held
from dblog_tui.widgets.contextlines import ContextLines

if TYPE_CHECKING:
    from textual.binding import BindingType

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.reading.values import Context
    from dblog_tui.present.look import Look
    from dblog_tui.screens.entries import Outcome
    from dblog_tui.source import Source

__all__ = ["ContextScreen"]

_SIZES: Final = (5, 10, 20, 50, 100, 200, 500, 1000)
"""How many entries on each side."""
_REACHES: Final = (60_000_000, 3_600_000_000, None)
"""µs to both sides that are searched, one after the other, until there are enough: no index knows hosts or loggers."""


class ContextScreen(EntriesScreen):
    """The entries around one.

    Args:
        source: whom to ask.
        look: how things look.
        entry: the one in the middle.
        n: how many before it, and after it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("context")]
    KEYS: ClassVar[str] = "context"

    lines: ContextLines

    def __init__(self, source: Source, look: Look, entry: LogEntry, n: int = 20) -> None:
        super().__init__(source, look)
        self._around, self._n = entry, n
        self._scopes = scopes_of(entry)
        self._scope = self._scopes[0]

    def make_lines(self) -> ContextLines:
        """The entries'."""
        return ContextLines(self.look)

    @property
    def entry(self) -> LogEntry | None:
        """The one under the cursor."""
        return self.lines.entry

    def on_mount(self) -> None:
        """Show the entry, and ask for the others."""
        super().on_mount()
        self.wait()
        self.action_rerun()

    # -- asking -------------------------------------------------------------------------------------------------------

    def action_rerun(self) -> None:
        """Ask again."""
        self.run_worker(self._ask(), group="context", exclusive=True, exit_on_error=False)

    async def _ask(self) -> None:
        scope, n = self._scope, self._n
        ellipsis = self.look.glyphs.ellipsis
        try:
            for reach in _REACHES if scope != "all" else (None,):
                found = await self.source.context(self._around, n, self._query(scope, reach))
                done = reach is None or min(len(found.before), len(found.after)) >= n
                note = "" if done else f"looking further for entries {scope_words(self._around, scope)} {ellipsis}"
                self._show(found, scope, n, note)
                self.release()
                if done:
                    break
        except DblogError as error:
            self.drop()
            self.tell(str(error), bad=True)
            self.lines.say("these may not be all; ctrl+r asks again" if self.lines.context else "ctrl+r asks again")

    def _show(self, found: Context, scope: str, n: int, note: str) -> None:
        self.lines.show(found, scope, n, note)
        self.show_entry()

    def _query(self, scope: str, reach: int | None) -> Query | str:
        """Whose entries, and how far away at most."""
        if scope == "all":
            return ""
        from dblog.query import Query, where  # noqa: PLC0415 - loads the grammar, which is behind the first paint
        from dblog.query.fields import COLUMNS  # noqa: PLC0415 - as above
        from dblog.query.tree import Range, both  # noqa: PLC0415 - as above

        whose = where({scope: getattr(self._around, scope)})
        if reach is None:
            return whose
        moment = self._around.timestamp
        near = Range(COLUMNS["timestamp"], low=moment - reach, high=moment + reach)
        return Query(whose.text, both([whose.tree, near]))

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_scope(self) -> None:
        """Of the same host, by the same logger, all."""
        self._scope = self._scopes[(self._scopes.index(self._scope) + 1) % len(self._scopes)]
        self.action_rerun()

    def action_more(self, direction: int) -> None:
        """More entries on each side, or fewer."""
        sizes = [size for size in _SIZES if (size > self._n if direction > 0 else size < self._n)]
        if not sizes:
            self.tell(f"{self._n:,} on each side is as {'many' if direction > 0 else 'few'} as there can be")
            return
        self._n = sizes[0] if direction > 0 else sizes[-1]
        self.action_rerun()

    @held()
    def action_middle(self) -> None:
        """Back to the entry."""
        self.lines.middle()

    @held()
    def action_error(self, direction: int) -> None:
        """To the next error."""
        if not self.lines.seek_error(direction):
            self.tell("no error below" if direction > 0 else "no error above")

    @held(leads=True)
    def action_trace(self) -> None:
        """The whole trace of the entry under the cursor."""
        if self.entry is not None and self.entry.trace_id:
            self.trace_asked(self.entry.trace_id)
        else:
            self.tell("this entry has no trace id")

    def action_copy_line(self) -> None:
        """Copy the entry as a line of text."""
        from dblog.cli.lines import Lines, Look  # noqa: PLC0415 - for those who copy

        if self.entry is not None:
            *_, line = Lines(Look(zone=self.look.zone, dates=True, wrap=True)).of(self.entry)
            self.copy(line, "line")

    def trace_asked(self, trace_id: str) -> None:
        """Show it over this."""
        from dblog_tui.screens.trace import TraceScreen  # noqa: PLC0415 - only where it is asked for

        at = self.entry.id if self.entry is not None else None
        self.app.push_screen(TraceScreen(self.source, self.look, trace_id, at), self._trace_left)

    def _trace_left(self, outcome: Outcome) -> None:
        if outcome is not None:
            self.dismiss(outcome)

    def context_asked(self, entry: LogEntry) -> None:
        """Around that one instead."""
        self.close_pane()
        self._around, self._scopes = entry, scopes_of(entry)
        if self._scope not in self._scopes:
            self._scope = self._scopes[0]
        self.lines.entries = ()
        self.action_rerun()
