"""What a reader does beside an SQLite file: nothing. Not a file, not a lock, whoever it is, wherever the file lies."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dblog import LogReader, SyncLogReader, migrate
from dblog.admin import doctor, gaps
from dblog.admin.connection import AdminConnection
from dblog_tui import nearby
from tests.administered import entry, fill
from tests.oracle import execute, logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

_OTHER = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    sys.exit(error.sqlite_errorname)
"""


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def logged(sqlite_url: str) -> str:
    """A file with a write-ahead log's format, with one entry, in use by nobody."""
    execute(sqlite_url, "PRAGMA journal_mode = WAL")
    fill(sqlite_url, [entry(1)])
    assert _names(_path(sqlite_url).parent) == ["logs.db"]
    return sqlite_url


@pytest.mark.parametrize("link", [False, True], ids=["the file", "a link to it"])
async def test_a_file_at_rest_stays_alone(logged: str, tmp_path: Path, link: bool) -> None:
    """Read, followed and left: nothing lies beside it, before as after; and what others write meanwhile is seen."""
    url = logged
    if link:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "link.db").symlink_to(_path(logged))
        url = f"sqlite:///{tmp_path / 'elsewhere' / 'link.db'}"
    beside = ["elsewhere", "logs.db"] if link else ["logs.db"]
    async with LogReader(url) as reader:
        live = reader.tail(poll_interval=0.01)
        await anext(live)
        for number in range(2, 5):
            assert [each.lineno for each in await reader.search()] == list(range(number - 1, 0, -1))
            assert _names(tmp_path) == beside
            fill(logged, [entry(number)])
            batch = await asyncio.wait_for(anext(live), 10)
            assert ([each.lineno for each in batch.entries], batch.notice) == ([number], None)
        await live.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
    assert _names(tmp_path) == beside


async def test_a_writer_comes_and_goes(logged: str) -> None:
    """While it is there its log is read, when it has gone nothing of it stays, and no answer is old."""
    async with LogReader(logged) as reader:
        for turn in range(3):
            assert len(await reader.search()) == 1 + 2 * turn
            with logging_to(logged) as (logger, handler):
                for part in range(2):
                    logger.info("turn %d.%d", turn, part)
                    assert await asyncio.to_thread(handler.flush, 10), handler.stats()
                    assert len(await reader.search("seq>0 or lineno=1")) >= 1
                    assert (await reader.count("*:turn")).value == 2 * turn + part + 1
                await reader.aclose()
    assert _names(_path(logged).parent) == ["logs.db"]


async def test_many_who_come_and_go(logged: str) -> None:
    """Each opens, writes and leaves at once, and again before the reader has looked: it asks until it has an answer."""
    stop = asyncio.Event()

    async def write() -> int:
        number = 1
        while not stop.is_set():
            number += 1
            await asyncio.to_thread(fill, logged, [entry(number)])
        return number

    writing = asyncio.create_task(write())
    async with LogReader(logged) as reader:
        seen = 0
        for _ in range(60):
            count = (await reader.count()).value
            assert count >= seen
            seen = count
        stop.set()
        written = await writing
        assert (await reader.count()).value == written


async def test_what_a_killed_writer_left_is_read_and_stays(logged: str, tmp_path: Path) -> None:
    """By the file's owner, who could: only a writer writes a log back into its file."""
    killed = tmp_path / "killed"
    killed.mkdir()
    with logging_to(logged) as (logger, handler):
        logger.info("only in the log")
        assert await asyncio.to_thread(handler.flush, 10), handler.stats()
        # By another process: closing them in this one would take the writer's locks away.
        command = ["cp", *(f"{_path(logged)}{suffix}" for suffix in ("", "-wal", "-shm")), str(killed)]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)
    before = [(killed / f"logs.db{suffix}").read_bytes() for suffix in ("", "-wal")]
    async with LogReader(f"sqlite:///{killed / 'logs.db'}") as reader:
        assert (await reader.count("only")).value == 1
    assert [(killed / f"logs.db{suffix}").read_bytes() for suffix in ("", "-wal")] == before
    assert _names(killed) == ["logs.db", "logs.db-shm", "logs.db-wal"]


async def test_no_transaction_stays_open(logged: str) -> None:
    """Between two questions, and between two looks of a tail, a log can be emptied: nobody makes it grow."""
    with contextlib.closing(sqlite3.connect(_path(logged), isolation_level=None)) as writer:
        writer.execute("DELETE FROM log_instances")
        async with LogReader(logged) as reader:
            live = reader.tail(poll_interval=60)
            await anext(live)
            await asyncio.gather(*(reader.search() for _ in range(4)))
            await reader.statistics()
            writer.execute("INSERT INTO dblog_version VALUES ('x')")
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
            await live.aclose()  # type: ignore[attr-defined]  # an asynchronous generator


# -- locks --------------------------------------------------------------------------------------------------------


def _read(url: str) -> None:
    with SyncLogReader(url) as reader:
        assert len(reader.search()) == 1
        assert list(reader.tail(follow=False))


def _look(url: str) -> None:
    found = nearby.about(_path(url))
    assert found is not None
    assert found.newest is not None


def _administer(url: str) -> None:
    with AdminConnection(url) as connection:
        gaps.audit(connection)
    assert migrate.check(url).ok


def _examine(url: str) -> None:
    place: Any = SimpleNamespace(
        url=url, schema=None, table="logs", password_file=None, source="a test", visible=False, login=lambda: url
    )
    assert len(list(doctor.examine(place))) > 5


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("way", [_read, _look, _administer, _examine], ids=lambda way: way.__name__.strip("_"))
def test_the_locks_of_the_process_are_kept(sqlite_url: str, mode: str, way: Callable[[str], None]) -> None:
    """Whoever opens and closes a file beside SQLite drops them, and another process writes into a transaction."""
    fill(sqlite_url, [entry(1)])
    path = str(_path(sqlite_url))
    command = [sys.executable, "-c", _OTHER, path]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as keeper:
        keeper.execute(f"PRAGMA journal_mode = {mode}")
        keeper.execute("BEGIN IMMEDIATE")
        keeper.execute("DELETE FROM log_instances")
        way(sqlite_url)
        other = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert "SQLITE_BUSY" in other.stderr
        keeper.execute("ROLLBACK")
