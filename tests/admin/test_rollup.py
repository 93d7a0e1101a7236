"""``log_rollup``: who fills it, who may read it, and what happens where it cannot be trusted."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dblog import migrate
from dblog.admin import rollup
from dblog.admin.connection import AdminConnection
from dblog.admin.dropping import Dropping
from dblog.admin.partitions import partitions
from dblog.errors import StoreError
from dblog.grants import grants
from dblog.reading import rollup as answering
from dblog.reading import rollup_state
from tests.administered import DAY, SECOND, ask, entry, fill, now
from tests.oracle import execute, logging_to, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.rollup import Refreshed
    from dblog.entry import LogEntry
    from dblog.reader import LogReader
    from dblog.reading.values import Histogram
    from tests.postgres import Role

COUNTED = "SELECT coalesce(sum(entries), 0) FROM log_rollup WHERE width = 60"


def spread(number: int, **fields: Any) -> LogEntry:
    """An entry of today, eleven minutes from its neighbours."""
    return entry(number, now() // DAY * DAY + number * 660 * SECOND, **fields)


def refresh(url: str, **options: Any) -> Refreshed:
    with AdminConnection(url) as connection:
        return rollup.refresh(connection, **options)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the rollup gave the answer, each time it was asked."""
    told: list[bool] = []
    real = answering._answer

    async def answer(*arguments: Any, **options: Any) -> Any:
        found = await real(*arguments, **options)
        told.append(found is not None)
        return found

    monkeypatch.setattr(answering, "_answer", answer)
    return told


def count(url: str, query: str = "") -> int:
    async def asked(reader: LogReader) -> int:
        return (await reader.count(query)).value

    return ask(url, asked)


def histogram(url: str, query: str = "") -> Histogram:
    async def asked(reader: LogReader) -> Histogram:
        return await reader.histogram(query, bucket=3600)

    return ask(url, asked)


def total(found: Histogram) -> int:
    return sum(bucket.total for bucket in found.buckets)


def test_it_answers_for_a_reader(database_url: str, reading_url: str, answers: list[bool]) -> None:
    """With what is counted and what is not yet; at first, and for other queries, entries are counted."""
    fill(database_url, [spread(number, service="api" if number % 2 else None) for number in range(20)])
    assert (count(reading_url), total(histogram(reading_url)), answers) == (20, 20, [False, False])
    assert refresh(database_url) == rollup.Refreshed(20, complete=True)
    fill(database_url, [spread(number) for number in range(20, 25)])
    assert (count(reading_url), total(histogram(reading_url))) == (25, 25)
    assert (count(reading_url, "service:api level:info"), count(reading_url, "-has(service)")) == (10, 10)
    assert answers[2:] == [True] * 4
    assert count(reading_url, "order service:api") == 10
    assert len(answers) == 6


