"""What is thought of writers, how fast they are, and what of it can be had."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import migrate
from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError, StoreError
from dblog_tui.source import Source
from dblog_tui.source.administering import examine, retry
from dblog_tui.source.health import BAD, GONE, HEEDED, WELL, Health, judge, pulse, pulse_of
from tests.administered import DAY, SECOND, entry, fill, now
from tests.buried import bury, letter, remaining
from tests.oracle import execute, rows
from tests.tui.driving import driving
from tests.tui.writers import instance, instances, report

if TYPE_CHECKING:
    from dblog.reading.values import Instance


@given(st.lists(instances, max_size=8), st.integers(0, 4_000_000_000_000_000))
def test_every_writer_is_judged_once(found: list[Instance], moment: int) -> None:
    """The worst come first; the word for all is that of the worst, and ok only where nobody is worse."""
    judged = judge(found, moment)
    assert sorted(each.said.instance_id for each in judged) == sorted(each.instance_id for each in found)
    assert [each.grade for each in judged] == sorted((each.grade for each in judged), reverse=True)
    beat = pulse_of(judged)
    alive = [each for each in judged if each.grade != GONE]
    assert beat.total == len(alive)
    assert beat.bad == any(each.grade > WELL for each in alive)
    if beat.bad:
        worst = [each for each in alive if each.grade == alive[0].grade]
        assert beat.count == sum(each.word == beat.word for each in worst) > 0
    assert judge(list(reversed(found)), moment) == judged or len({each.last_seen for each in found}) < len(found)


def test_a_writer_that_is_down_is_gone_once_it_was_replaced() -> None:
    """One that began afterwards, of the same service, replaces one; a day later nobody asks."""
    moment = now()
    down = [instance(n, state="DOWN", last_seen=moment - n * 60 * SECOND) for n in (1, 2)]
    words = [each.word for each in judge(down, moment)]
    assert words == ["DOWN", "DOWN"]
    heir = instance(9, started_at=moment - 30 * SECOND)
    judged = judge([*down, heir], moment)
    assert [(each.word, each.grade) for each in judged] == [("DOWN", BAD), ("ok", WELL), ("gone", GONE)]
    assert str(pulse_of(judged)) == "writer 1 DOWN"
    other = replace(heir, service="worker")
    assert [each.word for each in judge([*down, other], moment)] == ["DOWN", "DOWN", "ok"]
    before = replace(heir, started_at=moment - 3600 * SECOND)
    assert [each.word for each in judge([*down, before], moment)] == ["DOWN", "DOWN", "ok"]
    assert [each.word for each in judge(down, moment + DAY + 3600 * SECOND)] == ["gone", "gone"]


@pytest.mark.parametrize(
    ("fields", "word", "grade"),
    [
        ({}, "ok", WELL), ({"lag": 9.0}, "SLOW", HEEDED), ({"lag": None}, "ok", WELL),
        ({"state": "BLOCKED"}, "BLOCKED", BAD), ({"state": "RETRY"}, "RETRY", HEEDED),
        ({"state": "CLOSED"}, "closed", GONE), ({"state": "something new"}, "something new", HEEDED),
    ],
)  # fmt: skip
def test_states_have_words(fields: dict[str, Any], word: str, grade: int) -> None:
    """A running writer whose records take long is slow; a state nobody knows is worth a look."""
    (judged,) = judge([instance(1, **fields)], now())
    assert (judged.word, judged.grade) == (word, grade)
    assert judged.troubled == (grade >= HEEDED)


class Reports:
    """A reader that says what the test wants it to say."""

    def __init__(self) -> None:
        self.found: tuple[Instance, ...] = ()

    @property
    def reader(self) -> Reports:
        return self

    async def instances(self, *, limit: int) -> tuple[Instance, ...]:
        assert limit >= len(self.found)
        return self.found


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10**6)), min_size=1, max_size=5))
async def test_rates_are_differences_of_reports(steps: list[tuple[int, int]]) -> None:
    """Between the last two reports of a writer, however often one looked at each of them; none before there are two."""
    source: Any = Reports()
    health = Health(source)
    at, emitted, expected = now() - 3600 * SECOND, 0, None
    source.found = (instance(1, last_seen=at, emitted=0, stored=0),)
    for seconds, more in steps:
        for _ in range(2):
            (writer,) = await health._writers()
            assert (writer.emitted_rate, writer.stored_rate) == (expected, expected)
        at, emitted, expected = at + seconds * SECOND, emitted + more, more / seconds
        source.found = (instance(1, last_seen=at, emitted=emitted, stored=emitted),)
    (writer,) = await health._writers()
    assert writer.emitted_rate == expected
    source.found = (replace(source.found[0], state="DOWN"),)
    assert (await health._writers())[0].emitted_rate is None


async def test_nobody_is_said_to_be_gone_who_may_just_begin(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the newest entry is of this moment, that no writer has reported says nothing; of a minute ago, it does."""
    looks, moment = [], now()
    monkeypatch.setattr("dblog_tui.source.health._now", lambda: moment)
    for number, age in enumerate((60, 1)):
        fill(sqlite_url, [entry(number, moment - age * SECOND)])
        source = Source(Database(sqlite_url))
        found = await pulse(source)
        looks.append((str(found), found.bad, found.beginning))
        await source.close()
    assert looks == [("no writer", False, False), ("no writer", False, True)]
    async with driving(sqlite_url) as driver:
        assert driver.lines[0].endswith("read-only  \u2026")
        report(sqlite_url, 1)
        await driver.until(lambda: driver.lines[0].endswith("read-only  writer ok (1/1)"))


