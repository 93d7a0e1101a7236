"""How commands end: each kind of error has its code, signals and broken pipes end them without noise."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
import typer

from dblog.cli import app, main
from dblog.errors import (
    ConfigurationError,
    ErrorClass,
    MissingExtraError,
    QuerySyntaxError,
    StoreError,
    StoreUnavailable,
)
from dblog.reading.failures import timed_out
from tests.fake_reader import entry
from tests.logged import log_some

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_reader import FakeReader

PROGRAM = [sys.executable, "-c", "from dblog.cli import main; main()"]
COMMANDS = cast("Any", typer.main.get_command(app)).commands
OPTIONS = sorted(
    {
        option
        for command in COMMANDS.values()
        for each in command.params
        for option in each.opts
        if option.startswith("-")
    }
)
READING = [name for name, command in COMMANDS.items() if any(each.name == "timeout" for each in command.params)]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (QuerySyntaxError("a:", 2, "no value"), 1, "dblog: column 3: no value\n  a:\n    ^\n"),
        (ConfigurationError("limit=0 is not allowed"), 2, "dblog: limit=0 is not allowed\n"),
        (MissingExtraError("re2", "regex"), 2, "dblog: re2 is not installed: pip install 'dblog-logging[regex]'\n"),
        (StoreError(ErrorClass.UNKNOWN, "XX000", "internal error"), 3, "dblog: XX000: internal error\n"),
        (StoreUnavailable(ErrorClass.RECONNECT, "08001", "nobody there"), 3, "dblog: 08001: nobody there\n"),
        (
            timed_out(5, "57014"), 124,
            "dblog: 57014: the query took longer than 5 s: narrow it in time, or raise --timeout\n",
        ),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
    ],
)  # fmt: skip
def test_errors(dblog: Callable[..., Any], fake: FakeReader, error: Any, code: int, says: str) -> None:
    """The sentence on stderr after our name, nothing on stdout, and the reader is closed."""
    fake.error = error
    assert dblog("search") == (code, "", says)
    assert fake.asked[-1] == ("aclose", None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--url sqlite:///x.db search api", "--url belongs behind the command: dblog search --url URL"),
        ("--url=postgresql://me:secret@db/x tail", "--url belongs behind the command: dblog tail --url URL"),
        ("--profile search stats", "--profile belongs behind the command: dblog stats --profile NAME"),
        ("--json --schema s stats", "--json and --schema belong behind the command: dblog stats --json --schema NAME"),
        ("--schema s", "--schema belongs behind the command: dblog search --schema NAME"),
        ("--ids upgrade", "--ids belongs behind the command: dblog search --ids"),
    ],
)  # fmt: skip
def test_an_option_before_the_command(dblog: Callable[..., Any], fake: FakeReader, arguments: str, says: str) -> None:
    """It is said where it belongs, with the command that was meant; no value is repeated, nothing is asked."""
    assert dblog(*arguments.split()) == (2, "", f"dblog: {says}\n")
    assert not fake.asked


@pytest.mark.parametrize("option", OPTIONS)
def test_any_option_of_a_command_is_pointed_at_before_it(dblog: Callable[..., Any], option: str) -> None:
    """Whichever command has it."""
    code, out, err = dblog(option, "x", "search")
    assert (code, out) == (2, "")
    assert err.startswith(f"dblog: {option} belongs behind the command: dblog ")


@pytest.mark.parametrize(("given", "seconds"), [("30", 5.0), ("2", 2.0), ("0.001", 1.0)])
def test_a_timeout_bounds_connecting(dblog: Callable[..., Any], fake: FakeReader, given: str, seconds: float) -> None:
    """A server that does not answer takes no longer than that; a second it always has."""
    assert dblog("search", "--timeout", given).code == 0
    assert fake.asked[0][1]["connect_timeout"] == seconds


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("a b", "'a b' is not the name of a field"),
        ("servcie", "there is no field 'servcie'\n  servcie\n  ^\ndid you mean service?"),
        ("a)", "'a)' is not the name of a field"),
        ("since", "since takes a time"),
    ],
)
def test_a_field_that_is_none(dblog: Callable[..., Any], sqlite_url: str, field: str, says: str) -> None:
    """The message is about the field as it was typed."""
    done = dblog("facets", field, "--url", sqlite_url)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"dblog: column 1: {says}")


def test_a_query_that_cannot_be_read(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Exit code 1, with a caret under the place, before any database is asked."""
    done = dblog("search", "level:error", "(host:x")
    assert (done.code, done.out, fake.asked) == (1, "", [])
    assert done.err.startswith("dblog: column ")
    assert "  level:error (host:x\n" in done.err


