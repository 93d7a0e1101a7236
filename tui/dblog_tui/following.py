"""``Following``: the tail of a view, and patience with a database that is away; ``Browser`` is what others see."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dblog.errors import DblogError, ErrorClass, StoreUnavailable
from dblog.levels import band_of
from dblog_tui.asking import Gap, Mode
from dblog_tui.paging import Paging
from dblog_tui.source import Down

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.reading.values import Cursor, TailBatch
    from dblog_tui.source import Source

__all__ = ["Following"]

_BATCH: Final = 200
"""Entries of one look of the tail; more are counted, and the newest shown, for each costs time."""
_CAUGHT_UP: Final = 400
"""Skipped entries that are loaded at once, by one page; more than these are loaded when somebody scrolls up to them."""
_IN_STEP: Final = 3_000_000
"""µs behind the newest entry up to which nobody calls one late: a writer may wait half a second, and retry."""
_RATE_SECONDS: Final = 5.0
_LOST: Final = "connection lost here; the tail goes on from this place"
_REFUSED: Final = "reading was refused here; the tail goes on from this place"
_REPLACED: Final = "the database was replaced here; F shows what is in it now"
_PASSING: Final = frozenset({ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT})


class Following(Paging):
    """What comes, put to what was there.

    Args:
        source: see ``Browser``.
        changed: see ``Browser``.
        failed: see ``Browser``.
    """

    def __init__(
        self, source: Source, changed: Callable[[str], None], failed: Callable[[Exception], None] | None = None
    ) -> None:
        super().__init__(source, changed, failed)
        self.down: Down | None = None
        """The database is away, or refuses; the rows stay."""
        self.late = 0
        self._gap = Gap()
        self.tailing = False
        """The tail has begun, and has not ended; it may wait for a database that is away."""
        self.notice = ""
        """What the tail said last."""
        self.batch: TailBatch | None = None
        """What it brought last, while ``changed`` is told ``batch``."""
        self._at: Cursor | None = None
        """Where the view was to be shown first."""
        self._token: str | None = None
        """The tail's place."""
        self._sooner: asyncio.Future[None] | None = None
        """Has the tail look again, which waits for a database that is away."""
        self._down_for = ""
        """The task that found the database away."""
        self._seen = 0
        """µs: the newest entry that was seen of this view."""
        self._arrivals: deque[tuple[float, int]] = deque()

    @property
    def rate(self) -> float:
        """Matching entries per second, over the last five."""
        return sum(count for _, count in self._recent()) / _RATE_SECONDS

    def _recent(self) -> deque[tuple[float, int]]:
        since = time.monotonic() - _RATE_SECONDS
        while self._arrivals and self._arrivals[0][0] < since:
            self._arrivals.popleft()
        return self._arrivals

    @property
    def skipped(self) -> int:
        """Matching entries that a flood has kept from the window while one followed, and that were not loaded since."""
        return self._gap.count

    # -- beginning, and beginning again -----------------------------------------------------------------------

    def _begin(self) -> None:
        """Ask for what the view lacks: its tail, its first rows. The tail's place comes first, so none is missed."""
        if not self._loaded and not self._tasks.running("load"):
            self.loading = True
            self.window.begin(foreign=True)
        if self.view.span.open_ended and not self._tasks.running("tail"):
            self._tasks.run("tail", self._follow)
        if self._token is not None or not self.view.span.open_ended:
            self._first_rows()

    def _first_rows(self) -> None:
        if self.loading and not self._tasks.running("load", "jump"):
            self._tasks.run("load", lambda: self._load(self._at))

    async def _follow(self) -> None:
        tail = self.source.tail(self.query, after=self._token, limit=_BATCH, away=self._away)
        try:
            first = await anext(tail)
            self.tailing = True
            if self._token is None:
                self._token = first.token
                self._up()
                self._first_rows()
            async for batch in tail:
                self._batch(batch)
        finally:
            if (close := getattr(tail, "aclose", None)) is not None:
                await close()

    def _again(self) -> None:
        """Ask again, after a while, for what could not be had."""

        async def later() -> None:
            await asyncio.sleep(self.again)

        if not self._tasks.running("again"):
            self._tasks.run("again", later)

    def retry(self) -> None:
        """Look at once whether the database is there again."""
        self._tasks.stop("again")
        self._hurry()
        self._begin()

    # -- the tail ---------------------------------------------------------------------------------------------

    def _batch(self, batch: TailBatch) -> None:
        self._token = batch.token
        if self.down is not None:
            self._back()
        if batch.notice:
            self._say(batch.notice)
        if batch.anew:
            self._replaced()
        if not batch.entries and not batch.skipped:
            return
        self.batch = batch
        self._changed("batch")
        self._recent().append((time.monotonic(), len(batch.entries) + batch.skipped))
        late = self._late(batch)
        self.late += len(late)
        following = self.mode is Mode.LIVE
        self._count(batch, following=following)
        self.window.arrived(batch.entries, late=late, skipped=batch.skipped, following=following)
        if self.window.doubtful and not self.window.foreign:
            self._look_again()
        self._changed("rows")
        if following and self.window.newer and self._loaded and not self.loading:
            self._newest_again()
        elif following and 0 < self.skipped <= _CAUGHT_UP and not self._slow:
            self.need(older=True)

    def _count(self, batch: TailBatch, *, following: bool) -> None:
        if following or not batch.skipped:
            self._gap.passed(batch, (self.window.newest or (0, 0)) if self._loaded else None)
        if not following:
            self.news.skipped += batch.skipped
            for entry in batch.entries:
                self.news.bands[band_of(entry.severity)] += 1

    def _newest_again(self) -> None:
        """One follows, and the rows do not reach the newest."""
        self.loading = True
        self.window.begin()
        self._tasks.run("load", lambda: self._load(None))

    def _late(self, batch: TailBatch) -> set[int]:
        """What sorts before something seen by more than the writers' own rhythm: several never commit in step."""
        newest = self.window.newest if self._loaded and not self.window.newer else None
        seen = max(self._seen, newest[0] if newest is not None else 0)
        self._seen = max([seen, *(entry.timestamp for entry in batch.entries[-1:])])
        return {entry.id.int for entry in batch if entry.id is not None and seen - entry.timestamp > _IN_STEP}

    def _replaced(self) -> None:
        """What the rows came from is gone: who follows sees what is there now, who reads keeps what is read."""
        if self._loaded and self.mode is not Mode.LIVE:
            self.window.mark(_REPLACED, time.time_ns() // 1000)
            self.window.sever()
            self._loaded = False
            return
        self._tasks.stop("load", "jump", "older", "newer", "between")
        self._loaded = False
        self._begin()

    def _say(self, sentence: str) -> None:
        self.notice = sentence
        self._changed("notice")

    # -- the database is away ---------------------------------------------------------------------------------

    def _away(self, error: StoreUnavailable, pause: float) -> asyncio.Future[None]:
        """The tail waits for it."""
        self._gone("tail", str(error), pause, lock=error.kind is ErrorClass.RESEND)
        self._sooner = asyncio.get_running_loop().create_future()
        return self._sooner

    def _hurry(self) -> None:
        if self._sooner is not None and not self._sooner.done():
            self._sooner.set_result(None)

    def _gone(self, name: str, why: str, pause: float, *, lock: bool = False, refused: bool = False) -> None:
        now = time.monotonic()
        if self.down is None:
            if self._loaded and not lock:  # that is no loss
                self.window.mark(_REFUSED if refused else _LOST, time.time_ns() // 1000)
            self.down, self._down_for = Down(now, 1, pause, why, refused), name
            self._changed("rows")
        elif name in ("tail", self._down_for):
            attempt = self.down.attempt + 1
            self.down = replace(self.down, attempt=attempt, pause=pause, why=why, refused=refused)
            self._down_for = name
        self._changed("state")

    def _up(self) -> None:
        """It is there."""
        if self.down is not None:
            self.down = None
            if self._loaded:
                self.trouble = ""
            self._changed("state")

    def _back(self) -> None:
        """The tail has found it there: ask at once for what is lacking."""
        self._up()
        self._tasks.stop("again")
        self._begin()

    def _filled(self, what: str = "rows") -> None:
        skipped = self.skipped
        self._gap.loaded(self.window)
        super()._filled(what if self.skipped == skipped else "rows")

    def _well(self) -> None:
        self.trouble = ""
        if self.down is None:
            return
        if self._down_for != "tail" or not self.view.span.open_ended:
            self._up()
        elif self.tailing:
            self._hurry()  # the tail has the last word
        else:
            self.retry()

    def _ended(self, name: str, error: Exception | None) -> None:
        if name == "tail":
            self.tailing = False
        if name in ("load", "older"):
            self.reached = None
        elif name == "seek":
            self.sought = None
        elif name == "again":
            self._begin()
        if error is not None:
            self._went_wrong(name, error)
        self._changed("state")

    def _went_wrong(self, name: str, error: Exception) -> None:
        sentence = str(error) if isinstance(error, DblogError) else f"unexpected: {type(error).__name__}"
        first = self.loading and not self._loaded and name in ("tail", "load") and not self._tasks.running("load")
        if first or name in ("load", "jump"):
            self.loading = False
        away = isinstance(error, StoreUnavailable)
        again = name == "tail" or (name == "load" and away and not self._loaded)
        if again:
            refused = not (isinstance(error, StoreUnavailable) and error.kind in _PASSING)
            self._gone(name, sentence, self.again, refused=refused)
            self._again()
        if first:
            self._without_rows(sentence, pause=not again)
        else:
            self.trouble = sentence
        self._unexpected(error)