async def test_one_look_at_a_database(database_url: str, reading_url: str) -> None:
    """Writers, refused rows and the table, as the role that may only select."""
    fill(database_url, [entry(number) for number in range(20)])
    bury(database_url, letter(1))
    report(database_url, 1)
    report(database_url, 2, seen=60, queued=3)
    source = Source(Database(reading_url))
    try:
        assert str(await pulse(source)) == "writer 1 DOWN"
        health = Health(source)
        vitals = await health.look()
        assert vitals.missing == {}
        assert vitals.writers
        assert [each.word for each in vitals.writers] == ["DOWN", "ok"]
        assert vitals.letters
        assert vitals.table
        assert vitals.table.access.read_only
        assert vitals.table.layout.revision == migrate.check(database_url).head
        bury(database_url, letter(2))
        again = await health.look()
        assert again.letters
        assert len(again.letters) == 2
        assert again.table is vitals.table
        assert (await health.look(anew=True)).table is not vitals.table
    finally:
        await source.close()


async def test_a_role_that_may_not_see_everything_sees_the_rest(postgres_url: str, reader_postgres_url: str) -> None:
    """What it may not see is missing with a sentence, and nothing fails for it."""
    role = reader_postgres_url.partition("//")[2].partition(":")[0]
    execute(postgres_url, f"REVOKE SELECT ON log_dead_letters FROM {role}")
    source = Source(Database(reader_postgres_url))
    try:
        vitals = await Health(source).look()
    finally:
        await source.close()
    assert vitals.writers == ()
    assert vitals.letters is None
    assert "log_dead_letters" in vitals.missing["letters"] or "42501" in vitals.missing["letters"]
    assert vitals.table is not None


async def test_without_a_database_there_is_nothing_to_look_at() -> None:
    """An error with a sentence, not an empty look."""
    source = Source(Database("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(StoreError, match="is it running"):
        await Health(source).look()
    await source.close()


async def test_letters_are_stored_again_by_the_administrator(database_url: str, reading_url: str) -> None:
    """One of them, then the rest; what cannot be an entry is kept, and why is told."""
    bury(database_url, letter(1), letter(2), letter(3)._replace(payload="[]"))
    source = Source(Database(reading_url))
    done = await retry(source, database_url, [letter(1).id])
    assert (done.stored, done.present, done.kept) == (1, 0, ())
    assert rows(database_url, "SELECT count(*) FROM logs") == [(1,)]
    rest = await retry(source, database_url, None)
    assert (rest.stored, [identity for identity, _ in rest.kept]) == (1, [letter(3).id])
    assert len(remaining(database_url)) == 1
    with pytest.raises(ConfigurationError, match="no dead letter"):
        await retry(source, database_url, [letter(1).id])


async def test_a_role_that_may_only_read_stores_nothing(postgres_url: str, reader_postgres_url: str) -> None:
    """The administrator's URL was the reader's: an error with a sentence, and the letter is still there."""
    bury(postgres_url, letter(1))
    with pytest.raises(StoreError):
        await retry(Source(Database(reader_postgres_url)), reader_postgres_url, None)
    assert len(remaining(postgres_url)) == 1


async def test_the_doctor_is_heard_finding_by_finding(sqlite_url: str) -> None:
    """As ``dblog doctor`` says them; one may stop listening at any time."""
    source = Source(Database(sqlite_url), name="here")
    found = [finding async for finding in examine(source)]
    assert any("from here" in finding.what for finding in found)
    assert any("at head" in finding.what for finding in found)
    findings = examine(source)
    await anext(findings)
    await findings.aclose()


async def test_a_file_that_is_no_database_is_examined_all_the_same(sqlite_url: str) -> None:
    """Findings, not an exception."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file, file:
        file.execute("DROP TABLE log_instances")
    found = [finding async for finding in examine(Source(Database(sqlite_url)))]
    assert any(finding.status == "fail" and "log_instances" in finding.what for finding in found)
