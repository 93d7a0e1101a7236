"""The ``-wal`` and ``-shm`` of an SQLite file are taken away under who reads it: noticed, and reading goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dblog.reader import LogReader
from tests.oracle import logging_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.entry import LogEntry

INSERT = (
    "INSERT INTO logs (timestamp, id, level, severity, logger, message)"
    " VALUES ({0}, randomblob(16), 'INFO', 9, 't', '{0}')"
)
WRITER = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])"
PARTS = [("-wal",), ("-shm",), ("-wal", "-shm")]


def _remove(url: str, suffixes: Iterable[str]) -> None:
    for suffix in suffixes:
        Path(url.removeprefix("sqlite:///") + suffix).unlink()


def _texts(entries: Iterable[LogEntry]) -> list[str]:
    return [each.message for each in entries]


@pytest.mark.parametrize("parts", PARTS, ids="".join)
async def test_who_follows_goes_on(sqlite_url: str, parts: tuple[str, ...]) -> None:
    """What is stored from then on comes, once, without a word; and the writer need not wait for those who read."""
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("before")
        assert await asyncio.to_thread(handler.flush, 10), handler.stats()
        async with LogReader(sqlite_url) as reader:
            live = reader.tail(poll_interval=0.01)
            await anext(live)
            # As many connections as it keeps: every one of them has the old log open.
            assert [len(page) for page in await asyncio.gather(*(reader.search() for _ in range(4)))] == [1] * 4
            for turn in range(2):
                _remove(sqlite_url, parts)
                start = time.monotonic()
                logger.info("after %d", turn)
                batch = await asyncio.wait_for(anext(live), 10)
                assert (_texts(batch.entries), batch.notice, batch.anew) == ([f"after {turn}"], None, False)
                assert time.monotonic() - start < 5, "the writer waits fifteen seconds for those who have it open"
                assert len(await reader.search()) == turn + 2
            await live.aclose()  # type: ignore[attr-defined]  # an asynchronous generator


@pytest.mark.parametrize("parts", PARTS, ids="".join)
async def test_who_asks_again_sees_what_is_there(sqlite_url: str, parts: tuple[str, ...]) -> None:
    """Each connection of a reader that has lain idle meanwhile is another one at the next question."""
    path = sqlite_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("PRAGMA journal_mode = WAL")
        owner.execute(INSERT.format(1))
        async with LogReader(sqlite_url) as reader:
            await asyncio.gather(*(reader.search() for _ in range(4)))
            owner.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _remove(sqlite_url, parts)
            owner.close()
            # From elsewhere: within one process connections share the index of their log.
            command = [sys.executable, "-c", WRITER, path, INSERT.format(2)]
            await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)
            found = await asyncio.gather(*(reader.search() for _ in range(8)))
            assert [_texts(page) for page in found] == [["2", "1"]] * 8
