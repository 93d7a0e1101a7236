"""The rollup under any schedule of writers, deletions and refreshes: what it answers is what counting entries gives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from dblog.admin import rollup
from dblog.admin.connection import AdminConnection
from dblog.entry import LogEntry
from dblog.levels import band_of
from dblog.query import parse
from dblog.reader import LogReader
from dblog.reading import rollup as answering
from tests.administered import DAY, SECOND, entry, fill, now
from tests.oracle import examples
from tests.tail_tools import time_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
START = now() // DAY * DAY - HOUR
"""Yesterday's last hour and today's first ones: two partitions."""
_WRITERS = 2
moments = st.builds(
    lambda hour, place: START + hour * HOUR + place,
    st.integers(0, 3),
    st.sampled_from((0, 1, MINUTE - 1, MINUTE, 7 * MINUTE + 3, HOUR - 1)),
)
services = st.sampled_from((None, "", "api", "Api", "é"))
severities = st.sampled_from((1, 9, 12, 13, 17, 24))
rows = st.lists(st.tuples(moments, severities, services), min_size=1, max_size=8)
QUERIES = (
    "", "service:api", "-service:api", "has(service)", 'service=""', "service:é*", "level>=warning", "level:error",
    "severity<13 or service:api", "not (service:a* level>=error)", "service!=api", "severity:9", "service>b",
)  # fmt: skip
NAMES = "timestamp, id, level, severity, logger, message, service"


class Writing:
    """A connection that writes with SQL of its own, in autocommit until it begins."""

    def __init__(self, url: str) -> None:
        self.lite = url.startswith("sqlite")
        self._connection: Any = (
            sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            if self.lite
            else psycopg.connect(url, autocommit=True)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def roll_back(self) -> None:
        self._connection.rollback()

    def execute(self, statement: str, *values: object) -> None:
        self._connection.execute(statement if self.lite else statement.replace("?", "%s"), values)

    def moment(self, micros: int) -> str:
        return str(micros) if self.lite else f"timestamptz '{time_of(micros)}'"

    def insert(self, entries: Sequence[LogEntry]) -> None:
        for each in entries:
            assert each.id is not None
            key = each.id.bytes if self.lite else each.id
            fields = (each.level, each.severity, each.logger, each.message, each.service)
            moment = self.moment(each.timestamp)
            self.execute(f"INSERT INTO logs ({NAMES}) VALUES ({moment}, ?, ?, ?, ?, ?, ?)", key, *fields)


class Counted(RuleBasedStateMachine):
    """Writers, somebody who deletes, somebody who counts, and the entries that are committed."""

    database_url = reading_url = ""
    writers: ClassVar[list[Writing]] = []
    deleter: ClassVar[Writing]
    admin: ClassVar[AdminConnection]
    loop: ClassVar[asyncio.AbstractEventLoop]
    reader: ClassVar[LogReader]
    patch: ClassVar[pytest.MonkeyPatch]

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[UUID, LogEntry] = {}
        self.open: dict[int, list[LogEntry]] = {}
        self.going: set[UUID] | None = None
        """What an open transaction has deleted."""
        self.numbers = itertools.count(1)
        self.deleter.execute("DELETE FROM logs" if self.deleter.lite else "TRUNCATE logs")
        rollup.reset(self.admin)

    @property
    def alone(self) -> bool:
        """SQLite's writers take turns."""
        return not self.deleter.lite or not (self.open or self.going is not None)

    @initialize(made=rows, size=st.sampled_from((1, 3, 256)), few=st.sampled_from((0, 20_000)))
    def start(self, made: list[tuple[int, int, str | None]], size: int, few: int) -> None:
        self.patch.setattr("dblog.admin.rollup_counting._FIRST", {"sqlite": size, "postgresql": size})
        self.patch.setattr("dblog.reading.rollup_state._FEW", few)
        self.insert(0, made, at_once=True)
        self.refresh(4)

    @rule(writer=st.integers(0, _WRITERS - 1), made=rows, at_once=st.booleans())
    def insert(self, writer: int, made: list[tuple[int, int, str | None]], at_once: bool) -> None:
        if self.deleter.lite:
            if self.going is not None:
                return
            writer = next(iter(self.open), writer)
        if writer not in self.open:
            self.writers[writer].execute("BEGIN")
            self.open[writer] = []
        entries = [
            LogEntry.now("m", logger="l", level="L")._replace(
                timestamp=moment, id=UUID(int=next(self.numbers)), severity=severity, service=service
            )
            for moment, severity, service in made
        ]
        self.writers[writer].insert(entries)
        self.open[writer] += entries
        if at_once:
            self.finish(writer, "COMMIT")

    @precondition(lambda self: self.open)
    @rule(data=st.data(), end=st.sampled_from(("COMMIT", "COMMIT", "ROLLBACK")))
    def end(self, data: st.DataObject, end: str) -> None:
        self.finish(data.draw(st.sampled_from(sorted(self.open))), end)

    def finish(self, writer: int, end: str) -> None:
        self.writers[writer].execute(end)
        entries = self.open.pop(writer)
        if end == "COMMIT":
            self.there |= {each.id: each for each in entries if each.id is not None}

    @precondition(lambda self: self.alone and self.going is None)
    @rule(before=moments, most=severities, at_once=st.booleans())
    def delete(self, before: int, most: int, at_once: bool) -> None:
        self.deleter.execute("BEGIN")
        moment = self.deleter.moment(before)
        self.deleter.execute(f"DELETE FROM logs WHERE timestamp < {moment} AND severity <= {most}")
        self.going = {key for key, each in self.there.items() if each.timestamp < before and each.severity <= most}
        if at_once or self.deleter.lite:
            self.settle("COMMIT")

    @precondition(lambda self: self.going is not None)
    @rule(end=st.sampled_from(("COMMIT", "ROLLBACK")))
    def settle(self, end: str) -> None:
        assert self.going is not None
        self.deleter.execute(end)
        if end == "COMMIT":
            self.there = {key: each for key, each in self.there.items() if key not in self.going}
        self.going = None

    @precondition(lambda self: self.alone and self.going is None)
    @rule(old=services, new=services, later=st.sampled_from((0, 1, MINUTE)))
    def change(self, old: str | None, new: str | None, later: int) -> None:
        """By hand, which a row of retention is, too."""
        same = "service IS NULL" if old is None else f"service = '{old}'"
        moment = f"timestamp + {later}" if self.deleter.lite else f"timestamp + {later} * interval '1 microsecond'"
        self.deleter.execute(f"UPDATE logs SET service = ?, timestamp = {moment} WHERE {same}", new)
        self.there = {
            key: each._replace(service=new, timestamp=each.timestamp + later) if each.service == old else each
            for key, each in self.there.items()
        }

    @precondition(lambda self: self.alone)
    @rule(steps=st.integers(1, 4))
    def refresh(self, steps: int) -> None:
        done = rollup.refresh(self.admin, budget=0, sleep=lambda _: None)
        for _ in range(steps - 1):
            done = rollup.refresh(self.admin, budget=0, sleep=lambda _: None)
        assert done.complete or self.going is not None or done.entries >= 0

    @precondition(lambda self: not self.deleter.lite and self.going is None)
    @rule(before=st.sampled_from((START, START + MINUTE, START + HOUR)))
    def release(self, before: int) -> None:
        rollup.release(self.admin, before)

    @precondition(lambda self: self.alone and self.going is None)
    @rule()
    def reset(self) -> None:
        rollup.reset(self.admin)

    @rule(query=st.sampled_from(QUERIES), since=st.none() | moments, until=st.none() | moments)
    def count(self, query: str, since: int | None, until: int | None) -> None:
        text = query if not query or (since, until) == (None, None) else f"({query})"
        text += "" if since is None else f" timestamp>={iso(since)}"
        text += "" if until is None else f" timestamp<{iso(until)}"
        found = self.loop.run_until_complete(self.reader.count(text))
        holds = parse(text).predicate()
        assert found == (sum(map(holds, self.there.values())), True), text

    @rule(query=st.sampled_from(QUERIES), since=moments, until=moments, bucket=st.sampled_from((7, 60, 90, 3600, 7200)))
    def histogram(self, query: str, since: int, until: int, bucket: int) -> None:
        since, until = sorted((since, until))
        found = self.loop.run_until_complete(self.reader.histogram(query, bucket=bucket, since=since, until=until))
        holds, width = parse(query).predicate(), bucket * SECOND
        expected = Counter(
            (each.timestamp // width * width, band_of(each.severity))
            for each in self.there.values()
            if since <= each.timestamp <= until and holds(each)
        )
        told = {(each.start, band): n for each in found.buckets for band, n in enumerate(each.counts) if n}
        assert told == expected

    def teardown(self) -> None:
        for each in (*self.writers, self.deleter):
            each.roll_back()


def iso(micros: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // SECOND)) + f".{micros % SECOND:06d}Z"


@pytest.mark.slow
@pytest.mark.hypothesis  # no decorator of Hypothesis's says so here, and `nox -s long` goes by it
@pytest.mark.timeout(1200)  # the long profile
def test_the_rollup_answers_what_counting_gives(database_url: str, reading_url: str) -> None:
    """Whatever is written late, rolled back, deleted, changed and counted in whichever order, at every moment."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(Writing(database_url)) for _ in range(_WRITERS)]
        deleter, admin = stack.enter_context(Writing(database_url)), stack.enter_context(AdminConnection(database_url))
        if not deleter.lite:
            deleter.execute("SELECT dblog_ensure_day(current_date - 1)")
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("dblog.admin.rollup_counting._PATIENCE", 0.01)
        answers: list[object] = []
        patch.setattr(answering, "_answer", told(answering._answer, answers))
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        reader = LogReader(reading_url)
        stack.callback(lambda: loop.run_until_complete(reader.aclose()))
        given = {"writers": writers, "deleter": deleter, "admin": admin, "patch": patch, "loop": loop, "reader": reader}
        share = settings(examples(6), stateful_step_count=30)
        run_state_machine_as_test(type("Counted", (Counted,), given), settings=share)
        rollup.refresh(admin, budget=60.0)
        fill(database_url, [entry(1)])  # with nothing there, nobody asks
        loop.run_until_complete(reader.histogram("", since=now() - DAY, until=now()))
        assert any(answer is not None for answer in answers), "the rollup was never asked"


def told(method: Any, answers: list[object]) -> Any:
    async def call(*arguments: Any, **options: Any) -> Any:
        answers.append(await method(*arguments, **options))
        return answers[-1]

    return call
