"""An entry as one row of the log view: columns, then the message, cut to the width or wrapped; pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.lines import attributes_of, exception_of, facts
from dblog.cli.moments import at, clock, duration
from dblog.levels import band_of
from dblog.visible import visible
from dblog_tui.present.look import LETTERS
from dblog_tui.present.strips import apart
from dblog_tui.window import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.style import Style

    from dblog.entry import LogEntry
    from dblog_tui.present.look import Look
    from dblog_tui.window import Row

__all__ = ["COLUMNS", "DEFAULT_COLUMNS", "GUTTER", "Rows", "column_text"]

DEFAULT_COLUMNS: Final = ("time", "level", "service", "message")
_WIDTHS: Final = {
    "level": 1, "service": 8, "host": 10, "logger": 14, "thread": 10, "async_task": 10, "pid": 7, "module": 12,
    "function": 14, "id": 16, "trace_id": 8, "span_id": 8, "parent_span_id": 8, "user_id": 10, "session_id": 10,
    "task_id": 10, "context_id": 10, "client_id": 10, "exc_type": 16, "lineno": 5, "pathname": 20, "seq": 7,
    "severity": 3, "level_name": 8, "template": 24, "exc_message": 24,
}  # fmt: skip
COLUMNS: Final = ("time", "message", *_WIDTHS)
"""Names of columns; any other name is a key of ``metadata``."""
_SHORT: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_LOSS: Final = "dblog.loss"
_ERROR: Final = 4
GUTTER: Final = 2
"""Cells before the columns: one for the cursor, one for a mark."""


@dataclass(frozen=True, slots=True)
class Moments:
    """How times are shown."""

    dated: bool
    """With the day, because the rows are not all of today."""
    relative: bool
    """As distances from the row above."""

    @property
    def width(self) -> int:
        """Cells."""
        return 10 if self.relative else 18 if self.dated else 12


class Rows:
    """Makes strips of rows; remembers what it made, by key, until something about their looks changes.

    Args:
        look: glyphs, styles, zone.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.columns: Sequence[str] = DEFAULT_COLUMNS
        self.moments = Moments(dated=False, relative=False)
        self.compact = False
        """The time without milliseconds, and no service: for very narrow terminals."""
        self.found: Callable[[str], Sequence[tuple[int, int]]] | None = None
        """Where in a message something that is looked for stands."""
        self._made: dict[tuple[Any, ...], Strip] = {}

    def clear(self) -> None:
        """Forget what was made."""
        self._made.clear()

    def of(self, row: Row, before: Row | None, *, marks: tuple[bool, bool, bool] = (False, False, False)) -> Strip:
        """The row in one line as long as it needs.

        Args:
            row: what to draw.
            before: the row above, for relative times.
            marks: whether it has a bookmark, is late, and lies in the future.
        """
        key = (row.timestamp, row[1] if isinstance(row, Mark) else row.id, marks, self._gap(row, before))
        if (strip := self._made.get(key)) is None:
            if len(self._made) > _MOST:
                self._made.clear()
            strip = self._made[key] = Strip(list(self._segments(row, before, marks)))
        return strip

    def wrapped(self, strip: Strip, width: int) -> list[Strip]:
        """The row in as many lines as it takes; those behind the first are indented."""
        if strip.cell_length <= width:
            return [strip]
        indent = min(4, width // 4)
        margin = Segment(" " * indent, self.look.styles.text)
        head, rest = _broken(strip, width)
        lines = [head]
        while rest.cell_length and len(lines) < _MOST_LINES:
            head, rest = _broken(rest, max(width - indent, 1))
            lines.append(Strip([margin, *head]))
        return lines

    # -- the pieces of a row ------------------------------------------------------------------------------------

    def _segments(self, row: Row, before: Row | None, marks: tuple[bool, bool, bool]) -> Iterator[Segment]:
        styles, glyphs = self.look.styles, self.look.glyphs
        if isinstance(row, Mark):
            moment = "" if row.at is None else f"{clock(row.at, self.look.zone)[:8]} "
            yield Segment(f"  {glyphs.gap * 6} {moment}{apart(visible(row.text))} {glyphs.gap * 200}", styles.warning)
            return
        bookmarked, late, future = marks
        mark = glyphs.bookmark if bookmarked else glyphs.late if late else glyphs.future if future else " "
        yield Segment(" ", styles.text)
        yield Segment(mark, styles.warning if mark != " " else styles.text)
        if row.logger == _LOSS:
            yield from self._loss(row)
            return
        for name in self.columns:
            yield from self._message(row) if name == "message" else self._column(name, row, before)

    def _column(self, name: str, row: LogEntry, before: Row | None) -> Iterator[Segment]:
        styles = self.look.styles
        if name == "time":
            text, style = self._time(row, before), styles.dim
        elif name == "level":
            band = band_of(row.severity)
            text, style = LETTERS[band], styles.bands[band]
        elif name == "service":
            if self.compact:
                return
            text, style = _fit(visible(row.service or ""), _WIDTHS[name], self.look), self.look.service(row.service)
        else:
            text, style = _fit(column_text(row, name), _WIDTHS.get(name, 10), self.look), styles.dim
        yield Segment(f"{text} ", style)

    def _time(self, row: LogEntry, before: Row | None) -> str:
        if self.moments.relative:
            gap = self._gap(row, before)
            return f"{'+' + self.look.ours(duration((gap or 0) / 1e6)):>10}"
        if self.compact:
            return clock(row.timestamp, self.look.zone)[:8]
        text = clock(row.timestamp, self.look.zone)
        if self.moments.dated:
            moment = at(row.timestamp, self.look.zone)
            return f"{moment:%m-%d} {text}" if moment else f"{'?':5} {text}"
        return text

    def _gap(self, row: Row, before: Row | None) -> int | None:
        return row.timestamp - before.timestamp if self.moments.relative and before is not None else None

    def _message(self, row: LogEntry) -> Iterator[Segment]:
        styles = self.look.styles
        band = band_of(row.severity)
        yield from self._marked(apart(visible(row.message)), styles.bands[band] if band >= _ERROR else styles.text)
        if exception := exception_of(row):
            yield Segment(f"  {apart(exception)}", styles.error)
        if text := " ".join(facts(row)):
            yield Segment(f"  {apart(text)}", styles.dim)
        if row.trace_id and "trace_id" not in self.columns:
            yield Segment(f"  trace={apart(visible(row.trace_id[:8]))}", styles.dim)

    def _marked(self, text: str, style: Style) -> Iterator[Segment]:
        """The message, with what is looked for in another style."""
        end = 0
        for start, stop in self.found(text) if self.found is not None else ():
            if start > end:
                yield Segment(text[end:start], style)
            yield Segment(text[start:stop], self.look.styles.found)
            end = stop
        if end < len(text):
            yield Segment(text[end:], style)

    def _loss(self, row: LogEntry) -> Iterator[Segment]:
        """What was lost, as a gap in the log: where, when and why is in the message."""
        where = " on ".join(apart(visible(part)) for part in (row.service, row.host) if part)
        said = apart(visible(row.message))
        yield Segment(f"{self._time(row, None)} ", self.look.styles.dim)
        yield Segment(
            f"{self.look.glyphs.gap * 3} {said} ({where}) {self.look.glyphs.gap * 200}", self.look.styles.warning
        )


_MOST: Final = 400
_MOST_LINES: Final = 100


def _broken(strip: Strip, room: int) -> tuple[Strip, Strip]:
    """What fits, up to a blank unless a word takes half the line; and the rest."""
    if strip.cell_length <= room:
        return strip, Strip([])
    head = strip.crop(0, room)
    text, cells = head.text, room
    if not strip.crop(room, room + 1).text.startswith(" "):
        blank = text.rfind(" ", len(text) // 2)
        cells = cell_len(text[: blank + 1]) if blank > 0 else room
    return strip.crop(0, cells), strip.crop(cells)


def _fit(text: str, width: int, look: Look) -> str:
    """In exactly ``width`` cells."""
    text = apart(text)
    if cell_len(text) > width:
        return set_cell_size(chop_cells(text, width - 1)[0] if width > 1 else "", width - 1) + look.glyphs.ellipsis
    return set_cell_size(text, width)


def column_text(entry: LogEntry, name: str) -> str:
    """The visible text of a column, or of a key of ``metadata`` (with dots for what lies deeper)."""
    if name == "level_name":
        return visible(entry.level)
    if name == "id":
        return entry.id.hex[-16:] if entry.id else ""
    if name in _WIDTHS:
        value = getattr(entry, name)
        text = "" if value is None else str(value)
        return visible(text[:8] if name in _SHORT else text)
    found: Any = attributes_of(entry)
    flat = found.get(name)
    if flat is None:
        for step in name.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        flat = found
    if flat is None:
        return ""
    return visible(flat if isinstance(flat, str) else str(round(flat, 3) if isinstance(flat, float) else flat))
