"""``Browser``: what is looked at, kept up with: a view, the window of its rows, the tail, and pages as they are needed.

It knows no widget: it asks the source, fills the window, and calls its listener when there is something new to show.
Every question runs in a task of its own; what fails is a sentence in ``trouble``, and what was loaded stays usable.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from dblog.levels import band_of
from dblog_tui.paging import AGAIN, UNASKED, Mode, News, Paging
from dblog_tui.source import Down
from dblog_tui.view import View
from dblog_tui.window import Mark, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from dblog.errors import StoreUnavailable
    from dblog.query import Query
    from dblog.reading.values import Cursor, TailBatch

__all__ = ["Browser", "Mode", "News"]

_BATCH: Final = 200
"""Entries of one look of the tail; more are counted, and the newest shown."""


class Browser(Paging):
    """Keeps a window filled.

    Args:
        source: where from.
        changed: called when anything here has changed, with what: ``rows``, ``around`` (what is around a place jumped
            to), ``batch`` (of the tail), ``state``, ``view``.
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
        self.view, self.query, self.shown_at = view, query, now
        self.news, self.late, self.skipped, self.trouble, self.notice = News(), 0, 0, "", ""
        self.reached = self.gate = None
        self.mode = Mode.HISTORY if at is not None or not view.span.open_ended else Mode.LIVE
        self._slow = self._is_slow()
        self.loading = True
        self.window.begin()
        self._run("tail", self._follow(at)) if view.span.open_ended else self._run("load", self._load(at))
        self._changed("view")

    def end(self) -> None:
        """Stop everything; queries end in the database."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self.loading, self.tailing = False, False

    async def close(self) -> None:
        """Stop, and wait for the end."""
        tasks = list(self._tasks.values())
        self.end()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def busy(self) -> bool:
        """A question is being answered."""
        return self.loading or any(not task.done() for name, task in self._tasks.items() if name not in UNASKED)

    def cancel(self) -> bool:
        """End the running questions, not the tail; whether there was one."""
        was, stopped = self.busy or self.gate is not None, self.reached if self.busy else None
        for name in list(self._tasks):
            if name not in UNASKED:
                self._tasks.pop(name).cancel()
        self.gate = stopped if self._slow else None  # it can go on from there
        self._changed("state")
        return was

    def pause(self, *, history: bool = False) -> None:
        """Stop following; what comes is counted."""
        if self.mode is Mode.LIVE:
            self.mode, self.news = Mode.HISTORY if history else Mode.PAUSED, News()
            self._changed("state")

    def follow(self) -> bool:
        """Follow again; False: the newest rows have to be loaded first, and are being."""
        if not self.view.span.open_ended or self.window.newer or not self.tailing:
            self.show(self.view if self.view.span.open_ended else View(self.view.query, least=self.view.least))
            return False
        self.mode, self.news = Mode.LIVE, News()
        self._changed("state")
        return True

    @property
    def rate(self) -> float:
        """Matching entries per second, over the last five."""
        now = time.monotonic()
        self._arrivals = [(at, count) for at, count in self._arrivals if now - at <= _RATE_SECONDS]
        return sum(count for _, count in self._arrivals) / _RATE_SECONDS

    # -- pages ------------------------------------------------------------------------------------------------

    def need(self, *, older: bool) -> None:
        """An end of the window comes near."""
        name = "older" if older else "newer"
        wanted = self.window.older if older else self.window.newer
        running = self._tasks.get(name)
        if not wanted or self.loading or self.gate is not None or (running is not None and not running.done()):
            return
        self._run(name, self._older() if older else self._newer())

    def go_on(self) -> None:
        """Search on, whatever it takes."""
        gate, self.gate = self.gate, None
        if gate is not None and gate.older is not None:
            self._run("older", self._sweep(gate.older, patient=True))

    def jump(self, at: Cursor) -> None:
        """Show what is around a place."""
        self.pause(history=True)
        self.mode = Mode.HISTORY
        self._run("jump", self._around(at))

    def seek(self, query: Query, *, newer: bool, start: Cursor, then: Callable[[LogEntry | None], None]) -> None:
        """The nearest match of another query, in one direction; ``then`` is called with it, or None."""
        self._run("seek", self._seek(query, newer, start, then))

    async def _follow(self, at: Cursor | None) -> None:
        """The tail's place first, then the rows: nothing falls between."""
        tail = self.source.tail(self.query, limit=_BATCH, away=self._away)
        try:
            await anext(tail)
            self._run("load", self._load(at))
            self.tailing = True
            async for batch in tail:
                self._batch(batch)
        finally:
            self.tailing = False
            if (close := getattr(tail, "aclose", None)) is not None:
                await close()

    # -- the tail ---------------------------------------------------------------------------------------------

    def _batch(self, batch: TailBatch) -> None:
        if batch.notice:
            self.notice = batch.notice
        if self.down is not None:
            self._up()
            self._changed("state")
        if not batch.entries and not batch.skipped:
            return
        self.batch = batch
        self._changed("batch")
        self._arrivals.append((time.monotonic(), len(batch.entries) + batch.skipped))
        late = self._late(batch)
        self.late += len(late)
        if self.mode is Mode.LIVE:
            self.skipped += batch.skipped
        else:
            self.news.skipped += batch.skipped
            for entry in batch.entries:
                self.news.bands[band_of(entry.severity)] += 1
            if batch.skipped:
                # It does not join on; the rows that are looked at stay.
                self.window.newer = True
                self._look_again()
        following = self.mode is Mode.LIVE
        self.window.arrived(batch.entries, late=late, skipped=batch.skipped, following=following)
        self._changed("rows")

    def _late(self, batch: TailBatch) -> set[int]:
        """What sorts before the newest row by more than the writers' own rhythm: several never commit in step."""
        seen = [row[0] for row in (self.window.last, *map(key_of, batch.entries[-1:])) if row is not None]
        newest = max(seen, default=0)
        return {entry.id.int for entry in batch if entry.id is not None and newest - entry.timestamp > _IN_STEP}

    def _away(self, error: StoreUnavailable, pause: float) -> None:
        """The database is away; the tail waits for it."""
        now = time.monotonic()
        if self.down is None:
            if self.took:  # else nothing has been there to be lost
                self.window.mark(Mark(time.time_ns() // 1000, "connection lost here; the tail goes on from this place"))
            self.down = Down(now, 1, pause, str(error))
            self._changed("rows")
        else:
            self.down = Down(self.down.since, self.down.attempt + 1, pause, str(error))
        self._changed("state")

    def _unavailable(self, error: StoreUnavailable) -> None:
        self._away(error, AGAIN)
        self._again(AGAIN)

    # -- tasks ------------------------------------------------------------------------------------------------

    def _again(self, seconds: float) -> None:
        """Show the view again, after a while: what failed before the tail had begun is nobody's to wait for."""

        async def later() -> None:
            await asyncio.sleep(seconds)
            self._tasks.pop("again", None)
            self.show(self.view)

        self._run("again", later())

    def retry(self) -> None:
        """Look at once whether the database is there again."""
        self.show(self.view)


_IN_STEP: Final = 3_000_000
"""µs behind the newest entry up to which one is not called late: a writer may wait half a second, and retry."""
_RATE_SECONDS: Final = 5.0
