"""The start screen's lines: what one can do, what was found nearby, and how a program comes to log here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import size
from dblog.cli.moments import ago
from dblog.visible import visible
from dblog_tui.nearby import LOOKED_IN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.style import Style

    from dblog_tui.nearby import Found
    from dblog_tui.present.look import Look

__all__ = ["SETUP", "setup_lines", "start_lines"]

_CHOICES: Final = (
    ("d", "Demo: three services, an incident every minute", "dblog-tui --demo"),
    ("o", "Open an SQLite file", "dblog-tui ./logs.db"),
    ("p", "Connect to PostgreSQL, read-only", "dblog-tui postgresql:///app"),
    ("i", "The lines that make your program write logs here", ""),
)
SETUP: Final = """\
$ dblog upgrade --url sqlite:///logs.db

import dblog, logging
handler = dblog.DatabaseHandler("sqlite:///logs.db", service="shop")
logging.basicConfig(level=logging.INFO, handlers=[handler])"""
"""A shell's line, and a program's three."""
_NAME: Final = 28


def start_lines(version: str, found: Sequence[Found] | None, now: int, look: Look, width: int) -> list[Strip]:
    """All of it; ``found`` is None while it is looked for."""
    styles = look.styles
    lines = [_line(look, (f"dblog-tui {version}", styles.strong)), _line(look)]
    lines += [_line(look, (" No database is named.", styles.text)), _line(look)]
    beside = max(cell_len(text) for _, text, _ in _CHOICES) + 2
    for key, text, command in _CHOICES:
        room = cell_len(command) + beside + 8 <= width
        example = (f"{' ' * (beside - cell_len(text))}{command}" if room else "", styles.dim)
        lines.append(_line(look, (f"   {key}   ", styles.accent), (text, styles.text), example))
    lines += [_line(look), _line(look, (" Found nearby", styles.text))]
    lines += _found(found, now, look)
    return [*lines, _line(look), _line(look, (f" Looked in: {LOOKED_IN}", styles.dim))]


def _found(found: Sequence[Found] | None, now: int, look: Look) -> Iterator[Strip]:
    styles = look.styles
    if not found:
        yield _line(look, (f"   {'looking' if found is None else 'nothing'}", styles.dim))
        return
    name = min(max(cell_len(visible(each.name)) for each in found), _NAME)
    for number, each in enumerate(found, 1):
        facts = [visible(each.kind)]
        facts += [] if each.size is None else [size(each.size)]
        if each.looked:
            facts.append("no entry yet" if each.newest is None else f"newest entry {ago(each.newest, now)}")
        said = _cut(visible(each.name), name, look)
        yield _line(
            look, (f"   {number}   ", styles.accent), (f"{said}   ", styles.text), ("  ".join(facts), styles.dim)
        )


def _cut(text: str, width: int, look: Look) -> str:
    """Exactly so many cells; the end of a path tells more than its beginning."""
    while cell_len(text) > width:
        text = look.glyphs.ellipsis + text[2:]
    return set_cell_size(text, width)


def setup_lines(look: Look) -> list[Strip]:
    """How a program comes to write its logs into a database."""
    styles = look.styles
    lines = [_line(look, ("Make the tables once, then log as ever", styles.strong)), _line(look)]
    lines += [_line(look, (f"   {text}", styles.good)) for text in SETUP.splitlines()]
    lines += [
        _line(look),
        _line(look, (" PostgreSQL: postgresql://user@host/app in the place of the URL.", styles.text)),
    ]
    return [
        *lines,
        _line(look, (" Or as one entry of your dictConfig: see the README. y copies the lines.", styles.text)),
    ]


def _line(look: Look, *pieces: tuple[str, Style]) -> Strip:
    return Strip([Segment(" ", look.styles.text), *(Segment(text, style) for text, style in pieces if text)])
