"""Every figure equals what counting the same entries in Python gives, on every database."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import dblog
from dblog import ConfigurationError, QuerySyntaxError, SyncLogReader
from dblog.levels import BANDS, band_of, severity_of
from dblog.query import parse
from dblog.reading.values import Cursor, FacetValue
from dblog.sink import DeadLetter, Origin
from dblog.store import opener
from tests.administered import SECOND, entry, fill, now
from tests.embedded_clickhouse import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.entry import LogEntry

every_engine = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
START = now() - 7200 * SECOND
LEVELS = ("DEBUG", "INFO", "INFO", "WARNING", "ERROR", "NOTICE")
QUERIES = (
    "",
    "level>=warning",
    "trace_id:t-1",
    "portfolio_id:p-3",
    "portfolio_id:p-3 or -service:shop",
    "n>20 n<=35",
    "timeout",
    "message:*9",
    "nothing:there",
)


def made(number: int) -> LogEntry:
    level = LEVELS[number % len(LEVELS)]
    severity = 11 if level == "NOTICE" else severity_of(logging.getLevelNamesMapping()[level])
    return entry(
        number,
        START + number * number * SECOND + number,
        level=level,
        severity=severity,
        logger=f"shop.{number % 4}",
        message=f"{'timeout' if number % 5 == 0 else 'done'} {number}",
        service=None if number % 7 == 0 else "shop",
        trace_id=f"t-{number % 3}",
        metadata=None if number % 11 == 0 else f'{{"n":{number},"portfolio_id":"p-{number % 6}"}}',
    )


@pytest.fixture
def entries(database_url: str) -> list[LogEntry]:
    """Sixty entries of a bit more than an hour, the newest first."""
    stored = [made(number) for number in range(60)]
    fill(database_url, stored)
    return sorted(stored, key=Cursor.of, reverse=True)


@pytest.fixture
def reader(reading_url: str, entries: list[LogEntry]) -> Iterator[SyncLogReader]:
    with SyncLogReader(reading_url) as made_reader:
        yield made_reader


@every_engine
def test_entries_and_figures_of_a_query(reader: SyncLogReader, entries: list[LogEntry]) -> None:
    """Of each: what is found, counted and grouped is what the query's predicate holds for."""
    for query in QUERIES:
        check_query(reader, query, entries)


