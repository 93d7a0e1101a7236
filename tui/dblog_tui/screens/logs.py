"""``LogsScreen``: the home screen. It joins a browser (what is looked at) with the widgets that show it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Container, Horizontal, Vertical
from textual.screen import Screen

from dblog.errors import DblogError
from dblog_tui import header
from dblog_tui.browser import Browser, Mode
from dblog_tui.keys import bindings
from dblog_tui.screens.logs_actions import Actions
from dblog_tui.screens.logs_commands import Commanding
from dblog_tui.screens.logs_empty import Empty
from dblog_tui.screens.logs_find import Finding
from dblog_tui.screens.logs_panes import Panes
from dblog_tui.screens.logs_query import Querying
from dblog_tui.screens.logs_talks import Talks
from dblog_tui.view import History, View
from dblog_tui.widgets.line import Line
from dblog_tui.widgets.logview import LogView
from dblog_tui.widgets.watched import Watched, told

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from dblog.reading.values import Cursor
    from dblog_tui.links import Link
    from dblog_tui.present.look import Look
    from dblog_tui.settings import Settings
    from dblog_tui.source import Source

__all__ = ["LogsScreen"]

_SETTLING: Final = 0.01
"""Seconds from the screen's beginning to its first paint."""
_LATER: Final = 0.25
"""Seconds until the number of rows is told that were fetched ahead: a key's own paint comes first."""


