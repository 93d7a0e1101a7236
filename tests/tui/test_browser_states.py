"""The browser, whatever is asked of it, in whatever order the database answers, or does not."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dblog.entry import LogEntry
from dblog.errors import ErrorClass, QueryTimeout, StoreError, StoreUnavailable
from dblog.reading.values import Count, Cursor, Page, TailBatch
from dblog_tui.browser import Browser, Mode
from dblog_tui.source.source import Extent
from dblog_tui.view import View
from dblog_tui.window import Window, key_of
from tests.oracle import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dblog.query import Query
    from dblog_tui.source import Reached
    from dblog_tui.window import Key

_STEP = 500_000
_VIEWS = (View(), View("needle"))
_SMALL = {"following._BATCH": 6, "paging._PAGE": 7, "paging._FIRST_PAGE": 10, "source.sweep._FIRST": 4}

_DOWN = StoreUnavailable(ErrorClass.RECONNECT, "08006", "the connection was closed")
_REFUSED = StoreUnavailable(ErrorClass.CONFIGURATION, "42501", "permission denied")
_SLOW = QueryTimeout(ErrorClass.RESEND, "57014", "the query took longer than 30 s")


class Question:
    """Something that waits for the database: it is read at one moment, and the answer comes at a later one."""

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answer: Any = None

    def look(self) -> None:
        """The database reads."""
        if self.answer is None:
            self.answer = self._read()

    def arrive(self) -> None:
        """The answer comes."""
        self.look()
        self.future.set_result(self.answer)


class Told:
    """A source that answers when it is told to."""

    zone = None

    def __init__(self) -> None:
        self.table: dict[Key, LogEntry] = {}
        self.log: list[LogEntry] = []
        self.open: list[Question] = []
        self.tails: list[Tail] = []

    def insert(self, timestamp: int, message: str) -> None:
        """One row is committed."""
        number = len(self.log) + 1
        entry = LogEntry(timestamp, "INFO", 9, "l", message, id=UUID(int=number), service="s")
        self.table[key_of(entry)] = entry
        self.log.append(entry)

    @staticmethod
    def matches(query: Query | str, entry: LogEntry) -> bool:
        """Whether a view has it."""
        return isinstance(query, str) or "needle" in entry.message

    def matching(self, query: Query | str) -> list[Key]:
        """Its keys, in order."""
        return [key for key in sorted(self.table) if self.matches(query, self.table[key])]

    async def ask(self, read: Callable[[], Any]) -> Any:
        """Wait for an answer."""
        question = Question(read)
        self.open.append(question)
        try:
            return await question.future
        finally:
            self.open.remove(question)

    async def page(
        self, query: Query | str, *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 200
    ) -> Page:
        """As the reader's ``search``."""

        def read() -> Page:
            low, high = (None if at is None else (at.timestamp, at.id.int) for at in (after, before))
            keys = [k for k in self.matching(query) if (low is None or k > low) and (high is None or k < high)]
            upwards = after is not None and before is None
            found = (keys[:limit] if upwards else keys[-limit:])[::-1]
            more = upwards or len(keys) > limit
            entries = tuple(self.table[key] for key in found)
            return Page(entries, Cursor.of(entries[-1]) if entries and more else None, None)

        page: Page = await self.ask(read)
        return page

    @property
    def known_extent(self) -> Extent | None:
        """Nobody has asked."""
        return None

    async def extent(self) -> Extent:
        """It is known at once."""
        times = sorted(key[0] for key in self.table)
        return Extent(Count(len(times), exact=True), *((times[0], times[-1]) if times else (None, None)))

    def sweep(self, query: Query | str, **options: Any) -> AsyncIterator[Reached]:
        """As the source's."""
        found: AsyncIterator[Reached] = sys.modules["dblog_tui.source.sweep"].sweep(self, query, **options)
        return found

    def tail(self, query: Query | str, *, after: str | None, limit: int, away: Any) -> AsyncIterator[TailBatch]:
        """As the reader's."""
        tail = Tail(self, query, after, limit, away)
        self.tails.append(tail)
        return tail.batches()