def check_query(reader: SyncLogReader, query: str, entries: list[LogEntry]) -> None:
    predicate = parse(query).predicate()
    expected = [each for each in entries if predicate(each)]
    assert [each.id for each in reader.search(query, limit=100)] == [each.id for each in expected]
    assert reader.count(query) == (len(expected), True)
    assert reader.count(query, exact=False).value >= 0

    histogram = reader.histogram(query, bucket=60)
    counted = Counter((each.timestamp // (60 * SECOND) * 60 * SECOND, band_of(each.severity)) for each in expected)
    assert {
        (bucket.start, band): count for bucket in histogram.buckets for band, count in enumerate(bucket.counts) if count
    } == counted
    starts = [bucket.start for bucket in histogram.buckets]
    assert starts == list(range(min(starts), max(starts) + 1, 60 * SECOND)) if expected else starts == []

    for field in ("level", "service", "portfolio_id", "n", "trace_id", "lineno"):
        check_facets(reader, query, field, expected)


def check_facets(reader: SyncLogReader, query: str, field: str, expected: list[LogEntry]) -> None:
    def value(each: LogEntry) -> str | None:
        found = getattr(each, field) if field in each._fields else each.attributes.get(field)
        return None if found is None else str(found)

    for sample in (None, 50_000, 10):
        looked_at = expected if sample is None else expected[:sample]
        counter = Counter(map(value, looked_at))
        absent = counter.pop(None, 0)
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        facets = reader.facets(query, field, limit=3, sample=sample)
        assert facets.values == tuple(FacetValue(str(name), count) for name, count in ranked[:3])
        assert (facets.seen, facets.absent) == (len(looked_at), absent)
        assert facets.sampled == (len(looked_at) < len(expected))


@every_engine
def test_exact_values_need_no_quoting(reader: SyncLogReader, entries: list[LogEntry]) -> None:
    """``where`` adds to a query, and is enough by itself."""
    expected = [each.id for each in entries if '"p-3"' in (each.metadata or "")]
    assert [each.id for each in reader.search(where={"portfolio_id": "p-3"})] == expected
    both = reader.search("level>=warning", where={"portfolio_id": "p-3", "level": ["ERROR", "NOTICE"]})
    assert [each.level for each in both] == [
        each.level for each in entries if each.id in expected and each.level == "ERROR"
    ]
    assert reader.count(where={"portfolio_id": "p-3"}).value == len(expected)


@every_engine
def test_a_histogram_chooses_about_sixty_round_buckets(reader: SyncLogReader, entries: list[LogEntry]) -> None:
    """Without a width: a round one, aligned to UTC, covering all; with bounds: these, and what lies within them."""
    whole = reader.histogram()
    assert whole.width == 60 * SECOND
    assert sum(bucket.total for bucket in whole.buckets) == len(entries)
    low, high = entries[40].timestamp, entries[10].timestamp
    part = reader.histogram(since=low, until=high, bucket=dt.timedelta(seconds=30))
    assert sum(bucket.total for bucket in part.buckets) == 31
    assert part.buckets[0].start == low // (30 * SECOND) * 30 * SECOND
    assert part.buckets[-1].start == high // (30 * SECOND) * 30 * SECOND
    weeks = reader.histogram(bucket=7 * 86_400)
    assert [dt.datetime.fromtimestamp(bucket.start / SECOND, dt.UTC).weekday() for bucket in weeks.buckets] == [0]
    nothing = reader.histogram(since=START - 10 * SECOND, until=START - 5 * SECOND)
    assert [bucket.counts for bucket in nothing.buckets] == [(0,) * BANDS] * len(nothing.buckets)
    assert reader.histogram("nothing:there").buckets == ()


WIDTHS = {0: 1, 60: 1, 61: 2, 3600: 60, 86_400: 1800, 30 * 86_400: 12 * 3600, 400 * 86_400: 604_800}
"""Seconds of a range → of a bucket."""


@every_engine
def test_the_width_fits_the_range(reader: SyncLogReader) -> None:
    """The smallest round width that gives sixty buckets or less."""
    for span, width in WIDTHS.items():
        histogram = reader.histogram(since=START, until=START + span * SECOND)
        assert (span, histogram.width) == (span, width * SECOND)
        assert 1 <= len(histogram.buckets) <= 62


@every_engine
def test_too_many_buckets_are_refused(reader: SyncLogReader) -> None:
    """More than 10,000, or none that wide, are an error that says so."""
    with pytest.raises(ConfigurationError, match=r"buckets of 0\.1 s: make them wider"):
        reader.histogram(bucket=0.1)
    for wrong in (0, -1, 1e-9):
        with pytest.raises(ConfigurationError, match="positive number of seconds"):
            reader.histogram(bucket=wrong)


@every_engine
def test_fields_that_have_no_values_are_refused(reader: SyncLogReader) -> None:
    """The whole of ``metadata`` is no field to group by, and what is no name is a syntax error."""
    for wrong in ("metadata", "*"):
        with pytest.raises((ConfigurationError, QuerySyntaxError)):
            reader.facets("", wrong)
    with pytest.raises(QuerySyntaxError):
        reader.facets("", "a)) or (b")


@every_engine
def test_statistics_of_the_whole_table(reader: SyncLogReader, entries: list[LogEntry]) -> None:
    """Rows, levels, services, loggers and range are exact while the table is small; the size is more than nothing."""
    found = reader.statistics()
    levels = Counter(each.level for each in entries)
    assert found.rows == (60, True)
    assert {each.value: each.count for each in found.by_level} == levels
    assert found.by_service == (FacetValue("shop", sum(each.service == "shop" for each in entries)),)
    assert {each.value: each.count for each in found.by_logger} == Counter(each.logger for each in entries)
    assert (found.oldest, found.newest, found.sampled) == (entries[-1].timestamp, entries[0].timestamp, False)
    assert found.bytes_per_row is not None
    assert found.bytes_per_row > 100


@every_engine
def test_an_empty_table_has_figures_too(reading_url: str) -> None:
    """Nothing is counted, nothing raises."""
    with SyncLogReader(reading_url) as reader:
        found = reader.statistics()
        assert (found.rows, found.oldest, found.newest, found.bytes_per_row) == ((0, True), None, None, None)
        assert reader.facets("", "level").seen == 0
        assert reader.histogram().buckets == ()
        assert reader.instances() == ()
        assert reader.dead_letters() == ()


def test_an_estimate_follows_the_planner(postgres_url: str, reader_postgres_url: str) -> None:
    """PostgreSQL: near the number once analysed, none for an empty table, with a query as the planner guesses."""
    import psycopg

    with SyncLogReader(reader_postgres_url) as reader:
        assert reader.count(exact=False) == (0, False)
        fill(postgres_url, [made(number) for number in range(60)])
        assert not reader.count(exact=False).exact
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            owner.execute("ANALYZE logs")
        assert reader.count(exact=False) == (60, False)
        of_a_trace = reader.count("trace_id:t-1", exact=False)
        assert 0 < of_a_trace.value < 60
        assert not of_a_trace.exact


def test_an_estimate_on_sqlite_is_the_range_of_numbers_given(sqlite_url: str) -> None:
    """Without a query, it takes no scan; with one, SQLite has no guess and counts."""
    fill(sqlite_url, [made(number) for number in range(60)])
    with SyncLogReader(sqlite_url) as reader:
        assert reader.count(exact=False) == (60, False)
        assert reader.count("trace_id:t-1", exact=False) == (20, True)


def test_writers_that_have_said_something(database_url: str, logging_url: str, reading_url: str) -> None:
    """One row per writer, the last seen first, with its ledger; silent for 30 s without having closed is DOWN."""
    from tests.tail_tools import Writing

    handlers = []
    for name in ("first", "second"):
        handler = dblog.DatabaseHandler(logging_url, service=name)
        handler.emit(logging.makeLogRecord({"msg": "hello", "name": name}))
        handler.flush()
        handlers.append(handler)
    handlers[0].close()
    with SyncLogReader(reading_url) as reader, Writing(database_url) as owner:
        found = {each.service: each for each in reader.instances()}
        assert {name: each.state for name, each in found.items()} == {"first": "CLOSED", "second": "RUNNING"}
        first = found["first"]
        assert (first.emitted, first.stored, first.queued) == (1, 1, 0)
        assert abs(first.last_seen - now()) < 60 * SECOND
        assert (first.dropped_by, first.failed_by, first.dblog_version) == ({}, {}, dblog.__version__)
        silent = "last_seen - 31000000" if owner.lite else "last_seen - interval '31 s'"
        owner.execute(f"UPDATE log_instances SET last_seen = {silent}")
        assert {each.service: each.state for each in reader.instances()} == {"first": "CLOSED", "second": "DOWN"}
        owner.execute("UPDATE log_instances SET state = 'SYNC' WHERE service = 'second'")
        assert {each.state for each in reader.instances()} == {"CLOSED", "SYNC"}, "without a thread it may be silent"
        assert len(reader.instances(limit=1)) == 1


@every_engine
def test_rows_that_were_refused(logging_url: str, reading_url: str) -> None:
    """The newest first, with the row as it was to be stored."""
    from dblog.options import Options

    origin = Origin(UUID(int=7), "shop", None, None, "h", 1, START)
    sink = opener(logging_url, Options())(origin)
    letters = [
        DeadLetter(
            UUID(int=number), START + number, UUID(int=7), number, "poison", "22P05", 3, f'{{"message":"m{number}"}}'
        )
        for number in range(3)
    ]
    sink.dead_letter(letters)
    sink.close()
    with SyncLogReader(reading_url) as reader:
        found = reader.dead_letters()
        assert [(each.id, each.failed_at, each.instance_id, each.seq) for each in found] == [
            letter[:4] for letter in reversed(letters)
        ]
        assert found[0].payload == {"message": "m2"}
        assert (found[0].error_class, found[0].code, found[0].attempts) == ("poison", "22P05", 3)
        assert len(reader.dead_letters(limit=2)) == 2


def test_another_schema_and_table(empty_database_url: str) -> None:
    """``schema`` and ``table`` name another log table, and all that follows from it."""
    from dblog import migrate

    place: dict[str, Any] = {"table": "audit"} | (
        {} if empty_database_url.startswith("sqlite") else {"schema": "my-logs"}
    )
    if "schema" in place:
        import psycopg

        with psycopg.connect(empty_database_url, autocommit=True) as owner:
            owner.execute('CREATE SCHEMA "my-logs"')
    migrate.upgrade(empty_database_url, **place)
    handler = dblog.DatabaseHandler(empty_database_url, **place)
    handler.emit(logging.makeLogRecord({"msg": "hello", "name": "n", "levelno": 20, "levelname": "INFO"}))
    handler.close()
    with SyncLogReader(empty_database_url, **place) as reader:
        assert [each.message for each in reader.search("hello")] == ["hello"]
        assert reader.statistics().rows == (1, True)
        assert reader.count(exact=False).value >= 0
        assert len(reader.instances()) == 1
        assert reader.dead_letters() == ()
