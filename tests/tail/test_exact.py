"""Six writers that are not ours, in any order of commits, and a tail: nothing missed, nothing doubled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from dblog.query.tree import All
from dblog.reading.session import Sessions
from dblog.reading.tailing import Tailer, paced
from tests.oracle import execute
from tests.tail_tools import Followed, stored, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.postgres import Private

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "programs" / "writer.py"
POLL = 0.05


class Writers:
    """Programs that write, and what they said of their commits."""

    def __init__(self, url: str, folder: Path) -> None:
        if url.startswith("sqlite"):
            execute(url, "PRAGMA journal_mode = WAL")  # as dblog's own writer does
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        commands = [[sys.executable, str(PROGRAM), url, str(seed)] for seed in range(6)]
        commands.append([sys.executable, str(PROGRAM), url, "6", "held"])
        self._said = [folder / f"writer-{number}" for number in range(len(commands))]
        self._processes = []
        for command, said in zip(commands, self._said, strict=True):
            with said.open("w") as output:
                started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, env=environment)
            self._processes.append(started)

    def stop(self) -> dict[UUID, float]:
        """Let them finish; when each row was committed, by the clock of who did it."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        assert [process.wait(40) for process in self._processes] == [0] * len(self._processes)
        lines = [line for said in self._said for line in said.read_text().splitlines()]
        return {UUID(id_): at for at, ids in map(json.loads, lines) for id_ in ids}

    def kill(self) -> None:
        """However the test went."""
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


@contextlib.contextmanager
def writers(url: str, folder: Path) -> Iterator[Writers]:
    """Six writers at work, and one that holds transactions open."""
    made = Writers(url, folder)
    try:
        yield made
    finally:
        made.kill()


class Follower:
    """A tail in a task of its own, and when it yielded each row."""

    def __init__(self, tailer: Tailer) -> None:
        self.tailer = tailer
        self.followed = Followed()
        self.when: dict[UUID, float] = {}

    async def run(self) -> None:
        """Take batches until cancelled."""
        async for batch in paced(self.tailer, POLL):
            at = time.time()
            self.followed.take(batch)
            self.when |= {entry.id: at for entry in batch if entry.id is not None}

    async def has(self, condition: Callable[[Followed], bool], seconds: float = 40) -> None:
        """Wait until it is so."""

        async def asked() -> bool:
            await asyncio.sleep(POLL / 2)
            return condition(self.followed)

        await until(asked, seconds)


@contextlib.asynccontextmanager
async def following(url: str, **options: Any) -> AsyncIterator[Follower]:
    """A tail of everything; its task ends with the block, and fails it if it failed."""
    sessions = Sessions(url)
    follower = Follower(Tailer(sessions, All(), **options))
    task = asyncio.create_task(follower.run())
    try:
        await follower.has(lambda followed: task.done() or bool(followed.token))
        yield follower
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await sessions.aclose()


async def exact(logging_url: str, reading_url: str, owner_url: str, folder: Path, rows: int) -> list[float]:
    """Follow until so many rows have come, then to the end; how long each took from its commit, sorted."""
    async with following(reading_url, lossless=True) as follower:
        with writers(logging_url, folder) as work:
            await follower.has(lambda followed: len(followed.ids) >= rows, 300)
            committed = await asyncio.to_thread(work.stop)
        there = stored(owner_url)
        assert len(there) >= rows
        await follower.has(lambda followed: followed.ids >= there)
        assert follower.followed.ids == there
        assert follower.followed.late, "no commit was late: the test proves nothing"
        assert (follower.followed.skipped, follower.followed.notices) == (0, [])
    return sorted(follower.when[id_] - at for id_, at in committed.items())


@pytest.mark.slow
async def test_nothing_is_missed_and_nothing_doubled(
    database_url: str, logging_url: str, reading_url: str, tmp_path: Path
) -> None:
    """Every row of six writers comes once, also of a transaction open from beginning to end; in seconds, not minutes.

    The bound on the delay is for a machine that is very busy with something else; the full length has the real one.
    """
    delays = await exact(logging_url, reading_url, database_url, tmp_path, 1_000)
    print(f"p50 {statistics.median(delays) * 1000:.0f} ms, p99 {delays[len(delays) * 99 // 100] * 1000:.0f} ms")
    assert statistics.median(delays) < 10


def _as_many_as(rows: int, followed: Followed) -> bool:
    return len(followed.ids) >= rows


async def through_crashes(server: Private, folder: Path, crashes: list[Callable[[], None]], rows: int) -> Followed:
    """Writers and a tail, and between so many rows each a crash; returns when all that is stored has come."""
    async with following(server.database_url, lossless=True) as follower:
        with writers(server.database_url, folder) as work:
            for crash in crashes:
                enough = len(follower.followed.ids) + rows
                await follower.has(partial(_as_many_as, enough))
                await asyncio.to_thread(crash)
                await follower.has(lambda _: follower.tailer.pause > 0)
                await asyncio.to_thread(server.start)
            await follower.has(lambda followed: len(followed.notices) >= len(crashes))
            await asyncio.to_thread(work.stop)
        there = stored(server.database_url)
        await follower.has(lambda followed: followed.ids >= there)
        assert follower.followed.ids == there
        return follower.followed


@pytest.mark.slow
async def test_nothing_is_missed_through_crashes_of_the_server(private_postgres: Private, tmp_path: Path) -> None:
    """Killed, and stopped as in a crash: the tail waits, says so once for each time, and goes on where it was.

    The writers roll back, too: a crash gives the numbers of aborted transactions again.
    """
    crashes = [private_postgres.kill, lambda: private_postgres.stop("immediate"), private_postgres.stop]
    followed = await through_crashes(private_postgres, tmp_path, crashes, 200)
    assert len(followed.notices) == 3
    for notice in followed.notices:
        assert re.fullmatch(r"the database was away for (a moment|\d+ s); nothing was missed", notice)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_nothing_is_missed_through_thirty_crashes(private_postgres: Private, tmp_path: Path) -> None:
    """The same at length."""
    crashes = [private_postgres.kill, lambda: private_postgres.stop("immediate")] * 15
    followed = await through_crashes(private_postgres, tmp_path, crashes, 100)
    assert len(followed.notices) == 30


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_nothing_is_missed_in_a_minute_of_it(
    database_url: str, logging_url: str, reading_url: str, tmp_path: Path
) -> None:
    """The same at length; half of the rows come within one and a half polls of their commit."""
    delays = await exact(logging_url, reading_url, database_url, tmp_path, 40_000)
    print(f"p50 {statistics.median(delays) * 1000:.0f} ms, p99 {delays[len(delays) * 99 // 100] * 1000:.0f} ms")
    assert statistics.median(delays) <= 1.5 * POLL
