"""The lines around the rows: state, answer, news, hints, and what is wrong; text made of a browser, no widgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.segment import Segment

from dblog.cli.charts import compact
from dblog.cli.moments import at, clock, duration
from dblog.levels import BAND_NAMES
from dblog.visible import visible
from dblog_tui.browser import Mode
from dblog_tui.keys import hints, spelled
from dblog_tui.present.look import LETTERS
from dblog_tui.present.reasons import with_reason
from dblog_tui.view import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog_tui.browser import Browser, News
    from dblog_tui.present.look import Look
    from dblog_tui.source import Down, Reached
    from dblog_tui.view import Span

__all__ = [
    "answer", "down_line", "gate_line", "hint_line", "least_text", "news_line", "searching_line", "span_text", "state",
    "trouble_line",
]  # fmt: skip

_SHORT: Final = {"warning": "WARN", "critical": "CRIT"}
_KILO: Final = 1000
_MINUTES: Final = 120
"""Seconds from which minutes say more."""
_TYPED: Final = ("query", "lists")
"""Groups in which one types."""


def least_text(least: int, look: Look) -> str:
    """``≥WARN``; empty for no limit."""
    name = BAND_NAMES[least]
    return f"{look.glyphs.least}{_SHORT.get(name, name.upper())}" if least else ""


def span_text(span: Span, look: Look) -> str:
    """``15m``, ``all``, ``10:30–10:42``."""
    if span.last is not None:
        return duration_text(span.last)
    if span.since is None and span.until is None:
        return "all"
    ends = ["" if end is None else _short_clock(end, look) for end in (span.since, span.until)]
    return f"{ends[0]}{look.glyphs.range}{ends[1]}"


def _short_clock(moment: int, look: Look) -> str:
    return clock(moment, look.zone)[:8].removesuffix(":00")


def state(
    browser: Browser, look: Look, *, name: str, colour: str | None, lock: str, writers: tuple[str, bool], note: str = ""
) -> tuple[list[Segment], list[Segment]]:
    """The first line: which database, LIVE or not, range, level, zone; to the right the writers.

    Args:
        browser: what is looked at.
        look: how.
        name: the database.
        colour: of a profile that warns.
        lock: what is proven about writing.
        writers: a word about them, and whether it is a bad one.
        note: something else worth a word.
    """
    styles, glyphs = look.styles, look.glyphs
    named = styles.danger if colour else styles.strong
    left = [Segment(" ", styles.text), Segment(visible(name)[:40], named), Segment(" ", styles.text)]
    if browser.down is not None:
        word = "CANNOT READ" if browser.down.refused else "DB DOWN"
        left.append(Segment(f"{glyphs.down} {word}", styles.danger))
    else:
        word, style = {
            Mode.LIVE: (f"{glyphs.live} LIVE", styles.good),
            Mode.PAUSED: (f"{glyphs.paused} PAUSED", styles.warning),
            Mode.HISTORY: (f"{glyphs.history} HISTORY", styles.accent),
        }[_mode(browser)]
        left.append(Segment(word, style))
    skipped = f"{glyphs.ellipsis} {browser.skipped:,} skipped" if browser.skipped else ""
    parts = [skipped, span_text(browser.view.span, look), least_text(browser.view.least, look), look.name]
    if browser.mode is Mode.LIVE and browser.rate >= 0.5:  # noqa: PLR2004 - less is no rate
        parts.append(f"{_rate(browser.rate)}/s")
    if browser.late:
        parts.append(f"{browser.late:,} late")
    left += [Segment(f"  {part}", styles.dim) for part in parts if part]
    if note:
        left.append(Segment(f"  {visible(note)}", styles.accent))
    word, bad = writers
    right = [Segment(f"{lock}  " if lock else "", styles.dim if lock == "read-only" else styles.danger)]
    if word:
        right.append(Segment(f"{visible(word)} ", styles.error if bad else styles.dim))
    return left, [segment for segment in right if segment.text]


def _mode(browser: Browser) -> Mode:
    """Looking at a place of which the newest row is in reach is a pause, not history."""
    if browser.mode is Mode.HISTORY and browser.tailing and not browser.loading and not browser.window.newer:
        return Mode.PAUSED
    return browser.mode


def _rate(rate: float) -> str:
    return f"{rate / _KILO:.1f}k" if rate >= _KILO else f"{rate:.0f}"


def answer(browser: Browser, total: str) -> str:
    """To the right of the filter: how many of how many, and how long it took."""
    shown = f"{len(browser.window):,} loaded"
    took = f"{browser.took * 1000:,.0f} ms" if browser.took else ""
    return "  ".join(part for part in (f"{shown}{' of ' + total if total else ''}", took) if part)


def news_line(news: News, look: Look) -> list[Segment]:
    """``▼ 347 new (12 E, 1 C) since you paused``."""
    styles, glyphs = look.styles, look.glyphs
    bad = [f"{count:,} {LETTERS[band]}" for band, count in enumerate(news.bands) if count and band >= 3]  # noqa: PLR2004 - warnings and worse
    levels = f" ({', '.join(reversed(bad))})" if bad else ""
    text = f"{glyphs.rule * 3} {glyphs.new} {news.total:,} new{levels} since you paused: F follows "
    style = styles.error if any(news.bands[4:]) else styles.warning
    return [Segment(text, style), Segment(glyphs.rule * 300, styles.dim)]


def down_line(down: Down, now: float, look: Look, width: int) -> tuple[list[Segment], list[Segment]]:
    """Why, whatever else has no room: since when, how often it was tried; and the key that helps."""
    since = clock(time.time_ns() // 1000 - round(max(now - down.since, 0) * 1e6), look.zone)[:8]
    state = f" {'cannot be read' if down.refused else 'away'}"
    fronts = (f"{state} since {since}, attempt {down.attempt}: ", f"{state} since {since}: ", f"{state}: ")
    keys = _keys(look, r="tries now")
    room = width - sum(segment.cell_length for segment in keys) - 1
    front, why = with_reason(fronts, look.ours(visible(down.why)), room, look.glyphs.ellipsis)
    return [Segment(front, look.styles.error), Segment(why, look.styles.text)], keys


def _keys(look: Look, **words: str) -> list[Segment]:
    """Keys and what they do, for the right side."""
    pairs = (
        (Segment(f"  {key}", look.styles.accent), Segment(f" {word}", look.styles.dim)) for key, word in words.items()
    )
    return [*(segment for pair in pairs for segment in pair), Segment(" ", look.styles.dim)]


def searching_line(reached: Reached, hits: int, look: Look) -> tuple[list[Segment], list[Segment]]:
    """How far a search without an index has come; and the key that ends it."""
    back = clock(reached.reached, look.zone)[:8]
    moment = at(reached.reached, look.zone)
    day = f"{moment:%m-%d} " if moment else ""
    text = f" searching{look.glyphs.ellipsis} back to {day}{back} ({reached.share:.0%}), {hits:,} loaded"
    return [Segment(text, look.styles.accent)], _keys(look, Esc="stops")


def gate_line(gate: Reached, why: str, look: Look) -> tuple[list[Segment], list[Segment]]:
    """What it would cost to go on; and the keys that say whether to."""
    about = look.glyphs.about
    seconds = gate.seconds_left
    took = f"{seconds:.0f} s" if 1 <= seconds < _MINUTES else look.ours(duration(seconds))
    left = f"{about}{compact(gate.rows_left)} more rows, {about}{took}"
    cost = Segment(f" {left}: ", look.styles.warning)
    keys = _keys(look, Enter="searches on", n="1h", Esc="ends")
    return [cost, Segment(f"no index for {look.ours(visible(why))}", look.styles.text)], keys


def trouble_line(trouble: str, look: Look, width: int) -> list[Segment]:
    """What the last question failed for."""
    front, why = with_reason((" ",), look.ours(visible(trouble)), width, look.glyphs.ellipsis)
    return [Segment(front + why, look.styles.error)]


def hint_line(where: str, look: Look, width: int) -> Iterator[Segment]:
    """Keys and what they do, for the bottom of the screen: as many as there is room for, and always the help's.

    Args:
        where: the group of keys.
        look: how they look.
        width: of the screen.
    """
    # Where one types, a question mark is a question mark.
    last = ("F1" if where in _TYPED else "?", "help")
    shown = []
    room = width - _hint_cells(last)
    for each in (*_hints(where, look), *_hints(where, look, wide=True)):
        if _hint_cells(each) <= room:
            room -= _hint_cells(each)
            shown.append(each)
    for key, word in (*shown, last):
        yield Segment(f" {key}", look.styles.accent)
        yield Segment(f" {word} ", look.styles.dim)


def _hints(where: str, look: Look, *, wide: bool = False) -> Iterator[tuple[str, str]]:
    for key, word in hints(where, wide=wide):
        yield spelled(key) if look.plain else key, word


def _hint_cells(hint: tuple[str, str]) -> int:
    """The blank behind the last one may be cut."""
    key, word = hint
    return len(key) + len(word) + (2 if word == "help" else 3)