class Tail:
    """One tail; it looks when it is told to."""

    def __init__(self, source: Told, query: Query | str, after: str | None, limit: int, away: Any) -> None:
        self.source, self.query, self.limit, self.away = source, query, limit, away
        self.place = None if after is None else int(after)
        self.told = self.place is None
        self.orders: asyncio.Queue[str] = asyncio.Queue()
        self.waiting = self.ended = False
        self.matched = 0

    async def batches(self) -> AsyncIterator[TailBatch]:
        """Until it is closed."""
        try:
            if self.place is None:
                self.place = await self.source.ask(lambda: len(self.source.log))
            yield self._batch([], 0)
            while True:
                self.waiting = True
                order = await self.orders.get()
                self.waiting = False
                if order == "look":
                    if (batch := self._look()) is not None:
                        yield batch
                elif order == "away":
                    self.told = False
                    self.away(_DOWN, 1.0)
                else:
                    raise _SLOW if order == "slow" else _REFUSED
        finally:
            self.ended = True

    def _batch(self, entries: list[LogEntry], skipped: int) -> TailBatch:
        return TailBatch(tuple(entries), frozenset(), skipped, str(self.place))

    def _look(self) -> TailBatch | None:
        log = self.source.log
        new = sorted((each for each in log[self.place :] if self.source.matches(self.query, each)), key=key_of)
        self.place, said, self.told = len(log), self.told, True
        self.matched = len(new)
        return self._batch(new[-self.limit :], max(len(new) - self.limit, 0)) if new or not said else None


