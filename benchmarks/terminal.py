"""``dblog-tui`` on ten million rows, in a pseudo-terminal of 80x24: what it takes until something is there, and bytes.

Beside it, on the newest million of the same rows as JSON lines, lnav and toolong, where they are installed (``lnav`` of
Debian; ``pip install toolong`` into a place of its own, its command ``tl`` on the PATH). They read a file that lies
there, not a database that is asked; figures of memory and of the start are theirs for a tenth of the rows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import terminal_peers, terminal_tail
from benchmarks.report import Report
from tests.tui.terminal import DOWN, PAGE_DOWN, PAGE_UP, UP, Terminal, command, environment_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.databases import Databases

__all__ = ["run"]

ROWS = 10_000_000
OURS = "dblog-tui"
_IMPORT = "importing textual, sqlalchemy.ext.asyncio and the driver"
_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
_ROWS = rb"cache miss|connection reset|signed in|finished in|paid, |GET /api"
"""In every row of history, and nowhere else."""
_KEYS = 60
_QUIET = 0.08
_PAGES = 10_000


class Contestant(NamedTuple):
    """A program that shows rows."""

    name: str
    words: Sequence[str]
    given: dict[str, str]
    up: bytes = UP
    down: bytes = DOWN
    first: bytes = b""
    """What brings it to its newest rows."""


def run(databases: Databases, dialect: str, rounds: int, count: int = ROWS) -> Iterator[Report]:
    """Reports on the start, on keys, on bytes, on memory, and on following what is logged."""
    with databases.filled(dialect, count) as url, tempfile.TemporaryDirectory(prefix="dblog-bench-") as folder:
        peers = terminal_peers.prepare(Path(folder), count // 10)
        contestants = [
            Contestant(OURS, command(url.removeprefix("sqlite:///")), {}),
            *(Contestant(*peer) for peer in peers.contestants),
        ]
        place = _Place(Path(folder))
        first = _starts(contestants, place, dialect, rounds)
        first.notes += peers.absent
        yield first
        yield from _keys(contestants, place, dialect)
        yield _memory(contestants, place, dialect, url)
        yield from terminal_tail.reports(url, Path(folder), dialect)


class _Place:
    """Where terminals are opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, contestant: Contestant) -> Iterator[Terminal]:
        """A running contestant."""
        with Terminal(contestant.words, self._folder, environment=contestant.given, watched=False) as terminal:
            yield terminal

    def imported(self, dialect: str) -> float:
        """Milliseconds of a process that only imports what cannot be done without."""
        modules = f"textual.app, textual.widgets, sqlalchemy.ext.asyncio, {_DRIVERS[dialect]}"
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {modules}"], env=environment_in(self._folder), check=True)
        return (time.perf_counter() - began) * 1e3


def _starts(contestants: Sequence[Contestant], place: _Place, dialect: str, rounds: int) -> Report:
    report = Report(f"terminal, {dialect}: from the start of the process", "ms", _IMPORT)
    for _ in range(max(rounds, 3)):
        report.add(_IMPORT, place.imported(dialect))
        for each in contestants:
            with place.open(each) as terminal:
                if each.name == OURS:
                    report.add(f"{OURS}: the screen is painted", terminal.find(rb"filter") * 1e3)
                report.add(f"{each.name}: first rows", terminal.find(_ROWS) * 1e3)
    ratio, painted = report.ratio(f"{OURS}: first rows"), report.median(f"{OURS}: the screen is painted")
    report.notes.append(f"first rows {ratio:.2f} × importing (wanted: ≤ 1.25); painted {painted:.0f} ms (≤ 500)")
    return report


def _keys(contestants: Sequence[Contestant], place: _Place, dialect: str) -> Iterator[Report]:
    """Time to the last byte, and bytes, of rows and of pages; and what is sent when nothing happens."""
    wanted = {"row": (5_000, 600), "page": (10_000, 4_096)}
    for name, (most, size) in wanted.items():
        times = Report(f"terminal, {dialect}: a {name} key to its last byte", "µs", OURS)
        sizes = Report(f"terminal, {dialect}: a {name} key", "bytes", OURS)
        for each in contestants:
            with place.open(each) as terminal:
                terminal.find(_ROWS)
                terminal.settle(1.0)
                key, back = (each.up, each.down) if name == "row" else (PAGE_UP, PAGE_DOWN)
                terminal.press(each.first + key, 0.5)  # leaves LIVE
                for number in range(_KEYS):
                    pressed = terminal.press(key if number % 20 < 15 else back, _QUIET)
                    times.add(each.name, pressed.seconds * 1e6)
                    sizes.add(each.name, pressed.bytes)
        late = ", ".join(f"{each} {times.most(each):,.0f}" for each in times.samples)
        times.notes.append(f"95 % within: {late} (wanted: ≤ {most:,})")
        mean = ", ".join(f"{each} {sum(values) / len(values):,.0f}" for each, values in sizes.samples.items())
        sizes.notes.append(f"on average: {mean} (wanted: ≤ {size:,})")
        yield from (times, sizes)
    idle = Report(f"terminal, {dialect}: 30 s in which nothing happens", "bytes", OURS)
    for each in contestants:
        with place.open(each) as terminal:
            terminal.find(_ROWS)
            terminal.press(UP, 1.0)
            terminal.settle(2.0)
            idle.add(each.name, terminal.listen(30.0))
    yield idle


def _memory(contestants: Sequence[Contestant], place: _Place, dialect: str, url: str) -> Report:
    report = Report(f"terminal, {dialect}: resident memory", "kB", f"{OURS}: after the start")
    for each in contestants:
        with place.open(each) as terminal:
            terminal.find(_ROWS)
            terminal.settle(2.0)
            report.add(f"{each.name}: after the start", _resident(terminal.pid))
            if each.name == OURS:
                rows = terminal_tail.an_hour(url, terminal)
                report.add(f"{OURS}: after an hour of 20 rows/s ({rows:,} rows)", _resident(terminal.pid))
                _page(terminal, _PAGES)
                after = f"{OURS}: and {_PAGES:,} page keys"
                report.add(after, _resident(terminal.pid))
                report.notes.append(f"{report.median(after) / 1000:.0f} MB in the end (wanted: ≤ 100)")
            else:
                terminal_tail.quick(terminal, PAGE_UP, 500)
                report.add(f"{each.name}: after 500 page keys", _resident(terminal.pid))
    return report


def _page(terminal: Terminal, count: int) -> None:
    """Towards older, and now and then a stretch back."""
    for number in range(count // 50):
        terminal_tail.quick(terminal, PAGE_DOWN if number % 5 == 4 else PAGE_UP, 50)


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = int(status.partition("VmRSS:")[2].split()[0])
    return kilobytes * 1024 / 1000
