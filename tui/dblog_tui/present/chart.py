"""A trace drawn over time: a lane per service, dotted where everybody was silent, and the axis below them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from dblog.cli.moments import clock
from dblog.visible import visible
from dblog_tui.present.look import LETTERS
from dblog_tui.present.story import Lane
from dblog_tui.present.strips import brief, fit, strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.style import Style
    from textual.strip import Strip

    from dblog_tui.present.look import Look
    from dblog_tui.present.story import Gap, Story
    from dblog_tui.present.strips import Piece

__all__ = ["axis", "bar", "label_width", "lanes", "name_of"]

_WARNING: Final = 3
_BLANK, _OPEN, _SILENT, _LONGEST, _SPOKE = range(5)
"""What a cell of a lane shows; with what it stands for added, in the order of importance."""


def name_of(service: str | None) -> str:
    """A service's name, as lines say it."""
    return visible(service) if service else "(no service)"


def label_width(story: Story, width: int) -> int:
    """Cells of the services' names, a mark for their clocks with them."""
    longest = max((cell_len(name_of(lane.service)) + bool(lane.skew) for lane in story.lanes), default=0)
    return min(max(longest, 4), max(width // 6, 8))


def column(story: Story, moment: int, width: int) -> int:
    """The cell of a moment, of so many."""
    if story.length <= 0 or width < 1:
        return 0
    return min(max((moment - story.first) * (width - 1) // story.length, 0), width - 1)


# -- lanes ----------------------------------------------------------------------------------------------------------


def lanes(story: Story, look: Look, width: int, *, most: int, only: int | None = None) -> list[Strip]:
    """A line per service in the order in which they first spoke; of many, the telling ones, and one line for the rest.

    Args:
        story: the trace.
        look: how things look.
        width: cells.
        most: lines at most.
        only: index of the lane the reader looks at alone.
    """
    shown, rest = _chosen(story, most)
    label = label_width(story, width)
    lines = [_lane(story, lane, look, width, label, dim=only is not None and index != only) for index, lane in shown]
    if rest:
        merged = Lane(
            f"+{len(rest)} more",
            tuple(itertools.chain.from_iterable(lane.marks for lane in rest)),
            tuple(itertools.chain.from_iterable(lane.bars for lane in rest)),
            0,
        )
        lines.append(_lane(story, merged, look, width, label, dim=True))
    return lines


def _chosen(story: Story, most: int) -> tuple[list[tuple[int, Lane]], list[Lane]]:
    """Those who spoke around the silences, then those with errors, then the first to speak."""
    numbered = list(enumerate(story.lanes))
    if len(numbered) <= most:
        return numbered, []
    around = {
        story.entries[index].service or None for gap in story.gaps for index in (gap.before, gap.after) if index >= 0
    }
    best = sorted(numbered, key=lambda each: (each[1].service not in around, -max(each[1].worst, _WARNING), each[0]))
    kept = {index for index, _ in best[: max(most - 1, 0)]}
    shown = [each for each in numbered if each[0] in kept]
    return shown, [lane for index, lane in numbered if index not in kept] if most > 0 else []


def _lane(story: Story, lane: Lane, look: Look, width: int, label: int, *, dim: bool) -> Strip:
    styles = look.styles
    own = styles.dim if dim else look.service(lane.service)
    name = fit(name_of(lane.service) + ("~" if lane.skew else ""), label, look.glyphs.ellipsis)
    pieces: list[Piece] = [(f" {name} ", own)]
    for cell, run in itertools.groupby(_cells(story, lane, max(width - label - 3, 0))):
        glyph, style = _drawn(cell, look, own)
        pieces.append((glyph * len(list(run)), styles.dim if dim and cell < _SPOKE + _WARNING else style))
    return strip(pieces, width, look)


def _cells(story: Story, lane: Lane, width: int) -> list[int]:
    """What each cell of the lane shows."""
    cells = [_BLANK] * width
    if not width:
        return cells
    for start, end in _united((column(story, start, width), column(story, end, width)) for start, end in lane.bars):
        cells[start : end + 1] = [_OPEN] * (end + 1 - start)
    for gap in story.gaps:
        for index in range(column(story, gap.start, width) + 1, column(story, gap.end, width)):
            # Where spans are known, only who had one open was silent; otherwise it may have been anybody.
            if cells[index] == _OPEN or not story.has_spans:
                cells[index] = _LONGEST if gap.longest else _SILENT
    for moment, band in lane.marks:
        index = column(story, moment, width)
        cells[index] = max(cells[index], _SPOKE + band)
    return cells


def _united(bars: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Overlapping stretches as one."""
    now: tuple[int, int] | None = None
    for start, end in sorted(set(bars)):
        if now is not None and start <= now[1] + 1:
            now = now[0], max(now[1], end)
            continue
        if now is not None:
            yield now
        now = start, end
    if now is not None:
        yield now


def _drawn(cell: int, look: Look, own: Style) -> Piece:
    glyphs, styles = look.glyphs, look.styles
    if cell >= _SPOKE:
        band = cell - _SPOKE
        return (LETTERS[band], styles.bands[band]) if band >= _WARNING else (glyphs.dot, own)
    if cell == _OPEN:
        return glyphs.span, own
    if cell == _BLANK:
        return " ", styles.text
    return glyphs.gap, styles.warning if cell == _LONGEST else styles.dim


# -- the axis -------------------------------------------------------------------------------------------------------


def axis(story: Story, look: Look, width: int, at: int | None = None) -> Strip:
    """Times below the lanes: when it began, how long it took, the silences, and where the cursor is (µs)."""
    label = label_width(story, width)
    room = max(width - label - 3, 0)
    cells: list[Piece | None] = [None] * room
    here = column(story, at, room) if at is not None and room else None
    for gap in sorted(story.gaps, key=lambda gap: not gap.longest):
        _bracket(cells, story, gap, look)
    # The ends' labels give way to the cursor: a digit under it would be misread.
    start, end = clock(story.first, look.zone), f"+{brief(story.length, look)}"
    _put(cells, 0 if here is None or here >= len(start) else here + 2, start, look.styles.dim)
    beyond = here is not None and here >= room - len(end)
    _put(cells, here - 1 - len(end) if beyond and here is not None else room - len(end), end, look.styles.dim)
    if here is not None:
        cells[here] = look.glyphs.peak, look.styles.strong
    blank = " ", look.styles.text
    runs = itertools.groupby((cell or blank for cell in cells), key=lambda cell: cell[1])
    drawn = [("".join(text for text, _ in run), style) for style, run in runs]
    return strip([(" " * (label + 2), look.styles.text), *drawn], width, look)


def _bracket(cells: list[Piece | None], story: Story, gap: Gap, look: Look) -> None:
    """``│── gap 1.29 s ──│`` from where the silence begins to where it ends, the words beside it if it is too short."""
    style = look.styles.warning if gap.longest else look.styles.dim
    start, end = column(story, gap.start, len(cells)), column(story, gap.end, len(cells))
    text, side, rule = f" gap {brief(gap.length, look)} ", look.glyphs.side, look.glyphs.rule
    inside = end - start - 1
    if inside >= len(text):
        _put(cells, start, side + f"{text:{rule}^{inside}}" + side, style)
    elif inside >= 0 and _put(cells, start, side + rule * inside + side, style):
        _ = _put(cells, end + 1, text, style) or _put(cells, start - len(text), text, style)


def _put(cells: list[Piece | None], start: int, text: str, style: Style) -> bool:
    """Write there if nothing is there yet."""
    place = range(start, start + len(text))
    if start < 0 or place.stop > len(cells) or any(cells[index] for index in place):
        return False
    for index, glyph in zip(place, text, strict=True):
        cells[index] = glyph, style
    return True


# -- in a row ---------------------------------------------------------------------------------------------------------


def bar(story: Story, look: Look, width: int, times: tuple[int, int], ending: Piece) -> Sequence[Piece]:
    """From one moment to another in exactly ``width`` cells; the last cell of it is ``ending``."""
    start, end = (column(story, moment, width) for moment in times)
    return [
        (" " * start, look.styles.text),
        (look.glyphs.span * (end - start), ending[1]),
        ending,
        (" " * (width - end - 1), look.styles.text),
    ]
