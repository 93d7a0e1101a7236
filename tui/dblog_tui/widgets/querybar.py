"""``QueryBar``: the query, at rest and while it is edited. It asks nothing: it says what somebody wants to ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from textual.message import Message

from dblog.errors import DblogError, QuerySyntaxError
from dblog_tui.complete import field_names
from dblog_tui.editline import one_line
from dblog_tui.keys import bindings
from dblog_tui.recent import Recent
from dblog_tui.widgets.queryline import QueryLine
from dblog_tui.widgets.watched import Watched

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.timer import Timer

    from dblog.entry import LogEntry
    from dblog_tui.present.look import Look
    from dblog_tui.widgets.below import Below

    Values = Callable[[str], Awaitable[Sequence[tuple[str, int]]]]

__all__ = ["QueryBar"]

_PAUSE: Final = 0.15
"""Seconds without a key, before the query is read and values are asked for."""
_MOST_PATHS: Final = 2000


class QueryBar(Watched, QueryLine):
    """One line; what is wrong with it and what could follow is shown over the lines below.

    Args:
        look: how it looks.
        values: the most frequent values of a field with their counts, for suggestions; nobody waits for it.
        paths: into metadata, of what is loaded (``spelled.paths_of``); called when somebody begins to edit.
        rows: what is loaded, in which a query may have little to look for; called at a pause in typing.
        recent: queries asked before.
        finds: texts looked for before.
        zone: of times in a query that are written without one.
    """

    DEFAULT_CSS = "QueryBar { height: 1; width: 1fr; }"
    KEYS: ClassVar = "query"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("query")]

    class Submitted(Message):
        """Somebody asks for this; it can be read."""

        def __init__(self, text: str, mode: str) -> None:
            super().__init__()
            self.text = text
            self.mode = mode
            """``filter`` or ``find``."""

    class Cancelled(Message):
        """Editing has ended, nothing has changed."""

    class Changed(Message):
        """What is being written is this now."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        look: Look,
        *,
        values: Values | None = None,
        paths: Callable[[], Iterable[str]] | None = None,
        rows: Callable[[], Sequence[LogEntry]] | None = None,
        recent: Recent | None = None,
        finds: Recent | None = None,
        zone: dt.tzinfo | None = None,
        id: str | None = None,  # noqa: A002 - Textual's word
    ) -> None:
        super().__init__(look, zone, id=id)
        self._values, self._paths, self._rows = values, paths, rows
        self._recents = {"filter": recent or Recent(), "find": finds or Recent()}
        self._timer: Timer | None = None

    # -- what a screen says ----------------------------------------------------------------------------------

    def edit(self, text: str | None = None, *, mode: str = "filter") -> None:
        """Begin to edit: the query, what to look for, or another text. What was being written goes on."""
        if not (self.editing and mode == self.mode and text is None):
            self.mode, self.editing, self.can_focus, self._first = mode, True, True, 0
            begun = text if text is not None else self.text if mode == "filter" else ""
            self.draft.begin(begun, self._recents[mode].texts, self._recents["filter"].texts)
            if self.draft.known.names:
                self._know()
            else:
                self.run_worker(self._load(), group="grammar", exclusive=True, exit_on_error=False)
        # At once, not when the application gets round to it: the next key is meant for the query.
        self.screen.set_focus(self)
        self._paint()

    def mistake(self, error: QuerySyntaxError) -> None:
        """Edit a query that could not be read, and say why."""
        self.edit(error.text)
        self.draft.refuse(error)
        self._paint()

    # -- keys ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """At rest its keys are those of the screen."""
        return self.editing

    def on_key(self, event: events.Key) -> None:
        """Letters are written."""
        if self.editing and event.is_printable and event.character is not None:
            event.stop()
            event.prevent_default()
            self.draft.insert(event.character)
            self._written()

    def on_paste(self, event: events.Paste) -> None:
        """Text from elsewhere, as one line; it is not sent."""
        if self.editing:
            event.stop()
            self.draft.insert(one_line(event.text))
            self._written()

    def on_click(self, event: events.Click) -> None:
        """Edit, or go there."""
        if not self.editing:
            self.edit()
        frame, at = self._frame(), self._first
        while at < len(frame.text) and frame.cell(at + 1) <= event.x:
            at += 1
        self.action_go("to", at)

    def on_below_picked(self, event: Below.Picked) -> None:
        """Take the suggestion that was clicked."""
        event.stop()
        offer = self.draft.offer
        first, offered = offer.window(self._room())
        index = event.line - (self._below.size.height - 1 - len(offered))
        if offer.is_open and 0 <= index < len(offered):
            offer.chosen = first + index
            self.action_complete()

    def action_step(self, by: int) -> None:
        """One character; at the end, the pale text is taken."""
        if by > 0 and self.draft.accept_ghost():
            self._written()
        else:
            self.action_go("move", by)

    def action_go(self, what: str, by: int) -> None:
        """To another place; ``what`` is a method of ``EditLine``."""
        self.draft.go(what, by)
        self._paint()

    def action_edit(self, what: str, *arguments: int) -> None:
        """Change the text, likewise."""
        self.draft.edit(what, *arguments)
        self._written()

    def action_complete(self) -> None:
        """Take the suggestion; else the repair; else offer what could stand here."""
        self._written(self.draft.complete())

    def action_suggestion(self, by: int) -> None:
        """Another suggestion; without a list another query."""
        self._written(self.draft.choose(by))

    def action_submit(self) -> None:
        """Ask, if it can be read; a suggestion that was chosen with the arrow keys is taken instead."""
        before = self.draft.text
        text = self.draft.submit()
        if text is None:
            self._written(before != self.draft.text)
            return
        self._recents[self.mode].add(text)
        if self.mode == "filter":
            self.text = text
        else:
            self.found = text
        self._leave()
        self.post_message(self.Submitted(text, self.mode))

    def action_as_text(self) -> None:
        """Ask for messages with exactly this text."""
        self.draft.plain()
        self.action_submit()

    def action_cancel(self) -> None:
        """Close the list that somebody is in; else leave the query as it was."""
        if self.draft.leave_list():
            self._paint()
            return
        self._leave()
        self.post_message(self.Cancelled())

    # -- inside ----------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self.editing = self.can_focus = False
        if self._timer is not None:
            self._timer.stop()
        self._paint()

    def _written(self, changed: bool = True) -> None:
        self._settle_later()
        self._paint()
        if changed:
            self.post_message(self.Changed(self.draft.text))

    def _settle_later(self) -> None:
        """Wait for a pause in typing."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._settled)

    def _settled(self) -> None:
        if not self.editing:
            return
        if self._values is not None and (field := self.draft.wants):
            self.run_worker(self._fetch(field, self._values), group="values", exclusive=True, exit_on_error=False)
        if not self.draft.mistakes:
            self.draft.settle(self._rows() if self._rows is not None else ())
        self._paint()

    async def _load(self) -> None:
        """The grammar takes a tenth of a second, so it is loaded beside."""
        self.draft.load(await asyncio.to_thread(field_names))
        self._know()
        self._paint()

    def _know(self) -> None:
        """What was seen once stays known."""
        if self._paths is not None and len(self.draft.known.paths) < _MOST_PATHS:
            self.draft.known.paths = {*self.draft.known.paths, *self._paths()}

    async def _fetch(self, field: str, values: Values) -> None:
        try:
            self.draft.learn(field, await values(field))
        except QuerySyntaxError:
            self.draft.learn(field, ())  # there is no such field: that is said of the query as a whole, with its place
        except DblogError as error:
            self.draft.learn(field, (), str(error).split("\n", 1)[0])
        self._paint()
