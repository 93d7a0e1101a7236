"""A query that is being written: the line, its mistakes, what is offered at the cursor, and the way through history.

What the query line shows is made of this, and every key is a method of it; it knows no terminal and asks no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog_tui.complete import as_text, taken, uses_of
from dblog_tui.doubts import doubt
from dblog_tui.editline import EditLine
from dblog_tui.mistakes import Mistake, mistakes, of_error
from dblog_tui.offer import Known, Offer

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from dblog.entry import LogEntry
    from dblog.errors import QuerySyntaxError

__all__ = ["Draft"]

_CLOSING: Final = {'"': '"', "'": "'", "/": "/", "`": "`", "(": ")", "[": "]", "{": "}"}


class Draft:
    """One query, from the first key to the last.

    Args:
        zone: of times written without one.
    """

    def __init__(self, zone: dt.tzinfo | None = None) -> None:
        self.zone = zone
        self.line = EditLine()
        self.offer = Offer()
        self.known = Known()
        self.mistakes: list[Mistake] = []
        """Those that are shown."""
        self.doubt = ""
        """A sentence about what can be read and is hardly meant."""
        self._history: Sequence[str] = ()
        self._past: tuple[str, list[str], int] | None = None

    @property
    def text(self) -> str:
        """What is written."""
        return self.line.text

    def begin(self, text: str, history: Sequence[str], queries: Sequence[str]) -> None:
        """Begin with a text.

        Args:
            text: the text.
            history: what the arrow keys go through, the newest first.
            queries: those that say which fields somebody uses.
        """
        self.line.start(text)
        self.offer.close()
        self.mistakes, self.doubt, self._past, self._history = [], "", None, history
        self.known.uses = uses_of(queries)
        self.known.values, self.known.said = {}, {}

    def load(self, names: Sequence[str]) -> None:
        """The grammar is there."""
        self.known.names = names
        if self.line.can_undo:
            self._offer()

    def refuse(self, error: QuerySyntaxError) -> None:
        """Show what is wrong with what was asked."""
        self.mistakes = self.check() or [of_error(error)]

    def changed(self) -> None:
        """The line has been changed: old complaints are about another text."""
        self._past, self.mistakes, self.doubt = None, [], ""
        self._offer()

    def settle(self, rows: Sequence[LogEntry] = ()) -> None:
        """There was a pause in typing: say what is wrong, unless it is only unfinished; or what ``rows`` have not."""
        from dblog.query import parse  # noqa: PLC0415 - behind the first paint

        found = self.check()
        self.mistakes = [] if self._waits(found) else found
        self.doubt = "" if found or not rows else doubt(parse(self.text, timezone=self.zone).tree, rows)

    def learn(self, field: str, values: Sequence[tuple[str, int]], said: str = "") -> None:
        """The values of a field, or why there are none."""
        self.known.values[field] = values
        if said:
            self.known.said[field] = said
        if self.offer.missing == field:
            self._offer(asked=self.offer.asked)

    @property
    def wants(self) -> str:
        """The field whose values would help; empty where none do."""
        field = self.offer.missing
        return "" if field in self.known.values else field

    def complete(self) -> bool:
        """Take the suggestion; else the repair; else offer what could stand here. Whether the text is another now."""
        if self.offer.is_open:
            self._take()
            return True
        if repaired := next((each.repaired for each in self.mistakes if each.repaired is not None), None):
            self.line.put(repaired)
            self.changed()
            self.offer.close()
            self.mistakes = self.check()
            return True
        found = self.check()
        if any(each.repaired is not None for each in found):
            self.mistakes = found
        else:
            self._offer(asked=True)
        return False

    def insert(self, text: str) -> None:
        """Write at the cursor."""
        self.line.insert(text)
        self.changed()

    def edit(self, what: str, *arguments: int) -> None:
        """Change the line; ``what`` is a method of it."""
        getattr(self.line, what)(*arguments)
        self.changed()

    def go(self, what: str, by: int) -> None:
        """Go elsewhere in the line, likewise."""
        getattr(self.line, what)(by)
        self.offer.close()

    def accept_ghost(self) -> bool:
        """Take what is shown pale behind the cursor; False where nothing is."""
        if not self.offer.ghost(self.line.text, self.line.cursor):
            return False
        self._take()
        return True

    def choose(self, by: int) -> bool:
        """Another suggestion; without a list an older (up) or newer query. Whether the text is another now."""
        if self.offer.is_open and self.offer.move(by):
            return False
        self.offer.close()
        return self._remember(1 if by < 0 else -1)

    def submit(self) -> str | None:
        """The text, if it can be asked; else its mistakes are shown, or a chosen suggestion was taken."""
        if self.offer.is_open and self.offer.chosen >= 0:
            self._take()
            return None
        self.offer.close()
        self.mistakes = self.check()
        return None if self.mistakes else self.line.text.strip()

    def plain(self) -> None:
        """Make it a query for exactly this text."""
        self.line.put(as_text(self.line.text))
        self.changed()
        self.offer.close()

    def leave_list(self) -> bool:
        """Close a list that somebody is in; False where nobody is."""
        inside = self.offer.is_open and (self.offer.chosen >= 0 or self.offer.asked)
        self.offer.close()
        return inside

    def check(self) -> list[Mistake]:
        """Everything that is wrong."""
        from dblog.query import parse  # noqa: PLC0415 - behind the first paint

        return mistakes(self.line.text, lambda text: parse(text, timezone=self.zone))

    def _offer(self, *, asked: bool = False) -> None:
        self.offer.look(self.line.text, self.line.cursor, self.known, asked=asked)

    def _take(self) -> None:
        assert self.offer.place is not None  # noqa: S101 - an open list has a place
        self.line.put(*taken(self.line.text, self.offer.place, self.offer.taken()))
        self.changed()

    def _waits(self, found: list[Mistake]) -> bool:
        """Whoever is still writing a term is not told that it is unfinished."""
        text, cursor = self.line.text, self.line.cursor
        if len(found) != 1 or cursor < len(text.rstrip()):
            return False
        last = text.rstrip().rfind(" ") + 1
        mistake, at = found[0], found[0].column
        if mistake.grows(text) or (at >= last and (mistake.repaired is None or self.offer.is_open)):
            return True
        return (closing := _CLOSING.get(text[at : at + 1])) is not None and closing not in text[at + 1 :]

    def _remember(self, by: int) -> bool:
        """An older (1) or newer (-1) query: of those that have in them what was typed, if anything was."""
        if self._past is None:
            begun = self.line.text
            wanted = begun.strip() if self.line.can_undo else ""
            self._past = begun, [text for text in self._history if text != begun and wanted in text], -1
        begun, texts, before = self._past
        index = min(max(before + by, -1), len(texts) - 1)
        if index == before:
            return False
        self.line.put(texts[index] if index >= 0 else begun)
        self.changed()
        self.offer.close()
        self._past = begun, texts, index
        return True
