"""``EntriesScreen``: what screens of a few entries share: their lines, the pane of the whole entry, a last line.

It ends with where to go: None is back to where one was, a cursor is that entry among all rows, and a message of the
pane is what was asked for there and concerns the rows (a filter, a column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from rich.segment import Segment
from textual.containers import Container
from textual.screen import Screen

from dblog_tui.header import hint_line
from dblog_tui.screens.holding import Holding, held
from dblog_tui.screens.once import Once
from dblog_tui.widgets.detail import DetailPane
from dblog_tui.widgets.line import Line
from dblog_tui.widgets.watched import Watched

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.message import Message

    from dblog.entry import LogEntry
    from dblog.reading.values import Cursor
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.widgets.linelist import LineList

__all__ = ["EntriesScreen", "Outcome"]

Outcome: TypeAlias = "Cursor | Message | None"
_WIDE: Final = 120
"""Cells from which on the pane stands beside the rows."""


class EntriesScreen(Once, Holding, Watched, Screen[Outcome]):
    """Rows, and the pane of the whole entry below or beside them.

    Args:
        source: whom to ask.
        look: how things look.
    """

    KEYS: ClassVar[str] = ""
    """A key of ``keys.GROUPS``."""
    DEFAULT_CSS = """
    EntriesScreen #both { layout: vertical; height: 1fr; width: 1fr; }
    EntriesScreen.wide #both { layout: horizontal; }
    EntriesScreen DetailPane { display: none; }
    EntriesScreen.open DetailPane { display: block; }
    EntriesScreen.full LineList { display: none; }
    """

    def __init__(self, source: Source, look: Look) -> None:
        super().__init__()
        self.source, self.look = source, look
        self.lines = self.make_lines()
        self.pane = DetailPane(look)
        self.foot = Line(look)
        self._in_pane = self._said = False

    # -- for whoever derives from it ----------------------------------------------------------------------------------

    def make_lines(self) -> LineList:
        """The rows."""
        raise NotImplementedError

    @property
    def entry(self) -> LogEntry | None:
        """The one under the cursor."""
        raise NotImplementedError

    def trace_asked(self, trace_id: str) -> None:
        """The pane asks for a trace."""
        raise NotImplementedError

    def context_asked(self, entry: LogEntry) -> None:
        """The pane asks for what was around an entry."""
        raise NotImplementedError

    # -- what is there ------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The rows and the pane, and a line below."""
        yield Container(self.lines, self.pane, id="both")
        yield self.foot

    def on_mount(self) -> None:
        """The rows have the keys."""
        self.lines.focus()
        self.tell()

    def on_resize(self, event: events.Resize) -> None:
        """The pane goes where there is room."""
        self.set_class(event.size.width >= _WIDE, "wide")
        self._fit_pane()
        if not self._said:
            self.tell()

    def tell(self, sentence: str = "", *, bad: bool = False) -> None:
        """Say a sentence in the last line, until the cursor moves; by itself it shows keys."""
        styles, self._said = self.look.styles, bool(sentence)
        if sentence:
            self.foot.say([Segment(f" {sentence}", styles.error if bad else styles.accent)])
            return
        self.foot.say(hint_line("detail" if self._in_pane else self.KEYS, self.look, self.size.width))

    def on_descendant_focus(self) -> None:
        """The last line is about what has the focus."""
        if self._in_pane != (self.focused is self.pane):
            self._in_pane = not self._in_pane
            self.tell()

    def show_entry(self) -> None:
        """Bring the pane up to date."""
        if self.has_class("open"):
            self.pane.show(self.entry)

    # -- the rows -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self, message: LineList.Moved) -> None:
        """Another entry; what was said in the last line is about the one before."""
        if message.by_user:
            self.tell()
        self.show_entry()

    def on_line_list_opened(self) -> None:
        """A double click."""
        self.action_detail()

    @held()
    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.lines.move(by)

    @held()
    def action_page(self, pages: float) -> None:
        """Move by pages."""
        self.lines.page(pages)

    @held()
    def action_edge(self, direction: int) -> None:
        """To the first or the last entry."""
        self.lines.edge(direction)

    @held(leads=True)
    def action_goto(self) -> None:
        """Leave for the entry among all rows."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        if self.entry is not None and self.entry.id is not None:
            self.dismiss(Cursor.of(self.entry))

    def action_leave(self) -> None:
        """Close the pane, then the screen."""
        if self.has_class("open"):
            self.close_pane()
        else:
            self.dismiss(None)

    # -- the pane -----------------------------------------------------------------------------------------------------

    @held(leads=True)
    def action_detail(self) -> None:
        """Open the pane, and give it the keys; where it is open already and has not, close it."""
        if self.entry is None:
            return
        if self.has_class("open"):
            self.close_pane()
            return
        self.add_class("open")
        self.show_entry()
        self.pane.focus()

    def _fit_pane(self) -> None:
        """A line between the rows and it where it stands beside them, and none where it is alone."""
        beside = self.has_class("wide") and not self.has_class("full")
        if self.pane.beside != beside:
            self.pane.beside = beside
            self.pane.restyle()

    def close_pane(self) -> None:
        """Only the rows."""
        self.remove_class("open", "full")
        self._fit_pane()
        self.lines.focus()

    def on_detail_pane_left(self, message: Message) -> None:
        """Back to the rows; from the full screen to the half."""
        message.stop()
        if self.has_class("full"):
            self.remove_class("full")
            self._fit_pane()
        else:
            self.close_pane()

    def on_detail_pane_full(self, message: Message) -> None:
        """The pane alone, or no longer."""
        message.stop()
        self.toggle_class("full")
        self._fit_pane()

    def on_detail_pane_neighbour(self, message: DetailPane.Neighbour) -> None:
        """The next entry."""
        message.stop()
        self.lines.move(message.by)

    def on_detail_pane_copied(self, message: DetailPane.Copied) -> None:
        """Copy."""
        message.stop()
        self.copy(message.text, message.what)

    def on_detail_pane_said(self, message: DetailPane.Said) -> None:
        """Say it."""
        message.stop()
        self.tell(message.sentence)

    def on_detail_pane_trace_asked(self, message: DetailPane.TraceAsked) -> None:
        """A trace."""
        message.stop()
        self.trace_asked(message.trace_id)

    def on_detail_pane_context_asked(self, message: DetailPane.ContextAsked) -> None:
        """What was around."""
        message.stop()
        self.context_asked(message.entry)

    def on_detail_pane_include(self, message: DetailPane.Include) -> None:
        """A filter is about the rows: back there, with it."""
        self._back_with(message)

    def on_detail_pane_exclude(self, message: DetailPane.Exclude) -> None:
        """As include."""
        self._back_with(message)

    def on_detail_pane_column(self, message: DetailPane.Column) -> None:
        """As include."""
        self._back_with(message)

    def on_detail_pane_pattern_asked(self, message: DetailPane.PatternAsked) -> None:
        """As include."""
        self._back_with(message)

    def _back_with(self, message: Message) -> None:
        message.stop()
        self.dismiss(message)

    def copy(self, text: str, what: str) -> None:
        """Copy a text, and say so."""
        from dblog_tui.clipboard import copy  # noqa: PLC0415 - for those who copy

        self.tell(f"{what}: {copy(self.app, text)}")
