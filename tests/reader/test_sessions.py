"""A reader's connections: read-only, cancelled in the database, nothing left behind, and no harm to who forks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import sqlite3
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa

from dblog import ConfigurationError, DatabaseHandler, LogReader, QueryTimeout, StoreUnavailable, SyncLogReader
from dblog.reading.session import Sessions
from tests.administered import entry, fill

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.pgserver import Server

# Counts for minutes; each engine would rather not stop.
ENDLESS = sa.text("""
    WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 2000000000)
    SELECT count(*) FROM counted
""")
ONE = sa.text("SELECT 1")


@pytest.fixture
async def sessions(reading_url: str) -> AsyncIterator[Sessions]:
    made = Sessions(reading_url)
    yield made
    await made.aclose()
    gc.collect()  # what was not closed warns here, and so fails the test


async def until(holds: Callable[[], Awaitable[bool] | bool], seconds: float = 30.0) -> float:
    """Wait for a condition; how long it took."""
    start = time.monotonic()
    while True:
        answer = holds()
        if answer is True or (answer is not False and await answer):
            return time.monotonic() - start
        assert time.monotonic() - start < seconds
        await asyncio.sleep(0.005)


def busy(server: Server, marker: str = "counted") -> Callable[[], bool]:
    """Whether a statement that holds the marker is at work in the server."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()"

    def look() -> bool:
        with server.admin() as admin:
            row = admin.execute(query, (f"%{marker}%",)).fetchone()
        return bool(row and row[0])

    return look


async def test_a_read_can_write_nothing(sessions: Sessions, reading_url: str, database_url: str) -> None:
    """An INSERT through a session fails, as the owner of the tables, too; nothing is stored."""
    owner = Sessions(database_url)
    for each in (sessions, owner):
        for statement in (
            "INSERT INTO log_instances SELECT * FROM log_instances",
            "DELETE FROM logs",
            "CREATE TABLE t (a int)",
        ):
            with pytest.raises(StoreUnavailable):
                await each.run(sa.text(statement))
    assert await owner.run(sa.text("SELECT 1")) == [(1,)]
    await owner.aclose()


async def test_nothing_is_left_in_the_session(reader_postgres_url: str) -> None:
    """No prepared statement, no changed setting, no open transaction, whatever was read before, or has failed."""
    reader = LogReader(reader_postgres_url)
    sessions = reader._sessions
    async with reader:
        for _ in range(3):
            await reader.search("level>=error portfolio_id:x", limit=3)
            await reader.search("message=~/a+b/")
            await reader.histogram(bucket=5)
            await reader.facets("", "portfolio_id")
            await reader.statistics()
            await reader.count("timeout", exact=False)
            await reader.instances()
            with pytest.raises(StoreUnavailable):
                await sessions.run(sa.text("SELECT 1/0"))
        left = sa.text("""
            SELECT (SELECT count(*) FROM pg_prepared_statements),
                   (SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE source = 'session'),
                   (SELECT count(*) FROM pg_stat_activity WHERE usename = user AND pid <> pg_backend_pid())
        """)
        # Both are of this very transaction.
        assert await sessions.run(left) == [(0, "statement_timeout transaction_read_only", 0)]


async def test_every_statement_runs_in_a_read_only_transaction_with_a_timeout(reader_postgres_url: str) -> None:
    """``statement_timeout`` is the reader's, or the call's own."""
    sessions = Sessions(reader_postgres_url, statement_timeout=7.5)
    shown = sa.text("SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')")
    assert await sessions.run(shown) == [("on", "7500ms")]
    assert await sessions.run(shown, timeout=2) == [("on", "2s")]
    await sessions.aclose()


async def test_a_statement_that_takes_too_long_is_ended(sessions: Sessions) -> None:
    """``QueryTimeout`` says the seconds and what to do; the connection goes on."""
    start = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"took longer than 0\.2 s: narrow it in time, or raise statement_timeout"):
        await sessions.run(ENDLESS, timeout=0.2)
    assert time.monotonic() - start < 10
    assert await sessions.run(ONE) == [(1,)]


async def test_cancelling_ends_the_statement(sessions: Sessions, request: pytest.FixtureRequest) -> None:
    """Cancelled again and again while it ends: the database is at rest soon, and the next read works."""
    for _ in range(3):
        task = asyncio.create_task(sessions.run(ENDLESS))
        if sessions.dialect == "postgresql":
            working = busy(request.getfixturevalue("postgres_server"))
            await until(working)
        else:
            await asyncio.sleep(0.05)
        start = time.monotonic()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.001)
        assert task.cancelled()
        if sessions.dialect == "postgresql":
            await until(lambda working=working: not working())  # type: ignore[misc]  # mypy cannot tell its type
        assert time.monotonic() - start < 10  # 5 ms on a machine with nothing else to do
        assert await sessions.run(ONE) == [(1,)]


