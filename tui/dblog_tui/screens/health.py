"""The screen Health: writers, dead letters, the table, what the doctor says.

It looks every two seconds while it is on, and only then; what it shows stays where it is when the database goes away.
Dead letters are stored again from here only with an administrator's URL, and after that was typed.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from textual.screen import Screen

from dblog.errors import DblogError
from dblog.visible import visible
from dblog_tui.keys import bindings, hints
from dblog_tui.present.health import FOLD
from dblog_tui.present.health_page import Page
from dblog_tui.present.health_table import PARTITIONS
from dblog_tui.present.strips import clip
from dblog_tui.screens.once import Once
from dblog_tui.screens.retrying import ALL, Retrying
from dblog_tui.source.health import GONE, Health
from dblog_tui.view import Span, View
from dblog_tui.widgets.line import Line
from dblog_tui.widgets.sheet import Sheet
from dblog_tui.widgets.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from rich.style import Style
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from dblog.reading.values import DeadLetterRow
    from dblog_tui.present.look import Look
    from dblog_tui.source.administering import Restored
    from dblog_tui.source.health import Writer
    from dblog_tui.source.source import Source

__all__ = ["HealthScreen"]

_EVERY: Final = 2.0
"""Seconds between two looks."""
_LONGEST: Final = 30.0
"""Seconds between two looks at a database that is away."""
_AROUND: Final = 60_000_000
"""µs before a writer's first and after its last word that its entries may lie."""
_SECTIONS: Final = 4
_NO_ADMIN: Final = "storing dead letters again needs --admin, or admin_url in the profile"


