"""What a tail says and when: its beginning, its tokens, its notices, what a poll costs, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa

from dblog.errors import ConfigurationError, ErrorClass, QueryTimeout, StoreUnavailable
from dblog.query import parse
from dblog.query.tree import All
from dblog.reader import LogReader
from dblog.reading import tailing
from dblog.reading.opened import sessions_for
from dblog.reading.prepared import Prepared
from dblog.reading.session import Session, Sessions
from dblog.reading.tailing import Tailer, paced
from tests.embedded_clickhouse import ENGINES
from tests.oracle import execute
from tests.tail_tools import Followed, Writing, drained, ids_of, now, stored, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from dblog.reading.values import TailBatch
    from tests.postgres import Private

every_engine = pytest.mark.parametrize("database_url", ENGINES, indirect=True)


@contextlib.asynccontextmanager
async def reading(url: str, **options: Any) -> AsyncIterator[Sessions]:
    """Connections, closed in the end."""
    sessions = sessions_for(url, **options)
    try:
        yield sessions
    finally:
        await sessions.aclose()


@contextlib.asynccontextmanager
async def tailing_(url: str, *, query: str = "", begin: bool = True, **options: Any) -> AsyncIterator[Tailer]:
    """A tail that has begun."""
    async with reading(url) as sessions:
        tailer = Tailer(sessions, parse(query).tree, **options)
        try:
            if begin:
                await tailer.begin()
            yield tailer
        finally:
            await tailer.aclose()


def wrote(url: str, *timestamps: int, severity: int = 9) -> set[UUID]:
    """Rows in one transaction; their ids."""
    with Writing(url) as writing:
        writing.begin()
        places = writing.insert(*timestamps, severity=severity)
        writing.execute("COMMIT")
    return ids_of(places)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the database is asked, as text."""
    statements: list[str] = []
    run, scalar = Session.run, Session.scalar_outside

    async def noted(self: Session, statement: Any, *arguments: Any, **keywords: Any) -> Any:
        statements.append(str(statement))
        return await run(self, statement, *arguments, **keywords)

    async def noted_outside(self: Session, sql: str) -> Any:
        statements.append(sql)
        return await scalar(self, sql)

    monkeypatch.setattr(Session, "run", noted)
    monkeypatch.setattr(Session, "scalar_outside", noted_outside)
    return statements


# -- beginning, tokens ----------------------------------------------------------------------------------------------


@every_engine
async def test_the_first_batch_is_the_place_to_begin_at(database_url: str, reading_url: str) -> None:
    """It comes at once and is empty; what was there before does not come, what is committed from then on does."""
    wrote(database_url, now())
    async with LogReader(reading_url) as reader, contextlib.aclosing(reader.tail(poll_interval=0.01)) as tail:  # type: ignore[type-var]  # it is a generator
        first = await anext(tail)
        assert (first.entries, first.skipped, first.notice) == ((), 0, None)
        new = wrote(database_url, now(), now())
        async with asyncio.timeout(30):
            batch = await anext(tail)
        assert {entry.id for entry in batch} == new
        assert not batch.late


@every_engine
async def test_a_token_holds_what_is_late(database_url: str, reading_url: str) -> None:
    """A resumed tail knows what the first one had yielded: an entry that sorts before it is late."""
    time = now()
    async with tailing_(reading_url) as first:
        wrote(database_url, time)
        batch = await first.poll()
    assert batch is not None
    early = wrote(database_url, time - 5)
    wrote(database_url, time + 5)
    async with tailing_(reading_url, after=batch.token) as second:
        batch = await second.poll()
    assert batch is not None
    assert batch.late == early
    assert len(batch.entries) == 2


