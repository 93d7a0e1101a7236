"""Text measured in the cells of a terminal, and lines made of coloured pieces; pure functions."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Piece", "cells", "cut", "line", "pad", "paint"]

Piece = tuple[str, str]
"""Visible text of one line, and its style: parameters of SGR such as ``1;31``, or nothing."""

_ELLIPSIS: Final = "…"


def cells(text: str) -> int:
    """The cells a terminal needs for visible text: two for wide East Asian characters, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me") else 1


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    room, end = width - 1, 0
    for char in text:
        room -= _cells_of(char)
        if room < 0:
            break
        end += 1
    return text[:end] + _ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells: cut, or filled with blanks."""
    text = cut(text, width)
    return text + " " * (width - cells(text))


def paint(text: str, style: str, *, colour: bool) -> str:
    """``text`` in a style, where colours are wanted."""
    return f"\x1b[{style}m{text}\x1b[0m" if colour and style and text else text


def line(pieces: Iterable[Piece], width: int | None, *, colour: bool) -> str:
    """The pieces side by side in at most ``width`` cells, without blanks at the end; None is no limit."""
    shown: list[Piece] = []
    room = width
    for text, style in pieces:
        if room is not None:
            needed = cells(text)
            if needed > room:
                shown.append((cut(text, room), style) if room > 0 else _shortened(shown))
                break
            room -= needed
        shown.append((text, style))
    while shown and not (stripped := shown[-1][0].rstrip(" ")):
        shown.pop()
    if shown:
        shown[-1] = (stripped, shown[-1][1])
    return "".join(paint(text, style, colour=colour) for text, style in shown)


def _shortened(shown: list[Piece]) -> Piece:
    """The last piece again, ending in the ellipsis that has no room of its own."""
    while shown:
        text, style = shown.pop()
        if width := cells(text):
            return cut(text + "  ", width), style
    return "", ""