@pytest.mark.parametrize("arguments", [("serch",), ("search", "--nope"), ("search", "-n", "0"), ("trace",)])
def test_wrong_usage(dblog: Callable[..., Any], fake: FakeReader, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and which help to ask for."""
    done = dblog(*arguments)
    assert (done.code, done.out) == (2, "")
    assert " -h' for help." in done.err


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help(dblog: Callable[..., Any], command: str) -> None:
    """Of every command: within 80 columns; that of a reading command ends with examples."""
    done = dblog(command, "--help")
    assert done.code == 0
    assert all(len(each) <= 80 for each in done.lines)
    if command in READING:
        place = done.lines.index("  Examples:")
        assert all(each.startswith("    dblog ") for each in done.lines[place + 1 :])


@pytest.mark.parametrize("command", ["search", "tail", "trace", "show", "stats", "histogram", "facets", "instances"])
def test_examples(dblog: Callable[..., Any], fake: FakeReader, command: str) -> None:
    """What the help of a reading command shows runs, profiles aside: nobody has the same."""
    fake.entries = [] if command == "facets" else [entry(1)]  # it knows no keys of metadata
    lines = dblog(command, "--help").lines
    for each in lines[lines.index("  Examples:") + 1 :]:
        for part in re.split(r" \| (?=jq )| 2>token; ", each.strip()):
            program, *words = shlex.split(part.replace("$(cat token)", "token-0"))
            if program == "dblog" and "--profile" not in words:
                assert dblog(*words).code in (0, 1), part


def test_the_command_line_starts_light(sqlite_url: str) -> None:
    """Without arguments no database, no query language and no event loop is loaded; neither is rich, ever."""
    code = """
import sys, dblog.cli.program
heavy = {"sqlalchemy", "alembic", "lark", "asyncio", "platformdirs"} & sys.modules.keys()
sys.argv = ["dblog", "search", "-n", "1"]
try:
    dblog.cli.main()
finally:
    print(heavy or "", "rich" if "rich" in sys.modules else "", file=sys.stderr)
"""
    environment = {**os.environ, "DBLOG_URL": sqlite_url}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", "")


def start(url: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DBLOG_URL": url}
    return subprocess.Popen([*PROGRAM, *arguments], env=environment, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_tail_ends_by_a_signal(stored: str, number: signal.Signals, code: int) -> None:
    """Without a word, except for the token that was asked for."""
    with start(stored, "tail", "-n", "1", "--token", stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()
        log_some(stored)
        assert tail.stdout.readline()  # so what came before is done with, and has a token
        tail.send_signal(number)
        _, said = tail.communicate(timeout=20)
    assert tail.returncode == code
    assert said.count(b"\n") == 1
    assert said.startswith(b"sqlite1.")


@pytest.mark.parametrize("gap", [0, 0.003, 0.01])
def test_a_signal_that_comes_twice_at_once_is_one(stored: str, gap: float) -> None:
    """As ``timeout`` sends it, to the process and to its group: the end is as quiet, and comes."""
    for _ in range(3):
        with start(stored, "tail", "-n", "1", stdout=subprocess.PIPE) as tail:
            assert tail.stdout is not None
            assert tail.stdout.readline()
            for _ in range(2):
                tail.send_signal(signal.SIGINT)
                time.sleep(gap)
            _, said = tail.communicate(timeout=20)
        assert said == b""
        assert tail.returncode in (130, -signal.SIGINT)  # which a shell shows as 130: the second met the very end


_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("stats", signal.SIGTERM, 143),
        ("histogram", signal.SIGINT, 130),
        *(
            pytest.param(command, number, code, marks=pytest.mark.long)
            for command, number, code in (
                ("stats", signal.SIGINT, 130),
                ("histogram", signal.SIGTERM, 143),
                ("search", signal.SIGINT, 130),
                ("search", signal.SIGTERM, 143),
            )
        ),
    ],
)
def test_a_signal_ends_the_query(postgres_url: str, command: str, number: signal.Signals, code: int) -> None:
    """Without a word; nothing waits in the server any more, although what it waits for is still locked."""
    with psycopg.connect(postgres_url) as owner, psycopg.connect(postgres_url, autocommit=True) as watch:

        def waiting() -> bool:
            row = watch.execute(_WAITING).fetchone()
            return bool(row and row[0])

        owner.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        with start(postgres_url, command, stdout=subprocess.DEVNULL) as asking:
            until(waiting)
            asking.send_signal(number)
            _, said = asking.communicate(timeout=20)
        assert (asking.returncode, said) == (code, b"")
        until(lambda: not waiting(), 2)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_tail_ends_with_its_pipe(stored: str) -> None:
    """`dblog tail | head -1` ends, although nothing more is ever logged that could not be written; nobody complains."""
    with start(stored, "tail", stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()
        tail.stdout.close()
        assert tail.wait(20) == 141
        assert tail.stderr is not None
        assert tail.stderr.read() == b""


def ended(arguments: list[str], stdout: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command with this stdout."""
    monkeypatch.setattr(sys, "argv", ["dblog", *arguments])
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("arguments", [["search"], ["search", "--text"], ["--help"]])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_pipe_nobody_reads(
    fake: FakeReader, monkeypatch: pytest.MonkeyPatch, arguments: list[str], buffering: int
) -> None:
    """`dblog search | head -1`: exit code 141, also where Python writes unbuffered; nothing is left to be written."""
    fake.entries = [entry(number, "x" * 1000) for number in range(300)]
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering) as raw:  # noqa: PTH123 - a descriptor
        assert ended(arguments, io.TextIOWrapper(raw, "utf-8", write_through=not buffering), monkeypatch) == 141


def test_no_stdout_at_all(fake: FakeReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dblog search >&-` is as a pipe nobody reads."""
    fake.entries = [entry(1)]
    assert ended(["search"], None, monkeypatch) == 141


@pytest.mark.parametrize("arguments", [["search"], ["--help"]])
def test_no_room_for_the_output(
    fake: FakeReader, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """A full disk is said in a sentence."""
    fake.entries = [entry(1)]
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        assert ended(arguments, full, monkeypatch) == 2
    assert capsys.readouterr().err == "dblog: the output cannot be written: No space left on device\n"
