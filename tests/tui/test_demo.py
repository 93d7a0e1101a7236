"""The demo: a story that its own trace explains, real processes, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.spans import walk
from dblog.errors import DblogError
from dblog.handler import DatabaseHandler
from dblog.query import parse
from dblog.reader import LogReader
from dblog_tui.demo import Demo
from dblog_tui.demo.conductor import live_through
from dblog_tui.demo.incident import EVERY, Incidents
from dblog_tui.demo.pool import Pool
from dblog_tui.demo.wires import VirtualLoop
from tests.administered import ask
from tests.tui.screen import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry

SERVICES = {"gateway", "orders", "payments"}


def found(url: str, query: str, limit: int = 1000) -> list[LogEntry]:
    """Entries that match, the oldest first."""

    async def search(reader: LogReader) -> Any:
        return await reader.search(parse(query), limit=limit)

    return list(ask(url, search).entries[::-1])


def until(condition: Callable[[], bool]) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def spools() -> Path:
    """Where a user's are."""
    return Path(os.environ["DBLOG_SPOOL_DIR"])


def processes(folder: Path) -> list[str]:
    """Those of a demo, by the folder in their command lines."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(folder) in line and "demo.conductor" in line]


# -- the story -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three minutes of past, with three deploys in it; the URL of its database."""
    from dblog import migrate

    url = f"sqlite:///{tmp_path_factory.mktemp('demo') / 'logs.db'}"
    migrate.upgrade(url)
    live_through(url, 180, Incidents(time.time() - 40))
    return url


def test_all_of_it_went_through_the_handler(past: str) -> None:
    """Each service has a writer, which lost nothing; twenty to forty records a second, in order and of the past."""

    async def instances(reader: LogReader) -> Any:
        return await reader.instances()

    writers = ask(past, instances)
    assert {each.service for each in writers} == SERVICES
    assert all(each.dropped == each.failed == 0 for each in writers)
    entries = found(past, "*", 10_000)
    assert sum(each.stored for each in writers) == len(entries)
    assert 180 * 20 < len(entries) < 180 * 40
    assert time.time() - 190 < entries[0].timestamp / 1e6 < entries[-1].timestamp / 1e6 < time.time()


def test_the_deploy_explains_the_errors(past: str) -> None:
    """Every failed payment lies between a deploy and shortly after its rollback, which are on record as warnings."""
    reloads = found(past, "logger:payments.config level:warning")
    deploys = [each.timestamp for each in reloads if "deploy" in each.message]
    rollbacks = [each.timestamp for each in reloads if "rollback" in each.message]
    assert len(deploys) >= 3
    assert "bank.timeout 30s -> 3s, pool 20 -> 2 (deploy " in reloads[0].message
    failures = found(past, "service:payments has(exc_type)")
    assert len(failures) > 10
    for failure in failures:
        began = max(at for at in deploys if at < failure.timestamp)
        ended = min((at for at in rollbacks if at > began), default=failure.timestamp)
        assert failure.timestamp < ended + 3_500_000


def test_a_trace_explains_the_rest(past: str) -> None:
    """A 502 of the gateway leads through all services to a silence, two attempts that waited for a connection, and a
    real exception with its causes; spans lie in each other and say how long they took."""
    failure = found(past, "service:gateway level:error")[-1]
    assert " 502 in 30" in failure.message

    async def traced(reader: LogReader) -> Any:
        return await reader.trace(failure.trace_id or "")

    entries = ask(past, traced).entries
    assert {each.service for each in entries} == SERVICES
    gaps = [(b.timestamp - a.timestamp) / 1e6 for a, b in itertools.pairwise(entries)]
    assert max(gaps) > 1.2
    said = [each.message for each in entries]
    told = ("POST /orders", "received", "stock reserved", "charging", "waiting", "retry", "giving up", "failed after",
            "payments answered 504", "stock released", "cancelled", " 502 in ")  # fmt: skip
    assert [next(at for at, text in enumerate(said) if each in text) for each in told] == sorted(
        next(at for at, text in enumerate(said) if each in text) for each in told
    )
    assert sum("waiting for a bank connection: 2 of 2 in use" in each for each in said) == 2
    (broken,) = [each for each in entries if each.exc_type]
    assert broken.exc_type == "payments.bank.BankTimeoutError"
    assert (broken.exc_text or "").count("The above exception was the direct cause") == 2
    assert "in _tried" in (broken.exc_text or "")
    assert max(depth for depth, _ in walk(entries)) >= 4


def test_most_of_it_is_well(past: str) -> None:
    """Errors are few, and everything but settlements and counting stock belongs to a trace."""
    entries = found(past, "*", 10_000)
    assert sum(each.severity >= 17 for each in entries) < len(entries) / 10
    assert sum(each.trace_id is None for each in entries) < len(entries) / 20
    assert {each.level for each in entries} >= {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}


