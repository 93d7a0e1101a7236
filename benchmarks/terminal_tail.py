"""Following a database in a terminal while somebody else writes: how late, how much is missed, what it costs."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Report
from benchmarks.terminal_feed import Feed
from tests.tui.terminal import UP, Terminal, command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["an_hour", "quick", "reports"]

_NAME = re.compile(rb"feed (\d{8})")
_COMPRESSED = 700
"""Rows per second of an hour that is over sooner: no look of the tail (every 250 ms) brings more than it shows."""
_TICKS = os.sysconf("SC_CLK_TCK")


def reports(url: str, folder: Path, dialect: str) -> Iterator[Report]:
    """20 rows a second, and 5,000."""
    yield _calm(url, folder, dialect)
    yield _flood(url, folder, dialect)


def _open(url: str, folder: Path, *, watched: bool = False) -> Terminal:
    terminal = Terminal(command(url.removeprefix("sqlite:///")), folder, watched=watched)
    terminal.find(rb"cache miss|connection reset|signed in|finished in|paid, |GET /api")
    terminal.settle(1.5, 5.0)
    return terminal


def _calm(url: str, folder: Path, dialect: str, rate: float = 20.0, count: int = 1200) -> Report:
    """From the commit of a row to its byte on the terminal."""
    report = Report(f"terminal, {dialect}: following 20 rows/s, commit to screen", "ms", "dblog-tui")
    seen: dict[int, float] = {}
    with _open(url, folder) as terminal, Feed(url, rate, count, 1) as somebody:
        rest, end = b"", 0.0
        while somebody.runs or time.monotonic() < end:
            data = terminal.pump(0.1)
            for number in _NAME.findall(rest + data):
                seen.setdefault(int(number), terminal.reads[-1][0])
            rest = data[-16:]
            end = time.monotonic() + 1.0 if somebody.runs else end or time.monotonic() + 1.0
        commits = somebody.commits()
    for number, moment in commits.items():
        if number in seen:
            report.add("dblog-tui", (seen[number] - moment) * 1e3)
    late, missed = report.most("dblog-tui"), len(commits.keys() - seen.keys())
    report.notes.append(f"95 % within {late:.0f} ms (wanted: ≤ 350); {missed} of {len(commits):,} missed (wanted: 0)")
    return report


def _flood(url: str, folder: Path, dialect: str, rate: float = 5000.0, seconds: int = 60) -> Report:
    """What a minute of it costs the program; what it shows in the end; and that it counts right."""
    report = Report(f"terminal, {dialect}: following 5,000 rows/s", "% of a core", "dblog-tui")
    count = round(rate) * seconds
    with _open(url, folder, watched=True) as terminal:
        with Feed(url, rate, count, 250) as somebody:
            terminal.listen(2.0)
            began, used = time.monotonic(), _seconds(terminal.pid)
            while somebody.runs and time.monotonic() - began < seconds - 5:
                before, spent = time.monotonic(), _seconds(terminal.pid)
                terminal.listen(5.0)
                report.add("dblog-tui", (_seconds(terminal.pid) - spent) / (time.monotonic() - before) * 100)
            share = (_seconds(terminal.pid) - used) / (time.monotonic() - began) * 100
            behind = _behind(terminal, somebody)
            skipped = re.search(r"… ([\d,]+)", terminal.screen.lines[0])
        report.notes.append(f"{share:.1f} % in all (wanted: ≤ 15); the newest row was there {behind}")
        report.notes.append(f"of {count:,} rows the header says it skipped {skipped[1] if skipped else 'none'}")
        report.notes.append(_counted(url, terminal))
    return report


def _behind(terminal: Terminal, somebody: Feed) -> str:
    """How long after its commit the last row was on the screen."""
    while somebody.runs:
        terminal.pump(0.1)
    last, moment = max(somebody.commits().items())
    try:
        terminal.until(f"feed {last:08}", 5.0)
    except AssertionError:
        return "never"
    return f"{(terminal.reads[-1][0] - moment) * 1e3:.0f} ms after its commit"


def _counted(url: str, terminal: Terminal, count: int = 25_000) -> str:
    """Paused, the line of news counts what is logged, skipped or not."""
    terminal.press(b"F", 0.5)
    terminal.press(b"=", 0.5)
    terminal.press(UP, 0.5)
    with Feed(url, 5000.0, count, 250) as somebody:
        while somebody.runs:
            terminal.pump(0.1)
        terminal.listen(2.0)
    said = re.search(r"([\d,]+) new", terminal.screen.text)
    number = int(said[1].replace(",", "")) if said else 0
    return f"paused, it counted {number:,} of {count:,} ({'right' if number == count else 'WRONG'})"


def an_hour(url: str, terminal: Terminal, count: int = 72_000) -> int:
    """What an hour brings at 20 rows a second, sooner."""
    with Feed(url, _COMPRESSED, count, 35) as somebody:
        while somebody.runs:
            terminal.pump(0.1)
        terminal.settle(1.0, 5.0)
        terminal.press(UP, 0.5)
    return count


def quick(terminal: Terminal, key: bytes, count: int) -> None:
    """A key so many times, as fast as it is answered."""
    terminal.send(key * count)
    terminal.settle(0.15, 30.0)


def _seconds(pid: int) -> float:
    """Of processor time, of the program and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
