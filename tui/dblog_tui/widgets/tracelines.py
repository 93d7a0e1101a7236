"""``TraceLines``: a trace with its lanes above and what is hidden below; or a few sentences where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dblog.cli.spans import Span
from dblog.levels import BANDS, band_of
from dblog_tui.present.chart import axis, lanes
from dblog_tui.present.story import Gap, rows_of
from dblog_tui.present.strips import strip
from dblog_tui.present.trace import Choice, Sheet, headings, notes, row_strip, silence, title
from dblog_tui.widgets.linelist import LineList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from textual.strip import Strip

    from dblog.entry import LogEntry
    from dblog_tui.present.look import Look
    from dblog_tui.present.story import Row, Story
    from dblog_tui.present.strips import Found, Piece

__all__ = ["TraceLines"]

_ERROR: Final = 4
_HEADED: Final = 14
"""Lines from which on the columns have headings."""
_LEAST_LANES: Final = 2
_ROOMY: Final = 20
"""Lines from which on there may be two lines of notes."""


class TraceLines(LineList):
    """A trace, or what to say instead of one.

    Args:
        look: how things look.
        filter_text: the filter of the rows one comes from, which does not apply here.
        found: where something that is looked for stands in a message.
    """

    def __init__(
        self,
        look: Look,
        *,
        filter_text: str = "",
        found: Found | None = None,
        id: str | None = None,  # noqa: A002 - Textual's word
    ) -> None:
        super().__init__(look, id=id)
        self.story: Story | None = None
        self.choice = Choice()
        self.rows: list[Row] = []
        self.found = found
        self._filter_text = filter_text
        self._said: Sequence[Sequence[Piece]] = ()
        self._offers: Mapping[int, str] = {}
        self._axis = -1
        """Line of the head; negative: none."""
        self._sheet: Sheet | None = None
        self._began_with: int | None = None

    # -- what is shown ------------------------------------------------------------------------------------------------

    def show(self, story: Story, at: UUID | None = None) -> None:
        """Show a trace, with the cursor on an entry: on the first error where it is not there, or the first entry."""
        keep = self.entry
        self.story, self._said = story, ()
        if self.choice.only is not None:
            self.choice = replace(self.choice, only=None)
        self._make_rows()
        wanted = at or (keep.id if keep is not None else None)
        index = self._index_of(wanted)
        if index is None and wanted is not None and self.choice.least:
            self.choice = replace(self.choice, least=0)
            self._make_rows()
            index = self._index_of(wanted)
        if index is None:
            index = next((index for index in range(self.count) if self._is_error(index)), 0)
        self.redraw()
        self.put_cursor(index, share=0.66)

    def say(self, lines: Sequence[Sequence[Piece]], offers: Mapping[int, str] | None = None) -> None:
        """Show sentences instead of a trace; ``offers``: traces that some of the lines are about, to choose from."""
        self.story, self.rows, self._said, self._offers = None, [], lines, offers or {}
        self.redraw()
        self.put_cursor(min(self._offers, default=0))

    @property
    def offer(self) -> str | None:
        """The trace id of the line under the cursor, where there is a choice of traces."""
        return self._offers.get(self.cursor) if self.story is None else None

    def choose(self, choice: Choice) -> None:
        """Show another part of the trace; the cursor stays on its entry, or goes to the nearest one before it."""
        if self.story is None:
            return
        keep, y = self.entry, self.cursor - self.top
        number = self._number()
        self.choice = choice
        self._make_rows()
        index = self._index_of(keep.id if keep is not None else None)
        if index is None:
            index = max((index for index, row in enumerate(self.rows) if 0 <= row.number <= number), default=0)
        self.top = index - y
        self.redraw()
        self.put_cursor(index)

    @property
    def entry(self) -> LogEntry | None:
        """The entry under the cursor."""
        return self._entry_at(self.cursor)

    def level(self, by: int) -> None:
        """Raise or lower the least level shown."""
        self.choose(replace(self.choice, least=min(max(self.choice.least + by, 0), BANDS - 1)))

    def toggle_tree(self) -> None:
        """Under their spans, or by time."""
        self.choose(replace(self.choice, tree=not self.choice.tree))

    def next_service(self) -> None:
        """One service only: that of the cursor, then the others one after the other, then all."""
        if self.story is None:
            return
        only, total = self.choice.only, len(self.story.lanes)
        if only is None:
            service = self.entry.service if self.entry is not None else None
            numbers = (number for number, lane in enumerate(self.story.lanes) if lane.service == (service or None))
            self._began_with = only = next(numbers, 0)
        else:
            only = (only + 1) % total
            only = None if only == self._began_with else only
        self.choose(replace(self.choice, only=only))

    def seek_gap(self, direction: int) -> bool:
        """To the entry that ended the next silence, or the one before."""
        return self.seek(direction, self._ends_gap)

    def seek_error(self, direction: int) -> bool:
        """To the next error."""
        return self.seek(direction, self._is_error)

    def seek_found(self, direction: int) -> bool:
        """To the next entry in which what is looked for stands."""
        return self.seek(direction, self._is_found)

    def _make_rows(self) -> None:
        choice = self.choice
        self.rows = (
            rows_of(self.story, tree=choice.tree, least=choice.least, only=choice.only)
            if self.story is not None
            else []
        )

    def _index_of(self, entry_id: UUID | None) -> int | None:
        if entry_id is None:
            return None
        rows = enumerate(self.rows)
        return next((index for index, row in rows if row.number >= 0 and self._entry_id(row) == entry_id), None)

    def _entry_id(self, row: Row) -> UUID | None:
        return self.story.entries[row.number].id if self.story is not None else None

    def _number(self) -> int:
        return self.rows[self.cursor].number if self.cursor < len(self.rows) else 0

    def _entry_at(self, index: int) -> LogEntry | None:
        item = self.rows[index].item if index < len(self.rows) else None
        return None if isinstance(item, (Gap, Span)) else item

    def _is_error(self, index: int) -> bool:
        entry = self._entry_at(index)
        return entry is not None and band_of(entry.severity) >= _ERROR

    def _is_found(self, index: int) -> bool:
        entry = self._entry_at(index)
        return entry is not None and self.found is not None and bool(self.found(entry.message))

    def _ends_gap(self, index: int) -> bool:
        return 0 < index < len(self.rows) and isinstance(self.rows[index - 1].item, Gap)

    # -- lines --------------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Lines of the trace, gaps and spans with them; or of what is said instead."""
        return len(self.rows) if self.story is not None else len(self._said)

    def may_stop(self, index: int) -> bool:
        """The cursor stops at entries only, and at offers."""
        return index in self._offers if self.story is None else self.rows[index].number >= 0

    def draw(self, index: int) -> Strip:
        """One line."""
        if self.story is None:
            return strip([(" ", self.look.styles.text), *self._said[index]], self.size.width, self.look)
        if self._sheet is None or self._sheet.width != self.size.width or self._sheet.tree != self.choice.tree:
            self._sheet = Sheet(self.story, self.look, self.size.width, self.choice.tree)
        return row_strip(self._sheet, self.rows[index], self.found)

    def draw_head(self) -> list[Strip]:
        """Title, silence, lanes, axis, headings: as many of them as leave most of the lines to the entries."""
        self._axis, self._sheet = -1, None
        if self.story is None:
            return []
        story, look, (width, height) = self.story, self.look, self.size
        lines = [title(story, look, width, self.choice), silence(story, look, width)]
        room = height // 3 - 2
        if room >= min(_LEAST_LANES, len(story.lanes)):
            lines += lanes(story, look, width, most=room, only=self.choice.only)
            self._axis = len(lines)
            lines.append(axis(story, look, width, self._at()))
        if height >= _HEADED:
            lines.append(headings(Sheet(story, look, width, self.choice.tree)))
        return lines[: max(height - 2, 1)]

    def draw_foot(self) -> list[Strip]:
        """What is not shown, and what is not certain."""
        if self.story is None:
            return []
        shown = sum(row.number >= 0 for row in self.rows)
        width, height = self.size
        most = 2 if height >= _ROOMY else 1
        made = notes(self.story, self.look, width, self.choice, shown=shown, filter_text=self._filter_text, most=most)
        return made[: max(height - 2, 0)]

    def _at(self) -> int | None:
        entry = self.entry
        return None if entry is None else entry.timestamp

    def _moved(self, *, by_user: bool) -> None:
        super()._moved(by_user=by_user)
        if self._axis >= 0 and self.story is not None:
            self.replace_head(self._axis, axis(self.story, self.look, self.size.width, self._at()))
