"""The whole application in a terminal: what it sends, how it leaves, and what it runs in. Bytes and states count."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.administered import SECOND, entry, fill, now
from tests.tui.terminal import DOWN, PAGE_DOWN, PAGE_UP, UP, Terminal, command, environment_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tui.vt import Screen

ROWS = 900
LEAVE = b"\x11"
"""ctrl+q."""
_PICTURE = 0.045
"""Seconds of rest behind the last picture; a sixtieth is between two."""
_ESCAPED = 0.15
"""Until an escape is taken for the key."""
_FAILING = """
import sys
import dblog_tui.app as app
class Failing(app.DblogTui):
    def action_redraw(self):
        raise RuntimeError("boom \\x1b[31m")
app.DblogTui = Failing
from dblog_tui.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def logs(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with so many rows, one in a second, the newest a minute old."""
    path = tmp_path_factory.mktemp("logs") / "logs.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    newest = now() - 60 * SECOND
    made = [
        entry(number, newest - (ROWS - 1 - number) * SECOND, message=f"row {number:03} of the log", service="shop")
        for number in range(ROWS)
    ]
    fill(f"sqlite:///{path}", made)
    return path


@pytest.fixture(scope="module")
def running(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """The application, at 80x24, which has shown everything it begins with."""
    with Terminal(command(str(logs)), tmp_path_factory.mktemp("home")) as terminal:
        _ready(terminal)
        yield terminal
        terminal.send(LEAVE)
        assert terminal.ended() == 0
        assert terminal.restored, terminal.screen.modes
        assert terminal.screen.foreign == []


def _ready(terminal: Terminal, last: str = f"row {ROWS - 1}") -> None:
    terminal.until(last)
    terminal.settle()


def _cursor(screen: Screen, glyph: str = ">") -> str:
    """The line the cursor is on."""
    return next((line for line in screen.lines if line.startswith(glyph)), "")


def test_the_newest_rows_appear(running: Terminal) -> None:
    """Rows fill the screen to its last line but one, the newest at the bottom, the cursor on it, and it is LIVE."""
    lines = running.screen.lines
    assert "● LIVE" in lines[0]
    shown = [line for line in lines if "of the log" in line]
    assert len(shown) >= 18
    numbers = [int(line.partition("row ")[2][:3]) for line in shown]
    assert numbers == list(range(ROWS - len(shown), ROWS))
    assert f"row {ROWS - 1}" in _cursor(running.screen)


def _cost(terminal: Terminal, keys: list[bytes]) -> float:
    """Bytes for each of these keys, on average; the picture of one has come before the next is pressed."""
    before = len(terminal.output)
    for key in keys:
        terminal.act(key, _PICTURE)
    return (len(terminal.output) - before) / len(keys)


def test_a_key_costs_little(running: Terminal) -> None:
    """On average at most 600 bytes for a row and 4,096 for a page at 80x24, and each moves as far as it should."""
    running.act(UP, _PICTURE)
    before = _cursor(running.screen).partition("row ")[2][:3]
    assert 0 < _cost(running, [UP] * 10 + [DOWN] * 10) <= 600
    assert _cursor(running.screen).partition("row ")[2][:3] == before
    assert 0 < _cost(running, [PAGE_UP] * 3 + [PAGE_DOWN] * 2) <= 4096
    running.send(b"G")
    running.until(f"row {ROWS - 1}")
    running.until("LIVE")


@pytest.mark.parametrize("seconds", [1, pytest.param(30, marks=pytest.mark.long)])
def test_nothing_is_sent_when_nothing_happens(running: Terminal, seconds: float) -> None:
    """Paused, and no row arriving: not one byte."""
    running.send(b"=")
    running.until("PAUSED")
    running.settle(0.5)
    assert running.listen(seconds) == 0
    running.send(b"F")
    running.until("LIVE")


def test_resizing_keeps_the_row(running: Terminal) -> None:
    """Whatever the size, the cursor stays on its row, which stays in sight; no byte of another size is left behind."""
    for _ in range(5):
        running.act(PAGE_UP, _PICTURE)
    running.settle()
    row = _cursor(running.screen)[1:].partition("row ")[2][:3]
    assert row
    for size in ((200, 60), (100, 12), (40, 10), (80, 24)):
        running.resize(*size)
        running.until(lambda screen: f"row {row}" in _cursor(screen) and "filter" in screen.text)
    running.settle()
    assert running.screen.foreign == []
    running.send(b"G")
    running.until(f"row {ROWS - 1}")


def test_rows_arrive(running: Terminal, logs: Path) -> None:
    """What is stored is on the screen soon, where the cursor follows."""
    fill(f"sqlite:///{logs}", [entry(5000, now(), message="it has just been stored", service="shop")])
    running.until("it has just been stored")
    with closing(sqlite3.connect(logs)) as file, file:
        file.execute("DELETE FROM logs WHERE lineno = 5000")
    running.send(b"\x12")  # ctrl+r
    running.until(lambda screen: "just been stored" not in screen.text and f"row {ROWS - 1}" in screen.text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(logs: Path, tmp_path: Path, number: signal.Signals) -> None:
    """It ends as its own key ends it: first screen, cursor, mouse, keyboard; the status names the signal."""
    with Terminal(command(str(logs)), tmp_path) as terminal:
        terminal.until("LIVE")  # rows may be on their way
        assert "1049" in terminal.screen.modes
        assert "25" not in terminal.screen.modes
        terminal.process.send_signal(number)
        assert terminal.ended() == 128 + number
        assert terminal.restored, terminal.screen.modes
        assert "Traceback" not in terminal.screen.text


def test_a_crash_leaves_a_terminal_and_a_way_back(logs: Path, tmp_path: Path) -> None:
    """Status 1, the terminal restored, the view as a command line that works, and the traceback in a private file."""
    words = [sys.executable, "-c", _FAILING, str(logs), "-q", "message:*5*", "--level", "info"]
    with Terminal(words, tmp_path) as terminal:
        _ready(terminal, f"row {ROWS - 5}")
        terminal.send(b"\x0c")  # ctrl+l
        assert terminal.ended() == 1
        assert terminal.restored, terminal.screen.modes
        said = "".join(line.ljust(80) for line in terminal.screen.lines)
        assert terminal.screen.foreign == []
    assert "RuntimeError" in said
    assert "Traceback" not in said
    again = said.partition("the same view again: ")[2].strip()
    assert again.startswith("dblog-tui "), said
    assert "message:*5*" in again
    assert "--level info" in again
    [report] = (tmp_path / "xdg_state_home" / "dblog").glob("crash-*.txt")
    assert report.stat().st_mode & 0o777 == 0o600
    assert "RuntimeError: boom" in report.read_text()
    found = subprocess.run(
        ["/bin/sh", "-c", again.replace("dblog-tui", f"{sys.executable} -m dblog_tui", 1)],
        cwd=tmp_path, env=environment_in(tmp_path), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert f"row {ROWS - 5}" in found.stdout


def test_without_a_terminal_it_is_dblog_search(logs: Path, tmp_path: Path) -> None:
    """Where stdout is no terminal the rows of the same view are printed, and stderr says so."""
    words = command(str(logs), "-q", "message:*row* service:shop")
    found = subprocess.run(
        words, cwd=tmp_path, env=environment_in(tmp_path), capture_output=True, text=True, timeout=60, check=True
    )
    assert "row 899" in found.stdout
    assert "\x1b" not in found.stdout
    assert "so this is dblog search" in found.stderr.splitlines()[0]


_PLACES = {
    "no colour": ({"NO_COLOR": "1"}, (), (80, 24)),
    "ascii": ({}, ("--ascii",), (80, 24)),
    "linux console": ({"TERM": "linux"}, (), (80, 24)),
    "vt100": ({"TERM": "vt100"}, (), (80, 24)),
    "small": ({}, (), (40, 10)),
    "smallest": ({}, (), (30, 8)),
}


@pytest.mark.parametrize("place", _PLACES)
def test_it_works_in(logs: Path, tmp_path: Path, place: str) -> None:
    """Terminals with less: rows are shown, a key moves, and it leaves as it came; it says where there is no room."""
    given, arguments, size = _PLACES[place]
    with Terminal(command(str(logs), *arguments), tmp_path, size=size, environment=given) as terminal:
        terminal.until(lambda screen: f"row {ROWS - 1}" in screen.text or "needs" in screen.text)
        if f"row {ROWS - 1}" in terminal.screen.text:
            terminal.send(UP)
            terminal.until(lambda screen: f"row {ROWS - 2}" in _cursor(screen))
        else:
            assert size < (40, 10)
        text, screen = terminal.screen.text, terminal.screen
        if place == "no colour":
            colours = {style for style in screen.styles if style.isdecimal() and 30 <= int(style) <= 107}
            assert colours <= {"39", "49"}
        if place in ("ascii", "linux console", "vt100"):
            assert text.replace("›", ">").isascii()
        terminal.send(LEAVE)
        assert terminal.ended() == 0
        assert terminal.restored
        assert screen.foreign == []


def test_nothing_of_it_is_the_users(logs: Path, tmp_path: Path) -> None:
    """What a test starts sees no settings and no database of whoever runs the tests."""
    script = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'DBLOG' in k or 'XDG' in k}))"
    with Terminal([sys.executable, "-c", script], tmp_path, environment={"COLUMNS": "80"}) as terminal:
        assert terminal.ended() == 0
        seen = json.loads("".join(line.ljust(80) for line in terminal.screen.lines))
    assert set(seen) == {"XDG_CONFIG_HOME", "XDG_STATE_HOME"}
    assert all(Path(path).is_relative_to(tmp_path) for path in seen.values())
    assert not any(name.startswith("DBLOG_TUI") for name in os.environ)


def test_keys_on_their_way_close_one_screen(running: Terminal) -> None:
    """Enter many times in a dialog closes the dialog: the rows below it are there, and keys work."""
    running.send(b"@")
    running.until("Enter go")
    running.send(b"-1m" + b"\r" * 6)
    running.settle()
    for _ in range(4):
        running.send(b"\x1b")
        running.settle(_ESCAPED)
    running.send(b"G")
    running.until(lambda screen: f"row {ROWS - 1}" in screen.text and "LIVE" in screen.text)
