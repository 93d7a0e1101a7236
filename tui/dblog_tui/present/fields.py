"""Fields with their most frequent values as lines: names, counts, bars; and what the counts are of. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import compact
from dblog.levels import BAND_NAMES
from dblog.visible import visible
from dblog_tui.present.bars import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["FieldCounts", "FieldLine", "band_of_name", "blocks", "field_lines", "fitted", "footing"]

_SHOWN: Final = 5
"""Values of a field before somebody asks for more."""
_BAR: Final = 4
_COUNT: Final = 6
_MOST_CELLS: Final = 200
"""Characters of a value that are looked at."""
_LEVEL_NAMES: Final = {"WARN": 3, "FATAL": 5}


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """A field, its most frequent values, and of how many entries that is said."""

    field: str
    """As queries name it."""
    values: tuple[tuple[str, int], ...] = ()
    """Values and counts, the most frequent first."""
    seen: int = 0
    """Entries looked at."""
    absent: int = 0
    """How many of them do not have it."""
    sampled: bool = False
    """Only the newest ``seen`` were looked at."""
    more: bool = False
    """There are more values than these."""
    numbers: str = ""
    """Of a field of numbers: where they lie, instead of values."""
    wrong: str = ""
    """Why it could not be counted."""


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One line of the pane."""

    strip: Strip
    field: str
    value: str | None = None
    """None: that entries do not have the field."""
    selectable: bool = False
    """It stands for entries; a heading does not."""


def field_lines(fields: Iterable[FieldCounts], width: int, look: Look, *, unfolded: Iterable[str]) -> list[FieldLine]:
    """Every field: a heading with the number of values, then the values; ``unfolded`` ones with all of theirs."""
    open_fields = set(unfolded)
    lines: list[FieldLine] = []
    for field in fields:
        if lines:
            lines.append(FieldLine(Strip([]), ""))
        lines.append(FieldLine(_heading(field, width, look), field.field))
        shown = field.values if field.field in open_fields else field.values[:_SHOWN]
        most = max((count for _, count in field.values), default=0)
        for value, count in shown:
            strip = Strip(_value_line(field.field, (value, count), most, width, look))
            lines.append(FieldLine(strip, field.field, value, selectable=True))
        if field.absent and field.values:
            absent = Segment(f"   {compact(field.absent)} without it", look.styles.dim)
            lines.append(FieldLine(Strip([absent]), field.field, None, selectable=True))
        notes = [
            Strip([Segment(f"    {text}", look.styles.dim)]).crop(0, width) for text in _notes(field, len(shown))
        ]  # fmt: skip
        lines += [FieldLine(note, field.field) for note in notes]
    return lines


def _heading(field: FieldCounts, width: int, look: Look) -> Strip:
    number = "in loaded rows" if field.numbers else f"{len(field.values) or ''}{'+' if field.more else ''}"
    number = f"{look.glyphs.about if field.sampled and number else ''}{number}"
    name = fitted(visible(field.field), max(width - 3 - cell_len(number), 1), look)
    return Strip([
        Segment(f" {name}", look.styles.strong),
        Segment(f" {number}", look.styles.dim),
    ])  # fmt: skip


def _value_line(field: str, counted: tuple[str, int], most: int, width: int, look: Look) -> Iterator[Segment]:
    styles, (value, count) = look.styles, counted
    band = band_of_name(value) if field == "level" else None
    mark = f" {look.glyphs.square} " if band is not None else "   "
    yield Segment(mark, styles.bands[band] if band is not None else styles.text)
    room = width - 3 - 1 - _COUNT - 1 - _BAR - 1
    name = fitted(shown_value(value), max(room, 4), look, keep_end=field in _DOTTED)
    yield Segment(name, look.service(value) if field == "service" else styles.text)
    yield Segment(f" {compact(count):>{_COUNT}} ", styles.text)
    yield Segment(blocks(count, most, _BAR, look), styles.dim if band is None else styles.bands[band])


_DOTTED: Final = ("logger", "exc_type")
"""Names of which the end says more than the beginning."""


def shown_value(value: str) -> str:
    """A value as it is shown: the empty text can be seen."""
    return visible(value[:_MOST_CELLS]) if value else '""'


def _notes(field: FieldCounts, shown: int) -> Iterator[str]:
    if field.wrong:
        yield visible(field.wrong)
    if field.numbers:
        yield field.numbers
    if (hidden := len(field.values) - shown) > 0 or (field.more and not field.numbers):
        yield f"{hidden or ''}{'+' if field.more else ''} more".lstrip("+").strip()
    if field.absent and not field.values and not field.numbers:
        yield "in no entry"


def footing(fields: Sequence[FieldCounts], current: str, label: str, look: Look) -> list[list[Segment]]:
    """Two lines: what the counts of the field under the cursor are of, and the range."""
    styles = look.styles
    field = next((each for each in fields if each.field == current), fields[0] if fields else None)
    if field is None:
        return [[], []]
    shown = spelled(visible(label), look)
    about = f"S exact  {shown}" if field.sampled else shown
    if field.sampled:
        said = Segment(f" {look.glyphs.about} sample of newest {_round(field.seen)}", styles.warning)
    else:
        said = Segment("" if field.numbers or field.wrong else f" exact: {field.seen:,} entries", styles.dim)
    return [[said], [Segment(f" {about}", styles.dim)]]


def _round(number: int) -> str:
    return f"{number // 1000}k" if number >= 1000 and number % 1000 == 0 else f"{number:,}"  # noqa: PLR2004 - thousands


def blocks(value: float, most: float, width: int, look: Look) -> str:
    """A bar in at most ``width`` cells, filled with blanks; what is more than nothing is seen."""
    if value <= 0 or most <= 0:
        return " " * width
    glyphs = look.glyphs.blocks
    parts = len(glyphs) - 1
    filled = min(max(round(value / most * width * parts), 1), width * parts)
    full, rest = divmod(filled, parts)
    return (glyphs[-1] * full + (glyphs[rest] if rest else "")).ljust(width)


def fitted(text: str, width: int, look: Look, *, keep_end: bool = False) -> str:
    """Visible text in exactly ``width`` cells, with an ellipsis for what is missing, at the end or before it."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if width <= 0:
        return ""
    if keep_end:
        text = text[-width:]
        while cell_len(text) > width - 1:
            text = text[1:]
        return set_cell_size(look.glyphs.ellipsis + text, width)
    return set_cell_size(text, width - 1) + look.glyphs.ellipsis


def band_of_name(level: str) -> int | None:
    """The severity band of a level's name; None of a custom one."""
    name = level.upper()
    return BAND_NAMES.index(name.lower()) if name.lower() in BAND_NAMES else _LEVEL_NAMES.get(name)


def level_style(level: str, look: Look) -> Style:
    """The colour of a level's name."""
    band = band_of_name(level)
    return look.styles.text if band is None else look.styles.bands[band]
