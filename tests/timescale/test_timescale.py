"""On TimescaleDB nothing is different but who makes the days, held by a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import migrate
from dblog.admin import timescale
from dblog.admin.connection import AdminConnection
from dblog.admin.doctor import Place, examine
from dblog.admin.maintaining import maintain, preview
from dblog.admin.pruning import Rule, rules_of
from dblog.errors import ConfigurationError
from dblog.grants import grants
from dblog.reader import LogReader
from tests.administered import DAY, entry, everything, fill, now
from tests.oracle import Load, exactly_once, examples, execute, logging_to, rows, until
from tests.postgres import External, role

if TYPE_CHECKING:
    from dblog.entry import LogEntry

pytestmark = pytest.mark.timescale

LEVELS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17}


def aged(number: int, age: float, level: str = "INFO") -> LogEntry:
    return entry(number, now() - int(age * DAY), level=level, severity=LEVELS[level], lineno=number)


def left(url: str) -> set[int | None]:
    return {each.lineno for each in everything(url) if each.logger == "shop"}


def convert(url: str) -> int | None:
    with AdminConnection(url) as connection:
        return timescale.convert(connection, 60.0)


@pytest.fixture
def hyper_url(timescale_url: str) -> str:
    """A database whose ``logs`` is a hypertable."""
    convert(timescale_url)
    return timescale_url


def test_a_conversion_changes_nothing_else(timescale_url: str, timescale_server: External) -> None:
    """Rows, their transactions, columns, indexes, triggers, owner and privileges are what they were; once is enough."""
    fill(timescale_url, [aged(number, number) for number in range(20)])
    with role(timescale_server, timescale_url) as writer:
        execute(timescale_url, grants(writer=writer.name, reader=writer.name))
        before = _described(timescale_url)
        assert convert(timescale_url) == 20
        assert _described(timescale_url) == before
    assert convert(timescale_url) is None
    assert migrate.check(timescale_url).ok
    migrate.downgrade(timescale_url)
    assert rows(timescale_url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'log%'") == [(0,)]


def _described(url: str) -> list[list[tuple[Any, ...]]]:
    table = "'logs'::regclass"
    return [
        rows(url, f"SELECT {asked}")
        for asked in (
            "logs::text FROM logs ORDER BY timestamp, id",
            f"attname, atttypid, attnotnull, attacl::text FROM pg_attribute WHERE attrelid = {table} AND attnum > 0",
            f"replace(pg_get_indexdef(indexrelid), 'ON ONLY', 'ON') FROM pg_index WHERE indrelid = {table} ORDER BY 1",
            f"pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = {table} AND tgname LIKE 'dblog%' ORDER BY 1",
            f"conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = {table} AND contype = 'p'",
            f"relowner FROM pg_class WHERE oid = {table}",
            f"acl::text FROM pg_class, unnest(relacl) acl WHERE oid = {table} ORDER BY 1",
            "proacl::text, proowner FROM pg_proc WHERE proname = 'dblog_ensure_day'",
            "token, floor FROM log_rollup_state",
        )
    ]


def test_maintain_against_a_model(hyper_url: str) -> None:
    """Of any entries and ages: what is too old goes, days as chunks, as foreseen and counted; again, nothing."""
    batches = st.lists(st.tuples(st.floats(0.01, 60), st.sampled_from(sorted(LEVELS))), max_size=20)
    policies = st.dictionaries(st.sampled_from(sorted(LEVELS)), st.integers(1, 40), max_size=4)

    @examples(10)
    @given(batches, st.none() | st.integers(1, 40), policies)
    def holds(batch: list[tuple[float, str]], older: int | None, policy: dict[str, int]) -> None:
        execute(hyper_url, "DELETE FROM logs")
        made = [aged(number, age, level) for number, (age, level) in enumerate(batch)]
        outcome = fill(hyper_url, made)
        assert (outcome.stored, outcome.refused) == (len(made), [])
        age = None if older is None else f"{older}d"
        keep = [f"{level}={age}d" for level, age in policy.items()]
        rules = rules_of(age, None, keep, now()) if older or policy else []
        goes = {each.lineno for each in made if any(_named(rule, each) for rule in rules)}
        with AdminConnection(hyper_url) as connection:
            foreseen, done = preview(connection, rules), maintain(connection, rules)
            again = maintain(connection, rules)
            there = [each.end for each in timescale.whole_days(connection)]
        assert left(hyper_url) == {each.lineno for each in made} - goes
        assert (foreseen.made, foreseen.pruned.rows, foreseen.pruned.days) == ([], len(goes), done.pruned.days)
        assert (done.pruned.rows, again.pruned.rows, again.pruned.days) == (len(goes), 0, [])
        assert not [end for end in there if older is not None and end <= min(rule.before for rule in rules)]
        found = rows(hyper_url, "SELECT metadata FROM logs WHERE logger = 'dblog.audit'")
        assert [each["count"] for (each,) in found] == ([len(goes)] if goes or done.pruned.days else [])

    holds()


def _named(rule: Rule, each: LogEntry) -> bool:
    return each.timestamp < rule.before and rule.lowest <= each.severity <= rule.highest


def test_a_writer_and_a_tail_live_through_it(hyper_url: str) -> None:
    """While thirty days go, a writer of the least privilege stores each record once, a tail shows each once, and no
    lock is waited for longer than 100 ms; also while a transaction is open that has read the table.
    """
    fill(hyper_url, [aged(number, 1 + number % 30) for number in range(600)])
    waited, stop = [0.0], threading.Event()

    def look() -> None:
        sql = (
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float FROM pg_locks"
            " JOIN pg_stat_activity USING (pid) WHERE NOT granted AND query LIKE 'COPY%'"
        )
        with psycopg.connect(hyper_url, autocommit=True) as connection:
            while not stop.wait(0.001):
                found = connection.execute(sql).fetchone()
                waited.append(found[0] if found else 0.0)

    watch = threading.Thread(target=look)
    watch.start()
    with psycopg.connect(hyper_url) as old, logging_to(hyper_url) as (logger, handler):
        logger.info("first")
        assert handler.flush(10)
        token = asyncio.run(_tailed(hyper_url, None))[1]
        old.execute("SELECT count(*) FROM logs")
        with Load(logger) as load, AdminConnection(hyper_url) as connection:
            held = maintain(connection, [Rule(now() - 2 * DAY)], patience=0.3)
            old.rollback()
            done = maintain(connection, [Rule(now() - 2 * DAY)])
            count = load.count
            until(lambda: load.count > count + 20)
        assert handler.flush(10)
        stats = handler.stats()
    stop.set()
    watch.join(10)
    assert (stats.stored, stats.dropped, stats.failed) == (stats.emitted, 0, 0)
    assert held.pruned.waiting
    assert (len(held.pruned.days) + len(done.pruned.days), done.pruned.waiting) == (28, [])
    seen = asyncio.run(_tailed(hyper_url, token))[0]
    assert sorted(seen) == list(range(2, stats.emitted + 1))
    assert max(waited) <= 0.1
    execute(hyper_url, "DELETE FROM logs WHERE logger = 'shop'")
    exactly_once(hyper_url, handler)


async def _tailed(url: str, token: str | None) -> tuple[list[int], str | None]:
    """The writer's numbers that are new since a token, and the next one."""
    seen: list[int] = []
    async with LogReader(url) as reader:
        async for batch in reader.tail("logger!=shop logger!=dblog.audit", after=token, follow=False, lossless=True):
            seen += [each.seq for each in batch if each.seq is not None]
            token = batch.token
    return seen, token


