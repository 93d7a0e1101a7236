"""What is shown where there is nothing to show: why, and the keys that change it. Values to strips.

Everything but the fixed sentences may hold text out of a query or a database, and passes ``visible``.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.moments import ago, clock, day
from dblog.visible import visible
from dblog_tui.view import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from dblog_tui.present.look import Look
    from dblog_tui.source.advice import Advice, Counted
    from dblog_tui.view import View

    Piece = tuple[str, Style]

__all__ = ["NOTHING", "advice_lines", "nothing_lines", "said_of", "setup_lines", "setup_text"]

NOTHING: Final = {
    "bookmarks": ("No row is marked.", "m", "marks the row under the cursor"),
    "views": ("No view is saved.", "V", "saves the one you look at, under a name"),
    "patterns": ("No entry here has a template.", "1", "looks at everything that is stored"),
    "fields": ("No entry here has a value of it.", "1", "looks at everything that is stored"),
    "letters": ("No row was ever refused: there are no dead letters.", "", ""),
    "instances": ("No writer has said anything about itself.", "", ""),
}
"""What is missing → one sentence, and the key that makes one."""

_SETUP: Final = (
    "import dblog, logging",
    "handler = dblog.DatabaseHandler(url={url!r}, service='shop')",
    "logging.basicConfig(level='INFO', handlers=[handler])",
)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_S: Final = 1_000_000
_LEFT: Final = 3
"""Cells before a sentence; two more before a line of advice."""


def said_of(view: View, look: Look) -> str:
    """That nothing matches, and in which range."""
    span = view.span
    if span.last is not None:
        where = f" in the last {_spoken(span.last)}"
    elif span.since is not None and span.until is not None:
        where = f" between {_moment(span.since, look)} and {_moment(span.until, look)}"
    elif span.since is not None:
        where = f" since {_moment(span.since, look)}"
    else:
        where = "" if span.until is None else f" before {_moment(span.until, look)}"
    least = f" at {LEVELS[view.least].upper()} or worse" if view.least else ""
    return f"No entry{least} matches{where}." if view.query.strip() else f"No entry{least} is stored{where}."


def _spoken(seconds: int) -> str:
    """``15 minutes``, ``hour``, ``24 hours``."""
    for unit, name in ((_DAY * 7, "week"), (_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds % unit == 0 and (seconds > unit or unit != _DAY):
            count = seconds // unit
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds} seconds"


def _moment(at: int, look: Look) -> str:
    return f"{look.ours(day(at, look.zone)[4:14])} {clock(at, look.zone)[:8]}"


def advice_lines(
    view: View, found: Sequence[Advice], look: Look, width: int, *, now: int, done: bool = True
) -> list[Strip]:
    """Why nothing matches, and what would: one key each.

    Args:
        view: what shows nothing.
        found: the advice so far.
        look: how.
        width: of each line.
        now: µs; ages count from it.
        done: there will be no more.
    """
    styles = look.styles
    doing = [each for each in found if each.key]
    facts = [each for each in found if not each.key]
    lines: list[list[Piece]] = [[], [(said_of(view, look), styles.strong)], []]
    lines += _table(doing, look, width)
    if not done:
        lines.append([(f"  looking for what would match{look.glyphs.ellipsis}", styles.dim)])
    if doing or not done:
        lines.append([])
    lines += [line for each in facts for line in _fact(each, look, now, width - _LEFT - 1)]
    return [_strip(line, look, width) for line in lines]


def _table(found: Sequence[Advice], look: Look, width: int) -> list[list[Piece]]:
    styles = look.styles
    labels = [visible(f"{each.deed.value:<5} {each.what}") for each in found]
    counts = [_counted(each.count, look) for each in found]
    number = max((cell_len(count) for each, count in zip(found, counts, strict=True) if each.count), default=0)
    room = max(width - _LEFT - number - 22, 10)
    label = min(max(map(cell_len, labels), default=0), room)
    arrow = look.glyphs.arrow
    lines: list[list[Piece]] = []
    for each, text, count in zip(found, labels, counts, strict=True):
        some = each.count is None or each.count.value > 0
        style = styles.text if some else styles.dim
        matches = "" if not each.count else " match  " if each.count.value == 1 else " matches"
        line = [
            (f"  {each.key}  ", styles.accent),
            (_fitted(text, label, look), style),
            (f"  {arrow} ", styles.dim),
            (" " * (number - cell_len(count)) * bool(each.count) + count + matches, style),
        ]
        note = f"  ({visible(each.note)})" if each.note else ""
        if cell_len("".join(part for part, _ in line) + note) + _LEFT <= width:
            line.append((note, styles.dim))
        lines.append(line)
    return lines


def _counted(count: Counted | None, look: Look) -> str:
    if count is None:
        return "not counted"
    return f"{'' if count.exact else look.glyphs.least}{count.value:,}"


def _fact(each: Advice, look: Look, now: int, width: int) -> list[list[Piece]]:
    """A sentence, in as many lines as it takes."""
    said, style = visible(each.what), look.styles.text if each.fine else look.styles.warning
    if each.newest is None:
        return [[(line, style)] for line in textwrap.wrap(said, max(width, 20))]
    old = now - each.newest
    age = f"{old / _S:.1f} s ago" if 0 <= old < 10 * _S else ago(each.newest, now)
    moment = clock(each.newest, look.zone)[:8] if old < _DAY * _S else _moment(each.newest, look)
    newest = f"Newest entry in this database: {moment} ({age})."
    if cell_len(f"{newest} {said}") <= width:
        return [[(f"{newest} ", look.styles.text), (said, style)]]
    return [[(newest, look.styles.text)], [(said, style)]]


def nothing_lines(what: str, look: Look, width: int) -> list[Strip]:
    """One sentence, and the key that makes one; ``what`` is a key of ``NOTHING``."""
    said, key, does = NOTHING[what]
    styles = look.styles
    line: list[Piece] = [(said, styles.text)]
    if key:
        line += [("  ", styles.text), (key, styles.accent), (f" {does}", styles.dim)]
    return [_strip([], look, width), _strip(line, look, width)]


def setup_lines(look: Look, width: int, *, url: str, keys: bool = True) -> list[Strip]:
    """Nobody has ever written into this table: the three lines that make a program do so.

    Args:
        look: how.
        width: of each line.
        url: of the database; without its password.
        keys: ``i`` copies them.
    """
    styles = look.styles
    lines: list[list[Piece]] = [
        [],
        [("Nothing has been logged into this database yet.", styles.strong)],
        [],
        [("These three lines make a program write here:", styles.text)],
        [],
    ]
    for code in _SETUP:
        text = visible(code.format(url=url))
        cells = max(width - _LEFT - 3, 20)
        parts = [text[at : at + cells] for at in range(0, len(text), cells)]
        lines += [[("  ", styles.text), (part, styles.accent)] for part in parts]
    lines += [[], [("Entries appear here as they are stored.", styles.dim)]]
    if keys:
        lines[-1] += [("   ", styles.text), ("i", styles.accent), (" copies the lines", styles.dim)]
    return [_strip(line, look, width) for line in lines]


def _fitted(text: str, width: int, look: Look) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + look.glyphs.ellipsis
    return set_cell_size(text, width)


def _strip(pieces: Sequence[Piece], look: Look, width: int) -> Strip:
    """Pieces behind a margin; what is too long is cut, and says so."""
    made = [Segment(" " * _LEFT, look.styles.text), *(Segment(text, style) for text, style in pieces if text)]
    strip = Strip(made)
    if strip.cell_length > width:
        cut = Segment(look.glyphs.ellipsis, look.styles.dim)
        strip = Strip([*strip.crop(0, max(width - 1, 0)), cut])
    return strip.adjust_cell_length(width, look.styles.text)


def setup_text(url: str) -> str:
    """The three lines, to be copied."""
    return "\n".join(code.format(url=url) for code in _SETUP)
