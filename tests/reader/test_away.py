"""A database that cannot be had is said in a sentence with what to do: quickly, and never with a secret in it."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa

from dblog import LogReader, StoreUnavailable
from dblog.errors import ErrorClass
from dblog.reading.session import Sessions
from dblog.reading.sqlite_opening import Opening
from dblog.testing import FaultProxy
from tests.postgres import database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Private, Role

CANARY = "s3cret-c4nary"


async def refused(url: str, sentence: str, **options: Any) -> StoreUnavailable:
    """Ask it anything; the error, whose text matches and holds no password."""
    async with LogReader(url, **options) as reader:
        for ask in (reader.statistics, reader.instances):
            with pytest.raises(StoreUnavailable, match=sentence):
                await ask()
        with pytest.raises(StoreUnavailable, match=sentence) as failed:
            await reader.search()
    shown = f"{failed.value!s} {failed.value!r} {failed.value.__cause__!r}"
    assert CANARY not in shown
    assert failed.value.__suppress_context__
    if (password := urlsplit(url).password) is not None:
        assert password not in shown
    return failed.value


async def test_the_tables_are_missing(empty_database_url: str) -> None:
    """An empty database, or an SQLite file of something else: run dblog upgrade."""
    if empty_database_url.startswith("sqlite"):
        with closing(sqlite3.connect(empty_database_url.removeprefix("sqlite:///"))) as made:
            made.execute("CREATE TABLE other (a)")
    assert (await refused(empty_database_url, "missing.*run dblog upgrade")).kind is ErrorClass.CONFIGURATION


async def test_a_column_is_missing(database_url: str, reading_url: str) -> None:
    """A schema older than the library: run dblog upgrade."""
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as owner:
        owner.execute(sa.text("ALTER TABLE logs DROP COLUMN context_id"))
    engine.dispose()
    async with LogReader(reading_url) as reader:
        with pytest.raises(StoreUnavailable, match="run dblog upgrade"):
            await reader.search()


@pytest.mark.parametrize("content", [b"", b"this is no database, and long enough for its header" * 40])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """Empty, it lacks the tables; else it is none."""
    path = tmp_path / "x.db"
    path.write_bytes(content)
    await refused(
        f"sqlite:///{path}", "is no SQLite database.*x.db.*check the path" if content else "run dblog upgrade"
    )


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The path and what to look at are named."""
    await refused(f"sqlite:///{tmp_path}", "cannot be opened.*check the path")


async def test_nobody_listens() -> None:
    """A refused connection names the address, not the password."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    url = f"postgresql://bob:{CANARY}@127.0.0.1:{port}/logs"
    error = await refused(url, rf"cannot be reached \(postgresql://bob:\*\*\*@127.0.0.1:{port}/logs\): is it running")
    assert error.kind is ErrorClass.RECONNECT


async def test_somebody_listens_who_never_answers() -> None:
    """``connect_timeout`` is the longest one waits."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        url = f"postgresql://bob:{CANARY}@127.0.0.1:{listening.getsockname()[1]}/logs"
        start = time.monotonic()
        await refused(url, "cannot be reached", connect_timeout=0.2)
        assert time.monotonic() - start < 10


async def test_the_server_refuses(postgres_role: Role, postgres_url: str) -> None:
    """Password, database, privilege: each has its sentence."""
    parts = urlsplit(postgres_role.url)
    wrong = parts._replace(netloc=f"{postgres_role.name}:{CANARY}@{parts.netloc.rpartition('@')[2]}").geturl()
    await refused(wrong, "28P01.*refused the password.*check the user and the password")
    nowhere = parts._replace(path="/no_such_database").geturl()
    await refused(nowhere, "3D000.*the database does not exist.*check the name at the end of the URL")
    error = await refused(postgres_role.url, "42501.*a privilege is missing: see dblog grants")
    assert error.kind is ErrorClass.CONFIGURATION


async def test_the_schema_does_not_exist(postgres_url: str) -> None:
    """A mistyped schema is a missing table."""
    await refused(postgres_url, "run dblog upgrade", schema="nowhere")