async def test_entries_the_query_does_not_match_are_behind_the_tail(
    database_url: str, reading_url: str, asked: list[str]
) -> None:
    """They are looked at once: a poll after them finds nothing new, and none of them is counted as skipped."""
    async with tailing_(reading_url, query="severity >= 17", limit=1) as tailer:
        wrote(database_url, now(), now(), now())
        assert await tailer.poll() is None
        asked.clear()
        assert await tailer.poll() is None
        # Another test's transaction, on the server they share, is a reason to look for rows.
        assert len([statement for statement in asked if "logs" not in statement]) == 1
        errors = wrote(database_url, now(), now(), severity=17)
        wrote(database_url, now(), now())
        batch = await tailer.poll()
    assert batch is not None
    assert {entry.id for entry in batch} < errors
    assert batch.skipped == 1


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("nonsense", "is not a tail's token"),
        ("", "is not a tail's token"),
        ("{other}1.1.", "this database is"),
        ("{this}9.1.", "another version"),
        ("{this}1.x.", "names no place"),
        ("{this}1.-1.", "names no place"),
        ("{this}1.5_0_6_0_00000000000000000000000000000000.", "names no place"),
    ],
)
async def test_a_token_of_something_else_is_refused(database_url: str, reading_url: str, token: str, says: str) -> None:
    """At once, before the database is asked, in a sentence."""
    this, other = ("sqlite", "postgresql") if database_url.startswith("sqlite") else ("postgresql", "sqlite")
    reader = LogReader(reading_url)
    with pytest.raises(ConfigurationError, match=says):
        reader.tail(after=token.format(this=this, other=other))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 100_001}, {"poll_interval": 0}, {"poll_interval": -1.0}])
