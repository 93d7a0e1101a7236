"""``Paging``: a window filled page by page; ``Browser`` is what others see of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from dblog.errors import DblogError, QueryTimeout
from dblog_tui.asking import ASKED, Asking, Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.reading.values import Cursor
    from dblog_tui.window import Key

__all__ = ["Paging"]

_PAGE: Final = 400
"""Rows of a page; about a dozen screens."""
_FIRST_PAGE: Final = 200
_GATE_ROWS: Final = 1_000_000
"""Rows still to be searched, without an index, from which somebody is asked first."""
_GATE_SECONDS: Final = 2.0
_JUST_NOW: Final = 10_000_000
"""µs before now that are looked at where the first page takes too long."""
_SELDOM: Final = 32.0
"""Seconds between two looks at what lies between, while a flood goes on."""


class Paging(Asking):
    """Pages for the window, in both directions, around a place, and searched for."""

    # -- questions --------------------------------------------------------------------------------------------

    def need(self, *, older: bool) -> None:
        """An end of the window comes near."""
        name, wanted = ("older", self.window.older) if older else ("newer", self.window.newer)
        if (
            not wanted
            or not self._loaded
            or self.loading
            or self.gate is not None
            or self._tasks.running(name, "load", "jump")
        ):
            return
        self._tasks.run(name, self._older if older else self._newer)

    def go_on(self) -> None:
        """Search on, whatever it takes."""
        gate, self.gate = self.gate, None
        if gate is not None and self.window.older:
            self._tasks.run("older", self._older)

    def seek(self, query: Query, *, newer: bool, start: Cursor, then: Callable[[LogEntry | None], None]) -> None:
        """The nearest match of another query, in one direction; ``then`` is called with it, or None."""
        self._tasks.run("seek", lambda: self._seek(query, newer, start, then))

    def cancel(self) -> bool:
        """End the running questions, not the tail; whether there was one."""
        was, searched = self.busy or self.gate is not None, self.reached
        self._tasks.stop(*ASKED)
        self.reached = self.sought = None
        self.gate = searched if self._loaded else None  # it can go on from there
        if self.loading:
            self.loading = False
            if not self._loaded:
                self._without_rows("stopped before the first rows had come: F asks for them again")
        self._changed("state")
        return was

    # -- rows -------------------------------------------------------------------------------------------------

    async def _load(self, at: Cursor | None) -> None:
        """The first rows of a view."""
        started = time.monotonic()
        try:
            if at is not None:
                await self._around(at)
            elif self._slow:
                await self._sweep(fresh=True, patient=False)
            else:
                await self._newest()
        except QueryTimeout:
            if at is None and not self._loaded:
                await self._just_now()
            raise
        self.took = time.monotonic() - started
        self.loading = False
        self._filled()
        if at is not None:
            self._changed("around")

    async def _newest(self) -> None:
        """The newest page, joined with what the tail has brought meanwhile."""
        asked = self.window.fetching()
        page = await self.source.page(self.query, limit=_FIRST_PAGE)
        self.window.reset(page.entries, asked, floor=_key(page.older), following=True)
        self._loaded = True

    async def _just_now(self) -> None:
        """Where the newest rows take too long to find: those of the last seconds, so that one can follow at least."""
        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        floor, end = Cursor.at(self.shown_at - _JUST_NOW), Cursor.at(self.shown_at + 366 * 86_400_000_000)
        asked = self.window.fetching()
        page = await self.source.page(self.query, after=floor, before=end, limit=_FIRST_PAGE)
        self.window.reset(page.entries, asked, floor=_key(page.older or floor), following=True)
        self._loaded = True
        self._filled()

    async def _older(self) -> None:
        place = self.cursor(self.window.floor)
        if place is None:
            return
        if self._slow:
            await self._sweep(fresh=False, patient=True)
            return
        asked = self.window.fetching()
        page = await self.source.page(self.query, before=place, limit=_PAGE)
        self.window.add_older(page.entries, asked, floor=_key(page.older), following=self.mode is Mode.LIVE)
        self._filled("ahead")

    async def _newer(self) -> None:
        place = self.cursor(self.window.newest)
        if place is None:
            return
        asked = self.window.fetching()
        page = await self.source.page(self.query, after=place, limit=_PAGE)
        self.window.add_newer(page.entries, asked, more=len(page) == _PAGE)
        self._filled("ahead")

    async def _around(self, at: Cursor) -> None:
        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        half = _FIRST_PAGE // 2
        asked = self.window.fetching()
        behind = await self.source.page(self.query, after=Cursor.at(at.timestamp), limit=half)
        before = await self.source.page(self.query, before=Cursor.at(at.timestamp), limit=half)
        more = len(behind) == half
        self.window.reset((*behind.entries, *before.entries), asked, floor=_key(before.older), newer=more)
        self._loaded = True

    async def _jump(self, at: Cursor) -> None:
        await self._around(at)
        self.loading = False
        self._filled()
        self._changed("around")

    async def _sweep(self, *, fresh: bool, patient: bool) -> None:
        """Search backwards in pieces; the rows are shown as they are found."""
        bottom = self.view.span.bounds(self.shown_at)[0]
        before = None if fresh else self.cursor(self.window.floor)
        asked = self.window.fetching()
        began = None if fresh else self._began
        pieces = self.source.sweep(self.query, before=before, floor=bottom, limit=_FIRST_PAGE, began=began)
        async with aclosing(pieces):
            async for reached in pieces:
                floor, self._began = _key(reached.older), reached.began
                if fresh:
                    self.window.reset(reached.entries, asked, floor=floor, following=True)
                    fresh, self._loaded, self.loading = False, True, False
                else:
                    self.window.add_older(reached.entries, asked, floor=floor, following=self.mode is Mode.LIVE)
                asked = self.window.fetching()  # the next piece
                if self.window.floor != floor:
                    return  # a flood came between: what is found now does not join on
                self.reached = None if reached.done else reached
                self._filled()
                costly = reached.rows_left > _GATE_ROWS and reached.seconds_left > _GATE_SECONDS
                if costly and not (patient or reached.done):
                    self.gate = reached
                    return

    async def _seek(self, query: Query, newer: bool, start: Cursor, then: Callable[[LogEntry | None], None]) -> None:
        found: LogEntry | None = None
        if newer:
            page = await self.source.page(query, after=start, limit=1)
            found = page.entries[0] if page.entries else None
        else:
            bottom = self.view.span.bounds(self.shown_at)[0]
            async with aclosing(self.source.sweep(query, before=start, floor=bottom, limit=1)) as pieces:
                async for reached in pieces:
                    self.sought = None if reached.done else reached
                    self._changed("state")
                    found = reached.entries[0] if reached.entries else None
        self._well()
        then(found)

    def _filled(self, what: str = "rows") -> None:
        """A page has come."""
        self._well()
        if self.window.doubtful:
            self._look_again()
        self._changed(what)

    def _look_again(self) -> None:
        """A flood was skipped while somebody reads: some of it may belong between the rows they read."""
        if not self._tasks.running("between"):
            self._tasks.run("between", self._between)

    async def _between(self) -> None:
        seconds = self.again
        while self.window.doubtful:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, _SELDOM)
            last = self.cursor(self.window.last)
            if self.loading or last is None:
                continue
            asked, most = self.window.fetching(), self.window.capacity
            try:
                page = await self.source.page(self.query, after=self.cursor(self.window.floor), before=last, limit=most)
            except DblogError:
                continue  # the tail says what is wrong
            following = self.mode is Mode.LIVE
            self.window.merge(page.entries, asked, more=len(page) == most, following=following)
            self._changed("rows")


def _key(place: Cursor | None) -> Key | None:
    return None if place is None else (place.timestamp, place.id.int)
