"""``Browser``: what is looked at, kept up with: a view, the window of its rows, the tail, and pages as they are needed.

It knows no widget: it asks the source, fills the window, and calls its listener when there is something new to show.
Every question runs in a task of its own; what fails is a sentence in ``trouble``, and what was loaded stays usable.
"""

from __future__ import annotations

import asyncio
import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import DblogError, StoreUnavailable
from dblog.levels import BANDS, band_of
from dblog_tui.source import Down
from dblog_tui.view import View
from dblog_tui.window import Mark, Window, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.reading.values import Cursor, TailBatch
    from dblog_tui.source import Reached, Source
    from dblog_tui.window import Key

__all__ = ["Browser", "Mode", "News"]

_PAGE: Final = 400
"""Rows of a page; about a dozen screens."""
_FIRST_PAGE: Final = 200
_BATCH: Final = 200
"""Entries of one look of the tail; more are counted, and the newest shown."""
_GATE_ROWS: Final = 1_000_000
"""Rows still to be searched, without an index, from which somebody is asked first."""
_GATE_SECONDS: Final = 2.0


class Mode(enum.Enum):
    """What the newest row on the screen has to do with the present."""

    LIVE = "LIVE"
    PAUSED = "PAUSED"
    HISTORY = "HISTORY"


@dataclass(slots=True)
class News:
    """What was logged since one stopped following."""

    bands: list[int] = field(default_factory=lambda: [0] * BANDS)
    skipped: int = 0
    """Of which nobody has looked at the level."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.bands) + self.skipped


class Browser:
    """Keeps a window filled.

    Args:
        source: where from.
        changed: called when anything here has changed, with what: ``rows``, ``around`` (what is around a place jumped
            to), ``batch`` (of the tail), ``state``, ``view``.
        failed: called with an error that should not have happened.
    """

    def __init__(
        self, source: Source, changed: Callable[[str], None], failed: Callable[[Exception], None] | None = None
    ) -> None:
        self.source = source
        self.window = Window()
        self.view = View()
        self.query: Query | str = ""
        """The view's, as it was asked last."""
        self.shown_at = 0
        """µs: what the view's relative times count from."""
        self.mode = Mode.LIVE
        self.news = News()
        self.down: Down | None = None
        self.trouble = ""
        """A sentence about the last question that failed."""
        self.reached: Reached | None = None
        """How far a search without an index has come; None where there is none."""
        self.gate: Reached | None = None
        """A search waits for somebody to say that it may take this long."""
        self.loading = False
        """The first page is being asked for."""
        self.late = 0
        self.skipped = 0
        """Matching entries that a flood has kept from the window since the view was shown."""
        self.tailing = False
        self.took = 0.0
        """Seconds the first page took."""
        self.notice = ""
        """What the tail said last."""
        self.batch: TailBatch | None = None
        """What it brought last, while ``changed`` is told ``batch``."""
        self._changed, self._failed = changed, failed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._arrivals: list[tuple[float, int]] = []
        self._slow = False
        """The view's query has no index."""

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
        return self.loading or any(not task.done() for name, task in self._tasks.items() if name not in _UNASKED)

    def cancel(self) -> bool:
        """End the running questions, not the tail; whether there was one."""
        was, stopped = self.busy or self.gate is not None, self.reached if self.busy else None
        for name in list(self._tasks):
            if name not in _UNASKED:
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

    async def _load(self, at: Cursor | None) -> None:
        """The first rows of a view."""
        started = time.monotonic()
        try:
            if at is not None:
                await self._around(at)
            elif self._slow:
                await self._sweep(None, patient=False)
            else:
                await self._newest()
        except DblogError:
            self.window.reset((), older=True, newer=False)  # at least what is new from now on
            raise
        finally:
            self.loading = False
        self.took = time.monotonic() - started
        self._up()
        self._changed("rows")

    async def _newest(self) -> None:
        """The newest page, joined with what the tail has brought meanwhile."""
        for _ in range(3):
            self.window.fetching()
            page = await self.source.page(self.query, limit=_FIRST_PAGE)
            self.window.reset(page.entries, older=page.older is not None, newer=False)
            if not self.window.newer:
                return
        self._look_again()

    async def _older(self) -> None:
        place = self._cursor(self.window.first)
        if place is None:
            return
        if self._slow:
            await self._sweep(place, patient=True)
            return
        self.window.fetching()
        page = await self.source.page(self.query, before=place, limit=_PAGE)
        self.window.add_older(page.entries, more=page.older is not None)
        self._up()
        self._changed("rows")

    async def _newer(self) -> None:
        place = self._cursor(self.window.last)
        if place is None:
            return
        self.window.fetching()
        page = await self.source.page(self.query, after=place, limit=_PAGE)
        self.window.add_newer(page.entries, more=len(page) == _PAGE)
        self._up()
        self._changed("rows")

    async def _around(self, at: Cursor) -> None:
        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        half = _FIRST_PAGE // 2
        self.window.begin()
        self.window.fetching()
        behind = await self.source.page(self.query, after=Cursor.at(at.timestamp), limit=half)
        before = await self.source.page(self.query, before=Cursor.at(at.timestamp), limit=half)
        more = len(behind) == half
        self.window.reset((*behind.entries, *before.entries), older=before.older is not None, newer=more)
        self._up()
        self._changed("rows")
        self._changed("around")

    async def _sweep(self, before: Cursor | None, *, patient: bool) -> None:
        """Search backwards in pieces; the rows are shown as they are found."""
        fresh = before is None
        floor = self.view.span.bounds(self.shown_at)[0]
        self.window.fetching()
        async for reached in self.source.sweep(self.query, before=before, floor=floor, limit=_FIRST_PAGE):
            if fresh:
                self.window.reset(reached.entries, older=reached.older is not None, newer=False)
                fresh = False
            else:
                self.window.add_older(reached.entries, more=reached.older is not None)
            self.window.fetching()  # the next piece
            self.reached = None if reached.done else reached
            self.loading = False
            self._changed("rows")
            costly = reached.rows_left > _GATE_ROWS and reached.seconds_left > _GATE_SECONDS
            if costly and not (patient or reached.done):
                self.gate = reached
                self._changed("state")
                return

    async def _seek(self, query: Query, newer: bool, start: Cursor, then: Callable[[LogEntry | None], None]) -> None:
        if newer:
            page = await self.source.page(query, after=start, limit=1)
            then(page.entries[0] if page.entries else None)
            return
        found = None
        async for reached in self.source.sweep(query, before=start, floor=None, limit=1):
            self.reached = None if reached.done else reached
            self._changed("state")
            found = reached.entries[0] if reached.entries else None
        then(found)

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
        """What sorts before something the tail has brought, or before the newest row."""
        late = {entry_id.int for entry_id in batch.late}
        last = self.window.last
        if last is not None and not self.window.newer:
            late.update(entry.id.int for entry in batch if entry.id is not None and key_of(entry) < last)
        return late

    def _look_again(self) -> None:
        """A flood was skipped while somebody reads: some of it may belong between the rows they read."""
        running = self._tasks.get("again between")
        if running is None or running.done():
            self._run("again between", self._between())

    async def _between(self) -> None:
        await asyncio.sleep(_AGAIN)
        first, last = self._cursor(self.window.first), self._cursor(self.window.last)
        if first is None or last is None or not self.window.doubtful:
            return
        page = await self.source.page(self.query, after=first, before=last, limit=self.window.capacity)
        self.window.merge(page.entries)
        self._changed("rows")

    def _away(self, error: StoreUnavailable, pause: float) -> None:
        """The database is away; the tail waits for it."""
        now = time.monotonic()
        if self.down is None:
            self.window.mark(Mark(time.time_ns() // 1000, "connection lost here; the tail goes on from this place"))
            self.down = Down(now, 1, pause, _reason(error))
            self._changed("rows")
        else:
            self.down = Down(self.down.since, self.down.attempt + 1, pause, _reason(error))
        self._changed("state")

    def _up(self) -> None:
        self.down = None

    # -- tasks ------------------------------------------------------------------------------------------------

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if (running := self._tasks.get(name)) is not None:
            running.cancel()
        self._tasks[name] = asyncio.create_task(self._guarded(name, work), name=f"browser {name}")

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailable as error:
            self.trouble = _reason(error)
            if name in ("tail", "load"):
                self._away(error, _AGAIN)
                self._again(_AGAIN)
        except DblogError as error:
            self.trouble = str(error)
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            self.reached = None if name in ("older", "seek") else self.reached
            self._changed("state")

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

    def _is_slow(self) -> bool:
        if isinstance(self.query, str):
            return False
        from dblog_tui.cost import indexed  # noqa: PLC0415 - behind the first paint

        extent = self.source.known_extent
        return not indexed(self.query.tree, extent.rows_between if extent is not None else None)

    def place(self, entry: LogEntry | None) -> Cursor | None:
        """Where an entry stands."""
        return self._cursor(key_of(entry)) if entry is not None else None

    def _cursor(self, key: Key | None) -> Cursor | None:
        if key is None:
            return None
        from uuid import UUID  # noqa: PLC0415 - only here

        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        return Cursor(key[0], UUID(int=min(key[1], (1 << 128) - 1)))


_UNASKED: Final = ("tail", "again", "again between")
"""Tasks nobody waits for."""
_RATE_SECONDS: Final = 5.0
_AGAIN: Final = 2.0


def _reason(error: StoreUnavailable) -> str:
    return str(error)