class Browsing(RuleBasedStateMachine):
    """A browser, its user, and a database."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [
            patch.object(sys.modules[f"dblog_tui.{name.rpartition('.')[0]}"], name.rpartition(".")[2], value)
            for name, value in _SMALL.items()
        ]
        for each in self.patches:
            each.start()
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.wrong.append(context))
        self.wrong: list[Any] = []
        self.found: list[LogEntry | None] = []
        self.source = Told()
        self.base = time.time_ns() // 1000 - 50_000_000
        fake: Any = self.source
        self.browser = Browser(fake, lambda _: None, self.wrong.append)
        self.browser.again = 0.0
        self.browser.window.capacity = 40

    def _do(self, action: Callable[[], object]) -> None:
        """Do something in the loop, and let everything happen that can."""

        async def doing() -> None:
            action()
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(doing())

    @property
    def window(self) -> Window:
        """The browser's."""
        return self.browser.window

    @property
    def tail(self) -> Tail | None:
        """The one that is at work."""
        tails = [tail for tail in self.source.tails if not tail.ended]
        return tails[-1] if tails else None

    # -- the database ---------------------------------------------------------------------------------------------

    @initialize(before=st.lists(st.integers(0, 100), max_size=60), which=st.sampled_from(_VIEWS))
    def opened(self, before: list[int], which: View) -> None:
        """What was there."""
        self.commit(before)
        self._do(lambda: self.browser.show(which))

    @rule(times=st.lists(st.integers(0, 120), min_size=1, max_size=12))
    def commit(self, times: list[int]) -> None:
        """Rows are stored, some of them older than what was seen."""
        for number in times:
            message = "needle" if number % 2 else "hay"
            self.source.insert(self.base + number * _STEP, message)

    @precondition(lambda self: self.source.open)
    @rule(data=st.data(), arrive=st.booleans())
    def answer(self, data: st.DataObject, arrive: bool) -> None:
        """A question is read, or answered."""
        question = data.draw(st.sampled_from(self.source.open))
        self._do(question.arrive if arrive else question.look)

    @precondition(lambda self: self.source.open)
    @rule(data=st.data(), error=st.sampled_from([_DOWN, _REFUSED, _SLOW]))
    def fail(self, data: st.DataObject, error: StoreError) -> None:
        """A question is not answered."""
        question = data.draw(st.sampled_from(self.source.open))
        self._do(lambda: question.future.set_exception(error))

    @precondition(lambda self: self.tail is not None and self.tail.waiting)
    @rule()
    def look(self) -> None:
        """The tail looks; what it brought is counted."""
        tail, browser = self.tail, self.browser
        assert tail is not None
        mode, news, skipped = browser.mode, browser.news.total, browser.skipped
        self._do(lambda: tail.orders.put_nowait("look"))
        if mode is Mode.LIVE:
            assert browser.skipped - skipped == max(tail.matched - tail.limit, 0)
        else:
            assert browser.news.total - news == tail.matched

    @precondition(lambda self: self.tail is not None and self.tail.waiting)
    @rule(order=st.sampled_from(["away", "away", "slow", "refused"]))
    def lose(self, order: str) -> None:
        """The tail finds the database away, or cannot read any more."""
        tail = self.tail
        assert tail is not None
        self._do(lambda: tail.orders.put_nowait(order))
        assert self.browser.down is not None

    # -- the user -------------------------------------------------------------------------------------------------

    @rule(which=st.sampled_from(_VIEWS), at=st.none() | st.integers(0, 120), times=st.sampled_from([1, 1, 1, 50]))
    def show(self, which: View, at: int | None, times: int) -> None:
        """Look at something, once or as fast as keys come."""
        place = None if at is None else Cursor.at(self.base + at * _STEP)

        def showing() -> None:
            for _ in range(times):
                self.browser.show(which, at=place)

        self._do(showing)

    @rule(what=st.sampled_from(["older", "newer"]))
    def need(self, what: str) -> None:
        """An end comes near."""
        self._do(lambda: self.browser.need(older=what == "older"))

    @rule(what=st.sampled_from(["pause", "follow", "cancel", "go_on", "retry"]))
    def press(self, what: str) -> None:
        """A key."""
        self._do(getattr(self.browser, what))

    @rule(to=st.integers(0, 120))
    def jump(self, to: int) -> None:
        """Somewhere else."""
        self._do(lambda: self.browser.jump(Cursor.at(self.base + to * _STEP)))

    @rule(newer=st.booleans(), start=st.integers(0, 120))
    def seek(self, newer: bool, start: int) -> None:
        """Look for something, and go there."""
        browser, place = self.browser, Cursor.at(self.base + start * _STEP)

        def then(found: LogEntry | None) -> None:
            if found is not None:
                browser.jump(Cursor.of(found))

        self._do(lambda: browser.seek(View("needle").asked(0), newer=newer, start=place, then=then))

    # -- what holds -----------------------------------------------------------------------------------------------

    @invariant()
    def true(self) -> None:
        """The rows are what is stored between the floor and the last, as far as it can be known."""
        rows = [key_of(row) for row in self.window.rows if isinstance(row, LogEntry)]
        assert rows == sorted(set(rows))
        assert len(rows) <= self.window.capacity
        assert not self.wrong
        if self.window.foreign:
            assert self.browser.loading
            return
        matching = set(self.source.matching(self.browser.query))
        assert set(rows) <= matching
        if self.window.doubtful or not self.browser._loaded:
            return
        place = int(self.browser._token or 0)
        known = {key_of(entry) for entry in self.source.log[:place]} & matching - set(self.window._aside)
        floor = self.window.floor
        high = None if not self.window.newer else rows[-1] if rows else (-1, 0)
        should = [key for key in sorted(known) if (not floor or key >= floor) and (not high or key <= high)]
        assert [key for key in rows if key in known] == should

    @invariant()
    def honest(self) -> None:
        """LIVE is what reaches the newest, or is about to; nothing waits for what nobody works at."""
        browser = self.browser
        if browser.mode is Mode.LIVE and not browser.loading and browser.down is None:
            assert browser.tailing
            assert not self.window.newer
        if browser.loading:
            assert browser._tasks.running("tail", "load", "jump")
        if browser.down is not None:
            assert browser._tasks.running("tail", "again", "load")

    @rule()
    def settle(self) -> None:
        """The database is well, and everything comes to its end: following shows exactly the newest rows."""
        browser = self.browser
        self._rest()
        self._do(browser.follow)
        self._rest()
        assert not browser.busy
        assert browser.mode is Mode.LIVE
        assert browser.down is None
        assert browser.gate is None
        assert not browser.trouble
        assert not self.window.doubtful
        assert browser.news.total == 0
        rows = [key_of(row) for row in self.window.rows if isinstance(row, LogEntry)]
        matching = self.source.matching(browser.query)
        assert rows == matching[len(matching) - len(rows) :]
        if not self.window.older:
            assert len(rows) == len(matching)

    def _rest(self) -> None:
        for _ in range(500):
            self._do(lambda: None)
            if self.source.open:
                self._do(self.source.open[0].arrive)
                continue
            tail = self.tail
            assert tail is not None
            if not tail.waiting:
                continue
            if tail.place == len(self.source.log) and tail.told and not self.window.doubtful:
                return
            self._do(partial(tail.orders.put_nowait, "look"))
        raise AssertionError("it does not come to rest")

    def teardown(self) -> None:
        """Closed, nothing is left."""
        try:
            self.loop.run_until_complete(asyncio.wait_for(self.browser.close(), 30))
            assert not asyncio.all_tasks(self.loop)
            assert not self.source.open
            assert all(tail.ended for tail in self.source.tails)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            assert not self.wrong
        finally:
            self.loop.close()
            for each in self.patches:
                each.stop()


TestBrowsing = Browsing.TestCase
TestBrowsing.settings = settings(examples(30), stateful_step_count=40)
