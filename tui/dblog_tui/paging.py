"""``Paging``: a window filled page by page, and the tasks that do it; ``Browser`` is what others see of it."""

from __future__ import annotations

import asyncio
import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import DblogError, StoreUnavailable
from dblog.levels import BANDS
from dblog_tui.view import View
from dblog_tui.window import Window, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dblog.entry import LogEntry
    from dblog.query import Query
    from dblog.reading.values import Cursor, TailBatch
    from dblog_tui.source import Down, Reached, Source
    from dblog_tui.window import Key

__all__ = ["AGAIN", "UNASKED", "Mode", "News", "Paging"]

_PAGE: Final = 400
"""Rows of a page; about a dozen screens."""
_FIRST_PAGE: Final = 200
_GATE_ROWS: Final = 1_000_000
"""Rows still to be searched, without an index, from which somebody is asked first."""
_GATE_SECONDS: Final = 2.0
AGAIN: Final = 2.0
"""Seconds until a question that failed is asked again."""
UNASKED: Final = ("tail", "again", "again between")
"""Tasks nobody waits for."""


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


class Paging:
    """A window, and pages for it.

    Args:
        source: where from.
        changed: see ``Browser``.
        failed: see ``Browser``.
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

    async def _between(self) -> None:
        await asyncio.sleep(AGAIN)
        first, last = self._cursor(self.window.first), self._cursor(self.window.last)
        if first is None or last is None or not self.window.doubtful:
            return
        page = await self.source.page(self.query, after=first, before=last, limit=self.window.capacity)
        self.window.merge(page.entries)
        self._changed("rows")

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if (running := self._tasks.get(name)) is not None:
            running.cancel()
        self._tasks[name] = asyncio.create_task(self._guarded(name, work), name=f"browser {name}")

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailable as error:
            self.trouble = str(error)
            if name in ("tail", "load"):
                self._unavailable(error)
        except DblogError as error:
            self.trouble = str(error)
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            self.reached = None if name in ("older", "seek") else self.reached
            self._changed("state")

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

    def _look_again(self) -> None:
        """A flood was skipped while somebody reads: some of it may belong between the rows they read."""
        running = self._tasks.get("again between")
        if running is None or running.done():
            self._run("again between", self._between())

    def _up(self) -> None:
        self.down = None

    def _unavailable(self, error: StoreUnavailable) -> None:
        """The database could not be had for a view's first rows."""
        raise NotImplementedError
