"""``TraceScreen``: one request through every service, with the silence that explains it.

The filter of the rows does not apply here, and the screen says so. A trace that is not found is looked for as the
beginning of an id; where that is nothing either, the screen says what may be the reason.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, ClassVar, Final

from dblog.cli.moments import day
from dblog.errors import DblogError
from dblog.visible import visible
from dblog_tui.keys import bindings
from dblog_tui.present.story import story_of
from dblog_tui.screens.entries import EntriesScreen
from dblog_tui.screens.holding import held
from dblog_tui.widgets.tracelines import TraceLines

if TYPE_CHECKING:
    from uuid import UUID

    from textual.binding import BindingType

    from dblog.entry import LogEntry
    from dblog.reading.values import Facets
    from dblog_tui.present.look import Look
    from dblog_tui.present.strips import Found, Piece
    from dblog_tui.screens.entries import Outcome
    from dblog_tui.source import Source

__all__ = ["TraceScreen"]

_PREFIX: Final = re.compile(r"[0-9a-fA-F]{4,31}")
_MOST: Final = 50
"""Traces offered that begin alike."""
_MANY: Final = 500
"""Entries from which on a trace is understood in a thread."""


class TraceScreen(EntriesScreen):
    """A trace.

    Args:
        source: whom to ask.
        look: how things look.
        trace_id: which one, or its first digits.
        at: the entry the cursor is to be on.
        filter_text: the filter of the rows one comes from.
        find: where in a message something that is looked for stands.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("trace")]
    KEYS: ClassVar[str] = "trace"

    lines: TraceLines

    def __init__(
        self,
        source: Source,
        look: Look,
        trace_id: str,
        at: UUID | None = None,
        *,
        filter_text: str = "",
        find: Found | None = None,
    ) -> None:
        self._filter_text, self._find = filter_text, find
        super().__init__(source, look)
        self.trace_id, self._at = trace_id, at

    def make_lines(self) -> TraceLines:
        """The trace's."""
        return TraceLines(self.look, filter_text=self._filter_text, found=self._find)

    @property
    def entry(self) -> LogEntry | None:
        """The one under the cursor."""
        return self.lines.entry

    def on_mount(self) -> None:
        """Ask."""
        super().on_mount()
        self._say(f"reading trace {visible(self.trace_id[:80])} {self.look.glyphs.ellipsis}")
        self.wait()
        self.action_rerun()

    # -- asking -------------------------------------------------------------------------------------------------------

    def action_rerun(self) -> None:
        """Ask for the trace again; what is shown stays until the answer is here."""
        self.run_worker(self._ask(), group="trace", exclusive=True, exit_on_error=False)

    async def _ask(self) -> None:
        try:
            await self._read()
        except DblogError as error:
            self.drop()
            if self.lines.story is None:
                self._say("The trace could not be read.", f"  {error}", "", "ctrl+r asks again, q goes back.", bad=True)
            else:
                self.tell(str(error), bad=True)

    async def _read(self) -> None:
        found = await self.source.trace(self.trace_id)
        if not found.entries and _PREFIX.fullmatch(self.trace_id):
            candidates = await self.source.facets(f"trace_id:{self.trace_id}*", "trace_id", limit=_MOST)
            if len(candidates.values) > 1:
                self.drop()
                self._offer(candidates)
                return
            if candidates.values:
                found = await self.source.trace(candidates.values[0].value)
        if not found.entries:
            self.drop()
            await self._say_why()
            return
        self.trace_id = found.trace_id
        story = story_of(found) if len(found.entries) < _MANY else await asyncio.to_thread(story_of, found)
        self.lines.show(story, self._at)
        self._at = None
        self.tell()
        self.release()

    async def _say_why(self) -> None:
        """There is no such trace: what may be the reason, and what to do."""
        oldest = (await self.source.extent()).oldest
        kept = f"it began before {day(oldest, self.look.zone)}, the oldest day here" if oldest is not None else ""
        reasons = [
            "it is not stored yet: ctrl+r asks again",
            kept or "nothing at all is stored here yet",
            f"it is in another database than {visible(self.source.name)}",
            "its services set no trace_id: dblog.context and the integrations do",
        ]
        self._say(
            f"No entry has the trace id {visible(self.trace_id[:80])}.",
            "",
            "It may be that",
            *(f"  {self.look.glyphs.dot} {reason}" for reason in reasons),
            "",
            "ctrl+r asks again, q goes back.",
        )

    def _offer(self, candidates: Facets) -> None:
        styles = self.look.styles
        many = f"{len(candidates.values)}{' or more' if len(candidates.values) == _MOST else ''}"
        lines: list[list[Piece]] = [
            [(f"{many} traces begin with {self.trace_id}; Enter shows one.", styles.strong)],
            [],
        ]
        offers = {len(lines) + index: value.value for index, value in enumerate(candidates.values)}
        for value in candidates.values:
            words = f"  {value.count:,} {'entry' if value.count == 1 else 'entries'}"
            lines.append([(f" {visible(value.value)}", styles.text), (words, styles.dim)])
        if candidates.sampled:
            lines += [[], [(f"Of the newest {candidates.seen:,} entries; there may be older ones.", styles.dim)]]
        self.lines.say(lines, offers)

    def _say(self, first: str, *further: str, bad: bool = False) -> None:
        styles = self.look.styles
        head: list[Piece] = [(first, styles.error if bad else styles.strong)]
        self.lines.say([[], head, *([(line, styles.text)] for line in further)])

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_detail(self) -> None:
        """The whole entry; or the trace one has chosen."""
        if (offer := self.lines.offer) is not None:
            self.trace_id = offer
            self.wait()
            self.action_rerun()
        else:
            super().action_detail()

    @held()
    def action_level(self, by: int) -> None:
        """Raise or lower the least level."""
        self.lines.level(by)

    @held()
    def action_error(self, direction: int) -> None:
        """To the next error."""
        if not self.lines.seek_error(direction):
            self.tell("no error below" if direction > 0 else "no error above")

    @held()
    def action_gap(self, direction: int) -> None:
        """To the next silence."""
        if not self.lines.seek_gap(direction):
            self.tell("no silence below" if direction > 0 else "no silence above")

    @held()
    def action_find_next(self, direction: int) -> None:
        """To the next hit."""
        if self._find is None:
            self.tell("nothing is being looked for: / among the rows")
        elif not self.lines.seek_found(direction):
            self.tell("no hit below" if direction > 0 else "no hit above")

    @held()
    def action_spans(self) -> None:
        """As a tree, or by time."""
        if self.lines.story is None:
            return
        if not self.lines.story.has_spans:
            self.tell("no entry of this trace names a span: there is no tree")
            return
        self.lines.toggle_tree()

    @held()
    def action_services(self) -> None:
        """One service only, the next, all."""
        self.lines.next_service()

    @held(leads=True)
    def action_context(self) -> None:
        """What was logged around the entry."""
        if self.entry is not None:
            self.context_asked(self.entry)

    def action_copy_id(self) -> None:
        """Copy the trace's id."""
        self.copy(self.trace_id, "trace id")

    def action_link(self) -> None:
        """Copy the trace as a command line."""
        from dblog_tui.arguments import placed  # noqa: PLC0415 - for those who make a link
        from dblog_tui.links import Link, command_line  # noqa: PLC0415 - as above

        self.copy(command_line(Link(**placed(self.source), trace=self.trace_id)), "command line")

    def trace_asked(self, trace_id: str) -> None:
        """It is here already, or another one takes its place."""
        self.close_pane()
        if trace_id != self.trace_id:
            self.trace_id = trace_id
            self.wait()
            self.action_rerun()

    def context_asked(self, entry: LogEntry) -> None:
        """Show it over this; an entry chosen there is looked at among all rows."""
        from dblog_tui.screens.context import ContextScreen  # noqa: PLC0415 - only where it is asked for

        self.app.push_screen(ContextScreen(self.source, self.look, entry), self._context_left)

    def _context_left(self, outcome: Outcome) -> None:
        if outcome is not None:
            self.dismiss(outcome)