def test_a_tail_goes_on_over_a_conversion(timescale_url: str) -> None:
    """A token from before it names what is new since, and nothing that was moved."""
    with logging_to(timescale_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10)
        token = asyncio.run(_tailed(timescale_url, None))[1]
        logger.info("between")
        assert handler.flush(10)
        convert(timescale_url)
        logger.info("after")
        assert handler.flush(10)
    assert asyncio.run(_tailed(timescale_url, token))[0] == [2, 3]


def test_the_least_privileged_writer_and_days_of_any_time(hyper_url: str, timescale_server: External) -> None:
    """A writer's role needs no more than without TimescaleDB; an import makes chunks for days of any time."""
    with role(timescale_server, hyper_url) as writer:
        execute(hyper_url, grants(writer=writer.name))
        with logging_to(writer.url) as (logger, handler):
            logger.info("stored")
            assert handler.flush(10)
            assert (handler.stats().stored, handler.stats().failed) == (1, 0)
    assert fill(hyper_url, [aged(1, 4000), aged(2, 400)]).refused == []
    assert rows(hyper_url, "SELECT dblog_ensure_day(current_date), dblog_ensure_day(current_date - 40)") == [
        (True, False)
    ]


def test_the_doctor_knows_a_hypertable(hyper_url: str) -> None:
    """It is no table whose partitions are missing."""
    fill(hyper_url, [aged(1, 1)])
    said = {finding.what: str(finding.status) for finding in examine(Place(hyper_url, lambda: hyper_url, "test"))}
    assert said["logs is a hypertable of 1 chunks: days are made by their rows"] == "ok"


