"""Styled text in lines of a given width: where lines break, and their segments. Pure, and quick for 256 KiB.

Text is visible already (``dblog.visible``), without tabs. A blank at which a line breaks is not drawn; every other
character is in exactly one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

__all__ = ["Piece", "Stretch", "break_lines", "fits", "segments"]

Piece = tuple[str, "Style"]
"""Visible text, which may have line feeds, and its style."""

_MOST_MARKS: Final = 8
"""Characters per cell of a line at most: text of combining marks only has no width, and would have no end."""
_WIDENS: Final = "\ufe0f"


class Stretch(NamedTuple):
    """One line's part of a text."""

    start: int
    end: int
    soft: bool
    """It goes on with the line above, which was too long."""


def break_lines(text: str, first: int, hard: int, soft: int) -> list[Stretch]:
    """Break at line feeds, and between words where a line is too long.

    Args:
        text: what to break.
        first: cells of the first line.
        hard: cells of a line that begins behind a line feed.
        soft: cells of a line that goes on with the one above.
    """
    ascii_only = text.isascii()
    found: list[Stretch] = []
    start, room = 0, max(first, 2)
    hard, soft = max(hard, 2), max(soft, 2)
    while True:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        goes_on = False
        while (stop := min(start + room, end) if ascii_only else _fit(text, start, end, room)) < end:
            blank = text.rfind(" ", start + (stop - start) // 2, stop + 1)
            stop, after = (stop, stop) if blank < 0 else (blank, blank + 1)
            found.append(Stretch(start, stop, goes_on))
            start, room, goes_on = after, soft, True
        if start < end or not goes_on:
            found.append(Stretch(start, end, goes_on))
        if end == len(text):
            return found
        start, room = end + 1, hard


def _fit(text: str, start: int, end: int, room: int) -> int:
    """Where the characters that fit end; one at least."""
    stop = min(start + room, end)
    chunk = text[start:stop]
    if chunk.isascii():
        return stop
    index, last = start, min(end, start + _MOST_MARKS * room)
    while index < last:
        char = text[index]
        room -= 1 if char == _WIDENS else get_character_cell_size(char)
        if room < 0:
            break
        index += 1
    return max(index, start + 1)


def segments(pieces: Sequence[Piece], start: int, end: int) -> list[Segment]:
    """The pieces of the joined text between two offsets."""
    found: list[Segment] = []
    at = 0
    for text, style in pieces:
        low, high = max(start - at, 0), min(end - at, len(text))
        if low < high:
            found.append(Segment(text[low:high], style))
        at += len(text)
        if at >= end:
            break
    return found


def fits(pieces: Sequence[Piece], width: int, ellipsis: str) -> tuple[Piece, ...]:
    """As many of the pieces as fit side by side; the first that does not is cut, with an ellipsis."""
    shown: list[Piece] = []
    for text, style in pieces:
        needed = cell_len(text)
        if needed > width:
            if width > 0:
                end = _fit(text, 0, len(text), width - 1) if width > 1 else 0
                shown.append((text[:end] + ellipsis, style))
            break
        width -= needed
        shown.append((text, style))
    return tuple(shown)
