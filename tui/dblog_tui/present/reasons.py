"""Why something failed, in one line of a terminal: what says least goes first, and a path loses its middle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["brief", "shortened", "with_reason"]

_PATH: Final = re.compile(r"(?<=the file ).+(?= (?:does not exist|cannot be had))|[^\s()]*[/\\][^\s()]+")
_CODE: Final = re.compile(r"^[A-Za-z0-9_]+: ")
"""An SQLSTATE, a name of SQLite's: for search engines."""
_LEAST: Final = 9
"""Cells of a file's name that still say which it is."""


def shortened(path: str, room: int, ellipsis: str) -> str:
    """A path in at most so many cells: without its middle, and without that of the file's name if need be."""
    if cell_len(path) <= room:
        return path
    name = re.split(r"[/\\]", path)[-1]
    head = room - cell_len(name) - cell_len(ellipsis) - 1
    if name and head >= 0:
        return f"{_begin(path, head)}{ellipsis}/{name}"
    return _without_middle(name or path, room, ellipsis)


def _begin(text: str, cells: int) -> str:
    return set_cell_size(text, cells).rstrip() if cells > 0 else ""


def _without_middle(text: str, room: int, ellipsis: str) -> str:
    if cell_len(text) <= room:
        return text
    left = max((room - cell_len(ellipsis)) // 2, 0)
    right, tail = room - left - cell_len(ellipsis), ""
    while len(tail) < len(text) and cell_len(text[-len(tail) - 1 :]) <= right:
        tail = text[-len(tail) - 1 :]
    return f"{_begin(text, left)}{ellipsis}{tail}" if room >= cell_len(ellipsis) else ""


def brief(sentence: str, room: int, ellipsis: str, *, least: int | None = None) -> str:
    """A sentence whose longest path is as short as it has to be for the sentence to fit.

    Args:
        sentence: what is said.
        room: cells.
        ellipsis: for what is left out.
        least: cells the path is left in any case; where None, as many as its file's name takes.
    """
    found = max(_PATH.finditer(sentence), key=lambda match: cell_len(match[0]), default=None)
    if cell_len(sentence) <= room or found is None:
        return sentence
    path = found[0]
    name = cell_len(re.split(r"[/\\]", path)[-1]) + cell_len(ellipsis) + 1
    spare = room - cell_len(sentence) + cell_len(path)
    return sentence[: found.start()] + shortened(path, max(spare, least or name), ellipsis) + sentence[found.end() :]


def with_reason(fronts: Sequence[str], why: str, room: int, ellipsis: str) -> tuple[str, str]:
    """One of several beginnings, and a reason behind it, which fits as a whole if anything can make it.

    Advice behind the reason goes first, then the code before it, then the longer beginnings.

    Args:
        fronts: what may stand before it, what says most first.
        why: a code, a sentence, and perhaps advice, with colons between.
        room: cells of both.
        ellipsis: for what is left out of a path.
    """
    for front, said in _forms(fronts, why):
        made = brief(said, room - cell_len(front), ellipsis)
        if cell_len(front) + cell_len(made) <= room:
            return front, made
    front, said = [*_forms(fronts, why)][-1]
    return front, brief(said, room - cell_len(front), ellipsis, least=_LEAST)


def _forms(fronts: Sequence[str], why: str) -> Iterator[tuple[str, str]]:
    code = _CODE.match(why)
    start = code.end() if code else 0
    # A path may have colons, so what is advice begins behind it.
    paths = [match.end() for match in _PATH.finditer(why)]
    colon = why.find(": ", max([start, *paths]) if paths else start)
    plain = why if colon < 0 else why[:colon]
    yield fronts[0], why
    for front in fronts:
        yield front, plain
        yield front, plain[start:]
