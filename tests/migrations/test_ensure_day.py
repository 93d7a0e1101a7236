"""``dblog_ensure_day``: the days it makes, the days it refuses, and whom it keeps waiting (nobody)."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dblog import migrate

if TYPE_CHECKING:
    from tests.postgres import Role

INSERT = "INSERT INTO logs (timestamp, id, level, severity, logger, message) VALUES (%s, %s, 'INFO', 9, 'l', 'm')"


def today() -> dt.date:
    """The UTC day."""
    return dt.datetime.now(dt.UTC).date()


def ensure(connection: psycopg.Connection[Any], day: dt.date | None) -> bool:
    """Call it."""
    row = connection.execute("SELECT dblog_ensure_day(%s)", [day]).fetchone()
    assert row is not None
    return bool(row[0])


def days(connection: psycopg.Connection[Any]) -> set[str]:
    """The names of the partitions there are."""
    rows = connection.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'logs'::regclass")
    return {name for (name,) in rows}


def test_it_makes_39_days_and_refuses_all_others(postgres_url: str) -> None:
    """True and made from 31 days ago to 7 days ahead, false and not made otherwise, also for NULL."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        answers = {offset: ensure(connection, today() + dt.timedelta(offset)) for offset in range(-60, 41)}
        assert {offset for offset, made in answers.items() if made} == set(range(-31, 8))
        assert ensure(connection, None) is False
        made = {f"logs_{today() + dt.timedelta(offset):%Y%m%d}" for offset in range(-31, 8)}
        assert days(connection) == made
        assert all(ensure(connection, today() + dt.timedelta(offset)) for offset in range(-31, 8))
        assert days(connection) == made


def test_today_and_three_more_are_there_from_the_start(postgres_url: str) -> None:
    """A fresh database takes records at once, over three midnights without anyone's help."""
    with psycopg.connect(postgres_url) as connection:
        assert days(connection) == {f"logs_{today() + dt.timedelta(n):%Y%m%d}" for n in range(4)}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_days_are_utc_days(postgres_url: str, zone: str) -> None:
    """Whatever the session's zone and date style, a partition holds one UTC day exactly."""
    day = today() + dt.timedelta(5)
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    last = start + dt.timedelta(days=1) - dt.timedelta(microseconds=1)
    with psycopg.connect(postgres_url, options=f"-c timezone={zone} -c datestyle=sql,dmy") as connection:
        assert ensure(connection, day)
        for moment in (start, last):
            connection.execute(INSERT, [moment, uuid.uuid4()])
        connection.execute("SET datestyle TO iso")  # psycopg reads no other
        rows = connection.execute("SELECT tableoid::regclass::text, timestamp FROM logs ORDER BY timestamp").fetchall()
        assert rows == [(f"logs_{day:%Y%m%d}", start), (f"logs_{day:%Y%m%d}", last)]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(INSERT, [last + dt.timedelta(microseconds=1), uuid.uuid4()])


def test_callers_at_the_same_time_agree(postgres_url: str) -> None:
    """Eight at once for the same days: each gets true, none an error, and each day is made once."""
    answers: list[bool] = []
    together = threading.Barrier(8)

    def caller() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            together.wait()
            answers.extend(ensure(connection, today() - dt.timedelta(n)) for n in range(1, 4))

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 24
    with psycopg.connect(postgres_url) as connection:
        assert len(days(connection)) == 7


def test_an_open_reader_and_an_open_writer_keep_nobody_waiting(postgres_url: str) -> None:
    """With transactions open that have read and written ``logs``, a day is made and written to at once."""
    now = dt.datetime.now(dt.UTC)
    impatient = "-c statement_timeout=2000"
    with (
        psycopg.connect(postgres_url) as reader,
        psycopg.connect(postgres_url) as writer,
        psycopg.connect(postgres_url, autocommit=True, options=impatient) as maker,
        psycopg.connect(postgres_url, autocommit=True, options=impatient) as other,
    ):
        reader.execute("SELECT count(*) FROM logs")
        writer.execute(INSERT, [now, uuid.uuid4()])
        assert ensure(maker, now.date() - dt.timedelta(1))
        other.execute(INSERT, [now - dt.timedelta(1), uuid.uuid4()])
        writer.execute(INSERT, [now - dt.timedelta(1), uuid.uuid4()])
        assert reader.execute("SELECT count(*) FROM logs").fetchone() == (1,)