class LogsScreen(Talks, Commanding, Actions, Finding, Querying, Empty, Panes, Watched, Screen[None]):
    """Rows, and around them what is known about them.

    Args:
        source: the database.
        look: how things look.
        settings: the user's.
        view: what to look at first.
        link: where the first view came from; it may name a row, a trace.
        colour: of a profile that warns.
        admin_url: of who may retry dead letters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("logs")]
    CSS = """
    LogsScreen { layout: vertical; background: $background; }
    #body, #main, #middle { width: 1fr; height: 1fr; }
    #main { layout: vertical; }
    #detail { height: 60%; }
    #banner, #news { display: none; }
    LogsScreen.-wide #main, LogsScreen.-widest #main { layout: horizontal; }
    LogsScreen.-wide #detail, LogsScreen.-widest #detail { width: 40%; height: 1fr; }
    LogsScreen.-narrow.-open #histogram { display: none; }
    LogsScreen.-full #middle, LogsScreen.-full #fields, LogsScreen.-full #histogram { display: none; }
    LogsScreen.-full #detail { width: 1fr; height: 1fr; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (160, "-widest")]  # noqa: RUF012 - as Screen has it

    def __init__(
        self,
        source: Source,
        look: Look,
        settings: Settings,
        *,
        view: View | None = None,
        link: Link | None = None,
        colour: str | None = None,
        admin_url: str | None = None,
    ) -> None:
        super().__init__()
        self.source, self.look, self.settings = source, look, settings
        self.colour, self.admin_url, self.link = colour, admin_url, link
        self.history = History([view or View()])
        self.browser = Browser(source, self._changed, lambda error: told(self, error))
        self.note = ""
        """A word in the header about what was just done."""
        self.proof = ""
        self._over = False
        self._unseen = ExitStack()
        """Holds back what would be painted several times over."""
        self._goal: tuple[int, int] | None = None
        """The row to go to once what is around it is loaded."""

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        look = self.look
        yield Line(look, id="header")
        yield Line(look, keep=True, id="banner")
        yield from self.compose_query()
        yield from self.compose_histogram()
        with Horizontal(id="body"):
            yield from self.compose_fields()
            with Container(id="main"):
                with Vertical(id="middle"):
                    yield LogView(look, self.browser.window, id="rows")
                    yield Line(look, id="news")
                yield from self.compose_detail()
        yield Line(look, id="hints")

    def on_mount(self) -> None:
        """Paint what needs no database; the reader is loaded behind the first paint."""
        rows = self.rows
        rows.rows.columns = self.settings.columns
        rows.wrap = self.settings.wrap
        rows.page_fill = self.settings.slow
        rows.marked = self.is_marked
        rows.focus()
        self.tell()
        self._unseen.enter_context(self.app.batch_update())
        self.set_timer(_SETTLING, self._settled)

    def _settled(self) -> None:
        """The size is known, and everything has its place: one paint, and then the database."""
        self._unseen.close()
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.run_worker(self._begin(), group="begin", exit_on_error=False)

    async def _begin(self) -> None:
        try:
            await self.source.open()
        except DblogError as error:
            self.browser.trouble = str(error)
            self.tell()
            return
        self.show(self.history.view, visit=False)
        if self.link is not None:
            self.follow_link(self.link)
        self.begin_panes()

    async def on_unmount(self) -> None:
        """End what runs beside, and then what runs in the database, which may take a while."""
        self._over = True
        self.workers.cancel_node(self)  # Textual does so afterwards
        self._unseen.close()
        await self.browser.close()

    @property
    def rows(self) -> LogView:  # type: ignore[override]  # the mixins only say that there is one
        """The log view."""
        found: LogView = self.query_one("#rows", LogView)
        return found

    # -- the view ---------------------------------------------------------------------------------------------

    def show(self, view: View, *, visit: bool = True, at: Cursor | None = None) -> bool:
        """Look at something else; False where its query cannot be read, which the query line then says."""
        left_at = self.browser.place(self.rows.entry) if self.browser.mode is not Mode.LIVE else None
        try:
            self.browser.show(view, at=at)
        except DblogError as error:
            self.mistaken(error, view.query)
            return False
        if visit:
            self.history.visit(view, left_at=left_at)
        self.rows.following = self.browser.mode is Mode.LIVE
        self._goal = (at.timestamp, at.id.int) if at is not None else None
        self.view_shown()
        return True

    def _changed(self, what: str) -> None:
        """The browser has something new."""
        if self._over or not self.display:  # taken down, or about to be
            return
        if what == "batch":
            self.grow_bars()
            return
        if what == "ahead" and not self.rows.debt:  # nobody has gone to them yet
            self.answer_later = self.answer_later or self.set_timer(_LATER, self.answer)
        elif what != "state":
            self.answer()
        if what in ("rows", "ahead"):
            self.rows.changed()
            self.rows_changed()
        if what == "around":
            self._arrive()
        elif what == "notice":
            self.say(self.browser.notice)
        elif what == "state" and not self.browser.loading:
            self._goal = None  # what is around it has not come
        self.tell()

    def answer(self) -> None:
        """Say how many rows are loaded, if that has been put off: with the next key, or when none comes."""
        if self.answer_later is not None:
            self.answer_later.stop()
            self.answer_later = None
            self.tell_query()

    def _arrive(self) -> None:
        """What is around the goal is loaded: go there."""
        if self._goal is not None and len(self.browser.window):
            self.rows.following = False
            self.rows.show_row(self._goal)
            self._goal = None

    def go_to(self, at: Cursor) -> None:
        """Put the cursor on a row, or where it would be; what is around it is loaded if need be."""
        key = at.timestamp, at.id.int
        window = self.browser.window
        self.browser.pause()
        self.rows.following = False
        inside = window.first is not None and window.last is not None and window.first <= key <= window.last
        if inside and not window.foreign:
            self.rows.show_row(key)
        else:
            self._goal = key
            self.browser.jump(at)
        self.tell()

    # -- what the lines say -------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """The line of hints is about the pane that has the focus."""
        self.query_one("#hints", Line).say(header.hint_line(self.app.group, self.look, self.size.width))

    def on_screen_resume(self) -> None:
        """In front again: the hints are those of its own panes."""
        self.on_descendant_focus()

    def on_resize(self) -> None:
        """As many hints as there is room for; the entry's pane where there is."""
        self.on_descendant_focus()
        self._tell_banner()
        self.call_after_refresh(self.fit_pane)

    def tell(self) -> None:
        """Say how things stand; lines that say the same are not painted again."""
        if self._over or not self.display:  # taken down, or about to be
            return
        browser, look = self.browser, self.look
        left, right = header.state(
            browser,
            look,
            name=self.source.name,
            colour=self.colour,
            lock=self.proof,
            writers=self.writers,
            note=self.note,
        )
        self.query_one("#header", Line).say(left, right)
        self._tell_banner()
        news = self.query_one("#news", Line)
        news.display = browser.mode is not Mode.LIVE and browser.news.total > 0
        if news.display:
            news.say(header.news_line(browser.news, look))
        self.tell_query()

    def _tell_banner(self) -> None:
        browser, look = self.browser, self.look
        banner = self.query_one("#banner", Line)
        if browser.down is not None:
            banner.say(*header.down_line(browser.down, time.monotonic(), look, self.size.width))
        elif browser.gate is not None:
            banner.say(*header.gate_line(browser.gate, self.cost_reason(), look))
        elif (reached := browser.reached or browser.sought) is not None:
            banner.say(*header.searching_line(reached, len(browser.window), look))
        elif browser.trouble:
            banner.say(header.trouble_line(browser.trouble, look, self.size.width))
        else:
            banner.display = False
            return
        banner.display = True

    def say(self, sentence: str, *, bad: bool = False) -> None:
        """A sentence for a while, where it covers no row."""
        self.notify(sentence, severity="error" if bad else "information", timeout=6, markup=False)

    # -- messages of the rows -----------------------------------------------------------------------------------

    def on_log_view_near(self, message: LogView.Near) -> None:
        """Fetch before the end is reached."""
        self.browser.need(older=message.older)

    def on_log_view_moved(self, message: LogView.Moved) -> None:
        """Going up pauses; the pane shows the row under the cursor."""
        if message.by_user and (message.up or not message.at_end) and self.browser.mode is Mode.LIVE:
            self.rows.following = False
            self.browser.pause()
        self.row_changed(message)

    def on_log_view_opened(self) -> None:
        """A double click."""
        self.action_detail()
