"""Whatever way a process ends, what it logged in its last moments is in the database.

The judge is the database, never the handler's own counters.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dblog.testing import FaultProxy
from tests.oracle import logging_to, rows, until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).with_name("programs")

DELAY = 1.0 + 0.5 + 1.5
"""``shutdown_timeout``, the grace after an abort, and a busy machine; ``connect_timeout`` alone would be 5 s."""

# Exit status and, as a pattern, stderr: what they would be without dblog.
_QUIET = (0, "")
WAYS = {
    "end_of_main": _QUIET,
    "sys_exit": (3, ""),
    "unhandled_exception": (1, r"Traceback .*LookupError: the program's own trouble\n"),
    "sigint": (-signal.SIGINT, r"Traceback .*KeyboardInterrupt\n"),
    "sigterm_handled": _QUIET,
    "asyncio_run": _QUIET,
    "executor_still_running": _QUIET,
    "thread_after_main": _QUIET,
    "atexit_callbacks": _QUIET,
    "first_record_at_exit": _QUIET,
    "fork_and_sys_exit": _QUIET,
    "fork_in_a_thread": _QUIET,
    "fork_in_a_child": _QUIET,
    "multiprocessing_fork": _QUIET,
    "multiprocessing_spawn": _QUIET,
    "multiprocessing_forkserver": _QUIET,
    "pool_close_and_join": _QUIET,
    "process_pool_executor": _QUIET,
    "dict_config_again": _QUIET,
}


class Ended(NamedTuple):
    """A program that has come to its end."""

    status: int
    output: str
    errors: str
    at: float
    """Monotonic time."""

    @property
    def delay(self) -> float:
        """Seconds from the last line of the program to the end of its process."""
        return self.at - float(self.output.split()[-1])


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start one of the programs; its warnings are shown, but for the one every fork beside a thread brings."""
    return subprocess.Popen(
        [sys.executable, "-W", "default", "-W", "ignore:This process", str(PROGRAMS / program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "", "DBLOG_URL": ""},
    )


def end(process: subprocess.Popen[str], say: str = "") -> Ended:
    """Wait for its end."""
    output, errors = process.communicate(say, timeout=50)
    return Ended(process.returncode, output, errors, time.monotonic())


def run(program: str, *arguments: str) -> Ended:
    """Run one of the programs to its end."""
    return end(start(program, *arguments))


def verdict(url: str, way: str, ended: Ended) -> list[str]:
    """What is wrong with the end of one program; nothing, normally."""
    found = rows(url, f"SELECT instance_id, seq, id, message FROM logs WHERE logger = '{way}'")
    missing = {f"record {number}" for number in range(100)} - {message for *_, message in found}
    status, errors = WAYS[way]
    wrong = []
    if missing:
        wrong.append(f"{len(missing)} lost, such as {min(missing)}")
    if len(found) != 100 or len({identity for _, _, identity, _ in found}) != len(found):
        wrong.append(f"{len(found)} rows")
    for instance, group in itertools.groupby(sorted(found, key=lambda row: (str(row[0]), row[1])), lambda row: row[0]):
        if [seq for _, seq, *_ in group] != list(range(1, 1 + sum(row[0] == instance for row in found))):
            wrong.append(f"the seq of {instance} has gaps")
    if ended.status != status:
        wrong.append(f"exit status {ended.status}")
    if not re.fullmatch(errors, ended.errors, re.DOTALL) or "dblog" in ended.errors:
        wrong.append(f"stderr {ended.errors!r}")
    return wrong


@pytest.mark.slow
def test_every_way_out(database_url: str, logging_url: str) -> None:
    """100 of 100 records, each once, no gap in ``seq``; exit status and stderr are the program's own."""
    with ThreadPoolExecutor(3) as executor:
        ends = dict(zip(WAYS, executor.map(lambda way: run("ways_out.py", way, logging_url), WAYS), strict=True))
    wrong = {way: trouble for way, ended in ends.items() if (trouble := verdict(database_url, way, ended))}
    assert not wrong, wrong


def test_a_healthy_database_does_not_delay_the_end(logging_url: str) -> None:
    """The end does not wait for its deadline of five seconds when the database takes everything."""
    ended = run("ways_out.py", "end_of_main", logging_url)
    assert (ended.status, ended.errors) == (0, "")
    assert ended.delay < 4


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield f"postgresql://nobody@127.0.0.1:{listener.getsockname()[1]}/nowhere"
    listener.close()


LAST_WORDS = {
    "memory": r"^dblog: .*: 100 records are not known to be stored: .*$",
    "spool": r"^dblog: .*: 100 records are kept on disk: .*$",
}
"""What is said of records that could not be stored, by durability."""


def said(ended: Ended) -> set[str]:
    """The durabilities whose last words were said."""
    return {durability for durability, words in LAST_WORDS.items() if re.search(words, ended.errors, re.MULTILINE)}


@pytest.mark.parametrize("durability", LAST_WORDS)
@pytest.mark.parametrize("way", ["logs", "logs_at_exit", "two_handlers"])
def test_a_server_that_says_nothing_delays_the_end_by_the_shutdown_timeout(
    way: str, durability: str, silent_url: str
) -> None:
    """At most ``shutdown_timeout`` and the moment an abort takes; then one line says what became of the records."""
    ended = run("late.py", durability, way, silent_url)
    assert ended.status == 0
    assert ended.delay < DELAY
    assert said(ended) == {durability}, ended.errors


@pytest.mark.parametrize("durability", LAST_WORDS)
def test_a_server_that_froze_delays_the_end_by_the_shutdown_timeout(postgres_url: str, durability: str) -> None:
    """As above, for a connection that was well a moment ago; what was kept the next writer stores, once."""
    with FaultProxy(postgres_url) as proxy:
        program = start("late.py", durability, "logs_when_told", proxy.url)
        assert program.stdout is not None
        assert program.stdout.readline() == "stored\n"
        proxy.black_hole()
        ended = end(program, "go on\n")
        proxy.heal()
        assert ended.status == 0
        assert ended.delay < DELAY
        assert said(ended) == {durability}, ended.errors
        if durability == "spool":
            with logging_to(proxy.url) as (logger, _):
                logger.info("heir")
                until(lambda: len(_of_the_dead(postgres_url)) == 200, say=lambda: len(_of_the_dead(postgres_url)))
            assert sorted(_of_the_dead(postgres_url)) == list(range(1, 201))
    assert not rows(postgres_url, "SELECT message FROM logs WHERE logger = 'dblog.loss'")


def _of_the_dead(url: str) -> list[int]:
    return [seq for (seq,) in rows(url, "SELECT seq FROM logs WHERE message LIKE 'record %'")]


def test_a_healthy_database_is_not_kept_waiting_by_a_dead_one(silent_url: str, database_url: str) -> None:
    """Two handlers, one deadline: what goes to the living database is stored, though the dead one comes first."""
    ended = run("late.py", "memory", "dead_and_alive", silent_url, database_url)
    assert ended.status == 0
    assert ended.delay < DELAY
    assert rows(database_url, "SELECT count(*) FROM logs WHERE message LIKE 'record %'") == [(100,)]
