"""What lies below a query that is being written: what is wrong with it, and what could follow; values to strips."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from dblog.visible import visible
from dblog_tui.present.query import value_style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog_tui.complete import Candidate
    from dblog_tui.draft import Draft
    from dblog_tui.mistakes import Mistake
    from dblog_tui.present.look import Look

__all__ = ["Frame", "candidate_lines", "lines_below", "mistake_lines", "rule"]

_MOST_LINES: Final = 4
"""Of one mistake."""
_WIDEST: Final = 110
"""Cells after which nobody sees that two words belong to one line."""
_DID_YOU_MEAN: Final = re.compile(r"did you mean (\S+)\? .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the query stands."""

    look: Look
    width: int
    """Of the line."""
    left: int
    """Cells before the first character that is shown."""
    text: str
    first: int = 0
    """The first character that is shown."""

    def cell(self, at: int) -> int:
        """The cell of a character; that of the first one that is shown, of those before."""
        return self.left + cell_len(visible(self.text[self.first : max(at, self.first)]))


def lines_below(draft: Draft, frame: Frame, room: int) -> list[Strip]:
    """Everything; nothing where there is nothing to say.

    Args:
        draft: what is being written.
        frame: where.
        room: lines for suggestions.
    """
    offer, said = draft.offer, ""
    lines = mistake_lines(draft.mistakes, frame, tab=not offer.is_open) if draft.mistakes else []
    if draft.doubt and not draft.mistakes:
        width = min(frame.width, _WIDEST) - 2
        lines += [Strip([Segment(f" {line}", frame.look.styles.warning)]) for line in textwrap.wrap(draft.doubt, width)]
    if offer.place is not None and offer.is_open:
        first, offered = offer.window(room)
        place, chosen = offer.place, offer.chosen - first
        lines += candidate_lines(offered, frame, at=place.start, typed=place.typed, field=place.field, chosen=chosen)
        said = "Tab takes it"
        if len(offered) < len(offer.found):
            said += f"   {first + 1}-{first + len(offered)} of {len(offer.found)}"
    elif offer.missing in draft.known.said:
        said = draft.known.said[offer.missing]
    return [*lines, rule(said, frame.look, frame.width)] if lines or said else []


def mistake_lines(found: Sequence[Mistake], frame: Frame, *, tab: bool = True) -> list[Strip]:
    """Marks right below the query, then a sentence or two for each mistake.

    Args:
        found: the mistakes, by their place.
        frame: of the query.
        tab: Tab applies the first repair; it does something else while there are suggestions.
    """
    lines = [_marks(found, frame)]
    for index, mistake in enumerate(found):
        right = ""
        if mistake.repaired is not None and tab:
            right, tab = "Tab applies", False
        elif index == len(found) - 1:
            right = "nothing sent yet"
        lines += _sentences(mistake, right, frame)
    return lines


def _marks(found: Sequence[Mistake], frame: Frame) -> Strip:
    styles = frame.look.styles
    made: list[Segment] = []
    at = 0
    for mistake in found:
        start = frame.cell(mistake.column)
        cells = max(cell_len(visible(frame.text[mistake.column : mistake.column + mistake.width])), 1)
        if mistake.column < frame.first or start < at or start >= frame.width:
            continue
        mark = "^" if cells == 1 else "~" * min(cells, frame.width - start)
        made += [Segment(" " * (start - at), styles.text), Segment(mark, styles.error)]
        at = start + len(mark)
    return Strip(made).adjust_cell_length(frame.width, styles.text)