def test_a_day_being_made_lets_writers_pass(postgres_url: str) -> None:
    """While the transaction that made a day is still open, rows of the other days go in and out."""
    now = dt.datetime.now(dt.UTC)
    with (
        psycopg.connect(postgres_url) as maker,
        psycopg.connect(postgres_url, autocommit=True, options="-c statement_timeout=2000") as other,
    ):
        assert ensure(maker, now.date() - dt.timedelta(1))
        other.execute(INSERT, [now, uuid.uuid4()])
        assert other.execute("SELECT count(*) FROM logs").fetchone() == (1,)


def test_a_partition_has_the_parents_indexes_and_defaults(postgres_url: str) -> None:
    """Its primary key and indexes belong to the parent's, and ``xid`` and ``ingested_at`` fill themselves."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        day = today() - dt.timedelta(2)
        assert ensure(connection, day)
        attached = connection.execute(
            "SELECT count(*) FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid"
            " WHERE indrelid = %s::regclass AND indisvalid",
            [f"logs_{day:%Y%m%d}"],
        ).fetchone()
        assert attached == (4,)
        connection.execute(INSERT, [dt.datetime.combine(day, dt.time(12), dt.UTC), uuid.uuid4()])
        assert connection.execute("SELECT xid::text > '0', ingested_at <= now() FROM logs").fetchone() == (True, True)


def test_a_detached_day_stays_away(postgres_url: str) -> None:
    """A day that was taken out, perhaps to be dropped, is refused rather than an error or a resurrection."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        day = today() - dt.timedelta(3)
        assert ensure(connection, day)
        connection.execute(f"ALTER TABLE logs DETACH PARTITION logs_{day:%Y%m%d}")
        assert ensure(connection, day) is False
        connection.execute(f"DROP TABLE logs_{day:%Y%m%d}")
        assert ensure(connection, day) is True


def test_only_those_who_may(postgres_role: Role) -> None:
    """PUBLIC has no right to execute it."""
    with (
        psycopg.connect(postgres_role.url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="dblog_ensure_day"),
    ):
        ensure(connection, today())


def test_a_caller_cannot_lead_it_astray(writer_postgres_url: str, postgres_url: str) -> None:
    """The caller's temporary tables and search path mean nothing to a function with its owner's rights."""
    with psycopg.connect(writer_postgres_url, autocommit=True) as connection:
        for name in ("pg_inherits", "pg_class", "logs"):
            connection.execute(f"CREATE TEMP TABLE {name} (relname name)")
        connection.execute("SET search_path = pg_temp, public")
        assert ensure_qualified(connection, today() - dt.timedelta(1))
    with psycopg.connect(postgres_url) as connection:
        assert f"logs_{today() - dt.timedelta(1):%Y%m%d}" in days(connection)


def ensure_qualified(connection: psycopg.Connection[Any], day: dt.date) -> bool:
    """Call it by its full name."""
    row = connection.execute("SELECT public.dblog_ensure_day(%s)", [day]).fetchone()
    return row == (True,)


def test_other_names_have_their_own_function(empty_postgres_url: str) -> None:
    """``table="Events", schema="My-Obs"`` gets "Events_ensure_day" there, which makes "Events_YYYYMMDD"."""
    migrate.upgrade(empty_postgres_url, schema="My-Obs", table="Events")
    yesterday = today() - dt.timedelta(1)
    with psycopg.connect(empty_postgres_url) as connection:
        assert connection.execute('SELECT "My-Obs"."Events_ensure_day"(%s)', [yesterday]).fetchone() == (True,)
        found = connection.execute("SELECT to_regclass(%s)::text", [f'"My-Obs"."Events_{yesterday:%Y%m%d}"'])
        assert found.fetchone() != (None,)
