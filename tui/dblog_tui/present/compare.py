"""What differs between two sets of entries, as lines; pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import compact
from dblog.cli.moments import duration
from dblog.visible import visible
from dblog_tui.present.bars import spelled, stamp
from dblog_tui.present.fields import fitted, level_style, shown_value
from dblog_tui.present.patterns import spread

if TYPE_CHECKING:
    from rich.style import Style

    from dblog_tui.present.look import Look

__all__ = ["Comparison", "Difference", "comparison_head", "difference_said", "difference_strip"]

_S: Final = 1_000_000
_SURE: Final = 2.0
"""Standard errors within which a share may lie."""
_DISTINCT: Final = 1 / 3
"""From which a field is taken for an identifier: hardly two entries have the same value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a field, on both sides."""

    field: str
    value: str | None
    """None: the field is not there."""
    inside: int
    outside: int
    inside_of: int
    """Entries looked at on this side, 1 or more."""
    outside_of: int
    distinct: float = 0.0
    """Values the field has, on both sides, per entry that has it: 0 where all have the same, 1 where each its own."""

    @property
    def share(self) -> float:
        """Of the entries here, 0 to 1."""
        return self.inside / self.inside_of

    @property
    def usual(self) -> float:
        """Of the others."""
        return self.outside / self.outside_of

    @property
    def gap(self) -> float:
        """How much more often it is here; negative: less."""
        return self.share - self.usual

    @property
    def sureness(self) -> float:
        """Standard errors the two shares are apart, were there no difference."""
        both = self.inside_of + self.outside_of
        overall = (self.inside + self.outside) / both
        error = math.sqrt(overall * (1 - overall) * (1 / self.inside_of + 1 / self.outside_of)) if overall < 1 else 0.0
        return abs(self.gap) / error if error else 0.0

    @property
    def least(self) -> float:
        """The difference there is at least, however few the entries are; 0 where there may be none.

        Newcombe's interval, of Wilson's for each of the shares.
        """
        here, there = _about(self.inside, self.inside_of), _about(self.outside, self.outside_of)
        more, fewer = (here, there) if self.gap > 0 else (there, here)
        return max(abs(self.gap) - math.hypot(more[0], fewer[1]), 0.0)

    @property
    def identifying(self) -> bool:
        """The value says which entry it is, rather than what kind of one."""
        return self.value is not None and self.distinct >= _DISTINCT

    @property
    def part(self) -> str:
        """The heading it stands below; the first part has none."""
        return (
            "identifiers: hardly two entries share one" if self.identifying else "less frequent here" * (self.gap < 0)
        )

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """In which order: what is more frequent here, what is less, identifiers; the greatest difference first.

        A difference counts for as much as is sure of it, and for less the more values there are to choose from.
        """
        weight = self.least * (1 - self.distinct)
        return self.identifying, self.gap < 0, -weight


def _about(count: int, of: int) -> tuple[float, float]:
    """By how much a share may be less than what was counted, and by how much more (Wilson's interval)."""
    share, square = count / of, _SURE**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _SURE * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(share - middle + half, 0.0), max(middle + half - share, 0.0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs, in the order of ``Difference.rank``."""

    rows: tuple[Difference, ...] = ()
    inside: int = 0
    """Entries looked at on this side."""
    outside: int = 0
    sampled: bool = False
    """Only the newest of a side were looked at."""
    by_filter: bool = False
    """The sides are what the filter lets through, and what it does not; else a range and the rest of time."""
    selection: tuple[int, int] = (0, 0)
    """µs; until excluded."""
    label: str = ""
    """The range both sides lie in."""
    left_out: tuple[str, ...] = ()
    """Fields that differ because the filter says so."""
    done: bool = False

    def finished(self) -> Comparison:
        """Nothing more comes."""
        return replace(self, done=True)


def comparison_head(found: Comparison, width: int, look: Look, *, looking: bool = False) -> list[Strip]:
    """Which sides are compared, how many entries they are, and the names of the columns."""
    styles, glyphs = look.styles, look.glyphs
    since, until = found.selection
    if found.selection == (0, 0):
        return [Strip([Segment(" what differs", styles.strong)]), Strip([]), Strip([])]
    if found.by_filter:
        sides = "what matches, and what does not"
    else:
        ends = f"{stamp(since, _S, look.zone)} to {stamp(until, _S, look.zone)}"
        sides = f"{ends} ({look.ours(duration((until - since) / _S).removesuffix(' 0 s'))}), and the rest"
    left = [Segment(" what differs", styles.strong), Segment(f"  {sides}", styles.text)]
    right = [] if not found.label else [spelled(visible(found.label), look)]
    if looking:
        right.append(f"looking{glyphs.ellipsis}")
    about = glyphs.about if found.sampled else ""
    newest = " (newest 50k)" if found.sampled else ""
    said = f" {about}{compact(found.inside)} entries here, {about}{compact(found.outside)} others{newest}"
    numbers = [Segment(said, styles.warning if found.sampled else styles.dim)]
    if found.left_out:
        numbers.append(Segment(f"  without {visible(', '.join(found.left_out))}", styles.dim))
    field, value, bar = _widths(width)
    names = f" {'':5} {'field':{field}} {'value':{value}} {'here':>6} {'others':>9} {'':{bar}}"
    return [
        spread(left, Segment(f"{'  '.join(right)} ", styles.dim), width, look),
        Strip(numbers),
        Strip([Segment(names, styles.dim)]),
    ]


def _widths(width: int) -> tuple[int, int, int]:
    bar = max(min((width - 60) // 2, 40), 6)
    field = min(max(width // 6, 10), 24)
    return field, max(width - field - bar - 27, 6), bar


def difference_strip(row: Difference, width: int, look: Look) -> Strip:
    """One line: by how many points of a hundred, which value, how often here and otherwise, and the same as a bar."""
    styles = look.styles
    field, value, bar = _widths(width)
    more = row.gap > 0
    style = styles.warning if more else styles.dim
    name = "not there" if row.value is None else shown_value(row.value)
    own = level_style(row.value, look) if row.field == "level" and row.value else styles.text
    if row.field == "service" and row.value:
        own = look.service(row.value)
    usual = "only here" if not row.outside else _percent(row.usual)
    return Strip([
        Segment(f" {_points(row.gap):>5} ", style),
        Segment(fitted(visible(row.field), field, look), styles.dim),
        Segment(" ", styles.text),
        Segment(fitted(name, value, look), styles.dim if row.value is None else own),
        Segment(f" {_percent(row.share):>6}", styles.strong if more else styles.text),
        Segment(f" {usual:>9} ", styles.error if not row.outside else styles.dim),
        *_bar(row, bar, look, style),
    ])  # fmt: skip


def _points(gap: float) -> str:
    return f"{gap * 100:+.0f}" if abs(gap) >= 0.01 else f"{gap * 100:+.1f}"  # noqa: PLR2004 - one point of a hundred


def _percent(share: float) -> str:
    percent = share * 100
    return f"{percent:.0f}%" if percent >= 10 or not percent else f"{percent:.1f}%"  # noqa: PLR2004 - two digits


def _bar(row: Difference, width: int, look: Look, style: Style) -> list[Segment]:
    """What is usual, then what is more; or what is left, then, hatched, what is missing."""
    glyphs = look.glyphs
    low, high = sorted((row.share, row.usual))
    first, last = round(low * width), max(round(high * width), 1)
    full, fill = glyphs.blocks[-1], glyphs.blocks[-1] if row.gap > 0 else glyphs.hatched
    return [
        Segment(full * first, look.styles.dim if row.gap > 0 else look.styles.text),
        Segment(fill * (last - first), style),
        Segment(" " * (width - last), look.styles.text),
    ]


def difference_said(row: Difference | None, width: int, look: Look) -> Strip:
    """The value under the cursor, whole, with its counts."""
    if row is None:
        return Strip([])
    value = "not there" if row.value is None else shown_value(row.value)
    counts = f" {row.inside:,} of {row.inside_of:,} here, {row.outside:,} of {row.outside_of:,} others"
    left = [
        Segment(f" {visible(row.field)}  ", look.styles.dim),
        Segment(fitted(value, max(width - 60, 20), look), look.styles.text),
    ]
    return spread(left, Segment(f"{counts} ", look.styles.dim), width, look)
