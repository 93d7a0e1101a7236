"""The log screen where there is nothing to show: why, and the keys that change it."""

from __future__ import annotations

import textwrap
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from rich.segment import Segment

from dblog.errors import DblogError
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.strip import Strip

    from dblog_tui.browser import Browser
    from dblog_tui.present.look import Look
    from dblog_tui.source import Source
    from dblog_tui.source.advice import Advice
    from dblog_tui.view import View
    from dblog_tui.widgets.logview import LogView

__all__ = ["Empty"]


class Empty:
    """What ``LogsScreen`` says where no row matches."""

    source: Source
    browser: Browser
    look: Look
    rows: LogView
    show: Callable[..., bool]
    run_worker: Any
    query: Any
    say: Callable[..., None]
    app: Any
    _advice: tuple[Advice, ...] = ()
    _advised: View | None = None
    _advice_done = False

    def empty_changed(self) -> None:
        """Rows came, or did not: begin to advise, or stop."""
        browser = self.browser
        if len(browser.window) or browser.loading or browser.reached is not None or browser.gate is not None:
            self._advised, self._advice, self.rows.instead = None, (), None
            return
        if browser.down is not None:
            self.rows.instead = self._down_lines
            self.rows.redraw()
            return
        if browser.window.older:
            self.rows.instead = self._ended_lines
            self.rows.redraw()
            return
        if self._advised is not browser.view:
            self._advised, self._advice, self._advice_done = browser.view, (), False
            self.run_worker(self._advise(browser.view), group="advice", exclusive=True, exit_on_error=False)

    async def _advise(self, view: View) -> None:
        from dblog_tui.source.advice import advise  # noqa: PLC0415 - loads the grammar

        try:
            async with aclosing(advise(self.source, view, time.time_ns() // 1000)) as found:
                async for each in found:
                    if self._advised is not view:
                        return
                    self._advice = (*self._advice, each)
                    self._show_advice()
        except DblogError:
            pass  # the banner says what is wrong; what was found out is shown
        self._advice_done = True
        self._show_advice()

    def _show_advice(self) -> None:
        if self._advised is not None and self.query("#rows"):  # else the screen is being taken down
            self.rows.instead = self._advice_lines
            self.rows.redraw()

    def _down_lines(self, width: int) -> list[Strip]:
        """The database has not been there yet: all of what it says, for the line above has no room for it."""
        down = self.browser.down
        why = textwrap.wrap(visible(down.why if down is not None else ""), max(width - 6, 20))
        return self._said([*why, "", "It is tried again and again; r tries now, q quits."], width)

    def _said(self, texts: Sequence[str], width: int) -> list[Strip]:
        from textual.strip import Strip  # noqa: PLC0415 - only where nothing is shown

        return [Strip([Segment(f"   {text}", self.look.styles.text)]).crop(0, width) for text in ("", *texts)]

    def _ended_lines(self, width: int) -> list[Strip]:
        """A search was ended before it had found something."""
        said = "Nothing found so far; the search was ended before the oldest entry."
        return self._said([said, "", "ctrl+r searches again   f edits the filter   [ goes back"], width)

    def _is_empty(self) -> bool:
        """Nobody has ever written into this table."""
        from dblog_tui.source.advice import Deed  # noqa: PLC0415 - only where nothing is shown

        return self._advised is not None and any(each.deed is Deed.NOTHING for each in self._advice)

    def _advice_lines(self, width: int) -> list[Strip]:
        from dblog_tui.present.empty import advice_lines, setup_lines  # noqa: PLC0415 - only where nothing is shown

        now, view = time.time_ns() // 1000, self.browser.view
        if self._is_empty():
            return setup_lines(self.look, width, url=self.source.safe_url)
        return advice_lines(view, self._advice, self.look, width, now=now, done=self._advice_done)

    def advised(self, key: str) -> bool:
        """Do what a key stands for in the advice; whether it stands for something."""
        if self._advised is None:
            return False
        found = next((each.view for each in self._advice if each.key == key and each.view is not None), None)
        if found is None:
            return False
        return self.show(found)

    def action_setup(self) -> None:
        """The lines that make a program write into this database; the histogram's key where there are rows."""
        from dblog_tui.clipboard import copy  # noqa: PLC0415 - only where nothing is shown
        from dblog_tui.present.empty import setup_text  # noqa: PLC0415 - as above

        self.say(copy(self.app, setup_text(self.source.safe_url)))

    def action_advice(self, key: str) -> None:
        """A key that means something only here."""
        if not self.advised(key):
            self.say(f"{key} is for where nothing matches")
