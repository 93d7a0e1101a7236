"""The whole write path as the role ``dblog grants --writer`` makes, which inserts and can do nothing else.

Every other PostgreSQL test of this folder logs in as that role, too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from dblog.testing import FaultProxy
from tests.oracle import exactly_once, execute, hold, logging_to, rows, until

if TYPE_CHECKING:
    from tests.postgres import Role

DAY = 86_400


def test_everything_a_writer_does(replay_url: str, postgres_url: str) -> None:
    """Batches, a replay, dead letters, loss rows, heartbeats and days, with and without temporary tables."""
    execute(postgres_url, "ALTER TABLE logs ADD CHECK (message NOT LIKE 'poison%')")
    options = {"queue_size": 500, "overflow": "drop_newest", "flush_interval": 60.0, "durability": "memory"}
    with FaultProxy(replay_url) as proxy:
        with logging_to(proxy.url, **options) as (logger, handler):
            hold(handler)
            logger.info("plain")
            assert handler.flush(10), handler.stats()
            proxy.cut_after(b"COMMIT")
            for number in range(600):
                logger.info("poison %d" if number == 7 else "record %d", number)
            assert handler.flush(10), handler.stats()
            assert proxy.fired == 1
            stats = handler.stats()
            assert (stats.stored, stats.dropped_by, stats.failed_by) == (500, {"queue_full": 100}, {"poison": 1})
            assert stats.last_error is None
        assert handler.stats().state == "CLOSED"
    assert rows(postgres_url, "SELECT count(*), count(DISTINCT seq) FROM logs WHERE seq IS NOT NULL") == [(500, 500)]
    assert rows(postgres_url, "SELECT seq FROM log_dead_letters") == [(9,)]
    losses = rows(
        postgres_url, "SELECT jsonb_path_query(metadata, '$.dblog.loss[*].count') FROM logs WHERE seq IS NULL"
    )
    assert sorted(losses) == [(1,), (100,)]
    beat = "SELECT state, emitted, stored, dropped, failed, queued + in_flight FROM log_instances"
    assert rows(postgres_url, beat) == [("CLOSED", 601, 500, 100, 1, 0)]


def test_what_comes_back_from_disk(replay_url: str, postgres_url: str) -> None:
    """It is stored by the way that leaves stored rows alone, with and without temporary tables."""
    options = {"queue_size": 50, "overflow": "drop_newest", "flush_interval": 60.0, "durability": "spool"}
    with logging_to(replay_url, **options) as (logger, handler):
        hold(handler)
        logger.info("plain")
        assert handler.flush(10), handler.stats()
        for number in range(500):
            logger.info("record %d", number)
        assert handler.stats().spooled > 0
    exactly_once(postgres_url, handler)
    assert rows(postgres_url, "SELECT state, stored, spooled FROM log_instances") == [("CLOSED", 501, 0)]


def test_across_a_change_of_day(
    replay_url: str, postgres_url: str, postgres_role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days go by while the writer lives: it makes each day's partition, whoever owns the table."""
    partitions = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'logs'::regclass"
    execute(postgres_url, *(f"DROP TABLE {day}" for (day,) in rows(postgres_url, partitions)))
    real = time.time
    with logging_to(replay_url) as (logger, handler):
        for offset in (-2 * DAY, -DAY, 0, DAY, 2 * DAY, 3 * DAY, 6 * DAY):
            shifted = int(offset)
            monkeypatch.setattr("time.time", lambda shifted=shifted: real() + shifted)
            monkeypatch.setattr("time.time_ns", lambda shifted=shifted: int((real() + shifted) * 1e9))
            for number in range(20):
                logger.info("day %d, record %d", shifted // DAY, number)
            assert handler.flush(10), handler.stats()
        monkeypatch.undo()
        exactly_once(postgres_url, handler)
    found = rows(
        postgres_url, "SELECT count(DISTINCT tableoid), count(*) FILTER (WHERE metadata IS NOT NULL) FROM logs"
    )
    assert found == [(7, 0)]
    owners = rows(postgres_url, "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename ~ '^logs_'")
    assert postgres_role.name not in {owner for (owner,) in owners}


def test_a_replay_across_a_change_of_day(replay_url: str, postgres_url: str) -> None:
    """One batch holds records of three days, two of them without a partition, and its COMMIT's reply is cut."""
    now = time.time()
    with FaultProxy(replay_url) as proxy, logging_to(proxy.url, flush_interval=60) as (logger, handler):
        hold(handler)
        logger.info("first")
        assert handler.flush(10), handler.stats()
        tomorrow = time.strftime("%Y%m%d", time.gmtime(now + 80_000))
        if tomorrow != time.strftime("%Y%m%d", time.gmtime(now)):
            execute(postgres_url, f"DROP TABLE logs_{tomorrow}")
        for number in range(90):
            record = logger.makeRecord("app", 20, "f", 1, "record %d", (number,), None)
            record.created = now + (-3 * DAY, 0, 80_000)[number % 3]
            handler.handle(record)
        proxy.cut_after(b"COMMIT")
        assert handler.flush(10), handler.stats()
        assert proxy.fired == 1
        exactly_once(postgres_url, handler)
        assert rows(postgres_url, "SELECT count(*) FROM logs WHERE metadata IS NOT NULL") == [(0,)]


def test_heartbeats_are_refreshed_by_key(writer_url: str, postgres_url: str) -> None:
    """One row per writer, updated; taken away by somebody, it comes again."""
    with logging_to(writer_url) as (logger, handler):
        for _ in range(2):
            logger.info("record")
            assert handler.flush(10), handler.stats()
            assert handler._writer._chores is not None
            handler._writer._chores.state_changed()
        logger.info("record")
        assert handler.flush(10), handler.stats()
        until(lambda: rows(postgres_url, "SELECT count(*), max(stored) FROM log_instances") == [(1, 3)])
        execute(postgres_url, "DELETE FROM log_instances")
    assert rows(postgres_url, "SELECT state, stored FROM log_instances") == [("CLOSED", 3)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT message FROM logs",
        "UPDATE logs SET message = 'forged'",
        "DELETE FROM logs",
        "INSERT INTO logs (timestamp, id, message, xid) VALUES (now(), gen_random_uuid(), '', '1')",
        "INSERT INTO logs (timestamp, id, message, ingested_at) VALUES (now(), gen_random_uuid(), '', now())",
        "SELECT payload FROM log_dead_letters",
        "DELETE FROM log_dead_letters",
        "SELECT host FROM log_instances",
        "DROP TABLE logs",
        "SELECT dblog_ensure_day(current_date); ALTER TABLE logs ADD COLUMN mine text",
    ],
)
def test_what_it_cannot(writer_url: str, statement: str) -> None:
    """Neither read, nor change, nor delete what is stored, nor forge when it came."""
    with (
        psycopg.connect(writer_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_days_it_may_not_make(writer_url: str) -> None:
    """Only days around today: nobody fills the catalogue through this door."""
    with psycopg.connect(writer_url, autocommit=True) as connection:
        for day in ("2099-01-01", "1970-01-01", "infinity"):
            assert connection.execute("SELECT dblog_ensure_day(%s)", [day]).fetchone() == (False,)