async def test_the_database_is_dropped_meanwhile(postgres_template: Any) -> None:
    """The reader that had it says so, and reads again when it is back."""
    with database(*postgres_template) as url:
        reader = LogReader(url)
        assert (await reader.count()).value == 0
    with pytest.raises(StoreUnavailable, match="the database does not exist"):
        await reader.count()
    await reader.aclose()


async def test_connections_that_ended_between_two_calls_go_unnoticed(postgres_url: str) -> None:
    """All of the pool's are terminated: the next call has its answer on a new one."""
    async with LogReader(postgres_url) as reader:
        for _ in range(2):
            await asyncio.gather(*(reader.count() for _ in range(8)))
            with psycopg.connect(postgres_url) as owner:
                rows = owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dblog reader' "
                    "AND datname = current_database()"
                ).fetchall()
            assert len(rows) > 1
            assert (await reader.count()).value == 0


@pytest.mark.parametrize("query", ["", "level>=error"])
async def test_a_connection_cut_in_the_middle_of_a_statement_goes_unnoticed(postgres_url: str, query: str) -> None:
    """The page and the query are asked again on a new one, whichever of the two drivers' layers met the end."""
    with FaultProxy(postgres_url) as proxy:
        async with LogReader(proxy.url) as reader:
            for _ in range(2):
                proxy.cut_after(b"SELECT")
                assert not (await reader.search(query)).entries
                assert proxy.fired == 1


@pytest.mark.slow
async def test_a_server_that_dies_freezes_and_returns(private_postgres: Private) -> None:
    """Restarted: unnoticed. Frozen: an error within the time. Dead: an error at once. Back: read again."""
    reader = LogReader(private_postgres.database_url, statement_timeout=1.0, connect_timeout=1.0)
    assert (await reader.count()).value == 0
    private_postgres.stop("immediate")
    private_postgres.start()
    assert (await reader.count()).value == 0

    private_postgres.freeze()
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await reader.count()
    assert time.monotonic() - start < 10
    private_postgres.thaw()
    assert (await reader.count()).value == 0

    private_postgres.freeze()
    start = time.monotonic()
    task = asyncio.create_task(reader.count())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - start < 10
    private_postgres.thaw()
    assert (await reader.count()).value == 0

    private_postgres.kill()
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"cannot be reached.*is it running"):
        await reader.count()
    assert time.monotonic() - start < 10
    await reader.aclose()


async def test_no_value_is_in_an_error(reading_url: str) -> None:
    """What a statement is bound to stays out of the message, of its cause and of its context."""
    sessions = Sessions(reading_url)
    broken = sa.text("SELECT CAST(:canary AS text) || no_such_column")
    with pytest.raises(StoreUnavailable) as failed:
        await sessions.run(broken, {"canary": CANARY})
    error = failed.value
    assert CANARY not in f"{error!s} {error!r} {error.__cause__!r}"
    assert error.__suppress_context__
    await sessions.aclose()


async def test_a_password_that_does_not_come() -> None:
    """``connect_timeout`` holds for the callable, too, and says what was waited for; what it says later is dropped."""
    came = threading.Event()

    def slow() -> str:
        came.wait(20)
        return CANARY

    reader = LogReader("postgresql://bob@127.0.0.1:1/logs", password=slow, connect_timeout=0.05)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"the password did not come within 0\.05 s") as failed:
        await reader.count()
    came.set()
    assert time.monotonic() - start < 10
    assert CANARY not in str(failed.value)
    await reader.aclose()


async def test_a_locked_file_is_waited_for_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``connect_timeout`` is the longest one waits for another process's lock, and the error names it."""
    tried, connect = [], Opening._connect

    def counted(self: Opening, **how: str) -> Any:
        tried.append(how)
        return connect(self, **how)

    monkeypatch.setattr(Opening, "_connect", counted)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as owner:
        owner.execute("PRAGMA journal_mode = DELETE")
        owner.execute("BEGIN EXCLUSIVE")
        async with LogReader(sqlite_url, connect_timeout=0.05) as reader:
            with pytest.raises(StoreUnavailable, match=r"SQLITE_BUSY.*lock"):
                await reader.count()
    assert tried == [{"mode": "ro", "nolock": "1"}, {"mode": "ro"}]
