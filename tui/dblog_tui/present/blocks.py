"""Blocks of finished lines, of which a sheet is made (``dblog_tui.widgets.sheet``), and short words for numbers.

Texts that are handed to ``line`` have passed ``dblog.visible.visible``; one too long for a line ends in an ellipsis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["Block", "Cell", "age", "columns_that_fit", "dash", "heading", "line", "many", "row", "short", "wrapped"]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together."""

    key: str
    """What the cursor stands on, the same from look to look; empty of what it does not stand on."""
    strips: tuple[Strip, ...]


class Cell(NamedTuple):
    """A text of one column."""

    text: str
    style: Style


class Column(NamedTuple):
    """One column of a table."""

    name: str
    width: int
    right: bool = False


def line(look: Look, width: int, *pieces: tuple[str, Style]) -> Strip:
    """Visible texts side by side, in exactly ``width`` cells."""
    segments, room = [], width
    for text, style in pieces:
        needed = cell_len(text)
        if needed > room:
            mark = look.glyphs.ellipsis
            fitting = set_cell_size(text, max(room - 1, 0)) + mark if room > 0 else ""
            segments.append(Segment(fitting, style))
            room = 0
            break
        segments.append(Segment(text, style))
        room -= needed
    if room > 0:
        segments.append(Segment(" " * room, look.styles.text))
    return Strip([each for each in segments if each.text], width)


def row(look: Look, width: int, columns: Iterable[Column], cells: Sequence[Cell]) -> Strip:
    """One row of a table: a blank, then the cells, each in its column."""
    pieces: list[tuple[str, Style]] = []
    for column, (text, style) in zip(columns, cells, strict=True):
        needed = cell_len(text)
        if needed > column.width:
            text = set_cell_size(text, column.width - 1) + look.glyphs.ellipsis  # noqa: PLW2901 - cut
            needed = column.width
        blanks = " " * (column.width - needed)
        pieces.append((f" {blanks}{text}" if column.right else f" {text}{blanks}", style))
    return line(look, width, *pieces)


def columns_that_fit(width: int, columns: Sequence[Column], order: Sequence[str]) -> tuple[Column, ...]:
    """The most important columns there is room for, as they stand.

    Args:
        width: cells.
        columns: in the order they stand in.
        order: their names, the most important first.
    """
    room, kept = width, set()
    for name in order:
        needed = next(column.width for column in columns if column.name == name) + 1
        if needed > room:
            break
        room -= needed
        kept.add(name)
    return tuple(column for column in columns if column.name in kept)


def wrapped(look: Look, width: int, text: str, style: Style, indent: int = 0) -> Iterator[Strip]:
    """A visible text in as many lines as it needs."""
    blanks, room = (" " * indent, look.styles.text), max(width - indent, 2)
    while cell_len(text) > room:
        first = chop_cells(text, room)[0]
        # At a blank, unless that would leave a short line.
        end = first.rfind(" ", len(first) * 2 // 3) if text[len(first)] != " " else len(first)
        end = end if end > 0 else len(first)
        yield line(look, width, blanks, (text[:end], style))
        text = text[end:].removeprefix(" ")
    yield line(look, width, blanks, (text, style))


def heading(look: Look, width: int, title: str, *pieces: tuple[str, Style]) -> Block:
    """A rule with a title in it, which the cursor passes over."""
    styles = look.styles
    pieces = tuple((f" {text.strip()}", style) for text, style in pieces)
    used = 4 + cell_len(title) + sum(cell_len(text) for text, _ in pieces)
    rule = look.glyphs.rule
    rest = (rule * max(width - used, 0), styles.dim)
    made = line(look, width, (f"{rule * 2} ", styles.dim), (title, styles.strong), *pieces, (" ", styles.dim), rest)
    return Block("", (made,))


def dash(look: Look) -> str:
    """What stands for something that is not known."""
    return look.glyphs.range


def short(number: float) -> str:
    """A number in five cells at most: ``0``, ``3.1``, ``9999``, ``12.3k``, ``123k``, ``4.5M``."""
    if number != int(number) and number < _TEN:
        return f"{number:.1f}"
    number = round(number)
    if number < _TEN * 1000:
        return str(number)
    for scale, unit in _SCALES:
        if number < 1000 * scale - scale / 2:
            return f"{number / scale:.1f}{unit}" if number < 99.95 * scale else f"{number / scale:.0f}{unit}"
    return f"{number:.0e}".replace("e+", "e")


_TEN: Final = 10
_SCALES: Final = ((10**3, "k"), (10**6, "M"), (10**9, "G"), (10**12, "T"))


def age(micros: int) -> str:
    """A time that has passed, in three or four cells: ``12s``, ``3m``, ``2h``, ``5d``."""
    seconds = max(micros // 1_000_000, 0)
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def many(count: int, one: str, more: str | None = None) -> str:
    """``1 entry``, ``2,000 entries``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
