"""A trace as lines: what it was, its silence, its entries by time or under their spans, and what is not shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from dblog.cli.moments import day
from dblog.cli.spans import Span, duration_of
from dblog.levels import BAND_NAMES, band_of
from dblog.visible import visible
from dblog_tui.present.chart import bar, label_width, name_of
from dblog_tui.present.look import LETTERS
from dblog_tui.present.story import Gap
from dblog_tui.present.strips import brief, clip, fit, offset, said, strip, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.strip import Strip

    from dblog.entry import LogEntry
    from dblog_tui.present.look import Look
    from dblog_tui.present.story import Row, Story
    from dblog_tui.present.strips import Found, Piece

__all__ = ["Choice", "Sheet", "headings", "notes", "row_strip", "silence", "title"]

_ERROR: Final = 4
_WARNING: Final = 3
_BARRED: Final = 100
"""Cells from which on every row has a bar of time; the lanes above show the same in fewer."""
_STEPPED: Final = 56
_NAMED: Final = 40
_WORDY: Final = 120
"""Cells from which on the line about the silence has the messages around it."""
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a trace is shown."""

    tree: bool = False
    """Under their spans."""
    least: int = 0
    """Severity band."""
    only: int | None = None
    """Index of a lane."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where a row's columns are."""

    story: Story
    look: Look
    width: int
    tree: bool = False

    @property
    def service(self) -> int:
        """Cells of the service, without the blank behind it; none on very narrow terminals."""
        return label_width(self.story, self.width) if self.width >= _NAMED else 0

    @property
    def step(self) -> bool:
        """Whether the time since the row above has room."""
        return self.width >= _STEPPED

    @property
    def bar(self) -> int:
        """Cells of the bar."""
        if self.width >= _BARRED:
            return self.width // 6
        return self.width // 6 if self.tree and self.width >= _STEPPED else 0


# -- above the rows ---------------------------------------------------------------------------------------------------


def title(story: Story, look: Look, width: int, choice: Choice) -> Strip:
    """The trace's id, and its size in numbers."""
    styles, facts = look.styles, list(_facts(story, look, choice))
    name = visible(story.trace_id[:256])
    room = width - 7 - sum(cell_len(text) for text, _ in facts)
    if room < cell_len(name) and facts:
        room += cell_len(facts.pop(0)[0])  # how many services: the lanes show it
    name = clip(name, max(room, 8), look.glyphs.ellipsis)
    return strip([(" trace ", styles.dim), (name, styles.strong), *facts], width, look)


def _facts(story: Story, look: Look, choice: Choice) -> Iterator[Piece]:
    if not story.entries:
        return
    styles = look.styles
    yield f"  {_counted(len(story.lanes), 'service', 'services')}", styles.text
    yield f"  {_counted(len(story.entries), 'entry', 'entries')}{'+' if story.truncated else ''}", styles.text
    yield f"  {brief(story.length, look)} ", styles.strong
    for band in range(len(story.counts) - 1, _WARNING - 1, -1):
        if story.counts[band]:
            yield f" {story.counts[band]:,} {LETTERS[band]}", styles.bands[band]
    if choice.least:
        yield f"  {look.glyphs.least}{BAND_NAMES[choice.least].upper()}", styles.accent


def silence(story: Story, look: Look, width: int) -> Strip:
    """The longest silence in words: how long, who spoke last before it and first after it, and who was to speak."""
    styles = look.styles
    gap = next((gap for gap in story.gaps if gap.longest), None)
    if gap is None:
        words = (
            "one entry only: nothing else was logged with this trace id"
            if len(story.entries) == 1
            else f"no silence stands out, the longest is {brief(story.longest, look)}"
        )
        return strip([(f" {words}", styles.dim)], width, look)
    pieces: list[Piece] = [(f" silent {brief(gap.length, look)}", styles.warning)]
    if width >= _BARRED:
        pieces.append((f" ({round(100 * gap.length / max(story.length, 1))} %)", styles.dim))
    room = (width - 64) // 2 if width >= _WORDY else 0
    pieces += _speaker("last", story, gap.before, look, room) if gap.before >= 0 else [("  first entry", styles.dim)]
    pieces += _speaker("next" if gap.before >= 0 else "by", story, gap.after, look, room)
    if gap.waiting:
        for number, service in enumerate(gap.waiting[::-1]):
            pieces += [(", " if number else "  open ", styles.dim), (visible(service), look.service(service))]
    return strip(pieces, width, look)


