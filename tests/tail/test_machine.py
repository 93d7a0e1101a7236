"""A tail polled, stopped and resumed at any point of any schedule of transactions: each row is new exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from dblog.query.tree import All
from dblog.reading.opened import sessions_for
from dblog.reading.tailing import Tailer
from tests.embedded_clickhouse import ENGINES
from tests.tail_tools import Followed, Writing, ids_of, now

if TYPE_CHECKING:
    from uuid import UUID

    from dblog.reading.values import Cursor

_WRITERS = 3
limits = st.integers(1, 6)


class Schedule(RuleBasedStateMachine):
    """Writers, a tail, and the rows it has still to say."""

    tailer: Tailer

    reading_url = ""
    writers: ClassVar[list[Writing]] = []
    elsewhere: ClassVar[Writing]
    patch: ClassVar[pytest.MonkeyPatch]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sessions = sessions_for(self.reading_url)
        self.open: dict[int, list[list[Cursor]]] = {}
        """Writer → what it has inserted, before its first savepoint, after it, …"""
        self.new: dict[UUID, Cursor] = {}
        """Committed, and neither yielded nor skipped."""
        self.followed = Followed()
        self.clock = itertools.count(now())
        self.limit, self.lossless = 0, False

    @initialize(limit=limits, lossless=st.booleans(), stride=st.sampled_from((1, 3, 64)))
    def start(self, limit: int, lossless: bool, stride: int) -> None:
        self.patch.setattr("dblog.reading.tail_postgres._LEAST_STRIDE", stride)
        self.limit, self.lossless = limit, lossless
        self.tailer = Tailer(self.sessions, All(), limit=limit, lossless=lossless)
        self.followed.take(self.loop.run_until_complete(self.tailer.begin()))
        if not self.writers[0].lite:
            self.insert(writer=0, earlier=[0, 0])

    @rule(writer=st.integers(0, _WRITERS - 1), earlier=st.lists(st.integers(0, 50), min_size=1, max_size=8))
    def insert(self, writer: int, earlier: list[int]) -> None:
        if self.writers[0].lite and self.open:
            (writer,) = self.open  # SQLite's writers take turns
        if writer not in self.open:
            self.writers[writer].begin()
            self.open[writer] = [[]]
        times = [next(self.clock) - each for each in earlier]
        self.open[writer][-1] += self.writers[writer].insert(*times)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), end=st.sampled_from(("COMMIT", "COMMIT", "ROLLBACK")), at_once=st.booleans())
    def end(self, data: st.DataObject, end: str, at_once: bool) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        self.writers[writer].execute(end)
        inserted = self.open.pop(writer)
        if end == "COMMIT":
            self.new |= {place.id: place for part in inserted for place in part}
        if at_once:
            self.poll()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), back=st.booleans())
    def savepoint(self, data: st.DataObject, back: bool) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        parts = self.open[writer]
        if not back:
            self.writers[writer].execute(f"SAVEPOINT s{len(parts)}")
            parts.append([])
        elif len(parts) > 1:
            parts.pop()
            self.writers[writer].execute(f"ROLLBACK TO SAVEPOINT s{len(parts)}")

    @precondition(lambda self: self.reading_url.startswith("postgres"))
    @rule(count=st.sampled_from((1, 20, 100, 300)))
    def others(self, count: int) -> None:
        """Numbers are given to transactions that have nothing to do with the table."""
        self.elsewhere.execute(
            f"DO $$ BEGIN FOR each IN 1..{count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )

    @rule()
    def poll(self) -> None:
        expected = sorted(self.new.values())
        before = len(self.followed.seen)
        batch = self.loop.run_until_complete(self.tailer.poll())
        self.followed.take(batch)
        came = set(self.followed.seen[before:])
        if self.lossless:
            assert came <= set(self.new)
            assert len(came) == min(len(expected), self.limit)
            assert self.tailer.more == (len(expected) > self.limit)
            self.new = {id_: place for id_, place in self.new.items() if id_ not in came}
        else:
            assert came == ids_of(expected[-self.limit :])
            assert (batch.skipped if batch else 0) == max(0, len(expected) - self.limit)
            self.new = {}
        assert batch is None or batch.notice is None

    @rule(limit=limits, lossless=st.booleans())
    def resume(self, limit: int, lossless: bool) -> None:
        self.loop.run_until_complete(self.tailer.aclose())
        self.limit, self.lossless = limit, lossless
        self.tailer = Tailer(self.sessions, All(), after=self.followed.token, limit=limit, lossless=lossless)
        self.followed.take(self.loop.run_until_complete(self.tailer.begin()))

    @rule()
    def connection_lost(self) -> None:
        if not self.followed.skipped:  # else they may be new once more
            self.tailer._source.lost()

    def teardown(self) -> None:
        for writer in self.open:
            self.writers[writer].execute("ROLLBACK")
        self.loop.run_until_complete(self.tailer.aclose())
        self.loop.run_until_complete(self.sessions.aclose())
        self.loop.close()


@pytest.mark.parametrize("database_url", ENGINES, indirect=True)
@pytest.mark.slow
@pytest.mark.hypothesis  # no decorator of Hypothesis's says so here, and `nox -s long` goes by it
@pytest.mark.timeout(600)  # the long profile
def test_every_schedule_gives_each_row_once(database_url: str, reading_url: str) -> None:
    """Whatever begins, rolls back, commits and polls in whichever order: a poll yields what is new, and all of it."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(Writing(database_url)) for _ in range(_WRITERS)]
        elsewhere = stack.enter_context(Writing(database_url))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        given = {"reading_url": reading_url, "writers": writers, "elsewhere": elsewhere, "patch": patch}
        share = settings(max_examples=settings().max_examples // 2, stateful_step_count=40)
        run_state_machine_as_test(type("Schedule", (Schedule,), given), settings=share)