async def test_cancelling_at_any_moment_leaks_nothing(reading_url: str) -> None:
    """Wherever in connecting or reading it comes: every connection is closed in the end, and the reader goes on."""
    sessions = Sessions(reading_url)
    for step in range(60):
        task = asyncio.create_task(sessions.run(ONE))
        for _ in range(step % 7):
            await asyncio.sleep(0)
        await asyncio.sleep(step * 0.0002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if step % 2:
            await sessions.aclose()
    assert await asyncio.gather(*(sessions.run(ONE) for _ in range(12))) == [[(1,)]] * 12
    await sessions.aclose()
    gc.collect()


async def test_cancelling_while_connecting_ends_in_silence(
    reader_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's answer is awaited, and the connection closed: asyncio has nothing to say of a forgotten future."""
    for turns in range(40):
        sessions = Sessions(reader_postgres_url)
        task = asyncio.create_task(sessions.run(ONE))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await sessions.aclose()
    gc.collect()
    assert caplog.records == []
    await until(lambda: open_for(reader_postgres_url) == 0)


async def test_more_tasks_than_connections_take_turns(sessions: Sessions) -> None:
    """Forty reads at once are all answered."""
    assert await asyncio.gather(*(sessions.run(ONE) for _ in range(40))) == [[(1,)]] * 40


async def test_alternating_statements(sessions: Sessions) -> None:
    """One connection, different statements and types in turn, and the answers are each one's own."""
    numbered = [sa.select(sa.literal(number).label("a")) for number in range(3)]
    texts = [sa.select(sa.literal("x").label("a"), sa.literal(None, sa.Text()).label("b"))]
    for _ in range(5):
        for number, statement in enumerate(numbered):
            assert await sessions.run(statement) == [(number,)]
        assert await sessions.run(texts[0]) == [("x", None)]


async def test_a_connection_of_its_own(sessions: Sessions) -> None:
    """``dedicated`` takes none from the pool, reads alike, and is closed in the end."""
    async with sessions.dedicated() as one, sessions.dedicated() as other:
        assert await one.run(ONE) == await other.run(ONE) == [(1,)]
        if sessions.dialect == "sqlite":
            assert isinstance(await one.scalar_outside("PRAGMA data_version"), int)
        with pytest.raises(QueryTimeout):
            await one.run(ENDLESS, timeout=0.1)
        assert await one.run(ONE) == [(1,)]


@pytest.mark.parametrize("way", ["left", "raised", "kept"])
def test_a_tail_that_is_left_ends_in_silence(reading_url: str, caplog: pytest.LogCaptureFixture, way: str) -> None:
    """By ``break``, by an exception, or kept until the loop has ended: nothing is logged, no connection stays."""
    kept, threads = [], threading.active_count()

    async def follow() -> None:
        async with LogReader(reading_url) as reader:
            live = reader.tail(poll_interval=0.01)
            if way == "kept":
                kept.append(live)
                await anext(live)
                return
            del live
            async for _ in reader.tail(poll_interval=0.01):
                if way == "raised":
                    raise LookupError
                break

    with pytest.raises(LookupError) if way == "raised" else contextlib.nullcontext():
        asyncio.run(follow())
    gc.collect()
    assert caplog.records == []

    async def ended() -> None:  # a connection's thread goes on for a moment after it has said that it is closed
        await until(lambda: threading.active_count() == threads)

    asyncio.run(ended())


async def test_a_tail_goes_on_after_its_reader_was_closed(database_url: str, reading_url: str) -> None:
    """As every other call does: on a new connection, missing nothing."""
    reader = LogReader(reading_url)
    live = reader.tail(poll_interval=0.01)
    await anext(live)
    await reader.aclose()
    fill(database_url, [entry(1)])
    assert [each.lineno for each in await anext(live)] == [1]
    await live.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
    await reader.aclose()


def open_for(url: str) -> int:
    """Connections of readers to a database: the server's, or, where it can be known, descriptors of the file."""
    if url.startswith("sqlite"):
        descriptors, path = Path("/proc/self/fd"), url.removeprefix("sqlite:///")
        return sum(os.path.realpath(each).startswith(path) for each in descriptors.glob("*"))
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dblog reader' AND datname = %s"
    with psycopg.connect(url) as owner:
        row = owner.execute(count, (owner.info.dbname,)).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize("renewed", [False, True])
async def test_what_is_in_use_when_its_pool_goes_is_closed(
    database_url: str, reading_url: str, *, renewed: bool
) -> None:
    """By ``aclose``, or because another call found its connection lost: no connection waits for the collector."""
    sessions, threads = Sessions(reading_url), threading.active_count()
    long = sa.text("""
        WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 100000)
        SELECT count(*) FROM counted
    """)
    gc.disable()
    try:
        tasks = [asyncio.create_task(sessions.run(long)) for _ in range(4)]
        await until(lambda: sessions._open is not None)
        assert sessions._open is not None
        pooled = sessions._open.pooled
        await until(lambda: pooled.sync_engine.pool.checkedout() == 4)  # type: ignore[attr-defined]  # a QueuePool's
        if renewed:
            await sessions._renew(pooled)
            assert await sessions.run(ONE) == [(1,)]
        await sessions.aclose()
        assert await asyncio.gather(*tasks) == [[(100_000,)]] * 4
        await until(lambda: open_for(database_url) == 0 and threading.active_count() == threads)
    finally:
        gc.enable()


async def test_a_reads_deadlock_goes_unnoticed(postgres_url: str) -> None:
    """Its victim is tried once more; the second time it is an error."""
    deadlocks = """
        CREATE FUNCTION dies(times bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE died bigint := count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
        BEGIN
            IF died < times THEN
                PERFORM pg_advisory_lock(died);
                RAISE 'dead' USING ERRCODE = '40P01';
            END IF;
            RETURN died;
        END $$
    """
    async with await psycopg.AsyncConnection.connect(postgres_url) as owner:
        await owner.execute(deadlocks)
    sessions = Sessions(postgres_url)
    assert await sessions.run(sa.text("SELECT dies(1)")) == [(1,)]
    with pytest.raises(StoreUnavailable, match="deadlock"):
        await sessions.run(sa.text("SELECT dies(3)"))
    await sessions.aclose()


async def test_a_second_event_loop_is_told(reading_url: str) -> None:
    """A reader belongs to the loop that uses it, until ``aclose``."""
    reader = LogReader(reading_url)
    await reader.count()

    def elsewhere() -> None:
        asyncio.run(_count(reader))

    with pytest.raises(ConfigurationError, match="in use in another event loop"):
        await asyncio.to_thread(elsewhere)
    await reader.aclose()
    await asyncio.to_thread(elsewhere)
    assert (await reader.count()).value == 0
    await reader.aclose()


async def _count(reader: LogReader) -> None:
    async with reader:
        await reader.count()


def _in_a_child(work: Callable[[], None]) -> int:
    """Fork, do it there, and the exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_reading_harms_neither_reader_nor_writer(database_url: str, reading_url: str) -> None:
    """In the child both work on connections of their own; in the parent the read under way comes to its end."""
    import logging

    handler = DatabaseHandler(database_url, service="forks")
    log = logging.getLogger("forks")
    log.addHandler(handler)
    log.warning("before")
    handler.flush()
    reader = SyncLogReader(reading_url)
    assert reader.count().value == 1

    def child() -> None:
        log.warning("in the child")
        handler.flush()
        with reader:
            assert reader.count("message:*child").value >= 1
        handler.close()

    for _ in range(3):
        assert _in_a_child(child) == 0
        assert reader.count().value >= 1
    log.warning("after")
    handler.flush()
    assert reader.count().value == 5
    reader.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_statement_under_way_survives_a_fork(sqlite_url: str) -> None:
    """SQLite's connections are closed for a fork; the statement that is interrupted by that is read again."""
    fill(sqlite_url, [entry(number) for number in range(50)])
    sessions = Sessions(sqlite_url)
    long = sa.text("""
        WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 3000000)
        SELECT count(*) FROM counted
    """)
    task = asyncio.create_task(sessions.run(long))
    await asyncio.sleep(0.05)
    assert await asyncio.to_thread(_in_a_child, lambda: None) == 0
    assert await task == [(3_000_000,)]
    await sessions.aclose()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forks_go_unnoticed_by_those_who_read_meanwhile(sqlite_url: str) -> None:
    """Four threads read, one follows, and the process forks again and again: every answer comes, and is right."""
    fill(sqlite_url, [entry(number) for number in range(500)])
    answers: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                answers.append(reader.count("*:order").value)
            except Exception as error:
                answers.append(repr(error))

    def follow() -> None:
        try:
            for batch in reader.tail(poll_interval=0.001):
                answers.extend(filter(None, (batch.notice,)))
        except asyncio.CancelledError:
            pass

    with SyncLogReader(sqlite_url) as reader:
        right = reader.count("*:order").value
        threads = [threading.Thread(target=each) for each in (read, read, read, read, follow)]
        for thread in threads:
            thread.start()
        for _ in range(25):
            assert _in_a_child(lambda: None) == 0
        stop.set()
        for thread in threads[:4]:
            thread.join()
    threads[4].join()
    assert set(answers) == {right}


async def test_a_replaced_file_is_read_anew(sqlite_url: str, sqlite_template: Path, tmp_path: Path) -> None:
    """A file that was deleted and made again is the one that is read; in between it is missing."""
    path = tmp_path / "logs.db"
    fill(sqlite_url, [entry(1)])
    async with LogReader(sqlite_url) as reader:
        assert (await reader.count()).value == 1
        for suffix in ("", "-wal", "-shm"):
            path.with_name(f"logs.db{suffix}").unlink(missing_ok=True)
        with pytest.raises(StoreUnavailable, match="does not exist: check the path, or run dblog upgrade"):
            await reader.count()
        shutil.copyfile(sqlite_template, path)
        assert (await reader.count()).value == 0


async def test_a_text_that_is_not_utf_8_is_shown_with_replacements(sqlite_url: str) -> None:
    """What some other program wrote does not hide the entries around it."""
    fill(sqlite_url, [entry(1), entry(2)])
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as owner:
        owner.execute("UPDATE logs SET message = CAST(x'6162ff' AS TEXT) WHERE lineno = 1")
        owner.commit()
    async with LogReader(sqlite_url) as reader:
        assert {each.message[:3] for each in await reader.search()} == {"ab\ufffd", "ord"}


@pytest.fixture
def folder_of_somebody_else() -> Iterator[Path]:
    """A folder in which we may not write, even where we are root; what is in it, the owner may."""
    folder, root = Path(tempfile.mkdtemp()), os.geteuid() == 0
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


async def test_a_file_at_rest_in_a_folder_that_takes_no_file(
    folder_of_somebody_else: Path, sqlite_template: Path, sqlite_url: str
) -> None:
    """In WAL mode, without ``-wal`` and ``-shm``: it is read, nothing is made, and what is written later is seen."""
    folder, root = folder_of_somebody_else, os.geteuid() == 0
    path = folder / "logs.db"
    shutil.copyfile(sqlite_template, path)
    with contextlib.closing(sqlite3.connect(path)) as owner:
        assert owner.execute("PRAGMA journal_mode = WAL").fetchall() == [("wal",)]
    fill(f"sqlite:///{path}", [entry(1)])
    async with LogReader(sqlite_url) as warm:  # imports what it takes, while we may read it
        await warm.search()
    path.chmod(0o644)
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    async with LogReader(f"sqlite:///{path}") as reader:
        assert [each.lineno for each in await reader.search()] == [1]
        assert [each.name for each in folder.iterdir()] == ["logs.db"]
        live = reader.tail(poll_interval=0.01)
        await anext(live)
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        fill(f"sqlite:///{path}", [entry(2)])
        if root:
            os.seteuid(65534)
        assert [each.lineno for each in await reader.search()] == [2, 1]
        assert [each.lineno for each in await anext(live)] == [2]
        await live.aclose()  # type: ignore[attr-defined]  # an asynchronous generator


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    """Not the file, nor one beside it."""
    missing = SyncLogReader(f"sqlite:///{tmp_path / 'no.db'}")
    with missing as reader, pytest.raises(StoreUnavailable, match=r"no\.db does not exist"):
        reader.search()
    assert list(tmp_path.iterdir()) == []


async def test_the_password_is_asked_at_each_connect(postgres_role: Any, postgres_url: str, tmp_path: Path) -> None:
    """From a callable or a file; what goes wrong there is said without its text."""
    from urllib.parse import urlsplit

    parts = urlsplit(postgres_role.url)
    bare = parts._replace(netloc=f"{postgres_role.name}@{parts.netloc.rpartition('@')[2]}").geturl()
    secret = str(parts.password)
    asked = []

    def callable_password() -> str:
        asked.append(1)
        return secret

    file = tmp_path / "password"
    file.write_text(f"{secret}\n")
    for options in ({"password": callable_password}, {"password": secret}, {"password_file": file}):
        sessions = Sessions(bare, **options)
        assert await sessions.run(ONE) == [(1,)]
        assert await sessions.run(ONE) == [(1,)]
        await sessions.aclose()
    assert len(asked) == 1

    def broken() -> str:
        raise RuntimeError(secret)

    sessions = Sessions(bare, password=broken)
    with pytest.raises(StoreUnavailable, match="the password cannot be had") as failed:
        await sessions.run(ONE)
    assert secret not in str(failed.value)


@pytest.mark.parametrize("name", ["statement_timeout", "connect_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_a_positive_number(name: str, seconds: float) -> None:
    """Anything else is refused when the reader is made."""
    with pytest.raises(ConfigurationError, match=f"{name}=.*positive number of seconds"):
        LogReader("sqlite:///x.db", **{name: seconds})  # type: ignore[arg-type]  # of either timeout
