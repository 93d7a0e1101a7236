"""``DblogTui``: the application. It holds what all screens share, and shows the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App

from dblog_tui.keys import bindings
from dblog_tui.present.look import ASCII, UNICODE, Look
from dblog_tui.settings import Settings
from dblog_tui.source import Source
from dblog_tui.view import Span, View

if TYPE_CHECKING:
    from textual.binding import BindingType

    from dblog.cli.profiles import Database
    from dblog_tui.links import Link

__all__ = ["DblogTui"]


class DblogTui(App[None]):
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
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Screen { background: $background; }
    Toast { max-width: 70; }
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
        super().__init__()
        self.settings = settings or Settings()
        zone = self.settings.zone
        glyphs = ASCII if self.settings.glyphs == "ascii" else UNICODE
        self.look = Look(zone=zone, glyphs=glyphs, name=self.settings.timezone or _zone_name())
        self.database, self.link, self.demo = database, link, demo
        self.admin_url, self.colour, self.database_name = admin_url, colour, name
        self.source: Source | None = None
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Keys and colours as they were set; then the first screen."""
        if self.settings.theme:
            self.theme = self.settings.theme
        if self.settings.keymap:
            self.set_keymap(dict(self.settings.keymap))
        if self.database is not None:
            self.open_database(self.database, name=self.database_name)
        else:
            self.start()

    def start(self) -> None:
        """No database: what is nearby, or the demo."""
        raise NotImplementedError

    def open_database(self, database: Database, *, name: str | None = None) -> None:
        """Show a database's log."""
        from dblog_tui.screens.logs import LogsScreen  # noqa: PLC0415 - the start screen does without

        self.source = Source(database, zone=self.look.zone, name=name)
        screen = LogsScreen(
            self.source,
            self.look,
            self.settings,
            view=view_of(self.link),
            link=self.link,
            colour=self.colour,
            admin_url=self.admin_url,
        )
        self.push_screen(screen)

    async def on_unmount(self) -> None:
        """Leave nothing open."""
        if self.source is not None:
            await self.source.close()

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


def view_of(link: Link | None) -> View:
    """What a link looks at."""
    if link is None:
        return View()
    if link.last is None and link.since is None and link.until is None:
        span = Span()
    else:
        span = Span(last=link.last, since=link.since, until=link.until)
    return View(link.query, span, link.least)


def _zone_name() -> str:
    """The machine's own zone, as people call it."""
    import time  # noqa: PLC0415 - only here

    return time.tzname[time.localtime().tm_isdst > 0]
