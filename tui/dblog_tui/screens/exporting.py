"""``Exporting``: what matches, into a file: its name says the format, a bar says how far it is, Esc stops it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.text import Text
from textual.containers import Horizontal
from textual.widgets import Input, Static
from textual.worker import WorkerCancelled, WorkerFailed

from dblog.cli.moments import at
from dblog.errors import ConfigurationError, DblogError
from dblog_tui.header import least_text, span_text
from dblog_tui.screens.dialog import Dialog
from dblog_tui.source.export import Export, Written, path_of, shape_of
from dblog_tui.widgets.entry import Entry
from dblog_tui.widgets.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from textual.timer import Timer
    from textual.widget import Widget
    from textual.worker import Worker

    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.view import View

__all__ = ["Exported", "Exporting", "size_text"]

_ENDINGS: Final = (".ndjson", ".json", ".csv", ".ndjson.gz", ".json.gz", ".csv.gz")
_NAMES: Final = {"ndjson": "NDJSON: one JSON object per line", "json": "one JSON array", "csv": "CSV with a header"}
_EVERY: Final = 0.5
"""Seconds between two looks at a running export."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    count: int

    def __str__(self) -> str:
        return f"{self.count:,} {'entry' if self.count == 1 else 'entries'} in {self.path}"


class Exporting(Dialog[Exported]):
    """Asks for a file, and writes it.

    Args:
        source: the database.
        look: how things look.
        view: what is exported: its query, range and level.
        now: µs; what its relative times count from.
        name: of the file, to begin with; one with the time in it where empty.
    """

    def __init__(self, source: Source, look: Look, view: View, now: int, *, name: str = "") -> None:
        super().__init__(look, "Export what matches", hints=_ASKING)
        self._source, self._view, self._now = source, view, now
        stamp = at(now, look.zone)
        self._file = name or f"dblog-{stamp:%Y%m%d-%H%M%S}.ndjson" if stamp else name or "dblog.ndjson"
        self._export: Export | None = None
        self._bounds: tuple[int, int] | None = None
        self._worker: Worker[None] | None = None
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """The name; what is written; how far it is."""
        with Horizontal(id="line"):
            prompt = Static(Text("file ", self.look.styles.accent), markup=False)
            prompt.styles.width = 5
            yield prompt
            yield Entry(self._file)
        yield Line(self.look, id="what")
        yield Line(self.look, id="bar")

    def ready(self) -> None:
        """Ready to type."""
        self.query_one("#bar", Line).display = False
        self.query_one(Entry).focus()
        self._say_what()

    def _say_what(self) -> None:
        look, view = self.look, self._view
        name = self.query_one(Entry).value
        packed = ", compressed" if name.strip().endswith(".gz") else ""
        said = f" {_NAMES[shape_of(name.strip())]}{packed}  "
        ranged = f"{span_text(view.span, look)} {least_text(view.least, look)}".strip()
        query = "".join(char if char.isprintable() else " " for char in view.query.strip()) or "everything"
        self.query_one("#what", Line).say(
            [Segment(said, look.styles.text), Segment(f"{ranged}  {query}", look.styles.dim)]
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another name: another format, perhaps."""
        event.stop()
        self.tell("")
        self._say_what()

    def action_complete(self, by: int) -> None:
        """The next format."""
        if self._writing:
            return
        field = self.query_one(Entry)
        ending = next((each for each in sorted(_ENDINGS, key=len, reverse=True) if field.value.endswith(each)), "")
        following = _ENDINGS[(_ENDINGS.index(ending) + by) % len(_ENDINGS)] if ending else _ENDINGS[0]
        field.value = f"{field.value.removesuffix(ending)}{following}"
        field.cursor_position = len(field.value)

    # -- writing ------------------------------------------------------------------------------------------------------

    @property
    def _writing(self) -> bool:
        worker = self._worker  # one that was stopped still has to let go of the file
        return worker is not None and worker.is_running and not worker.is_cancelled

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Begin, or go on."""
        event.stop()
        if self._writing:
            return
        try:
            self._begin(event.value)
        except DblogError as error:
            self.mistake(error)

    def _begin(self, name: str) -> None:
        path = path_of(name)
        export = self._export
        if export is None or export.path != path:
            if export is not None:
                export.discard()
            query = self._view.asked(self._now, self._source.zone)
            self._export = export = Export(self._source, query, path, shape=shape_of(name.strip()))
        self.query_one(Entry).disabled = True
        self.query_one("#bar", Line).display = True
        self.focus()
        self.tell("")
        self.hint((("Esc", "stop"),))
        self._show()
        self._timer = self.set_interval(_EVERY, self._show)
        # Not exclusive: cancelled twice, the one before would not wait for the thread that has the file.
        self._worker = self.run_worker(self._run(export, self._worker), group="export", exit_on_error=False)

    async def _run(self, export: Export, before: Worker[None] | None) -> None:
        await _ended(before)
        try:
            if self._bounds is None:
                extent = await self._source.extent()
                low, high = self._view.span.bounds(self._now)
                self._bounds = (
                    (extent.oldest if low is None else low) or 0,
                    (extent.newest if high is None else high) or 0,
                )
            count = await export.run()
        except DblogError as error:
            self._stopped()
            self.tell(f"{getattr(error, 'reason', error)}", bad=True)
        except Exception as error:  # noqa: BLE001 - the screen stays alive, and says what happened
            self._stopped()
            self.mistake(ConfigurationError(f"the export failed: {type(error).__name__}"))
        else:
            self._export = None
            self._end_timer()
            self.dismiss(Exported(export.path, count))

    def _stopped(self) -> None:
        self._end_timer()
        self._show()
        field = self.query_one(Entry)
        field.disabled = False
        field.focus()
        self.hint(_STOPPED if self._export is not None and self._export.written.count else _ASKING)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _show(self) -> None:
        export, look = self._export, self.look
        if export is None or not self.is_mounted:
            return
        written, share = export.written, self._share(export.written)
        width = 24
        filled = round(width * share)
        bars = look.glyphs.blocks
        seconds = max(time.monotonic() - export.began, 1e-3)
        rate = f"{written.count / seconds:,.0f}/s" if self._writing else ""
        said = f"  {share:4.0%}  {written.count:,} entries  {size_text(written.size)}  {rate}"
        self.query_one("#bar", Line).say(
            [
                Segment(" ", look.styles.text),
                Segment(bars[-1] * filled, look.styles.accent),
                Segment(look.glyphs.rule * (width - filled), look.styles.dim),
                Segment(said, look.styles.text),
            ]
        )

    def _share(self, written: Written) -> float:
        """By time: entries go the oldest first."""
        if written.reached is None or self._bounds is None:
            return 0.0
        low, high = self._bounds
        return min(max((written.reached - low) / max(high - low, 1), 0.0), 1.0)

    # -- leaving ------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Stop; the second time, close and leave nothing behind."""
        if self._writing and self._worker is not None:
            self._worker.cancel()
            self._stopped()
            self.tell("stopped: Enter goes on from here, Esc leaves nothing behind")
        else:
            self.run_worker(self._close(), group="close", exit_on_error=False)

    async def _close(self) -> None:
        await _ended(self._worker)
        if self._export is not None:
            self._export.discard()
        self.dismiss(None)

    async def on_unmount(self) -> None:
        """Nothing is written any more."""
        if self._worker is not None and self._writing:
            self._worker.cancel()
        await _ended(self._worker)


async def _ended(worker: Worker[None] | None) -> None:
    """Wait until the thread has let go of the file."""
    if worker is not None:
        with contextlib.suppress(WorkerCancelled, WorkerFailed):
            await worker.wait()


_ASKING: Final = (("Enter", "write"), ("Tab", "format"), ("Esc", "close"))
_STOPPED: Final = (("Enter", "go on"), ("Esc", "leave nothing behind"))


def size_text(size: int) -> str:
    """``812 B``, ``1.4 MB``."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} B"