def _sentences(mistake: Mistake, right: str, frame: Frame) -> list[Strip]:
    look, styles = frame.look, frame.look.styles
    head = f" col {mistake.column + 1}: "
    reason, advice = _plain(mistake.reason, look), _plain(mistake.advice, look)
    room = min(frame.width, _WIDEST) - cell_len(right) - 2
    for said in (advice, _DID_YOU_MEAN.sub(r"did you mean  \1 ?", advice)):
        more = look.ours(f" — {said}") if said else ""
        if cell_len(head + reason + more) < room:
            made = [Segment(head, styles.error), Segment(reason, styles.text), Segment(more, styles.strong)]
            return [_with_right(made, right, frame)]
    indent = " " * len(head)
    whole = max(min(frame.width, _WIDEST) - len(head) - 1, 10)
    lines = [
        [Segment(indent if index else head, styles.error), Segment(line, styles.text)]
        for index, line in enumerate(textwrap.wrap(reason, whole) or [""])
    ]
    lines += [[Segment(indent, styles.text), Segment(line, styles.strong)] for line in textwrap.wrap(advice, whole)]
    del lines[_MOST_LINES - 1 :]
    if right and sum(segment.cell_length for segment in lines[-1]) >= room:
        lines.append([])
    return [_with_right(line, right if line is lines[-1] else "", frame) for line in lines]


def _plain(text: str, look: Look) -> str:
    """Visible, and without signs of ours a font may not have where only ASCII is wanted."""
    return look.ours(visible(text))


def _with_right(left: list[Segment], right: str, frame: Frame) -> Strip:
    text, dim = frame.look.styles.text, frame.look.styles.dim
    strip = Strip(left)
    room = min(frame.width, _WIDEST) - cell_len(right) - 1
    if not right or strip.cell_length >= room:
        return strip.adjust_cell_length(frame.width, text)
    whole = Strip([*strip.adjust_cell_length(room, text), Segment(right, dim)])
    return whole.adjust_cell_length(frame.width, text)


def candidate_lines(
    found: Sequence[Candidate], frame: Frame, *, at: int, typed: str, field: str, chosen: int
) -> list[Strip]:
    """Suggestions, one a line, below what they would replace; with counts, or a word about them.

    Args:
        found: those to show.
        frame: of the query.
        at: the first character of what they would replace.
        typed: what of them has been typed.
        field: whose values they are; empty of names.
        chosen: which of them the arrow keys have chosen; -1 for none.
    """
    look, styles = frame.look, frame.look.styles
    counts = ["" if each.count is None else f"{each.count:,}" for each in found]
    number = max(map(len, counts), default=0)
    note = max((cell_len(each.note) for each in found), default=0)
    most = max(frame.width - number - note - 8, 8)
    label = min(max((cell_len(visible(each.shown)) for each in found), default=0), most)
    left = max(min(frame.cell(at), frame.width - label - number - note - 7), 1)
    lines = []
    for index, (each, count) in enumerate(zip(found, counts, strict=True)):
        made = [
            Segment(look.glyphs.cursor if index == chosen else " ", styles.strong),
            *_label(each, label, look, typed, field),
            Segment(f"  {count:>{number}}" if number else "", styles.text),
            Segment(f"  {set_cell_size(_plain(each.note, look), note)}" if note else "", styles.dim),
            Segment(" ", styles.text),
        ]
        line = Strip([segment for segment in made if segment.text])
        line = line.apply_style(styles.selected) if index == chosen else line
        blank = Segment(" " * (left - 1), styles.text)
        lines.append(Strip([blank, *line]).adjust_cell_length(frame.width, styles.text))
    return lines


def _label(each: Candidate, width: int, look: Look, typed: str, field: str) -> list[Segment]:
    """What it shows; what of it has been typed in bold."""
    text = _plain(each.shown, look)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + look.glyphs.ellipsis
    text = set_cell_size(text, width)
    style = value_style(each.shown, field, look) or (look.styles.text if field else look.styles.accent)
    begun = len(typed) if text.lower().startswith(typed.lower()) else 0
    return [Segment(text[:begun], style + Style(bold=True)), Segment(text[begun:], style)]


def rule(said: str, look: Look, width: int) -> Strip:
    """A line to end with, a few words on its right."""
    said = visible(said)
    words = f" {said} " if said and cell_len(said) + 6 < width else ""
    line = look.glyphs.rule * max(width - cell_len(words) - 1, 0) + words + look.glyphs.rule
    return Strip([Segment(line, look.styles.dim)]).adjust_cell_length(width, look.styles.dim)
