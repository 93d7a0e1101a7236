"""A histogram as cells: bars coloured by the worst level they hold, an axis of times, the peak; pure functions.

A column that was not counted is hatched, never empty, and what is no number of the database itself says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import compact
from dblog.cli.moments import at, duration
from dblog.levels import BANDS
from dblog_tui.present.counted import Bars, Counts
from dblog_tui.present.look import LETTERS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["Bars", "Counts", "axis_strip", "bar_strips", "counts_text", "readout_strip", "spelled", "stamp"]

_S: Final = 1_000_000
_MINUTE, _DAY = 60 * _S, 86_400 * _S
_WARNING, _ERROR, _CRITICAL = 3, 4, 5
_STEPS: Final = tuple(
    count * unit
    for unit, counts in (
        (1, (1, 10, 100)), (1000, (1, 5, 10, 50, 100, 200, 500)), (_S, (1, 2, 5, 10, 15, 30)),
        (_MINUTE, (1, 2, 5, 10, 15, 30)), (60 * _MINUTE, (1, 2, 3, 6, 12)),
        (_DAY, (1, 2, 5, 10, 30, 90, 180, 365, 1000, 3650, 36_500, 365_000)),
    )
    for count in counts
)  # fmt: skip
"""µs between two times on the axis."""
_APART: Final = 14
"""Columns between two times on the axis at least."""


# -- the bars ---------------------------------------------------------------------------------------------------------


def bar_strips(
    bars: Bars, width: int, height: int, look: Look, *, marked: tuple[int, int] | None = None
) -> list[Strip]:
    """``height`` lines of bars, the top one first, with a blank cell to the left and to the right.

    The height of a column is its number of entries. Its lowest cell has the colour of its worst level, and those above
    it that of their share, so a single error in a thousand entries is seen, and so is that they are a thousand.

    Args:
        bars: what to draw; where there are more columns than room, the newest.
        width: cells.
        height: lines.
        look: glyphs and styles.
        marked: first and last column that are shown reversed.
    """
    rows = [[(" ", look.styles.text)] * width for _ in range(height)]
    most = max((sum(each) for each in bars.counts if each is not None), default=0)
    left = _left(bars, width)
    for index, counts in enumerate(bars.counts):
        if not 1 <= left + index < width - 1:
            continue
        for level, cell in enumerate(_column(counts, most, height, look)):
            if marked is not None and marked[0] <= index <= marked[1]:
                cell = (cell[0], cell[1] + look.styles.selected)  # noqa: PLW2901 - the same cell, marked
            rows[height - 1 - level][left + index] = cell
    return [_strip(cells) for cells in rows]


def _left(bars: Bars, width: int) -> int:
    """The cell of the first column; negative where there are too many."""
    return max(width - 2, 0) - len(bars.counts) + 1


def _column(counts: Counts | None, most: int, height: int, look: Look) -> list[tuple[str, Style]]:
    """The cells of a column, the lowest first."""
    glyphs, styles = look.glyphs, look.styles
    if counts is None:
        return [(glyphs.hatched, styles.dim)] + [(" ", styles.text)] * (height - 1)
    total, top = sum(counts), len(glyphs.bars) - 1
    eighths = max(round(total / most * height * top), 1) if total else 0
    cells = []
    for level in range(height):
        filled = min(max(eighths - level * top, 0), top)
        style = styles.bands[_band_at(counts, level * top / eighths)] if filled else styles.text
        cells.append((glyphs.bars[filled], style))
    return cells


def _band_at(counts: Counts, share: float) -> int:
    """The level at a height of a bar (0: the bottom), the worst being at the bottom."""
    below, total = 0, sum(counts)
    for band in reversed(range(BANDS)):
        below += counts[band]
        if below > share * total:
            return band
    return 0


def _strip(cells: Sequence[tuple[str, Style]]) -> Strip:
    """Cells of one character each, neighbours of one style together."""
    segments: list[Segment] = []
    text, style = "", None
    for char, own in cells:
        if own != style and text:
            segments.append(Segment(text, style))
            text = ""
        text, style = text + char, own
    if text:
        segments.append(Segment(text, style))
    return Strip(segments, len(cells))


# -- the axis ---------------------------------------------------------------------------------------------------------


def axis_strip(bars: Bars, width: int, look: Look) -> Strip:
    """Times under the bars, the peak under its bar, the range to the right; what has no room is left out."""
    cells = [(" ", look.styles.text)] * width
    label = spelled(bars.label, look)
    state = label if bars.done else f"counting {bars.share:.0%}  {label}".rstrip()
    _put(cells, width - 1 - cell_len(state), state, look.styles.warning if not bars.whole else look.styles.dim)
    left = _left(bars, width)
    if (peak := bars.peak()) is not None and (counts := bars.counts[peak]) is not None:
        bad = sum(counts[_ERROR:])
        text = counts_text(counts, about=look.glyphs.about if bars.about else "", bad=bool(bad))
        text = f"{look.glyphs.peak} {text}"
        place = min(left + peak, width - 1 - cell_len(text))
        free = next((x for x in range(place, max(place - 20, 0), -1) if _free(cells, x, text)), None)
        if free is not None:
            _put(cells, free, text, look.styles.bands[_ERROR] if bad else look.styles.dim)
    for moment, text in _ticks(bars, look.zone):
        x = left + (moment - bars.start) // bars.width
        if _free(cells, x, text):
            _put(cells, x, text, look.styles.dim)
    return _strip(cells)


def spelled(label: str, look: Look) -> str:
    """The label of a range, with the characters of the look."""
    return look.ours(label)


def _free(cells: Sequence[tuple[str, Style]], x: int, text: str) -> bool:
    """Whether a text has room there, and a blank on each side of it."""
    end = x + len(text)
    return x >= 1 and end < len(cells) and all(cells[i][0] == " " for i in range(x - 1, min(end + 1, len(cells))))


def _put(cells: list[tuple[str, Style]], x: int, text: str, style: Style) -> None:
    if x >= 0:
        cells[x : x + len(text)] = [(char, style) for char in text]


def counts_text(counts: Counts, *, about: str = "", bad: bool = False) -> str:
    """``118 E 1 C`` where only the bad is asked for and there is some; else all: ``1,204``."""
    if not bad:
        return f"{about}{compact(sum(counts))}"
    shown = [band for band in (_ERROR, _CRITICAL) if counts[band]]
    return " ".join(f"{about}{compact(counts[band])} {LETTERS[band]}" for band in shown)


def _ticks(bars: Bars, zone: dt.tzinfo | None) -> list[tuple[int, str]]:
    """Round times of the zone, and how they are written."""
    step = next((step for step in _STEPS if step >= _APART * bars.width), _STEPS[-1])
    last = at(bars.end, zone)
    offset = int(shift.total_seconds()) * _S if last and (shift := last.utcoffset()) else 0
    first = -(-(bars.start + offset) // step) * step - offset
    return [
        (moment, text) for moment in range(first, bars.end, step) if (text := _tick(moment, step, zone)) is not None
    ]


def _tick(moment: int, step: int, zone: dt.tzinfo | None) -> str | None:
    time = at(moment, zone)
    if time is None:
        return None
    if step >= 180 * _DAY:
        return f"{time:%Y-%m}"
    if step >= _DAY or not (time.hour or time.minute or time.second or time.microsecond):
        return f"{time:%a %m-%d}"
    if step >= _MINUTE:
        return f"{time:%H:%M}"
    if step >= _S:
        return f"{time:%H:%M:%S}"
    digits = 3 if step >= _S // 1000 else 6
    return f"{time:%H:%M:%S}.{f'{time.microsecond:06}'[:digits]}"


# -- what the cursor is on --------------------------------------------------------------------------------------------


def stamp(moment: int, width: int, zone: dt.tzinfo | None) -> str:
    """A moment as exactly as a column is wide: ``10:42``, ``10:42:04``, ``Fri 11-20 10:00``."""
    time = at(moment, zone)
    if time is None:
        return str(moment)
    text = f"{time:%H:%M}" if width % _MINUTE == 0 and not time.second else f"{time:%H:%M:%S}"
    if width % _S:
        text = f"{time:%H:%M:%S}.{f'{time.microsecond:06}'[: 3 if width % 1000 == 0 else 6]}"
    return f"{time:%a %m-%d} {text}" if width >= 60 * _MINUTE else text


def readout_strip(bars: Bars, columns: tuple[int, int], width: int, look: Look, hints: str = "") -> Strip:
    """The column under the cursor, or those selected: from when to when, how many, how bad; keys to the right."""
    first, last = columns
    styles, about = look.styles, look.glyphs.about if bars.about else ""
    since, until = bars.between(first, last)
    ends = f"{stamp(since, bars.width, look.zone)} {look.glyphs.range} {stamp(until, bars.width, look.zone)}"
    pieces: list[tuple[str, Style]] = [(f" {ends}", styles.strong)]
    if first != last:
        length = duration((until - since) / _S).removesuffix(" 0 s").removesuffix(" 0 min")
        pieces.append((f"  {look.ours(length)}", styles.dim))
    if (counts := bars.total(first, last)) is None:
        pieces.append(("  not counted yet", styles.warning))
    else:
        total = sum(counts)
        pieces.append((f"  {about}{compact(total)} {'entry' if total == 1 else 'entries'}", styles.text))
        pieces += [
            (f"  {about}{compact(counts[band])} {LETTERS[band]}", styles.bands[band])
            for band in reversed(range(_WARNING, BANDS))
            if counts[band]
        ]
    strip = Strip([Segment(text, style) for text, style in pieces])
    room = width - strip.cell_length - cell_len(hints) - 1
    if hints and room >= 1:
        strip = Strip([*strip, Segment(" " * room, styles.text), Segment(hints, styles.dim)])
    return strip.adjust_cell_length(width, styles.text)