class HealthScreen(Once, Watched, Screen[View | None]):
    """Gives the view of a writer's entries, or None.

    Args:
        source: the database.
        look: glyphs, styles, zone.
        admin_url: the administrator's; None: nothing can be changed from here.
    """

    KEYS: ClassVar = "health"
    """The group of its keys, for the help."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("health")]

    def __init__(self, source: Source, look: Look, admin_url: str | None = None) -> None:
        super().__init__()
        self._source, self._look, self._admin_url = source, look, admin_url
        self._health = Health(source)
        self._page = Page(source.name, source.database.table, _EVERY)
        self._anew = False
        self._told = ""
        self._firsts: dict[str, int] = {}
        self._wake = asyncio.Event()

    def compose(self) -> ComposeResult:
        """A line above, a line below, the sheet between."""
        yield Line(self._look, id="head")
        yield Sheet(self._look, id="sheet")
        yield Line(self._look, id="foot")

    def on_mount(self) -> None:
        """The sheet has the keys."""
        self.query_one(Sheet).focus()
        self._show()

    def on_screen_resume(self) -> None:
        """Look, from now on."""
        self.run_worker(self._watch(), group="health", exclusive=True, exit_on_error=False)

    def on_screen_suspend(self) -> None:
        """Look no more."""
        self.workers.cancel_group(self, "health")

    def on_sheet_resized(self) -> None:
        """Another width."""
        self._show()

    # -- looking ----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        pause = _EVERY
        while True:
            self._wake.clear()
            try:
                anew, self._anew = self._anew, False
                self._page.vitals = await self._health.look(anew=anew)
                self._page.away, pause = "", _EVERY
            except DblogError as error:
                self._page.away, pause = str(error), min(pause * 2, _LONGEST)
            self._show()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _examine(self) -> None:
        from dblog_tui.source.administering import examine  # noqa: PLC0415 - for those who ask for it

        self._page.findings, self._page.examining = [], True
        self._show()
        try:
            async with aclosing(examine(self._source)) as findings:
                async for finding in findings:
                    self._page.findings.append(finding)
                    self._show()
        finally:
            self._page.examining = False
        self._show()

    # -- showing ----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_mounted:
            return
        self._say()
        self._show_blocks()

    def _show_blocks(self) -> None:
        sheet = self.query_one(Sheet)
        if not (width := sheet.size.width):
            return
        sections = list(self._page.sections(self._look, width))
        self._firsts = {block.key: number for number, section in enumerate(sections) for block in section if block.key}
        sheet.show([block for section in sections for block in section])

    def _say(self) -> None:
        left, right = self._page.head(self._look)
        self.query_one("#head", Line).say(_segments(left), _segments(right))
        self.query_one("#foot", Line).say(_segments(self._foot()))

    def _foot(self) -> Iterator[tuple[str, Style]]:
        styles = self._look.styles
        if self._told:
            yield f" {self._told}", styles.warning
            return
        for key, word in hints("health"):
            if word != "retry" or self._admin_url:
                yield f" {key}", styles.accent
                yield f" {word} ", styles.dim

    def _tell(self, sentence: str) -> None:
        """Say something in the last line, until a key is pressed."""
        self._told = visible(sentence)
        if self.is_mounted and self.app.screen is self:
            self._say()
        else:
            self.app.notify(self._told, markup=False)
            self._told = ""

    def on_key(self) -> None:
        """What was told has been read."""
        if self._told:
            self._told = ""
            self._say()

    # -- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """To another block."""
        self.query_one(Sheet).move(by)

    def action_page(self, by: int) -> None:
        """To another page."""
        self.query_one(Sheet).page(by)

    def action_section(self, by: int) -> None:
        """To the first block of another section."""
        sheet = self.query_one(Sheet)
        there = (self._firsts.get(sheet.key, 0) + by) % _SECTIONS
        first = next((key for key, number in self._firsts.items() if number == there), None)
        if first is not None:
            sheet.go(first, to_top=True)

    def action_errors(self) -> None:
        """Only what has a problem, or everything."""
        self._page.problems = not self._page.problems
        self._show()

    def action_rerun(self) -> None:
        """Look at everything now; examine again what was examined."""
        self._anew = True
        self._wake.set()
        if self._page.findings is not None:
            self._start_examining()

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)

    def action_rows(self) -> None:
        """A writer's entries; else unfold, or fold, what is under the cursor."""
        key = self.query_one(Sheet).key
        kind, _, rest = key.partition(":")
        if kind == "writer" and (writer := self._writer(rest)):
            self.dismiss(_view_of(writer))
        elif kind == "doctor":
            self._start_examining()
        elif key == FOLD or kind in ("letter", PARTITIONS):
            self._page.unfolded ^= {PARTITIONS if kind == PARTITIONS else key}
            self._show()

    def _start_examining(self) -> None:
        if not self._page.examining:
            self.run_worker(self._examine(), group="doctor", exclusive=True, exit_on_error=False)

    def _writer(self, digits: str) -> Writer | None:
        writers = (self._page.vitals.writers if self._page.vitals else None) or ()
        return next((each for each in writers if each.said.instance_id.hex == digits), None)

    def _letter(self) -> DeadLetterRow | None:
        key = self.query_one(Sheet).key
        letters = (self._page.vitals.letters if self._page.vitals else None) or ()
        return next((each for each in letters if key == f"letter:{each.id.hex}"), None)

    def action_copy_report(self) -> None:
        """Everything that is known, as text."""
        from dblog_tui.clipboard import copy  # noqa: PLC0415 - for those who copy

        text = f"health of {visible(self._source.name)} at {self._page.at(self._look)}\n{self.query_one(Sheet).text}\n"
        self._tell(copy(self.app, text))

    # -- dead letters -----------------------------------------------------------------------------------------

    def action_retry(self) -> None:
        """Ask whether the dead letter is to be stored again."""
        letter = self._letter()
        if not self._admin_url:
            self._tell(_NO_ADMIN)
        elif letter is None:
            self._tell("put the cursor on a dead letter first")
        else:
            # The application's: it goes on, and tells, when this screen has been left.
            self.app.run_worker(self._retry(letter, self._admin_url), group="letters", exit_on_error=False)

    async def _retry(self, letter: DeadLetterRow, admin_url: str) -> None:
        from dblog.safe_url import safe_url  # noqa: PLC0415 - with what it is about
        from dblog_tui.source.administering import retry  # noqa: PLC0415 - for those who may

        shown = f"{letter.error_class} {letter.code}: {letter.payload.get('message')}"
        count = f"all {self._page.count()}"
        what = clip(visible(shown[:200]), 66, self._look.glyphs.ellipsis)
        typed = await self.app.push_screen_wait(Retrying(self._look, what, count, visible(safe_url(admin_url))))
        if typed is None:
            self._tell("nothing was changed")
            return
        ids: list[UUID] | None = None if typed == ALL else [letter.id]
        self._tell(f"storing {'all of them' if ids is None else 'it'} again {self._look.glyphs.ellipsis}")
        try:
            self._tell(_outcome(await retry(self._source, admin_url, ids)))
        except DblogError as error:
            self._tell(str(error))
        self._anew = True
        self._wake.set()


def _outcome(done: Restored) -> str:
    parts = [f"{done.stored:,} stored", f"{done.present:,} already there", f"{len(done.kept):,} still refused"]
    why = f": {done.kept[0][1]}" if done.kept else ""
    return ", ".join(parts) + why


def _view_of(writer: Writer) -> View:
    """The entries of a writer, while it wrote."""
    said = writer.said
    over = writer.grade == GONE or writer.word == "DOWN"
    span = Span(since=said.started_at - _AROUND, until=said.last_seen + _AROUND if over else None)
    return View(f"instance_id:{said.instance_id}", span)


def _segments(pieces: Iterable[tuple[str, Style]]) -> list[Segment]:
    return [Segment(text, style) for text, style in pieces if text]
