"""Lines of exactly so many cells, made of pieces of visible text; times and distances in a few cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.lines import exception_of, facts
from dblog.levels import band_of
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.style import Style

    from dblog.entry import LogEntry
    from dblog_tui.present.look import Look

__all__ = ["Found", "Piece", "apart", "brief", "clip", "fit", "offset", "picked", "said", "strip", "wrapped"]

Piece: TypeAlias = "tuple[str, Style]"
"""Visible text, and how it looks."""
Found: TypeAlias = "Callable[[str], Sequence[tuple[int, int]]]"
"""Where in a text something that is looked for stands."""

_ERROR: Final = 4
_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY


def picked(line: Strip, look: Look) -> Strip:
    """The line under the cursor."""
    return Strip([Segment(line.text, look.styles.picked)], line.cell_length)


def apart(text: str) -> str:
    """``text`` without the two characters that make others take other cells than they take alone.

    U+200D joins its neighbours, and U+FE0F widens the one before it, in Rich's count and some terminals, and not in
    others; where they disagree, a line runs over its end. An emoji made of several is shown as those.
    """
    return text if text.isascii() else text.translate(_JOINING)


_JOINING: Final = {0x200D: None, 0xFE0F: None}


def fit(text: str, width: int, ellipsis: str) -> str:
    """``text`` in exactly ``width`` cells: filled with blanks, or cut with an ellipsis."""
    text = clip(text, width, ellipsis)
    return text + " " * (width - cell_len(text))


def clip(text: str, width: int, ellipsis: str) -> str:
    """``text`` in at most ``width`` cells, with an ellipsis where something is missing."""
    text = apart(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + ellipsis if width > 0 else ""


def strip(pieces: Iterable[Piece], width: int, look: Look) -> Strip:
    """The pieces side by side in exactly ``width`` cells; what has no room is not even asked for."""
    made: list[Piece] = []
    room = width
    for given, style in pieces:
        text = apart(given)
        cells = cell_len(text)
        if cells > room:
            # The ellipsis takes the place of the last cell where none is left for it.
            last = ("", style) if room or not made else made.pop()
            shown = clip(text, room, look.glyphs.ellipsis) if room else _shortened(last[0], look.glyphs.ellipsis)
            made.append((shown, last[1]))
            room = 0
            break
        room -= cells
        _add(made, text, style)
    _add(made, " " * room, look.styles.text)
    return Strip([Segment(text, style) for text, style in made], width)


def _add(made: list[Piece], text: str, style: Style) -> None:
    """Neighbours that look alike are one piece: a style costs a dozen bytes on the line."""
    if made and made[-1][1] == style:
        made[-1] = made[-1][0] + text, style
    elif text:
        made.append((text, style))


def _shortened(text: str, ellipsis: str) -> str:
    return set_cell_size(text, cell_len(text) - 1) + ellipsis if text else ""


def wrapped(parts: Iterable[Sequence[Piece]], between: Piece, width: int, most: int) -> list[list[Piece]]:
    """Parts in lines of ``width`` cells, with something between them; ``most`` lines, the last perhaps too long."""
    lines: list[list[Piece]] = []
    used = 0
    for part in parts:
        cells = sum(cell_len(text) for text, _ in part)
        if lines and (used + cell_len(between[0]) + cells <= width or len(lines) == most):
            lines[-1] += [between, *part]
            used += cell_len(between[0]) + cells
        else:
            lines.append([*part])
            used = cells
    return lines


def said(entry: LogEntry, width: int, look: Look, found: Found | None = None) -> Iterator[Piece]:
    """What an entry says: its message, its exception, its extras; more than fits is cut before it is looked at."""
    styles, band = look.styles, band_of(entry.severity)
    message = visible(entry.message[: 4 * max(width, 1)])
    style, end = styles.bands[band] if band >= _ERROR else styles.text, 0
    for start, stop in found(message) if found is not None else ():
        yield message[end:start], style
        yield message[start:stop], styles.found
        end = stop
    yield message[end:], style
    if exception := exception_of(entry):
        yield f"  {exception}", styles.error
    for number, fact in enumerate(facts(entry)):
        yield f"{' ' if number else '  '}{fact}", styles.dim


def brief(micros: int, look: Look) -> str:
    """A length of time in at most eight cells: ``850 µs``, ``803 ms``, ``1.29 s``, ``12.5 min``, ``3.00 h``."""
    seconds = micros / 1e6
    for below, scale, unit in _BRIEF:
        if seconds < below:
            return look.ours(f"{seconds * scale:.{_digits(seconds * scale, unit)}f} {unit}")
    days = round(seconds / _DAY)
    return f"{days} d" if days < _MANY_DAYS else f"{seconds / _YEAR:.0f} y"


def _digits(value: float, unit: str) -> int:
    """Behind the point: three digits in all, two of milliseconds."""
    if unit in ("µs", "ms"):
        return int(unit == "ms" and value < 9.95)  # noqa: PLR2004 - where 10 is rounded to
    return 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004 - as above


_BRIEF: Final = (
    (0.000_999_5, 1e6, "µs"), (0.999_5, 1e3, "ms"), (59.95, 1.0, "s"), (3_597.0, 1 / 60, "min"),
    (_DAY - 180, 1 / 3_600, "h"),
)  # fmt: skip
_MANY_DAYS: Final = 4_000


def offset(micros: int) -> str:
    """A moment after the beginning in at most nine cells: ``+1.730``, ``+12:34.5``, ``+1:02:03``, ``+12d 3h``."""
    sign, millis = "-" if micros < 0 else "+", abs(micros) // 1000
    seconds = millis // 1000
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // _DAY
    if seconds < _MANY_SECONDS:
        return f"{sign}{seconds}.{millis % 1000:03}"
    if not hours:
        return f"{sign}{minutes}:{seconds % 60:02}.{millis // 100 % 10}"
    if not days:
        return f"{sign}{hours}:{minutes % 60:02}:{seconds % 60:02}"
    if days < _MANY_SECONDS:
        return f"{sign}{days}d {hours % 24}h"
    return f"{sign}{days}d" if days < _MANY_DAYS else f"{sign}{seconds // _YEAR}y"


_MANY_SECONDS: Final = 100
