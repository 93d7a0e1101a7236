"""The page Health as a whole: what is known, made into a line above, blocks in four sections, and a line below."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog.cli.moments import clock
from dblog.visible import visible
from dblog_tui.present.blocks import Block, heading, wrapped
from dblog_tui.present.health import FOLD, letter_blocks, writer_blocks
from dblog_tui.present.health_table import PARTITIONS, doctor_blocks, table_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.style import Style

    from dblog.admin.findings import Finding
    from dblog_tui.present.look import Look
    from dblog_tui.source.health import Vitals, Writer

    Pieces = Iterator[tuple[str, Style]]

__all__ = ["Page"]

_GRADES: Final = ("dim", "good", "warning", "error")
"""The style of each grade of a writer (``dblog_tui.source.health``)."""


@dataclass(slots=True)
class Page:
    """What is known, and what somebody wants to see of it."""

    name: str
    """The database's, as people call it."""
    table: str
    every: float
    """Seconds between two looks."""
    vitals: Vitals | None = None
    findings: list[Finding] | None = None
    """None before anybody has asked."""
    examining: bool = False
    away: str = ""
    """Why nothing can be had now."""
    problems: bool = False
    """Only what has a problem."""
    unfolded: set[str] = field(default_factory=set)

    def sections(self, look: Look, width: int) -> Iterator[list[Block]]:
        """Writers, dead letters, the table, the doctor."""
        yield list(self._writers(look, width))
        yield list(self._letters(look, width))
        yield list(self._table(look, width))
        yield [
            heading(look, width, "doctor"),
            *doctor_blocks(self.findings, look, width, busy=self.examining, problems=self.problems),
        ]

    def head(self, look: Look) -> tuple[Pieces, Pieces]:
        """The left and the right part of the line above."""
        return self._left(look), self._right(look)

    def _left(self, look: Look) -> Pieces:
        styles = look.styles
        yield " health ", styles.strong
        yield f" {visible(self.name)}", styles.text
        if self.problems:
            yield "  problems only", styles.warning
        if self.away:
            yield "  ", styles.text
            yield f"{look.glyphs.down} DB DOWN", styles.danger

    def _right(self, look: Look) -> Pieces:
        at, styles = self.at(look), look.styles
        if self.away:
            yield (f"as of {at} " if at else ""), styles.warning
        else:
            yield (f"every {self.every:.0f} s  {at} " if at else f"looking {look.glyphs.ellipsis} "), styles.dim

    def at(self, look: Look) -> str:
        """When that was; empty where nothing is known."""
        if self.vitals is None:
            return ""
        return clock(self.vitals.at, look.zone)[:8] + (f" {look.name}" if look.name else "")

    def count(self) -> str:
        """How many dead letters there are."""
        vitals = self.vitals
        letters = (vitals.letters if vitals else None) or ()
        return f"{len(letters):,}{' or more' if vitals and vitals.more_letters else ''}"

    def _writers(self, look: Look, width: int) -> Iterator[Block]:
        if self.away:
            yield Block("", tuple(wrapped(look, width, visible(self.away), look.styles.error, indent=1)))
        vitals, writers = self.vitals, self.vitals.writers if self.vitals else None
        yield heading(look, width, "writers", *_counts(writers or (), look))
        if vitals is None or writers is None:
            yield self._missing("writers", look, width)
            return
        unfolded = FOLD in self.unfolded
        yield from writer_blocks(writers, vitals.at, look, width, unfolded=unfolded, problems=self.problems)

    def _letters(self, look: Look, width: int) -> Iterator[Block]:
        vitals, letters = self.vitals, self.vitals.letters if self.vitals else None
        yield heading(look, width, "dead letters", *([(f" {self.count()}", look.styles.error)] if letters else ()))
        if vitals is None or letters is None:
            yield self._missing("letters", look, width)
            return
        names = {each.said.instance_id.hex: f"{each.said.host} {each.said.pid}" for each in vitals.writers or ()}
        yield from letter_blocks(letters, names, vitals.at, look, width, unfolded=self.unfolded)

    def _table(self, look: Look, width: int) -> Iterator[Block]:
        vitals = self.vitals
        yield heading(look, width, f"table {visible(self.table)}")
        if vitals is None or vitals.table is None:
            yield self._missing("table", look, width)
            return
        yield from table_blocks(vitals.table, vitals.at, look, width, unfolded=PARTITIONS in self.unfolded)

    def _missing(self, part: str, look: Look, width: int) -> Block:
        """The sentence why a part is not there."""
        why = self.vitals.missing.get(part, "") if self.vitals else ""
        style = look.styles.warning if why else look.styles.dim
        return Block(
            f"{part}:missing", tuple(wrapped(look, width, visible(why) or look.glyphs.ellipsis, style, indent=2))
        )


def _counts(writers: tuple[Writer, ...], look: Look) -> Pieces:
    """How many writers are in which state, the worst first."""
    for grade, name in reversed(list(enumerate(_GRADES))):
        words = [each.word if grade else "over" for each in writers if each.grade == grade]
        for word in dict.fromkeys(words):
            yield f" {words.count(word)} {visible(word)}", getattr(look.styles, name)