def test_counts_stay_exact(hyper_url: str) -> None:
    """What is deleted from a hypertable is taken out of the rollup, chunks are no longer answered for."""
    fill(hyper_url, [aged(number, number % 6 + 0.5, "DEBUG" if number % 2 else "ERROR") for number in range(60)])
    with AdminConnection(hyper_url) as connection:
        assert maintain(connection, []).counted == 60
        maintain(connection, rules_of("4d", None, ["debug=1d"], now()))
    counted = "SELECT severity, sum(entries)::int FROM log_rollup WHERE width = 60 GROUP BY 1 ORDER BY 1"
    stored = "SELECT severity, count(*)::int FROM logs WHERE logger = 'shop' GROUP BY 1 ORDER BY 1"
    floor = "AND timestamp >= (SELECT coalesce(floor, '-infinity') FROM log_rollup_state) GROUP BY 1"
    found = {severity: count for severity, count in rows(hyper_url, counted) if count}
    assert found == dict(rows(hyper_url, stored.replace("GROUP BY 1", floor)))


def test_compression_takes_the_licence(hyper_url: str) -> None:
    """Under another one it is refused, by the licence's name, before anything is changed."""
    licence = rows(hyper_url, "SHOW timescaledb.license")[0][0]
    with AdminConnection(hyper_url) as connection:
        if licence == "timescale":
            timescale.compress(connection, 86_400)
            timescale.compress(connection, 86_400)
            jobs = "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'logs'"
            assert connection.value(jobs) == 1
        else:
            with pytest.raises(ConfigurationError, match=f"has the licence {licence}"):
                timescale.compress(connection, 86_400)


def test_what_is_no_hypertable_is_not_compressed(timescale_url: str) -> None:
    """It says how it becomes one."""
    with AdminConnection(timescale_url) as connection, pytest.raises(ConfigurationError, match="--hypertable"):
        timescale.compress(connection, 86_400)


def test_a_day_without_rows_is_not_taken_for_a_dropped_one(hyper_url: str) -> None:
    """Only days before the first chunk count as dropped where a number is missing."""
    from dblog.admin.evidence import Evidence

    fill(hyper_url, [aged(1, 9), aged(2, 1)])
    with AdminConnection(hyper_url) as connection, connection.snapshot():
        evidence = Evidence(connection)
        days = evidence._days
    today = dt.datetime.now(dt.UTC).date().toordinal()
    assert days is not None
    assert set(range(today - 8, today + 1)) <= set(days)
    assert min(days) >= today - 10