def test_it_counts_in_steps_within_a_budget(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is done even without time, the next run goes on from there, and meanwhile the answer is exact as well."""
    monkeypatch.setattr("dblog.admin.rollup_counting._FIRST", {"sqlite": 2, "postgresql": 1})
    for number in range(6):
        fill(database_url, [entry(number)])
    first = refresh(database_url, budget=0)
    assert not first.complete
    assert first.entries < 6
    assert count(database_url) == 6
    told: list[int] = []
    assert refresh(database_url, report=told.append).complete
    assert told[-1] + first.entries == 6
    assert rows(database_url, COUNTED) == [(6,)]


@pytest.mark.slow
def test_many_count_while_many_write_and_some_delete(database_url: str) -> None:
    """Every entry is counted once, and what was deleted not at all, whoever counts, stores and deletes at once."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def again(work: Callable[[AdminConnection], object]) -> None:
        try:
            with AdminConnection(database_url) as connection:
                while not stop.is_set():
                    work(connection)
        except BaseException as error:
            failed.append(error)

    def delete(connection: AdminConnection) -> None:
        with connection.transaction():
            connection.run(f"DELETE FROM {connection.logs} WHERE message LIKE '%7'")

    workers = [threading.Thread(target=again, args=(work,)) for work in (rollup.refresh, rollup.refresh, delete)]
    with logging_to(database_url) as (one, first), logging_to(database_url) as (other, second):
        for worker in workers:
            worker.start()
        for number in range(1500):
            (one if number % 2 else other).log(20 + number % 3 * 10, "record %d", number)
        assert first.flush(20)
        assert second.flush(20)
        stop.set()
        for worker in workers:
            worker.join()
    assert failed == []
    assert refresh(database_url).complete
    plain = "SELECT severity, service, count(*) FROM logs GROUP BY 1, 2"
    counted = (
        "SELECT severity, service, sum(entries) FROM log_rollup WHERE width = {} GROUP BY 1, 2 HAVING sum(entries) > 0"
    )
    for width in (60, 3600):
        assert sorted(rows(database_url, counted.format(width))) == sorted(rows(database_url, plain))


def test_days_that_go(postgres_url: str, reader_postgres_url: str, answers: list[bool]) -> None:
    """A day dropped by us is never answered for again; one dropped by hand not after the next refresh."""
    fill(postgres_url, [entry(number, now() - number % 4 * DAY) for number in range(20)])
    refresh(postgres_url)
    oldest, second, *_ = with_connection(postgres_url, partitions)
    with AdminConnection(postgres_url) as connection, Dropping(connection, 5.0) as dropping:
        assert dropping.drop(oldest) == 5
    assert (count(reader_postgres_url), total(histogram(reader_postgres_url))) == (15, 15)
    execute(postgres_url, f"DROP TABLE {second.name}")
    assert count(reader_postgres_url) == 15
    refresh(postgres_url)
    assert (count(reader_postgres_url), total(histogram(reader_postgres_url))) == (10, 10)
    assert all(answers)
    fill(postgres_url, [entry(99, now() - 3 * DAY)])
    refresh(postgres_url)
    assert count(reader_postgres_url) == 11
    assert rows(postgres_url, "SELECT count(*) FROM log_rollup WHERE start < current_date - 1") == [(0,)]


def with_connection(url: str, work: Callable[[AdminConnection], Any]) -> Any:
    with AdminConnection(url) as connection:
        return work(connection)


def test_transactions_of_another_cluster(postgres_url: str, answers: list[bool]) -> None:
    """A database that came out of a dump is counted anew, and until then not answered for."""
    fill(postgres_url, [spread(number) for number in range(5)])
    refresh(postgres_url)
    execute(postgres_url, "UPDATE log_rollup_state SET system = system + 1, token = '99999999:99999999:'")
    assert (count(postgres_url), answers) == (5, [False])
    assert refresh(postgres_url).entries == 5
    assert (count(postgres_url), answers[1:]) == (5, [True])
    # A number that this server has not given yet: it belongs to what is not counted, for as long as that lasts.
    execute(postgres_url, "UPDATE logs SET xid = '900000000000' WHERE lineno < 3")
    with_connection(postgres_url, rollup.reset)
    assert refresh(postgres_url).entries == 2
    assert (count(postgres_url), answers[2:]) == (5, [True])


def test_who_may_not_read_it_counts_entries(
    postgres_url: str, postgres_role: Role, answers: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    """A role that may read the logs alone gets the same answers, also where a privilege is taken away meanwhile."""
    fill(postgres_url, [spread(number) for number in range(5)])
    refresh(postgres_url)
    execute(postgres_url, f"GRANT SELECT ON logs TO {postgres_role.name}")
    assert (count(postgres_role.url), answers) == (5, [False])
    execute(postgres_url, grants(reader=postgres_role.name))

    async def revoked(reader: LogReader) -> list[int]:
        first = (await reader.count()).value
        execute(postgres_url, f"REVOKE SELECT ON log_rollup FROM {postgres_role.name}")
        return [first, (await reader.count()).value]

    assert ask(postgres_role.url, revoked) == [5, 5]
    assert answers == [False, True, False]


def test_an_upgrade_lets_readers_read_it(postgres_url: str, postgres_role: Role, answers: list[bool]) -> None:
    """Who may read the logs, by name or as PUBLIC, needs no new grant; and a schema without the tables is read."""
    fill(postgres_url, [spread(number) for number in range(5)])
    migrate.downgrade(postgres_url, revision="0001")
    execute(postgres_url, f"GRANT SELECT ON logs TO {postgres_role.name}")
    assert (count(postgres_role.url), answers) == (5, [False])
    with pytest.raises(StoreError, match="the table log_rollup is missing: run dblog upgrade"):
        refresh(postgres_url)
    migrate.upgrade(postgres_url)
    refresh(postgres_url)
    assert (count(postgres_role.url), answers[1:]) == (5, [True])


def test_a_file_without_the_tables(sqlite_url: str, answers: list[bool]) -> None:
    """It is read as before, and refreshing says what to run."""
    fill(sqlite_url, [spread(number) for number in range(5)])
    refresh(sqlite_url)

    async def downgraded(reader: LogReader) -> list[int]:
        first = (await reader.count()).value
        migrate.downgrade(sqlite_url, revision="0001")
        return [first, (await reader.count()).value]

    assert ask(sqlite_url, downgraded) == [5, 5]
    assert answers == [True, False]
    answers.clear()
    assert (count(sqlite_url), total(histogram(sqlite_url)), answers) == (5, 5, [False, False])
    with_connection(sqlite_url, lambda connection: rollup.release(connection, now()))
    with pytest.raises(StoreError, match="the table log_rollup is missing: run dblog upgrade"):
        refresh(sqlite_url)


def test_what_has_no_time(sqlite_url: str, answers: list[bool]) -> None:
    """Rows put into a file by hand count where all are counted; bounds are left to the table itself."""
    fill(sqlite_url, [spread(number) for number in range(5)])
    execute(sqlite_url, "UPDATE logs SET timestamp = 'noon' WHERE lineno = 1")
    refresh(sqlite_url)
    assert (count(sqlite_url), count(sqlite_url, "since:2001-01-01"), total(histogram(sqlite_url))) == (5, 5, 4)
    assert answers == [True, False, False]
    execute(sqlite_url, "DELETE FROM logs WHERE lineno = 1")
    assert (count(sqlite_url), count(sqlite_url, "since:2001-01-01"), answers[3:]) == (4, 4, [True, True])


def test_counting_begins_anew_between_two_looks(
    database_url: str, monkeypatch: pytest.MonkeyPatch, answers: list[bool]
) -> None:
    """The answer is of one moment: where the state is another by then, it is asked again."""
    fill(database_url, [spread(number) for number in range(5)])
    refresh(database_url)
    real = rollup_state.look
    looks: list[object] = []

    async def look(*arguments: Any) -> Any:
        found = await real(*arguments)
        if not looks:
            with_connection(database_url, rollup.reset)
            execute(database_url, "DELETE FROM log_rollup")
            refresh(database_url)
        looks.append(found)
        return found

    monkeypatch.setattr(rollup_state, "look", look)
    assert (count(database_url), len(looks), answers) == (5, 2, [True])


def test_the_row_of_the_state_is_missing(database_url: str, answers: list[bool]) -> None:
    """Readers count entries, deleting works, and refreshing says how it comes back."""
    fill(database_url, [spread(number) for number in range(5)])
    execute(database_url, "DELETE FROM log_rollup_state", "DELETE FROM logs WHERE lineno = 0")
    assert (count(database_url), answers) == (4, [False])
    with pytest.raises(StoreError, match=r"INSERT INTO .* VALUES") as told:
        refresh(database_url)
    execute(database_url, str(told.value).partition(": ")[2].partition(": ")[2])
    assert refresh(database_url).entries == 4


def test_the_buckets_of_a_week(database_url: str, answers: list[bool]) -> None:
    """Hours, minutes and single entries at the ends make the same buckets as entries alone do."""
    since = (now() // DAY - 1) * DAY
    if database_url.startswith("postgres"):
        yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        execute(database_url, f"SELECT dblog_ensure_day('{yesterday}')")
    moments = range(since + 17 * SECOND, since + DAY, 611 * SECOND)
    fill(database_url, [entry(number, moment) for number, moment in enumerate(moments)])

    async def asked(reader: LogReader) -> list[Histogram]:
        first, last = moments[3] + 1, moments[-3]
        return [await reader.histogram(bucket=width, since=first, until=last) for width in (60, 3600, 7 * 86_400)]

    plain = ask(database_url, asked)
    refresh(database_url)
    assert ask(database_url, asked) == plain
    assert answers == [False] * 3 + [True] * 3
