"""The query line, at rest and while it is edited: pure functions, values to strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.visible import visible
from dblog_tui.highlight import Part, pieces

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["at_rest", "edited", "is_ascii", "prompt", "room_for_text", "scrolled", "styles_of", "value_style"]

_LEVEL_FIELDS: Final = ("level", "lvl")
_BANDS: Final = {
    "trace": 0, "debug": 1, "info": 2, "information": 2, "informational": 2, "warn": 3, "warning": 3, "err": 4,
    "error": 4, "crit": 5, "critical": 5, "fatal": 5,
}  # fmt: skip
_LEAST_TEXT: Final = 24
"""Cells the query has at rest before the answer beside it gives way."""


def is_ascii(look: Look) -> bool:
    """Nothing beyond ASCII is wanted."""
    return look.plain


def prompt(mode: str, look: Look) -> str:
    """What stands before the text."""
    return f" {mode}{look.glyphs.prompt} "


def room_for_text(mode: str, look: Look, width: int) -> int:
    """Cells there are for the text while it is edited, the cursor behind it included."""
    return max(width - cell_len(prompt(mode, look)) - 1, 1)


def styles_of(text: str, look: Look, names: Collection[str] = ()) -> list[Style]:
    """The style of each character of a query."""
    styles = look.styles
    found = [styles.text] * len(text)
    plain = {
        Part.FIELD: styles.accent,
        Part.OPERATOR: styles.dim,
        Part.KEYWORD: styles.strong,
        Part.NEGATION: styles.warning,
        Part.BRACKET: styles.dim,
        Part.STRING: styles.good,
        Part.REGEX: styles.services[2],
    }
    for piece in pieces(text, names):
        style = plain.get(piece.part, styles.text)
        if piece.part in (Part.VALUE, Part.STRING):
            style = value_style(text[piece.start : piece.end].strip("\"'"), piece.field, look) or style
        found[piece.start : piece.end] = [style] * (piece.end - piece.start)
    return found


def value_style(value: str, field: str, look: Look) -> Style | None:
    """As the rows show it: a level in its colour, a service in its own; None of other fields."""
    if field in _LEVEL_FIELDS and (band := _BANDS.get(value.lower().rstrip("234"))) is not None:
        return look.styles.bands[band]
    return look.service(value) if field == "service" and value and not {"*", "?"} & {*value} else None


def scrolled(text: str, cursor: int, first: int, width: int) -> int:
    """The first character to show, so that the cursor is in the window; ``first`` is what it was."""
    shown = [cell_len(char) for char in visible(text)]
    first = min(first, cursor)
    if first and cursor == first:
        first = max(cursor - max(width // 4, 1), 0)  # some of what lies before
    under = max(shown[cursor], 1) if cursor < len(shown) else 1
    while first < cursor and sum(shown[first:cursor]) + under > width:
        first += 1
    # What was pushed out comes back when there is room again.
    while first and sum(shown[first - 1 :]) < width:
        first -= 1
    return first


def edited(
    text: str, look: Look, *, mode: str, cursor: int | None, first: int, ghost: str, answer: str, width: int,
    names: Collection[str],
) -> Strip:  # fmt: skip
    """The line while it is edited.

    Args:
        text: the query.
        look: how.
        mode: ``filter`` or ``find``.
        cursor: where; None where somebody is elsewhere.
        first: the first character to show, see ``scrolled``.
        ghost: what Tab would write on, pale.
        answer: words on the right, where there is room.
        width: of the line.
        names: see ``highlight.pieces``.
    """
    styles = look.styles
    made = _segments(text, room_for_text(mode, look, width), look, first=first, cursor=cursor, names=names)
    strip = Strip([Segment(prompt(mode, look), styles.strong), *made])
    if ghost and cursor is not None:
        # The cursor stands on the first pale character.
        pale = Segment(ghost[0], styles.dim + styles.selected), Segment(ghost[1:], styles.dim)
        strip = Strip([*strip.crop(0, strip.cell_length - 1), *pale])
    return _with_answer(strip.crop(0, width), answer, look, width)


def at_rest(text: str, look: Look, *, found: str, answer: str, width: int, names: Collection[str]) -> Strip:
    """The line while nobody edits it; ``found`` is what was looked for beside."""
    styles = look.styles
    left = [Segment(prompt("filter", look), styles.dim)]
    answered = cell_len(answer) + 3 if answer else 1
    room = width - left[0].cell_length
    room -= answered if room - answered >= _LEAST_TEXT else 1
    beside = [Segment("   /", styles.dim), Segment(visible(found), styles.strong)] if found else []
    if text:
        needed = sum(segment.cell_length for segment in beside)
        left += _segments(text, max(room - min(needed, room // 2), 1), look, names=names)
    else:
        left.append(Segment("every entry", styles.dim))
    return _with_answer(Strip([*left, *beside]).crop(0, width), answer, look, width)


def _with_answer(left: Strip, answer: str, look: Look, width: int) -> Strip:
    room = width - left.cell_length - cell_len(answer) - 1
    if not answer or room < 1:
        return left.adjust_cell_length(width, look.styles.text)
    text = look.styles.text
    return Strip([*left, Segment(" " * room, text), Segment(answer, look.styles.dim), Segment(" ", text)])


def _segments(
    text: str, width: int, look: Look, *, first: int = 0, cursor: int | None = None, names: Collection[str] = ()
) -> list[Segment]:
    """The query from a character on, in at most ``width`` cells, the cursor in reverse; marks where it goes on."""
    shown, styles = visible(text), styles_of(text, look, names)
    cut, room = look.glyphs.ellipsis, width
    made: list[Segment] = []
    for at in range(first, len(shown)):
        char, style = shown[at], styles[at]
        wide = cell_len(char)
        if wide > room or (wide == room and cursor != at and any(map(cell_len, shown[at + 1 :]))):
            made.append(Segment(cut * min(room, 1), look.styles.dim))
            room = 0
            break
        if at == first and first and cursor != at:
            char, style = set_cell_size(cut, wide), look.styles.dim
        made.append(Segment(char, style + look.styles.selected if at == cursor else style))
        room -= wide
    if cursor == len(text) and room > 0:
        made.append(Segment(" ", look.styles.text + look.styles.selected))
    return list(Segment.simplify(made))
