"""What was logged around an entry, as lines: how long before or after it, where, and what; pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from dblog.cli.moments import clock, day
from dblog.levels import band_of
from dblog.visible import visible
from dblog_tui.present.look import LETTERS
from dblog_tui.present.strips import clip, fit, offset, said, strip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.strip import Strip

    from dblog.entry import LogEntry
    from dblog.reading.values import Context
    from dblog_tui.present.look import Look
    from dblog_tui.present.strips import Found, Piece

__all__ = ["SCOPES", "ContextSheet", "scope_words", "scopes_of"]

SCOPES: Final = ("host", "logger", "all")
"""Whose entries: as the keys go through them."""
_CLOCKED: Final = 64
_NAMED: Final = 48
_HOSTED: Final = 120


def scopes_of(entry: LogEntry) -> tuple[str, ...]:
    """Those that say something for this entry: one without a host has no neighbours on it."""
    has = {"host": bool(entry.host), "logger": bool(entry.logger), "all": True}
    return tuple(scope for scope in SCOPES if has[scope])


def scope_words(entry: LogEntry, scope: str) -> str:
    """``on host web-1``."""
    if scope == "host":
        return f"on host {visible(entry.host or '')}"
    return f"by logger {visible(entry.logger)}" if scope == "logger" else "everything"


@dataclass(frozen=True, slots=True)
class ContextSheet:
    """Draws the lines of a context in a width.

    Args:
        context: the entries.
        scope: one of ``SCOPES``.
        look: how things look.
        width: cells.
    """

    context: Context
    scope: str
    look: Look
    width: int

    @property
    def service(self) -> int:
        """Cells of the service."""
        names = (cell_len(visible(entry.service or "")) for entry in self.entries)
        return min(max([*names, 4]), max(self.width // 8, 8)) if self.width >= _NAMED else 0

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The oldest first."""
        return (*self.context.before, self.context.entry, *self.context.after)

    def title(self, asked: int) -> Strip:
        """What this is around, whose entries they are, and how many: fewer than asked for are all there are."""
        styles, entry = self.look.styles, self.context.entry
        right: list[Piece] = [(f"  {scope_words(entry, self.scope)}", styles.accent)]
        for entries, word in ((self.context.before, "before"), (self.context.after, "after")):
            some = f"{len(entries):,}" if len(entries) >= asked else f"only {len(entries):,}" if entries else "none"
            right.append((f"  {some} {word}", styles.text if len(entries) >= asked else styles.warning))
        left = (
            f" around {clock(entry.timestamp, self.look.zone)} {self.look.ours(day(entry.timestamp, self.look.zone))}"
        )
        left = clip(left, self.width - sum(cell_len(text) for text, _ in right), self.look.glyphs.ellipsis)
        return strip([(left, styles.strong), *right], self.width, self.look)

    def row(self, entry: LogEntry, found: Found | None = None) -> Strip:
        """An entry, the first cell left for the cursor; the one it is about has a mark, and those of its trace."""
        return strip(self._row(entry, found), self.width, self.look)

    def _row(self, entry: LogEntry, found: Found | None) -> Iterator[Piece]:
        look, styles, here = self.look, self.look.styles, self.context.entry
        mine, band = entry is here, band_of(entry.severity)
        yield " ", styles.text
        same = bool(here.trace_id) and entry.trace_id == here.trace_id
        if mine:
            yield look.glyphs.bookmark, styles.warning
        else:
            yield look.glyphs.side if same else " ", styles.accent
        if self.width >= _CLOCKED:
            yield f"{clock(entry.timestamp, look.zone)} ", styles.dim
        away = "here" if mine else offset(entry.timestamp - here.timestamp)
        yield f"{away:>9} ", styles.strong if mine else styles.dim
        yield LETTERS[band], styles.bands[band]
        if self.service:
            yield (
                f" {fit(visible(entry.service or ''), self.service, look.glyphs.ellipsis)}",
                look.service(entry.service),
            )
        if self.width >= _HOSTED and self.scope != "host":
            yield f" {fit(visible(entry.host or ''), 12, look.glyphs.ellipsis)}", styles.dim
        if self.width >= _HOSTED and self.scope != "logger":
            yield f" {fit(visible(entry.logger), 16, look.glyphs.ellipsis)}", styles.dim
        yield " ", styles.text
        yield from said(entry, self.width, look, found)
