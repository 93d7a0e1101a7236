"""``DblogTui``: the application. It holds what all screens share, and shows the first of them."""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.css.query import NoMatches

from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError
from dblog.visible import visible
from dblog_tui.keys import bindings
from dblog_tui.notices import NOTICES_CSS, Notices
from dblog_tui.present.look import ASCII, UNICODE, Look
from dblog_tui.room import ROOM_CSS, Room
from dblog_tui.settings import Settings
from dblog_tui.source import Source
from dblog_tui.view import View

if TYPE_CHECKING:
    import datetime as dt

    from textual.await_complete import AwaitComplete
    from textual.binding import BindingType
    from textual.command import Provider

    from dblog_tui.demo import Demo
    from dblog_tui.links import Link
    from dblog_tui.screens.logs import LogsScreen
    from dblog_tui.view import History

__all__ = ["DblogTui"]


def _commands() -> type[Provider]:
    """What the palette lists; loaded when it opens."""
    from dblog_tui.palette import Commands  # noqa: PLC0415 - only where it is asked for

    return Commands


_STARTING: Final = 1.5
"""Seconds from the start in which no garbage is collected, where the command has asked for that."""


class DblogTui(Notices, Room):
    """The terminal application.

    Args:
        database: which one; None shows what is nearby.
        link: what to look at first.
        settings: the user's, ``checked``.
        admin_url: of who may retry dead letters; None: nothing can be changed from here.
        colour: of a profile that warns, such as production's.
        demo: log an incident into a database of its own, and show that.
        name: what the header calls the database; its URL without the password where None.
    """

    TITLE = "dblog"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere")]
    COMMANDS = Notices.COMMANDS | {_commands}
    CSS = f"""
    Screen {{ background: $background; }}
    ModalScreen {{ background: transparent; }}
    DblogTui.-ascii SearchIcon {{ display: none; }}
    DblogTui.-ascii CommandPalette #--input {{ border-top: ascii $border; border-bottom: none; }}
    DblogTui.-ascii CommandPalette LoadingIndicator {{ border-bottom: ascii $border; }}
    DblogTui.-ascii CommandPalette CommandList {{ border-bottom: ascii $border; }}
    {NOTICES_CSS}
    {ROOM_CSS}
    """

    def __init__(
        self,
        *,
        database: Database | None = None,
        link: Link | None = None,
        settings: Settings | None = None,
        admin_url: str | None = None,
        colour: str | None = None,
        demo: bool = False,
        name: str | None = None,
    ) -> None:
        # Without colours: Textual's other way would paint the terminal's own colours black, on black.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.settings = settings or Settings()
        zone = self.settings.zone
        glyphs = ASCII if self.settings.glyphs == "ascii" else UNICODE
        self.set_class(glyphs is ASCII, "-ascii")
        self.look = Look(zone=zone, glyphs=glyphs, name=self.settings.timezone or _zone_name())
        self.database, self.link, self.demo = database, link, demo
        self.admin_url, self.colour, self.database_name = admin_url, colour, name
        self.source: Source | None = None
        self._left: list[asyncio.Task[None]] = []
        """Close what was looked at before."""
        self._demo: Demo | None = None
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Keys and colours as they were set; then the first screen."""
        if self.settings.theme:
            self.theme = self.settings.theme
        if self.settings.keymap:
            self.set_keymap(dict(self.settings.keymap))
        if not gc.isenabled():
            self.set_timer(_STARTING, _collect_again)
        if self.database is not None:
            self.open_database(self.database, name=self.database_name)
        else:
            self.start()

    # -- which database -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """No database: the demo, or what is nearby."""
        if self.demo:
            self._start_demo()
            return
        from dblog_tui.screens.start import StartScreen  # noqa: PLC0415 - only without a database

        self.push_screen(StartScreen(self.look, keymap=self.settings.keymap), self._chosen)

    def _chosen(self, chosen: Database | str | None) -> None:
        if chosen == "demo":
            self._start_demo()
        elif chosen is None or isinstance(chosen, str):
            if self.source is None:
                self.exit()
        else:
            self.open_database(chosen)

    def _start_demo(self) -> None:
        from dblog_tui.demo import Demo  # noqa: PLC0415 - only for the demo
        from dblog_tui.screens.start import DemoScreen  # noqa: PLC0415 - only for the demo

        demo = self._demo = Demo.start()

        def ready(made: bool | None) -> None:
            if made:
                self.open_database(Database(demo.url), name="demo")
            else:
                self.exit()

        self.push_screen(DemoScreen(self.look, demo), ready)

    def open_link(self, link: Link) -> None:
        """Look at what a command line names, in its database.

        Raises:
            ConfigurationError: it names none that can be had.
        """
        from dblog_tui.arguments import linked  # noqa: PLC0415 - only where it is asked for

        chosen = linked(link, self.source)
        if chosen.database is None:
            raise ConfigurationError("nothing names a database: give a URL, a file or a profile")
        if chosen.warning:
            self.notify(chosen.warning, severity="warning", markup=False)
        self.link, self.colour, self.admin_url = link, chosen.database.colour, chosen.database.admin_url
        self.open_database(chosen.database, name=chosen.name)

    def set_zone(self, zone: dt.tzinfo | None, name: str) -> None:
        """Show times in another zone."""
        self.look = replace(self.look, zone=zone, name=name)
        self.settings = replace(self.settings, timezone=name)
        logs = self.logs
        if logs is not None:
            logs.source.zone = zone
            self.settings = replace(self.settings, columns=tuple(logs.rows.rows.columns))
            at = None if logs.rows.following else logs.browser.place(logs.rows.entry)
            from dblog_tui.links import Link  # noqa: PLC0415 - for those who make one

            self._show_logs(logs.source, logs.browser.view, Link(at=at), history=logs.history)

    def set_mouse(self, *, on: bool) -> None:
        """Let the mouse be the terminal's own, or take it."""
        driver: Any = self._driver
        change = getattr(driver, "_enable_mouse_support" if on else "_disable_mouse_support", None)
        if change is not None:
            change()

    @property
    def logs(self) -> LogsScreen | None:
        """The log screen, where there is one."""
        from dblog_tui.screens.logs import LogsScreen  # noqa: PLC0415 - loaded by then

        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, LogsScreen)), None)

    def command_line(self) -> str:
        """What is shown, as a command line."""
        logs = self.logs
        return logs.command_line() if logs is not None else "dblog-tui"

    def open_database(self, database: Database, *, name: str | None = None) -> None:
        """Show a database's log."""
        # A file's name, and the demo's, are for the header; elsewhere nobody could open them by it.
        profile = None if self.demo or name is None or database.url.endswith(f"/{name}") else name
        before, self.source = self.source, Source(database, zone=self.look.zone, name=name, profile=profile)
        going = self._show_logs(self.source, self.link.view if self.link is not None else View(), self.link)
        if before is not None:
            self._left.append(asyncio.create_task(_close(before, going)))

    def _show_logs(
        self, source: Source, view: View, link: Link | None = None, *, history: History | None = None
    ) -> list[AwaitComplete]:
        """Show them in the place of what is shown; the ends of the screens that go."""
        from dblog_tui.screens.logs import LogsScreen  # noqa: PLC0415 - the start screen does without

        screen = LogsScreen(
            source, self.look, self.settings, view=replace(view, at=None), link=link, colour=self.colour,
            admin_url=self.admin_url,
        )  # fmt: skip
        screen.history = history or screen.history
        if self.logs is None:
            self.push_screen(screen)
            return []
        going = []
        while self.screen is not self.logs:
            going.append(self.pop_screen())
        return [*going, self.switch_screen(screen)]

    async def on_unmount(self) -> None:
        """Leave nothing open, and no demo running."""
        await asyncio.gather(*self._left, return_exceptions=True)
        if self.source is not None:
            await self.source.close()
        if self._demo is not None:
            await asyncio.to_thread(self._demo.stop)

    def _handle_exception(self, error: Exception) -> None:
        """As Textual's; that a screen has no widgets which was about to come when somebody left is no error."""
        leaving = self._exit or not self._running
        if not (leaving and isinstance(error, NoMatches)):
            super()._handle_exception(error)

    def unexpected(self, error: Exception) -> None:
        """Something failed that should not; say so, write a report, and go on with what is on the screen."""
        if self.is_headless:
            self._handle_exception(error)
            return
        from dblog_tui.crash import reported  # noqa: PLC0415 - seldom needed

        path = reported(error)
        where = f"; the report is {path}" if path else ""
        said = visible(f"this should not have happened: {type(error).__name__}{where}")
        self.notify(said, severity="error", timeout=30, markup=False)

    # -- keys ---------------------------------------------------------------------------------------------------

    async def action_help(self) -> None:
        """The keys of the pane that has the focus."""
        from dblog_tui.screens.help import HelpScreen  # noqa: PLC0415 - only where it is asked for

        self.push_screen(HelpScreen(self.group, dict(self.settings.keymap)))

    @property
    def group(self) -> str:
        """The group of keys of what has the focus."""
        nodes: list[Any] = [
            self.screen.focused,
            *(self.screen.focused.ancestors if self.screen.focused else ()),
            self.screen,
        ]
        return next((str(node.KEYS) for node in nodes if getattr(node, "KEYS", None)), "logs")

    def action_redraw(self) -> None:
        """Paint everything anew."""
        self.screen.refresh(layout=True, repaint=True)

    def action_copy_or_cancel(self) -> None:
        """Copy what is selected; else end what runs; else say how one leaves."""
        from dblog_tui.clipboard import copy  # noqa: PLC0415 - only where it is asked for

        if selected := self.screen.get_selected_text():
            self.notify(copy(self, selected), markup=False)
            return
        cancel = getattr(self.screen, "cancel_running", None)
        if cancel is None or not cancel():
            self.notify("ctrl+q quits", markup=False)


async def _close(source: Source, going: list[AwaitComplete]) -> None:
    """Close it once nothing asks it any more: a later question would open a connection that nobody closes."""
    for each in going:
        await each
    await source.close()


def _collect_again() -> None:
    """What is there now stays: it need not be looked through again and again."""
    gc.freeze()
    gc.enable()


def _zone_name() -> str:
    """The machine's own zone, as people call it."""
    import time  # noqa: PLC0415 - only here

    return time.tzname[time.localtime().tm_isdst > 0]
