"""What the log screen asks in dialogs: fields, columns, times, notes, files, names."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dblog.entry import LogEntry
from dblog.errors import DblogError
from dblog_tui.present.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog_tui.browser import Browser
    from dblog_tui.marks import Marks
    from dblog_tui.present.look import Look
    from dblog_tui.saved import SavedView
    from dblog_tui.screens.picking import Picked
    from dblog_tui.source import Source
    from dblog_tui.widgets.logview import LogView

__all__ = ["Asking"]


class Asking:
    """Dialogs of ``LogsScreen``."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    show: Callable[..., bool]
    say: Callable[..., None]
    include: Callable[[str, Any], None]
    exclude: Callable[[str, Any], None]
    leave_live: Callable[[], None]
    under_cursor: Callable[[], LogEntry | None]
    goto_time: Callable[[str], str | None]
    app: Any

    @property
    def marks(self) -> Marks:
        """The marked entries; see ``logs_talks``."""
        raise NotImplementedError

    # -- include, exclude, columns ------------------------------------------------------------------------------

    def action_include(self) -> None:
        """Pick a field of the row to include by."""
        self._pick(wanted=True)

    def action_exclude(self) -> None:
        """Pick a field of the row to exclude by."""
        self._pick(wanted=False)

    def _pick(self, *, wanted: bool) -> None:
        from dblog_tui.clauses import choices  # noqa: PLC0415 - loads the grammar
        from dblog_tui.screens.picking import PickField  # noqa: PLC0415 - only where it is asked for

        if (entry := self.under_cursor()) is not None:
            dialog = PickField(self.look, choices(entry), wanted=wanted)
            dialog.about = lambda: self.rows.cursor_lines
            self.app.push_screen(dialog, self._picked)

    def _picked(self, picked: Picked | None) -> None:
        if picked is not None:
            (self.include if picked.wanted else self.exclude)(picked.name, picked.value)

    def action_columns(self) -> None:
        """Choose columns."""
        from dblog_tui.screens.picking import Columns  # noqa: PLC0415 - only where it is asked for

        known = (*COLUMNS, *self._paths())
        self.app.push_screen(Columns(self.look, tuple(self.rows.rows.columns), known), self._set_columns)

    def _paths(self) -> list[str]:
        from dblog_tui.source.fields import paths_in  # noqa: PLC0415 - loads the grammar

        return paths_in([row for row in self.browser.window.rows[-300:] if isinstance(row, LogEntry)], 30)

    def _set_columns(self, columns: tuple[str, ...] | None) -> None:
        if columns:
            self.rows.rows.columns = columns
            self.rows.restyle()

    def add_column(self, name: str) -> None:
        """One more column, before the message; or one less."""
        columns = list(self.rows.rows.columns)
        if name in columns:
            columns.remove(name)
        else:
            columns.insert(columns.index("message") if "message" in columns else len(columns), name)
        self._set_columns(tuple(columns))

    # -- dialogs ------------------------------------------------------------------------------------------------

    def action_goto(self) -> None:
        """Ask for a time, and go there."""
        from dblog.cli.moments import moment as spoken  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.goto import moment  # noqa: PLC0415 - loads the grammar
        from dblog_tui.screens.asking import Ask  # noqa: PLC0415 - only where it is asked for

        def check(text: str) -> str:
            moment(text, zone=self.source.zone)
            return text

        def preview(text: str) -> str:
            return self.look.ours(spoken(moment(text, zone=self.source.zone), self.look.zone))

        example = "14:05   -2h   yesterday 14:05   2026-11-20T10:00"
        ask = Ask(self.look, "Go to a time", check, preview=preview, example=example, verb="go")
        self.app.push_screen(ask, lambda text: self.goto_time(text) if text else None)

    def action_note(self) -> None:
        """Ask for a note, and mark the row with it."""
        from dblog_tui.screens.asking import Ask  # noqa: PLC0415 - only where it is asked for

        entry = self.under_cursor()
        if entry is None or entry.id is None:
            return
        self.leave_live()
        mark = self.marks.get(entry.id)
        ask = Ask(self.look, "A note on this row", str, text=mark.note if mark else "", verb="mark")
        ask.about = lambda: self.rows.cursor_lines
        self.app.push_screen(ask, lambda text: None if text is None else self._noted(entry, text))

    def _noted(self, entry: LogEntry, text: str) -> None:
        if entry.id is not None:
            self.marks.note(entry.timestamp, entry.id, text)
            self.rows.restyle()
            if self.marks.trouble:
                self.say(self.marks.trouble, bad=True)

    def action_export(self, name: str = "") -> None:
        """Ask for a file, and write what matches."""
        from dblog_tui.screens.exporting import Exporting  # noqa: PLC0415 - only where it is asked for

        now = time.time_ns() // 1000
        dialog = Exporting(self.source, self.look, self.browser.view, now, name=name)
        self.app.push_screen(dialog, lambda done: self.say(str(done)) if done is not None else None)

    def action_sql(self) -> None:
        """The SQL of this view."""
        from dblog_tui.screens.sql import Sql  # noqa: PLC0415 - only where it is asked for

        try:
            statement = self.source.statement(self.browser.query)
        except DblogError as error:
            self.say(str(error), bad=True)
            return
        self.app.push_screen(Sql(self.look, statement))

    def action_views(self) -> None:
        """Saved views."""
        from dblog_tui.saved import SavedViews  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.screens.views import Views  # noqa: PLC0415 - only where it is asked for

        self.app.push_screen(Views(self.look, SavedViews()), self._load_view)

    def _load_view(self, saved: SavedView | None) -> None:
        if saved is not None:
            self._set_columns(saved.columns)
            self.show(saved.view)

    def action_save_view(self) -> None:
        """Ask for a name, and save this view."""
        from dblog_tui.saved import checked_name  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.screens.asking import Ask  # noqa: PLC0415 - only where it is asked for

        ask = Ask(self.look, "Save this view under a name", checked_name, verb="save")
        self.app.push_screen(ask, lambda name: self._save_view(name) if name else None)

    def _save_view(self, name: str) -> None:
        from dblog_tui.saved import SavedView, SavedViews  # noqa: PLC0415 - only where it is asked for

        saved = SavedView(name, replace(self.browser.view, at=None), tuple(self.rows.rows.columns))
        try:
            was_there = SavedViews().save(saved)
        except DblogError as error:
            self.say(str(error), bad=True)
            return
        self.say(f"the view {name} is {'saved instead of what it was' if was_there else 'saved'}; v lists views")