# -- the processes ---------------------------------------------------------------------------------------------------


async def test_three_processes_log_until_it_is_stopped() -> None:
    """Live entries of all three services, in traces that go through them; afterwards no process, folder or spool."""
    demo = Demo.start(past=30)
    shares: list[float] = []
    try:
        await demo.ready(shares.append)
        await asyncio.to_thread(until, lambda: len(processes(demo.folder)) == 4)
        began = time.time()
        deadline = time.monotonic() + PATIENCE
        services: set[str] = set()
        while services != SERVICES:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
            async with LogReader(demo.url) as reader:
                page = await reader.search("message:*order* service:payments", limit=1)
                newest = page.entries[0]
                if newest.timestamp / 1e6 > began and newest.trace_id:
                    services = {each.service or "" for each in (await reader.trace(newest.trace_id)).entries}
    finally:
        demo.stop()
    assert shares == sorted(shares)
    assert not demo.folder.exists()
    assert not processes(demo.folder)
    assert not spools().exists()
    demo.stop()


def test_they_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    """SIGKILL gives nobody a chance to say so: the pipes do. The folder is gone, too."""
    code = (
        "import asyncio, time\nfrom dblog_tui.demo import Demo\ndemo = Demo.start(past=5)\nasyncio.run(demo.ready())\n"
    )
    code += "print(demo.folder, flush=True)\ntime.sleep(60)"
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert starter.stdout is not None
        folder = Path(starter.stdout.readline().strip())
        until(lambda: len(processes(folder)) == 4)
    finally:
        os.kill(starter.pid, signal.SIGKILL)
        starter.communicate()
    until(lambda: not processes(folder))
    until(lambda: not folder.exists())
    assert not spools().exists()


async def test_a_demo_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end before it is ready is said, and there is nothing left of it."""
    demo = Demo.start(past=5)
    demo.folder.chmod(0o700)
    os.killpg(demo._process.pid, signal.SIGKILL)
    with pytest.raises(DblogError, match="did not start"):
        await demo.ready()
    demo.stop()
    assert not demo.folder.exists()


# -- its parts -------------------------------------------------------------------------------------------------------


@given(st.floats(1e9, 2e9), st.floats(-1e5, 1e5))
def test_deploys_come_every_minute(anchor: float, offset: float) -> None:
    """At any moment the next rollback is ahead and at most a deploy away, and everybody is told the same of it."""
    at = anchor + offset
    begins, ends, revision = Incidents(anchor).next(at)
    assert at < ends <= at + 2 * EVERY
    assert 10 < ends - begins < 20
    assert Incidents(anchor).next(ends - 1)[2] == revision
    assert Incidents(anchor).next(ends)[0] == pytest.approx(begins + EVERY, abs=1e-3)


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=20), st.integers(1, 4))
def test_a_pool_has_so_many_connections(holds: list[float], size: int) -> None:
    """Never more are out than there are, everybody gets one, and those that give up take nobody's turn."""
    out, most, served = 0, 0, 0
    pool = Pool(size)

    async def use(seconds: float) -> None:
        nonlocal out, most, served
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(7 if seconds > 2 else 1e6), pool.connection():
                out += 1
                most = max(most, out)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    out -= 1
                served += 1

    async def everybody() -> None:
        await asyncio.gather(*map(use, holds))

    loop = VirtualLoop(1.8e9)
    try:
        loop.run_until_complete(everybody())
    finally:
        loop.close()
    assert (out, pool.waiting) == (0, 0)
    assert most == min(size, len(holds))
    assert served >= sum(seconds <= 2 for seconds in holds)


@given(st.lists(st.floats(0, 100), max_size=10))
def test_virtual_time(pauses: list[float]) -> None:
    """What sleeps one after the other wakes when it would have; nobody waits for it."""
    loop = VirtualLoop(1.8e9)

    async def sleep() -> None:
        for pause in pauses:
            await asyncio.sleep(pause)

    waited: list[float | None] = []
    select = selectors.SelectSelector.select

    def selecting(self: selectors.SelectSelector, timeout: float | None = None) -> Any:
        waited.append(timeout)
        return select(self, timeout)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selectors.SelectSelector, "select", selecting)
            loop.run_until_complete(sleep())
    finally:
        loop.close()
    assert loop.time() == pytest.approx(1.8e9 + sum(pauses), abs=1e-3)
    assert set(waited) == {0}


def test_the_services_leave_other_loggers_alone(past: str) -> None:
    """The past is made in one process; its handlers are gone afterwards."""
    loggers = [logging.getLogger(name) for name in SERVICES]
    assert not any(isinstance(each, DatabaseHandler) for logger in loggers for each in logger.handlers)
    assert all(logger.propagate and logger.level == logging.NOTSET for logger in loggers)
