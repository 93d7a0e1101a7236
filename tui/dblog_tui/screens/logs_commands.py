"""What is typed behind ``:`` on the log screen."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dblog.errors import ConfigurationError, DblogError
from dblog_tui.present.rows import COLUMNS
from dblog_tui.screens.logs_dialogs import Asking
from dblog_tui.view import LEVELS, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog_tui.commands import Command, Completion, Known
    from dblog_tui.links import Link
    from dblog_tui.marks import Marks

__all__ = ["Commanding"]

_WATCH: float = 10.0
"""Seconds between two looks of ``:watch``."""


class Commanding(Asking):
    """Commands of ``LogsScreen``."""

    tell: Callable[[], None]
    find: Callable[[str], bool]
    open_trace: Callable[[str], None]
    follow_link: Callable[[Link], None]
    set_interval: Any
    run_worker: Any
    note: str
    _typed: tuple[str, ...] = ()
    """Commands typed before, the newest first."""
    _watching: tuple[str, int] | None = None
    _watch_timer: Any = None

    @property
    def marks(self) -> Marks:
        """The marked entries; see ``logs_talks``."""
        raise NotImplementedError

    # -- commands -----------------------------------------------------------------------------------------------

    def action_command(self, text: str = "") -> None:
        """Ask for a command."""
        from dblog_tui.commands import complete, parse  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.screens.asking import Ask  # noqa: PLC0415 - only where it is asked for

        known = self._known()

        def offers(line: str) -> list[Completion]:
            return complete(line, known)

        def check(line: str) -> tuple[str, Command]:
            return line, parse(line)

        ask = Ask(
            self.look, "Command", check, text=text, prompt=":", complete=offers, history=self._typed, verb="do",
            example="filter level>=error, goto 14:05, export errors.csv, or a pasted dblog-tui line",
        )  # fmt: skip
        self.app.push_screen(ask, self._commanded)

    def _known(self) -> Known:
        from dblog_tui.commands import Known  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.saved import SavedViews  # noqa: PLC0415 - only where it is asked for

        try:
            views = tuple(saved.name for saved in SavedViews().all())
        except DblogError:
            views = ()
        return Known(views=views, columns=COLUMNS, themes=tuple(sorted(self.app.available_themes)))

    def _commanded(self, typed: tuple[str, Command] | None) -> None:
        if typed is not None:
            line, command = typed
            self._typed = (line, *(each for each in self._typed if each != line))[:100]
            self.execute(command)

    def execute(self, command: Command) -> None:
        """Do what a command says; its mistakes are said."""
        try:
            if command.action:
                self.app.run_worker(self.app.run_action(command.action, default_namespace=self), exit_on_error=False)
            else:
                getattr(self, f"_do_{command.name}")(command)
        except DblogError as error:
            self.say(str(error), bad=True)

    def _do_open(self, command: Command) -> None:
        from dblog_tui.arguments import is_at  # noqa: PLC0415 - only where it is asked for

        if (link := command.link) is None:
            return
        if not is_at(link, self.source):
            self.app.open_link(link)
            return
        self._set_columns(link.columns)
        self.show(replace(link.view, at=None), at=link.at)
        if link.trace or link.entry:
            self.follow_link(link)

    def _do_filter(self, command: Command) -> None:
        self.show(replace(self.browser.view, query=command.argument, at=None))

    def _do_find(self, command: Command) -> None:
        if not self.find(command.argument):
            raise ConfigurationError("this cannot be read as a query: press / and type it there, to see why")

    def _do_goto(self, command: Command) -> None:
        if sentence := self.goto_time(command.argument):
            raise ConfigurationError(sentence)

    def _do_range(self, command: Command) -> None:
        from dblog_tui.goto import span  # noqa: PLC0415 - loads the grammar

        self.show(replace(self.browser.view, span=span(command.argument, zone=self.source.zone), at=None))

    def _do_level(self, command: Command) -> None:
        self.show(replace(self.browser.view, least=LEVELS.index(command.argument), at=None))

    def _do_tz(self, command: Command) -> None:
        from dblog_tui.goto import zone  # noqa: PLC0415 - reads a folder

        self.app.set_zone(zone(command.argument), command.argument)

    def _do_columns(self, command: Command) -> None:
        from dblog_tui.links import columns_of  # noqa: PLC0415 - only where it is asked for
        from dblog_tui.settings import checked_columns  # noqa: PLC0415 - as above

        self._set_columns(checked_columns(columns_of(command.argument)))

    def _do_export(self, command: Command) -> None:
        self.action_export(command.argument)

    def _do_view(self, command: Command) -> None:
        from dblog_tui.saved import SavedViews, checked_name  # noqa: PLC0415 - only where it is asked for

        if command.verb == "save":
            self._save_view(checked_name(command.argument))
        elif command.verb == "rm":
            SavedViews().remove(command.argument)
            self.say(f"the view {command.argument} is gone")
        else:
            self._load_view(SavedViews().get(command.argument))

    def _do_note(self, command: Command) -> None:
        if (entry := self.under_cursor()) is not None:
            self._noted(entry, command.argument)

    def _do_trace(self, command: Command) -> None:
        self.open_trace(command.argument)

    def _do_entry(self, command: Command) -> None:
        from dblog_tui.links import Link  # noqa: PLC0415 - only where it is asked for

        self.follow_link(Link(entry=command.argument))

    def _do_context(self, command: Command) -> None:
        from dblog_tui.screens.context import ContextScreen  # noqa: PLC0415 - only where it is asked for

        if (entry := self.under_cursor()) is not None:
            screen = ContextScreen(self.source, self.look, entry, int(command.argument))
            self.app.push_screen(screen, self.come_back)

    def come_back(self, outcome: Any) -> None:
        """Another screen has ended; see ``logs_talks``."""
        raise NotImplementedError

    def _do_theme(self, command: Command) -> None:
        if command.argument not in self.app.available_themes:
            raise ConfigurationError(f"there is no theme {command.argument[:40]!r}: Tab shows what there is")
        self.app.theme = command.argument

    def _do_set(self, command: Command) -> None:
        name, _, value = command.argument.partition("=")
        on = value == "on"
        if name == "wrap":
            self.rows.set_wrap(wrap=on)
        elif name == "relative":
            self.rows.set_moments(replace(self.rows.rows.moments, relative=on))
        else:
            self.app.set_mouse(on=on)

    def _do_conn(self, command: Command) -> None:
        if command.argument:
            from dblog_tui.links import Link  # noqa: PLC0415 - only where it is asked for

            self.app.open_link(Link(database=command.argument))
        else:
            self.app.start()

    # -- watch --------------------------------------------------------------------------------------------------

    def _do_watch(self, command: Command) -> None:
        """Look every ten seconds how many match what is logged from now on, and ring when one does."""
        if self._watch_timer is not None:
            self._watch_timer.stop()
            self._watch_timer = self._watching = None
        self.note = ""
        if command.argument:
            now = time.time_ns() // 1000
            View(command.argument).asked(now, self.source.zone)  # a mistake is said at once
            self._watching = (command.argument, now)
            self.note = f"watching {command.argument[:30]}: 0"
            self._watch_timer = self.set_interval(_WATCH, self._look)
        self.tell()

    def _look(self) -> None:
        self.run_worker(self._count_watched(), group="watch", exclusive=True, exit_on_error=False)

    async def _count_watched(self) -> None:
        from dblog_tui.view import Span  # noqa: PLC0415 - only here

        if self._watching is None:
            return
        query, since = self._watching
        asked = View(query, Span(since=since)).asked(time.time_ns() // 1000, self.source.zone)
        try:
            found = await self.source.count(asked)
        except DblogError:
            return  # the banner says what is wrong
        said = f"watching {query[:30]}: {found.value:,}"
        if said != self.note and found.value:
            self.app.bell()
        self.note = said
        self.tell()
