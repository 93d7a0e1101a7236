"""``Browser``: what is looked at, kept up with: a view, the window of its rows, the tail, and pages as they are needed.

It knows no widget: it asks the source, fills the window, and calls its listener when there is something new to show.
Every question runs in a task of its own; what fails is a sentence in ``trouble``, and what was loaded stays usable.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dblog_tui.asking import Gap, Mode, News
from dblog_tui.following import Following
from dblog_tui.view import View

if TYPE_CHECKING:
    from dblog.query import Query
    from dblog.reading.values import Cursor

__all__ = ["Browser", "Mode", "News"]

_NOT_NOW: Final = "the newest rows cannot be loaded while the database is away"


class Browser(Following):
    """Keeps a window filled.

    Args:
        source: where from.
        changed: called when anything here has changed, with what: ``rows``, ``ahead`` (rows at an end that comes
            near), ``around`` (what is around a place jumped to), ``batch`` (of the tail), ``notice`` (it has said
            something), ``state``, ``view``.
        failed: called with an error that should not have happened.
    """

    # -- the view ---------------------------------------------------------------------------------------------

    def show(self, view: View, *, at: Cursor | None = None) -> None:
        """Look at something else: the newest of it, or what is around a place.

        Raises:
            QuerySyntaxError: the query cannot be read; nothing has changed.
        """
        now = time.time_ns() // 1000
        query: Query | str = "" if view.plain else view.asked(now, self.source.zone)
        self.end()
        self.view, self.query, self.shown_at, self._at = view, query, now, at
        self.news, self.late, self._gap, self.trouble, self.notice = News(), 0, Gap(), "", ""
        self.mode = Mode.HISTORY if at is not None or not view.span.open_ended else Mode.LIVE
        self._slow, self._began = self._is_slow(), None
        self._token, self._seen = None, 0
        self._arrivals.clear()
        self._begin()
        self._changed("view")

    def end(self) -> None:
        """Stop everything; queries end in the database."""
        self._tasks.stop()
        self.loading = self.tailing = self._loaded = False
        self.reached = self.sought = self.gate = None

    async def close(self) -> None:
        """Stop, and wait for the end."""
        self.end()
        await self._tasks.close()

    def pause(self, *, history: bool = False) -> None:
        """Stop following; what comes is counted."""
        if self.mode is Mode.LIVE:
            self.mode, self.news = Mode.HISTORY if history else Mode.PAUSED, News()
            self._changed("state")

    def follow(self) -> bool:
        """Follow again; False: the newest rows have to be loaded first, and are being, or cannot be."""
        if not self.view.span.open_ended:
            self.show(View(self.view.query, least=self.view.least))
            return False
        if self.loading and self._at is None and not self._tasks.running("jump"):
            self._go_live()
            return False  # they are under way
        self._tasks.stop("seek")
        if self._tasks.running("jump"):
            self._tasks.stop("jump")
            self.loading = False
        if self.down is not None and self._loaded:
            if self.window.newer:
                self._say(_NOT_NOW)
                return False
        elif self.window.newer or not self.tailing:
            self.show(self.view)
            return False
        self._go_live()
        return True

    def _go_live(self) -> None:
        self.mode, self.news, self.trouble, self.gate = Mode.LIVE, News(), "", None
        self._changed("state")

    def jump(self, at: Cursor) -> None:
        """Show what is around a place."""
        if not self._loaded:
            self.show(self.view, at=at)
            return
        self.pause(history=True)
        self.mode = Mode.HISTORY
        self._tasks.stop("load", "older", "newer", "seek")
        self.reached = self.sought = self.gate = None
        self.loading = True
        self.window.begin()
        self._tasks.run("jump", lambda: self._jump(at))
        self._changed("state")