async def test_options_that_cannot_be_are_refused(reading_url: str, wrong: dict[str, Any]) -> None:
    """At once, with the name and the value."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        LogReader(reading_url).tail(**wrong)


# -- what a poll costs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
async def test_an_idle_poll_reads_no_row(request: pytest.FixtureRequest, dialect: str, asked: list[str]) -> None:
    """SQLite: ``PRAGMA data_version`` alone; PostgreSQL: one statement without a table, where nobody else writes."""
    url = request.getfixturevalue("sqlite_url" if dialect == "sqlite" else "private_postgres")
    url = getattr(url, "database_url", url)
    wrote(url, now())
    async with tailing_(url) as tailer:
        wrote(url, now())
        await drained(tailer)
        asked.clear()
        for _ in range(20):
            assert await tailer.poll() is None
    assert len(asked) == 20
    if dialect == "sqlite":
        assert set(asked) == {"PRAGMA data_version"}
    else:
        assert not any("logs" in statement for statement in asked)


@pytest.mark.parametrize("lossless", [False, True])
async def test_the_index_on_xid_is_used(postgres_url: str, monkeypatch: pytest.MonkeyPatch, lossless: bool) -> None:
    """In each of thirty-four partitions nobody has analysed, with much behind the place and a transaction open."""
    execute(
        postgres_url,
        "SELECT dblog_ensure_day((now() AT TIME ZONE 'UTC')::date - days) FROM generate_series(0, 30) days",
        "INSERT INTO logs (timestamp, id, level, severity, logger, message) SELECT now() - n * interval '1 min',"
        " gen_random_uuid(), 'INFO', 9, 't', repeat('m', 100) FROM generate_series(1, 40000) n",
    )
    plans: list[str] = []
    run = Sessions.run

    async def explained(self: Sessions, statement: Any, parameters: Any = None, **keywords: Any) -> Any:
        if "logs" in str(statement):
            plans.append(await explain(postgres_url, statement, parameters))
        return await run(self, statement, parameters, **keywords)

    monkeypatch.setattr(Sessions, "run", explained)
    async with tailing_(postgres_url, lossless=lossless, limit=50) as tailer:
        with Writing(postgres_url) as slow, Writing(postgres_url) as quick:
            slow.begin()
            slow.insert(now())
            quick.insert(*[now()] * 100)
            followed = await drained(tailer)
            slow.execute("COMMIT")
            quick.insert(now())
        await drained(tailer, followed)
    assert len(followed.ids) + followed.skipped == 102
    assert not [plan for plan in plans if "Seq Scan on logs_" in plan]
    assert all("_xid_idx" in plan for plan in plans)


async def explain(url: str, statement: Any, parameters: Any) -> str:
    """Its plan."""
    made = statement if isinstance(statement, Prepared) else Prepared(statement, "postgresql")
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(f"EXPLAIN {made}", *made.values(parameters))
    await connection.close()
    return "\n".join(row[0] for row in rows)


# -- PostgreSQL's own -----------------------------------------------------------------------------------------------


async def test_what_is_committed_between_the_two_statements_of_a_poll_is_new_to_the_next(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a transaction that was running in the snapshot are left to the next poll, though they can be seen."""
    async with tailing_(postgres_url) as tailer, contextlib.AsyncExitStack() as stack:
        slow, quick = stack.enter_context(Writing(postgres_url)), stack.enter_context(Writing(postgres_url))
        slow.begin()
        late = ids_of(slow.insert(now()))
        early = ids_of(quick.insert(now()))
        run = Sessions.run

        async def interrupted(self: Sessions, statement: Any, *arguments: Any, **keywords: Any) -> Any:
            if "logs" in str(statement):
                slow.execute("COMMIT")
                monkeypatch.undo()
            return await run(self, statement, *arguments, **keywords)

        monkeypatch.setattr(Sessions, "run", interrupted)
        first, second = await tailer.poll(), await tailer.poll()
    assert first is not None
    assert second is not None
    assert [{entry.id for entry in batch} for batch in (first, second)] == [early, late]


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("others", [0, 200])
async def test_a_transaction_read_in_part_is_read_to_its_end_first(postgres_url: str, rows: int, others: int) -> None:
    """One with a lower number ends between two pages, also so far below that it would be looked for alone."""
    async with tailing_(postgres_url, lossless=True, limit=2) as tailer:
        with Writing(postgres_url) as slow, Writing(postgres_url) as quick:
            slow.begin()
            written = ids_of(slow.insert(*[now()] * rows))
            for _ in range(others):
                quick.execute("SELECT pg_current_xact_id()")
            written |= wrote(postgres_url, *[now()] * 3)
            followed = Followed()
            followed.take(await tailer.poll())
            while tailer.more and not followed.ids:
                followed.take(await tailer.poll())
            first, token = set(followed.ids), followed.token
            assert len(first) == 2
            slow.execute("COMMIT")
        await drained(tailer, followed)
    assert followed.ids == written
    async with tailing_(postgres_url, lossless=True, limit=500, after=token, follow=False) as tailer:
        came = [entry async for batch in paced(tailer, 0.01) for entry in batch]
        assert {entry.id for entry in came} == written - first


@pytest.mark.parametrize(("rows", "others", "pages"), [(2, 0, 1), (3, 0, 1), (1, 100, 2), (2, 100, 2)])
async def test_a_page_costs_one_statement_more_where_a_stride_ends(
    postgres_url: str, asked: list[str], rows: int, others: int, pages: int
) -> None:
    """Full or not, a page is one statement; a second is asked only for what lies behind its stride."""
    for _ in range(20):
        before = _next_number(postgres_url)
        async with tailing_(postgres_url, lossless=True, limit=2) as tailer:
            with Writing(postgres_url) as quick:
                quick.insert(*[now()] * rows)
                for _ in range(others):
                    quick.execute("SELECT pg_current_xact_id()")
            asked.clear()
            batch = await tailer.poll()
            assert batch is not None
            assert len(batch.entries) == min(rows, 2)
            assert tailer.more == (rows > 2)
        if _next_number(postgres_url) - before < 64 + others:
            break  # else other tests had so many transactions meanwhile, on the server they share
    assert len([statement for statement in asked if "logs" in statement]) == pages


