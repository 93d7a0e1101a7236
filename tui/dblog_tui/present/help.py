"""The help's lines: the table of keys, some filters, and what the signs on the screen mean."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.levels import BAND_NAMES
from dblog_tui.keys import GROUPS, KEYS, shown_keys, spelled
from dblog_tui.present.look import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["help_lines"]

_COLUMN: Final = 60
"""Cells that a key and what it does need at least, where several stand beside each other."""
_WIDEST: Final = 18
_FILTERS: Final = (
    ("timeout", "the message has this text, in any case"),
    ("level>=error service:payments", "both; or, not and ( ) work as well"),
    ("-logger:urllib3", "not this value; entries without a value stay"),
    ("logger!=urllib3", "another value; entries without one go"),
    ("order:48113  cart.items>2", "a key of the extras; a path into them"),
    ("duration_ms>=1s", "numbers compare with units"),
    ("exc_type:*Timeout*  host:web-?", "wildcards; a pattern: message=~/pay.*failed/"),
    ("trace_id:4bf92f35*", "a trace; t on a row shows the whole of it"),
    ("since:15m  around:14:05", "times; the range of the view narrows further"),
)
"""A filter, and what it finds: the words of ``docs/query-language.md``."""


def help_lines(
    group: str,
    look: Look,
    width: int,
    keymap: Mapping[str, str] | None = None,
    commands: Sequence[tuple[str, str]] = (),
) -> list[Strip]:
    """Everything: the keys of one group first, then those that work everywhere, then all others.

    Args:
        group: a key of ``keys.GROUPS``.
        look: how things look.
        width: cells.
        keymap: keys as somebody has set them.
        commands: what can be typed behind a colon, and what it does.
    """
    order = dict.fromkeys((group, "everywhere", *GROUPS))
    blocks = [_keys(each, look, width, keymap or {}) for each in order if each in GROUPS and each != "help"]
    extra = [_pairs("Filters", _FILTERS, look, width), _pairs("Signs", _signs(look), look, width)]
    if group in {"query", "start"}:
        blocks[1:1] = extra[:1]
    else:
        blocks += extra[:1]
    blocks += [_pairs("Commands", commands, look, width)] if commands else []
    blocks += extra[1:]
    blocks.append(_keys("help", look, width, keymap or {}))
    return [line for block in blocks for line in block]


def _keys(group: str, look: Look, width: int, keymap: Mapping[str, str]) -> list[Strip]:
    pairs = [(_shown(shown_keys(key, keymap), look), key.says) for key in KEYS if key.where == group]
    return _pairs(GROUPS[group], pairs, look, width)


def _shown(keys: str, look: Look) -> str:
    return spelled(keys) if look.plain else keys


def _signs(look: Look) -> Iterator[tuple[str, str]]:
    glyphs = look.glyphs
    yield " ".join(LETTERS), f"the row's level: {' '.join(BAND_NAMES)}"
    yield glyphs.live, "LIVE: new rows are shown as they are stored"
    yield glyphs.paused, "PAUSED: the rows stay where they are; new ones are counted below"
    yield glyphs.history, "HISTORY: the newest rows are elsewhere; G goes there"
    yield glyphs.down, "the database does not answer; what is loaded stays"
    yield glyphs.bookmark, "a row you have marked"
    yield glyphs.late, "stored after rows that are younger"
    yield glyphs.future, "its clock is ahead of yours"
    yield glyphs.about, "about: estimated, or counted in a part"
    yield glyphs.gap * 3, "a silence, or records that were dropped there"


def _pairs(
    title: str, pairs: Iterator[tuple[str, str]] | Sequence[tuple[str, str]], look: Look, width: int
) -> list[Strip]:
    """A title, and pairs below it in as many columns as there is room for, read from top to bottom."""
    styles, pairs = look.styles, list(pairs)
    left = min(max((cell_len(each) for each, _ in pairs), default=0), max(_WIDEST, width // 2 - 6))
    beside = max(1, width // max(_COLUMN, left + max((cell_len(says) for _, says in pairs), default=0) + 5))
    room = max(10, width // beside - left - 5)
    cells = [cell for key, says in pairs for cell in _cells(key, says, left, room, look)]
    rows = -(-len(cells) // beside)
    below = [_line(width, look, *(piece for cell in cells[row::rows] for piece in cell)) for row in range(rows)]
    return [_line(width, look, (f" {title}", styles.strong)), *below, _line(width, look)]


def _cells(key: str, says: str, left: int, room: int, look: Look) -> Iterator[list[tuple[str, Style]]]:
    """A key and what it does, in as many lines as that takes."""
    for number, part in enumerate(textwrap.wrap(says, room) or [""]):
        shown = set_cell_size("" if number else key, left)
        yield [(f"   {shown}  ", look.styles.accent), (set_cell_size(part, room), look.styles.text)]


def _line(width: int, look: Look, *pieces: tuple[str, Style]) -> Strip:
    strip = Strip([Segment(text, style) for text, style in pieces if text])
    return strip.adjust_cell_length(width, look.styles.text)