def _speaker(word: str, story: Story, index: int, look: Look, room: int) -> Iterator[Piece]:
    entry, styles = story.entries[index], look.styles
    band = band_of(entry.severity)
    yield f"  {word} ", styles.dim
    yield name_of(entry.service), look.service(entry.service)
    yield f" {offset(entry.timestamp - story.first)}", styles.dim
    if band >= _WARNING:
        yield f" {LETTERS[band]}", styles.bands[band]
    if room > 0:
        yield f" {clip(visible(entry.message[: 4 * room]), room, look.glyphs.ellipsis)}", styles.text


def headings(sheet: Sheet) -> Strip:
    """What the columns are, and the day."""
    names = f" {'offset':>9}"
    if sheet.step:
        names += f" {'since':>8}"
    names += " L"
    if sheet.service:
        names += f" {fit('service', sheet.service, sheet.look.glyphs.ellipsis)}"
    if sheet.bar:
        end = brief(sheet.story.length, sheet.look)
        names += f" {fit(f'0 {sheet.look.glyphs.rule * (sheet.bar - 3 - len(end))} {end}', sheet.bar, ' ')}"
    names += " message"
    today = sheet.look.ours(day(sheet.story.first, sheet.look.zone))
    if (room := sheet.width - cell_len(names) - cell_len(today) - 1) > 1:
        names += " " * room + today
    return strip([(names, sheet.look.styles.dim)], sheet.width, sheet.look)


# -- rows -------------------------------------------------------------------------------------------------------------


def row_strip(sheet: Sheet, row: Row, found: Found | None = None) -> Strip:
    """One line of the trace, the first cell left for the cursor."""
    if isinstance(row.item, Gap):
        return _gap(sheet, row.item)
    pieces = _span(sheet, row.item, row.depth) if isinstance(row.item, Span) else _entry(sheet, row, row.item, found)
    return strip(pieces, sheet.width, sheet.look)


def _entry(sheet: Sheet, row: Row, entry: LogEntry, found: Found | None) -> Iterator[Piece]:
    story, styles = sheet.story, sheet.look.styles
    band = band_of(entry.severity)
    yield f" {offset(entry.timestamp - story.first):>9}", styles.dim
    if sheet.step:
        since = f" {brief(row.since, sheet.look):>8}" if row.since is not None else " " * 9
        yield since, styles.strong if (row.since or 0) * 10 >= story.length > 0 else styles.dim
    yield f" {LETTERS[band]}", styles.bands[band]
    yield from _service(sheet, entry.service)
    if sheet.bar:
        took = 0 if sheet.tree else round((duration_of(entry) or 0.0) * 1e6)
        end = (sheet.look.glyphs.dot, styles.bands[band])
        yield " ", styles.text
        yield from bar(story, sheet.look, sheet.bar, (entry.timestamp - took, entry.timestamp), end)
    yield f" {_guides(row.depth, sheet.look)}", styles.dim
    yield from said(entry, sheet.width, sheet.look, found)


def _service(sheet: Sheet, service: str | None) -> Iterator[Piece]:
    if not sheet.service:
        return
    skewed = any(lane.skew and lane.service == (service or None) for lane in sheet.story.lanes)
    name = name_of(service) + ("~" if skewed else "")
    yield f" {fit(name, sheet.service, sheet.look.glyphs.ellipsis)}", sheet.look.service(service)


