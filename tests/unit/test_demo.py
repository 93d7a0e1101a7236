"""``dblog demo``: it ends, counts right, shows one trace across three processes, and leaves without a traceback."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dblog import demo
from dblog.demo import PER_REQUEST, SERVICES, Progress, run
from dblog.errors import DblogError

# Python leaves SIGINT ignored where it was, and what a shell starts with `&` is born so.
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from dblog.cli import main; main()"
COMMAND = [sys.executable, "-W", "error", "-c", MAIN, "demo"]


def test_three_processes_one_database(database_url: str) -> None:
    """Everything is stored and found, and the trace goes through the services in their order."""
    seen: list[Progress] = []
    summary = run(database_url, 300, seen.append)
    assert summary.emitted == summary.stored == summary.found == 300
    assert (summary.dropped, summary.failed) == (0, 0)
    assert seen[-1].stored == seen[-1].total == 300
    assert [each.stored for each in seen] == sorted(each.stored for each in seen)
    assert 0 < summary.cost < 0.01
    assert len(summary.trace) == PER_REQUEST
    assert [step.service for step in summary.trace] == [SERVICES[0]] * 3 + [SERVICES[1]] * 4 + [SERVICES[2]] * 3
    times = [step.timestamp for step in summary.trace]
    assert times == sorted(times)
    assert summary.trace[-1].level == "ERROR"


def test_a_process_that_dies_is_named(sqlite_url: str) -> None:
    """Not a hang: here the children cannot even be configured."""
    with pytest.raises(DblogError, match=r"process '(gateway|orders|payments)' ended early, with exit code 1"):
        run(sqlite_url.replace("sqlite:", "nonesuch:"), 100)


def test_it_ends_though_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    """The last resort: after its limit it ends the processes and says so."""
    monkeypatch.setattr(demo, "_LIMIT", 0.0)
    with pytest.raises(DblogError, match="not done after 0 s"):
        run(sqlite_url, 1_000_000)


def test_plain_lines_without_a_terminal_and_commands_that_run(tmp_path: Path) -> None:
    """No escape sequence, nothing wider than 80 columns but what has to be copied; and that works when it is."""
    command = [*COMMAND, "--records", "200", "--directory", str(tmp_path / "new")]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"DBLOG_URL": "no:url"}
    )
    printed = result.stdout
    assert result.stderr == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", printed)
    for name in ("emitted", "stored", "in table"):
        assert re.search(rf"^  {name} +200\b", printed, re.MULTILINE)
    for name in ("dropped", "failed"):
        assert re.search(rf"^  {name} +0$", printed, re.MULTILINE)
    assert max(len(line) for line in printed.splitlines() if str(tmp_path) not in line) <= 80

    (url,) = re.findall(r"^  export DBLOG_URL='(.*)'$", printed, re.MULTILINE)
    arguments = re.findall(r"^  dblog (.*)$", printed, re.MULTILINE)
    assert [each.split()[0] for each in arguments] == ["search", "trace", "facets"]
    looked = [*COMMAND[:-1], *shlex.split(arguments[1])]
    found = subprocess.run(looked, capture_output=True, text=True, check=True, env=os.environ | {"DBLOG_URL": url})
    assert len(found.stdout.splitlines()) == PER_REQUEST
    ((path, sql),) = re.findall(r"^  sqlite3 (\S+) '(.*)'$", printed, re.MULTILINE)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert len(connection.execute(sql).fetchall()) == 5


def test_a_password_is_not_shown(postgres_url: str) -> None:
    """The server trusts every password; the screen shows none."""
    url = postgres_url.replace("postgres@", "postgres:s3cr3t@", 1)
    result = subprocess.run([*COMMAND, "--records", "50", "--url", url], capture_output=True, text=True, check=False)
    assert "s3cr3t" not in result.stdout + result.stderr
    assert result.returncode == 0, result.stderr
    assert "psql 'postgresql://postgres:***@" in result.stdout


def test_a_database_that_is_not_there_is_one_line() -> None:
    """Exit code 3, and what is wrong on stderr without a traceback."""
    command = [*COMMAND, "--url", "postgresql://nobody@127.0.0.1:1/none"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert result.stderr.startswith("dblog: ")
    assert "Traceback" not in result.stderr


def on_a_terminal(arguments: list[str], *, interrupt_at: bytes | None = None) -> tuple[int, str, int]:
    """Exit status, screen and process group of the demo on 80 columns; Ctrl-C once ``interrupt_at`` is on it."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [*COMMAND, *arguments], env=environment, start_new_session=True, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        screen = b""
        while select.select([ours], [], [], 50)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            screen += part
            if interrupt_at is not None and interrupt_at in screen:
                interrupt_at = None
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the foreground
    os.close(ours)
    return process.returncode, screen.decode(), process.pid


def test_a_live_bar_on_a_terminal(tmp_path: Path) -> None:
    """One line that is written over and never wraps; colours; full at the end."""
    status, screen, _ = on_a_terminal(["--records", "5000", "--directory", str(tmp_path)])
    assert status == 0, screen
    bars = [line for line in screen.split("\r") if "/s" in line and "stored" in line]
    assert len(bars) >= 2
    assert "░" not in bars[-1]
    assert "5,000 of 5,000 stored" in bars[-1]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", bar).rstrip("\n") for bar in bars]
    assert max(map(len, plain)) <= 80
    assert "\x1b[31m" in screen


def test_ctrl_c_leaves_no_traceback_and_no_process(tmp_path: Path) -> None:
    """Exit status 130, one line that says what became of the records; no process of its group stays, and no spool."""
    arguments = ["--records", "1000000", "--directory", str(tmp_path)]
    status, screen, group = on_a_terminal(arguments, interrupt_at=b" of 1,000,000")
    assert status == 128 + signal.SIGINT
    assert "Traceback" not in screen
    assert screen.rstrip().endswith("stopped; what was stored is in the database")
    assert not Path(os.environ["DBLOG_SPOOL_DIR"]).exists()  # where users have theirs
    gone = False
    until = time.monotonic() + 10
    while not gone and time.monotonic() < until:
        try:
            os.killpg(group, 0)  # what multiprocessing started to clean up after itself goes a moment later
        except ProcessLookupError:
            gone = True
    assert gone