async def test_what_was_found_is_kept_where_the_next_stride_fails(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch comes, the next poll says what is the matter, and later the rest comes, each row once."""
    monkeypatch.setattr("dblog.reading.tail_postgres._LEAST_STRIDE", 1)
    monkeypatch.setattr("dblog.reading.tail_postgres._WIDER", 1)  # a stride may meet other tests' transactions only
    async with tailing_(postgres_url, lossless=True) as tailer:
        written = wrote(postgres_url, now()) | wrote(postgres_url, now()) | wrote(postgres_url, now())
        run, found = Sessions.run, False

        async def failing(self: Sessions, statement: Any, *arguments: Any, **keywords: Any) -> Any:
            nonlocal found
            if "logs" in str(statement) and found:
                raise QueryTimeout(ErrorClass.RESEND, "57014", "too long")
            answer = await run(self, statement, *arguments, **keywords)
            found |= "logs" in str(statement) and bool(answer)
            return answer

        followed = Followed()
        with monkeypatch.context() as patch:
            patch.setattr(Sessions, "run", failing)
            followed.take(await tailer.poll())
            assert (len(followed.ids), tailer.more) == (1, True)
            with pytest.raises(QueryTimeout):
                await tailer.poll()
        await drained(tailer, followed)
        assert followed.ids == written


async def test_rows_restored_from_a_dump_do_not_come(postgres_url: str) -> None:
    """They have another server's numbers: those still to come stay out, and are too old once they have come."""
    async with tailing_(postgres_url) as tailer:
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            for ahead, age in ((3, "3 days"), (10**9, "0")):
                owner.execute(
                    "INSERT INTO logs (timestamp, id, ingested_at, level, severity, logger, message, xid) VALUES"
                    f" (now(), gen_random_uuid(), now() - interval '{age}', 'INFO', 9, 't', 'restored',"
                    f" (pg_current_xact_id()::text::bigint + {ahead})::text::xid8)".encode()
                )
            for _ in range(5):
                owner.execute("SELECT pg_current_xact_id()")
                assert await tailer.poll() is None
        new = wrote(postgres_url, now())
        assert (await drained(tailer)).ids == new


async def test_numbers_given_again_after_a_crash_are_new(private_postgres: Private) -> None:
    """Transactions that rolled back just before a crash leave no trace: theirs are the next ones' numbers."""
    url = private_postgres.database_url
    for _ in range(5):
        async with tailing_(url, lossless=True) as tailer:
            with Writing(url) as writing:
                before = ids_of(writing.insert(now()))
                for _ in range(3):
                    writing.begin()
                    writing.insert(now())
                    writing.execute("ROLLBACK")
                followed = await drained(tailer)
            given = _next_number(url)
            private_postgres.kill()
            private_postgres.start()
            again = _next_number(url) < given
            with Writing(url) as one, Writing(url) as other:
                one.begin()
                late = ids_of(one.insert(now()))
                after = ids_of(other.insert(now())) | ids_of(other.insert(now())) | ids_of(other.insert(now()))
                await drained(tailer, followed)
                one.execute("COMMIT")
            await drained(tailer, followed)
            assert followed.ids == before | after | late
        if again:
            return
    raise AssertionError("no number was given again: the test proves nothing")


def _next_number(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return int(row[0])


@contextlib.asynccontextmanager
async def through_a_crash_of_a_backend(server: Private, rolled_back: int, **options: Any) -> AsyncIterator[Tailer]:
    """A tail that has come behind so many transactions whose numbers are given again; the server is back."""
    url = server.database_url
    # Else the server's log may be on disk before the crash, and then no number is given again.
    execute(url, "ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()")
    async with tailing_(url, **options) as tailer:
        for _ in range(5):  # the server does not say when it has heard of that
            given = await _crashed(url, tailer, rolled_back)
            if _next_number(url) < given:
                break
            assert not (await drained(tailer)).ids
        else:
            raise AssertionError("no number was given again: the test proves nothing")
        yield tailer


async def _crashed(url: str, tailer: Tailer, rolled_back: int) -> int:
    """A backend is killed behind so many transactions; the number that was the next one before."""
    with psycopg.connect(url, autocommit=True) as backend:
        backend.execute("CHECKPOINT")
        row = backend.execute("SELECT pg_postmaster_start_time()").fetchone()
        for _ in range(rolled_back):
            with backend.transaction(force_rollback=True):
                backend.execute("SELECT pg_current_xact_id()")
        given = _next_number(url)
        assert await tailer.poll() is None
        os.kill(backend.info.backend_pid, signal.SIGKILL)
        await until(lambda: _gone(backend))
    await until(lambda: _answers(url))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() == row
    return given


async def _gone(connection: psycopg.Connection[Any]) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        connection.execute("SELECT")
        return False
    return True


async def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
        connection.execute("SELECT")
        return True
    return False


async def test_numbers_given_again_after_a_crash_of_a_backend_are_new(private_postgres: Private) -> None:
    """The server recovers within a moment, is not started anew, and the next poll simply has another connection.

    Those beyond the limit are counted, though they seemed to be over already.
    """
    url = private_postgres.database_url
    async with through_a_crash_of_a_backend(private_postgres, 10) as tailer:
        written = {id_ for _ in range(15) for id_ in wrote(url, now())}
        assert (await drained(tailer)).ids == written
    async with through_a_crash_of_a_backend(private_postgres, 10, limit=4) as tailer:
        for _ in range(15):
            wrote(url, now())
        followed = await drained(tailer)
        assert len(followed.ids) + followed.skipped == 15
        assert followed.skipped >= 7


@pytest.mark.parametrize("rows", [1, 30])
async def test_more_is_exact_after_a_crash(private_postgres: Private, rows: int) -> None:
    """What was given again comes first, and ``more`` says whether there is anything besides."""
    async with through_a_crash_of_a_backend(private_postgres, 10, lossless=True) as tailer:
        written = {id_ for _ in range(rows) for id_ in wrote(private_postgres.database_url, now())}
        batch = await tailer.poll()
        assert batch is not None
        came = {entry.id for entry in batch}
        assert tailer.more == (came < written) == (rows > 10)
        assert came | (await drained(tailer)).ids == written


async def test_a_checkpoint_is_no_crash(private_postgres: Private) -> None:
    """What was skipped before it does not come after it, though the server's log was not on disk to its end."""
    url = private_postgres.database_url
    async with tailing_(url, limit=1) as tailer:
        wrote(url, now(), now())
        with Writing(url) as slow:
            slow.begin()
            slow.insert(now())
            followed = await drained(tailer)
        execute(url, "CHECKPOINT")
        await drained(tailer, followed)
        wrote(url, now())
        await drained(tailer, followed)
        assert (len(followed.ids), followed.skipped) == (2, 1)


async def test_a_place_ahead_of_the_server_is_said(postgres_url: str) -> None:
    """A token of another server, or of this one before it was restored: a notice, and what is new from now on."""
    async with tailing_(postgres_url, begin=False, after=f"postgresql1.{10**12}-5_{now()}.") as tailer:
        assert (await tailer.begin()).entries == ()
        batch = await tailer.poll()
        assert batch is not None
        assert "gone back to an older state" in str(batch.notice)
        new = wrote(postgres_url, now())
        assert (await drained(tailer)).ids == new


# -- SQLite's own ---------------------------------------------------------------------------------------------------


async def test_another_file_in_its_place_is_new(sqlite_url: str, sqlite_template: Path) -> None:
    """Its rows come, from the first, with a notice; and then what is written to it."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    other = path.with_name("other.db")
    shutil.copyfile(sqlite_template, other)
    there = wrote(f"sqlite:///{other}", now() - 10, now())
    _closed(other)
    async with tailing_(sqlite_url) as tailer:
        first = wrote(sqlite_url, now())
        followed = await drained(tailer)
        _closed(path)
        other.rename(path)
        await drained(tailer, followed)
        assert followed.ids == first | there
        assert "replaced" in followed.notices[0]
        new = wrote(sqlite_url, now())
        await drained(tailer, followed)
        assert followed.ids == first | there | new
        assert len(followed.notices) == 1


def _closed(path: Path) -> None:
    """Nothing of it is left in a write-ahead log."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a_file_that_is_away_is_waited_for(sqlite_url: str) -> None:
    """Moved and moved back: the tail says for how long, and nothing is missed."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    away = path.with_name("away")
    async with tailing_(sqlite_url) as tailer:
        _closed(path)
        os.rename(path, away)  # noqa: PTH104 - the same, and one of pathlib is said to block
        assert await tailer.poll() is None
        assert tailer.pause > 0
        os.rename(away, path)  # noqa: PTH104 - as above
        new = wrote(sqlite_url, now())
        followed = await drained(tailer)
        assert followed.ids == new
        assert followed.notices == ["the database was away for a moment; nothing was missed"]
        assert tailer.pause == 0


@pytest.mark.parametrize("how", ["no folder", "no leave"])
async def test_a_folder_that_is_away_is_waited_for(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Another thing in the folder's place, or a file system that does not answer: an absence like any other."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    inside = tmp_path / "inside"
    inside.mkdir()
    os.rename(path, inside / "logs.db")  # noqa: PTH104 - the same, and one of pathlib is said to block
    url = f"sqlite:///{inside}/logs.db"
    async with tailing_(url) as tailer, reading(url) as sessions:
        with monkeypatch.context() as patch:
            if how == "no folder":
                os.rename(inside, tmp_path / "away")  # noqa: PTH104 - as above
                inside.touch()
            else:
                patch.setattr(os, "stat", Mock(side_effect=OSError(errno.ESTALE, os.strerror(errno.ESTALE))))
            assert await tailer.poll() is None
            with pytest.raises(StoreUnavailable, match="does not exist" if how == "no folder" else "ESTALE: .* cannot"):
                await sessions.run(sa.text("SELECT 1"))
        if how == "no folder":
            inside.unlink()
            os.rename(tmp_path / "away", inside)  # noqa: PTH104 - as above
        new = wrote(url, now())
        assert (await drained(tailer)).ids == new


async def test_a_token_of_a_newer_file_begins_the_older_one_anew(sqlite_url: str) -> None:
    """A file put back from a copy: all that is in it comes, with a notice."""
    there = wrote(sqlite_url, now(), now())
    async with tailing_(sqlite_url, after="sqlite1.1000.") as tailer:
        followed = await drained(tailer)
    assert followed.ids == there
    assert "older copy" in followed.notices[0]
    assert followed.anew == 1


async def test_a_backlog_is_read_to_its_end(sqlite_url: str) -> None:
    """Page by page, with no commit in between that would be another reason to look."""
    async with tailing_(sqlite_url, lossless=True, limit=2) as tailer:
        written = wrote(sqlite_url, *[now()] * 7)
        followed = await drained(tailer)
    assert (followed.ids, followed.batches) == (written, 4)


async def test_retention_is_no_replacement(sqlite_url: str) -> None:
    """When every row has been deleted, numbers go on: no notice, nothing again."""
    async with tailing_(sqlite_url) as tailer:
        wrote(sqlite_url, now(), now())
        followed = await drained(tailer)
        execute(sqlite_url, "DELETE FROM logs")
        await drained(tailer, followed)
        wrote(sqlite_url, now())
        await drained(tailer, followed)
        assert (len(followed.ids), followed.notices) == (3, [])


# -- faults, and the end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "seconds", "says"),
    [
        (ErrorClass.RESEND, 0.5, None),
        (ErrorClass.RESEND, 12, "the database was away for 12 s; nothing was missed"),
        (ErrorClass.RECONNECT, 0.5, "the database was away for a moment; nothing was missed"),
        (ErrorClass.WAIT, 3, "the database was away for 3 s; nothing was missed"),
    ],
)
async def test_an_absence_is_told_with_its_length(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, kind: ErrorClass, seconds: float, says: str | None
) -> None:
    """Once, by the first batch afterwards; a lock that has passed within a second is not worth a word."""
    clock = [0.0]
    async with tailing_(sqlite_url, clock=lambda: clock[0]) as tailer:
        with monkeypatch.context() as patch:
            patch.setattr(Session, "scalar_outside", AsyncMock(side_effect=StoreUnavailable(kind, "X", "away")))
            for _ in range(3):
                assert await tailer.poll() is None
                assert 0 < tailer.pause <= 5
        clock[0] = seconds
        batch = await tailer.poll()
        assert (batch and batch.notice) == says
        assert await tailer.poll() is None
        assert tailer.pause == 0


@pytest.mark.parametrize("kind", [ErrorClass.RESEND, ErrorClass.RECONNECT])
async def test_who_was_told_that_it_is_away_is_told_when_it_is_back(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, kind: ErrorClass
) -> None:
    """By a batch at the first look that does not fail, even where there is nothing to say, and only there."""
    told: list[StoreUnavailable] = []
    async with tailing_(sqlite_url, away=lambda error, _: told.append(error)) as tailer:
        with monkeypatch.context() as patch:
            patch.setattr(Session, "scalar_outside", AsyncMock(side_effect=StoreUnavailable(kind, "X", "away")))
            assert await tailer.poll() is None
        assert len(told) == 1
        batch = await tailer.poll()
        assert batch is not None
        assert not batch.entries
        assert await tailer.poll() is None
        token = batch.token
    async with tailing_(sqlite_url, after=token, away=lambda error, _: told.append(error)) as tailer:
        assert await tailer.poll() is not None
        assert await tailer.poll() is None


async def test_whoever_cannot_wait_has_it_look_sooner(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of an hour ends with the future that ``away`` returned."""
    sooner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told = asyncio.Event()

    def away(*_: object) -> asyncio.Future[None]:
        told.set()
        return sooner

    monkeypatch.setattr("dblog.backoff.Backoff.next", lambda _: 3600.0)
    async with reading(sqlite_url) as sessions:
        tail: Any = tailing.tail(sessions, All(), poll_interval=0.01, away=away)
        await anext(tail)
        with monkeypatch.context() as patch:
            gone = StoreUnavailable(ErrorClass.RECONNECT, "X", "away")
            patch.setattr(Session, "scalar_outside", AsyncMock(side_effect=gone))
            task = asyncio.ensure_future(anext(tail))
            await told.wait()
        sooner.set_result(None)
        batch = await asyncio.wait_for(task, 30)
        assert "away" in batch.notice
        await tail.aclose()


async def test_what_does_not_heal_is_raised(database_url: str) -> None:
    """Before the first batch, anything; afterwards a table that is gone. Not waited for in silence."""
    async with tailing_(database_url) as tailer:
        execute(database_url, "ALTER TABLE logs RENAME TO gone")
        wrote_elsewhere = "SELECT pg_current_xact_id()" if "postgresql" in database_url else "CREATE TABLE t (n int)"
        execute(database_url, wrote_elsewhere)
        with pytest.raises(StoreUnavailable):
            await tailer.poll()


async def taken(tail: AsyncIterator[TailBatch], followed: Followed) -> None:
    """Its batches, to its end."""
    async for batch in tail:
        followed.take(batch)


async def test_who_may_not_read_any_more_is_told_and_goes_on_later(postgres_url: str, reader_postgres_url: str) -> None:
    """A privilege that is taken ends the tail with its sentence; behind the last token nothing is missed or doubled."""
    role, followed = urlsplit(reader_postgres_url).username, Followed()
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        async with LogReader(reader_postgres_url) as reader:
            tail = reader.tail(poll_interval=0.01)
            followed.take(await anext(tail))
            written = wrote(postgres_url, now())
            followed.take(await anext(tail))
            owner.execute(f"REVOKE SELECT ON logs FROM {role}".encode())
            for each in (tail, reader.tail(after=followed.token, follow=False)):
                with pytest.raises(StoreUnavailable, match=r"42501.*a privilege is missing: see dblog grants"):
                    await taken(each, followed)
            written |= wrote(postgres_url, now())
            owner.execute(f"GRANT SELECT ON logs TO {role}".encode())
            await taken(reader.tail(after=followed.token, follow=False), followed)
    assert (followed.ids, followed.notices) == (written, [])


async def test_a_query_that_takes_too_long_is_raised(postgres_url: str) -> None:
    """It is the query's fault, and would be again; the place has not moved."""
    async with reading(postgres_url) as sessions:
        tailer = Tailer(sessions, All())
        await tailer.begin()
        new, patience = wrote(postgres_url, now()), sessions.statement_timeout
        with psycopg.connect(postgres_url) as owner:
            owner.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            sessions.statement_timeout = 0.2
            with pytest.raises(QueryTimeout):
                await tailer.poll()
        sessions.statement_timeout = patience
        assert (await drained(tailer)).ids == new


@every_engine
async def test_who_stops_listening_leaves_nothing(database_url: str, reading_url: str) -> None:
    """Cancelled in the middle of its wait, the tail ends at once, without a task or a connection left."""
    before = asyncio.all_tasks()
    reader = LogReader(reading_url)
    followed = Followed()

    async def listen() -> None:
        async for batch in reader.tail(poll_interval=60):
            followed.take(batch)

    task = asyncio.create_task(listen())
    await until(lambda: asyncio.sleep(0, followed.batches == 1))
    task.cancel()
    async with asyncio.timeout(30) as limit:  # its wait is twice as long
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not limit.expired()
        await reader.aclose()
        await until(lambda: asyncio.sleep(0, asyncio.all_tasks() == before))
    if database_url.startswith("postgres"):
        with psycopg.connect(database_url, autocommit=True) as owner:

            async def alone() -> bool:
                row = owner.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename <> current_user"
                ).fetchone()
                return row == (0,)

            await until(alone)


async def test_polls_keep_their_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the beginning of one to the beginning of the next, whatever a poll takes; at once where there is more."""
    clock, waited = [100.0], list[float]()
    polls = iter([(0.1, False, 0.0), (0.4, False, 0.0), (0.2, True, 0.0), (0.2, False, 0.0), (0.5, False, 2.0)])
    stub: Any = SimpleNamespace(follow=True, more=False, pause=0.0, sooner=None, begin=AsyncMock(), aclose=AsyncMock())

    async def poll() -> None:
        took, stub.more, stub.pause = next(polls)
        clock[0] += took

    async def slept(seconds: float) -> None:
        waited.append(round(seconds, 3))
        clock[0] += seconds
        if len(waited) == 4:
            raise asyncio.CancelledError

    stub.poll = poll
    monkeypatch.setattr(asyncio, "sleep", slept)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: SimpleNamespace(time=lambda: clock[0]))
    with pytest.raises(asyncio.CancelledError):
        _ = [batch async for batch in tailing.paced(stub, 0.25)]
    assert waited == [0.15, 0.0, 0.05, 1.5]
    stub.aclose.assert_awaited_once()


@every_engine
async def test_the_tail_reads_what_is_stored(database_url: str, reading_url: str) -> None:
    """The entries are those a search finds, field by field."""
    async with LogReader(reading_url) as reader, tailing_(reading_url) as tailer:
        wrote(database_url, now())
        batch = await tailer.poll()
        assert batch is not None
        assert batch.entries == (await reader.search("")).entries
        assert {entry.id for entry in batch} == stored(database_url)
