"""Templates with how often they were logged, as lines; pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import compact
from dblog.cli.moments import at
from dblog.levels import band_of
from dblog.visible import visible
from dblog_tui.present.bars import spelled
from dblog_tui.present.fields import blocks, fitted
from dblog_tui.present.look import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dblog_tui.present.look import Look

__all__ = ["ORDERS", "Pattern", "Patterns", "example_strips", "ordered", "pattern_head", "pattern_strip"]

ORDERS: Final = ("most frequent", "worst", "newest")
"""In which patterns are listed."""
_WIDE: Final = 120
"""Cells from which on services are shown."""
_NEVER: Final = -(2**63)
_MOST: Final = 1000
"""Characters of a template that are looked at."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Entries that say the same: of one template, or, without one, of messages that differ in numbers only."""

    field: str
    """``template`` or ``message``."""
    value: str
    """The template, the message, or the message with ``*`` for what differs."""
    count: int
    pieces: tuple[str, ...] = ()
    """What stands between those that differ; empty where none does."""
    severity: int | None = None
    """The worst seen among the entries looked at; None before one is."""
    example: str = ""
    """The message of one of them."""
    newest: int | None = None
    """µs."""
    services: tuple[str, ...] = ()
    new: bool = False
    """None of the entries before the range that were looked at is of it."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a range's entries say."""

    rows: tuple[Pattern, ...] = ()
    seen: int = 0
    """Entries looked at."""
    sampled: bool = False
    """They are the newest ones only."""
    rest: int = 0
    """Entries looked at that belong to rarer patterns, which are not listed."""
    label: str = ""
    """The range."""
    done: bool = False
    before: int = 0
    """Entries before the range that were looked at, to know what is new; 0: none, and nothing is marked."""


def ordered(rows: Iterable[Pattern], order: int) -> list[Pattern]:
    """In one of ``ORDERS``; those of which no entry was looked at yet come last, then the most frequent first."""

    def key(row: Pattern) -> tuple[int, int, str]:
        newest = row.newest if row.newest is not None else _NEVER
        return -(0, row.severity or 0, newest)[order], -row.count, row.value

    return sorted(rows, key=key)


def pattern_head(found: Patterns, order: int, width: int, look: Look, *, looking: bool = False) -> list[Strip]:
    """What is listed, of which entries, in which order."""
    styles, glyphs = look.styles, look.glyphs
    left = [Segment(" patterns", styles.strong), Segment(f"  {len(found.rows):,}", styles.text)]
    if found.sampled:
        left.append(Segment(f"  {glyphs.about} sample of newest {found.seen:,}", styles.warning))
    else:
        left.append(Segment(f"  of {found.seen:,} entries", styles.dim))
    left.append(Segment(f"  {spelled(visible(found.label), look)}", styles.dim))
    if any(row.new for row in found.rows):
        said = f"  NEW: not in the {compact(found.before)} entries before"
        left.append(Segment(said, styles.accent))
    right = f"{f'looking{glyphs.ellipsis}  ' if looking else ''}{ORDERS[order]} first "
    return [spread(left, Segment(right, styles.dim), width, look)]


def spread(left: Sequence[Segment], right: Segment, width: int, look: Look) -> Strip:
    """A left part, and a right one where there is room for it."""
    strip = Strip(left)
    room = width - strip.cell_length - right.cell_length
    if room < 1:
        return strip.adjust_cell_length(width, look.styles.text)
    return Strip([*strip, Segment(" " * room, look.styles.text), right], width)


def pattern_strip(row: Pattern, most: int, width: int, look: Look) -> Strip:
    """One line: how often, how bad, what, where, when last."""
    styles = look.styles
    band = None if row.severity is None else band_of(row.severity)
    style = styles.dim if band is None else styles.bands[band]
    moment = None if row.newest is None else at(row.newest, look.zone)
    time = f"{moment:%H:%M:%S}" if moment else ""
    services = _services(row) if width >= _WIDE else ""
    bar = 10 if width >= _WIDE else 4
    head = [
        Segment(f" {compact(row.count):>7} ", styles.text),
        Segment(f"{blocks(row.count, most, bar, look)} ", style),
        Segment(f"{LETTERS[band] if band is not None else ' '} ", style),
    ]
    room = max(width - Strip(head).cell_length - (21 if services else 0) - 10, 8)
    mark = "NEW " if row.new else ""
    text = fitted(visible(row.value[:_MOST]), room - len(mark), look)
    tail = [Segment(f" {fitted(services, 20, look)}", look.service(row.services[0]))] if services else []
    strong = styles.bands[band] if band is not None and band >= 4 else styles.text  # noqa: PLR2004 - error and worse
    new = [Segment(mark, styles.accent)] if mark else []
    return Strip([*head, *new, Segment(text, strong), *tail, Segment(f" {time:>8} ", styles.dim)])


def _services(row: Pattern) -> str:
    return (
        f"{visible(row.services[0])}{f' +{len(row.services) - 1}' if row.services[1:] else ''}" if row.services else ""
    )


def example_strips(row: Pattern | None, found: Patterns, hints: str, width: int, look: Look) -> list[Strip]:
    """Below the list: a rule, an entry of the pattern under the cursor, and keys."""
    styles = look.styles
    rule = Strip([Segment(look.glyphs.rule * width, styles.dim)])
    if row is not None and row.example:
        said = [Segment(" e.g. ", styles.dim), Segment(visible(row.example[:_MOST]), styles.text)]
    elif found.rest:
        said = [Segment(f" {found.rest:,} more entries are of rarer patterns", styles.dim)]
    else:
        said = []
    return [rule, Strip(said), Strip([Segment(f" {hints}", styles.dim)])]