def _span(sheet: Sheet, span: Span, depth: int) -> Iterator[Piece]:
    story, styles, glyphs = sheet.story, sheet.look.styles, sheet.look.glyphs
    worst = max(band_of(entry.severity) for entry in span.entries)
    start, length = span.start, round(span.seconds * 1e6)
    own = sheet.look.service(span.service)
    yield f" {offset(start - story.first):>9}", styles.dim
    if sheet.step:
        yield f" {brief(length, sheet.look):>8}", styles.strong
    yield f" {LETTERS[worst] if worst >= _WARNING else ' '}", styles.bands[worst]
    yield from _service(sheet, span.service)
    if sheet.bar:
        yield " ", styles.text
        yield from bar(story, sheet.look, sheet.bar, (start, start + length), (glyphs.span, own))
    yield f" {_guides(depth, sheet.look)}{glyphs.unfolded} ", styles.dim
    yield f"span {visible(span.id[:16])}", own
    yield f"  {_counted(len(span.entries), 'entry', 'entries')}", styles.dim


def _gap(sheet: Sheet, gap: Gap) -> Strip:
    story, look = sheet.story, sheet.look
    style = look.styles.warning if gap.longest else look.styles.dim
    after = name_of(story.entries[gap.after].service)
    if gap.before < 0:
        who = f"{after} first"
    elif (before := name_of(story.entries[gap.before].service)) == after:
        who = f"{after} last and next"
    else:
        who = f"{before} last, {after} next"
    text = f"gap {brief(gap.length, look)} (no entry in any service) {who}"
    if gap.waiting:
        text += f", open {visible(gap.waiting[-1])}"
    text = f" {look.glyphs.gap * 3} {clip(text, sheet.width - 6, look.glyphs.ellipsis)} "
    return strip([(text + look.glyphs.gap * max(sheet.width - cell_len(text), 0), style)], sheet.width, look)


def _guides(depth: int, look: Look) -> str:
    """A rule for every span around; of very deep trees, how deep."""
    rule = f"{look.glyphs.side} "
    return rule * depth if depth <= _DEEPEST else f"{rule * (_DEEPEST - 2)}{depth} {rule}"


# -- below the rows ---------------------------------------------------------------------------------------------------


def notes(
    story: Story, look: Look, width: int, choice: Choice, *, shown: int, filter_text: str = "", most: int = 2
) -> list[Strip]:
    """What one does not see, and what is not certain, in ``most`` lines at most."""
    parts = list(_notes(story, look, choice, shown, filter_text))
    between = f" {look.glyphs.side} ", look.styles.dim
    return [strip([(" ", look.styles.text), *line], width, look) for line in wrapped(parts, between, width - 1, most)]


def _notes(story: Story, look: Look, choice: Choice, shown: int, filter_text: str) -> Iterator[list[Piece]]:
    styles = look.styles
    if story.truncated:
        yield [(f"the oldest {len(story.entries):,} entries, there are more", styles.warning)]
    mine = len(story.entries)
    if choice.only is not None:
        lane = story.lanes[choice.only]
        mine = len(lane.marks)
        yield [("only ", styles.accent), (name_of(lane.service), look.service(lane.service)), (", x next", styles.dim)]
    if hidden := mine - shown:
        words = f"{hidden:,} below {BAND_NAMES[choice.least].upper()} hidden"
        yield [(words, styles.accent), (", < lowers", styles.dim)]
    for lane in story.lanes:
        if lane.skew:
            words = f"~skew: {name_of(lane.service)} seems {brief(lane.skew, look)} behind its caller's clock"
            yield [(words, styles.warning)]
    if story.entries and not story.has_spans:
        yield [("no span ids", styles.dim)]
    if filter_text.strip():
        yield [(f"filter {visible(filter_text.strip()[:200])} NOT applied", styles.dim)]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
